//! Sessions as what typed clients call through: those that `crostata-sdk` makes of a contract, `TokenClient::over(session.calls(limit), id)`.
//!
//! A failed call is the session's error, and an error that the contract raised is in the message of its panic.

use crostata_abi::ContractId;
use crostata_abi::client::Transport;
use crostata_proof::receipt::Outcome;

use super::{Error, Session};

/// Calls of a session, each with the same gas limit.
pub struct Calls<'session> {
    session: &'session mut Session,
    gas_limit: u64,
}

impl Session {
    /// The session as the transport of a contract's client; each call may spend `gas_limit`.
    ///
    /// Receipts are not kept: who wants them calls [`call`](Self::call).
    pub fn calls(&mut self, gas_limit: u64) -> Calls<'_> {
        Calls {
            session: self,
            gas_limit,
        }
    }
}

impl Transport for Calls<'_> {
    type Error = Error;

    fn call(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let receipt = self
            .session
            .call_raw(contract, function, argument, self.gas_limit)?;
        Ok(receipt.data)
    }

    fn panic_message(error: &Error) -> Option<&[u8]> {
        match error {
            Error::Reverted(reverted) if reverted.failure.code == Outcome::Panic => {
                Some(&reverted.failure.message)
            }
            _ => None,
        }
    }
}
