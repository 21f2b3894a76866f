//! Artifacts on disk: a directory that several processes may share, and that anybody may empty at any time.
//!
//! | file | what it is |
//! |---|---|
//! | `key` | the 32 bytes of the node's key |
//! | 64 digits, `-`, 32 digits, `.artifact` | an artifact: hash of the code, name of the stamp |
//! | 16 digits, `-`, a number, `.new` | a file that is being written |
//!
//! Files come whole, by a rename. Nothing is synced but the key: what a crash tears is damaged, and compiled again. Whatever
//! fails here is counted and otherwise without effect. Other files are left alone.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crostata_proof::CodeHash;

use super::config::ArtifactDirectory;
use super::counters::Counters;
use super::format::{Artifact, Unfit};
use super::secret::{self, Secret};
use super::stamp::Stamp;
use crate::store::files::{Files, OsFiles};

const KEY_FILE: &str = "key";
const ARTIFACT_SUFFIX: &str = ".artifact";
const NEW_SUFFIX: &str = ".new";

/// The directory is looked through when this part of what may be in it was written since.
const LOOKS_PER_BUDGET: u64 = 16;

/// The artifacts of a directory.
pub struct Disk {
    directory: ArtifactDirectory,
    bytes_max: u64,
    counters: Arc<Counters>,
    opened: Mutex<Option<Arc<Opened>>>,
    /// Bytes written since the directory was last looked through; none before the first time.
    written: Mutex<Option<u64>>,
}

/// A directory with its key.
struct Opened {
    files: Arc<dyn Files>,
    secret: Secret,
    /// Tells this process's unfinished files from those of others.
    process: u64,
    made: AtomicU64,
}

/// Why there is no artifact.
enum Miss {
    Missing,
    Unfit(Unfit),
    Unreadable,
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::UnexpectedEof => Self::Unfit(Unfit::Damaged),
            _ => Self::Unreadable,
        }
    }
}

impl Disk {
    /// Artifacts in this directory, which is not looked at before the first is wanted; none for none.
    pub fn new(
        directory: ArtifactDirectory,
        bytes_max: u64,
        counters: Arc<Counters>,
    ) -> Option<Self> {
        let keeps = !matches!(
            directory,
            ArtifactDirectory::Own | ArtifactDirectory::Nowhere
        );
        keeps.then(|| Self {
            directory,
            bytes_max,
            counters,
            opened: Mutex::new(None),
            written: Mutex::new(None),
        })
    }

    /// The artifact of this code under this stamp, if there is a good one. Otherwise the reason is counted.
    pub fn load(&self, code: &CodeHash, stamp: &Stamp) -> Option<Artifact> {
        let loaded = match self.load_once(code, stamp) {
            // Another process may have made another key.
            Err(Miss::Unfit(Unfit::Foreign)) if self.key_changed() => self.load_once(code, stamp),
            loaded => loaded,
        };
        match loaded {
            Ok(artifact) => return Some(artifact),
            Err(Miss::Missing) => self.counters.missing.count(),
            Err(Miss::Unfit(unfit)) => self.count_unfit(unfit),
            Err(Miss::Unreadable) => self.counters.unreadable.count(),
        }
        None
    }

    /// Counts an artifact that is of no use.
    pub fn count_unfit(&self, unfit: Unfit) {
        match unfit {
            Unfit::Foreign => self.counters.foreign.count(),
            Unfit::Damaged => self.counters.damaged.count(),
        }
    }

