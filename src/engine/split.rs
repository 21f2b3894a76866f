//! What a frame's gas went to, counted where the host takes it.
//!
//! The host adds up what it takes and what callees spend; the rest is the contract's own instructions. Nothing here decides
//! what is taken.

/// What the gas of a frame went to. The four add up to what the frame spent, to the last unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GasSplit {
    /// The contract's own instructions. After a trap or out of gas, what the failure took besides: the frame's whole limit is
    /// spent then.
    pub instructions: u64,
    /// Imports, the bytes that they move, and bringing contracts into the call tree.
    pub host: u64,
    /// Pages touched, bulk operations, growth.
    pub memory: u64,
    /// What callees spent.
    pub calls: u64,
}

impl GasSplit {
    /// The sum.
    pub fn total(&self) -> u64 {
        [self.host, self.memory, self.calls]
            .into_iter()
            .fold(self.instructions, u64::saturating_add)
    }
}

/// What the host takes gas for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Work of an import.
    Host,
    /// Touched pages, bulk operations and growth.
    Memory,
}

/// What was taken from a running frame so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Taken {
    pub host: u64,
    pub memory: u64,
    pub calls: u64,
}

impl Taken {
    /// Adds gas that the host took.
    pub fn add(&mut self, purpose: Purpose, gas: u64) {
        match purpose {
            Purpose::Host => self.host = self.host.saturating_add(gas),
            Purpose::Memory => self.memory = self.memory.saturating_add(gas),
        }
    }

    /// The split of a frame that spent this, callees included.
    pub fn split(&self, spent_gas: u64) -> GasSplit {
        // Each was taken from what was left, so that together they are no more than what was spent.
        let host = self.host.min(spent_gas);
        let memory = self.memory.min(spent_gas - host);
        let calls = self.calls.min(spent_gas - host - memory);
        GasSplit {
            instructions: spent_gas - host - memory - calls,
            host,
            memory,
            calls,
        }
    }
}
