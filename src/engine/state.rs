//! The state of a running call: live contracts, the stack of frames, and what undoes them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crostata_abi::{ContractId, WASM_PAGE_BYTES};
use wasmtime::{AsContextMut, Global, Instance, ResourceLimiter, Val};

use super::backend::Module;
use super::code::Reentry;
use super::host::Host;
use super::outcome::Fault;
use super::protocol::Protocol;
use crate::memory::{ContractMemory, Savepoint};

/// What the wasmtime store of one top-level call owns.
pub struct State<H: Host> {
    pub host: H,
    pub protocol: Arc<Protocol>,
    pub live: Vec<Live<H>>,
    pub index: HashMap<ContractId, usize>,
    pub frames: Vec<Frame>,
    pub growth: Growth,
}

/// A contract of the call tree: its one instance, over its one memory.
pub struct Live<H: Host> {
    pub contract: ContractId,
    pub module: Arc<Module<H>>,
    pub memory: ContractMemory,
    pub instance: Instance,
    pub linear: wasmtime::Memory,
    pub globals: Vec<Global>,
    pub height: Global,
}

/// A running frame.
pub struct Frame {
    pub live: usize,
    pub limit_gas: u64,
    pub undo: Vec<Undo>,
}

/// What one contract was when a frame started: content, size and globals.
pub struct Undo {
    pub live: usize,
    pub memory: Savepoint,
    pub globals: Vec<Val>,
}

/// Decides about `memory.grow`, and tells the limits of consensus from those of the host.
pub struct Growth {
    pub max_bytes: u64,
    pub failed: bool,
}

impl<H: Host> State<H> {
    pub fn new(host: H, protocol: Arc<Protocol>) -> Self {
        let max_bytes = protocol
            .limits
            .memory_wasm_pages_max
            .saturating_mul(WASM_PAGE_BYTES);
        Self {
            host,
            protocol,
            live: Vec::new(),
            index: HashMap::new(),
            frames: Vec::new(),
            growth: Growth {
                max_bytes,
                failed: false,
            },
        }
    }

    /// The running frame. There is one whenever a contract runs.
    pub fn frame(&self) -> Option<&Frame> {
        self.frames.last()
    }

    /// The contract that runs.
    pub fn running(&self) -> Option<&Live<H>> {
        self.live.get(self.frame()?.live)
    }

    /// The contract that called the running one, if a contract did.
    pub fn caller(&self) -> Option<ContractId> {
        let caller = self.frames.len().checked_sub(2)?;
        Some(self.live.get(self.frames.get(caller)?.live)?.contract)
    }

    /// Whether the re-entry policy of `callee` forbids the running contract to call it.
    pub fn reentry_refused(&self, callee: usize) -> bool {
        let active = self.frames.iter().any(|frame| frame.live == callee);
        let by_itself = self.frame().is_some_and(|frame| frame.live == callee);
        match self.live[callee].module.facts.reentry {
            Reentry::Allowed => false,
            Reentry::SelfOnly => active && !by_itself,
            Reentry::Never => active,
        }
    }

    /// Hands what a successful frame could undo to the frame that called it; the older state wins.
    pub fn merge(&mut self, undo: Vec<Undo>) {
        if let Some(parent) = self.frames.last_mut() {
            for entry in undo {
                if !parent.undo.iter().any(|older| older.live == entry.live) {
                    parent.undo.push(entry);
                }
            }
        }
    }
}

/// Remembers the content and globals of a live contract.
pub fn remember<H: Host>(mut store: impl AsContextMut<Data = State<H>>, live: usize) -> Undo {
    let mut store = store.as_context_mut();
    let globals = store.data().live[live].globals.clone();
    Undo {
        live,
        memory: store.data_mut().live[live].memory.savepoint(),
        globals: globals
            .iter()
            .map(|global| global.get(&mut store))
            .collect(),
    }
}

/// Makes the contracts of `undo` what they were, while frames below may still run on their instances.
pub fn restore<H: Host>(
    mut store: impl AsContextMut<Data = State<H>>,
    undo: &[Undo],
) -> Result<(), Fault> {
    let mut store = store.as_context_mut();
    for entry in undo {
        let live = &mut store.data_mut().live[entry.live];
        let (linear, globals) = (live.linear, live.globals.clone());
        live.memory
            .revert(&entry.memory)
            .map_err(|error| Fault::from("a memory could not be reverted", error))?;
        // Growing by nothing makes suspended code see the size again after it was lowered.
        linear
            .grow(&mut store, 0)
            .map_err(|error| Fault::new(format!("a reverted memory did not settle: {error:#}")))?;
        for (global, value) in globals.iter().zip(&entry.globals) {
            global
                .set(&mut store, *value)
                .map_err(|error| Fault::new(format!("a global did not revert: {error:#}")))?;
        }
    }
    Ok(())
}

impl ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let within = desired as u64 <= self.max_bytes && maximum.is_none_or(|max| desired <= max);
        // A memory that is as large already was accepted under earlier limits.
        Ok(current == 0 || desired <= current || within)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // Only a region's own refusal is an `io::Error`: the host has no memory.
        // Everything else is a limit that the contract may observe as -1.
        if error.is::<io::Error>() {
            self.failed = true;
            return Err(error);
        }
        Ok(())
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
