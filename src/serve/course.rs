//! The course of one query: when it began, and who or what ended it. The worker, the client and the ticker share it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::async_query::AsyncQueries;
use super::bounds::ServiceSettings;
use super::error::QueryError;
use super::wait::wait_unless;

use crate::engine::{AnswerFuture, AsyncHostQuery, QueryError as AnswerError, Supervisor};

/// How a query ended. The first to say so decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// By itself, or before it began.
    Itself = 1,
    /// Nobody wants it any more.
    Cancelled,
    /// Its deadline passed.
    TimedOut,
    /// It touched too many pages.
    Pages,
    /// It fed too many bytes.
    ResultBytes,
    /// The service ended.
    ShutDown,
}

const ENDS: [End; 6] = [
    End::Itself,
    End::Cancelled,
    End::TimedOut,
    End::Pages,
    End::ResultBytes,
    End::ShutDown,
];

/// The course of a query.
#[derive(Debug)]
pub struct Course {
    timeout: Duration,
    pages_max: u64,
    result_bytes_max: usize,
    queries: Arc<AsyncQueries>,
    /// An [`End`], or 0.
    end: AtomicU8,
    deadline: OnceLock<Instant>,
    worker: OnceLock<Thread>,
}

impl Course {
    /// A query that has not begun.
    pub fn new(
        settings: &ServiceSettings,
        timeout: Option<Duration>,
        queries: Arc<AsyncQueries>,
    ) -> Self {
        let timeout = timeout.unwrap_or(settings.timeout);
        Self {
            timeout: timeout.min(settings.timeout),
            pages_max: settings.pages_max,
            result_bytes_max: settings.result_bytes_max,
            queries,
            end: AtomicU8::new(0),
            deadline: OnceLock::new(),
            worker: OnceLock::new(),
        }
    }

    /// This thread takes it up.
    pub fn taken_up(&self) {
        self.worker.get_or_init(thread::current);
    }

    /// Ends it, if nothing has yet: `true` if this was what ended it. Who waits for an answer wakes.
    pub fn finish(&self, end: End) -> bool {
        let (order, none) = (Ordering::SeqCst, 0);
        let first = self.end.compare_exchange(none, end as u8, order, order);
        if let (Ok(_), Some(worker)) = (first, self.worker.get()) {
            worker.unpark();
        }
        first.is_ok()
    }

    /// How it ended, if it did.
    pub fn ended(&self) -> Option<End> {
        let end = self.end.load(Ordering::SeqCst);
        ENDS.into_iter().find(|one| *one as u8 == end)
    }

    /// The error that its end is, unless it ended by itself.
    pub fn error(&self) -> Option<QueryError> {
        Some(match self.ended()? {
            End::Itself => return None,
            End::Cancelled => QueryError::Cancelled,
            End::TimedOut => QueryError::Timeout {
                after: self.timeout,
            },
            End::Pages => QueryError::Pages {
                max: self.pages_max,
            },
            End::ResultBytes => QueryError::ResultBytes {
                max_bytes: self.result_bytes_max,
            },
            End::ShutDown => QueryError::ShutDown,
        })
    }
}

impl Supervisor for Course {
    fn begins(&self) {
        self.deadline.get_or_init(|| Instant::now() + self.timeout);
    }

    fn is_over(&self) -> bool {
        let late = self.deadline.get();
        if late.is_some_and(|deadline| Instant::now() >= *deadline) {
            self.finish(End::TimedOut);
        }
        self.ended().is_some()
    }

    fn grants(&self, pages: u64) -> bool {
        if pages > self.pages_max {
            self.finish(End::Pages);
        }
        pages <= self.pages_max
    }

    fn query(&self, name: &str) -> Option<Arc<dyn AsyncHostQuery>> {
        self.queries.get(name).cloned()
    }

    fn wait(&self, mut answer: AnswerFuture) -> Option<Result<Vec<u8>, AnswerError>> {
        let deadline = self.deadline.get().copied();
        wait_unless(answer.as_mut(), deadline, || self.is_over())
    }
}
