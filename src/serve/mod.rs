//! Serving: queries over the commits of a VM, many at once, and the VM for asynchronous callers. Feature `serve`.
//!
//! A [`Service`] owns a pool of threads. A [`Query`] is a call at any retained commit whose changes nobody keeps; it waits in a
//! queue that is fair between clients, runs with a deadline, and ends in a [`QueryReceipt`] or a [`QueryError`]. What a
//! [`QueryHandle`] stands for can be awaited under any runtime or none, waited for on a thread, and cancelled.
//!
//! Queries run in sessions, so that they share with blocks what sessions share and no lock besides: a block is executed, committed and
//! finalised while they hang. `docs/queries.md` has the whole.
//!
//! What this module never does: decide anything that a block depends on. It is the one that reads a clock.

mod async_query;
mod blocks;
mod bounds;
mod client;
mod counters;
mod course;
mod error;
mod handle;
mod pool;
mod query;
mod queue;
mod service;
mod task;
mod wait;

pub use crate::engine::{AnswerFuture, AsyncHostQuery};
pub use async_query::{AsyncQueries, PricedAsyncQuery};
pub use blocks::{BlockError, BlockHandle, ExecutedBlock};
pub use bounds::{ServiceSettings, SettingError};
pub use client::Client;
pub use counters::{QueryCounters, WAIT_BUCKETS};
pub use error::{Overload, QueryError, StartError};
pub use handle::QueryHandle;
pub use query::{At, Query, QueryReceipt};
pub use service::{Service, ServiceBuilder};
