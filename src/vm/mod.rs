//! The VM: the embedder's facade over a directory of commits.

mod binaries;
mod config;
mod contents;
mod counters;
mod error;
mod handle;
mod transfer;
mod value;
mod warm_up;

pub use binaries::{BinariesConfig, BinariesProgress, BinaryError, Told};
pub use config::Config;
pub use contents::Contracts;
pub use counters::{Counters, MemoryUse};
pub use error::{OpenVmError, ProofError, ProveValueError, RecompileError, SessionError};
pub use handle::VM;
#[cfg(feature = "testing")]
pub(crate) use transfer::read_header;
pub use transfer::{Export, Import};
pub use warm_up::{WarmUp, WarmUpError, WarmUpReport, Warmed};
