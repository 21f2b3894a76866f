//! P3: what was written is there after opening again, once, and reads as it was.

use crostata_proof::EMPTY;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::store::blobs::BlobList;
use crate::store::files::OsFiles;
use crate::store::{ReadError, codec, frame};

fn round_trip(files: &(impl Files + Clone + 'static), steps: &[Step]) {
    let (store, recovery) = open(files).unwrap();
    assert_eq!(recovery.entries, []);
    for step in steps {
        step.write(&store).unwrap();
        assert!(step.is_readable(&store));
    }
    drop(store);
    let (store, recovery) = open(files).unwrap();
    assert_eq!(recovery.entries, entries(steps));
    assert_eq!(recovery.report.frames, steps.len() as u64);
    assert_eq!(recovery.report.dropped_tail, None);
    assert!(steps.iter().all(|step| step.is_readable(&store)));
}

#[test]
fn a_history_round_trips_in_memory_and_on_the_disk() {
    round_trip(&MemoryFiles::new(), &large_history());
    let directory = tempfile::tempdir().unwrap();
    let files = OsFiles::open(directory.path().join("not/yet/there")).unwrap();
    round_trip(&files, &large_history());
}

#[test]
fn pages_and_code_are_stored_once_and_zeros_never() {
    let once = Step::commit(0, &[1, 2], &[], b"code");
    let twice = Step::commit(1, &[1, 2, 1, 2], &[], b"code");
    let bytes_once = log_of(&[once, Step::plain(Entry::Finalize(id(0)))]).len();
    let bytes_twice = log_of(&[Step::commit(0, &[1, 2], &[], b"code"), twice]).len();
    assert_eq!(bytes_once, bytes_twice);

    let (store, _) = open(&MemoryFiles::new()).unwrap();
    let entry = CommitEntry {
        contracts: Vec::new(),
        ..commit_entry()
    };
    store.commit(&entry, &[(EMPTY, &[0; 4096])], &[]).unwrap();
    assert!(store.has_page(&EMPTY));
    assert_eq!(*store.page(&EMPTY).unwrap(), [0; 4096]);
}

fn commit_entry() -> CommitEntry {
    match Step::commit(0, &[], &[], b"").entry {
        Entry::Commit(entry) => entry,
        _ => unreachable!(),
    }
}

#[test]
fn what_is_missing_is_said_and_a_commit_that_needs_it_is_refused() {
    let files = MemoryFiles::new();
    let (store, _) = open(&files).unwrap();
    let (leaf, _) = page(5);
    let key = hash::code_hash(b"none");
    assert!(!store.has_page(&leaf) && !store.has_code(&key));
    assert!(matches!(store.page(&leaf), Err(ReadError::MissingPage { leaf: l }) if l == leaf));
    assert!(matches!(store.code(&key), Err(ReadError::MissingCode { code }) if code == key));

    let refused = Step::commit(0, &[], &[leaf], b"").write(&store);
    assert!(matches!(refused, Err(WriteError::MissingPage { leaf: l }) if l == leaf));
    Step::commit(0, &[5], &[], b"").write(&store).unwrap();
    Step::commit(1, &[], &[leaf], b"").write(&store).unwrap();
}

#[test]
fn threads_read_while_one_writes() {
    let (store, _) = open(&MemoryFiles::new()).unwrap();
    let first = Step::commit(0, &[0], &[], b"code");
    first.write(&store).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..200).for_each(|_| assert!(first.is_readable(&store))));
        for number in 1..50 {
            let step = Step::commit(number, &[u64::from(number)], &[], b"");
            step.write(&store).unwrap();
        }
    });
}

proptest! {
    /// P7: no bytes make the decoder panic, and what it takes has no second encoding.
    #[test]
    fn an_entry_has_one_encoding(
        records in vec((vec(any::<u8>(), 0..20), any::<bool>(), vec((any::<u32>(), any::<[u8; 32]>()), 0..4)), 0..4),
        protocol in vec(any::<u8>(), 0..20),
        pages in vec(any::<[u8; 32]>(), 0..4),
        code in vec((any::<[u8; 32]>(), any::<u64>()), 0..4),
        (at, bit) in (any::<prop::sample::Index>(), 0..8),
    ) {
        let contracts = records.into_iter().map(|(record, fresh, pages)| ContractChange {
            record,
            fresh,
            pages: pages.into_iter().map(|(at, leaf)| (PageIndex(at), leaf)).collect(),
        });
        let entry = CommitEntry { protocol, contracts: contracts.collect(), ..commit_entry() };
        let code = code.into_iter().map(|(key, len)| (CodeHash::from_bytes(key), len));
        let list = BlobList { pages, code: code.collect() };
        let mut bytes = codec::encode_commit(&entry, &list).unwrap();
        let decoded = codec::decode(frame::Kind::Commit, &bytes);
        prop_assert_eq!(decoded, Some((Entry::Commit(entry), list)));

        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        if let Some((Entry::Commit(entry), list)) = codec::decode(frame::Kind::Commit, &bytes) {
            prop_assert_eq!(codec::encode_commit(&entry, &list).unwrap(), bytes.clone());
        }
        bytes.truncate(at);
        prop_assert_eq!(codec::decode(frame::Kind::Commit, &bytes), None);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..300)) {
        for kind in [frame::Kind::Commit, frame::Kind::Finalize, frame::Kind::Delete] {
            let _ = codec::decode(kind, &bytes);
        }
    }
}
