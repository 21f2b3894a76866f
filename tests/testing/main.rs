//! `crostata::testing`: what an author of contracts relies on in tests.

mod chains;
mod contracts;
mod lock;
mod mocks;
mod sequences;
mod snapshots;
