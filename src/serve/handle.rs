//! What stands for a query that was asked.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_channel::oneshot::{self, Receiver};

use super::course::{Course, End};
use super::error::QueryError;
use super::pool::Pool;
use super::task::Outcome;
use super::wait::wait;

/// A query that was asked: a future of its result, under any runtime.
///
/// Dropping it cancels the query: it leaves the queue, or ends within about a tick if it runs.
#[must_use = "a query whose handle is dropped is cancelled"]
pub struct QueryHandle<T> {
    receiver: Receiver<Outcome<T>>,
    /// Where it waits or runs; nowhere if it was not taken up.
    asked: Option<Ticket>,
}

/// How to find a query in its pool.
pub(super) struct Ticket {
    pub pool: Weak<Pool>,
    pub course: Arc<Course>,
    pub number: u64,
}

impl<T> QueryHandle<T> {
    pub(super) fn new(receiver: Receiver<Outcome<T>>, ticket: Ticket) -> Self {
        Self {
            receiver,
            asked: Some(ticket),
        }
    }

    /// A query that was not taken up.
    pub(super) fn refused(error: QueryError) -> Self {
        let (sender, receiver) = oneshot::channel();
        // The other end is here.
        let _ = sender.send(Err(error));
        Self {
            receiver,
            asked: None,
        }
    }

    /// Cancels the query, unless it ended: it then ends in [`QueryError::Cancelled`], at once if it waits, within about a tick if
    /// it runs. A proof that is being made goes on to its end, for nobody.
    pub fn cancel(&self) {
        if let Some(ticket) = &self.asked {
            ticket.cancel();
        }
    }

    /// Waits on this thread.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn wait(mut self) -> Result<T, QueryError> {
        wait(&mut self)
    }
}

impl Ticket {
    fn cancel(&self) {
        if self.course.finish(End::Cancelled)
            && let Some(pool) = self.pool.upgrade()
        {
            pool.withdraw(self.number);
        }
    }
}

impl<T> Future for QueryHandle<T> {
    type Output = Result<T, QueryError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let received = Pin::new(&mut self.receiver).poll(context);
        // Nobody drops a query without saying what became of it, unless its thread is gone.
        received.map(|outcome| outcome.unwrap_or(Err(QueryError::Panicked)))
    }
}

impl<T> Drop for QueryHandle<T> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<T> fmt::Debug for QueryHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticket = self.asked.as_ref().map(|ticket| ticket.number);
        f.debug_struct("QueryHandle")
            .field("ticket", &ticket)
            .finish_non_exhaustive()
    }
}
