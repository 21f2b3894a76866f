//! A test tool: files in memory that fail at a chosen operation and lose what was not synced.
//!
//! Every call on the directory or on a file counts as one operation. The bytes a process sees and
//! the bytes that are on the disk are kept apart; [`FaultyFiles::crash`] gives the second, with all,
//! none or some of the writes between. A failed sync of a file behaves as Linux's: the bytes stay
//! visible, and count as written although they never reach the disk. A failed sync of the directory
//! leaves the names to the next one, as a journal does.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::{MemoryLock, copy_in, copy_out, resize};
use super::{File, Files, LockError, LockGuard, MemoryFiles};

/// What a power cut writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this operation happens without being synced, and it and all later ones fail.
    Cut,
    /// A write fails half-way with [`ErrorKind::StorageFull`].
    NoSpace,
    /// The operation fails.
    Io,
    /// A write or a read moves half of its bytes, at least one, and succeeds.
    Short,
}

/// What becomes of the operations that were not synced when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// None of them reached the disk.
    Lost,
    /// All of them did.
    Kept,
    /// Some of them did, chosen by the seed: of a write any sectors, in any order.
    Torn(u64),
}

/// A directory that fails. A clone shows the same files.
#[derive(Clone, Default)]
pub struct FaultyFiles {
    disk: Arc<Mutex<Disk>>,
    locked: MemoryLock,
}

impl FaultyFiles {
    /// An empty directory that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty directory in which `fault` happens at operation `number`, counted from 0.
    pub fn failing(number: u64, fault: Fault) -> Self {
        let files = Self::new();
        files.disk().plan = Some((number, fault));
        files
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Whether the power is gone.
    pub fn is_cut(&self) -> bool {
        self.disk().cut
    }

    /// Puts a file on the disk, durably and without counting an operation.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        let node = disk.nodes.len();
        disk.nodes.push(Node::durable(bytes));
        disk.names.insert(name.to_owned(), node);
        disk.durable_names.insert(name.to_owned(), node);
    }

    /// The files that a process would find after a power cut now.
    pub fn crash(&self, unsynced: Unsynced) -> MemoryFiles {
        self.disk().crash(unsynced)
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, node: usize) -> Arc<dyn File> {
        let disk = self.disk.clone();
        Arc::new(FaultyFile { disk, node })
    }
}

impl Files for FaultyFiles {
    fn path(&self) -> PathBuf {
        PathBuf::from("faulty")
    }

    fn lock(&self) -> Result<LockGuard, LockError> {
        self.disk().step()?;
        self.locked.take()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut disk = self.disk();
        disk.step()?;
        Ok(disk.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.step()?;
        let node = *disk.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(self.file(node))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        let name = name.to_owned();
        let node = disk.nodes.len();
        disk.nodes.push(Node::default());
        disk.change_names(NameChange::Set { name, node })?;
        Ok(self.file(node))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let node = *disk.names.get(from).ok_or(ErrorKind::NotFound)?;
        let (from, to) = (from.to_owned(), to.to_owned());
        disk.change_names(NameChange::Move { from, to, node })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.names.get(name).ok_or(ErrorKind::NotFound)?;
        let name = name.to_owned();
        disk.change_names(NameChange::Remove { name })
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        for change in std::mem::take(&mut disk.name_changes) {
            change.apply(&mut disk.durable_names);
        }
        Ok(())
    }
}

struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
    node: usize,
}

impl FaultyFile {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.disk();
        let len = disk.step()?.of(buffer.len());
        Ok(copy_out(
            &disk.nodes[self.node].live,
            &mut buffer[..len],
            offset,
        ))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.disk();
        let (len, result) = match disk.step() {
            Ok(share) => (share.of(bytes.len()), Ok(share.of(bytes.len()))),
            Err(error) if error.kind() == ErrorKind::StorageFull => (bytes.len() / 2, Err(error)),
            Err(error) if disk.cutting => (bytes.len(), Err(error)),
            Err(error) => (0, Err(error)),
        };
        let bytes = bytes[..len].to_vec();
        disk.nodes[self.node].change(Change::Write { offset, bytes })?;
        result
    }

    fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk();
        disk.step()?;
        Ok(disk.nodes[self.node].live.len() as u64)
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        let mut disk = self.disk();
        let result = disk.step();
        if result.is_ok() || disk.cutting {
            disk.nodes[self.node].change(Change::Length(len_bytes))?;
        }
        result.map(drop)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk();
        let result = disk.step();
        let cut = disk.cut;
        let node = &mut disk.nodes[self.node];
        match result {
            Ok(_) => node.sync(),
            Err(error) => {
                if !cut {
                    node.pending.clear();
                }
                Err(error)
            }
        }
    }
}

