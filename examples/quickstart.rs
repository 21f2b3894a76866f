//! Everything once: deploy, call, fail inside a call, commit, reopen, prove, verify.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

use std::error::Error;

use crostata::{
    CallReceipt, Commit, ContractData, ContractError, ContractId, ProofItem, Session, SessionData,
    VM, contract_bytecode,
};
use crostata_proof::StateProof;

const GAS_LIMIT: u64 = 5_000_000;
const ALICE: [u8; 32] = [0xa1; 32];
const BOB: [u8; 32] = [0xb0; 32];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let (counter, commit) = {
        let vm = VM::new(directory.path())?;
        println!("opened a VM in {}\n", vm.root_dir().display());
        let mut session = vm.session(SessionData::builder())?;
        let counter = deploy_counter(&mut session)?;
        deploy_ledger(&mut session)?;
        fail_inside_a_call(&mut session, counter)?;
        (counter, commit(&mut session)?)
    };
    let proof = reopen_and_prove(directory.path(), counter, commit)?;
    verify(&proof, counter, commit)
}

fn deploy_counter(session: &mut Session) -> Result<ContractId, Box<dyn Error>> {
    println!("-- a counter");
    let bytecode = contract_bytecode!("counter");
    let data = ContractData::builder().owner(*b"quickstart");
    let receipt = session.deploy_with_receipt(bytecode, data, GAS_LIMIT)?;
    let counter = receipt.contract_id;
    println!("deployed {counter}");
    println!(
        "  code: {} bytes for {} gas",
        bytecode.len(),
        receipt.code_gas
    );
    let before = session.call::<_, i64>(counter, "read_value", &(), GAS_LIMIT)?;
    let increment = session.call::<_, ()>(counter, "increment", &(), GAS_LIMIT)?;
    let after = session.call::<_, i64>(counter, "read_value", &(), GAS_LIMIT)?;
    println!(
        "  read_value = {:#x}, increment, read_value = {:#x}",
        before.data, after.data
    );
    show(&increment);
    Ok(counter)
}

fn deploy_ledger(session: &mut Session) -> Result<(), Box<dyn Error>> {
    println!("-- a token ledger, with 1,000 tokens for alice");
    let data = ContractData::builder().init_arg(&(ALICE, 1_000u64));
    let receipt = session.deploy_with_receipt(contract_bytecode!("ledger"), data, GAS_LIMIT)?;
    let ledger = receipt.contract_id;
    println!("deployed {ledger}");
    receipt.init.iter().for_each(show);
    println!("alice sends bob 250");
    let transfer = session.call::<_, ()>(ledger, "transfer", &(ALICE, BOB, 250u64), GAS_LIMIT)?;
    show(&transfer);
    for (name, account) in [("alice", ALICE), ("bob", BOB)] {
        let balance = session.call::<_, u64>(ledger, "balance_of", &account, GAS_LIMIT)?;
        println!("  {name} has {}", balance.data);
    }
    println!("bob tries to send 251");
    let refused = session.call::<_, ()>(ledger, "transfer", &(BOB, ALICE, 251u64), GAS_LIMIT);
    match refused {
        Err(error) => println!("  {error}\n"),
        Ok(_) => return Err("bob spent more than he had".into()),
    }
    Ok(())
}

fn fail_inside_a_call(session: &mut Session, counter: ContractId) -> Result<(), Box<dyn Error>> {
    println!("-- a caller, which has the counter incremented by a call that then fails");
    let caller = session.deploy(
        contract_bytecode!("caller"),
        ContractData::builder(),
        GAS_LIMIT,
    )?;
    println!("deployed {caller}");
    let before = session.call::<_, i64>(counter, "read_value", &(), GAS_LIMIT)?;
    let receipt =
        session.call::<_, i64>(caller, "nested_failure_undoes_both", &counter, GAS_LIMIT)?;
    println!(
        "  the counter was {:#x} and is {:#x}",
        before.data, receipt.data
    );
    show(&receipt);
    let argument = (counter, "no_such_function".to_string());
    let seen = session.call::<_, Result<Vec<u8>, ContractError>>(
        caller,
        "call_catching",
        &argument,
        GAS_LIMIT,
    )?;
    println!(
        "  calling a function that does not exist, a contract sees: {:?}\n",
        seen.data
    );
    Ok(())
}

fn commit(session: &mut Session) -> Result<Commit, Box<dyn Error>> {
    let commit = session.commit()?;
    println!("-- committed, durable on disk");
    println!("  root   {}", commit.root);
    println!("  commit {}\n", commit.id);
    Ok(commit)
}

fn reopen_and_prove(
    directory: &std::path::Path,
    counter: ContractId,
    commit: Commit,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let vm = VM::new(directory)?;
    println!("-- reopened: {} commit retained", vm.commits().len());
    let mut session = vm.session(SessionData::builder().base(commit))?;
    let value = session.call::<_, i64>(counter, "read_value", &(), GAS_LIMIT)?;
    println!("  read_value = {:#x}", value.data);
    let value = ProofItem::bytes(counter, COUNTER_ADDRESS, 8);
    let proof = vm.prove(commit, &[value])?.encode();
    println!(
        "  proof of the number in its memory: {} bytes\n",
        proof.len()
    );
    Ok(proof)
}

/// Where the linker put the counter's number in the committed artifact: behind 64 KiB of shadow stack and 56 bytes of texts.
const COUNTER_ADDRESS: u64 = 65_592;

/// What a light client does: it has bytes, a root it trusts, and the crate `crostata-proof`.
fn verify(proof: &[u8], counter: ContractId, commit: Commit) -> Result<(), Box<dyn Error>> {
    println!("-- verified by crostata-proof alone");
    let state = StateProof::decode(proof)?.verify(&commit.root)?;
    let bytes = state.bytes(&counter, COUNTER_ADDRESS, 8)?;
    let value = i64::from_le_bytes(bytes[..].try_into()?);
    println!("  8 bytes at {COUNTER_ADDRESS:#x} of {counter} are the number {value:#x}");
    println!("  at root {}", commit.root);
    let other = ContractId::from_bytes([1; 32]);
    match state.bytes(&other, COUNTER_ADDRESS, 8) {
        Err(error) => println!("  of another contract it shows nothing: {error}"),
        Ok(_) => return Err("a proof was accepted for another contract".into()),
    }
    match value {
        0xfd => Ok(()),
        _ => Err(format!("the counter should be 0xfd and is {value:#x}").into()),
    }
}

fn show<T>(receipt: &CallReceipt<T>) {
    println!("  gas {} of {}", receipt.gas_spent, receipt.gas_limit);
    for event in &receipt.events {
        println!("  event `{}`, {} bytes", event.topic, event.data.len());
    }
    println!("  call tree:");
    for frame in &receipt.call_tree {
        println!("    {frame}");
    }
    println!();
}
