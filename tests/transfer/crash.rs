//! P3: the power may go at every operation of an import, and every operation may fail: the import goes on from what was
//! synced or later, and what was finished is there.

use std::sync::Arc;

use crostata::store::files::{Fault, FaultyFiles, Files, MemoryFiles, Unsynced};
use crostata::{CheckpointError, Commit, Cursor, Export, ImportError, VM};

use super::scene::*;
use crate::common::*;

const CHUNK_BYTES: u64 = 26_000;

/// What an import was told before it broke.
#[derive(Default)]
struct Told {
    /// How many chunks were accepted, and synced.
    accepted: usize,
    synced: usize,
    finished: bool,
}

/// A small state and its chunks.
struct Small {
    _vm: VM,
    export: Export,
    commit: Commit,
    chunks: Vec<(Cursor, Vec<u8>)>,
}

impl Small {
    fn new() -> Self {
        let vm = VM::ephemeral().unwrap();
        let mut session = fresh(&vm);
        for number in 1..=3 {
            deploy_cells(&mut session, number);
        }
        for page in (1..14).chain(33..40) {
            store(&mut session, id(2), page * 4096, page);
        }
        let commit = session.commit().unwrap();
        drop(session);
        let export = vm.export(commit).unwrap();
        let chunks = chunks(&export, CHUNK_BYTES);
        assert!((3..8).contains(&chunks.len()), "{}", chunks.len());
        Self {
            export,
            commit,
            chunks,
            _vm: vm,
        }
    }

    /// Imports everything, with a sync after the second chunk, until something breaks.
    fn run(
        &self,
        files: Arc<dyn Files>,
        told: &mut Told,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let vm = VM::with_files(files, small())?;
        let mut import = vm.import(self.commit, self.export.header())?;
        for (number, (_, chunk)) in self.chunks.iter().enumerate() {
            import.accept(chunk)?;
            told.accepted = number + 1;
            if number == 1 {
                import.sync()?;
                told.synced = told.accepted;
            }
        }
        import.finish()?;
        told.finished = true;
        Ok(())
    }

    /// What is there after a crash is what was told; and the import ends well from there. Gives whether it was finished.
    fn check(&self, files: &MemoryFiles, told: &Told) -> bool {
        let vm = open(files);
        verify(&vm);
        if vm.finalized().is_some() {
            assert!(told.accepted == self.chunks.len());
        } else {
            assert!(!told.finished);
            assert!(vm.commits().is_empty());
            let mut import = vm.import(self.commit, self.export.header()).unwrap();
            let mut starts = self.chunks.iter().map(|chunk| Some(chunk.0)).chain([None]);
            let done = starts.position(|start| start == import.cursor()).unwrap();
            // A chunk whose acceptance was not told may be there.
            assert!(
                (told.synced..=told.accepted + 1).contains(&done),
                "{done} are done"
            );
            accept_all(&mut import, &self.chunks).unwrap();
            import.finish().unwrap();
        }
        assert_eq!(
            (vm.finalized(), vm.commits()),
            (Some(self.commit), vec![self.commit])
        );
        verify(&vm);
        let finished = told.finished;
        let again = vm.export(self.commit).unwrap();
        assert!(chunks(&again, CHUNK_BYTES) == self.chunks);
        finished
    }

    fn operations(&self) -> u64 {
        let files = FaultyFiles::new();
        self.run(Arc::new(files.clone()), &mut Told::default())
            .unwrap();
        files.operations()
    }
}

/// Every root follows from the bytes, also of what there is of an import.
fn verify(vm: &VM) {
    let report = vm.verify(|_| {});
    assert!(report.is_clean(), "{:?}", report.findings);
}

#[test]
fn the_power_may_go_at_every_operation() {
    let small = Small::new();
    let operations = small.operations();
    assert!(operations > 40, "{operations}");
    for number in 0..operations {
        let files = FaultyFiles::failing(number, Fault::Cut);
        let mut told = Told::default();
        let result = small.run(Arc::new(files.clone()), &mut told);
        assert!(files.is_cut() && (result.is_err() || told.finished));
        for unsynced in [
            Unsynced::Lost,
            Unsynced::Kept,
            Unsynced::Torn(number),
            Unsynced::Torn(!number),
        ] {
            small.check(&files.crash(unsynced), &told);
        }
    }
}

#[test]
fn every_operation_may_fail() {
    let small = Small::new();
    for number in 0..small.operations() {
        for fault in [Fault::Io, Fault::NoSpace, Fault::Short] {
            let files = FaultyFiles::failing(number, fault);
            let mut told = Told::default();
            let result = small.run(Arc::new(files.clone()), &mut told);
            assert!(
                fault != Fault::Short || result.is_ok(),
                "{result:?} at {number}"
            );
            // The process ends, and the system writes what it has; or the power goes.
            small.check(&files.crash(Unsynced::Kept), &told);
            small.check(&files.crash(Unsynced::Lost), &told);
        }
    }
}

/// After a write failed the VM refuses, typed; after anything else the same handle goes on.
#[test]
fn a_failure_is_told_and_lost_reads_are_tried_again() {
    let small = Small::new();
    let (mut refused, mut tried_again) = (0, 0);
    for number in 0..small.operations() {
        let files = FaultyFiles::failing(number, Fault::Io);
        let Ok(vm) = VM::with_files(Arc::new(files), super::scene::small()) else {
            continue;
        };
        let Ok(mut import) = vm.import(small.commit, small.export.header()) else {
            continue;
        };
        match accept_all(&mut import, &small.chunks) {
            Ok(()) => {}
            Err(ImportError::Write(_) | ImportError::Checkpoint(CheckpointError::Write(_))) => {
                let again = accept_all(&mut import, &small.chunks);
                let finished = again.and_then(|()| import.finish().map(drop));
                assert!(finished.is_err() && vm.finalized().is_none());
                refused += 1;
            }
            Err(error) => {
                let again = accept_all(&mut import, &small.chunks);
                assert!(again.is_ok(), "{again:?} after {error:?}");
                assert_eq!(import.finish().unwrap(), small.commit);
                tried_again += 1;
            }
        }
    }
    assert!(refused > 5 && tried_again > 0, "{refused} {tried_again}");
}
