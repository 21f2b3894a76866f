//! The cache of compiled code: in memory, bounded, and on disk, verified.
//!
//! [`Modules`] gives the compiled form of a code to sessions. What memory does not have is loaded from an *artifact*, a file that this node sealed
//! with a key of its own; what is missing, foreign or damaged is compiled, silently but for a counter.
//! Nothing here can change a result: a module is a function of the code, the rules and the backend, and what
//! is loaded is what was once compiled of these (`stamp`).
//!
//! What holds:
//! * several threads that want the same code have it compiled once;
//! * a session keeps what it uses, whatever leaves the cache;
//! * no failure of the disk is an error;
//! * nothing is loaded but what this node sealed or this process compiled.

mod compile;
mod config;
mod counters;
mod disk;
mod facts;
mod flight;
mod format;
#[cfg(feature = "libraries")]
mod libraries;
mod load;
mod modules;
mod secret;
mod shelf;
mod stamp;

pub use compile::CompileError;
pub use config::{ArtifactConfig, ArtifactDirectory};
pub use counters::ArtifactCounters;
pub use modules::{Artifacts, ModuleError, Modules};
