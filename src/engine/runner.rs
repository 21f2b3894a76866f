//! The runner: what runs the calls of one session, one after the other, and undoes them.
//!
//! It keeps every contract's memory, and instances from call to call as long as there are not too many. An instance is
//! as good as new at the start of a top-level call: its only state besides the memory is its globals, which are set to
//! their first values when a call first enters it. The touched pages of argument buffers and shadow stacks are
//! zeroed when a call succeeds.

use std::ops::Range;
use std::sync::Arc;

use crostata_abi::{ARGBUF_LEN, ContractId};
use wasmtime::{AsContextMut, Store};

use super::backend::{Engine, Module};
use super::book::Book;
use super::code::CodeFacts;
use super::contracts::Place;
use super::failure::failure;
use super::frame::{self, Request};
use super::host::{FrameEnd, FrameStart, Host};
use super::kind::ErrorKind;
use super::outcome::{Failure, Fault, Refusal, memory_fault};
use super::probe;
use super::profile::Profile;
use super::split::GasSplit;
use super::stack::CallStack;
use super::state::{Scope, State, revert_scope};
use super::supervise::{Deadline, Supervisor, watch_deadline};
use super::tally::Tally;
use crate::memory::ContractMemory;
use crostata_proof::receipt::Outcome;

/// Instances that a store may hold when a call begins. Stores free instances only all at once.
const INSTANCES_MAX: usize = 512;

/// Runners that are many share this many instances: a process has room for so many mappings only.
const INSTANCES_SHARED_MAX: usize = 4_096;

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

/// What came of a call: it ended, or it could not start, or the host failed.
pub type CallOutcome = Result<Result<Completed, Refusal>, Fault>;

/// Runs calls over the contracts of one session.
pub struct Runner<H: Host> {
    pub(super) engine: Arc<Engine<H>>,
    pub(super) store: Store<State<H>>,
    stack: CallStack,
    /// Instances that the store may hold when a call begins.
    instances_max: usize,
}

impl<H: Host> Runner<H> {
    /// A runner with no contracts yet.
    pub fn new(engine: Arc<Engine<H>>, host: H) -> Self {
        let mut state = State::new(host, engine.protocol().clone());
        state.ledger = engine.ledger();
        #[cfg(feature = "libraries")]
        {
            state.libraries = engine.libraries().cloned();
        }
        Self {
            store: store(&engine, state),
            engine,
            stack: CallStack::default(),
            instances_max: INSTANCES_MAX,
        }
    }

    /// The same runner, one of so many that run at the same time.
    pub fn among(mut self, runners: usize) -> Self {
        self.instances_max = (INSTANCES_SHARED_MAX / runners.max(1)).min(INSTANCES_MAX);
        self
    }

    /// The same runner, with a deadline: calls that run when so many ticks have passed end in a fault of the kind
    /// [`ErrorKind::Timeout`], and so do later ones. Nothing happens unless the engine is interruptible.
    pub fn interrupted_after(self, ticks: u64) -> Self {
        let now = self.engine.ticks().unwrap_or(0);
        self.until(Deadline::Tick(now.saturating_add(ticks)))
    }

    /// The same runner, whose calls end in that fault when the supervisor says so.
    pub fn supervised_by(self, supervisor: Arc<dyn Supervisor>) -> Self {
        self.until(Deadline::Supervised(supervisor))
    }

    fn until(mut self, deadline: Deadline) -> Self {
        self.store.data_mut().deadline = deadline;
        watch_deadline(&self.engine, &mut self.store);
        self
    }

    /// Where the gas of the calls went since this was last asked; `None` without calls, or if the engine's code is not probed.
    pub fn take_profile(&mut self) -> Option<Profile> {
        self.store.data_mut().ledger.as_mut()?.profile()
    }

    /// Sets what is written down of calls so far aside, if anything is.
    pub fn set_profile_aside(&mut self) -> Option<Book> {
        let ledger = self.store.data_mut().ledger.as_mut()?;
        Some(ledger.set_aside())
    }

    /// Goes on with what was set aside; forgets calls since then.
    pub fn go_back_to_profile(&mut self, book: Option<Book>) {
        if let (Some(ledger), Some(book)) = (&mut self.store.data_mut().ledger, book) {
            ledger.go_back(book);
        }
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.store.data().host
    }

    /// The host.
    pub fn host_mut(&mut self) -> &mut H {
        &mut self.store.data_mut().host
    }

