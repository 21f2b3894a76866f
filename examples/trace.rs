//! Runs a call that fails two contracts deep, and prints what happened: `cargo run --features inspect --example trace`.
//!
//! `CROSTATA_TRACE` says how much, from 1 to 5.

use std::error::Error;
use std::io::IsTerminal;

use crostata::inspect::{Known, Level, Style, render, strip};
use crostata::{CallTrace, ContractData, ContractId, Session, SessionData, VM};

/// As the compiler made it, with names and lines.
const VAULT: &[u8] = include_bytes!("../tests/fixtures/vault/vault.wasm");

const LIMIT: u64 = 10_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let (trace, known) = failing_call()?;
    let style = match std::io::stdout().is_terminal() {
        true => Style::Ansi,
        false => Style::Plain,
    };
    print!("{}", render(&trace, &known, Level::from_env()?, style));
    Ok(())
}

/// What a call did, and what is known of its contracts.
pub fn failing_call() -> Result<(CallTrace, Known), Box<dyn Error>> {
    let vm = VM::ephemeral()?;
    // Failures tell their places only where somebody asked for it.
    let mut session = vm.session(SessionData::builder().located())?;
    let mut known = Known::new();
    known.add_code(VAULT)?;
    let [till, alice, bob] = ["till", "alice", "bob"].map(|name| vault(&mut session, name));
    let (till, alice, bob) = (till?, alice?, bob?);
    for (name, id) in [("till", till), ("alice", alice), ("bob", bob)] {
        known.add_contract(name, id);
    }
    session.call::<_, u64>(bob, "pay", &60_u64, LIMIT)?;

    session.watch();
    let collected = session.call::<_, u64>(till, "collect", &(alice, bob, 70_u64), LIMIT);
    assert!(collected.is_err());

    let trace = session.take_trace().ok_or("nothing ran")?;
    Ok((trace, known))
}

/// What is deployed has neither names nor lines in it.
fn vault(session: &mut Session, owner: &str) -> Result<ContractId, Box<dyn Error>> {
    let data = ContractData::builder().owner(owner);
    Ok(session.deploy(strip(VAULT)?.code, data, LIMIT)?)
}
