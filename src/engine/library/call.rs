//! A call of a library: a fresh instance, with the gas that it was given, on a stack of its own.
//!
//! What it spends is exact after it returned; whatever else came of it has spent all that it was given, since fuel is not exact after a trap. Memories
//! and tables are paid for as they are made and grow, beside the fuel: the limiter sees no fuel, so that it keeps a sum of its own, and ends a call whose
//! sum alone is more than it was given.

use crostata_abi::typed::decode;
use crostata_abi::{ARGBUF_LEN, ContractId};
use wasmtime::{AsContextMut, ResourceLimiter, Store, Trap, UpdateDeadline};

use super::chance::chance;
use super::rules::FunctionName;
use super::shelf::{Answer, Function, Library, Shelf};
use crate::engine::outcome::Fault;
use crate::engine::protocol::LibraryRules;
use crate::engine::query::BlockContext;
use crate::engine::supervise::IsOver;

/// What a library may give to the host in one go, in bytes of the host, before that is looked at: the longest answer, or the most bytes that a
/// function of the host takes, each of which is a value of 40 bytes to the engine.
const LIFTED_BYTES_MAX: usize = 192 << 10;

/// What is before the answer of a function that gives a `result`.
const RESULT_TAGS: [u8; 2] = [0, 1];

/// A function that a contract calls.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Which.
    pub name: FunctionName<'a>,
    /// The argument.
    pub argument: &'a [u8],
    /// Who calls.
    pub contract: ContractId,
    /// The session's data, which say what block it is. A witness has them, and no other block.
    pub data: &'a [(&'a str, &'a [u8])],
    /// How many calls of libraries there were before in the call tree.
    pub number: u64,
    /// The gas it may spend.
    pub limit_gas: u64,
    /// Whether the call is to end now, if it is a query's.
    pub is_over: Option<&'a IsOver>,
}

/// The block's time in milliseconds after 1970, 0 without one.
fn time_ms(call: &Call<'_>) -> u64 {
    let mut data = call.data.iter();
    let time = data.find(|(name, _)| *name == BlockContext::TIME);
    time.and_then(|(_, bytes)| decode(bytes).ok()).unwrap_or(0)
}

/// Why a library did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// It spent what it was given.
    OutOfGas,
    /// It trapped, broke a limit, or gave what is too long; for people.
    Trapped(String),
}

/// A call that ended.
pub struct End {
    /// The answer.
    pub result: Result<Vec<u8>, Failed>,
    /// Gas that it spent.
    pub spent_gas: u64,
}

/// What the store of a call owns.
pub struct State {
    /// Milliseconds after 1970, as the block says; 0 without one.
    pub time_ms: u64,
    /// What randomness comes from, for a library that asks for some.
    pub chance: Option<blake3::OutputReader>,
    /// Prices and limits.
    pub rules: LibraryRules,
    limit_gas: u64,
    /// Gas for memories and tables.
    made_gas: u64,
    pages: u64,
    elements: u64,
    /// Whether the component is being made: what it asks for at first it must get.
    is_made: bool,
    /// What the host could not do.
    fault: Option<String>,
}

/// Why the host ends a call.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// It can not pay.
    #[error("out of gas")]
    OutOfGas,
    /// A limit, or a function that is not to be had.
    #[error("{0}")]
    Refused(String),
}

impl Shelf {
    /// Whether there is such a function.
    ///
    /// # Errors
    /// [`Fault`] when its library is listed and was not loaded.
    pub fn has(&self, name: &FunctionName<'_>) -> Result<bool, Fault> {
        if !self.libraries.contains(&name.code) {
            return Ok(false);
        }
        let library = self.library(&name.code);
        let library = library.ok_or_else(|| not_loaded(name))?;
        Ok(library.functions.contains_key(name.function))
    }

