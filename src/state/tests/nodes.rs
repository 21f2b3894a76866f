//! P4 and P7: whatever one bit of a node on disk becomes, what is read through it is right, or an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_proof::tree::page_tree_height;
use crostata_proof::{CodeHash, ContractRecord, EMPTY, Hash, Owner, WordSize, hash};

use crate::state::batch::Spot;
use crate::state::checkpoint::{Checkpoint, LiveBytes, save};
use crate::state::naming::Commit;
use crate::state::nodes::{NODE_LEN_BYTES, Nodes, nodes_in};
use crate::state::pages::ReadPageError;
use crate::state::reader::Reader;
use crate::state::snapshot::{ContractState, Snapshot};
use crate::state::tree::{Change, NodeError, Tree};
use crate::store::files::{Files, MemoryFiles};
use crate::store::{Contents, Frame, Place, ReadError, SEGMENT_BYTES_MAX, Store};

/// Pages on several levels, some lone and some close together.
const PAGES: [u64; 12] = [
    0, 1, 2, 70, 71, 4_095, 4_096, 5_000, 70_000, 70_001, 262_143, 900_000,
];
/// Places without a page, near those and far from them.
const ABSENT: [u64; 8] = [3, 64, 72, 4_097, 8_192, 70_064, 262_144, 1_048_575];
const CONTRACTS: u8 = 20;
/// So many of them have pages.
const WITH_PAGES: u8 = 1;

/// Frames of nodes, whose blobs have hashes of their own.
struct NoContents;

impl Contents for NoContents {
    fn whole(
        &self,
        _: &Frame,
        _: &mut dyn FnMut(Place, &mut [u8]) -> Result<(), ReadError>,
    ) -> Result<bool, ReadError> {
        Ok(true)
    }
}

fn leaf(contract: u8, page: u64) -> Hash {
    hash::keyed(
        hash::Kind::LogFrame,
        &[&[contract][..], &page.to_le_bytes()].concat(),
    )
}

fn contract(number: u8, nodes: &Arc<Nodes>) -> Arc<ContractState> {
    let height = page_tree_height(WordSize::W32);
    let pages = PAGES.iter().filter(|_| number < WITH_PAGES);
    let changes: Vec<Change<Spot>> = pages
        .map(|page| (*page, Some((leaf(number, *page), spot(number, *page)))))
        .collect();
    let pages = Tree::new(height, nodes.source()).with(&changes).unwrap();
    let record = ContractRecord {
        word_size: WordSize::W32,
        contract: id(number),
        code_hash: CodeHash::from_bytes([number; 32]),
        code_len_bytes: 1,
        layout_hash: EMPTY,
        owner: Owner::new(vec![number]).unwrap(),
        memory_wasm_pages: 65_536,
        page_root: pages.root(),
    };
    Arc::new(ContractState::new(record, pages))
}

fn id(number: u8) -> ContractId {
    ContractId::from_bytes([number; 32])
}

fn spot(contract: u8, page: u64) -> Spot {
    Spot::Stored(Place::from_u64(u64::from(contract) << 32 | page))
}

/// What a state says of all that is asked here: of a contract's root, and of its pages' leaves.
fn answers(snapshot: &Snapshot) -> BTreeMap<(u8, u64), Result<Option<Hash>, NodeError>> {
    let mut found = BTreeMap::new();
    for number in 0..CONTRACTS + 4 {
        let contract = snapshot.get(&id(number));
        let root = contract.map(|found| found.map(|contract| contract.record.page_root));
        found.insert((number, u64::MAX), root);
    }
    for number in 0..WITH_PAGES {
        if let Ok(Some(contract)) = snapshot.get(&id(number)) {
            for page in PAGES.into_iter().chain(ABSENT) {
                let answer = contract.pages.get(page);
                found.insert(
                    (number, page),
                    answer.map(|found| found.map(|(leaf, _)| leaf)),
                );
            }
        }
    }
    found
}

