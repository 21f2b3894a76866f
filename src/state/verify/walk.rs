//! Reading and hashing all that a state is made of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::{CommitId, ContractRecord, EMPTY, Hash};
use rayon::prelude::*;

use super::report::{FINDINGS_MAX, Finding, Problem, VerifyProgress, VerifyReport};
use crate::state::batch::{Batch, Item, Spot};
use crate::state::chain::brought_code;
use crate::state::code::{CodeBucket, StoredCode};
use crate::state::entry::CommitEntry;
use crate::state::held::Retained;
use crate::state::pages::{ReadPageError, read_code, read_page};
use crate::state::snapshot::{Bucket, ContractState, Snapshot};
use crate::state::tree::{NodeError, NodePlace, Visitor};
use crate::store::{Damage, Frame, Place, ReadError, Store};

/// How often progress is told.
const TOLD_BYTES: u64 = 1 << 20;

/// Reads, hashes, counts and notes what is wrong. Shared between threads.
pub(super) struct Verifier<'a> {
    store: &'a Store,
    told: &'a (dyn Fn(VerifyProgress) + Sync),
    report: Mutex<VerifyReport>,
    bytes: AtomicU64,
    bytes_total: AtomicU64,
}

impl<'a> Verifier<'a> {
    pub fn new(store: &'a Store, told: &'a (dyn Fn(VerifyProgress) + Sync)) -> Self {
        Self {
            store,
            told,
            report: Mutex::default(),
            bytes: AtomicU64::new(0),
            bytes_total: AtomicU64::new(0),
        }
    }

    /// How many bytes there are to read.
    pub fn expect(&self, bytes_total: u64) {
        self.bytes_total.store(bytes_total, Ordering::Relaxed);
    }

    /// Notes something that is wrong and has no better name.
    pub fn found(&self, problem: impl Into<Problem>) {
        self.note(None, None, None, problem);
    }

    /// The frames of a segment that is not written any more. It may be given up meanwhile.
    pub fn segment(&self, number: u32) {
        match self.store.frames(number) {
            Ok(_) | Err(ReadError::Gone { .. }) => {}
            Err(error) => self.found(error),
        }
    }

    /// The files that are not there any more, although the store still has them open.
    pub fn missing_files(&self) {
        match self.store.missing() {
            Err(error) => self.found(error),
            Ok(missing) => missing.into_iter().for_each(|segment| {
                self.found(ReadError::Damaged {
                    file: segment.file,
                    offset: 0,
                    what: Damage::Missing,
                });
            }),
        }
    }

    /// A commit's frame.
    pub fn frame(&self, place: Place) -> Option<Frame> {
        let frame = self.store.frame(place);
        frame.map_err(|error| self.found(error)).ok()
    }

    /// Everything of a state that is saved.
    pub fn base(&self, base: &Snapshot) {
        base.contracts().visit(&Contracts {
            verifier: self,
            base,
        });
        base.code_tree().visit(&Codes(self));
    }

    /// The pages and the codes that a commit brings.
    pub fn entry(&self, frame: &Frame) {
        let Some(entry) = CommitEntry::of_frame(frame) else {
            return; // the commit's state says so
        };
        let batch = Arc::new(Batch::stored(&entry, frame.blobs));
        let mut index = 0;
        for change in &entry.contracts {
            let contract = ContractRecord::decode(&change.record);
            let contract = contract.map(|record| record.contract).ok();
            let first = index;
            let kept = change.pages.iter().filter(|(_, leaf)| *leaf != EMPTY);
            index += kept.clone().count() as u32;
            let numbered: Vec<_> = (first..).zip(kept).collect();
            numbered.par_iter().for_each(|(number, (page, leaf))| {
                let spot = Spot::Fresh(batch.clone(), Item::Page(*number));
                if let Err(error) = self.page(*leaf, &spot) {
                    self.note(Some(entry.id), contract, Some(*page), error);
                }
            });
        }
        for code in brought_code(&entry, &batch) {
            if let Err(error) = self.code(&code) {
                self.note(Some(entry.id), None, None, error);
            }
        }
    }

    /// A retained commit's root.
    pub fn state(&self, retained: &Retained) {
        let id = retained.commit.id;
        match retained.state.get(self.store) {
            Err(error) => self.note(Some(id), None, None, error),
            Ok(state) => {
                self.report().commits += 1;
                if let Some(frame) = retained.frame {
                    self.code_of_changes(&state, frame);
                }
            }
        }
    }

