//! What a block is asked to do: calls and deployments, each with a gas limit and data of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_abi::typed::{CodecError, Encode, encode};

use crate::session::ContractData;

/// What a transaction does.
#[derive(Clone)]
pub enum Action {
    /// Calls a function of a contract.
    Call {
        /// The contract.
        contract: ContractId,
        /// The function.
        function: String,
        /// The argument's bytes.
        argument: Vec<u8>,
        /// Whether the call may feed. One that may not traps when it does, so that this is part of the transaction.
        may_feed: bool,
    },
    /// Deploys a contract. The code's price counts towards the block's gas beside the gas limit, which is for `init`.
    Deploy {
        /// The code.
        code: Arc<[u8]>,
        /// Owner, init argument, id or nonce.
        data: ContractData,
    },
}

/// A call or a deployment of a block: it happens wholly or not at all.
///
/// ```
/// use crostata::{ContractId, Transaction};
///
/// let token = ContractId::from_bytes([7; 32]);
/// let transfer = Transaction::call(token, "transfer", &([8_u8; 32], 40_u64), 1_000_000)?
///     .tagged([9; 32])
///     .with_datum("sender", &[3_u8; 32])?;
/// # Ok::<(), crostata::CodecError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Transaction {
    /// What it does.
    pub action: Action,
    /// The most gas that it may spend, the price of deployed code aside.
    pub limit_gas: u64,
    /// Session data for this transaction alone: its sender, its hash.
    pub data: BTreeMap<String, Vec<u8>>,
    /// The embedder's name of it, which the tree of receipts binds: its hash. Zeros unless given.
    pub tag: [u8; 32],
}

impl Transaction {
    /// Does this, with no data and a tag of zeros.
    pub fn new(action: Action, limit_gas: u64) -> Self {
        Self {
            action,
            limit_gas,
            data: BTreeMap::new(),
            tag: [0; 32],
        }
    }

    /// Calls a function with a typed argument.
    ///
    /// # Errors
    /// [`CodecError`] for an argument that does not fit the argument buffer.
    pub fn call<A: Encode>(
        contract: ContractId,
        function: impl Into<String>,
        argument: &A,
        limit_gas: u64,
    ) -> Result<Self, CodecError> {
        let argument = encode(argument)?;
        Ok(Self::call_raw(contract, function, argument, limit_gas))
    }

    /// Calls a function with an argument of bytes.
    pub fn call_raw(
        contract: ContractId,
        function: impl Into<String>,
        argument: impl Into<Vec<u8>>,
        limit_gas: u64,
    ) -> Self {
        let action = Action::Call {
            contract,
            function: function.into(),
            argument: argument.into(),
            may_feed: false,
        };
        Self::new(action, limit_gas)
    }

    /// Deploys a contract.
    pub fn deploy(
        code: impl Into<Arc<[u8]>>,
        data: impl Into<ContractData>,
        limit_gas: u64,
    ) -> Self {
        let action = Action::Deploy {
            code: code.into(),
            data: data.into(),
        };
        Self::new(action, limit_gas)
    }

    /// The same transaction, named by the embedder.
    #[must_use]
    pub fn tagged(self, tag: [u8; 32]) -> Self {
        Self { tag, ..self }
    }

    /// The same transaction, whose call may feed. Of a deployment nothing changes.
    #[must_use]
    pub fn feeding(mut self) -> Self {
        if let Action::Call { may_feed, .. } = &mut self.action {
            *may_feed = true;
        }
        self
    }

    /// The same transaction with a session datum for itself alone.
    ///
    /// # Errors
    /// [`CodecError`] for a value that does not fit the argument buffer.
    pub fn with_datum<T: Encode>(
        mut self,
        name: impl Into<String>,
        value: &T,
    ) -> Result<Self, CodecError> {
        self.data.insert(name.into(), encode(value)?);
        Ok(self)
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call {
                contract,
                function,
                argument,
                may_feed,
            } => f
                .debug_struct("Call")
                .field("contract", contract)
                .field("function", function)
                .field("argument_bytes", &argument.len())
                .field("may_feed", may_feed)
                .finish(),
            Self::Deploy { code, .. } => f
                .debug_struct("Deploy")
                .field("code_bytes", &code.len())
                .finish_non_exhaustive(),
        }
    }
}