/// How much of its bytes an operation moves.
#[derive(Clone, Copy)]
enum Share {
    Whole,
    Half,
}

impl Share {
    fn of(self, len: usize) -> usize {
        match self {
            Self::Whole => len,
            Self::Half => len.div_ceil(2),
        }
    }
}

#[derive(Default)]
struct Disk {
    operations: u64,
    plan: Option<(u64, Fault)>,
    /// The power is gone.
    cut: bool,
    /// It went at the operation that is under way.
    cutting: bool,
    nodes: Vec<Node>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
}

impl Disk {
    /// Counts an operation and fails it if that is its turn.
    fn step(&mut self) -> io::Result<Share> {
        self.cutting = false;
        if self.cut {
            return Err(io::Error::other("the power is gone"));
        }
        let number = self.operations;
        self.operations += 1;
        match self.plan {
            Some((at, fault)) if at == number => self.fail(fault),
            _ => Ok(Share::Whole),
        }
    }

    fn fail(&mut self, fault: Fault) -> io::Result<Share> {
        match fault {
            Fault::Cut => {
                (self.cut, self.cutting) = (true, true);
                Err(io::Error::other("the power goes"))
            }
            Fault::NoSpace => Err(ErrorKind::StorageFull.into()),
            Fault::Io => Err(io::Error::other("injected")),
            Fault::Short => Ok(Share::Half),
        }
    }

    fn change_names(&mut self, change: NameChange) -> io::Result<()> {
        let result = self.step();
        if result.is_ok() || self.cutting {
            change.apply(&mut self.names);
            self.name_changes.push(change);
        }
        result.map(drop)
    }

    fn crash(&self, unsynced: Unsynced) -> MemoryFiles {
        let mut dice = Dice::new(unsynced);
        let mut names = self.durable_names.clone();
        for change in &self.name_changes {
            if dice.keep() {
                change.apply(&mut names);
            }
        }
        MemoryFiles::with(names.into_iter().map(|(name, node)| {
            let bytes = self.nodes[node].after_crash(&mut dice);
            (name, bytes)
        }))
    }
}

/// A file, whatever its name.
#[derive(Default)]
struct Node {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

impl Node {
    fn durable(bytes: &[u8]) -> Self {
        Self {
            live: bytes.to_vec(),
            durable: bytes.to_vec(),
            pending: Vec::new(),
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        change.apply(&mut self.live)?;
        self.pending.push(change);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        pending
            .iter()
            .try_for_each(|change| change.apply(&mut self.durable))
    }

    fn after_crash(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for piece in self.pending.iter().flat_map(Change::pieces) {
            if dice.keep() {
                // It fitted into memory when it was made.
                let _ = piece.apply(&mut bytes);
            }
        }
        bytes
    }
}

#[derive(Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Write { offset, bytes } => copy_in(file, bytes, *offset),
            Self::Length(len_bytes) => resize(file, *len_bytes),
        }
    }

    /// The change in parts that happen wholly or not at all.
    fn pieces(&self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else {
            return vec![self.clone()];
        };
        let first = (SECTOR_BYTES - (*offset % SECTOR_BYTES as u64) as usize).min(bytes.len());
        let (head, rest) = bytes.split_at(first);
        let parts = std::iter::once(head).chain(rest.chunks(SECTOR_BYTES));
        let mut at = *offset;
        let piece = |part: &[u8]| {
            let offset = at;
            at += part.len() as u64;
            let bytes = part.to_vec();
            Self::Write { offset, bytes }
        };
        parts.map(piece).collect()
    }
}

enum NameChange {
    Set {
        name: String,
        node: usize,
    },
    Move {
        from: String,
        to: String,
        node: usize,
    },
    Remove {
        name: String,
    },
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set { name, node } => drop(names.insert(name.clone(), *node)),
            Self::Move { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Remove { name } => drop(names.remove(name)),
        }
    }
}

/// Decides which unsynced pieces reached the disk: the same for the same seed.
struct Dice {
    unsynced: Unsynced,
    state: u64,
}

impl Dice {
    fn new(unsynced: Unsynced) -> Self {
        let state = match unsynced {
            Unsynced::Torn(seed) => seed,
            _ => 0,
        };
        Self { unsynced, state }
    }

    fn keep(&mut self) -> bool {
        match self.unsynced {
            Unsynced::Lost => false,
            Unsynced::Kept => true,
            Unsynced::Torn(_) => self.next() & 1 == 1,
        }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }
}
