//! P4, P7: what a contract declares by name is proven at a root, present or absent, as the contract itself would tell; and a value
//! proof that was changed, or is asked for anything else, proves nothing.

mod common;
#[path = "values/model.rs"]
mod model;
#[path = "values/mutation.rs"]
mod mutation;
#[path = "common/proven.rs"]
mod proven;
#[path = "values/sizes.rs"]
mod sizes;

use common::{code, fresh, id, with_id};
use crostata::{
    ContractData, ContractId, ProveValueError, Root, Session, VM, Value, ValuePath,
    contract_bytecode,
};
use proven::{entry, value};

/// Enough for the longest call of these tests.
const GAS: u64 = 1 << 40;

/// Deploys the accounts as contract 7.
fn deploy(session: &mut Session) -> ContractId {
    session
        .deploy(contract_bytecode!("accounts"), with_id(7), GAS)
        .unwrap()
}

fn call<A: crostata::Encode>(
    session: &mut Session,
    accounts: ContractId,
    name: &str,
    argument: &A,
) {
    session
        .call::<_, ()>(accounts, name, argument, GAS)
        .unwrap();
}

/// Some accounts: number `n` of the contract's own numbering has 5 tokens, account `[8; 32]` has 40.
fn some(vm: &VM, accounts: u64) -> (Root, ContractId) {
    let mut session = fresh(vm);
    let contract = deploy(&mut session);
    call(&mut session, contract, "mint_many", &(0u64, accounts, 5u64));
    call(&mut session, contract, "mint", &([8u8; 32], 40u64));
    (session.commit().unwrap().root, contract)
}

#[test]
fn values_of_every_type_are_proven() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let accounts = deploy(&mut session);
    call(&mut session, accounts, "mint", &([1u8; 32], 100u64));
    call(
        &mut session,
        accounts,
        "transfer",
        &([1u8; 32], [2u8; 32], 30u64, 23u8),
    );
    call(&mut session, accounts, "burn", &([1u8; 32], 70u64));
    call(&mut session, accounts, "burn", &([2u8; 32], 1u64));
    call(
        &mut session,
        accounts,
        "allow",
        &([1u8; 32], id(9), u128::MAX),
    );
    let root = session.commit().unwrap().root;

    assert_eq!(value(&vm, root, accounts, "total_supply"), Value::Uint(29));
    assert_eq!(value(&vm, root, accounts, "delta"), Value::Int(29));
    assert_eq!(value(&vm, root, accounts, "symbol"), Value::from(*b"CRST"));
    let terms = value(&vm, root, accounts, "terms");
    let collector = "cc".repeat(32);
    let text = format!("{{ open: true, fee: 25, collector: 0x{collector} }}");
    assert_eq!(terms.to_string(), text);
    assert_eq!(value(&vm, root, accounts, "terms.fee"), Value::Uint(25));
    let amounts = [30u128, 0, 0, 0].map(Value::Uint).to_vec();
    assert_eq!(
        value(&vm, root, accounts, "counters.amounts"),
        Value::Array(amounts)
    );
    assert_eq!(
        value(&vm, root, accounts, "counters.transfers"),
        Value::Uint(1)
    );

    assert_eq!(entry(&vm, root, accounts, "balances", [1; 32]), None);
    assert_eq!(
        entry(&vm, root, accounts, "balances", [2; 32]),
        Some(Value::Uint(29))
    );
    let hours = |hour: u8| entry(&vm, root, accounts, "counters.hours", hour);
    assert_eq!((hours(23), hours(22)), (Some(Value::Uint(1)), None));
    let allowance = |spender: ContractId| {
        let owner = ("owner".to_owned(), Value::from([1; 32]));
        let spender = ("spender".to_owned(), Value::from(spender));
        entry(
            &vm,
            root,
            accounts,
            "allowances",
            Value::Struct(vec![owner, spender]),
        )
    };
    assert_eq!(allowance(id(9)), Some(Value::Uint(u128::MAX)));
    assert_eq!(allowance(id(8)), None);
}

#[test]
fn absence_is_proven_wherever_it_is() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let accounts = deploy(&mut session);
    let empty = session.commit().unwrap().root;
    assert_eq!(entry(&vm, empty, accounts, "balances", [1; 32]), None);

    let mut session = common::over(&vm, empty);
    for byte in (10..=250u8).step_by(2) {
        call(
            &mut session,
            accounts,
            "mint",
            &([byte; 32], u64::from(byte)),
        );
    }
    call(&mut session, accounts, "burn", &([100u8; 32], 100u64));
    let root = session.commit().unwrap().root;
    for byte in 0..=255u8 {
        let there = byte % 2 == 0 && (10..=250).contains(&byte) && byte != 100;
        let expected = there.then_some(Value::from(byte));
        assert_eq!(
            entry(&vm, root, accounts, "balances", [byte; 32]),
            expected,
            "{byte}"
        );
    }
}

