//! What typed clients of contracts are made of: a way to call, and why a call fails.
//!
//! Whoever can call contracts is a [`Transport`]: a session, a test's chain, a connection to a node. A client that `crostata-sdk`
//! makes of a contract turns arguments and results into bytes and back.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

use crate::{ContractError, ContractId};

/// Calls contracts from outside.
pub trait Transport {
    /// Why a call failed.
    type Error;

    /// Calls `function` of `contract` with the archive of its argument, and gives that of its result.
    ///
    /// # Errors
    /// Whatever kept the call from succeeding.
    fn call(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error>;

    /// The message of the called contract's panic, if that is what the error is. Errors with values are in it.
    fn panic_message(error: &Self::Error) -> Option<&[u8]>;
}

impl<T: Transport + ?Sized> Transport for &mut T {
    type Error = T::Error;

    fn call(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        T::call(self, contract, function, argument)
    }

    fn panic_message(error: &Self::Error) -> Option<&[u8]> {
        T::panic_message(error)
    }
}

/// Why a call of a typed client failed. Everything that the call did is undone.
///
/// `E` is the error of the contract's method; methods without one have [`Infallible`] here. `T` is the failure of whoever makes the calls: for
/// contracts [`ContractError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError<E = Infallible, T = ContractError> {
    /// The method returned this error.
    Contract(E),
    /// The call failed in another way.
    Failed(T),
    /// The call succeeded, but its result is not of the client's type: contract and client are of different versions. Only outside of
    /// contracts; in a contract this panics, since the callee's changes are not undone.
    Unreadable {
        /// The function that was called.
        function: &'static str,
    },
}

impl<E: fmt::Display, T: fmt::Display> fmt::Display for CallError<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(error) => write!(f, "{error}"),
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::Unreadable { function } => write!(
                f,
                "the result of `{function}` is not of the type that its client expects"
            ),
        }
    }
}

impl<E: fmt::Debug + fmt::Display, T: fmt::Debug + fmt::Display> core::error::Error
    for CallError<E, T>
{
}
