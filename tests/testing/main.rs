//! `crostata::testing`: what an author of contracts relies on in tests.

mod capsules;
mod chains;
mod clients;
mod contracts;
mod lock;
mod mocks;
mod sequences;
mod snapshots;
