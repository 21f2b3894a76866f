//! The state of a runner: its contracts, the stack of frames, and the scopes that undo them.

use std::io;
use std::sync::Arc;

use crostata_abi::{ContractId, WASM_PAGE_BYTES};
use wasmtime::{AsContextMut, ResourceLimiter, Val};

use super::code::Reentry;
use super::contracts::{Contracts, Live, Place, Resident};
use super::host::Host;
use super::ledger::Ledger;
use super::outcome::{Fault, memory_fault};
use super::protocol::Protocol;
use super::split::Taken;
use super::supervise::Deadline;
use super::tally::Tally;
use super::warm::WarmPages;
use crate::memory::Copies;

/// What the wasmtime store of a runner owns.
pub struct State<H: Host> {
    pub host: H,
    pub protocol: Arc<Protocol>,
    pub contracts: Contracts<H>,
    /// The number of the running top-level call.
    pub call: u64,
    /// The contracts of its call tree, in order of entering. What it touched stays known until the next call.
    pub entered: Vec<Place>,
    pub frames: Vec<Frame>,
    /// One scope for each session savepoint, then one for each frame.
    pub scopes: Vec<Scope>,
    pub copies: Copies,
    /// The host had no memory for a contract to grow.
    pub growth_failed: bool,
    /// What the running call has used of the limits on a call tree.
    pub tally: Tally,
    pub warm: WarmPages,
    /// Instances made in the store, which keeps them until it goes itself.
    pub instances: usize,
    /// Failures below the outermost frame of the running call tree.
    pub caught_backtraces: u32,
    /// Keeps the gas of a profiled session.
    pub ledger: Option<Box<Ledger>>,
    /// When calls end that do not end by themselves.
    pub deadline: Deadline,
    /// The protocol's libraries, if it lists any.
    #[cfg(feature = "libraries")]
    pub libraries: Option<Arc<super::library::Shelf>>,
    /// Whether the running call of a query is to end now.
    #[cfg(feature = "libraries")]
    pub is_over: Option<super::supervise::IsOver>,
}

/// A running frame.
pub struct Frame {
    pub place: Place,
    pub limit_gas: u64,
    /// What the host took from it so far.
    pub taken: Taken,
}

/// What happened since a moment that can be returned to.
#[derive(Default)]
pub struct Scope {
    undo: Vec<Undo>,
}

/// A contract that a scope holds a savepoint of, with its globals then. Scopes between calls need no
/// globals: those are fresh in each call.
struct Undo {
    place: Place,
    /// The next scope outwards that can undo the contract, counted from 1; 0 for none.
    outer: usize,
    globals: Vec<Val>,
}

impl<H: Host> State<H> {
    pub fn new(host: H, protocol: Arc<Protocol>) -> Self {
        Self {
            host,
            protocol,
            contracts: Contracts::default(),
            call: 0,
            entered: Vec::new(),
            frames: Vec::new(),
            scopes: Vec::new(),
            copies: Copies::default(),
            growth_failed: false,
            tally: Tally::default(),
            warm: WarmPages::default(),
            instances: 0,
            caught_backtraces: 0,
            ledger: None,
            deadline: Deadline::Never,
            #[cfg(feature = "libraries")]
            libraries: None,
            #[cfg(feature = "libraries")]
            is_over: None,
        }
    }

    /// The running frame. There is one whenever a contract runs.
    pub fn frame(&self) -> Option<&Frame> {
        self.frames.last()
    }

    /// The contract that runs.
    pub fn running(&self) -> Option<&Resident<H>> {
        Some(&self.contracts[self.frame()?.place])
    }

    /// The contract that called the running one, if a contract did.
    pub fn caller(&self) -> Option<ContractId> {
        let caller = self.frames.len().checked_sub(2)?;
        Some(self.contracts[self.frames.get(caller)?.place].contract)
    }

    /// The contract's place, if the running call tree has entered it.
    pub fn in_tree(&self, contract: &ContractId) -> Option<Place> {
        let place = self.contracts.place(contract)?;
        (self.contracts[place].call == self.call).then_some(place)
    }

    /// The live instance of a contract of the call tree.
    pub fn live(&self, place: Place) -> Result<&Live, Fault> {
        let live = self.contracts[place].live.as_ref();
        live.ok_or_else(|| Fault::new("a contract of the call tree has no instance"))
    }

    /// Whether the re-entry policy of `callee` forbids the running contract to call it.
    pub fn reentry_refused(&self, callee: Place) -> bool {
        let active = self.frames.iter().any(|frame| frame.place == callee);
        let by_itself = self.frame().is_some_and(|frame| frame.place == callee);
        match self.contracts[callee].module.facts.reentry {
            Reentry::Allowed => false,
            Reentry::SelfOnly => active && !by_itself,
            Reentry::Never => active,
        }
    }

    /// Whether the call tree's memories may take so many bytes more.
    fn has_room(&self, more_bytes: u64) -> bool {
        let pages_max = self.protocol.limits.call_memory_wasm_pages_max;
        let sizes = self.entered.iter();
        let sizes = sizes.map(|place| self.contracts[*place].memory.size_bytes() as u64);
        let total = sizes.fold(more_bytes, u64::saturating_add);
        total <= pages_max.saturating_mul(WASM_PAGE_BYTES)
    }

    /// Whether the limits let the running contract's memory grow by so many pages. The memory's own maximum is another matter.
    pub fn may_grow(&self, wasm_pages: u64) -> bool {
        let size = self
            .running()
            .map_or(0, |running| running.memory.size_bytes() as u64);
        let more = wasm_pages.checked_mul(WASM_PAGE_BYTES);
        let desired = more.and_then(|more| size.checked_add(more));
        desired.is_some_and(|desired| self.may_reach(size, desired))
    }

