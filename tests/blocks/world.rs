//! A VM with actors and a probe, and transactions of them.

use std::sync::Arc;

use crostata::{
    Action, Backend, Base, Block, BlockContext, BlockSettings, Commit, ContractData, Executed,
    ReceiptDigest, SessionData, Transaction, VM,
};

use crate::fixtures::actor::{Step, actor, script};
use crate::fixtures::{LIMIT, Width, deploy, ephemeral, id, probe};

/// Actors 0 to 2.
pub const ACTORS: u8 = 3;
/// The number of the probe.
pub const PROBE: u8 = 3;
/// More gas than any block here spends.
pub const PLENTY: u64 = 1 << 60;

/// A VM whose contracts are in a commit.
pub struct World {
    pub vm: VM,
    pub base: Commit,
}

impl World {
    pub fn new(backend: Backend, width: Width) -> Self {
        Self::over(ephemeral(backend), width)
    }

    pub fn over(vm: VM, width: Width) -> Self {
        let mut session = vm.session(SessionData::builder()).unwrap();
        for number in 0..ACTORS {
            deploy(&mut session, number, &actor(width));
        }
        deploy(&mut session, PROBE, &probe(width));
        let base = session.commit().unwrap();
        Self { vm, base }
    }

    pub fn native() -> Self {
        Self::new(crate::fixtures::BACKENDS[0], Width::Narrow)
    }

    /// What blocks over the base are opened with.
    pub fn settings(&self) -> BlockSettings {
        settings(self.base)
    }

    /// A block over the base.
    pub fn block(&self) -> Block {
        self.vm.block(self.settings()).unwrap()
    }
}

/// What blocks over this are opened with.
pub fn settings(base: impl Into<Base>) -> BlockSettings {
    let settings = BlockSettings::new(context(7), PLENTY).base(base);
    settings.execution(crate::EXECUTION)
}

/// What the chain says about the block at this height.
pub fn context(height: u64) -> BlockContext {
    BlockContext::new(height, 1_774_000_000_000 + 1_000 * height)
        .with_proposer([height as u8; 48])
        .and_then(|context| context.with_chain("mountain-1"))
        .unwrap()
}

/// An actor does a script.
pub fn act(number: u8, steps: &[Step]) -> Transaction {
    Transaction::call_raw(id(number), "run", script(steps), LIMIT)
}

/// A contract is deployed under a number.
pub fn deploys(number: u8, code: &[u8]) -> Transaction {
    let data = ContractData::builder().contract_id(id(number));
    Transaction::deploy(code, data, LIMIT)
}

/// The same with another gas limit.
pub fn limited(transaction: Transaction, limit_gas: u64) -> Transaction {
    Transaction {
        limit_gas,
        ..transaction
    }
}

/// What nodes agree on about a transaction in a block.
pub type Agreed = (Option<ReceiptDigest>, u64, [u8; 32], String);

pub fn agreed(executed: &Executed) -> Agreed {
    let events = format!("{:?} {:?}", executed.events(), executed.feeds);
    let digest = executed.included.map(|included| included.digest);
    (digest, executed.gas_spent, executed.tag, events)
}

pub fn all_agreed(executed: &[Arc<Executed>]) -> Vec<Agreed> {
    executed.iter().map(|executed| agreed(executed)).collect()
}

/// The name of what a transaction does, for messages.
pub fn told(transaction: &Transaction) -> String {
    match &transaction.action {
        Action::Call { function, .. } => function.clone(),
        Action::Deploy { code, .. } => format!("deploy {} bytes", code.len()),
    }
}
