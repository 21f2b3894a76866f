//! The pool: workers that run queries, and the ticker that has them look at the clock.
//!
//! One lock guards the queue and what runs. It is held for as long as an entry is moved, never while anything runs, and nobody who
//! executes blocks takes it. The ticker sleeps while nothing runs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bounds::ServiceSettings;
use super::client::Client;
use super::counters::{Counters, QueryCounters};
use super::course::{Course, End};
use super::error::{Overload, QueryError};
use super::handle::{QueryHandle, Ticket};
use super::queue::{FairQueue, Full};
use super::task::{Job, Outcome, job};
use crate::vm::VM;

/// What workers, ticker and clients share.
pub struct Pool {
    vm: Arc<VM>,
    settings: ServiceSettings,
    counters: Counters,
    state: Mutex<State>,
    /// A query came, or the pool closed.
    arrived: Condvar,
    /// The ticker has something to do.
    busy: Condvar,
    /// A worker has nothing to run.
    idle: Condvar,
}

struct State {
    queue: FairQueue<Client, Job>,
    /// What each worker runs.
    running: Vec<Option<Arc<Course>>>,
    ticker_sleeps: bool,
    closed: bool,
}

impl State {
    fn running(&self) -> usize {
        self.running.iter().flatten().count()
    }
}

impl Pool {
    /// A pool without threads yet.
    pub fn new(vm: Arc<VM>, settings: ServiceSettings) -> Self {
        let state = State {
            queue: FairQueue::new(settings.queue()),
            running: vec![None; settings.workers],
            ticker_sleeps: false,
            closed: false,
        };
        Self {
            vm,
            settings,
            counters: Counters::default(),
            state: Mutex::new(state),
            arrived: Condvar::new(),
            busy: Condvar::new(),
            idle: Condvar::new(),
        }
    }

    /// The VM.
    pub fn vm(&self) -> &Arc<VM> {
        &self.vm
    }

    /// How much it gives.
    pub fn settings(&self) -> &ServiceSettings {
        &self.settings
    }

    /// What it did so far.
    pub fn counters(&self) -> QueryCounters {
        let state = self.lock();
        self.counters.snapshot(state.queue.len(), state.running())
    }

    /// Takes a query into the queue.
    pub fn ask<T, F>(self: &Arc<Self>, client: Client, course: Course, work: F) -> QueryHandle<T>
    where
        T: Send + 'static,
        F: FnOnce(&VM, &Arc<Course>) -> Outcome<T> + Send + 'static,
    {
        let course = Arc::new(course);
        let (job, receiver) = job(course.clone(), work);
        match self.enqueue(client, job) {
            Ok(number) => {
                let pool = Arc::downgrade(self);
                QueryHandle::new(
                    receiver,
                    Ticket {
                        pool,
                        course,
                        number,
                    },
                )
            }
            Err(error) => {
                course.finish(End::Itself);
                QueryHandle::refused(error)
            }
        }
    }

    fn enqueue(&self, client: Client, job: Job) -> Result<u64, QueryError> {
        let mut state = self.lock();
        if state.closed {
            return Err(QueryError::ShutDown);
        }
        let pushed = state.queue.push(client, job);
        drop(state);
        match pushed {
            Ok(number) => {
                self.counters.queued();
                self.arrived.notify_one();
                Ok(number)
            }
            Err((_, full)) => {
                self.counters.refused();
                Err(self.overload(full).into())
            }
        }
    }

    fn overload(&self, full: Full) -> Overload {
        match full {
            Full::Total => Overload::Queue {
                max: self.settings.queue_max,
            },
            Full::Client => Overload::ClientQueue {
                max: self.settings.queue_per_client_max,
            },
        }
    }

    /// Takes a query out of the queue that nobody wants any more, if it still waits.
    pub fn withdraw(&self, ticket: u64) {
        let job = self.lock().queue.remove(ticket);
        if let Some(job) = job {
            job.refuse(QueryError::Cancelled, &self.counters);
        }
    }

    /// Runs queries until the pool is closed: what a worker does.
    pub fn work(&self, worker: usize) {
        while let Some(job) = self.next(worker) {
            job.run(&self.vm, self.settings.wait_max, &self.counters);
        }
    }

    /// The next query for a worker, which has ended its last one.
    fn next(&self, worker: usize) -> Option<Job> {
        let mut state = self.lock();
        state.running[worker] = None;
        self.idle.notify_all();
        loop {
            if let Some(job) = state.queue.pop() {
                state.running[worker] = Some(job.course.clone());
                if std::mem::take(&mut state.ticker_sleeps) {
                    self.busy.notify_one();
                }
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = waited(self.arrived.wait(state));
        }
    }

    /// Lets the running queries look at the clock, and ends the waiting of those that waited too long: what the ticker does.
    pub fn tick(&self) {
        let mut state = self.lock();
        loop {
            if state.running() > 0 {
                let expired = self.expired(&mut state);
                drop(state);
                self.vm.look();
                let max = self.settings.wait_max;
                for job in expired {
                    job.refuse(Overload::WaitedTooLong { max }.into(), &self.counters);
                }
                state = self.lock();
                let slept = self.busy.wait_timeout(state, self.settings.tick);
                state = slept.unwrap_or_else(PoisonError::into_inner).0;
            } else if state.closed {
                return;
            } else {
                state.ticker_sleeps = true;
                state = waited(self.busy.wait(state));
            }
        }
    }

    fn expired(&self, state: &mut State) -> Vec<Job> {
        let mut expired = Vec::new();
        while let Some((ticket, job)) = state.queue.oldest() {
            if job.since.elapsed() <= self.settings.wait_max {
                break;
            }
            expired.extend(state.queue.remove(ticket));
        }
        expired
    }

    /// Takes no more queries, and tells those that wait. `true` the first time.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        let first = !std::mem::replace(&mut state.closed, true);
        let waiting: Vec<Job> = std::iter::from_fn(|| state.queue.pop()).collect();
        drop(state);
        self.arrived.notify_all();
        self.busy.notify_all();
        for job in waiting {
            job.refuse(QueryError::ShutDown, &self.counters);
        }
        first
    }

    /// Waits until nothing runs, no longer than `grace`; then ends what runs. Gives the number of queries that it ended.
    pub fn settle(&self, grace: Duration) -> usize {
        let state = self.lock();
        let settled = self
            .idle
            .wait_timeout_while(state, grace, |state| state.running() > 0);
        let (state, _) = settled.unwrap_or_else(PoisonError::into_inner);
        let running = state.running.iter().flatten();
        running
            .filter(|course| course.finish(End::ShutDown))
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waited<T>(guard: Result<T, PoisonError<T>>) -> T {
    guard.unwrap_or_else(PoisonError::into_inner)
}
