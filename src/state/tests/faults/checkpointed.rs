//! P5 and P3: what a checkpoint counts of each segment is what is there, so that no segment is given up too early or
//! never.

use crate::state::Commits;
use crate::state::batch::Spot;
use crate::state::checkpoint::LiveBytes;
use crate::state::code::CodeBucket;
use crate::state::snapshot::{Bucket, Snapshot};
use crate::state::tree::{Gone, NodeError, NodePlace};
use crate::store::Place;
use crostata_abi::PAGE_BYTES;

/// Counts all that a snapshot has in the log.
struct Counted(LiveBytes);

impl Counted {
    fn count(&mut self, place: NodePlace) {
        let at = Place::from_u64(place.at);
        self.0.add(at, u64::from(place.len_bytes));
    }
}

impl Gone<Bucket> for Counted {
    type Error = NodeError;

    fn node(&mut self, place: NodePlace) -> Result<(), NodeError> {
        self.count(place);
        Ok(())
    }

    fn leaf(&mut self, old: &Bucket, _new: Option<&Bucket>) -> Result<(), NodeError> {
        let mut contracts = old.contracts().iter();
        contracts.try_for_each(|state| state.pages.replaced(&state.pages.emptied(), self))
    }
}

impl Gone<Spot> for Counted {
    type Error = NodeError;

    fn node(&mut self, place: NodePlace) -> Result<(), NodeError> {
        self.count(place);
        Ok(())
    }

    fn leaf(&mut self, old: &Spot, _new: Option<&Spot>) -> Result<(), NodeError> {
        self.0.add(old.place().unwrap(), PAGE_BYTES as u64);
        Ok(())
    }
}

impl Gone<CodeBucket> for Counted {
    type Error = NodeError;

    fn node(&mut self, place: NodePlace) -> Result<(), NodeError> {
        self.count(place);
        Ok(())
    }

    fn leaf(&mut self, old: &CodeBucket, _new: Option<&CodeBucket>) -> Result<(), NodeError> {
        for code in old.codes() {
            self.0.add(code.spot.place().unwrap(), code.len_bytes);
        }
        Ok(())
    }
}

/// What the log has of a snapshot, per segment.
fn count(snapshot: &Snapshot) -> LiveBytes {
    let mut counted = Counted(LiveBytes::default());
    let (contracts, code) = (snapshot.contracts(), snapshot.code_tree());
    contracts
        .replaced(&contracts.emptied(), &mut counted)
        .unwrap();
    code.replaced(&code.emptied(), &mut counted).unwrap();
    counted.0
}

/// Compares what the last checkpoint counted with what is there.
pub fn check(commits: &Commits) {
    let (base, live) = commits.last_checkpoint();
    assert_eq!(live, count(&base));
    let there: Vec<u32> = commits
        .store()
        .segments()
        .iter()
        .map(|s| s.number)
        .collect();
    for segment in live.0.keys() {
        assert!(there.contains(segment), "segment {segment} of {there:?}");
    }
}
