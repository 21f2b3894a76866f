//! P5: what value proofs cost, at a root with 1,000 contracts. The figures of `docs/measurements.md`, "Named values":
//! `cargo test --test values sizes -- --nocapture`, times with `--release`.

use std::time::Instant;

use crostata::{ContractId, Root, VM, Value, ValuePath, ValueProof};

use super::{GAS, call, deploy};
use crate::common::{fresh, over, with_id};

/// The bytes of the proof beyond its layout, those of the layout, and the microseconds of decoding and verifying it.
fn measure(vm: &VM, root: Root, contract: ContractId, path: &ValuePath) -> (usize, usize, f64) {
    let bytes = vm
        .prove_value(root, contract, path.clone())
        .unwrap()
        .encode();
    let layout = u32::from_le_bytes(bytes[2..6].try_into().unwrap()) as usize;
    let start = Instant::now();
    // Times without optimisation say nothing.
    const ROUNDS: u32 = if cfg!(debug_assertions) { 1 } else { 200 };
    for _ in 0..ROUNDS {
        let proof = ValueProof::decode(&bytes).unwrap();
        match &path.key {
            None => drop(proof.verify(&root, &contract, &path.name).unwrap()),
            Some(key) => drop(proof.verify_key(&root, &contract, &path.name, key).unwrap()),
        }
    }
    let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    (bytes.len() - layout, layout, micros)
}

/// Gas of a call, and what it returns if that is a number.
fn gas(vm: &VM, root: Root, contract: ContractId, name: &str, count: u64) -> u64 {
    let mut session = over(vm, root);
    let argument = (1_000_000u64, count, 5u64);
    match name.starts_with("sum") {
        true => {
            session
                .call::<_, u64>(contract, name, &(0u64, count), GAS)
                .unwrap()
                .gas_spent
        }
        false => {
            session
                .call::<_, ()>(contract, name, &argument, GAS)
                .unwrap()
                .gas_spent
        }
    }
}

fn memory_bytes(session: &crostata::Session, contract: ContractId) -> u64 {
    session.memory_len(&contract).unwrap().unwrap()
}

/// The account that the contract's numbering calls `number`.
fn account(number: u64) -> [u8; 32] {
    let mut account = [0; 32];
    let mut state = number;
    for part in account.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    account
}

#[test]
fn sizes_of_proofs() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    for number in 1_000..1_999 {
        session
            .deploy(
                crostata::contract_bytecode!("counter"),
                with_id(number),
                GAS,
            )
            .unwrap();
    }
    let accounts = deploy(&mut session);
    let mut root = session.commit().unwrap().root;
    let mut there = 0;
    println!("entries, value: bytes beyond the layout (+ layout), microseconds");
    for entries in [10, 1_000, 100_000] {
        let mut session = over(&vm, root);
        for name in ["mint_many", "insert_plain"] {
            let before = memory_bytes(&session, accounts);
            let new = entries - there;
            call(&mut session, accounts, name, &(there, new, 5u64));
            let per_entry = (memory_bytes(&session, accounts) - before) / new;
            println!("{entries}, {name}: the memory grew by {per_entry} bytes per entry");
        }
        there = entries;
        root = session.commit().unwrap().root;
        let (scalar, layout, micros) = measure(&vm, root, accounts, &"total_supply".into());
        println!("{entries}, total_supply: {scalar} (+ {layout}), {micros:.1}");
        assert!(
            scalar <= 3_072,
            "a scalar costs {scalar} bytes beyond the layout"
        );
        let mut sizes = Vec::new();
        let mut times = 0.0;
        for number in 0..100 {
            let key = Value::from(account(number * entries / 100));
            let path = ValuePath::key("balances", key);
            let (bytes, _, micros) = measure(&vm, root, accounts, &path);
            sizes.push(bytes);
            times += micros / 100.0;
        }
        sizes.sort_unstable();
        let (mean, most) = (sizes.iter().sum::<usize>() / sizes.len(), sizes[99]);
        println!("{entries}, balances[..]: mean {mean}, most {most} (+ {layout}), {times:.1}");
        let absent = ValuePath::key("balances", [9; 32]);
        let (absent, _, micros) = measure(&vm, root, accounts, &absent);
        println!("{entries}, balances[absent]: {absent}, {micros:.1}");
        for name in ["insert_many", "insert_plain", "sum", "sum_plain"] {
            let more = gas(&vm, root, accounts, name, 200) - gas(&vm, root, accounts, name, 100);
            println!("{entries}, {name}: {} gas per entry", more / 100);
        }
    }
}
