//! Queries: P1 (nothing that depends on a clock becomes a block), P6 (what queries take is bounded and fair) and P7 (no query, and no client that
//! comes or goes, takes a block or the process down).
//!
//! Threads meet at gates: host queries that do not return before a test lets them. Nothing is slept for, but where a test is about time that passes.

#[path = "../fixtures/mod.rs"]
mod fixtures;
#[cfg(target_os = "linux")]
#[path = "../common/limited.rs"]
mod limited;

mod answers;
mod blocks;
mod bounds;
mod cancelling;
mod deadlines;
mod fairness;
mod hostile;
#[cfg(target_os = "linux")]
mod room;
mod runtimes;
mod scene;
mod shutdown;
mod stress;
mod waiting;
