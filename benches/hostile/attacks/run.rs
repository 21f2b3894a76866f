//! Running an attack: its world made and committed, its steps taken until the gas is used up.

use std::path::Path;
use std::sync::mpsc;

use crostata::{Commit, ContractData, Error, Session, SessionData, VM};

use super::{AMPLE_GAS, Call, Deployment, Step, World, id};

/// What a transaction at least costs where the VM charges nothing for it: the price of a contract's first frame.
pub const REJECTED_GAS: u64 = 20_000;

/// What the steps did.
#[derive(Default)]
pub struct Outcome {
    /// What they paid.
    pub gas: u64,
    /// How many there were.
    pub steps: u64,
    /// How many of them succeeded.
    pub succeeded: u64,
    /// How many were rejected.
    pub rejected: u64,
}

/// Makes the base state of a world.
pub fn prepare(vm: &VM, world: &World) -> Commit {
    let mut session = vm.session(SessionData::builder()).expect("a session");
    for contract in &world.contracts {
        let data = ContractData::builder().contract_id(id(contract.number));
        let deployed = session.deploy(&contract.code, data, AMPLE_GAS);
        deployed.expect("the contract of an attack deploys");
    }
    for call in &world.before {
        let called = session.call_raw(
            call.contract,
            &call.function,
            &call.argument,
            call.limit_gas,
        );
        called.expect("what comes before an attack succeeds");
    }
    session.commit().expect("a commit")
}

/// Takes steps until `budget_gas` is used up or `enough` says so.
///
/// # Errors
/// A fatal error: the attack stopped the node.
pub fn steps(
    session: &mut Session,
    world: &World,
    budget_gas: u64,
    mut enough: impl FnMut() -> bool,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    while outcome.gas < budget_gas && !enough() {
        let step = (world.step)(outcome.steps);
        outcome.steps += 1;
        take(session, step, budget_gas - outcome.gas, &mut outcome)?;
    }
    Ok(outcome)
}

fn take(session: &mut Session, step: Step, left: u64, outcome: &mut Outcome) -> Result<(), Error> {
    let taken = match step {
        Step::Call(call) => run_call(session, &call, left),
        Step::Feed(call) => feed(session, &call, left),
        Step::Deploy(deployment) => return deploy(session, &deployment, outcome),
        Step::Migrate(code) => return migrate(session, &code, outcome),
        Step::Commit => {
            session.commit().expect("a commit");
            return Ok(());
        }
    };
    count(taken, REJECTED_GAS, outcome)
}

fn run_call(session: &mut Session, call: &Call, left: u64) -> Result<u64, Error> {
    let limit_gas = call.limit_gas.min(left);
    let receipt = session.call_raw(call.contract, &call.function, &call.argument, limit_gas);
    receipt.map(|receipt| receipt.gas_spent)
}

/// What is fed is received and dropped.
fn feed(session: &mut Session, call: &Call, left: u64) -> Result<u64, Error> {
    let (feeder, fed) = mpsc::channel();
    let limit_gas = call.limit_gas.min(left);
    let receipt = session.feeder_call_raw(
        call.contract,
        &call.function,
        &call.argument,
        limit_gas,
        feeder,
    );
    drop(fed);
    receipt.map(|receipt| receipt.gas_spent)
}

fn deploy(
    session: &mut Session,
    deployment: &Deployment,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let price = session.deploy_price(&deployment.code);
    let data = ContractData::builder().contract_id(id(deployment.number));
    let deployed = session.deploy_with_receipt(&deployment.code, data, deployment.limit_gas);
    let spent = deployed.map(|receipt| receipt.init.map_or(0, |init| init.gas_spent));
    outcome.gas += price;
    count(spent, 0, outcome)
}

fn migrate(session: &mut Session, code: &[u8], outcome: &mut Outcome) -> Result<(), Error> {
    outcome.gas += session.deploy_price(code);
    let migrated = session.migrate(id(1), code, ContractData::builder(), AMPLE_GAS, |_, _| {
        Ok(())
    });
    count(migrated.map(|()| 0), 0, outcome)
}

fn count(taken: Result<u64, Error>, rejected_gas: u64, outcome: &mut Outcome) -> Result<(), Error> {
    match taken {
        Ok(gas) => {
            outcome.succeeded += 1;
            outcome.gas += gas;
        }
        Err(Error::Reverted(reverted)) => outcome.gas += reverted.receipt.gas_spent,
        Err(Error::Rejected(_)) => {
            outcome.rejected += 1;
            outcome.gas += rejected_gas;
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Opens a VM in a directory as a node that has just started: the system keeps nothing of its files in memory.
pub fn forget_files(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("the VM's directory") {
        let path = entry.expect("an entry of the directory").path();
        if let Ok(file) = std::fs::File::open(path) {
            // Advice: where it is not taken, the attack is only less cold.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
}
