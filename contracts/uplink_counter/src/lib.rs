//! A counter written for Piecrust, with `piecrust-uplink` and nothing of crostata's.
//!
//! It shows that such bytecode runs here as it is. Its arguments and results are `rkyv` 0.7 archives, so it is called raw.
#![cfg(target_family = "wasm")]
#![no_std]

extern crate alloc;

use core::cell::Cell;

use alloc::string::String;
use piecrust_uplink::{
    ContractError, ContractId, call, call_raw, caller, emit, meta_data, self_id, spent, wrap_call,
};

struct Counter {
    value: Cell<i64>,
}

// SAFETY: a contract has one thread.
unsafe impl Sync for Counter {}

static COUNTER: Counter = Counter {
    value: Cell::new(0xfc),
};

/// The number.
#[unsafe(no_mangle)]
extern "C" fn read_value(len: u32) -> u32 {
    wrap_call(len, |_: ()| COUNTER.value.get())
}

/// Adds one, and says so in an event.
#[unsafe(no_mangle)]
extern "C" fn increment(len: u32) -> u32 {
    wrap_call(len, |_: ()| {
        COUNTER.value.set(COUNTER.value.get() + 1);
        emit("incremented", COUNTER.value.get());
    })
}

/// Adds the argument.
#[unsafe(no_mangle)]
extern "C" fn add(len: u32) -> u32 {
    wrap_call(len, |amount: i64| {
        COUNTER.value.set(COUNTER.value.get() + amount);
    })
}

/// Calls `increment` and `read_value` of another contract that was built with uplink.
#[unsafe(no_mangle)]
extern "C" fn increment_other(len: u32) -> u32 {
    wrap_call(len, |contract: ContractId| {
        call::<_, ()>(contract, "increment", &())
            .and_then(|()| call::<_, i64>(contract, "read_value", &()))
            .unwrap_or(-1)
    })
}

/// How a call without an argument to a function of another contract went: its result's length, or -1 panic, -2 out of
/// gas, -3 no such contract, -4 anything else.
#[unsafe(no_mangle)]
extern "C" fn outcome_of(len: u32) -> u32 {
    wrap_call(
        len,
        |(contract, function): (ContractId, String)| match call_raw(contract, &function, &[]) {
            Ok(result) => result.len() as i64,
            Err(ContractError::Panic(_)) => -1,
            Err(ContractError::OutOfGas) => -2,
            Err(ContractError::DoesNotExist) => -3,
            Err(ContractError::Unknown) => -4,
        },
    )
}

/// The own id, the caller's, the session's `height`, and whether gas was spent.
#[unsafe(no_mangle)]
extern "C" fn surroundings(len: u32) -> u32 {
    wrap_call(len, |_: ()| {
        (self_id(), caller(), meta_data::<u64>("height"), spent() > 0)
    })
}

/// Panics after a change.
#[unsafe(no_mangle)]
extern "C" fn increment_then_panic(len: u32) -> u32 {
    wrap_call(len, |_: ()| -> () {
        COUNTER.value.set(COUNTER.value.get() + 1);
        panic!("deliberate, at {}", COUNTER.value.get());
    })
}
