//! What runs the contracts of a test: a [`Machine`] answers requests of plain bytes.
//!
//! `crostata::testing::InProcess` is one in the test's own process. Requests and answers are `serde` types, so that another one can
//! be a process of its own. Nothing here knows a type of any contract.

mod request;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use request::{
    Call, CallAnswer, CallFailure, ContractFacts, Deployment, EmittedEvent, Frame, Price, Request,
    Response, Reverted,
};

/// A chain that runs contracts: one state, changed by one request after another.
pub trait Machine: Send {
    /// A machine over a state. Contracts' host queries, mocks among them, are answered by `answers`.
    ///
    /// # Errors
    /// [`MachineError`] when there is no such state, or the machine does not start.
    fn start(base: &Base, answers: Arc<dyn Answers>) -> Result<Self, MachineError>
    where
        Self: Sized;

    /// Does what is asked for. The kind of response belongs to the kind of request, as [`Request`] says.
    ///
    /// # Errors
    /// [`MachineError`] when it can not be done. A contract's failure is no error: it is in the [`CallAnswer`].
    fn ask(&mut self, request: Request) -> Result<Response, MachineError>;
}

/// What a machine starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// No contract.
    #[default]
    Empty,
    /// A commit in the store of a node, which is read and never written.
    Store {
        /// The store's directory.
        directory: PathBuf,
        /// The commit's id or root in hexadecimal digits. Without it, the finalised commit; the latest where nothing is final.
        commit: Option<String>,
    },
    /// What `VM::export` wrote.
    Export {
        /// The file.
        file: PathBuf,
    },
}

/// Who answers host queries while a call runs.
pub trait Answers: Send + Sync {
    /// The answer of the query of this name.
    ///
    /// # Errors
    /// A text: the contract that asked fails with it.
    fn answer(&self, query: &str, argument: &[u8]) -> Result<Vec<u8>, String>;
}

/// Why a machine did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MachineError {
    /// It does not start.
    #[error("the machine that runs contracts does not start: {reason}")]
    Start {
        /// Why, and what to do.
        reason: String,
    },
    /// The state to start from can not be had.
    #[error("{base} can not be opened: {reason}")]
    Base {
        /// Which state.
        base: String,
        /// Why, and what to do.
        reason: String,
    },
    /// What was asked for can not be.
    #[error("{asked}: {reason}")]
    Refused {
        /// What was asked for.
        asked: String,
        /// Why.
        reason: String,
    },
    /// The machine is gone, or talks nonsense.
    #[error("the machine that runs contracts failed: {reason}")]
    Lost {
        /// What happened.
        reason: String,
    },
}

impl MachineError {
    /// A response of another kind than the request's.
    pub fn unexpected(asked: &str, response: &Response) -> Self {
        let reason = format!("it answered {asked} with {response:?}");
        Self::Lost { reason }
    }
}
