//! What a chain begins with.

use std::sync::Arc;

use crostata::{ContractId, Protocol};

use crate::account::Account;
use crate::bytes::{put_long, put_text};
use crate::digest::ChainId;
use crate::rules::Rules;

/// A contract that is there from the first block on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its id.
    pub contract: ContractId,
    /// Its code.
    pub code: Arc<[u8]>,
    /// Its owner.
    pub owner: Vec<u8>,
    /// The argument of `init`, if it gets one.
    pub argument: Option<Vec<u8>>,
}

/// What a chain begins with, the same on every node. Its digest is the chain's id.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// When the chain began: milliseconds of Unix time.
    pub time_ms: u64,
    /// The rules of the chain.
    pub rules: Rules,
    /// The rules of the VM.
    pub protocol: Protocol,
    /// The code of the bank, which keeps accounts and fees.
    pub bank: Arc<[u8]>,
    /// Who has tokens at first, and how many. No account twice.
    pub balances: Vec<(Account, u64)>,
    /// What is there besides the bank.
    pub contracts: Vec<Deployment>,
}

/// Why a genesis can not be executed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GenesisError {
    /// A contract can not be deployed.
    #[error("contract {contract}: {reason}")]
    Contract {
        /// The contract.
        contract: ContractId,
        /// Why.
        reason: String,
    },
    /// The chain's name can not be read by contracts.
    #[error(transparent)]
    Chain(#[from] crostata::BlockContextError),
}

impl Genesis {
    /// What names the chain: a digest of all that is said here.
    pub fn chain(&self) -> ChainId {
        let mut out = self.time_ms.to_le_bytes().to_vec();
        self.rules.encode(&mut out);
        put_long(&mut out, self.protocol.text().as_bytes());
        put_long(&mut out, &self.bank);
        out.extend((self.balances.len() as u64).to_le_bytes());
        for (account, amount) in &self.balances {
            out.extend(account.to_bytes());
            out.extend(amount.to_le_bytes());
        }
        for deployment in &self.contracts {
            deployment.encode(&mut out);
        }
        ChainId::of(&[&out])
    }
}

impl Deployment {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.contract.as_bytes());
        put_long(out, &self.code);
        put_long(out, &self.owner);
        put_text(
            out,
            if self.argument.is_some() {
                "argument"
            } else {
                ""
            },
        );
        put_long(out, self.argument.as_deref().unwrap_or_default());
    }
}
