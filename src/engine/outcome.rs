//! How a frame ends: with a result, or with a failure that has a class, a code and a place.

use std::error::Error;
use std::fmt;

use super::kind::ErrorKind;
use super::position::CodePosition;
use crostata_abi::ContractId;
use crostata_proof::receipt::Outcome;

/// What a failure code means, in words.
fn describe(code: Outcome) -> &'static str {
    match code {
        Outcome::Success => "success",
        Outcome::Panic => "panic",
        Outcome::OutOfGas => "out of gas",
        Outcome::Unreachable => "trap: unreachable executed",
        Outcome::MemoryOutOfBounds => "trap: memory access out of bounds",
        Outcome::DivideByZero => "trap: integer division by zero",
        Outcome::IntegerOverflow => "trap: integer overflow",
        Outcome::BadConversionToInteger => "trap: float does not fit the integer type",
        Outcome::TableOutOfBounds => "trap: table access out of bounds",
        Outcome::IndirectCallToNull => "trap: indirect call to an empty table entry",
        Outcome::BadSignature => "trap: indirect call to a function of another type",
        Outcome::StackExhausted => "stack exhausted",
        Outcome::HostFunctionMisuse => "bad argument to an import",
        Outcome::FeedOutsideFeeder => "feed outside a feeder call",
        Outcome::ResultOutOfBounds => "result length out of bounds",
        Outcome::OtherTrap => "trap",
        Outcome::LimitExceeded => "a limit of the call tree is exceeded",
    }
}

/// The failure of a contract's frame. Deterministic in code, contract and function; the texts are diagnostics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened; never [`Outcome::Success`].
    pub code: Outcome,
    /// The contract whose frame failed.
    pub contract: ContractId,
    /// The function that was called in it.
    pub function: String,
    /// The panic's bytes as the contract gave them, or a description. Empty if the code says all.
    pub message: Vec<u8>,
    /// WebAssembly functions on the stack, innermost first, where known.
    pub backtrace: Vec<String>,
    /// Where in the deployed code these functions, and those of the frames below, were: innermost first. Only in sessions opened with
    /// [`SessionDataBuilder::located`](crate::SessionDataBuilder::located), else empty.
    pub positions: Vec<CodePosition>,
}

impl Failure {
    /// What the code means, in words.
    pub fn reason(&self) -> &'static str {
        describe(self.code)
    }

    /// The message as text; bytes that are not UTF-8 are replaced. Of an error that carries a value
    /// ([`crostata_abi::raised`]) it is what people read.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(crostata_abi::raised::text(&self.message))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in `{}` of {}",
            self.reason(),
            self.function,
            self.contract
        )?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.text())?;
        }
        self.backtrace
            .iter()
            .try_for_each(|frame| write!(f, "\n    at {frame}"))
    }
}

impl Error for Failure {}

/// Why a frame did not start. Only the call's price is spent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No contract has this id.
    #[error("there is no contract {contract}")]
    NoContract {
        /// The id.
        contract: ContractId,
    },
    /// The contract has no such function.
    #[error("contract {contract} exports no function `{function}`")]
    NoFunction {
        /// The contract.
        contract: ContractId,
        /// What was asked for.
        function: String,
    },
    /// `init` runs at deploy and can not be called.
    #[error("`init` of contract {contract} runs at deploy only and can not be called")]
    Init {
        /// The contract.
        contract: ContractId,
    },
    /// The argument is longer than the buffer.
    #[error("an argument of {len_bytes} bytes does not fit the argument buffer of 65,536")]
    ArgumentTooLong {
        /// Its length in bytes.
        len_bytes: usize,
    },
    /// The call stack, or the stack counter, has no room for another frame.
    #[error("the call stack has no room for a call to {contract}")]
    Depth {
        /// The contract that was called.
        contract: ContractId,
    },
    /// The call tree holds as many contracts as it may.
    #[error("the call tree has no room for another contract, {contract}")]
    Instances {
        /// The contract that was called.
        contract: ContractId,
    },
    /// The memories of the call tree's contracts together would be larger than they may.
    #[error("the call tree has no room for the memory of contract {contract}")]
    Memory {
        /// The contract that was called.
        contract: ContractId,
    },
    /// The contract's re-entry policy forbids this call.
    #[error("contract {contract} is running and refuses to be re-entered")]
    Reentry {
        /// The contract.
        contract: ContractId,
    },
    /// The contract imports what only queries have, and the session is none.
    #[error(
        "contract {contract} imports `hqa`, which only queries have: no call or deployment of a block can enter it"
    )]
    QueriesOnly {
        /// The contract.
        contract: ContractId,
    },
    /// The session's call hook said no.
    #[error("the call hook refused `{function}` of contract {contract}: {reason}")]
    Hook {
        /// The contract.
        contract: ContractId,
        /// The function.
        function: String,
        /// What the hook said.
        reason: String,
    },
}

/// The host failed: the result of the call is unknown.
#[derive(Debug, thiserror::Error)]
#[error("host fault: {what}")]
pub struct Fault {
    /// What the host failed at.
    pub kind: ErrorKind,
    /// What could not be done.
    pub what: String,
    /// Why, if something below said so.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with no deeper reason, of the kind [`ErrorKind::Other`].
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Other,
            what: what.into(),
            source: None,
        }
    }

    /// A fault caused by another error, of the kind [`ErrorKind::Other`].
    pub fn from(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: ErrorKind::Other,
            what: what.into(),
            source: Some(source.into()),
        }
    }

    /// The deadline passed: no failure of the host, but what was done is as unknown.
    pub fn timeout() -> Self {
        Self::new("the deadline passed").of_kind(ErrorKind::Timeout)
    }

    /// The same fault, of this kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }
}

/// A fault of the kind [`ErrorKind::Memory`].
pub(super) fn memory_fault(
    what: impl Into<String>,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> Fault {
    Fault::from(what, source).of_kind(ErrorKind::Memory)
}
