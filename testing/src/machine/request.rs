//! Requests to a machine, and its responses.

use crostata_abi::ContractId;
use crostata_proof::receipt::Outcome;
use serde::{Deserialize, Serialize};

use super::wire;

/// What a machine is asked for; each line names the response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Deploys code: [`Response::Deployed`].
    Deploy(Deployment),
    /// Calls a function: [`Response::Called`].
    Call(Call),
    /// Marks this moment: [`Response::Savepoint`].
    Savepoint,
    /// Makes everything what it was at a savepoint, which is gone then: [`Response::Done`].
    Rollback {
        /// The savepoint.
        savepoint: u64,
    },
    /// Forgets a savepoint and those after it, keeping what happened: [`Response::Done`].
    Release {
        /// The savepoint.
        savepoint: u64,
    },
    /// Sets or removes a session datum: [`Response::Bytes`], those before.
    SetDatum {
        /// Its name.
        name: String,
        /// Its bytes; none removes it.
        value: Option<Vec<u8>>,
    },
    /// A session datum: [`Response::Bytes`].
    Datum {
        /// Its name.
        name: String,
    },
    /// What is known of a contract: [`Response::Contract`].
    Contract {
        /// Its id.
        #[serde(with = "wire::id")]
        contract: ContractId,
    },
    /// The state's root: [`Response::Bytes`], 32.
    Root,
    /// 4,096 bytes of a contract's memory: [`Response::Bytes`], none if it has not so many pages.
    Page {
        /// The contract.
        #[serde(with = "wire::id")]
        contract: ContractId,
        /// The page's number.
        page: u32,
    },
    /// Names a contract or account in all texts: [`Response::Done`].
    Label {
        /// The id.
        #[serde(with = "wire::id")]
        contract: ContractId,
        /// The name.
        name: String,
    },
    /// Gives code with its debug information, for traces: [`Response::Done`].
    KnowCode {
        /// The code with the sections that deploying leaves out.
        unstripped: Vec<u8>,
    },
    /// Offers a host query, or replaces the one of that name: [`Response::Done`].
    OfferQuery {
        /// Its name.
        name: String,
        /// Its price.
        price: Price,
    },
    /// Keeps traces of calls from here on, or not; a machine begins with keeping them: [`Response::Done`].
    Watch(bool),
    /// The trace of a call or deployment: [`Response::Text`], none if it is not kept any more.
    Trace {
        /// Its number.
        call: u64,
        /// How much of it, 1 to 5; none means what `CROSTATA_TRACE` says, or 3.
        level: Option<u8>,
    },
    /// All that the chain did, as a replay capsule: [`Response::Bytes`]. Only a machine that was started with `CROSTATA_CAPSULES` in its
    /// environment has it.
    Capsule,
    /// The debug messages of contracts since the last time: [`Response::Messages`].
    TakeMessages,
}

/// What a machine answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// Nothing more to say.
    Done,
    /// How a call went.
    Called(CallAnswer),
    /// How a deployment went.
    Deployed {
        /// The id that the contract has, if the deployment succeeded.
        #[serde(with = "wire::id")]
        contract: ContractId,
        /// Gas of the code, which `init` does not count.
        code_gas: u64,
        /// How `init` went; a success without gas if there is none.
        init: CallAnswer,
    },
    /// A savepoint's number.
    Savepoint(u64),
    /// Bytes, if there are some.
    Bytes(Option<Vec<u8>>),
    /// A contract, if there is one.
    Contract(Option<ContractFacts>),
    /// A text, if there is one.
    Text(Option<String>),
    /// Debug messages: who wrote them, and what.
    Messages(Vec<([u8; 32], String)>),
}

/// A deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The code.
    pub code: Vec<u8>,
    /// The owner, at most 255 bytes.
    pub owner: Vec<u8>,
    /// The argument of `init`.
    pub init: Option<Vec<u8>>,
    /// The id, instead of the one that follows from the rest.
    #[serde(with = "wire::maybe_id")]
    pub contract: Option<ContractId>,
    /// What tells deployments of the same code apart.
    pub nonce: u64,
    /// The gas limit of `init`.
    pub gas_limit: u64,
}

/// A call by the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The contract.
    #[serde(with = "wire::id")]
    pub contract: ContractId,
    /// The function.
    pub function: String,
    /// The argument's bytes.
    pub argument: Vec<u8>,
    /// The gas limit.
    pub gas_limit: u64,
}

/// How a call or an `init` went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAnswer {
    /// The number of the call, for its trace. Deployments count.
    pub number: u64,
    /// The result's bytes, or why there is none.
    pub result: Result<Vec<u8>, CallFailure>,
    /// Gas spent, callees included.
    pub gas_spent: u64,
    /// The gas limit.
    pub gas_limit: u64,
    /// The events that happened.
    pub events: Vec<EmittedEvent>,
    /// Events of what was undone.
    pub reverted_events: Vec<EmittedEvent>,
    /// Every frame that started, in order of starting.
    pub frames: Vec<Frame>,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallFailure {
    /// The contract failed: everything is undone, the gas is spent.
    Reverted(Reverted),
    /// The call could not start.
    Rejected {
        /// Why.
        reason: String,
    },
    /// The host failed. The chain can do nothing more.
    Fatal {
        /// Why.
        reason: String,
    },
}

/// A contract's failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reverted {
    /// What happened.
    #[serde(with = "wire::outcome")]
    pub outcome: Outcome,
    /// The same in words.
    pub reason: String,
    /// The contract whose frame failed.
    #[serde(with = "wire::id")]
    pub contract: ContractId,
    /// The function called in it.
    pub function: String,
    /// The panic's bytes, or a description.
    pub message: Vec<u8>,
    /// WebAssembly functions on the stack, innermost first.
    pub backtrace: Vec<String>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmittedEvent {
    /// The contract that emitted it.
    #[serde(with = "wire::id")]
    pub source: ContractId,
    /// Its topic.
    pub topic: String,
    /// Its data.
    pub data: Vec<u8>,
}

/// A frame of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The contract.
    #[serde(with = "wire::id")]
    pub contract: ContractId,
    /// The function.
    pub function: String,
    /// How many frames stood below it.
    pub depth: usize,
    /// The frame that called it.
    pub caller: Option<usize>,
    /// Its gas limit.
    pub gas_limit: u64,
    /// Gas it spent, callees included.
    pub gas_spent: u64,
    /// Why it failed, if it did.
    pub failure: Option<Reverted>,
    /// Whether its effects were undone.
    pub reverted: bool,
}

/// What is known of a contract without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractFacts {
    /// Its owner.
    pub owner: Vec<u8>,
    /// Hash of its code.
    pub code_hash: [u8; 32],
    /// Size of its memory in bytes.
    pub memory_bytes: u64,
}

/// What a host query costs in gas, beside the protocol's own price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// For any argument.
    pub gas: u64,
    /// For each byte of it.
    pub gas_per_byte: u64,
}

impl Price {
    /// The price of an argument of this length.
    pub fn of(&self, argument_bytes: usize) -> u64 {
        let bytes = u64::try_from(argument_bytes).unwrap_or(u64::MAX);
        self.gas
            .saturating_add(self.gas_per_byte.saturating_mul(bytes))
    }
}

impl From<u64> for Price {
    fn from(gas: u64) -> Self {
        let gas_per_byte = 0;
        Self { gas, gas_per_byte }
    }
}
