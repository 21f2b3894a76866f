//! Emits events and fails, to see which of them count.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use crostata_sdk::{ContractId, call, call_raw, emit, emit_raw, self_id};

/// No state.
pub struct RevertingEvents;

#[crostata_sdk::contract(reentry = "self")]
impl RevertingEvents {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// Emits the numbers below `count`.
    pub fn emits(count: u32) {
        (0..count).for_each(|number| emit("number", &number));
    }

    /// Emits the numbers below `count`, then panics.
    pub fn emits_then_fails(count: u32) {
        Self::emits(count);
        panic!("failed after the events");
    }

    /// Emits `before`, has itself emit two numbers and fail, catches that, and emits `after`.
    pub fn catches_itself() {
        emit("before", &());
        let failed = call::<_, ()>(self_id(), "emits_then_fails", &2u32);
        emit("after", &failed.is_err());
    }

    /// Emits `before`, calls a function of no argument that fails, catches that, and emits `after`.
    pub fn catches(contract: ContractId, function: alloc::string::String) {
        emit("before", &());
        let failed = call_raw(contract, &function, &[], 0);
        emit("after", &failed.is_err());
    }

    /// Emits plain bytes under any topic.
    pub fn emits_raw(topic: alloc::string::String, data: alloc::vec::Vec<u8>) {
        emit_raw(&topic, &data);
    }

    /// Writes debug messages, and emits nothing.
    pub fn debugs(count: u32) {
        (0..count).for_each(|number| crostata_sdk::debug!("message {number} of {count}"));
    }
}
