//! Planning a wave: how many transactions run ahead, and which lane runs which.
//!
//! Calls of one contract stay in the lane that ran it last, since its pages are there, and so do calls that enter a contract about which there
//! was a conflict; such calls are a **group**. A contract whose calls are most of the wave is spread over the lanes, in runs
//! of the block's order, unless it is contended: what conflicts then is at the end of the wave.
//!
//! **Bounded loss.** What was thrown away is counted in gas, and a wave is planned only as far as what all waves may throw away, if
//! everything but its first task does, stays within an allowance and a sixteenth of what was kept. So does what lanes spend to bring each other up
//! to date beyond what running at the same time gained, and what waves take that came to nothing. Whoever builds blocks to be thrown away,
//! or to be carried around, makes them that much slower, and no more.

use crostata_abi::ContractId;

use super::known::{Contracts, Number};
use crate::block::transaction::{Action, Transaction};

/// What may be thrown away in any block: a hundred transfers, or about a millisecond.
pub const ALLOWANCE_GAS: u64 = 1 << 27;

/// What a look at a part of a page stands for that lanes do to bring each other up to date: a quarter of a microsecond.
const LOOK_GAS: u64 = 30_000;

/// What a wave takes beside its transactions: threads wake up, and what ran is judged.
const WAVE_GAS: u64 = 2_000_000;

/// The part of what was kept that may be thrown away.
const PART_OF_KEPT: u64 = 16;

/// A transaction that may spend more runs alone, whatever it is expected to spend: a sixteenth of the block's gas, or this.
const LIMIT_GAS_MIN: u64 = 1 << 30;

const WAVE_MIN: usize = 16;
pub fn tune(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}
const WAVE_MAX: usize = 1_024;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// Run so many transactions one after another.
    Alone(usize),
    /// Run as many transactions as there are numbers ahead, each in the lane of its number.
    Ahead(Vec<usize>),
}

/// Plans waves.
#[derive(Debug)]
pub struct Planner {
    lanes: usize,
    limit_gas_max: u64,
    pub contracts: Contracts,
    /// Tasks that the next wave has at most.
    size: usize,
    /// The wave that is planned.
    wave: u64,
    pub kept_gas: u64,
    lost_gas: u64,
    /// What bringing lanes up to date took so far, whatever was gained by it.
    pub carried_gas: u64,
    tasks: Vec<Task>,
    groups: Vec<Group>,
}

/// A transaction of the wave.
#[derive(Debug)]
struct Task {
    contract: Number,
    group: usize,
    gas: u64,
}

/// Tasks that run in one lane.
#[derive(Debug)]
struct Group {
    /// The group that this one became a part of; itself if none.
    root: usize,
    gas: u64,
    /// Where its contract ran last.
    before: Option<usize>,
    /// The lane that was chosen.
    lane: Option<usize>,
    /// Whether there was a conflict about what its tasks share.
    is_contended: bool,
    is_spread: bool,
}

