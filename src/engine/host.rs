//! What the engine asks of whoever runs calls: the trait through which control goes up to the session.

use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::CodeHash;

use super::Module;
use super::outcome::{Failure, Fault, Refusal};
use super::query::{BlockContext, HostQuery, QueryError};
use super::split::GasSplit;
use crate::memory::{Access, ContractMemory};

/// A contract that a session touches for the first time.
pub struct Loaded<H: Host> {
    /// The compiled code with its facts.
    pub module: Arc<Module<H>>,
    /// Its committed memory; the runner keeps it from here on.
    pub memory: ContractMemory,
}

/// A frame about to start.
#[derive(Debug, Clone, Copy)]
pub struct FrameStart<'a> {
    /// The contract called.
    pub contract: ContractId,
    /// The function called.
    pub function: &'a str,
    /// The argument's bytes.
    pub argument: &'a [u8],
    /// The frame's gas limit.
    pub limit_gas: u64,
    /// Who calls: the caller's id, or none for the host.
    pub caller: Option<ContractId>,
}

/// A frame that ended.
#[derive(Debug, Clone, Copy)]
pub struct FrameEnd<'a> {
    /// Gas that the frame and its callees spent.
    pub spent_gas: u64,
    /// What that went to.
    pub gas: GasSplit,
    /// The result's bytes, or why it failed: its events, and those of its callees, are then reverted.
    pub result: Result<&'a [u8], &'a Failure>,
}

/// An answer of the outside world to the running contract.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The query's name.
    pub name: &'a str,
    /// The argument's bytes.
    pub argument: &'a [u8],
    /// What the query charged on top of the schedule's price.
    pub price_gas: u64,
    /// The answer's bytes, or why there is none.
    pub answer: Result<&'a [u8], &'a QueryError>,
}

/// The session's side of a running call.
///
/// The engine decides about gas, frames, memory and globals; the host about which contracts exist,
/// what is recorded, and what the outside world answers. Nothing a host does here may depend on
/// who is watching.
pub trait Host: Sized + Send + 'static {
    /// The committed contract with this id, or `None` if there is none. Asked once for each contract.
    ///
    /// # Errors
    /// [`Fault`] when it exists but can not be loaded.
    fn load(&mut self, contract: &ContractId) -> Result<Option<Loaded<Self>>, Fault>;

    /// The length of the code of the contract with this id, if there is one. Cheap, unlike loading it.
    ///
    /// # Errors
    /// [`Fault`] when the state can not be read.
    fn code_len(&self, contract: &ContractId) -> Result<Option<u64>, Fault>;

    /// Brings the memory of a contract, which another runner ran since this one did, up to date. Asked only of those who say that such
    /// contracts are ([`Runner::set_stale`](super::Runner::set_stale)). `true` if it is another memory now, over which no instance runs.
    ///
    /// # Errors
    /// [`Fault`] when that can not be done, or not now.
    fn refresh(&mut self, contract: &ContractId, _: &mut ContractMemory) -> Result<bool, Fault> {
        Err(Fault::new(format!("contract {contract} is out of date")))
    }

    /// Whether what runs now may be undone and run again, whatever comes of it: a fault need not be one then.
    fn is_tentative(&self) -> bool {
        false
    }

    /// Policy: says why a call may not happen, if it may not.
    fn refuse(&mut self, start: &FrameStart<'_>) -> Option<String>;

    /// A frame starts.
    fn started(&mut self, start: &FrameStart<'_>);

    /// The innermost frame ended.
    fn ended(&mut self, end: &FrameEnd<'_>);

    /// The running contract emits an event.
    fn emit(&mut self, source: ContractId, topic: String, data: Vec<u8>);

    /// The running contract feeds bytes to the embedder; `false` if this is no feeder call.
    fn feed(&mut self, bytes: Vec<u8>) -> bool;

    /// The host query of this name.
    fn query(&self, name: &str) -> Option<Arc<dyn HostQuery>>;

    /// The block that is executed, if there is one.
    fn block(&self) -> Option<&BlockContext>;

    /// The session datum of this name.
    fn datum(&self, name: &str) -> Option<&[u8]>;

    /// The session's data, in the order of their names.
    #[cfg(feature = "libraries")]
    fn data(&self) -> impl Iterator<Item = (&str, &[u8])>;

    /// The owner of a contract, if it exists.
    ///
    /// # Errors
    /// [`Fault`] when the state can not be read.
    fn owner(&self, contract: &ContractId) -> Result<Option<Vec<u8>>, Fault>;

    /// The running contract has a debug message. Never changes anything.
    fn debug(&mut self, contract: ContractId, message: &[u8]);

    /// Whether somebody wants to hear of what the functions below tell. It is told to nobody else.
    fn is_watched(&self) -> bool {
        false
    }

    /// A call that the running contract asked for does not start.
    fn refused(&mut self, _: &FrameStart<'_>, _: &Refusal) {}

    /// A host query was answered.
    fn answered(&mut self, _: &Answered<'_>) {}

    /// The running contract read the session datum of this name.
    fn read_datum(&mut self, _: &str) {}

    /// The running frame touches pages for the first time in the call, or writes them for the first time.
    fn touched(&mut self, _: &[PageIndex], _: Access) {}

    /// The hash of a contract's code. Asked only by engines that keep address maps, like [`code`](Self::code).
    fn code_hash(&self, _: &ContractId) -> Option<CodeHash> {
        None
    }

    /// A contract's code as it was deployed, if it can be had.
    fn code(&self, _: &ContractId) -> Option<Vec<u8>> {
        None
    }
}