#[test]
fn no_bit_of_a_node_is_believed() {
    let files = MemoryFiles::new();
    let (store, _) = Store::open(Arc::new(files.clone()), &NoContents).unwrap();
    let store = Arc::new(store);
    let nodes = Nodes::new(store.clone(), 1 << 20);
    let contracts = (0..CONTRACTS).map(|number| contract(number, &nodes));
    let state = Snapshot::empty(nodes.clone()).with(contracts).unwrap();
    let mut writer = store.writer().unwrap();
    let saved = save(&state, &mut writer, &mut LiveBytes::default()).unwrap();
    writer.sync().unwrap();
    drop(writer);
    let base = Commit {
        id: hash::commit_id(&crate::state::naming::GENESIS, &state.root(), &[0; 32]),
        parent: crate::state::naming::GENESIS,
        root: state.root(),
        tag: [0; 32],
    };
    let text: Arc<str> = "none".into();
    let checkpoint = Checkpoint {
        base: Some((base, text.clone())),
        import: None,
        snapshot: saved.snapshot(&nodes),
        protocols: vec![text],
        retained: Vec::new(),
        live: LiveBytes::default(),
    };
    let checkpoint = checkpoint.encode();
    let read = |store: &Arc<Store>| {
        let nodes = Nodes::new(store.clone(), 1 << 20);
        Checkpoint::decode(&checkpoint, &nodes).unwrap().snapshot
    };
    let right = answers(&read(&store));
    assert!(right.values().all(Result::is_ok));
    let frames = store.frames(1).unwrap();
    let file = files.open("log-0000000000000001").unwrap();
    let (mut asked, mut refused) = (0, 0);
    for node in frames
        .iter()
        .flat_map(|frame| nodes_in(&store, frame).unwrap())
    {
        let begin = Place::from_u64(node.at).offset();
        assert_eq!(NODE_LEN_BYTES, 16);
        for at in 0..u64::from(node.len_bytes) {
            let mut byte = [0];
            file.read_exact_at(&mut byte, begin + at).unwrap();
            let flipped = byte[0] ^ 1 << (at % 8);
            file.write_all_at(&[flipped], begin + at).unwrap();
            for (asking, answer) in answers(&read(&store)) {
                match answer {
                    Ok(found) => assert_eq!(&found, right[&asking].as_ref().unwrap(), "{asking:?}"),
                    Err(_) => refused += 1,
                }
                asked += 1;
            }
            file.write_all_at(&byte, begin + at).unwrap();
        }
    }
    assert!(
        refused > asked / 1_000 && asked > 50_000,
        "{refused} of {asked}"
    );
}

/// A code whose stated length is that of nothing that there is: an error, and no room is made for it.
#[test]
fn no_stated_length_is_believed() {
    let files = MemoryFiles::new();
    let (store, _) = Store::open(Arc::new(files), &NoContents).unwrap();
    let mut writer = store.writer().unwrap();
    let place = writer.write(1, b"meta", &[&[7; 64]], false).unwrap();
    writer.sync().unwrap();
    drop(writer);
    let blobs = store.frame(place).unwrap().blobs;
    assert_eq!(store.read_vec(blobs, 64).unwrap(), [7; 64]);
    for len_bytes in [1 << 20, SEGMENT_BYTES_MAX, u64::MAX] {
        let read = Spot::Stored(blobs).read_code(&store, len_bytes);
        assert!(matches!(
            read,
            Err(ReadPageError::Store(ReadError::Damaged { .. }))
        ));
    }
    let stated = |len_bytes: u64| Reader::new(&len_bytes.to_le_bytes()).len_in_segment();
    assert_eq!(stated(SEGMENT_BYTES_MAX), Some(SEGMENT_BYTES_MAX));
    assert_eq!(
        (stated(SEGMENT_BYTES_MAX + 1), stated(u64::MAX)),
        (None, None)
    );
}