impl Planner {
    /// A planner for so many lanes, and a block of so much gas.
    pub fn new(lanes: usize, block_gas: u64) -> Self {
        Self {
            lanes,
            limit_gas_max: LIMIT_GAS_MIN.max(block_gas / PART_OF_KEPT),
            contracts: Contracts::default(),
            size: WAVE_MIN,
            wave: 0,
            kept_gas: 0,
            lost_gas: 0,
            carried_gas: 0,
            tasks: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// What to do with the first of these transactions, of which there is one at least.
    pub fn plan(&mut self, transactions: &[Transaction]) -> Plan {
        self.wave += 1;
        self.gather(transactions);
        let total: u64 = self.tasks.iter().map(|task| task.gas).sum();
        let share = total / self.lanes as u64;
        let mut heaviest = None;
        for at in 0..self.groups.len() {
            let group = &self.groups[at];
            if group.root == at && group.gas > share + share / 4 {
                heaviest = Some(at);
            }
        }
        if let Some(heaviest) = heaviest.filter(|at| !self.groups[*at].is_contended) {
            self.groups[heaviest].is_spread = true;
            self.limit_spread();
        }
        self.assign()
    }

    /// Collects the tasks of the wave, and joins those that must not be told apart into groups.
    fn gather(&mut self, transactions: &[Transaction]) {
        self.tasks.clear();
        self.groups.clear();
        let allowed = self.allowed_gas();
        let mut at_risk = 0_u64;
        let mut before: Option<(&ContractId, &str)> = None;
        for transaction in transactions
            .iter()
            .take(self.size.min(tune("TUNE_WAVE", 1024)))
        {
            let Action::Call {
                contract, function, ..
            } = &transaction.action
            else {
                break;
            };
            // Often the same contract and function are called again and again.
            let again = before.replace((contract, function)) == Some((contract, function));
            let last = self.tasks.last().filter(|_| again);
            let known = last.map(|last| (last.contract, last.group));
            let number =
                known.map_or_else(|| self.contracts.number(contract), |(number, _)| number);
            let gas = self
                .contracts
                .get(number)
                .expected_gas(function, transaction.limit_gas);
            if !self.tasks.is_empty() {
                at_risk = at_risk.saturating_add(gas);
            }
            if at_risk > allowed || transaction.limit_gas > self.limit_gas_max {
                break;
            }
            let group = known.map_or_else(|| self.group_of(number, function), |(_, group)| group);
            self.groups[group].gas += gas;
            self.tasks.push(Task {
                contract: number,
                group,
                gas,
            });
        }
    }

    /// Nothing is planned: what follows was not looked at.
    pub fn pass(&mut self) {
        self.tasks.clear();
    }

    /// The contract that a transaction of the plan calls, if it was looked at.
    pub fn number(&self, at: usize) -> Option<Number> {
        Some(self.tasks.get(at)?.contract)
    }

    /// Whether what the transaction enters was brought to the lane for an earlier one of the wave.
    pub fn is_there(&mut self, at: usize, lane: usize) -> bool {
        let wave = self.wave;
        let task = self.tasks.get(at);
        task.is_some_and(|task| self.contracts.get_mut(task.contract).bring(wave, lane))
    }

    /// What may be thrown away by the next wave.
    fn allowed_gas(&self) -> u64 {
        let allowed = ALLOWANCE_GAS.saturating_add(self.kept_gas / PART_OF_KEPT);
        allowed.saturating_sub(self.lost_gas)
    }

    /// The group of a call: that of its contract, and of everything contended that it is known to enter.
    fn group_of(&mut self, number: Number, function: &str) -> usize {
        let wave = self.wave;
        let known = self.contracts.get_mut(number);
        let fresh = self.groups.len();
        let first = known.group(wave, fresh);
        let is_contended = known.is_contended(wave);
        if first == fresh {
            self.groups.push(Group {
                root: fresh,
                gas: 0,
                before: known.lane,
                lane: None,
                is_contended,
                is_spread: false,
            });
        }
        let mut group = self.root(first);
        let others = self.contracts.get(number).others(function).len();
        for at in 0..others {
            let other = self.contracts.get(number).others(function)[at];
            let Some(other) = self.contracts.find(&other) else {
                continue;
            };
            if other.is_contended(wave) {
                let theirs = other.group(wave, group);
                group = self.join(group, theirs);
            }
        }
        group
    }

    fn root(&self, mut group: usize) -> usize {
        while self.groups[group].root != group {
            group = self.groups[group].root;
        }
        group
    }

    /// Makes two groups one, which is contended.
    fn join(&mut self, one: usize, other: usize) -> usize {
        let (one, other) = (self.root(one), self.root(other));
        let (root, part) = (one.min(other), one.max(other));
        if root != part {
            self.groups[root].gas += std::mem::take(&mut self.groups[part].gas);
            self.groups[part].root = root;
        }
        self.groups[root].is_contended = true;
        root
    }

    /// Cuts the wave to what calls of one contract are trusted with.
    fn limit_spread(&mut self) {
        let spread = self.tasks.iter().filter(|task| {
            let root = self.root(task.group);
            self.groups[root].is_spread
        });
        let trust = spread.map(|task| self.contracts.get(task.contract).trust);
        let trust = trust.min().unwrap_or(usize::MAX);
        self.tasks.truncate(trust);
    }

    /// Chooses a lane for each task.
    fn assign(&mut self) -> Plan {
        let total: u64 = self.tasks.iter().map(|task| task.gas).sum();
        let share = total / self.lanes as u64;
        let mut load = vec![0; self.lanes];
        let (mut order, mut before) = (Vec::with_capacity(self.tasks.len()), 0);
        for at in 0..self.tasks.len() {
            let task = &self.tasks[at];
            let root = self.root(task.group);
            let group = &mut self.groups[root];
            let lane = match group.is_spread {
                true => {
                    let lane = (before / share.max(1)).min(self.lanes as u64 - 1) as usize;
                    load[lane] += task.gas;
                    lane
                }
                false => place(group, &mut load, share),
            };
            before += task.gas;
            order.push(lane);
            self.contracts.get_mut(task.contract).lane = Some(lane);
        }
        match order.first().copied() {
            Some(first) if total > 2 * WAVE_GAS && order.iter().any(|lane| *lane != first) => {
                Plan::Ahead(order)
            }
            _ => {
                self.stay();
                Plan::Alone(order.len().max(1))
            }
        }
    }

    /// Everything of the wave runs in the first lane.
    fn stay(&mut self) {
        for task in &self.tasks {
            self.contracts.get_mut(task.contract).lane = Some(0);
        }
        self.size = (self.size * 2).min(WAVE_MAX);
    }

    /// Learns that a transaction which ran alone, or was kept, spent this.
    pub fn kept(&mut self, spent_gas: u64) {
        self.kept_gas = self.kept_gas.saturating_add(spent_gas);
    }

    /// Looks at parts of pages that lanes may take to be brought up to date for the next wave.
    pub fn allowed_looks(&self) -> u64 {
        self.allowed_gas() / LOOK_GAS
    }

    /// Learns what lanes took to bring each other up to date, for a wave that gained so much by running at the same time.
    pub fn carried(&mut self, looks: u64, gained_gas: u64) {
        let carried_gas = looks.saturating_mul(LOOK_GAS);
        self.carried_gas = self.carried_gas.saturating_add(carried_gas);
        self.lost_gas = self
            .lost_gas
            .saturating_add(carried_gas.saturating_sub(gained_gas));
    }

    /// Learns that a contract is not worth bringing from where it is.
    pub fn stays(&mut self, contract: &ContractId, lane: Option<usize>) {
        let number = self.contracts.number(contract);
        self.contracts.get_mut(number).lane = lane;
    }

    /// Learns how a wave ended: how many of its tasks were kept, and what gas was thrown away.
    pub fn ended(&mut self, kept: usize, lost_gas: u64) {
        self.lost_gas = self.lost_gas.saturating_add(lost_gas);
        if kept < self.tasks.len() {
            self.lost_gas = self.lost_gas.saturating_add(WAVE_GAS);
            self.size = (self.size / 2).max(WAVE_MIN);
            return;
        }
        self.size = (self.size * 2).min(WAVE_MAX);
        for task in &self.tasks {
            if self.groups[self.root(task.group)].is_spread {
                let known = self.contracts.get_mut(task.contract);
                known.trust = known.trust.max(2 * kept);
            }
        }
    }

    /// Learns that a task of the wave ran in the way of an earlier one about this contract.
    pub fn conflict(&mut self, contract: &ContractId) {
        let (number, wave) = (self.contracts.number(contract), self.wave);
        self.contracts.get_mut(number).contend(wave);
    }
}

/// The lane of a group: chosen when it is first asked for. Where it was before, unless too much is there already.
fn place(group: &mut Group, load: &mut [u64], share: u64) -> usize {
    if let Some(lane) = group.lane {
        return lane;
    }
    let fits = |lane: &usize| load[*lane] + group.gas <= share + share / 8;
    let least = (0..load.len()).min_by_key(|lane| load[*lane]).unwrap_or(0);
    let lane = group.before.filter(fits).unwrap_or(least);
    group.lane = Some(lane);
    load[lane] += group.gas;
    lane
}
