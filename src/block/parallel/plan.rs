//! Planning a wave: how many transactions run ahead, and which lane runs which.
//!
//! Calls of one contract stay in the lane that ran it last, since its pages are there, and so do calls that enter a contract about which there
//! was a conflict; such calls are a **group**. A contract whose calls are most of the wave is spread over the lanes, in runs
//! of the block's order, unless it is contended: what conflicts then is at the end of the wave.
//!
//! A wave is planned only as far as what the [`Account`] allows to be lost, if everything but its first task is thrown away. When nothing is
//! allowed, transactions run one after another without being looked at.

use crate::session::lanes::clock::Duration;

use crostata_abi::ContractId;

use super::account::Account;
use super::known::{Contracts, Number};
use crate::block::transaction::{Action, Transaction};
use crate::session::lanes::Scopes;

/// What a wave takes beside its transactions: threads wake up, and what ran is judged. What is expected to take less than some times as long is not
/// worth one.
const WAVE_TIME: Duration = Duration::from_micros(40);
const WORTHWHILE: u32 = 4;

/// When less may be lost, transactions run unseen until there is this much again: small waves would lose it again.
const REST_UNTIL: Duration = Duration::from_micros(240);
const REST_BELOW: Duration = Duration::from_micros(120);

/// What a page takes that is looked at to bring a lane up to date, and perhaps copied.
const PAGE_TIME: Duration = Duration::from_micros(1);

/// A transaction that may spend more runs alone, whatever it is expected to spend: a thirty-second of the block's gas, or this.
const LIMIT_GAS_MIN: u64 = 1 << 30;
const LIMIT_PART: u64 = 32;

const WAVE_MIN: usize = 64;
const WAVE_MAX: usize = 1_024;
/// How many times as large the next wave may be after one that was kept whole.
const WAVE_GROWTH: usize = 4;

