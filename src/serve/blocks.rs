//! Blocks for asynchronous callers: a thread of their own does what is asked, one thing after the other.
//!
//! Whatever becomes of the future: a piece of work that was taken up is done to its end, once. What waits when the service ends never
//! begins, and is told so. So a future can be dropped at any moment, and what it stood for can be asked again: to commit a sealed block, finalise
//! a commit or make a checkpoint a second time changes nothing, and a block that was executed and not committed is nothing that stays.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_channel::oneshot;

use super::task::tell;
use super::wait::wait;
use crate::block::{Filled, OpenBlockError, SealedBlock};
use crate::session::Fatal;
use crate::state::{CheckpointError, CommitError};
use crate::vm::VM;

/// Why work on blocks was not done, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// As much work waits as may: nothing was begun. Wait for some of it first.
    #[error("{max} pieces of work on blocks wait already")]
    Full {
        /// The setting.
        max: usize,
    },
    /// The service ended before the work began.
    #[error("the service is shut down; nothing was begun")]
    ShutDown,
    /// The block can not be opened.
    #[error(transparent)]
    Open(#[from] OpenBlockError),
    /// The block's result is unknown.
    #[error("the block's result is unknown")]
    Fatal(#[from] Fatal),
    /// The change of the commits did not happen.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The checkpoint was not made.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The host, or the work, panicked.
    #[error("the work on a block panicked")]
    Panicked,
}

/// A block that was executed: for the vote, and to be committed.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// The block, hashed and in memory.
    pub sealed: SealedBlock,
    /// What became of the transactions that it was given.
    pub filled: Filled,
}

/// Work on blocks that was asked for: a future of its result, under any runtime. Dropping it changes nothing about the work.
#[must_use = "the work is done in any case, and this says what came of it"]
pub struct BlockHandle<T>(oneshot::Receiver<Result<T, BlockError>>);

impl<T> BlockHandle<T> {
    fn refused(error: BlockError) -> Self {
        let (sender, receiver) = oneshot::channel();
        // The other end is here.
        let _ = sender.send(Err(error));
        Self(receiver)
    }

    /// Waits on this thread.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn wait(self) -> Result<T, BlockError> {
        wait(self)
    }
}

impl<T> Future for BlockHandle<T> {
    type Output = Result<T, BlockError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let received = Pin::new(&mut self.0).poll(context);
        // Work that was never begun is dropped when the service ends.
        received.map(|outcome| outcome.unwrap_or(Err(BlockError::ShutDown)))
    }
}

impl<T> fmt::Debug for BlockHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockHandle").finish_non_exhaustive()
    }
}

type Work = Box<dyn FnOnce(&VM) + Send>;

/// The queue of work on blocks.
pub struct Blocks {
    work_max: usize,
    sender: Mutex<Option<SyncSender<Work>>>,
    closed: Arc<AtomicBool>,
    waiting: Arc<AtomicU64>,
}

/// The other end of the queue.
pub struct BlockWork {
    receiver: Receiver<Work>,
    closed: Arc<AtomicBool>,
    waiting: Arc<AtomicU64>,
}

impl Blocks {
    /// A queue for so much work, and its other end.
    pub fn new(work_max: usize) -> (Self, BlockWork) {
        let (sender, receiver) = sync_channel(work_max);
        let blocks = Self {
            work_max,
            sender: Mutex::new(Some(sender)),
            closed: Arc::default(),
            waiting: Arc::default(),
        };
        let work = BlockWork {
            receiver,
            closed: blocks.closed.clone(),
            waiting: blocks.waiting.clone(),
        };
        (blocks, work)
    }

    /// How much work waits.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Has work done after all that was asked for before.
    pub fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&VM) -> Result<T, BlockError> + Send + 'static,
    ) -> BlockHandle<T> {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move |vm| {
            let outcome = catch_unwind(AssertUnwindSafe(|| work(vm)));
            tell(sender, outcome.unwrap_or(Err(BlockError::Panicked)));
        });
        match self.enqueue(work) {
            Ok(()) => BlockHandle(receiver),
            Err(error) => BlockHandle::refused(error),
        }
    }

    fn enqueue(&self, work: Work) -> Result<(), BlockError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(BlockError::ShutDown)?;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        sender.try_send(work).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => BlockError::Full { max: self.work_max },
                TrySendError::Disconnected(_) => BlockError::ShutDown,
            }
        })
    }

    /// Takes no more work, and begins none.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        *sender = None;
    }
}

impl BlockWork {
    /// Does what is asked until the queue is closed: what the thread for blocks does.
    pub fn run(self, vm: &VM) {
        for work in &self.receiver {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if !self.closed.load(Ordering::SeqCst) {
                work(vm);
            }
        }
    }
}
