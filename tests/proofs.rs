//! P4, P7: what a state proof shows is what the state has, at each retained commit, while blocks go on; and it is as small as it should be.

use std::collections::BTreeSet;
use std::thread;

use crostata::{
    Commit, ContractData, ContractId, OpeningError, PageIndex, ProofError, ProofItem, SessionData,
    StateProof, VM, contract_bytecode,
};
use crostata_proof::{NotShown, WordSize, hash};

const LIMIT: u64 = 1 << 50;

/// The contract with the large memory, among others.
const LARGE: ContractId = ContractId::from_bytes([1; 32]);

/// Filled with what is not zero, somewhere behind the first megabyte.
const AREA_BYTES: u32 = 64 << 20;

fn number(number: u32) -> ContractId {
    let mut id = [9; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    ContractId::from_bytes(id)
}

/// A thousand contracts, one of them with 64 MiB.
fn thousand(vm: &VM) -> Commit {
    let mut session = vm.session(SessionData::builder()).unwrap();
    let data = ContractData::builder().contract_id(LARGE).owner([7; 32]);
    session
        .deploy(contract_bytecode!("bench"), data, LIMIT)
        .unwrap();
    let fill = [AREA_BYTES.to_le_bytes(), 1_u32.to_le_bytes()].concat();
    session.call_raw(LARGE, "fill", fill, LIMIT).unwrap();
    for at in 1..1_000 {
        let data = ContractData::builder()
            .contract_id(number(at))
            .owner([7; 32]);
        session
            .deploy(contract_bytecode!("counter"), data, LIMIT)
            .unwrap();
    }
    session.commit().unwrap()
}

/// A proof of a byte stays below three KiB, and one of many pages has what they share once.
#[test]
fn proofs_are_small() {
    let vm = VM::ephemeral().unwrap();
    let commit = thousand(&vm);
    for address in [1 << 25, (1 << 25) + 1_023, AREA_BYTES as u64, 3 << 20] {
        let byte = ProofItem::bytes(LARGE, address, 1);
        let proof = vm.prove(commit, &[byte]).unwrap();
        let len_bytes = proof.encode().len();
        assert!(
            len_bytes <= 3_072,
            "{len_bytes} bytes for the one at {address}"
        );
        let state = proof.verify(&commit.root).unwrap();
        assert_ne!(state.bytes(&LARGE, address, 1).unwrap()[0], 0);
    }
    let pages: BTreeSet<u32> = (0..)
        .map(|at: u32| at.wrapping_mul(2_654_435_761) % 16_000)
        .take(1_000)
        .collect();
    let items: Vec<_> = pages
        .iter()
        .map(|page| ProofItem::page(LARGE, PageIndex(*page)))
        .collect();
    let together = vm.prove(commit, &items).unwrap();
    // Contents not counted: those of pages that are not zeros.
    let beside = |proof: StateProof| {
        let encoded = proof.encode().len();
        let state = proof.verify(&commit.root).unwrap();
        let shown: usize = (pages.iter())
            .filter_map(|page| state.page(&LARGE, PageIndex(*page)).ok())
            .filter(|page| page.iter().any(|byte| *byte != 0))
            .count();
        encoded - 4_096 * shown
    };
    let alone: usize = items
        .iter()
        .map(|item| beside(vm.prove(commit, &[*item]).unwrap()))
        .sum();
    let together = beside(together);
    let percent = 100 * together / alone;
    println!(
        "{} pages: {together} bytes together, {alone} alone: {percent} %",
        pages.len()
    );
    assert!(percent <= 35, "{together} of {alone}");
}

/// Old and new commits are proven by several threads while a session goes on and commits.
#[test]
fn any_retained_commit_is_proven_while_blocks_go_on() {
    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let counter = number(1);
    let data = ContractData::builder().contract_id(counter);
    session
        .deploy(contract_bytecode!("counter"), data, LIMIT)
        .unwrap();
    let first = session.commit().unwrap();
    const ADDRESS: u64 = 65_592;
    let value_at = |commit: Commit| {
        let item = ProofItem::bytes(counter, ADDRESS, 8);
        let proof = vm.prove(commit, &[item]).unwrap().encode();
        let state = StateProof::decode(&proof)
            .unwrap()
            .verify(&commit.root)
            .unwrap();
        let bytes = state.bytes(&counter, ADDRESS, 8).unwrap();
        i64::from_le_bytes(bytes[..].try_into().unwrap())
    };
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| (0..200).all(|_| value_at(first) == 0xfc)))
            .collect();
        for block in 1..=50 {
            session.call_raw(counter, "increment", [], LIMIT).unwrap();
            let commit = session.commit().unwrap();
            assert_eq!(value_at(commit), 0xfc + block);
        }
        for reader in readers {
            assert!(reader.join().unwrap());
        }
    });
}

/// Records, absences and code are shown, and what is not shown or not there is told.
#[test]
fn everything_can_be_asked_for() {
    let vm = VM::ephemeral().unwrap();
    let commit = thousand(&vm);
    let (code, nobody) = (contract_bytecode!("bench"), number(1_000));
    let len = code.len() as u64;
    let items = [
        ProofItem::Contract(number(3)),
        ProofItem::Contract(nobody),
        ProofItem::code(LARGE, len - 1_500, 1_500),
        ProofItem::bytes(LARGE, 4_090, 12),
    ];
    let state = vm
        .prove(commit, &items)
        .unwrap()
        .verify(&commit.root)
        .unwrap();
    let record = state.contract(&LARGE).unwrap().unwrap().clone();
    assert_eq!(record.code_hash, hash::code_hash(code));
    assert_eq!(
        (record.word_size, record.owner.as_bytes()),
        (WordSize::W32, &[7; 32][..])
    );
    assert!(state.contract(&number(3)).unwrap().is_some());
    assert!(state.contract(&nobody).unwrap().is_none());
    assert_eq!(
        **state.code(&LARGE, len - 1_500, 1_500).unwrap(),
        code[code.len() - 1_500..]
    );
    assert_eq!(state.bytes(&LARGE, 4_090, 12).unwrap().len(), 12);
    let contract = number(4);
    assert_eq!(
        state.contract(&contract).unwrap_err(),
        NotShown::Contract { contract }
    );
    let contract = LARGE;
    assert_eq!(
        state.code(&LARGE, 0, 1).unwrap_err(),
        NotShown::Code {
            contract,
            offset: 0
        }
    );
    let offset = 8_192;
    assert_eq!(
        state.bytes(&LARGE, offset, 1).unwrap_err(),
        NotShown::Memory { contract, offset }
    );
    assert_eq!(
        state.bytes(&nobody, 0, 1).unwrap_err(),
        NotShown::NoContract { contract: nobody }
    );
    for (item, is_there) in [
        (ProofItem::code(LARGE, len, 0), true),
        (ProofItem::code(LARGE, len, 1), false),
        (ProofItem::code(LARGE, u64::MAX, 2), false),
        (ProofItem::bytes(LARGE, u64::MAX, 1), false),
        (ProofItem::bytes(number(3), 0, 1 << 40), false),
        (ProofItem::bytes(nobody, 0, 1), false),
    ] {
        let proven = vm.prove(commit, &[item]);
        assert_eq!(proven.is_ok(), is_there, "{item:?}");
    }
    let nothing = vm.prove(commit, &[]);
    assert!(matches!(
        nothing,
        Err(ProofError::Opening(OpeningError::Nothing))
    ));
}