    fn may_reach(&self, current_bytes: u64, desired_bytes: u64) -> bool {
        let pages_max = self.protocol.limits.memory_wasm_pages_max;
        desired_bytes <= pages_max.saturating_mul(WASM_PAGE_BYTES)
            && self.has_room(desired_bytes - current_bytes)
    }

    /// Whether the call tree may take in a contract with a memory as large as the one at `place`.
    pub fn has_room_for(&self, place: Place) -> bool {
        self.has_room(self.contracts[place].memory.size_bytes() as u64)
    }

    /// Lets the pages that were touched just now at `place` be warm, and as many others get cold.
    pub fn settle_warm(&mut self, place: Place) {
        let pages_max = self.protocol.limits.warm_pages_max;
        for at in 0..self.contracts[place].memory.warmed().len() {
            let page = self.contracts[place].memory.warmed()[at];
            if let Some((colder, page)) = self.warm.push(place, page, pages_max) {
                self.contracts[colder].memory.chill(page);
            }
        }
        self.contracts[place].memory.clear_warmed();
    }

    /// Ends all scopes and keeps what happened in them.
    pub fn keep_all(&mut self) {
        for scope in std::mem::take(&mut self.scopes) {
            for undo in scope.undo {
                let resident = &mut self.contracts[undo.place];
                resident.scope = 0;
                resident.memory.keep_all(&mut self.copies);
            }
        }
    }

    /// Forgets what the latest call touched: the next one pays anew.
    pub fn leave_tree(&mut self) {
        for place in &self.entered {
            self.contracts[*place].memory.end_call();
        }
        self.entered.clear();
        self.warm.clear();
        self.caught_backtraces = 0;
    }

    /// Ends the innermost scope and keeps what happened in it, for the scope around it to undo.
    pub fn release(&mut self) {
        let Some(scope) = self.scopes.pop() else {
            return;
        };
        let outer = self.scopes.len();
        for undo in scope.undo {
            let resident = &mut self.contracts[undo.place];
            resident.scope = outer;
            match self.scopes.last_mut() {
                Some(scope) if undo.outer != outer => scope.undo.push(undo),
                _ => resident.memory.release(&mut self.copies),
            }
        }
    }
}

/// Opens a scope in which `place` is the first contract that may change.
pub fn open_scope<H: Host>(
    mut store: impl AsContextMut<Data = State<H>>,
    place: Place,
) -> Result<(), Fault> {
    let mut store = store.as_context_mut();
    let handles = store.data().live(place)?.globals.clone();
    let globals = handles
        .iter()
        .map(|global| global.get(&mut store))
        .collect();
    let state = store.data_mut();
    let resident = &mut state.contracts[place];
    resident.memory.savepoint();
    let outer = std::mem::replace(&mut resident.scope, state.scopes.len() + 1);
    state.scopes.push(Scope {
        undo: vec![Undo {
            place,
            outer,
            globals,
        }],
    });
    Ok(())
}

/// Ends the innermost scope and makes everything what it was when the scope was opened, while frames below may
/// still run on the instances concerned.
pub fn revert_scope<H: Host>(mut store: impl AsContextMut<Data = State<H>>) -> Result<(), Fault> {
    let mut store = store.as_context_mut();
    let Some(scope) = store.data_mut().scopes.pop() else {
        return Err(Fault::new("a scope ended that was never opened"));
    };
    // The latest first: contracts entered later may have been made later.
    for undo in scope.undo.iter().rev() {
        let state = store.data_mut();
        let resident = &mut state.contracts[undo.place];
        resident.scope = undo.outer;
        resident
            .memory
            .revert(&mut state.copies)
            .map_err(|error| memory_fault("a memory could not be reverted", error))?;
        if state.contracts[undo.place].live.is_some() {
            settle_instance(&mut store, undo)?;
        }
    }
    Ok(())
}

/// Makes the instance of a contract, if there is one, see the size of its memory again.
pub fn settle_size<H: Host>(
    mut store: impl AsContextMut<Data = State<H>>,
    place: Place,
) -> Result<(), Fault> {
    let mut store = store.as_context_mut();
    let Some(live) = &store.data().contracts[place].live else {
        return Ok(());
    };
    let linear = live.linear;
    // Growing by nothing does so, also for suspended code after the size was lowered.
    let grown = linear.grow(&mut store, 0);
    grown.map_err(|error| Fault::new(format!("a memory's size did not settle: {error:#}")))?;
    Ok(())
}

fn settle_instance<H: Host>(
    mut store: impl AsContextMut<Data = State<H>>,
    undo: &Undo,
) -> Result<(), Fault> {
    let mut store = store.as_context_mut();
    settle_size(&mut store, undo.place)?;
    let globals = store.data().live(undo.place)?.globals.clone();
    for (global, value) in globals.iter().zip(&undo.globals) {
        global
            .set(&mut store, *value)
            .map_err(|error| Fault::new(format!("a global did not revert: {error:#}")))?;
    }
    Ok(())
}

/// Decides about `memory.grow`, and tells the limits of consensus from those of the host.
impl<H: Host> ResourceLimiter for State<H> {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A memory that is as large already was accepted under earlier limits.
        if current == 0 || desired <= current {
            return Ok(true);
        }
        let within = maximum.is_none_or(|max| desired <= max);
        Ok(within && self.may_reach(current as u64, desired as u64))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // Only a region's own refusal is an `io::Error`: the host has no memory.
        // Everything else is a limit that the contract may observe as -1.
        if error.is::<io::Error>() {
            self.growth_failed = true;
            return Err(error);
        }
        Ok(())
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
