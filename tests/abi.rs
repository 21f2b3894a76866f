//! P1 and P7: every import does what the contract ABI says, for 32-bit and 64-bit contracts, whatever it is given; and
//! the contracts built from Rust see the same through the typed layer.

mod fixtures;

#[path = "abi/imports.rs"]
mod imports;
#[path = "abi/rust.rs"]
mod rust;
#[path = "abi/uplink.rs"]
mod uplink;
