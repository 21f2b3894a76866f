//! Attacks: contracts that buy more with their gas than programs do, or try to.
//!
//! An attack is a world, which is what is committed before, and steps, which are what the attacker has a block do again and again.
//! What is here knows nothing of measuring: the test `attacks` runs the same steps with little gas.
#![allow(dead_code, reason = "the test and the bench use a part each")]

pub mod arithmetic;
pub mod calls;
pub mod deployments;
pub mod host;
pub mod memory;
pub mod run;
pub mod text;

use crostata::{ContractId, Protocol};

/// Gas for what is prepared, which nobody pays for.
pub const AMPLE_GAS: u64 = 1 << 50;

/// The gas limit of a call, unless the attack is about another: calls of this size make a block.
pub const CALL_GAS: u64 = 25_000_000;

/// What a call from outside of a contract with this code pays before its first instruction, without an argument.
pub fn entry_gas(code: &[u8]) -> u64 {
    let schedule = Protocol::default().schedule;
    schedule.lookup_base + schedule.instance_price(code.len() as u64)
}

/// Something to try.
pub struct Attack {
    /// What the figures are listed under.
    pub name: &'static str,
    /// Makes the world. Only done in the process that runs the attack.
    pub world: fn() -> World,
}

/// What is there before the attack, and the attack.
pub struct World {
    /// Contracts in the base state.
    pub contracts: Vec<Contract>,
    /// Calls that are part of the base state.
    pub before: Vec<Call>,
    /// Whether the node has just started: nothing of the state, and no code, is in memory.
    pub cold: bool,
    /// The number of transactions, where one more would not do what the attack is about.
    pub steps_max: u64,
    /// The attacker's transaction of a number.
    pub step: Box<dyn Fn(u64) -> Step>,
}

/// A contract with a numbered id.
pub struct Contract {
    pub number: u32,
    pub code: Vec<u8>,
}

/// A transaction.
pub enum Step {
    Call(Call),
    /// A call that may feed.
    Feed(Call),
    Deploy(Deployment),
    /// Replaces the code of contract 1.
    Migrate(Vec<u8>),
}

/// A call by the host.
#[derive(Clone)]
pub struct Call {
    pub contract: ContractId,
    pub function: String,
    pub argument: Vec<u8>,
    pub limit_gas: u64,
}

/// A deployment.
pub struct Deployment {
    pub number: u32,
    pub code: Vec<u8>,
    pub limit_gas: u64,
}

impl Call {
    /// Of the contract with a number, without an argument.
    pub fn of(number: u32, function: &str) -> Self {
        Self {
            contract: id(number),
            function: function.to_owned(),
            argument: Vec::new(),
            limit_gas: CALL_GAS,
        }
    }

    /// With an argument.
    pub fn with(self, argument: impl Into<Vec<u8>>) -> Self {
        let argument = argument.into();
        Self { argument, ..self }
    }

    /// With a gas limit.
    pub fn limited(self, limit_gas: u64) -> Self {
        Self { limit_gas, ..self }
    }

    /// With no more gas than is left.
    pub fn limited_to(self, left: u64) -> Self {
        let limit_gas = self.limit_gas.min(left);
        Self { limit_gas, ..self }
    }
}

impl World {
    /// Contract 1 with this code, whose `run` is called again and again.
    pub fn of(code: Vec<u8>) -> Self {
        Self::new(vec![Contract { number: 1, code }])
    }

    /// Contracts numbered from 1 on, of which the first is called.
    pub fn of_all(codes: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let contracts = (1..).zip(codes);
        Self::new(
            contracts
                .map(|(number, code)| Contract { number, code })
                .collect(),
        )
    }

    fn new(contracts: Vec<Contract>) -> Self {
        Self {
            contracts,
            before: Vec::new(),
            cold: false,
            steps_max: u64::MAX,
            step: Box::new(|_| Step::Call(Call::of(1, "run"))),
        }
    }

    /// With a call that is part of the base state.
    pub fn after(mut self, call: Call) -> Self {
        self.before.push(call.limited(AMPLE_GAS));
        self
    }

    /// With a node that has just started.
    pub fn cold(self) -> Self {
        Self { cold: true, ..self }
    }

    /// With no more transactions than this.
    pub fn at_most(self, steps_max: u64) -> Self {
        Self { steps_max, ..self }
    }

    /// With other transactions.
    pub fn stepping(self, step: impl Fn(u64) -> Step + 'static) -> Self {
        let step = Box::new(step);
        Self { step, ..self }
    }

    /// With calls of contract 1 that have this much gas for its instructions.
    pub fn with_little(self, function: &'static str, gas: u64) -> Self {
        let entry = entry_gas(&self.contracts[0].code);
        self.calling(Call::of(1, function).limited(entry + gas))
    }

    /// With this call, again and again.
    pub fn calling(self, call: Call) -> Self {
        self.stepping(move |_| Step::Call(call.clone()))
    }
}

/// The id of a number: its bytes, little-endian, then zeros.
pub fn id(number: u32) -> ContractId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    ContractId::from_bytes(bytes)
}

/// Every attack.
pub fn all() -> Vec<Attack> {
    let kinds = [
        memory::ATTACKS,
        calls::ATTACKS,
        host::ATTACKS,
        arithmetic::ATTACKS,
        deployments::ATTACKS,
    ];
    let attacks = kinds.into_iter().flatten();
    attacks
        .map(|(name, world)| Attack {
            name,
            world: *world,
        })
        .collect()
}

/// A name and its world, as the lists of the kinds hold them.
pub type Listed = (&'static str, fn() -> World);
