//! Builds contracts: [`contract!`](crate::contract) for tests, and [`build`] for who wants the files.
//!
//! A contract is built once for the content of its sources, local dependencies, lock file and toolchain; what was built is kept in
//! the workspace's `target/crostata`. The same content gives the same bytes on every machine.

mod command;
mod compile;
mod error;
mod sources;
mod toolchain;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crostata_proof::CodeHash;
use crostata_proof::hash::code_hash;
use crostata_schema::strip;

pub use error::BuildError;

use crate::chain::Code;
use sources::Sources;
use toolchain::Toolchain;

/// Builds of one contract that are kept.
const KEPT_MAX: usize = 8;

/// A contract that was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The package's name.
    pub name: String,
    /// What is deployed.
    pub wasm: Arc<[u8]>,
    /// The same with names and debug information, for traces and profiles.
    pub debug_wasm: Arc<[u8]>,
    /// The hash of what is deployed.
    pub hash: CodeHash,
    /// The file with what is deployed.
    pub file: PathBuf,
    /// Whether it was there already.
    pub was_built_before: bool,
}

impl From<Built> for Code {
    fn from(built: Built) -> Self {
        Self {
            wasm: built.wasm,
            unstripped: Some(built.debug_wasm),
            name: Some(built.name),
        }
    }
}

/// Builds the contract in a folder, unless the same content was built before.
///
/// # Errors
/// [`BuildError`], whose text says what to do.
pub fn build(folder: &Path) -> Result<Built, BuildError> {
    build_and_tell(folder, |_| {})
}

/// The same; tells before it does what takes long.
///
/// # Errors
/// [`BuildError`].
pub fn build_and_tell(folder: &Path, tell: impl FnOnce(&str)) -> Result<Built, BuildError> {
    if !folder.join("Cargo.toml").is_file() {
        let path = folder.to_path_buf();
        return Err(BuildError::NoContract { path });
    }
    // For the manifest any compiler does; which target is wanted is written in it.
    let narrow = Toolchain::find("wasm32-unknown-unknown")?;
    let sources = Sources::of(folder, &narrow)?;
    let toolchain = match sources.is_64_bit {
        true => Toolchain::find(sources.target_name())?,
        false => narrow,
    };
    let rules = format!("{}\n{}", toolchain.version, sources.target_name());
    let place = sources.target.join("crostata");
    fs::create_dir_all(&place).map_err(BuildError::file(&place))?;
    // One process builds, the others find what it built.
    let lock = place.join("lock");
    let lock = File::create(&lock).map_err(BuildError::file(&lock))?;
    lock.lock().map_err(BuildError::file(&place))?;
    let kept = place.join(&sources.package).join(sources.hash(&rules)?);
    let file = kept.join(format!("{}.wasm", sources.library));
    if let Some(built) = found(&sources, &file) {
        return Ok(built);
    }
    tell(&format!(
        "building {} for WebAssembly; the first time takes minutes",
        sources.package
    ));
    let debug_wasm = sources.compile(&toolchain, &place)?;
    let wasm = strip(&debug_wasm).map_err(|source| BuildError::NotWasm {
        path: file.clone(),
        source,
    })?;
    keep(&kept, &file, &wasm, &debug_wasm)?;
    Ok(Built {
        name: sources.package,
        hash: code_hash(&wasm),
        wasm: wasm.into(),
        debug_wasm: debug_wasm.into(),
        file,
        was_built_before: false,
    })
}

/// What was built before, if it is still what it was.
fn found(sources: &Sources, file: &Path) -> Option<Built> {
    let wasm = fs::read(file).ok()?;
    let debug_wasm = fs::read(unstripped(file)).ok()?;
    if strip(&debug_wasm).ok()? != wasm {
        return None;
    }
    Some(Built {
        name: sources.package.clone(),
        hash: code_hash(&wasm),
        wasm: wasm.into(),
        debug_wasm: debug_wasm.into(),
        file: file.to_path_buf(),
        was_built_before: true,
    })
}

fn unstripped(file: &Path) -> PathBuf {
    file.with_extension("debug.wasm")
}

