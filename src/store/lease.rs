//! Segments that were given up and whose readers are not gone yet.
//!
//! Time is cut into epochs: each time segments are given up, one ends. A lease belongs to the epoch
//! in which it was taken. An epoch that ended holds the segments that were given up at its end and
//! the next epoch; so it lives as long as a lease of it or of an earlier one does, and when it dies,
//! nobody is left who may read its segments, and their files are removed.
//!
//! Nobody waits: giving up is a push, and whoever drops the last lease removes the files.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::segments::Segments;

/// The right to read every place that was live when it was taken, given up since or not.
#[derive(Debug, Clone)]
pub struct Lease {
    _epoch: Arc<Epoch>,
}

/// The time between two givings-up.
#[derive(Debug)]
struct Epoch {
    segments: Weak<Segments>,
    end: OnceLock<End>,
}

/// How an epoch ended.
#[derive(Debug)]
struct End {
    given_up: Vec<u32>,
    next: Arc<Epoch>,
}

impl Epoch {
    fn new(segments: &Weak<Segments>) -> Arc<Self> {
        Arc::new(Self {
            segments: segments.clone(),
            end: OnceLock::new(),
        })
    }
}

impl Drop for Epoch {
    /// Also drops the epochs that only this one held, one after the other: a chain of any length
    /// must not become as many calls deep.
    fn drop(&mut self) {
        let mut end = self.end.take();
        while let Some(End { given_up, next }) = end {
            remove(&self.segments, &given_up);
            end = Arc::into_inner(next).and_then(|mut epoch| epoch.end.take());
        }
    }
}

/// Removes the segments, if the store is still open. What can not be removed is found when the store
/// is opened again.
fn remove(segments: &Weak<Segments>, given_up: &[u32]) {
    let Some(segments) = segments.upgrade() else {
        return;
    };
    for number in given_up {
        let _ = segments.remove(*number);
    }
}

/// The leases of a store.
pub(super) struct Leases {
    segments: Weak<Segments>,
    state: Mutex<State>,
}

struct State {
    current: Arc<Epoch>,
    /// The next opening reads the segments from this one on.
    read_from: u32,
    /// Given up, but from `read_from` on.
    waiting: Vec<u32>,
}

impl Leases {
    /// No leases of these segments, of which an opening reads those from `read_from` on.
    pub fn new(segments: &Arc<Segments>, read_from: u32) -> Self {
        let segments = Arc::downgrade(segments);
        let state = State {
            current: Epoch::new(&segments),
            read_from,
            waiting: Vec::new(),
        };
        Self {
            segments,
            state: Mutex::new(state),
        }
    }

    /// A lease of what is live now.
    pub fn take(&self) -> Lease {
        let _epoch = self.state().current.clone();
        Lease { _epoch }
    }

    /// The first segment that the next opening reads.
    pub fn read_from(&self) -> u32 {
        self.state().read_from
    }

    /// Gives up these segments; those that the next opening reads are kept until it does not.
    pub fn give_up(&self, numbers: Vec<u32>) {
        let mut state = self.state();
        let from = state.read_from;
        let (waiting, ripe): (Vec<_>, Vec<_>) = numbers.into_iter().partition(|n| *n >= from);
        state.waiting.extend(waiting);
        self.end_epoch(state, ripe);
    }

    /// The next opening reads the segments from this one on.
    pub fn set_read_from(&self, read_from: u32) {
        let mut state = self.state();
        state.read_from = read_from;
        let waiting = std::mem::take(&mut state.waiting);
        let (waiting, ripe): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|n| *n >= read_from);
        state.waiting = waiting;
        self.end_epoch(state, ripe);
    }

    fn end_epoch(&self, mut state: MutexGuard<'_, State>, given_up: Vec<u32>) {
        if given_up.is_empty() {
            return;
        }
        let next = Epoch::new(&self.segments);
        let ended = std::mem::replace(&mut state.current, next.clone());
        // An epoch ends once: when it stops being the current one.
        let _ = ended.end.set(End { given_up, next });
        drop(state);
        // Perhaps the last reference: this removes files, without the lock.
        drop(ended);
    }

    // A thread that panicked while it held the state left it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
