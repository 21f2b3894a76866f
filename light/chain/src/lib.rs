//! What the node and the light client agree on before they talk: names, the form of headers, the form of questions.
//!
//! `no_std` and without a VM: the page's verifier links it too. Nothing in here believes anybody; what a proof shows
//! is decided by `crostata-proof` alone.
#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![forbid(unsafe_code)]

extern crate alloc;

mod answer;
mod header;
pub mod hex;
pub mod names;
mod question;

pub use answer::{Answer, Refused};
pub use header::{Header, HeaderError};
pub use question::{Question, QuestionError};

/// The longest proof that is read, in bytes: more than any question here needs.
pub const PROOF_BYTES_MAX: usize = 1 << 20;
