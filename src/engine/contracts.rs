//! The contracts of a session as the engine holds them: code, memory, and the live instance if there is one.
//!
//! Contracts are named by their place in an arena. A place stays what it is while a scope may still undo
//! something in it; contracts that nobody can reach any more go when no scope is open.

use std::collections::HashMap;
use std::sync::Arc;

use crostata_abi::ContractId;
use wasmtime::{Global, Instance, Memory, TypedFunc, Val};

use super::backend::Module;
use super::host::Host;
use crate::memory::{ContractMemory, MemoryError};

/// A place in [`Contracts`].
pub type Place = usize;

/// A function that hosts and contracts may call.
pub type Callable = Arc<TypedFunc<i32, i32>>;

/// A contract that the session has touched.
pub struct Resident<H: Host> {
    pub contract: ContractId,
    pub module: Arc<Module<H>>,
    pub memory: ContractMemory,
    pub live: Option<Live>,
    /// The top-level call that entered it last, 0 for none.
    pub call: u64,
    /// The innermost scope that can undo it, counted from 1; 0 for none.
    pub scope: usize,
    /// Whether its memory is not up to date: another runner ran the contract since.
    pub stale: bool,
    /// The wave that entered it last, 0 for none.
    pub wave: u64,
    /// The time between waves in which it was last entered, 0 for none.
    pub rest: u64,
}

/// A contract's instance in the store.
pub struct Live {
    pub instance: Instance,
    pub linear: Memory,
    /// The contract's mutable globals.
    pub globals: Vec<Global>,
    /// What these are after instantiation.
    pub initial: Vec<Val>,
    /// The stack counter.
    pub height: Global,
    /// The callable exports by their place in the module's list, resolved at first use.
    pub functions: Vec<Option<Callable>>,
}

/// The arena.
pub struct Contracts<H: Host> {
    residents: Vec<Resident<H>>,
    places: HashMap<ContractId, Place>,
    /// Places whose contract nobody can reach by its id any more.
    unreachable: Vec<Place>,
}

impl<H: Host> Default for Contracts<H> {
    fn default() -> Self {
        Self {
            residents: Vec::new(),
            places: HashMap::new(),
            unreachable: Vec::new(),
        }
    }
}

impl<H: Host> std::ops::Index<Place> for Contracts<H> {
    type Output = Resident<H>;

    fn index(&self, place: Place) -> &Resident<H> {
        &self.residents[place]
    }
}

impl<H: Host> std::ops::IndexMut<Place> for Contracts<H> {
    fn index_mut(&mut self, place: Place) -> &mut Resident<H> {
        &mut self.residents[place]
    }
}

impl<H: Host> Contracts<H> {
    /// Where the contract with this id is.
    pub fn place(&self, contract: &ContractId) -> Option<Place> {
        self.places.get(contract).copied()
    }

    /// The contract with this id.
    pub fn get(&self, contract: &ContractId) -> Option<&Resident<H>> {
        self.place(contract).map(|place| &self.residents[place])
    }

    /// Adds a contract, which takes the place of any other with its id.
    pub fn insert(
        &mut self,
        contract: ContractId,
        module: Arc<Module<H>>,
        memory: ContractMemory,
    ) -> Place {
        let place = self.residents.len();
        self.residents.push(Resident {
            contract,
            module,
            memory,
            live: None,
            call: 0,
            scope: 0,
            stale: false,
            wave: 0,
            rest: 0,
        });
        self.name(contract, Some(place));
        place
    }

    /// Makes `place` the contract that `contract` names, or none; gives the place it named before.
    pub fn name(&mut self, contract: ContractId, place: Option<Place>) -> Option<Place> {
        let before = match place {
            Some(place) => {
                self.residents[place].contract = contract;
                self.unreachable.retain(|other| *other != place);
                self.places.insert(contract, place)
            }
            None => self.places.remove(&contract),
        };
        if let Some(before) = before.filter(|before| Some(*before) != place) {
            self.unreachable.push(before);
        }
        before
    }

    /// Whether there is something that nobody can reach.
    pub fn has_unreachable(&self) -> bool {
        !self.unreachable.is_empty()
    }

    /// Drops what nobody can reach. Moves contracts to other places: only while no scope names one.
    pub fn drop_unreachable(&mut self) {
        let mut gone = std::mem::take(&mut self.unreachable);
        // From the last on, so that what moves into a gap is never itself to go.
        gone.sort_unstable();
        for place in gone.into_iter().rev() {
            self.remove(place);
        }
    }

    /// Drops the contract at `place`; the last contract moves there.
    pub fn remove(&mut self, place: Place) {
        let gone = self.residents.swap_remove(place);
        if self.places.get(&gone.contract) == Some(&place) {
            self.places.remove(&gone.contract);
        }
        let last = self.residents.len();
        if let Some(moved) = self.residents.get(place)
            && self.places.get(&moved.contract) == Some(&last)
        {
            self.places.insert(moved.contract, place);
        }
    }

    /// Forgets the instances, and parks all memories but the `mapped_max` entered last.
    ///
    /// # Errors
    /// [`MemoryError`] when a memory can not be parked.
    pub fn drop_instances(&mut self, mapped_max: usize) -> Result<(), MemoryError> {
        let mut latest: Vec<u64> = self.residents.iter().map(|one| one.call).collect();
        latest.sort_unstable_by(|one, other| other.cmp(one));
        let mapped_since = latest.get(mapped_max).copied().unwrap_or(0);
        for resident in &mut self.residents {
            resident.live = None;
            if resident.call <= mapped_since {
                resident.memory.park()?;
            }
        }
        Ok(())
    }
}