#[test]
fn what_has_no_value_is_named() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let accounts = deploy(&mut session);
    let data = ContractData::builder().contract_id(id(8));
    session
        .deploy(contract_bytecode!("counter"), data, GAS)
        .unwrap();
    let root = session.commit().unwrap().root;
    let refused = |contract: ContractId, path: ValuePath| {
        vm.prove_value(root, contract, path)
            .unwrap_err()
            .to_string()
    };
    for (path, expected) in [
        (
            ValuePath::field("supply"),
            "no `supply`; there is allowances, balances, counters",
        ),
        (ValuePath::field("names"), "no `names`"),
        (ValuePath::field(""), "no ``"),
        (
            ValuePath::field("terms.free"),
            "no `terms.free`; there is open, fee, collector",
        ),
        (
            ValuePath::field("delta.fee"),
            "`delta` has no fields: it is i64",
        ),
        (
            ValuePath::field("balances"),
            "`balances` is Map<[u8; 32], u64>; a map is proven key by key",
        ),
        (ValuePath::field("counters"), "hours: Map<u8, u32>"),
        (ValuePath::key("delta", 1u8), "`delta` has no keys"),
        (
            ValuePath::key("balances", 1u8),
            "`1` is no key of the type [u8; 32]",
        ),
        (
            ValuePath::key("balances", [1; 31]),
            "is no key of the type [u8; 32]",
        ),
        (
            ValuePath::key("counters.hours", 256u16),
            "`256` is no key of the type u8",
        ),
    ] {
        let message = refused(accounts, path);
        assert!(message.contains(expected), "{message}");
    }
    assert!(refused(id(8), "value".into()).contains("declares no storage"));
    let nobody = vm.prove_value(root, id(1), "value").unwrap_err();
    assert!(matches!(nobody, ProveValueError::Proof(_)), "{nobody}");
    let stranger = vm.prove_value(Root::from_bytes([1; 32]), accounts, "delta");
    assert!(matches!(stranger, Err(ProveValueError::Proof(_))));
}

/// P7: a contract may have anything where it declares a map. What it has is told, and never followed for ever.
#[test]
fn a_contract_may_have_anything_for_a_map() {
    // A map of bytes to bytes whose header is at 1,024 and whose nodes are the contract's to write.
    let text = common::CELLS.replacen(
        "(memory",
        r#"(global (export "state") i32 (i32.const 1024))
           (@custom "crostata.layout" "\01\05state\01\00\03map\00\00\00\00\06\02\01\02\01")
           (memory"#,
        1,
    );
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let cells = session.deploy(code(&text), with_id(1), GAS).unwrap();
    let base = session.commit().unwrap();
    // Address of the root; of the node at 2,048: count and level, then the first child.
    let child = 2_048 + 8 + 111; // behind room for 111 keys of one byte
    for (writes, expected) in [
        (&[(1_024, 2_048)][..], None),
        (
            &[(1_024, 2_049)],
            Some("no node of a map at the address 2049"),
        ),
        (&[(1_024, 0xffff_fc00)], Some("4294966272")),
        (
            &[(1_024, 2_048), (2_048, 505)],
            Some("505 keys, at most 504"),
        ),
        (
            &[(1_024, 2_048), (2_048, 32 << 16)],
            Some("level 32, 31 is possible"),
        ),
        (
            &[(1_024, 2_048), (2_048, 2), (2_056, 0x0101)],
            Some("key 1 of the node at 2048"),
        ),
        (
            &[(1_024, 2_048), (2_048, 1 << 16), (2_056, 0)],
            Some("the address 0"),
        ),
        (
            &[(1_024, 2_048), (2_048, 1 << 16), (child, 2_048)],
            Some("level 1, 0 is possible"),
        ),
    ] {
        let mut session = common::over(&vm, base);
        for (address, value) in writes {
            common::store(&mut session, cells, *address, *value);
        }
        let root = session.commit().unwrap().root;
        let proof = vm.prove_value(root, cells, ValuePath::key("map", 5u8));
        match (proof, expected) {
            (Ok(proof), None) => {
                let value = proof.verify_key(&root, &cells, "map", &5u8.into()).unwrap();
                assert_eq!(*value, None);
            }
            (Err(error), Some(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (proof, expected) => panic!("{proof:?} where {expected:?} was expected"),
        }
    }
}
