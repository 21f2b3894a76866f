//! Who watches: everything that an embedder can look at or listen to, at random moments.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crostata::{
    ContractId, Error, Feeder, FrameStart, PageIndex, ProofItem, Session, SessionData,
    SessionDataBuilder, TraceStep, VM,
};

use super::random::Random;
use crate::fixtures::id;

/// How often each kind of watching saw something.
#[derive(Default)]
struct Counts {
    messages: AtomicU64,
    calls: AtomicU64,
    fed: AtomicU64,
    pages: AtomicU64,
    estimates: AtomicU64,
    proofs: AtomicU64,
    traces: AtomicU64,
    positions: AtomicU64,
}

/// Watches sessions.
pub struct Watcher {
    numbers: RefCell<Random>,
    counts: Arc<Counts>,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts what it is fed.
struct Listening(Arc<Counts>);

impl Feeder for Listening {
    fn feed(&mut self, _: Vec<u8>) {
        count(&self.0.fed);
    }
}

impl Watcher {
    pub fn new(seed: u64) -> Self {
        Self {
            numbers: RefCell::new(Random::new(seed)),
            counts: Arc::default(),
        }
    }

    fn one_in(&self, chances: u64) -> bool {
        self.numbers.borrow_mut().below(chances) == 0
    }

    /// Sometimes has failures tell their places.
    pub fn opens(&self, data: SessionDataBuilder) -> SessionDataBuilder {
        match self.one_in(3) {
            true => data,
            false => data.located(),
        }
    }

    /// Hears debug messages and calls, and takes traces.
    pub fn listen(&self, session: &mut Session) {
        session.watch();
        let counts = self.counts.clone();
        session.set_debug_sink(move |_, _: &str| count(&counts.messages));
        let counts = self.counts.clone();
        session.set_call_hook(move |_: &FrameStart<'_>| {
            count(&counts.calls);
            None
        });
    }

    pub fn feeder(&self) -> impl Feeder + 'static {
        Listening(self.counts.clone())
    }

    /// Sometimes estimates a call that comes.
    pub fn estimates(
        &self,
        session: &mut Session,
        contract: ContractId,
        function: &str,
        argument: &[u8],
        gas: u64,
    ) {
        if !self.one_in(4) {
            return;
        }
        match session.estimate(contract, function, argument, gas) {
            Ok(_) | Err(Error::Reverted(_) | Error::Rejected(_)) => count(&self.counts.estimates),
            Err(other) => panic!("{other}"),
        }
    }

    /// Looks at some of what there is to see between calls.
    pub fn looks(&self, session: &mut Session, vm: &VM) {
        self.sees_trace(session);
        if self.one_in(2) {
            for accesses in session.page_accesses() {
                count(&self.counts.pages);
                assert!(!format!("{accesses:?}").is_empty());
            }
        }
        if self.one_in(4) {
            session.root().unwrap();
            assert!(
                !session
                    .memory_pages(id(0))
                    .into_iter()
                    .flatten()
                    .count()
                    .eq(&0)
            );
            session.contract_metadata(&id(1)).unwrap();
            session.memory_len(&id(2)).unwrap();
        }
        if self.one_in(4) {
            session.prove(&[ProofItem::Contract(id(0))]).unwrap();
            session
                .prove(&[ProofItem::page(id(0), PageIndex(48))])
                .unwrap();
            count(&self.counts.proofs);
        }
        if self.one_in(4) {
            let inner = session.savepoint().unwrap();
            match self.one_in(2) {
                true => session.rollback(inner).unwrap(),
                false => session.release(inner).unwrap(),
            }
        }
        if self.one_in(6) {
            // Somebody else asks something, with a deadline.
            let mut query = vm
                .session(SessionData::builder().interrupted_after(1))
                .unwrap();
            assert!(query.call_raw(id(0), "run", [], 100_000).is_err());
            vm.tick();
            assert!(vm.is_healthy());
            assert!(vm.verify(|_| ()).is_clean());
        }
    }

    /// Takes the trace of the latest call, which adds up, and sometimes stops watching for a while.
    fn sees_trace(&self, session: &mut Session) {
        if let Some(trace) = session.take_trace() {
            count(&self.counts.traces);
            for frame in &trace.frames {
                assert_eq!(frame.gas.total(), frame.gas_spent);
                if frame
                    .result
                    .as_ref()
                    .is_err_and(|failure| !failure.positions.is_empty())
                {
                    count(&self.counts.positions);
                }
            }
            let ends = |step: &&TraceStep| matches!(step, TraceStep::Leave(_));
            assert_eq!(trace.order.iter().filter(ends).count(), trace.frames.len());
        }
        match self.one_in(4) {
            true => session.unwatch(),
            false => session.watch(),
        }
    }

    /// Nothing was watched that did not happen.
    pub fn has_seen_much(&self) {
        let Counts {
            messages,
            calls,
            fed,
            pages,
            estimates,
            proofs,
            traces,
            positions,
        } = &*self.counts;
        let seen = [
            messages, calls, fed, pages, estimates, proofs, traces, positions,
        ];
        let seen = seen.map(|counter| counter.load(Ordering::Relaxed));
        assert!(seen[..2].iter().all(|seen| *seen > 20), "{seen:?}");
        assert!(seen[3..].iter().all(|seen| *seen > 2), "{seen:?}");
    }
}