    /// The price of calling a function, before its instance does anything.
    pub fn price(&self, name: &FunctionName<'_>, argument_bytes: usize) -> u64 {
        let rules = &self.libraries.rules;
        let instances = self
            .library(&name.code)
            .map_or(0, |library| library.instances);
        let instances = rules.instance.saturating_mul(instances);
        let bytes = rules.byte.saturating_mul(argument_bytes as u64);
        rules
            .call_base
            .saturating_add(instances)
            .saturating_add(bytes)
    }

    /// The price of taking an answer.
    pub fn answer_price(&self, answer_bytes: usize) -> u64 {
        self.libraries
            .rules
            .byte
            .saturating_mul(answer_bytes as u64)
    }

    /// Calls a function.
    ///
    /// # Errors
    /// [`Fault`] when the host can not.
    pub fn call(&self, call: &Call<'_>) -> Result<End, Fault> {
        let library = self.library(&call.name.code);
        let library = library.ok_or_else(|| not_loaded(&call.name))?;
        let function = library.functions.get(call.name.function);
        let function = function.ok_or_else(|| not_loaded(&call.name))?;
        self.on_stack(|| self.run(call, &library, function))?
    }

    fn run(&self, call: &Call<'_>, library: &Library, function: &Function) -> Result<End, Fault> {
        let mut store = Store::new(
            &self.engine,
            State::new(call, library, &self.libraries.rules),
        );
        store.limiter(|state| state);
        store.set_hostcall_fuel(LIFTED_BYTES_MAX);
        store.set_fuel(call.limit_gas).map_err(fault)?;
        self.watch(&mut store, call)?;
        let called = enter(&mut store, library, function, call.argument);
        let left = store.get_fuel().map_err(fault)?;
        let state = store.data();
        if let Some(what) = &state.fault {
            return Err(Fault::new(what.clone()));
        }
        let spent = call.limit_gas.saturating_sub(left);
        let spent = spent.saturating_add(state.made_gas);
        let result = match called {
            Ok(_) if left == 0 || spent >= call.limit_gas => Err(Failed::OutOfGas),
            Ok(answer) if answer.len() > ARGBUF_LEN => {
                let what = format!(
                    "an answer of {} bytes; at most {ARGBUF_LEN} fit",
                    answer.len()
                );
                Err(Failed::Trapped(what))
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(failed(error)?),
        };
        let spent_gas = match result {
            Ok(_) => spent,
            Err(_) => call.limit_gas,
        };
        Ok(End { result, spent_gas })
    }

    /// Has a call end when its query is to end: it looks at the beginning, and whenever the clock moved on.
    fn watch(&self, store: &mut Store<State>, call: &Call<'_>) -> Result<(), Fault> {
        if !self.is_interruptible {
            return Ok(());
        }
        let Some(is_over) = call.is_over.cloned() else {
            // The sum with the epochs so far must not overflow.
            store.set_epoch_deadline(u64::MAX / 2);
            return Ok(());
        };
        store.set_epoch_deadline(1);
        if is_over() {
            return Err(Fault::timeout());
        }
        store.epoch_deadline_callback(move |_| {
            Ok(match is_over() {
                true => UpdateDeadline::Interrupt,
                false => UpdateDeadline::Continue(1),
            })
        });
        Ok(())
    }
}

fn enter(
    store: &mut Store<State>,
    library: &Library,
    function: &Function,
    argument: &[u8],
) -> wasmtime::Result<Vec<u8>> {
    let instance = library.instance.instantiate(&mut *store);
    let instance = instance.map_err(|error| unmade(store, error))?;
    store.data_mut().is_made = true;
    match function.answer {
        Answer::Bytes => {
            let function =
                instance.get_typed_func::<(&[u8],), (Vec<u8>,)>(&mut *store, &function.index)?;
            Ok(function.call(store, (argument,))?.0)
        }
        Answer::Result => {
            let function = instance.get_typed_func::<(&[u8],), (Result<Vec<u8>, Vec<u8>>,)>(
                &mut *store,
                &function.index,
            )?;
            let (tag, mut answer) = match function.call(store, (argument,))?.0 {
                Ok(answer) => (RESULT_TAGS[0], answer),
                Err(answer) => (RESULT_TAGS[1], answer),
            };
            answer.insert(0, tag);
            Ok(answer)
        }
    }
}

/// An instance that could not be made, for another reason than what its code did, is the host's failure.
fn unmade(store: &mut Store<State>, error: wasmtime::Error) -> wasmtime::Error {
    if !error.is::<Trap>() && !error.is::<Ended>() {
        store.data_mut().fault = Some(format!("a library could not be instantiated: {error:#}"));
    }
    error
}

/// What an error is for who called.
fn failed(error: wasmtime::Error) -> Result<Failed, Fault> {
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(Trap::OutOfFuel), _) | (_, Some(Ended::OutOfGas)) => Ok(Failed::OutOfGas),
        // The counter ends recursion long before; how deep it gets here depends on the machine.
        (Some(Trap::StackOverflow), _) => Err(Fault::new("a library used up its native stack")),
        (Some(Trap::Interrupt), _) => Err(Fault::timeout()),
        (Some(trap), _) => Ok(Failed::Trapped(trap.to_string())),
        (_, Some(Ended::Refused(what))) => Ok(Failed::Trapped(what.clone())),
        (None, None) => Ok(Failed::Trapped(format!("{error:#}"))),
    }
}

