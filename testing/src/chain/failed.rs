//! Why a call gave no value, for code that goes on with it: typed clients, and tests that use `?` or `.unwrap()`. Who unwraps it sees the trace.

use std::fmt;
use std::sync::Arc;

use crostata_abi::typed::CodecError;

use super::Shared;
use crate::machine::{CallAnswer, Reverted};

/// Why a call gave no value.
///
/// `{}` is one line. `{:?}`, which is what `.unwrap()` panics with, has the trace of the call too.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failed {
    /// The contract failed: all effects are undone, the gas is spent.
    #[error("reverted: {text}")]
    Reverted {
        /// What happened.
        reverted: Box<Reverted>,
        /// The same in words, with labels.
        text: String,
        /// How it came to that.
        trace: LazyTrace,
    },
    /// The call could not start.
    #[error("rejected: {reason}")]
    Rejected {
        /// Why.
        reason: String,
    },
    /// The host failed.
    #[error("fatal: {reason}")]
    Fatal {
        /// Why.
        reason: String,
    },
    /// The call succeeded with a result of another type; its effects stand.
    #[error("the result of `{function}`: {error}")]
    Undecodable {
        /// The function.
        function: String,
        /// What is wrong with the bytes.
        #[source]
        error: CodecError,
        /// What the call did.
        trace: LazyTrace,
    },
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reverted { trace, .. } | Self::Undecodable { trace, .. } => {
                write!(f, "{self}\n\n{trace}")
            }
            Self::Rejected { .. } | Self::Fatal { .. } => write!(f, "{self}"),
        }
    }
}

/// The trace of a call, made when it is shown: `CROSTATA_TRACE` says how much of it. The traces of a chain's latest calls are kept; of an older
/// one only the call tree is left.
///
/// Any two are equal: how a call is shown says nothing of what it did.
#[derive(Clone)]
pub struct LazyTrace {
    shared: Shared,
    answer: Arc<CallAnswer>,
}

impl LazyTrace {
    pub(super) fn new(shared: &Shared, answer: &Arc<CallAnswer>) -> Self {
        Self {
            shared: shared.clone(),
            answer: answer.clone(),
        }
    }
}

impl fmt::Display for LazyTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shared.trace(&self.answer, None))
    }
}

impl fmt::Debug for LazyTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for LazyTrace {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LazyTrace {}
