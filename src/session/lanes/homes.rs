//! Homes: which lanes have which contract up to date.

use std::collections::HashMap;

use crostata_abi::ContractId;

/// The most lanes that a session can have: a set of them is a word.
pub const LANES_MAX: usize = 64;

/// Some lanes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneSet(u64);

impl LaneSet {
    /// One lane alone.
    pub fn one(lane: usize) -> Self {
        Self(1 << lane)
    }

    /// Adds a lane.
    pub fn insert(&mut self, lane: usize) {
        self.0 |= 1 << lane;
    }

    /// Removes a lane.
    pub fn remove(&mut self, lane: usize) {
        self.0 &= !(1 << lane);
    }

    /// Whether a lane is among them.
    pub fn contains(self, lane: usize) -> bool {
        self.0 >> lane & 1 == 1
    }

    /// The first.
    pub fn first(self) -> Option<usize> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as usize)
    }

    /// Those that are not in the other.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// How many they are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The lanes, in order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..LANES_MAX).filter(move |lane| self.contains(*lane))
    }
}

/// Where a contract is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Home {
    /// The lanes whose memory of it is up to date.
    pub holders: LaneSet,
    /// Whether it may be another than in the session's base. One that is not can be loaded by any lane.
    pub changed: bool,
    /// The wave in which lanes entered it last, and which did.
    wave: u64,
    entered: LaneSet,
}

impl Home {
    /// Notes that a lane entered the contract in a wave, or loaded it; gives all lanes that did.
    pub fn enter(&mut self, wave: u64, lane: usize) -> LaneSet {
        if std::mem::replace(&mut self.wave, wave) != wave {
            self.entered = LaneSet::default();
        }
        self.entered.insert(lane);
        self.entered
    }

    /// The lanes that entered the contract in a wave.
    pub fn entered(&self, wave: u64) -> LaneSet {
        match self.wave == wave {
            true => self.entered,
            false => LaneSet::default(),
        }
    }
}

/// The homes of the contracts that some lane has.
#[derive(Debug, Default)]
pub struct Homes(HashMap<ContractId, Home>);

impl Homes {
    /// The home of a contract, if a lane has it.
    pub fn get(&self, contract: &ContractId) -> Option<Home> {
        self.0.get(contract).copied()
    }

    /// The home of a contract, to be changed.
    pub fn entry(&mut self, contract: ContractId) -> &mut Home {
        self.0.entry(contract).or_default()
    }

    /// The contracts that some lane has.
    pub fn iter(&self) -> impl Iterator<Item = (&ContractId, &Home)> {
        self.0.iter()
    }

    /// Forgets a contract.
    pub fn remove(&mut self, contract: &ContractId) {
        self.0.remove(contract);
    }

    /// Whether a lane must be given the contract before it may enter it.
    pub fn lacks(&self, lane: usize, contract: &ContractId) -> bool {
        let home = self.0.get(contract);
        home.is_some_and(|home| home.changed && !home.holders.contains(lane))
    }

    /// Notes that a lane alone has a contract as it is now; gives those that had it too.
    pub fn claim(&mut self, contract: ContractId, lane: usize) -> LaneSet {
        let home = self.entry(contract);
        let before = std::mem::replace(&mut home.holders, LaneSet::one(lane));
        home.changed = true;
        before.without(home.holders)
    }
}
