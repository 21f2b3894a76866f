//! A top-level call: one store, the tree of frames in it, and the leftovers cleared at the end.

use std::ops::Range;
use std::sync::Arc;

use crostata_abi::{ARGBUF_LEN, ContractId};
use wasmtime::Store;

use super::backend::{Engine, NATIVE_STACK_BYTES};
use super::code::CodeFacts;
use super::frame::{self, Request};
use super::host::Host;
use super::outcome::{Failure, Fault, Refusal};
use super::state::State;

/// Stack that must be free on the calling thread; a thread that has less runs the call on a fresh stack.
const RED_ZONE_BYTES: usize = NATIVE_STACK_BYTES + (512 << 10);
const FRESH_STACK_BYTES: usize = RED_ZONE_BYTES + (512 << 10);

/// A call from the host into a contract.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The contract.
    pub contract: ContractId,
    /// The exported function.
    pub function: &'a str,
    /// The argument's bytes.
    pub argument: &'a [u8],
    /// The gas limit.
    pub limit_gas: u64,
    /// Whether this is the constructor, which nothing else may call.
    pub init: bool,
}

/// A call that started.
#[derive(Debug)]
pub struct Completed {
    /// The result's bytes, or why there are none.
    pub result: Result<Vec<u8>, Failure>,
    /// Gas spent, callees included.
    pub spent_gas: u64,
}

/// A call that ended, with the host given back.
pub struct Ended<H> {
    /// The host, holding its memories again.
    pub host: H,
    /// What came of the call.
    pub outcome: Result<Result<Completed, Refusal>, Fault>,
}

impl<H: Host> Engine<H> {
    /// Runs a call to its end. Whatever fails, the host comes back with all memories.
    pub fn call(self: &Arc<Self>, host: H, call: Call<'_>) -> Ended<H> {
        stacker::maybe_grow(RED_ZONE_BYTES, FRESH_STACK_BYTES, || self.run(host, call))
    }

    fn run(&self, host: H, call: Call<'_>) -> Ended<H> {
        let state = State::new(host, self.protocol().clone());
        let mut store = Store::new(self.wasmtime(), state);
        store.limiter(|state| &mut state.growth);
        let outcome = self.top_frame(&mut store, call);
        let mut state = store.into_data();
        if matches!(&outcome, Ok(Ok(completed)) if completed.result.is_ok()) {
            clear_leftovers(&mut state);
        }
        for live in state.live.drain(..) {
            state.host.put_back(live.contract, live.memory);
        }
        Ended {
            host: state.host,
            outcome,
        }
    }

    /// What a call by the host costs before its first instruction.
    fn start_gas(&self, argument: &[u8]) -> u64 {
        let schedule = &self.protocol().schedule;
        schedule
            .import_byte
            .saturating_mul(argument.len() as u64)
            .saturating_add(schedule.instance_base)
    }

    fn top_frame(
        &self,
        store: &mut Store<State<H>>,
        call: Call<'_>,
    ) -> Result<Result<Completed, Refusal>, Fault> {
        if call.argument.len() > ARGBUF_LEN {
            let len_bytes = call.argument.len();
            return Ok(Err(Refusal::ArgumentTooLong { len_bytes }));
        }
        let request = Request {
            contract: call.contract,
            function: call.function,
            argument: call.argument,
            limit_gas: call.limit_gas,
            start_gas: self.start_gas(call.argument),
            init: call.init,
        };
        let prepared = match frame::prepare(&mut *store, &request)? {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let end = frame::run(&mut *store, &request, prepared)?;
        Ok(Ok(Completed {
            result: end.result,
            spent_gas: end.spent_gas,
        }))
    }
}

impl CodeFacts {
    /// Whether hosts and contracts may call this function.
    pub fn exports(&self, function: &str) -> bool {
        self.functions
            .binary_search_by(|name| name.as_str().cmp(function))
            .is_ok()
    }

    /// The ranges of memory that are zeroed when a top-level call ends: argument buffer and shadow stack.
    pub fn leftovers(&self) -> impl Iterator<Item = Range<u64>> {
        let buffer = self.argument_buffer..self.argument_buffer + ARGBUF_LEN as u64;
        let stack = self
            .stack
            .map(|stack| stack.start..stack.start + stack.len_bytes);
        std::iter::once(buffer).chain(stack)
    }
}

/// Zeroes argument buffers and shadow stacks: what calls leave behind there is not state.
fn clear_leftovers<H: Host>(state: &mut State<H>) {
    for live in &mut state.live {
        for leftover in live.module.facts.leftovers() {
            live.memory.clear_written(&leftover);
        }
    }
}