    /// Whether the contracts that a commit changed have their code.
    fn code_of_changes(&self, state: &Snapshot, frame: Place) {
        let frame = self.store.frame(frame).ok();
        let entry = frame.and_then(|frame| CommitEntry::of_frame(&frame));
        let changes = entry.map(|entry| entry.contracts).unwrap_or_default();
        for record in changes
            .iter()
            .filter_map(|change| ContractRecord::decode(&change.record).ok())
        {
            self.has_code(state, &record);
        }
    }

    fn has_code(&self, state: &Snapshot, record: &ContractRecord) {
        let (contract, code) = (Some(record.contract), record.code_hash);
        match state.has_code(&code) {
            Ok(true) => {}
            Ok(false) => self.note(None, contract, None, Problem::MissingCode { code }),
            Err(error) => self.note(None, contract, None, error),
        }
    }

    fn page(&self, leaf: Hash, spot: &Spot) -> Result<(), ReadPageError> {
        self.report().pages += 1;
        self.read(PAGE_BYTES as u64);
        read_page(self.store, leaf, spot).map(|_| ())
    }

    fn code(&self, code: &StoredCode) -> Result<(), ReadPageError> {
        self.report().codes += 1;
        let bytes = read_code(self.store, code)?;
        self.read(bytes.len() as u64);
        Ok(())
    }

    fn node(&self, place: NodePlace) {
        self.report().nodes += 1;
        self.read(u64::from(place.len_bytes));
    }

    fn note(
        &self,
        commit: Option<CommitId>,
        contract: Option<ContractId>,
        page: Option<PageIndex>,
        problem: impl Into<Problem>,
    ) {
        let problem = problem.into();
        let place = problem.place(self.store);
        let mut report = self.report();
        report.findings_total += 1;
        if report.findings.len() < FINDINGS_MAX {
            report.findings.push(Finding {
                place,
                commit,
                contract,
                page,
                problem,
            });
        }
    }

    /// Counts bytes, and tells from time to time.
    fn read(&self, len_bytes: u64) {
        let before = self.bytes.fetch_add(len_bytes, Ordering::Relaxed);
        let bytes = before + len_bytes;
        if before / TOLD_BYTES != bytes / TOLD_BYTES {
            (self.told)(self.progress(bytes));
        }
    }

    /// An estimate may be short: a page that several contracts have is read for each.
    fn progress(&self, bytes: u64) -> VerifyProgress {
        let bytes_total = self.bytes_total.load(Ordering::Relaxed).max(bytes);
        VerifyProgress { bytes, bytes_total }
    }

    pub fn finish(self, segments: u64) -> VerifyReport {
        let bytes = self.bytes.into_inner();
        (self.told)(VerifyProgress {
            bytes,
            bytes_total: bytes,
        });
        let mut report = self
            .report
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        report.segments = segments;
        report.bytes = bytes;
        report.findings.sort_by(Finding::order);
        report
    }

    fn report(&self) -> MutexGuard<'_, VerifyReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Contracts<'a> {
    verifier: &'a Verifier<'a>,
    base: &'a Snapshot,
}

impl Visitor<Bucket> for Contracts<'_> {
    fn node(&self, place: NodePlace) {
        self.verifier.node(place);
    }

    fn leaf(&self, _position: u64, _hash: Hash, bucket: &Bucket) {
        for state in bucket.contracts() {
            self.verifier.report().contracts += 1;
            self.verifier.has_code(self.base, &state.record);
            let verifier = self.verifier;
            state.pages.visit(&Pages { verifier, state });
        }
    }

    fn damage(&self, error: NodeError) {
        self.verifier.found(error);
    }
}

struct Pages<'a> {
    verifier: &'a Verifier<'a>,
    state: &'a ContractState,
}

impl Visitor<Spot> for Pages<'_> {
    fn node(&self, place: NodePlace) {
        self.verifier.node(place);
    }

    fn leaf(&self, position: u64, hash: Hash, spot: &Spot) {
        if let Err(error) = self.verifier.page(hash, spot) {
            let contract = Some(self.state.record.contract);
            let page = u32::try_from(position).ok().map(PageIndex);
            self.verifier.note(None, contract, page, error);
        }
    }

    fn damage(&self, error: NodeError) {
        let contract = Some(self.state.record.contract);
        self.verifier.note(None, contract, None, error);
    }
}

struct Codes<'a>(&'a Verifier<'a>);

impl Visitor<CodeBucket> for Codes<'_> {
    fn node(&self, place: NodePlace) {
        self.0.node(place);
    }

    fn leaf(&self, _position: u64, _hash: Hash, bucket: &CodeBucket) {
        for code in bucket.codes() {
            if let Err(error) = self.0.code(code) {
                self.0.found(error);
            }
        }
    }

    fn damage(&self, error: NodeError) {
        self.0.found(error);
    }
}
