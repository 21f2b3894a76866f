//! What a watched call did, as it happened: frames, values, gas, events, queries, pages.
//!
//! A trace is raw: bytes and numbers. It takes no part in anything: receipts and digests are made without it.

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::CodeHash;

use crate::engine::{Failure, GasSplit, Refusal};

/// What a top-level call or the `init` of a deployment did, failed ones included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallTrace {
    /// The frames, in order of starting. The first is the call itself.
    pub frames: Vec<TracedFrame>,
    /// What happened, in order.
    pub order: Vec<TraceStep>,
    /// What is left out because there was too much of it: at most [`TRACE_STEPS_MAX`] steps are kept.
    pub omitted_steps: u64,
}

/// Steps that a trace keeps, frames among them.
pub const TRACE_STEPS_MAX: usize = 100_000;

/// Bytes of values that a trace keeps, all together. What comes later is cut to nothing, and says so.
pub const TRACE_BYTES_MAX: usize = 16 << 20;

/// Pages that a trace lists, all together. Those that come later are only counted.
pub const TRACE_PAGES_MAX: usize = 1 << 18;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedFrame {
    /// The contract.
    pub contract: ContractId,
    /// Hash of its code; none if nothing was loaded.
    pub code: Option<CodeHash>,
    /// The function.
    pub function: String,
    /// How many frames stood below it: 0 for the call itself.
    pub depth: usize,
    /// The frame that called it, as an index into the frames.
    pub caller: Option<usize>,
    /// The argument.
    pub argument: TracedBytes,
    /// The result, or why there is none.
    pub result: Result<TracedBytes, Failure>,
    /// Its gas limit.
    pub gas_limit: u64,
    /// Gas it spent, callees included.
    pub gas_spent: u64,
    /// What that went to; the parts add up to it.
    pub gas: GasSplit,
    /// Whether its effects were undone: it failed, or a frame below it did.
    pub reverted: bool,
    /// Pages that the call read in this frame first, and did not write in it.
    pub pages_read: TracedPages,
    /// Pages that the call wrote in this frame first.
    pub pages_written: TracedPages,
}

/// What happened in a call. `frame` is an index into the frames: the one that was running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceStep {
    /// A frame starts.
    Enter(usize),
    /// A frame ends.
    Leave(usize),
    /// A call that the frame asked for does not start.
    Refused {
        /// The frame.
        frame: usize,
        /// The contract that was called.
        contract: ContractId,
        /// The function that was called.
        function: String,
        /// Why it does not start.
        refusal: Refusal,
    },
    /// An event. It happened unless the frame is reverted.
    Event {
        /// The frame.
        frame: usize,
        /// The topic.
        topic: String,
        /// The data.
        data: TracedBytes,
    },
    /// A host query.
    Query {
        /// The frame.
        frame: usize,
        /// The query's name.
        name: String,
        /// The argument.
        argument: TracedBytes,
        /// Gas that the query charged, on top of the schedule's price.
        price_gas: u64,
        /// The answer, or why there is none.
        answer: Result<TracedBytes, String>,
    },
    /// A session datum was read.
    Datum {
        /// The frame.
        frame: usize,
        /// Its name.
        name: String,
        /// Its bytes; none if there is no such datum.
        bytes: Option<TracedBytes>,
    },
    /// A debug message.
    Debug {
        /// The frame.
        frame: usize,
        /// The message as the contract gave it.
        message: TracedBytes,
    },
    /// Bytes fed to the embedder.
    Feed {
        /// The frame.
        frame: usize,
        /// The bytes.
        data: TracedBytes,
    },
}

/// Bytes of a trace: all of them, or none if the trace has too many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TracedBytes {
    /// The bytes; the first of them if they were cut.
    pub bytes: Vec<u8>,
    /// How many there were.
    pub len_bytes: usize,
}

impl TracedBytes {
    /// Whether not all of them are there.
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.len_bytes
    }
}

impl std::ops::Deref for TracedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Vec<u8>> for TracedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            len_bytes: bytes.len(),
            bytes,
        }
    }
}

/// Pages that a frame touched, in order of their first touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TracedPages {
    /// The pages; the first of them if a trace has more than [`TRACE_PAGES_MAX`].
    pub pages: Vec<PageIndex>,
    /// How many there were.
    pub count: u64,
}

impl CallTrace {
    /// The call itself.
    pub fn call(&self) -> Option<&TracedFrame> {
        self.frames.first()
    }

    /// Why the call failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.call()?.result.as_ref().err()
    }

    /// The frames that a frame called, in order.
    pub fn callees(&self, frame: usize) -> impl Iterator<Item = usize> {
        let frames = self.frames.iter().enumerate();
        frames.filter_map(move |(at, one)| (one.caller == Some(frame)).then_some(at))
    }
}
