//! What becomes of the blocks that this node proposes.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use commonware_actor::Feedback;
use commonware_consensus::simplex::types::Activity;
use commonware_consensus::{Reporter, Viewable};
use commonware_cryptography::certificate;

use crate::alarm::{Alarm, Alarms};
use crate::block::Digest;

/// So many in a row are no accident.
const IN_A_ROW: u32 = 3;

#[derive(Debug, Default)]
struct Proposals {
    views: BTreeSet<u64>,
    refused_in_a_row: u32,
}

/// The views in which this node proposed, and what became of them. Proposers are bound to their blocks without verifying them: that the others
/// refuse them is the only sign of a node that executes wrongly.
#[derive(Debug, Clone)]
pub struct OwnBlocks {
    proposals: Arc<Mutex<Proposals>>,
    alarms: Alarms,
}

impl OwnBlocks {
    pub fn new(alarms: Alarms) -> Self {
        Self {
            proposals: Arc::default(),
            alarms,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Proposals> {
        self.proposals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this node proposed.
    pub fn proposed(&self, view: u64) {
        self.lock().views.insert(view);
    }

    /// A view was skipped.
    pub fn nullified(&self, view: u64) {
        let mut proposals = self.lock();
        if !proposals.views.remove(&view) {
            return;
        }
        proposals.refused_in_a_row += 1;
        let in_a_row = proposals.refused_in_a_row;
        drop(proposals);
        if in_a_row.is_multiple_of(IN_A_ROW) {
            self.alarms
                .raise(Alarm::OwnBlocksNullified { in_a_row, view });
        }
    }

    /// A view was finalised, and with it what it builds on.
    pub fn finalized(&self, view: u64) {
        let mut proposals = self.lock();
        let after = proposals.views.split_off(&view.saturating_add(1));
        if !proposals.views.is_empty() {
            proposals.refused_in_a_row = 0;
        }
        proposals.views = after;
    }
}

/// Hears from consensus what became of views.
pub struct Watch<S> {
    own: OwnBlocks,
    scheme: PhantomData<fn() -> S>,
}

impl<S> Watch<S> {
    pub fn new(own: OwnBlocks) -> Self {
        Self {
            own,
            scheme: PhantomData,
        }
    }
}

impl<S> Clone for Watch<S> {
    fn clone(&self) -> Self {
        Self::new(self.own.clone())
    }
}

impl<S: certificate::Scheme> Reporter for Watch<S> {
    type Activity = Activity<S, Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        match activity {
            Activity::Nullification(nullification) => {
                self.own.nullified(nullification.view().get());
            }
            Activity::Finalization(finalization) => {
                self.own.finalized(finalization.view().get());
            }
            _ => {}
        }
        Feedback::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node whose own blocks are refused, one after the other, alarms; one whose blocks are final in between does not.
    #[test]
    fn own_blocks_that_are_nullified_in_a_row_are_an_alarm() {
        let alarms = Alarms::default();
        let own = OwnBlocks::new(alarms.clone());
        for view in [1, 5, 9, 13] {
            own.proposed(view);
            match view {
                9 => own.finalized(10),
                _ => own.nullified(view),
            }
        }
        own.nullified(14);
        assert!(alarms.raised().is_empty());
        for view in [17, 21] {
            own.proposed(view);
            own.nullified(view);
        }
        let raised = alarms.raised();
        let [Alarm::OwnBlocksNullified { in_a_row, view }] = &raised[..] else {
            panic!("{raised:?}");
        };
        assert_eq!((*in_a_row, *view), (3, 21));
        assert!(!alarms.has_stopped());
    }
}
