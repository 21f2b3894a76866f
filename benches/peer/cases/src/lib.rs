//! What is measured, written once for both VMs.
//!
//! A [`Machine`] is a VM as the cases see it. A [`Case`] sets something up on one and times one round of it as often as
//! asked; [`serve`] lets the parent process ask. Nothing is timed but what a case's name says, and what a
//! case computes is given out too, so that the parent can compare both VMs' answers.

mod block;
mod call;
mod catalogue;
mod contracts;
mod machine;
mod memory;
mod open;
mod prove;
mod seal;
mod serve;
mod store;
mod threads;

pub use catalogue::{ALL, Group, Kind, Unit};
pub use machine::{Failure, Id, Machine, Session, Transfer};
pub use serve::serve;

/// Something prepared on one VM, to be measured again and again.
pub trait Case {
    /// What the case computes, by running it: both VMs must give the same bytes.
    ///
    /// # Errors
    /// The VM's.
    fn check(&mut self) -> Result<Vec<u8>, Failure>;

    /// Runs one round; gives its figure in the case's unit.
    ///
    /// # Errors
    /// The VM's.
    fn round(&mut self) -> Result<u64, Failure>;
}
