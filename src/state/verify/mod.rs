//! Verifying a store: every retained commit's root, derived anew from the bytes on disk.
//!
//! What opening reads is read again, and nothing that is in memory is believed: the frames from the last checkpoint on,
//! every node of the trees it names with every page and code, and every commit that is retained over it. Segments of
//! which nothing is needed any more are read too, frame by frame, since a later checkpoint has to.
//! It changes nothing, and commits go on meanwhile.

mod report;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use crostata_proof::CommitId;
use rayon::prelude::*;

use self::walk::Verifier;
use super::held::{Held, Retained};
use super::naming::Commit;
use super::recovery::{OpenStateError, Reread};
use crate::store::{Place, Store};

pub use self::report::{Finding, Problem, VerifyProgress, VerifyReport};

/// What the open store retains: the commits and the finalised one.
#[derive(PartialEq, Eq)]
pub struct Names(BTreeSet<Commit>, Option<CommitId>);

impl Names {
    /// Of these commits.
    pub fn of(held: &Held) -> Self {
        let commits = held.commits.values().map(|retained| retained.commit);
        Self(commits.collect(), held.finalised)
    }
}

/// Compares the log with what the open store retains, and with itself.
pub fn verify(
    store: &Arc<Store>,
    log: Result<Reread, OpenStateError>,
    expected: &Names,
    told: &(dyn Fn(VerifyProgress) + Sync),
) -> VerifyReport {
    let verifier = Verifier::new(store, told);
    let segments = store.segments();
    segments
        .par_iter()
        .filter(|segment| !segment.is_current) // read with the log
        .for_each(|segment| verifier.segment(segment.number));
    verifier.missing_files();
    match log {
        Ok(log) => verify_log(&verifier, &log, expected),
        Err(error) => verifier.found(error),
    }
    verifier.finish(segments.len() as u64)
}

fn verify_log(verifier: &Verifier<'_>, log: &Reread, expected: &Names) {
    if Names::of(&log.held) != *expected {
        verifier.found(report::Problem::OtherCommits);
    }
    let retained = log.held.by_age();
    let frames = frames_of(&retained);
    let frames: Vec<_> = frames
        .into_par_iter()
        .filter_map(|frame| verifier.frame(frame))
        .collect();
    let in_frames: u64 = frames.iter().map(|frame| frame.blobs_len).sum();
    verifier.expect(log.live.0.values().sum::<u64>() + in_frames);
    verifier.base(&log.base);
    frames.par_iter().for_each(|frame| verifier.entry(frame));
    for commit in &retained {
        verifier.state(commit);
    }
}

/// The frames that these commits' states are made from, of commits that were folded since included.
fn frames_of(retained: &[Arc<Retained>]) -> BTreeSet<Place> {
    let frames = retained.iter().flat_map(|commit| commit.state.frames());
    frames.collect()
}
