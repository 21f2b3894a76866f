//! What the VM tells of its work while it works: that something began, and that it ended.
//!
//! An observer is told and answers nothing that anything depends on (P8), so that one may read a clock, which nothing that executes
//! blocks does. Without the feature `telemetry` nobody is told, and what would tell is not compiled.

use std::fmt;
use std::sync::Arc;

/// A piece of work. Pieces lie inside of one another and end in reverse order, on the thread that they began on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work<'a> {
    /// A VM is opened: the log is read since its last checkpoint.
    Open,
    /// A session is opened.
    Session,
    /// A function of a contract is called by the host.
    Call {
        /// The contract's id.
        contract: &'a [u8; 32],
        /// The function.
        function: &'a str,
    },
    /// Code is deployed: judged, compiled, constructed.
    Deploy {
        /// Length of the code.
        code_bytes: usize,
    },
    /// Transactions of a block are executed.
    Block {
        /// The block's height.
        height: u64,
        /// How many there are.
        transactions: usize,
    },
    /// A state is sealed: hashed, and kept in memory.
    Seal,
    /// A state is committed.
    Commit,
    /// What was written is hashed to a root: a part of sealing or committing.
    Hash,
    /// The log gets a commit's entry: a part of committing.
    Append,
    /// The log is made durable: a part of committing.
    Sync,
    /// A commit is made final.
    Finalise,
    /// A commit is deleted.
    Delete,
    /// A checkpoint is made.
    Checkpoint,
    /// Contracts are loaded before they are needed.
    WarmUp,
    /// A query is answered.
    Query,
}

/// Who is told of work.
pub trait Observer: Send + Sync {
    /// Work begins. Whether its end is wanted too.
    fn begin(&self, work: Work<'_>) -> bool;

    /// The latest work on this thread whose end was wanted ends.
    fn end(&self);
}

/// The observer of a VM, or none.
#[derive(Clone, Default)]
pub struct Observed(Option<Arc<dyn Observer>>);

/// Work that is observed, until this drops.
#[must_use]
pub struct Observing(Option<Arc<dyn Observer>>);

impl Observed {
    /// Observed by this one.
    pub fn by(observer: impl Observer + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    /// Work begins, and ends when the result drops.
    #[inline]
    pub fn during(&self, work: Work<'_>) -> Observing {
        if !cfg!(feature = "telemetry") {
            return Observing(None);
        }
        let observer = self.0.as_ref().filter(|observer| observer.begin(work));
        Observing(observer.cloned())
    }
}

impl Drop for Observing {
    #[inline]
    fn drop(&mut self) {
        if let Some(observer) = self.0.take() {
            observer.end();
        }
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observed").field(&self.0.is_some()).finish()
    }
}