fn fault(error: wasmtime::Error) -> Fault {
    Fault::new(format!("metering of a library is off: {error:#}"))
}

fn not_loaded(name: &FunctionName<'_>) -> Fault {
    Fault::new(format!("the library {} was not loaded", name.code))
}

/// Takes gas from a library that calls the host.
///
/// # Errors
/// [`Ended::OutOfGas`].
pub fn charge(store: &mut impl AsContextMut<Data = State>, gas: u64) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    let left = store.get_fuel()?;
    match left.checked_sub(gas).filter(|left| *left > 0) {
        Some(left) => store.set_fuel(left),
        None => Err(Ended::OutOfGas.into()),
    }
}

impl State {
    fn new(call: &Call<'_>, library: &Library, rules: &LibraryRules) -> Self {
        Self {
            time_ms: time_ms(call),
            chance: library.draws.then(|| chance(call)),
            rules: rules.clone(),
            limit_gas: call.limit_gas,
            made_gas: 0,
            pages: 0,
            elements: 0,
            is_made: false,
            fault: None,
        }
    }

    /// Pays for what a memory or table is made or grows by.
    fn pay(&mut self, price: u64, more: u64) -> wasmtime::Result<()> {
        self.made_gas = self.made_gas.saturating_add(price.saturating_mul(more));
        match self.made_gas < self.limit_gas {
            true => Ok(()),
            false => Err(Ended::OutOfGas.into()),
        }
    }

    /// What becomes of growth that no limit allows.
    fn refuse(&self, what: &str) -> wasmtime::Result<bool> {
        match self.is_made {
            true => Ok(false),
            false => Err(Ended::Refused(what.to_owned()).into()),
        }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let page = crostata_abi::WASM_PAGE_BYTES;
        let more = desired.saturating_sub(current) as u64 / page;
        let pages = self.pages.saturating_add(more);
        if maximum.is_some_and(|max| desired > max) || pages > self.rules.memory_wasm_pages_max {
            return self.refuse("memories are larger than library.memory_wasm_pages_max allows");
        }
        self.pages = pages;
        self.pay(self.rules.memory_page, more)?;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // What no limit forbids can fail at the host only.
        self.fault = Some(format!("the host has no memory for a library: {error:#}"));
        Err(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let elements = self.elements.saturating_add(more);
        if maximum.is_some_and(|max| desired > max) || elements > self.rules.table_elements_max {
            return self.refuse("tables are larger than library.table_elements_max allows");
        }
        self.elements = elements;
        self.pay(self.rules.table_element, more)?;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.fault = Some(format!("the host has no table for a library: {error:#}"));
        Err(error)
    }
}
