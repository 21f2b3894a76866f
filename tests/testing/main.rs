//! `crostata::testing`: what an author of contracts relies on in tests.

mod chains;
mod contracts;
mod mocks;
