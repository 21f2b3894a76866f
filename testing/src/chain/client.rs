//! Chains as what typed clients call through: `TokenClient::over(&mut chain, token).transfer(to, 5)`, as nobody, or over
//! [`Chain::acting_as`] as an account.

use crostata_abi::ContractId;
use crostata_abi::client::Transport;

use super::{Account, Chain, Failed};
use crate::machine::Machine;

/// A chain in the hands of an account: what is called through it is called by the account.
#[derive(Debug)]
pub struct Acting<'chain, M: Machine> {
    chain: &'chain mut Chain<M>,
    account: Account,
}

impl<M: Machine + 'static> Chain<M> {
    /// The chain for a typed client whose calls an account makes.
    pub fn acting_as(&mut self, account: &Account) -> Acting<'_, M> {
        Acting {
            chain: self,
            account: account.clone(),
        }
    }
}

impl<M: Machine + 'static> Transport for Chain<M> {
    type Error = Failed;

    fn call(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: Vec<u8>,
    ) -> Result<Vec<u8>, Failed> {
        let called = self.call_raw(contract, function, argument);
        called.bytes().map(<[u8]>::to_vec)
    }

    fn panic_message(error: &Failed) -> Option<&[u8]> {
        panic_message(error)
    }
}

impl<M: Machine + 'static> Transport for Acting<'_, M> {
    type Error = Failed;

    fn call(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: Vec<u8>,
    ) -> Result<Vec<u8>, Failed> {
        let called = self
            .chain
            .call_raw_as(&self.account, contract, function, argument);
        called.bytes().map(<[u8]>::to_vec)
    }

    fn panic_message(error: &Failed) -> Option<&[u8]> {
        panic_message(error)
    }
}

fn panic_message(error: &Failed) -> Option<&[u8]> {
    match error {
        Failed::Reverted { reverted, .. } => Some(&reverted.message),
        _ => None,
    }
}
