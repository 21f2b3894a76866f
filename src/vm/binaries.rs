//! The binaries of allowed code: looked for in a directory, checked, compiled and pinned when a VM opens.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crostata_proof::{CodeHash, hash};

#[cfg(feature = "libraries")]
use crate::engine::LibraryError;
use crate::engine::code::Rejection;
use crate::engine::{CompileError, ModuleError};
use crate::session::Runtime;

/// More than any code has: what is longer is not read to its end.
const BYTES_MAX: u64 = 64 << 20;

/// Where the binaries of allowed code are, and who hears of their compilation.
#[derive(Clone)]
pub struct BinariesConfig {
    /// The directory that has a file `<64 hexadecimal digits>.wasm` for each code on the [`AllowList`](crate::AllowList), and for each of the
    /// [`Libraries`](crate::Libraries), of each configured protocol. Opening checks them all and has them compiled and pinned. Without lists nobody looks there; without a
    /// directory, code is compiled when it is first needed, and there can be no libraries.
    pub directory: Option<PathBuf>,
    /// Hears of each code that is ready, from any thread.
    pub told: Option<Told>,
}

/// Who hears how far the compilation of binaries came.
pub type Told = Arc<dyn Fn(BinariesProgress) + Send + Sync>;

/// How far the compilation of binaries came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BinariesProgress {
    /// The code that is ready now.
    pub code: CodeHash,
    /// How many are ready.
    pub ready: usize,
    /// Of how many.
    pub total: usize,
}

/// What is wrong with the binary of an allowed code.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// There is none.
    #[error("{} is missing: the protocol lists its hash", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It can not be read.
    #[error("{} can not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what its name says.
    #[error("{} has the hash {found}: it is another file, or damaged", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The hash of what is in it.
        found: CodeHash,
    },
    /// It breaks a rule.
    #[error("{} is rejected: {rejection}", path.display())]
    Rejected {
        /// The file.
        path: PathBuf,
        /// The rule and the place.
        #[source]
        rejection: Rejection,
    },
    /// It is no library.
    #[cfg(feature = "libraries")]
    #[error("{} is no library: {error}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: LibraryError,
    },
    /// A protocol lists libraries, and there is no directory to find them in.
    #[cfg(feature = "libraries")]
    #[error(
        "the library {library} has no directory to be found in: name one in the configuration's binaries"
    )]
    NoDirectory {
        /// The library.
        library: CodeHash,
    },
    /// It can not be compiled.
    #[error("{} can not be compiled", path.display())]
    Compile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CompileError,
    },
}

impl Default for BinariesConfig {
    fn default() -> Self {
        Self {
            directory: Some(PathBuf::from("./config/wasm")),
            told: None,
        }
    }
}

impl fmt::Debug for BinariesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BinariesConfig")
            .field("directory", &self.directory)
            .field("told", &self.told.is_some())
            .finish()
    }
}

/// A code that a runtime's protocol allows.
struct Wanted<'a> {
    runtime: &'a Runtime,
    code: CodeHash,
    #[cfg_attr(
        not(feature = "libraries"),
        expect(dead_code, reason = "no protocol that lists libraries gets here")
    )]
    is_library: bool,
}

/// Has all allowed code ready, on as many threads as there are processors. Gives what is wrong, in the order of protocols and lists.
pub fn precompile(runtimes: &[Arc<Runtime>], config: &BinariesConfig) -> Vec<BinaryError> {
    let Some(directory) = &config.directory else {
        return without_directory(runtimes);
    };
    let wanted: Vec<Wanted<'_>> = runtimes.iter().flat_map(wanted).collect();
    let work = Work {
        directory,
        wanted: &wanted,
        told: config.told.as_ref(),
        next: AtomicUsize::new(0),
        ready: Mutex::new(0),
        problems: Mutex::new(Vec::new()),
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 1..threads.min(wanted.len()) {
            // A thread that can not be had is one less.
            let _ = thread::Builder::new().spawn_scoped(scope, || work.run());
        }
        work.run();
    });
    let problems = work.problems.into_inner();
    let mut problems = problems.unwrap_or_else(PoisonError::into_inner);
    problems.sort_by_key(|(at, _)| *at);
    problems.into_iter().map(|(_, problem)| problem).collect()
}

fn wanted(runtime: &Arc<Runtime>) -> Vec<Wanted<'_>> {
    let protocol = runtime.engine().protocol();
    let list = protocol.allowed.as_ref();
    let codes = list.map_or(&[][..], |list| list.codes());
    let codes = codes.iter().map(|code| (*code, false));
    let libraries = protocol.libraries.codes().map(|code| (*code, true));
    let wanted = codes.chain(libraries).map(|(code, is_library)| Wanted {
        runtime,
        code,
        is_library,
    });
    wanted.collect()
}

/// What is wrong if there is no directory: libraries can not be had otherwise.
#[cfg(feature = "libraries")]
fn without_directory(runtimes: &[Arc<Runtime>]) -> Vec<BinaryError> {
    let wanted = runtimes.iter().flat_map(wanted);
    let libraries = wanted.filter(|one| one.is_library);
    let missing = libraries.map(|one| BinaryError::NoDirectory { library: one.code });
    missing.collect()
}

/// Nothing: no protocol here lists libraries.
#[cfg(not(feature = "libraries"))]
fn without_directory(_: &[Arc<Runtime>]) -> Vec<BinaryError> {
    Vec::new()
}

/// What the threads share.
struct Work<'a> {
    directory: &'a Path,
    wanted: &'a [Wanted<'a>],
    told: Option<&'a Told>,
    next: AtomicUsize,
    ready: Mutex<usize>,
    problems: Mutex<Vec<(usize, BinaryError)>>,
}

impl Work<'_> {
    fn run(&self) {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(wanted) = self.wanted.get(at) else {
                return;
            };
            match self.precompile(wanted) {
                Ok(()) => self.tell(wanted.code),
                Err(problem) => {
                    let problems = self.problems.lock();
                    let mut problems = problems.unwrap_or_else(PoisonError::into_inner);
                    problems.push((at, problem));
                }
            }
        }
    }

    fn precompile(&self, wanted: &Wanted<'_>) -> Result<(), BinaryError> {
        let code = &wanted.code;
        let path = self.directory.join(format!("{code}.wasm"));
        let bytes = read(&path)?;
        let found = hash::code_hash(&bytes);
        if found != *code {
            return Err(BinaryError::Mismatch { path, found });
        }
        #[cfg(feature = "libraries")]
        if wanted.is_library {
            let loaded = wanted.runtime.load_library(code, &bytes);
            return loaded.map_err(|error| BinaryError::Library { path, error });
        }
        let compiled = wanted.runtime.precompile(code, &bytes);
        compiled.map_err(|error| match error {
            ModuleError::Code(rejection) => BinaryError::Rejected { path, rejection },
            ModuleError::Compile(source) => BinaryError::Compile { path, source },
        })
    }

    /// Under the lock, so that the numbers are told in their order.
    fn tell(&self, code: CodeHash) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        *ready += 1;
        if let Some(told) = self.told {
            told(BinariesProgress {
                code,
                ready: *ready,
                total: self.wanted.len(),
            });
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BinaryError> {
    let mut bytes = Vec::new();
    let opened = File::open(path);
    let read = opened.and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let path = path.to_path_buf();
            Err(BinaryError::Missing { path })
        }
        Err(source) => {
            let path = path.to_path_buf();
            Err(BinaryError::Read { path, source })
        }
    }
}
