//! Calls to other contracts, and queries to the host.

use alloc::vec::Vec;

use crostata_abi::typed::Decode;
use crostata_abi::{ARGBUF_LEN, ContractError, ContractId};

use crate::boundary::{buffer, imports};
use crate::codec::{self, Encode};

/// Calls `function` of `contract` with the default share of the gas that remains.
///
/// Everything a failed call did is undone.
///
/// # Errors
/// The callee's failure. See [`ContractError`] for what it costs.
///
/// # Panics
/// If the argument does not fit into 65,536 bytes, or if the call succeeded but its result is not an `R`. The latter
/// can not be an error, since errors promise that nothing happened; [`call_raw`] survives it.
pub fn call<A: Encode, R: Decode>(
    contract: ContractId,
    function: &str,
    argument: &A,
) -> Result<R, ContractError> {
    call_with_limit(contract, function, argument, 0)
}

/// As [`call`], with at most `limit_gas`; zero, or more than remains, means the default share.
///
/// # Errors
/// # Panics
/// As [`call`].
pub fn call_with_limit<A: Encode, R: Decode>(
    contract: ContractId,
    function: &str,
    argument: &A,
    limit_gas: u64,
) -> Result<R, ContractError> {
    let len = codec::encode(argument);
    let len = start(contract, function, len, limit_gas)?;
    match codec::decode(len) {
        Some(result) => Ok(result),
        None => panic!("the result of a call is not of the expected type"),
    }
}

/// Calls `function` of `contract` with argument and result as plain bytes.
///
/// `limit_gas` is as in [`call_with_limit`].
///
/// # Errors
/// The callee's failure.
///
/// # Panics
/// If the argument does not fit into 65,536 bytes.
pub fn call_raw(
    contract: ContractId,
    function: &str,
    argument: &[u8],
    limit_gas: u64,
) -> Result<Vec<u8>, ContractError> {
    let len = put(argument);
    let len = start(contract, function, len, limit_gas)?;
    Ok(buffer::to_vec(len as usize))
}

/// Asks the host; the answer of a query is a pure function of its argument.
///
/// A query that the host does not know ends the call.
///
/// # Panics
/// If the argument does not fit into 65,536 bytes, or the answer is not an `R`.
pub fn host_query<A: Encode, R: Decode>(name: &str, argument: &A) -> R {
    let len = codec::encode(argument);
    match codec::decode(imports::hq(name, len) as u32) {
        Some(answer) => answer,
        None => panic!("the answer to a host query is not of the expected type"),
    }
}

/// As [`host_query`], with argument and answer as plain bytes.
///
/// # Panics
/// If the argument does not fit into 65,536 bytes.
pub fn host_query_raw(name: &str, argument: &[u8]) -> Vec<u8> {
    let len = put(argument);
    buffer::to_vec(imports::hq(name, len) as usize)
}

/// Asks the host what takes its time and may depend on anything: in queries only.
///
/// A contract that uses this can be deployed, if it has no `init`, and no call of a block can enter it: nodes answer it in queries
/// (`docs/queries.md`). A query that the node does not know ends the call.
///
/// # Panics
/// If the argument does not fit into 65,536 bytes, or the answer is not an `R`.
pub fn query_async<A: Encode, R: Decode>(name: &str, argument: &A) -> R {
    let len = codec::encode(argument);
    match codec::decode(imports::hqa(name, len) as u32) {
        Some(answer) => answer,
        None => panic!("the answer to an asynchronous host query is not of the expected type"),
    }
}

/// As [`query_async`], with argument and answer as plain bytes.
///
/// # Panics
/// If the argument does not fit into 65,536 bytes.
pub fn query_async_raw(name: &str, argument: &[u8]) -> Vec<u8> {
    let len = put(argument);
    buffer::to_vec(imports::hqa(name, len) as usize)
}

/// Puts plain bytes into the argument buffer and gives their length.
pub(crate) fn put(bytes: &[u8]) -> u32 {
    if !buffer::write(0, bytes) {
        panic!("more bytes than the argument buffer holds");
    }
    bytes.len() as u32
}

fn start(
    contract: ContractId,
    function: &str,
    argument_len: u32,
    limit_gas: u64,
) -> Result<u32, ContractError> {
    let outcome = imports::c(&contract, function, argument_len, limit_gas);
    u32::try_from(outcome).map_err(|_| {
        buffer::with(ARGBUF_LEN, |bytes| {
            ContractError::from_parts(outcome, bytes)
        })
    })
}
