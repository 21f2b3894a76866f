//! Value proofs that were changed, that show more, or are asked for something else.

use crostata::{ContractId, ProofItem, Root, VM, Value, ValuePath, ValueProof};
use crostata_proof::{Layout, ValueProofError};

use super::{GAS, some};
use crate::common::{fresh, id, with_id};

/// A proof and what it is of.
struct Case {
    bytes: Vec<u8>,
    root: Root,
    contract: ContractId,
    path: ValuePath,
}

impl Case {
    fn new(vm: &VM, root: Root, contract: ContractId, path: ValuePath) -> Self {
        let bytes = vm
            .prove_value(root, contract, path.clone())
            .unwrap()
            .encode();
        let case = Self {
            bytes,
            root,
            contract,
            path,
        };
        assert!(case.verifies(&case.bytes), "{} is proven", case.path);
        case
    }

    /// Whether these bytes prove it.
    fn verifies(&self, bytes: &[u8]) -> bool {
        let Ok(proof) = ValueProof::decode(bytes) else {
            return false;
        };
        assert_eq!(proof.encode(), bytes, "there is one encoding");
        self.check(proof).is_ok()
    }

    fn check(&self, proof: ValueProof) -> Result<Option<Value>, ValueProofError> {
        let (root, contract, name) = (&self.root, &self.contract, &self.path.name);
        match &self.path.key {
            None => {
                let value = proof.verify(root, contract, name)?;
                Ok(Some(value.into_inner()))
            }
            Some(key) => Ok(proof.verify_key(root, contract, name, key)?.into_inner()),
        }
    }

    fn proof(&self) -> ValueProof {
        ValueProof::decode(&self.bytes).unwrap()
    }

    fn layout(&self) -> Layout {
        let len = u32::from_le_bytes(self.bytes[2..6].try_into().unwrap()) as usize;
        Layout::decode(&self.bytes[6..6 + len]).unwrap()
    }
}

fn cases(vm: &VM) -> Vec<Case> {
    let (root, contract) = some(vm, 300);
    let case = |path| Case::new(vm, root, contract, path);
    vec![
        case("total_supply".into()),
        case("terms".into()),
        case(ValuePath::key("balances", [8; 32])),
        case(ValuePath::key("balances", [9; 32])),
        case(ValuePath::key("counters.hours", 3u8)),
    ]
}

#[test]
fn a_changed_proof_proves_nothing() {
    let vm = VM::ephemeral().unwrap();
    for case in cases(&vm) {
        let bytes = &case.bytes;
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            for flip in [1, 0x80, 0xff] {
                other[at] = bytes[at] ^ flip;
                assert!(!case.verifies(&other), "{}: byte {at} changed", case.path);
            }
            other[at] = bytes[at];
            other.insert(at, bytes[at]);
            assert!(!case.verifies(&other), "{}: byte {at} doubled", case.path);
            other[at] = bytes[at].wrapping_add(1);
            assert!(!case.verifies(&other), "{}: inserted at {at}", case.path);
            other.drain(at..at + 2);
            assert!(!case.verifies(&other), "{}: byte {at} dropped", case.path);
            assert!(!case.verifies(&bytes[..at]), "{}: cut at {at}", case.path);
            if at > 0 && bytes[at - 1] != bytes[at] {
                let mut other = bytes.clone();
                other.swap(at - 1, at);
                assert!(
                    !case.verifies(&other),
                    "{}: {at} before its left",
                    case.path
                );
            }
        }
        assert!(!case.verifies(&[&bytes[..], &[0]].concat()));
    }
}

