//! A query as the pool sees it: something to run, whose result somebody waits for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use futures_channel::oneshot::{self, Receiver, Sender};

use super::counters::Counters;
use super::course::{Course, End};
use super::error::{Overload, QueryError};
use crate::vm::VM;

/// What a query does, with a result of any type.
pub trait Task: Send {
    /// Runs it, and tells who waits.
    fn run(self: Box<Self>, vm: &VM, course: &Arc<Course>, counters: &Counters);

    /// Tells who waits that it does not run.
    fn refuse(self: Box<Self>, error: QueryError);
}

/// A query that waits for a worker.
pub struct Job {
    pub since: Instant,
    pub course: Arc<Course>,
    pub task: Box<dyn Task>,
}

/// What becomes of a query.
pub type Outcome<T> = Result<T, QueryError>;

struct Asked<T, F> {
    work: F,
    sender: Sender<Outcome<T>>,
}

/// A job that runs `work`, and the end at which its result comes out.
pub fn job<T, F>(course: Arc<Course>, work: F) -> (Job, Receiver<Outcome<T>>)
where
    T: Send + 'static,
    F: FnOnce(&VM, &Arc<Course>) -> Outcome<T> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job = Job {
        since: Instant::now(),
        course,
        task: Box::new(Asked { work, sender }),
    };
    (job, receiver)
}

impl<T, F> Task for Asked<T, F>
where
    T: Send,
    F: FnOnce(&VM, &Arc<Course>) -> Outcome<T> + Send,
{
    fn run(self: Box<Self>, vm: &VM, course: &Arc<Course>, counters: &Counters) {
        let Self { work, sender } = *self;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(vm, course)));
        let outcome = outcome.unwrap_or(Err(QueryError::Panicked));
        let outcome = match course.finish(End::Itself) {
            true => outcome,
            false => course.error().map_or(outcome, Err),
        };
        counters.ended(outcome.as_ref().err());
        tell(sender, outcome);
    }

    fn refuse(self: Box<Self>, error: QueryError) {
        tell(self.sender, Err(error));
    }
}

/// Tells who waits. Who gave up has no use for it; and what wakes the others is code of the embedder, whose panic must not end the thread
/// that it is called on.
pub fn tell<T>(sender: Sender<T>, outcome: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| sender.send(outcome).is_ok()));
}

impl Job {
    /// Runs it, unless nobody wants it any more or it waited too long.
    pub fn run(self, vm: &VM, wait_max: std::time::Duration, counters: &Counters) {
        let waited = self.since.elapsed();
        if let Some(error) = self.course.error() {
            return self.refuse(error, counters);
        }
        if waited > wait_max {
            let max = wait_max;
            return self.refuse(Overload::WaitedTooLong { max }.into(), counters);
        }
        counters.started(waited);
        self.course.taken_up();
        self.task.run(vm, &self.course, counters);
    }

    /// Ends it before it began.
    pub fn refuse(self, error: QueryError, counters: &Counters) {
        self.course.finish(End::Itself);
        counters.ended(Some(&error));
        self.task.refuse(error);
    }
}
