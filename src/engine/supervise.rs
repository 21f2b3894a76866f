//! Queries: calls that never become a block, and that end when a clock says so.
//!
//! No clock is read here. Either ticks are counted, which somebody else counts out, or a [`Supervisor`] is asked at each look
//! at the clock. What only queries may do goes through it too: waiting for the answers of [`AsyncHostQuery`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use wasmtime::{Store, UpdateDeadline};

use super::backend::Engine;
use super::host::Host;
use super::query::{QueryContext, QueryError};
use super::state::State;

/// What becomes of an asynchronous host query.
pub type AnswerFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, QueryError>> + Send>>;

/// A query that contracts can put to the host and that takes its time: for queries only, never for blocks.
///
/// Contracts reach it by the import `hqa`, which no block can enter. Its answer may depend on anything.
///
/// The future is polled on a worker thread of the service, under no runtime. One that needs a runtime's clock or sockets is
/// spawned there, and its handle awaited here. When the query ends early, it is dropped.
pub trait AsyncHostQuery: Send + Sync {
    /// The price in gas of answering `argument`, charged before [`answer`](Self::answer) is asked, on top of the schedule's own
    /// price. It must itself be cheap.
    fn price(&self, context: &QueryContext<'_>, argument: &[u8]) -> u64;

    /// Answers: at most 65,536 bytes.
    fn answer(&self, context: &QueryContext<'_>, argument: &[u8]) -> AnswerFuture;
}

/// Who decides when the calls of a query end, if they do not end by themselves.
pub trait Supervisor: Send + Sync + fmt::Debug {
    /// The first instruction of a call by the host is next: the contract called is loaded.
    fn begins(&self);

    /// Whether the running call is to end now. Asked between calls, and when functions and loops begin after a tick.
    fn is_over(&self) -> bool;

    /// Whether a call may touch so many pages of 4 KiB. If not, it ends.
    fn grants(&self, pages: u64) -> bool;

    /// The asynchronous host query of this name.
    fn query(&self, name: &str) -> Option<Arc<dyn AsyncHostQuery>>;

    /// Waits for an answer; `None` if the call is to end before there is one.
    fn wait(&self, answer: AnswerFuture) -> Option<Result<Vec<u8>, QueryError>>;
}

/// When the calls of a session end, if they do not end by themselves.
#[derive(Debug, Clone, Default)]
pub enum Deadline {
    /// Never: what blocks are made of.
    #[default]
    Never,
    /// At this tick of the engine.
    Tick(u64),
    /// When somebody says so.
    Supervised(Arc<dyn Supervisor>),
}

impl Deadline {
    /// Whether the session is a query, of which nothing is ever committed.
    pub fn is_query(&self) -> bool {
        !matches!(self, Self::Never)
    }

    /// Who decides, if it is somebody.
    pub fn supervisor(&self) -> Option<&Arc<dyn Supervisor>> {
        match self {
            Self::Supervised(supervisor) => Some(supervisor),
            Self::Never | Self::Tick(_) => None,
        }
    }

    /// Whether calls are to end now. Nothing ends on an engine that is not interruptible.
    pub fn has_passed(&self, ticks: Option<u64>) -> bool {
        match (self, ticks) {
            (Self::Never, _) | (_, None) => false,
            (Self::Tick(deadline), Some(now)) => now >= *deadline,
            (Self::Supervised(supervisor), Some(_)) => supervisor.is_over(),
        }
    }
}

/// Whether the calls of a query are to end now.
#[cfg(feature = "libraries")]
pub type IsOver = Arc<dyn Fn() -> bool + Send + Sync>;

/// Has calls in `store` end when their deadline passed, on an interruptible engine: it is looked at whenever the clock moved on.
pub fn watch_deadline<H: Host>(engine: &Arc<Engine<H>>, store: &mut Store<State<H>>) {
    if engine.ticks().is_none() {
        return;
    }
    if !store.data().deadline.is_query() {
        // The sum with the epochs so far must not overflow.
        store.set_epoch_deadline(u64::MAX / 2);
        return;
    }
    #[cfg(feature = "libraries")]
    {
        let (engine, deadline) = (engine.clone(), store.data().deadline.clone());
        store.data_mut().is_over = Some(Arc::new(move || deadline.has_passed(engine.ticks())));
    }
    store.set_epoch_deadline(1);
    let engine = engine.clone();
    store.epoch_deadline_callback(move |store| {
        let passed = store.data().deadline.has_passed(engine.ticks());
        Ok(match passed {
            true => UpdateDeadline::Interrupt,
            false => UpdateDeadline::Continue(1),
        })
    });
}
