//! Chains as what typed clients call through: `TokenClient::over(chain.calls_as(&alice), token)`.

use crostata_abi::ContractId;
use crostata_abi::client::Transport;
use crostata_abi::raised::Raised;
use crostata_proof::receipt::Outcome;

use super::{Account, Chain, Failed};
use crate::machine::Machine;

/// Calls of an account, or of nobody.
pub struct Calls<'a, M: Machine> {
    chain: &'a mut Chain<M>,
    account: Option<Account>,
}

impl<M: Machine + 'static> Chain<M> {
    /// The chain as the transport of a contract's client, which calls as nobody.
    pub fn calls(&mut self) -> Calls<'_, M> {
        let account = None;
        Calls {
            chain: self,
            account,
        }
    }

    /// The chain as the transport of a contract's client, which calls as this account.
    pub fn calls_as(&mut self, account: &Account) -> Calls<'_, M> {
        let account = Some(account.clone());
        Calls {
            chain: self,
            account,
        }
    }
}

impl<M: Machine + 'static> Transport for Calls<'_, M> {
    type Error = Failed;

    #[track_caller]
    fn call(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: Vec<u8>,
    ) -> Result<Vec<u8>, Failed> {
        let called = match &self.account {
            None => self.chain.call_raw(contract, function, argument),
            Some(account) => self
                .chain
                .call_raw_as(account, contract, function, argument),
        };
        let raised = called
            .reverted()
            .map(|reverted| reverted.message.as_slice());
        self.chain.is_raised = raised.and_then(Raised::read).is_some();
        called.bytes().map(<[u8]>::to_vec)
    }

    fn panic_message(error: &Failed) -> Option<&[u8]> {
        match error {
            Failed::Reverted { reverted, .. } if reverted.outcome == Outcome::Panic => {
                Some(&reverted.message)
            }
            _ => None,
        }
    }
}