    /// The memory of a contract, if a call has entered the contract or it was inserted.
    pub fn memory(&self, contract: &ContractId) -> Option<&ContractMemory> {
        let resident = self.store.data().contracts.get(contract)?;
        Some(&resident.memory)
    }

    /// The memory of a contract, to change it between calls.
    pub fn memory_mut(&mut self, contract: &ContractId) -> Option<&mut ContractMemory> {
        let contracts = &mut self.store.data_mut().contracts;
        let place = contracts.place(contract)?;
        Some(&mut contracts[place].memory)
    }

    /// Adds a contract; gives the place of the one that had its id.
    pub fn insert(&mut self, contract: ContractId, module: Arc<Module<H>>, memory: ContractMemory) {
        let contracts = &mut self.store.data_mut().contracts;
        contracts.insert(contract, module, memory);
    }

    /// Makes the contract at `place` the one that the id names, or none; gives the place it named before.
    pub fn name(&mut self, contract: ContractId, place: Option<Place>) -> Option<Place> {
        self.store.data_mut().contracts.name(contract, place)
    }

    /// Pages that the latest call touched, as the limit on them counts.
    pub fn pages_touched(&self) -> u64 {
        self.store.data().tally.pages()
    }

    /// Opens a scope around the calls that follow. Costs nothing until something is written.
    pub fn savepoint(&mut self) {
        self.store.data_mut().scopes.push(Scope::default());
    }

    /// Ends the innermost scope, keeping what happened in it.
    pub fn release(&mut self) {
        self.store.data_mut().release();
        self.settle();
    }

    /// Ends the innermost scope, undoing what happened in it.
    ///
    /// # Errors
    /// [`Fault`]: what the contracts hold is then unknown.
    pub fn rollback(&mut self) -> Result<(), Fault> {
        let reverted = revert_scope(&mut self.store);
        reverted.inspect_err(|_| self.engine.fail())
    }

    /// Drops contracts that nobody can reach any more, unless a scope may still bring them back.
    pub fn settle(&mut self) {
        let state = self.store.data_mut();
        if state.scopes.is_empty() && state.contracts.has_unreachable() {
            state.leave_tree();
            state.contracts.drop_unreachable();
        }
    }

    /// The contracts of the latest call's tree with the pages it read and wrote, in order of entering. They are
    /// known until the next call, or until contracts are dropped.
    pub fn accesses(&self) -> impl Iterator<Item = (ContractId, &ContractMemory)> {
        let state = self.store.data();
        state.entered.iter().map(|place| {
            let resident = &state.contracts[*place];
            (resident.contract, &resident.memory)
        })
    }

    /// Runs a call to its end.
    pub fn call(self: Box<Self>, call: Call<'_>) -> (Box<Self>, CallOutcome) {
        // Not when a call ends: what it touched is known until the next one.
        let (mut runner, renewed) = match self.store.data().instances > self.instances_max {
            true => {
                let (runner, renewed) = self.renewed();
                (Box::new(runner), renewed)
            }
            false => (self, Ok(())),
        };
        let mut stack = std::mem::take(&mut runner.stack);
        let outcome = renewed.and_then(|()| stack.run(|| runner.run(call)));
        runner.stack = stack;
        let outcome = outcome.and_then(|outcome| outcome);
        if let Err(fault) = &outcome
            && !runner.is_excused(fault)
            && !runner.host().is_tentative()
        {
            runner.engine.fail();
        }
        (runner, outcome)
    }

    /// Whether the host is as good as before. Queries give way to blocks: that there is no room for one says nothing about those.
    fn is_excused(&self, fault: &Fault) -> bool {
        let is_query = self.store.data().deadline.is_query();
        fault.kind() == ErrorKind::Timeout || is_query && fault.is_exhausted()
    }

    fn run(&mut self, call: Call<'_>) -> CallOutcome {
        let ticks = self.engine.ticks();
        let state = self.store.data_mut();
        if state.deadline.has_passed(ticks) {
            return Err(Fault::timeout());
        }
        state.leave_tree();
        state.call += 1;
        state.tally = Tally::default();
        let outcome = self.top_frame(call);
        if matches!(&outcome, Ok(Ok(completed)) if completed.result.is_ok()) {
            clear_leftovers(self.store.data_mut());
        }
        outcome
    }

