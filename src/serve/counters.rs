//! What a service did so far, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::QueryError;

/// Classes of waiting times: the first is below a microsecond, each next one reaches twice as far, the last has no end.
pub const WAIT_BUCKETS: usize = 28;

/// What a service did since it started. Each query is counted once as queued, and once as what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryCounters {
    /// Queries that wait for a worker now.
    pub waiting: u64,
    /// Queries that run now.
    pub running: u64,
    /// Queries that were taken into the queue.
    pub queued: u64,
    /// Queries with a result.
    pub done: u64,
    /// Queries that ended in an error of their own: reverted, rejected, at a commit that is not retained, too large.
    pub failed: u64,
    /// Queries that the host failed at.
    pub faults: u64,
    /// Queries past their deadline.
    pub timed_out: u64,
    /// Queries that found no place in the queue.
    pub refused: u64,
    /// Queries that waited too long, or found no address space.
    pub overloaded: u64,
    /// Queries that nobody wants any more.
    pub cancelled: u64,
    /// Queries that the service's end ended, or that came after it.
    pub shut_down: u64,
    /// How many waited how long for a worker: at `n`, below 2^n microseconds.
    pub wait_buckets: [u64; WAIT_BUCKETS],
    /// How long they waited together.
    pub waited: Duration,
}

/// The counters that threads count in.
#[derive(Debug, Default)]
pub struct Counters {
    queued: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    faults: AtomicU64,
    timed_out: AtomicU64,
    refused: AtomicU64,
    overloaded: AtomicU64,
    cancelled: AtomicU64,
    shut_down: AtomicU64,
    wait_buckets: [AtomicU64; WAIT_BUCKETS],
    waited_ns: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    /// A query was taken into the queue.
    pub fn queued(&self) {
        count(&self.queued);
    }

    /// A query found no place in the queue.
    pub fn refused(&self) {
        count(&self.refused);
    }

    /// A query found a worker.
    pub fn started(&self, waited: Duration) {
        count(&self.wait_buckets[bucket(waited)]);
        let waited = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.waited_ns.fetch_add(waited, Ordering::Relaxed);
    }

    /// What became of a query that was queued.
    pub fn ended(&self, error: Option<&QueryError>) {
        count(match error {
            None => &self.done,
            Some(QueryError::Timeout { .. }) => &self.timed_out,
            Some(QueryError::Overloaded(_)) => &self.overloaded,
            Some(QueryError::Cancelled) => &self.cancelled,
            Some(QueryError::ShutDown) => &self.shut_down,
            Some(QueryError::Fatal(_) | QueryError::Panicked) => &self.faults,
            Some(_) => &self.failed,
        });
    }

    /// The numbers, with how many wait and run.
    pub fn snapshot(&self, waiting: usize, running: usize) -> QueryCounters {
        QueryCounters {
            waiting: waiting as u64,
            running: running as u64,
            queued: read(&self.queued),
            done: read(&self.done),
            failed: read(&self.failed),
            faults: read(&self.faults),
            timed_out: read(&self.timed_out),
            refused: read(&self.refused),
            overloaded: read(&self.overloaded),
            cancelled: read(&self.cancelled),
            shut_down: read(&self.shut_down),
            wait_buckets: std::array::from_fn(|at| read(&self.wait_buckets[at])),
            waited: Duration::from_nanos(read(&self.waited_ns)),
        }
    }
}

/// The class of a waiting time.
fn bucket(waited: Duration) -> usize {
    let micros = waited.as_micros();
    let bits = (u128::BITS - micros.leading_zeros()) as usize;
    bits.min(WAIT_BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A class reaches up to its power of two, and the last one takes the rest.
    #[test]
    fn buckets_are_powers_of_two() {
        let of = |micros| bucket(Duration::from_micros(micros));
        assert_eq!(bucket(Duration::from_nanos(999)), 0);
        assert_eq!(
            [of(1), of(2), of(3), of(4), of(1_023), of(1_024)],
            [1, 2, 2, 3, 10, 11]
        );
        assert_eq!(bucket(Duration::MAX), WAIT_BUCKETS - 1);
    }
}
