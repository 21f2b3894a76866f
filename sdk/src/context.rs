//! What a contract can learn about the call it is in, about the chain and about itself.

use alloc::vec::Vec;

use crostata_abi::typed::Decode;
use crostata_abi::{CONTRACT_ID_BYTES, ContractId};

use crate::boundary::{buffer, imports};
use crate::codec;

/// The contract that made this call, or `None` if it came from outside.
pub fn caller() -> Option<ContractId> {
    match imports::caller() {
        0 => None,
        _ => Some(id_at(0)),
    }
}

/// The contracts whose calls led here, the immediate caller first, this contract's own frame left out.
pub fn callstack() -> Vec<ContractId> {
    let count = imports::callstack() as usize;
    (0..count)
        .map(|index| id_at(index * CONTRACT_ID_BYTES))
        .collect()
}

/// The gas that this call may spend.
pub fn limit() -> u64 {
    imports::limit()
}

/// The gas that this call has spent so far.
pub fn spent() -> u64 {
    imports::spent()
}

/// The id of this contract.
pub fn self_id() -> ContractId {
    imports::self_id();
    id_at(0)
}

/// The owner of this contract, as given when it was deployed.
pub fn owner() -> Vec<u8> {
    buffer::to_vec(imports::owner(None) as usize)
}

/// The owner of this contract, if it is of `N` bytes. Does not allocate.
pub fn owner_array<const N: usize>() -> Option<[u8; N]> {
    let len = imports::owner(None) as usize;
    (len == N).then(|| buffer::read(0))
}

/// The owner of `contract`, or `None` if there is no such contract (or its owner is of no bytes).
pub fn owner_of(contract: ContractId) -> Option<Vec<u8>> {
    match imports::owner(Some(&contract)) {
        0 => None,
        len => Some(buffer::to_vec(len as usize)),
    }
}

/// The value that the chain gives to this session under `name`, or `None` if it gives none.
///
/// # Panics
/// If the value is not a `T`.
pub fn session_data<T: Decode>(name: &str) -> Option<T> {
    let len = imports::hd(name);
    if len == 0 {
        return None;
    }
    match codec::decode(len as u32) {
        Some(value) => Some(value),
        None => panic!("a session value is not of the expected type"),
    }
}

/// As [`session_data`], the bytes as they are.
pub fn session_data_raw(name: &str) -> Option<Vec<u8>> {
    match imports::hd(name) {
        0 => None,
        len => Some(buffer::to_vec(len as usize)),
    }
}

fn id_at(at: usize) -> ContractId {
    ContractId::from_bytes(buffer::read(at))
}