#[test]
fn a_proof_is_of_what_it_was_made_for() {
    let vm = VM::ephemeral().unwrap();
    let cases = cases(&vm);
    for case in &cases {
        let other = Root::from_bytes([1; 32]);
        let wrong = Case {
            root: other,
            bytes: Vec::new(),
            path: case.path.clone(),
            ..*case
        };
        let error = wrong.check(case.proof()).unwrap_err();
        assert!(matches!(error, ValueProofError::State(_)), "{error}");
        let wrong = Case {
            contract: id(1),
            bytes: Vec::new(),
            path: case.path.clone(),
            ..*case
        };
        let error = wrong.check(case.proof()).unwrap_err();
        assert!(matches!(error, ValueProofError::NotShown(_)), "{error}");
        let paths = cases.iter().map(|case| case.path.clone());
        let more = [
            "symbol".into(),
            "nothing".into(),
            ValuePath::key("balances", 1u8),
        ];
        for path in paths.chain(more).filter(|path| *path != case.path) {
            let wrong = Case {
                bytes: Vec::new(),
                path,
                ..*case
            };
            // Two values in the same chunks have the same proof.
            let same = vm.prove_value(case.root, case.contract, wrong.path.clone());
            let same = same.is_ok_and(|proof| proof.encode() == case.bytes);
            assert_eq!(
                wrong.check(case.proof()).is_ok(),
                same,
                "{} by {}",
                wrong.path,
                case.path
            );
        }
    }
}

/// Of a value there is one proof: the same with more in it is refused.
#[test]
fn a_proof_that_shows_more_is_refused() {
    let vm = VM::ephemeral().unwrap();
    let (root, contract) = some(&vm, 300);
    let mut session = crate::common::over(&vm, root);
    session
        .deploy(crostata::contract_bytecode!("counter"), with_id(8), GAS)
        .unwrap();
    let root = session.commit().unwrap().root;
    let case = Case::new(&vm, root, contract, "total_supply".into());
    let layout = case.layout();
    let field = layout
        .fields()
        .iter()
        .find(|field| field.name == "total_supply")
        .unwrap();
    let own = [ProofItem::bytes(contract, field.place, 8)];
    let prove = |more: &[ProofItem]| {
        let state = vm.prove(root, &[&own[..], more].concat()).unwrap();
        case.check(ValueProof::new(&layout, state))
    };
    assert!(prove(&[]).is_ok());
    let next = field.place - field.place % 1_024 + 1_024;
    for more in [
        ProofItem::Contract(id(8)),
        ProofItem::Contract(id(9)),
        ProofItem::bytes(contract, next, 1),
        ProofItem::bytes(contract, 0, 1),
        ProofItem::code(contract, 0, 1),
    ] {
        let error = prove(&[more]).unwrap_err();
        assert!(
            matches!(error, ValueProofError::ShowsMore),
            "{more:?}: {error}"
        );
    }
    let state = vm.prove(root, &[ProofItem::Contract(contract)]).unwrap();
    let error = case.check(ValueProof::new(&layout, state)).unwrap_err();
    assert!(matches!(error, ValueProofError::NotShown(_)), "{error}");
}

/// The layout is the contract's: with another one, the same bytes are no proof of another value.
#[test]
fn a_layout_is_bound_by_the_record() {
    let vm = VM::ephemeral().unwrap();
    let (root, contract) = some(&vm, 1);
    let case = Case::new(&vm, root, contract, "total_supply".into());
    let mut encoded = case.layout().encode();
    let at = encoded
        .windows(12)
        .position(|name| name == b"total_supply")
        .unwrap();
    encoded[at + 11] = b'i';
    let layout = Layout::decode(&encoded).unwrap();
    let state = vm.prove(root, &[ProofItem::bytes(contract, 0, 8)]).unwrap();
    let forged = ValueProof::new(&layout, state);
    let error = forged.verify(&root, &contract, "total_suppli").unwrap_err();
    assert!(
        matches!(error, ValueProofError::OtherLayout { .. }),
        "{error}"
    );
    // A contract without a layout has none that an empty one could stand for.
    let mut session = fresh(&vm);
    session
        .deploy(crostata::contract_bytecode!("counter"), with_id(8), GAS)
        .unwrap();
    let root = session.commit().unwrap().root;
    let state = vm.prove(root, &[ProofItem::Contract(id(8))]).unwrap();
    let error = ValueProof::new(&layout, state)
        .verify(&root, &id(8), "a")
        .unwrap_err();
    assert!(
        matches!(error, ValueProofError::OtherLayout { .. }),
        "{error}"
    );
}
