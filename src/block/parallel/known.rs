//! What a block has learned of the contracts that its transactions call: where they ran, what calls cost and enter, and
//! what was contended.

use std::collections::HashMap;

use crostata_abi::ContractId;

/// Functions of a contract that are remembered: a list to look through.
const FUNCTIONS_MAX: usize = 16;

/// Contracts that a function is known to enter besides its own.
const OTHERS_MAX: usize = 16;

/// What a call of an unknown function is taken to cost, if its limit is not less.
const UNKNOWN_GAS: u64 = 2_000_000;

/// Waves that a contract is contended for after the first conflict; twice as many after each further one.
const CONTENDED_WAVES: u64 = 16;

/// Tasks that calls of one contract are spread over lanes with at first.
const TRUST_MIN: usize = 64;

/// A number of a contract in [`Contracts`].
pub type Number = usize;

/// What is known of the contracts.
#[derive(Debug, Default)]
pub struct Contracts {
    numbers: HashMap<ContractId, Number>,
    known: Vec<Known>,
}

/// What is known of a contract.
#[derive(Debug)]
pub struct Known {
    /// The lane that its calls ran in last.
    pub lane: Option<usize>,
    /// Until this wave calls that enter it run in one lane.
    contended_until: u64,
    conflicts: u32,
    /// Tasks that calls of it alone may be spread over lanes with.
    pub trust: usize,
    /// Whether there was a conflict among such.
    is_doubted: bool,
    functions: Vec<Function>,
    /// The wave that is planned, and the group of its tasks that enter the contract.
    wave: u64,
    group: usize,
    /// The wave and the lane that it was last brought to, if it calls nobody else.
    brought: (u64, usize),
}

/// What is known of a function.
#[derive(Debug)]
struct Function {
    name: Box<str>,
    spent_gas: u64,
    /// What it was seen to enter besides its own contract.
    others: Vec<ContractId>,
}

/// What a call is expected to be like.
#[derive(Debug)]
pub struct Expected {
    pub spent_gas: u64,
    /// Whether it enters contracts besides its own.
    pub enters_others: bool,
}

impl Contracts {
    /// The number of a contract, which is known from here on.
    pub fn number(&mut self, contract: &ContractId) -> Number {
        if let Some(number) = self.numbers.get(contract) {
            return *number;
        }
        let number = self.known.len();
        self.numbers.insert(*contract, number);
        self.known.push(Known::new());
        number
    }

    /// What is known of a contract.
    pub fn get(&self, number: Number) -> &Known {
        &self.known[number]
    }

    pub fn get_mut(&mut self, number: Number) -> &mut Known {
        &mut self.known[number]
    }

    /// What is known of a contract, if anything.
    pub fn known(&self, contract: &ContractId) -> Option<&Known> {
        Some(&self.known[*self.numbers.get(contract)?])
    }

    /// A contract by its id, if it is known.
    pub fn find(&mut self, contract: &ContractId) -> Option<&mut Known> {
        let number = self.numbers.get(contract)?;
        self.known.get_mut(*number)
    }
}

impl Known {
    fn new() -> Self {
        Self {
            lane: None,
            contended_until: 0,
            conflicts: 0,
            trust: TRUST_MIN,
            is_doubted: false,
            functions: Vec::new(),
            wave: 0,
            group: 0,
            brought: (0, 0),
        }
    }

    /// What a call of a function is expected to be like.
    pub fn expected(&self, function: &str) -> Expected {
        match self.function(function) {
            Some(known) => Expected {
                spent_gas: known.spent_gas,
                enters_others: !known.others.is_empty(),
            },
            None => Expected {
                spent_gas: UNKNOWN_GAS,
                enters_others: false,
            },
        }
    }

    /// What a function was seen to enter besides its own contract.
    pub fn others(&self, function: &str) -> &[ContractId] {
        self.function(function).map_or(&[], |known| &known.others)
    }

    fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|known| &*known.name == name)
    }

    /// Learns what a call spent.
    pub fn learn_spent(&mut self, name: &str, spent_gas: u64) {
        self.function_mut(name).spent_gas = spent_gas;
    }

    /// Learns what a call entered besides its own contract.
    pub fn learn_entered(&mut self, name: &str, entered: impl Iterator<Item = ContractId>) {
        let function = self.function_mut(name);
        for contract in entered {
            if function.others.len() < OTHERS_MAX && !function.others.contains(&contract) {
                function.others.push(contract);
            }
        }
    }

    fn function_mut(&mut self, name: &str) -> &mut Function {
        let found = self.functions.iter().position(|known| &*known.name == name);
        let at = found.unwrap_or_else(|| {
            if self.functions.len() >= FUNCTIONS_MAX {
                self.functions.remove(0);
            }
            self.functions.push(Function {
                name: name.into(),
                spent_gas: UNKNOWN_GAS,
                others: Vec::new(),
            });
            self.functions.len() - 1
        });
        &mut self.functions[at]
    }

    /// Notes that what its calls enter is brought to a lane for a wave; whether it was already.
    pub fn bring(&mut self, wave: u64, lane: usize) -> bool {
        let is_alone = self.functions.iter().all(|known| known.others.is_empty());
        let before = std::mem::replace(&mut self.brought, (wave, lane));
        is_alone && before == (wave, lane)
    }

    /// Whether calls that enter it must run in one lane.
    pub fn is_contended(&self, wave: u64) -> bool {
        wave < self.contended_until
    }

    /// Notes that so many tasks were spread over lanes, and all were kept.
    pub fn trust(&mut self, tasks: usize) {
        let more = match self.is_doubted {
            true => tasks + tasks / 4,
            false => 4 * tasks,
        };
        self.trust = self.trust.max(more);
    }

    /// Notes a conflict among so many tasks that were spread over lanes: fewer are tried next, if there can be fewer.
    pub fn doubt(&mut self, tasks: usize, wave: u64) {
        if tasks <= TRUST_MIN {
            return self.contend(wave);
        }
        self.trust = (tasks / 2).max(TRUST_MIN);
        self.is_doubted = true;
    }

    /// Notes a conflict about the contract.
    pub fn contend(&mut self, wave: u64) {
        let waves = CONTENDED_WAVES << self.conflicts.min(32);
        self.contended_until = wave.saturating_add(waves);
        self.conflicts += 1;
        self.trust = TRUST_MIN;
    }

    /// The group of the wave's tasks that enter the contract: the given one if it is the first.
    pub fn group(&mut self, wave: u64, group: usize) -> usize {
        if std::mem::replace(&mut self.wave, wave) != wave {
            self.group = group;
        }
        self.group
    }
}