/// The most transactions that run unseen before the account is asked again.
const UNSEEN_MAX: u64 = 256;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// Run so many transactions one after another, and do not even learn from them.
    Unseen(usize),
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
    pub account: Account,
    /// Whether nothing is tried at the moment.
    rests: bool,
    tasks: Vec<Task>,
    /// Whether some of them are known to enter contracts besides those that they call.
    enter_others: bool,
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
    pub fn new(lanes: usize, block_gas: u64, account: Account) -> Self {
        Self {
            lanes,
            limit_gas_max: LIMIT_GAS_MIN.max(block_gas / LIMIT_PART),
            contracts: Contracts::default(),
            size: WAVE_MIN,
            wave: 0,
            account,
            rests: false,
            tasks: Vec::new(),
            enter_others: false,
            groups: Vec::new(),
        }
    }

    /// What to do with the first of these transactions, of which there is one at least.
    pub fn plan(&mut self, transactions: &[Transaction]) -> Plan {
        let allowed = self.account.allowed();
        if allowed.is_some_and(|allowed| self.is_resting(allowed)) {
            self.tasks.clear();
            let wait = self.account.wait(REST_UNTIL).clamp(1, UNSEEN_MAX);
            return Plan::Unseen(transactions.len().min(wait as usize));
        }
        self.wave += 1;
        self.gather(transactions, allowed);
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

    /// Whether too little may be lost to try anything.
    fn is_resting(&mut self, allowed: Duration) -> bool {
        let least = match self.rests {
            true => REST_UNTIL,
            false => REST_BELOW,
        };
        self.rests = allowed < least;
        self.rests
    }

    /// Collects the tasks of the wave, and joins those that must not be told apart into groups.
    fn gather(&mut self, transactions: &[Transaction], allowed: Option<Duration>) {
        self.tasks.clear();
        self.enter_others = false;
        self.groups.clear();
        // All lanes lose at the same time.
        let risk_gas = allowed.map_or(u64::MAX, |allowed| {
            self.account
                .gas_of(allowed.saturating_mul(self.lanes as u32))
        });
        let mut at_risk = 0_u64;
        let mut before: Option<(&ContractId, &str)> = None;
        for transaction in transactions.iter().take(self.size) {
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
            let number = known.map_or_else(|| self.contracts.number(contract), |known| known.0);
            let expected = self.contracts.get(number).expected(function);
            let gas = expected.spent_gas.min(transaction.limit_gas);
            if !self.tasks.is_empty() {
                at_risk = at_risk.saturating_add(gas);
            }
            if at_risk > risk_gas || transaction.limit_gas > self.limit_gas_max {
                break;
            }
            let group = match known {
                Some((_, group)) => group,
                None if expected.enters_others => self.group_with_others(number, function),
                None => self.group_of(number),
            };
            self.groups[group].gas += gas;
            self.enter_others |= expected.enters_others;
            self.tasks.push(Task {
                contract: number,
                group,
                gas,
            });
        }
    }

    /// The contract that a transaction of the plan calls, if it was looked at.
    pub fn number(&self, at: usize) -> Option<Number> {
        Some(self.tasks.get(at)?.contract)
    }

    /// How what the wave does is kept to be undone: whole, if no two lanes are expected to enter one contract.
    pub fn scopes(&self) -> Scopes {
        let is_spread = self.groups.iter().any(|group| group.is_spread);
        match is_spread || self.enter_others {
            true => Scopes::Each,
            false => Scopes::Whole,
        }
    }

    /// Whether the transaction is one of several of its contract that are spread over lanes.
    pub fn is_spread(&self, at: usize) -> bool {
        let task = self.tasks.get(at);
        task.is_some_and(|task| self.groups[self.root(task.group)].is_spread)
    }

    /// Whether what the transaction enters was brought to the lane for an earlier one of the wave.
    pub fn is_there(&mut self, at: usize, lane: usize) -> bool {
        let wave = self.wave;
        let task = self.tasks.get(at);
        task.is_some_and(|task| self.contracts.get_mut(task.contract).bring(wave, lane))
    }

    /// The group of a call that enters no other contract.
    fn group_of(&mut self, number: Number) -> usize {
        let wave = self.wave;
        let known = self.contracts.get_mut(number);
        let fresh = self.groups.len();
        let first = known.group(wave, fresh);
        if first == fresh {
            self.groups.push(Group {
                root: fresh,
                gas: 0,
                before: known.lane,
                lane: None,
                is_contended: known.is_contended(wave),
                is_spread: false,
            });
        }
        self.root(first)
    }

    /// The group of a call: that of its contract, and of everything contended that it is known to enter.
    fn group_with_others(&mut self, number: Number, function: &str) -> usize {
        let wave = self.wave;
        let mut group = self.group_of(number);
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
            Some(first) if self.is_worthwhile(total) && order.iter().any(|lane| *lane != first) => {
                Plan::Ahead(order)
            }
            _ => {
                self.stay();
                Plan::Alone(order.len().max(1))
            }
        }
    }

    /// Whether tasks that are expected to spend so much gas are worth a wave.
    fn is_worthwhile(&self, gas: u64) -> bool {
        self.account.allowed().is_none() || self.account.expected(gas) > WORTHWHILE * WAVE_TIME
    }

    /// Everything of the wave runs in the first lane.
    fn stay(&mut self) {
        for task in &self.tasks {
            self.contracts.get_mut(task.contract).lane = Some(0);
        }
        self.grow();
    }

    fn grow(&mut self) {
        self.size = (self.size * WAVE_GROWTH).min(WAVE_MAX);
    }

    /// Pages that lanes may look at to be brought up to date for the next wave.
    pub fn allowed_pages(&self) -> usize {
        let allowed = self.account.allowed();
        allowed.map_or(usize::MAX, |allowed| {
            (allowed.as_nanos() / PAGE_TIME.as_nanos()) as usize
        })
    }

    /// Learns that a contract is not worth bringing from where it is.
    pub fn stays(&mut self, contract: &ContractId, lane: Option<usize>) {
        let number = self.contracts.number(contract);
        self.contracts.get_mut(number).lane = lane;
    }

    /// Learns how a wave ended: how many of its tasks were kept.
    pub fn ended(&mut self, kept: usize) {
        if kept < self.tasks.len() {
            self.size = (self.size / 2).max(WAVE_MIN);
            return;
        }
        self.grow();
        for task in &self.tasks {
            if self.groups[self.root(task.group)].is_spread {
                self.contracts.get_mut(task.contract).trust(kept);
            }
        }
    }

    /// Learns that a task of the wave ran in the way of an earlier one about this contract.
    pub fn conflict(&mut self, contract: &ContractId) {
        let (number, wave) = (self.contracts.number(contract), self.wave);
        let task = self.tasks.iter().position(|task| task.contract == number);
        let is_spread = task.is_some_and(|task| self.is_spread(task));
        let known = self.contracts.get_mut(number);
        match is_spread {
            true => known.doubt(self.tasks.len(), wave),
            false => known.contend(wave),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(count: u8) -> Vec<Transaction> {
        let call = |contract| {
            let contract = ContractId::from_bytes([contract; 32]);
            Transaction::call_raw(contract, "run", Vec::new(), 10_000_000)
        };
        (0..count).map(call).collect()
    }

    /// P6: what may not be lost is not risked, nor looked at.
    #[test]
    fn a_wave_risks_what_is_allowed() {
        let calls = calls(100);
        let mut planner = Planner::new(2, 1 << 40, Account::new(true));
        let Plan::Ahead(order) = planner.plan(&calls) else {
            panic!("independent calls run ahead");
        };
        let (allowed, risk) = (250 * 120_000 * 2, 2_000_000);
        assert_eq!(order.len(), WAVE_MIN.min(allowed / risk + 1));

        planner.size = WAVE_MAX;
        let Plan::Ahead(order) = planner.plan(&calls) else {
            panic!("independent calls run ahead");
        };
        assert_eq!(order.len(), allowed / risk + 1);

        planner.account.book(Duration::from_secs(1), Duration::ZERO);
        assert_eq!(planner.plan(&calls), Plan::Unseen(calls.len()));
        assert_eq!(planner.plan(&calls[..3]), Plan::Unseen(3));
        planner.account.book(Duration::ZERO, Duration::from_secs(3));
        assert!(matches!(planner.plan(&calls), Plan::Ahead(_)));
    }

    /// What may spend a good part of the block's gas is never thrown away.
    #[test]
    fn what_may_spend_much_runs_alone() {
        let mut calls = calls(40);
        calls[27].limit_gas = (1 << 40) / LIMIT_PART + 1;
        for is_bounded in [true, false] {
            let mut planner = Planner::new(2, 1 << 40, Account::new(is_bounded));
            assert!(matches!(planner.plan(&calls), Plan::Ahead(order) if order.len() == 27));
            assert_eq!(planner.plan(&calls[27..]), Plan::Alone(1));
        }
    }
}
