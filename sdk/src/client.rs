//! What the typed clients that [`contract`](macro@crate::contract) makes are built on.
//!
//! A client of a contract `Token` is `TokenClient<C>`, where `C` is a [`Channel`]: [`Contracts`] in contracts, which call through the VM, or
//! [`Outside`] for hosts, which call through whatever their [`Transport`] is.

use crostata_abi::client::{CallError, Transport};
use crostata_abi::raised::Raised;
use crostata_abi::typed::{self, Decode};
use crostata_abi::{ARGBUF_LEN, ContractError, ContractId};

use crate::boundary::{buffer, imports};
use crate::codec::{self, Encode};
use crate::error::Received;

/// How a client calls.
pub trait Channel {
    /// Why a call failed that the contract's own errors do not tell.
    type Failure;

    /// Calls `function` of `contract`.
    ///
    /// # Errors
    /// The method's own error, or whatever else kept the call from succeeding.
    fn call<A: Encode + typed::Encode, R: Decode, E: Received>(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: &A,
    ) -> Result<R, CallError<E, Self::Failure>>;
}

/// Calls from a contract, with a limit in gas; zero means the default share of what remains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contracts {
    /// What each call may spend.
    pub limit_gas: u64,
}

impl Channel for Contracts {
    type Failure = ContractError;

    /// # Panics
    /// If the argument does not fit into 65,536 bytes, or if the call succeeded but its result is not an `R`.
    fn call<A: Encode + typed::Encode, R: Decode, E: Received>(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: &A,
    ) -> Result<R, CallError<E>> {
        let len = codec::encode(argument);
        let outcome = imports::c(&contract, function, len, self.limit_gas);
        let Ok(len) = u32::try_from(outcome) else {
            return Err(buffer::with(ARGBUF_LEN, |bytes| failure(outcome, bytes)));
        };
        match codec::decode(len) {
            Some(result) => Ok(result),
            None => panic!("the result of a call is not of the expected type"),
        }
    }
}

/// The failure that the result of `c` and the buffer tell.
fn failure<E: Received>(outcome: i32, buffer: &[u8]) -> CallError<E> {
    if outcome == -1
        && let Some((len, message)) = buffer.split_first_chunk::<4>()
        && let Some(message) = message.get(..u32::from_le_bytes(*len) as usize)
        && let Some(error) = received(message)
    {
        return CallError::Contract(error);
    }
    CallError::Failed(ContractError::from_parts(outcome, buffer))
}

fn received<E: Received>(message: &[u8]) -> Option<E> {
    let raised = Raised::read(message)?;
    E::received(raised.name, raised.archive)
}

/// Calls from outside, through a host's transport.
#[derive(Debug, Clone, Copy)]
pub struct Outside<T>(pub T);

impl<T: Transport> Channel for Outside<T> {
    type Failure = T::Error;

    /// # Panics
    /// If the argument does not fit into 65,536 bytes.
    fn call<A: Encode + typed::Encode, R: Decode, E: Received>(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: &A,
    ) -> Result<R, CallError<E, T::Error>> {
        let argument = match typed::encode(argument) {
            Ok(argument) => argument,
            Err(error) => panic!("the argument of `{function}`: {error}"),
        };
        match self.0.call(contract, function, argument) {
            Ok(result) => typed::decode(&result).map_err(|_| CallError::Unreadable { function }),
            Err(error) => match T::panic_message(&error).and_then(received) {
                Some(error) => Err(CallError::Contract(error)),
                None => Err(CallError::Failed(error)),
            },
        }
    }
}