    /// Writes an artifact, in place of one that may be. A failure is counted.
    pub fn save(&self, code: &CodeHash, stamp: &Stamp, seal: impl Fn(&Secret) -> Artifact) {
        let saved = match self.save_once(code, stamp, &seal) {
            // Somebody removed the directory.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                *self.lock() = None;
                self.save_once(code, stamp, &seal)
            }
            saved => saved,
        };
        match saved.and_then(|bytes| self.keep_to_budget(bytes)) {
            Ok(removed) => self.counters.disk_evicted.add(removed),
            Err(_) => self.counters.write_failures.count(),
        }
    }

    /// Removes an artifact. `true` if there was one.
    pub fn remove(&self, code: &CodeHash, stamp: &Stamp) -> bool {
        let removed = self.opened().map(|opened| {
            let name = name(code, stamp);
            opened.files.remove(&name)
        });
        matches!(removed, Ok(Ok(())))
    }

    fn load_once(&self, code: &CodeHash, stamp: &Stamp) -> Result<Artifact, Miss> {
        let opened = self.opened()?;
        let bytes = self.read(&*opened.files, &name(code, stamp))?;
        let artifact = Artifact::open(bytes, &opened.secret).map_err(Miss::Unfit)?;
        if artifact.code_hash() != code.as_bytes() || artifact.engine() != stamp.section() {
            return Err(Miss::Unfit(Unfit::Foreign));
        }
        Ok(artifact)
    }

    fn read(&self, files: &dyn Files, name: &str) -> Result<Vec<u8>, Miss> {
        let file = files.open(name)?;
        let len = file.len()?;
        if len > self.bytes_max {
            return Err(Miss::Unfit(Unfit::Damaged));
        }
        let len = usize::try_from(len).map_err(|_| Miss::Unfit(Unfit::Damaged))?;
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(len);
        room.map_err(|_| Miss::Unreadable)?;
        bytes.resize(len, 0);
        file.read_exact_at(&mut bytes, 0)?;
        file.touch();
        Ok(bytes)
    }

    /// The bytes that were written: none for what is more than all that may be kept.
    fn save_once(
        &self,
        code: &CodeHash,
        stamp: &Stamp,
        seal: impl Fn(&Secret) -> Artifact,
    ) -> io::Result<u64> {
        let opened = self.opened()?;
        let artifact = seal(&opened.secret);
        let len = artifact.bytes().len() as u64;
        if len > self.bytes_max {
            return Ok(0);
        }
        let new = opened.new_name();
        let written = opened.files.create(&new).and_then(|file| {
            file.write_all_at(artifact.bytes(), 0)?;
            opened.files.rename(&new, &name(code, stamp))
        });
        written.map(|()| len).inspect_err(|_| {
            // If this fails too, the file goes when it is the oldest.
            let _ = opened.files.remove(&new);
        })
    }

    /// Removes what was not used for longest while there is more than the budget allows. How many were removed.
    fn keep_to_budget(&self, new_bytes: u64) -> io::Result<u64> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let since = written.map(|bytes| bytes.saturating_add(new_bytes));
        *written = since;
        if since.is_some_and(|bytes| bytes < self.bytes_max / LOOKS_PER_BUDGET) {
            return Ok(0);
        }
        *written = Some(0);
        drop(written);
        let files = self.opened()?.files.clone();
        let mut kept = Vec::new();
        for name in files.names()?.into_iter().filter(|name| is_ours(name)) {
            // What another process removed meanwhile is gone already.
            if let Ok(file) = files.open(&name) {
                kept.push((file.touched()?, file.len()?, name));
            }
        }
        kept.sort_unstable();
        let mut bytes: u64 = kept.iter().map(|(_, len, _)| len).sum();
        // Down to where the next look will find no more than the budget, if nobody else writes.
        let wanted = self.bytes_max - self.bytes_max / LOOKS_PER_BUDGET;
        let mut removed = 0;
        for (_, len, name) in kept {
            if bytes <= wanted {
                break;
            }
            bytes -= len;
            removed += u64::from(files.remove(&name).is_ok());
        }
        Ok(removed)
    }

    /// The directory, made if need be, and its key.
    fn opened(&self) -> io::Result<Arc<Opened>> {
        let mut opened = self.lock();
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let made = Arc::new(Opened::open(self.files()?)?);
        *opened = Some(made.clone());
        Ok(made)
    }

    /// Whether the key is another one by now; it is used from here on.
    fn key_changed(&self) -> bool {
        let Some(before) = self.lock().take() else {
            return true;
        };
        match self.opened() {
            Ok(now) => now.secret != before.secret,
            Err(_) => false,
        }
    }

    fn files(&self) -> io::Result<Arc<dyn Files>> {
        match &self.directory {
            ArtifactDirectory::At(path) => files_at(path),
            ArtifactDirectory::Files(files) => Ok(files.clone()),
            ArtifactDirectory::Own | ArtifactDirectory::Nowhere => {
                Err(ErrorKind::Unsupported.into())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Opened>>> {
        // An option is whole whenever the lock is free.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory of a cache needs not be durable.
fn files_at(path: &Path) -> io::Result<Arc<dyn Files>> {
    std::fs::create_dir_all(path)?;
    Ok(Arc::new(OsFiles::open(path)?))
}

impl Opened {
    fn open(files: Arc<dyn Files>) -> io::Result<Self> {
        let process = u64::from_le_bytes(secret::random()?);
        let made = AtomicU64::new(0);
        let secret = match read_key(&*files)? {
            Some(secret) => secret,
            None => make_key(&*files, &new_name(process, &made))?,
        };
        Ok(Self {
            files,
            secret,
            process,
            made,
        })
    }

    fn new_name(&self) -> String {
        new_name(self.process, &self.made)
    }
}

fn new_name(process: u64, made: &AtomicU64) -> String {
    let number = made.fetch_add(1, Ordering::Relaxed);
    format!("{process:016x}-{number}{NEW_SUFFIX}")
}

/// The key, unless there is none or it is damaged.
fn read_key(files: &dyn Files) -> io::Result<Option<Secret>> {
    let file = match files.open(KEY_FILE) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut key = [0; 32];
    if file.len()? != key.len() as u64 {
        return Ok(None);
    }
    match file.read_exact_at(&mut key, 0) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        Err(_) => Ok(None),
        Ok(()) => Ok(Secret::from_bytes(key)),
    }
}

/// Makes a key; or takes that of another process that made one at the same moment.
fn make_key(files: &dyn Files, new: &str) -> io::Result<Secret> {
    let secret = Secret::random()?;
    let file = files.create_private(new)?;
    file.write_all_at(secret.bytes(), 0)?;
    file.sync_data()?;
    files.rename(new, KEY_FILE)?;
    Ok(read_key(files)?.unwrap_or(secret))
}

fn name(code: &CodeHash, stamp: &Stamp) -> String {
    format!("{code}-{}{ARTIFACT_SUFFIX}", stamp.name())
}

/// Whether a file is an artifact, or is to become one.
fn is_ours(name: &str) -> bool {
    let digits = |text: &str, count| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let parts = |suffix| name.strip_suffix(suffix)?.split_once('-');
    match (parts(ARTIFACT_SUFFIX), parts(NEW_SUFFIX)) {
        (Some((code, stamp)), _) => digits(code, 64) && digits(stamp, 32),
        (_, Some((process, number))) => digits(process, 16) && number.parse::<u64>().is_ok(),
        _ => false,
    }
}
