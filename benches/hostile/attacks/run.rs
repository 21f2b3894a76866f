//! Running an attack: its world made and committed, its steps taken until the gas is used up.

use std::path::Path;
use std::sync::mpsc;

use crostata::{Commit, ContractData, Error, Session, SessionData, VM};

use super::{AMPLE_GAS, Call, Deployment, Step, World, entry_gas, id};

/// What counts for a rejected call, which the VM does not charge for: the least that a call from outside costs.
fn rejected_gas() -> u64 {
    entry_gas(&[])
}

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
    /// How many spent more than their limit: there must be none.
    pub overspent: u64,
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

/// Takes steps until `budget_gas` is used up, there are no more, or `enough` says so.
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
    while outcome.gas < budget_gas && outcome.steps < world.steps_max && !enough() {
        let step = (world.step)(outcome.steps);
        outcome.steps += 1;
        take(session, step, budget_gas - outcome.gas, &mut outcome)?;
    }
    Ok(outcome)
}

fn take(session: &mut Session, step: Step, left: u64, outcome: &mut Outcome) -> Result<(), Error> {
    match step {
        Step::Call(call) => run_call(session, &call.limited_to(left), outcome),
        Step::Feed(call) => feed(session, &call.limited_to(left), outcome),
        Step::Deploy(deployment) => deploy(session, &deployment, outcome),
        Step::Migrate(code) => migrate(session, &code, outcome),
    }
}

fn run_call(session: &mut Session, call: &Call, outcome: &mut Outcome) -> Result<(), Error> {
    let receipt = session.call_raw(
        call.contract,
        &call.function,
        &call.argument,
        call.limit_gas,
    );
    let spent = receipt.map(|receipt| receipt.gas_spent);
    outcome.count(spent, call.limit_gas, rejected_gas())
}

/// What is fed is received and dropped.
fn feed(session: &mut Session, call: &Call, outcome: &mut Outcome) -> Result<(), Error> {
    let (feeder, fed) = mpsc::channel();
    let receipt = session.feeder_call_raw(
        call.contract,
        &call.function,
        &call.argument,
        call.limit_gas,
        feeder,
    );
    drop(fed);
    let spent = receipt.map(|receipt| receipt.gas_spent);
    outcome.count(spent, call.limit_gas, rejected_gas())
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
    outcome.count(spent, deployment.limit_gas, 0)
}

fn migrate(session: &mut Session, code: &[u8], outcome: &mut Outcome) -> Result<(), Error> {
    outcome.gas += session.deploy_price(code);
    let migrated = session.migrate(id(1), code, ContractData::builder(), AMPLE_GAS, |_, _| {
        Ok(())
    });
    outcome.count(migrated.map(|()| 0), 0, 0)
}

impl Outcome {
    fn count(
        &mut self,
        spent: Result<u64, Error>,
        limit_gas: u64,
        rejected_gas: u64,
    ) -> Result<(), Error> {
        let gas = match spent {
            Ok(gas) => {
                self.succeeded += 1;
                gas
            }
            Err(Error::Reverted(reverted)) => reverted.receipt.gas_spent,
            Err(Error::Rejected(_)) => {
                self.rejected += 1;
                self.gas += rejected_gas;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.gas += gas;
        self.overspent += u64::from(gas > limit_gas);
        Ok(())
    }
}

/// Has the system keep nothing of the files of a directory in memory.
pub fn forget_files(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("the VM's directory") {
        let path = entry.expect("an entry of the directory").path();
        if let Ok(file) = std::fs::File::open(path) {
            // Advice: where it is not taken, the attack is only less cold.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
}
