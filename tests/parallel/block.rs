//! What blocks of agents are made of: agents as contracts of a VM, and random transactions.

use std::sync::Arc;

use super::agent::{Scripts, id_bytes, script};
use super::{Commit, ContractData, ContractId, SessionData, Transaction, VM};

/// Enough gas for any script.
pub const LIMIT: u64 = 40_000_000;

pub fn id(agent: u32) -> ContractId {
    ContractId::from_bytes(id_bytes(agent))
}

pub fn data(agent: u32) -> ContractData {
    let owner = vec![7; agent as usize];
    let data = ContractData::builder().contract_id(id(agent)).owner(owner);
    data.build()
}

/// A commit with so many agents.
pub fn commit_agents(vm: &VM, code: &Arc<[u8]>, agents: u32) -> Commit {
    let mut session = vm.session(SessionData::builder()).unwrap();
    for number in 0..agents {
        session.deploy(code, data(number), LIMIT).unwrap();
    }
    session.commit().unwrap()
}

/// A transaction: scripts with and without data and feeds, of much and of little gas; now and then a deployment, or a datum that blocks have.
pub fn transaction(code: &Arc<[u8]>, scripts: &mut Scripts) -> Transaction {
    let agent = scripts.agent();
    if scripts.random.once_in(50) {
        return Transaction::deploy(code.clone(), data(agent), LIMIT);
    }
    let script = script(&scripts.script(2));
    let random = &mut scripts.random;
    let limit = match random.once_in(12) {
        true => 400_000 + random.below(1_500_000),
        false => LIMIT,
    };
    let function = if random.once_in(40) { "walk" } else { "run" };
    let mut call = Transaction::call_raw(id(agent), function, script, limit);
    if random.once_in(3) {
        let is_taken = random.once_in(20);
        let name = if is_taken { "block_height" } else { "who" };
        call = call.with_datum(name, &(random.below(9) as u32)).unwrap();
    }
    match random.once_in(3) {
        true => call.feeding(),
        false => call,
    }
}