    /// What a call by the host costs before its first instruction. A contract that does not exist is refused later, and one
    /// that could not be paid for is not looked for.
    fn start_gas(&self, call: &Call<'_>) -> Result<u64, Fault> {
        let schedule = &self.engine.protocol().schedule;
        let argument_bytes = call.argument.len() as u64;
        let argument = schedule.import_byte.saturating_mul(argument_bytes);
        let found = argument.saturating_add(schedule.lookup_base);
        let least_gas = found.saturating_add(schedule.instance_price(0));
        if call.limit_gas <= least_gas {
            return Ok(least_gas);
        }
        let code_bytes = self.host().code_len(&call.contract)?.unwrap_or(0);
        Ok(found.saturating_add(schedule.instance_price(code_bytes)))
    }

    fn top_frame(&mut self, call: Call<'_>) -> CallOutcome {
        if call.argument.len() > ARGBUF_LEN {
            let len_bytes = call.argument.len();
            return Ok(Err(Refusal::ArgumentTooLong { len_bytes }));
        }
        let mut request = Request {
            contract: call.contract,
            function: call.function,
            argument: call.argument,
            limit_gas: call.limit_gas,
            start_gas: self.start_gas(&call)?,
            init: call.init,
        };
        if request.limit_gas <= request.start_gas {
            return Ok(Ok(self.unpaid(&request)));
        }
        let prepared = match frame::prepare(&mut self.store, &request)? {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let table = prepared.instance_gas(&self.engine.protocol().schedule);
        request.start_gas = request.start_gas.saturating_add(table);
        if let Some(supervisor) = self.store.data().deadline.supervisor() {
            supervisor.begins();
        }
        let end = frame::run(&mut self.store, &request, prepared)?;
        Ok(Ok(Completed {
            result: end.result,
            spent_gas: end.spent_gas,
        }))
    }

    /// What comes of a call whose limit does not reach its first instruction: nothing is loaded for it.
    fn unpaid(&mut self, request: &Request<'_>) -> Completed {
        let failure = failure(request, Outcome::OutOfGas);
        let spent_gas = request.limit_gas;
        probe::begin(&mut self.store.as_context_mut(), request);
        probe::end(&mut self.store.as_context_mut(), spent_gas);
        let host = self.host_mut();
        host.started(&FrameStart {
            contract: request.contract,
            function: request.function,
            argument: request.argument,
            limit_gas: request.limit_gas,
            caller: None,
        });
        host.ended(&FrameEnd {
            spent_gas,
            gas: GasSplit {
                host: spent_gas,
                ..GasSplit::default()
            },
            result: Err(&failure),
        });
        Completed {
            result: Err(failure),
            spent_gas,
        }
    }

    /// The same runner with a fresh store: every instance is gone, and memories not used lately are parked.
    fn renewed(self) -> (Self, Result<(), Fault>) {
        let Self {
            engine,
            store: old,
            stack,
            instances_max,
        } = self;
        let mut state = old.into_data();
        state.leave_tree();
        state.instances = 0;
        // Memories keep their address space that were entered last. Of the others only the written pages are kept.
        let parked = state.contracts.drop_instances(instances_max / 2);
        let parked = parked.map_err(|error| memory_fault("a memory could not be parked", error));
        let renewed = Self {
            store: store(&engine, state),
            engine,
            stack,
            instances_max,
        };
        (renewed, parked)
    }
}

fn store<H: Host>(engine: &Arc<Engine<H>>, state: State<H>) -> Store<State<H>> {
    let mut store = Store::new(engine.wasmtime(), state);
    watch_deadline(engine, &mut store);
    store.limiter(|state| state);
    store
}

impl CodeFacts {
    /// The place of a callable export in the list, if hosts and contracts may call a function of this name.
    pub fn export(&self, function: &str) -> Option<usize> {
        let found = self
            .functions
            .binary_search_by(|name| name.as_str().cmp(function));
        found.ok()
    }

    /// The ranges of memory that are zeroed when a top-level call ends: argument buffer and shadow stack.
    pub fn leftovers(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let buffer = self.argument_buffer..self.argument_buffer + ARGBUF_LEN as u64;
        let stack = self
            .stack
            .map(|stack| stack.start..stack.start + stack.len_bytes);
        std::iter::once(buffer).chain(stack)
    }
}

/// Zeroes argument buffers and shadow stacks: what calls leave behind there is not state.
fn clear_leftovers<H: Host>(state: &mut State<H>) {
    for place in &state.entered {
        let resident = &mut state.contracts[*place];
        for leftover in resident.module.facts.leftovers() {
            resident.memory.clear_leftovers(&leftover);
        }
    }
}
