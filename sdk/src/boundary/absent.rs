//! The imports in a native build, where there is no VM.
//!
//! Those that only tell something do nothing; those that ask for something panic.

use crostata_abi::ContractId;

fn absent(what: &str) -> ! {
    panic!("`{what}` needs the VM: this contract was built natively")
}

pub fn c(_: &ContractId, name: &str, _: u32, _: u64) -> i32 {
    absent(name)
}

pub fn hq(name: &str, _: u32) -> i32 {
    absent(name)
}

pub fn hqa(name: &str, _: u32) -> i32 {
    absent(name)
}

pub fn hd(name: &str) -> i32 {
    absent(name)
}

pub fn emit(_: &str, _: u32) {}

pub fn feed(_: u32) {}

pub fn hdebug(_: u32) {}

pub fn owner(_: Option<&ContractId>) -> i32 {
    absent("owner")
}

pub fn caller() -> i32 {
    absent("caller")
}

pub fn callstack() -> i32 {
    absent("callstack")
}

pub fn limit() -> u64 {
    absent("limit")
}

pub fn spent() -> u64 {
    absent("spent")
}

pub fn self_id() {
    absent("self_id")
}
