//! Events: what contracts tell the outside world.

use alloc::string::String;
use alloc::vec::Vec;

use crate::ContractId;

/// An event emitted by a contract during a call.
///
/// Events of a frame that fails are reverted with it. Order is that of emission.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "typed",
    derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)
)]
pub struct Event {
    /// The contract that emitted the event.
    pub source: ContractId,
    /// What the event is about, chosen by the contract. Always valid UTF-8.
    pub topic: String,
    /// The event's bytes, by convention an archive of a type that the topic names.
    pub data: Vec<u8>,
    /// True for an event of a frame that failed: it is shown, but it did not happen.
    ///
    /// It is never true for an event of a successful receipt's [`events`](Self) that counts.
    pub reverted: bool,
}