/// Keeps what was built, and only the latest builds of a contract.
fn keep(kept: &Path, file: &Path, wasm: &[u8], debug_wasm: &[u8]) -> Result<(), BuildError> {
    fs::create_dir_all(kept).map_err(BuildError::file(kept))?;
    let unstripped = unstripped(file);
    fs::write(&unstripped, debug_wasm).map_err(BuildError::file(&unstripped))?;
    fs::write(file, wasm).map_err(BuildError::file(file))?;
    let Some(all) = kept.parent() else {
        return Ok(());
    };
    let entries = fs::read_dir(all).into_iter().flatten().flatten();
    let age = |path: &PathBuf| {
        fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    let mut builds: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    builds.sort_by_key(age);
    let surplus = builds.len().saturating_sub(KEPT_MAX);
    for build in builds.iter().take(surplus) {
        // One that can not be removed only takes space.
        let _ = fs::remove_dir_all(build);
    }
    Ok(())
}

/// The code of the contract at a path relative to a folder: of a `.wasm` file, or of a folder with a `Cargo.toml`, which is built.
/// Where nothing can be built, a Wasm file beside the sources is used. Each path is looked at once per process.
///
/// # Errors
/// [`BuildError`].
pub fn code(base: &Path, path: &str) -> Result<Code, BuildError> {
    static KNOWN: Mutex<Option<HashMap<PathBuf, Code>>> = Mutex::new(None);
    let path = base.join(path);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(code) = known.get(&path) {
        return Ok(code.clone());
    }
    let code = look_at(&path)?;
    known.insert(path, code.clone());
    Ok(code)
}

fn look_at(path: &Path) -> Result<Code, BuildError> {
    if path
        .extension()
        .is_some_and(|extension| extension == "wasm")
    {
        return file(path);
    }
    // Test programs hold back what tests print, and this has to be seen meanwhile. Nobody to tell if it can not be.
    let tell = |text: &str| drop(writeln!(io::stderr(), "{text}"));
    match build_and_tell(path, tell) {
        Ok(built) => Ok(built.into()),
        Err(error @ (BuildError::NoTarget { .. } | BuildError::NoLinker)) => {
            let found = beside(path)
                .into_iter()
                .find(|candidate| candidate.is_file());
            found.map_or(Err(error), |found| file(&found))
        }
        Err(error) => Err(error),
    }
}

/// Where the Wasm of a contract is kept that is not built here.
fn beside(folder: &Path) -> [PathBuf; 3] {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let file = format!("{name}.wasm");
    let above = folder.parent().unwrap_or(folder);
    [
        folder.join(&file),
        folder.join("artifacts").join(&file),
        above.join("artifacts").join(&file),
    ]
}

/// The code in a file. Says on standard error if its sources are newer.
fn file(path: &Path) -> Result<Code, BuildError> {
    let unstripped = fs::read(path).map_err(BuildError::file(path))?;
    let wasm = strip(&unstripped).map_err(|source| BuildError::NotWasm {
        path: path.to_path_buf(),
        source,
    })?;
    if let Some(warning) = outdated(path) {
        eprintln!("{warning}");
    }
    Ok(Code {
        wasm: wasm.into(),
        unstripped: Some(unstripped.into()),
        name: path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned()),
    })
}

/// What to say of a Wasm file that is older than a source of its contract, in the folder around the file or in one of its name beside that
/// folder; nothing if it is not.
pub fn outdated(path: &Path) -> Option<String> {
    let built = fs::metadata(path).and_then(|metadata| metadata.modified());
    let built = built.ok()?;
    let stem = path.file_stem()?;
    let above = path.parent()?;
    let folders = [
        above.to_path_buf(),
        above.join("..").join(stem),
        above.join(".."),
    ];
    let mut packages = folders.iter().filter(|folder| folder.join("src").is_dir());
    let folder = packages.find(|folder| folder.join("Cargo.toml").is_file())?;
    let newer = sources::newer_file([folder.as_path()], built)?;
    Some(format!(
        "warning: {} is older than {}: what is tested is not what is written; run `crostata build {}`",
        path.display(),
        newer.display(),
        folder.display()
    ))
}

/// For [`contract!`](crate::contract).
///
/// # Panics
/// When the contract can not be had, saying why.
#[doc(hidden)]
#[track_caller]
pub fn code_for_test(base: &str, path: &str) -> Code {
    match code(Path::new(base), path) {
        Ok(code) => code,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            panic!("{error}{}", cause.unwrap_or_default())
        }
    }
}

/// The code of a contract, for [`Chain::deploy`](crate::Chain::deploy): `contract!("../token")` is the contract in that folder, relative to the
/// `Cargo.toml` of the test's package, built if its sources changed; `contract!("token.wasm")` is what the file has.
///
/// A contract is built once for the content of its sources, local dependencies, lock file and toolchain, however many tests and
/// processes ask for it. Where no compiler for WebAssembly is installed, a Wasm file beside the folder is used, and standard error says
/// so if it is older than a source.
///
/// # Panics
/// When the contract does not compile, or nothing here can compile it; the message says what to do.
#[macro_export]
macro_rules! contract {
    ($path:literal) => {
        $crate::build::code_for_test(env!("CARGO_MANIFEST_DIR"), $path)
    };
}
