//! A frame: one function of one contract running with its own gas limit, atomic with all its callees.

use std::fmt::{self, Write};

use crostata_abi::{ARGBUF_LEN, ContractId};
use wasmtime::{AsContext, AsContextMut, StoreContextMut, Trap, TypedFunc, Val, WasmBacktrace};

use super::abort::Abort;
use super::host::{FrameEnd, FrameStart, Host, Loaded};
use super::outcome::{Failure, Fault, Refusal};
use super::state::{Frame, Live, State, remember, restore};
use crate::region::hand_over;
use crostata_proof::receipt::Outcome;

/// The name of the constructor.
const INIT: &str = "init";

/// A frame that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub contract: ContractId,
    pub function: &'a str,
    pub argument: &'a [u8],
    pub limit_gas: u64,
    /// Gas that the frame spends before its first instruction.
    pub start_gas: u64,
    pub init: bool,
}

/// A frame that may start.
pub struct Prepared {
    live: usize,
    function: TypedFunc<i32, i32>,
    height: i32,
}

/// A frame that ended.
pub struct End {
    pub result: Result<Vec<u8>, Failure>,
    pub spent_gas: u64,
}

/// Loads the contract and decides whether the frame may start. A refusal changes nothing and costs nothing here.
pub fn prepare<H: Host>(
    mut store: impl AsContextMut<Data = State<H>>,
    request: &Request<'_>,
) -> Result<Result<Prepared, Refusal>, Fault> {
    let mut store = store.as_context_mut();
    let contract = request.contract;
    let Some(height) = height_left(&mut store) else {
        return Ok(Err(Refusal::Depth { contract }));
    };
    let known = store.data().index.get(&contract).copied();
    let live = match known {
        Some(live) => live,
        None => match instantiate(&mut store, contract)? {
            Ok(live) => live,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    Ok(admit(&mut store, request, live).map(|function| Prepared {
        live,
        function,
        height,
    }))
}

/// What the stack counter leaves for another frame, if anything, or if the depth allows one at all.
fn height_left<H: Host>(store: &mut StoreContextMut<'_, State<H>>) -> Option<i32> {
    let protocol = store.data().protocol.clone();
    if store.data().frames.len() as u64 >= protocol.limits.call_depth_max {
        return None;
    }
    let Some(caller) = store.data().running() else {
        return i32::try_from(protocol.code.stack_height_limit).ok();
    };
    let global = caller.height;
    let Val::I32(left) = global.get(&mut *store) else {
        return None;
    };
    let price = i32::try_from(protocol.limits.call_stack_bytes).ok()?;
    left.checked_sub(price).filter(|left| *left > 0)
}

fn admit<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    request: &Request<'_>,
    live: usize,
) -> Result<TypedFunc<i32, i32>, Refusal> {
    let contract = request.contract;
    if request.function == INIT && !request.init {
        return Err(Refusal::Init { contract });
    }
    let Some(function) = export(store, live, request) else {
        let function = request.function.to_owned();
        return Err(Refusal::NoFunction { contract, function });
    };
    if store.data().reentry_refused(live) {
        return Err(Refusal::Reentry { contract });
    }
    let start = start(store.data(), request);
    match store.data_mut().host.refuse(&start) {
        Some(reason) => Err(Refusal::Hook {
            contract,
            function: request.function.to_owned(),
            reason,
        }),
        None => Ok(function),
    }
}

fn export<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    live: usize,
    request: &Request<'_>,
) -> Option<TypedFunc<i32, i32>> {
    let contract = &store.data().live[live];
    let callable = request.init || contract.module.facts.exports(request.function);
    let instance = contract.instance;
    if !callable {
        return None;
    }
    instance.get_typed_func(&mut *store, request.function).ok()
}

fn start<'a, H: Host>(state: &State<H>, request: &Request<'a>) -> FrameStart<'a> {
    FrameStart {
        contract: request.contract,
        function: request.function,
        argument: request.argument,
        limit_gas: request.limit_gas,
        caller: state.running().map(|live| live.contract),
    }
}

/// Brings a contract into the call tree.
fn instantiate<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    contract: ContractId,
) -> Result<Result<usize, Refusal>, Fault> {
    if store.data().live.len() as u64 >= store.data().protocol.limits.instances_max {
        return Ok(Err(Refusal::Instances { contract }));
    }
    let Some(loaded) = store.data_mut().host.load(&contract)? else {
        return Ok(Err(Refusal::NoContract { contract }));
    };
    hand_over(Some(loaded.memory.region()));
    let instance = loaded.module.instance.instantiate(&mut *store);
    hand_over(None);
    let parts = instance.and_then(|instance| resolve(store, &loaded, instance));
    let Loaded { module, memory } = loaded;
    let (instance, linear, globals, height) = match parts {
        Ok(parts) => parts,
        Err(error) => {
            store.data_mut().host.put_back(contract, memory);
            let what = format!("contract {contract} could not be instantiated: {error:#}");
            return Err(Fault::new(what));
        }
    };
    let state = store.data_mut();
    state.live.push(Live {
        contract,
        module,
        memory,
        instance,
        linear,
        globals,
        height,
    });
    let live = state.live.len() - 1;
    state.index.insert(contract, live);
    Ok(Ok(live))
}

type Parts = (
    wasmtime::Instance,
    wasmtime::Memory,
    Vec<wasmtime::Global>,
    wasmtime::Global,
);

fn resolve<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    loaded: &Loaded<H>,
    instance: wasmtime::Instance,
) -> wasmtime::Result<Parts> {
    let facts = &loaded.module.facts;
    let missing = || wasmtime::Error::msg("the rewritten module lacks an export");
    let linear = instance
        .get_memory(&mut *store, "memory")
        .ok_or_else(missing)?;
    let mut global = |name: &str| instance.get_global(&mut *store, name).ok_or_else(missing);
    let height = global(&facts.height_global)?;
    let globals = facts
        .globals
        .iter()
        .map(|name| global(name))
        .collect::<Result<_, _>>()?;
    Ok((instance, linear, globals, height))
}

/// Runs a prepared frame to its end: gas, atomicity and the host's record are settled when it returns.
pub fn run<H: Host>(
    mut store: impl AsContextMut<Data = State<H>>,
    request: &Request<'_>,
    prepared: Prepared,
) -> Result<End, Fault> {
    let mut store = store.as_context_mut();
    let live = prepared.live;
    let start = start(store.data(), request);
    store.data_mut().host.started(&start);
    let undo = remember(&mut store, live);
    store.data_mut().frames.push(Frame {
        live,
        limit_gas: request.limit_gas,
        undo: vec![undo],
    });
    let outer_height = swap_height(&mut store, live, prepared.height)?;
    let end = execute(&mut store, request, &prepared);
    swap_height(&mut store, live, outer_height)?;
    let end = end?;
    settle(&mut store, &end)?;
    Ok(end)
}

fn swap_height<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    live: usize,
    height: i32,
) -> Result<i32, Fault> {
    let global = store.data().live[live].height;
    let Val::I32(before) = global.get(&mut *store) else {
        return Err(Fault::new("the stack counter is not an i32"));
    };
    global
        .set(store, Val::I32(height))
        .map_err(|error| Fault::new(format!("the stack counter can not be set: {error:#}")))?;
    Ok(before)
}

fn execute<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    request: &Request<'_>,
    prepared: &Prepared,
) -> Result<End, Fault> {
    let live = prepared.live;
    let limit_gas = request.limit_gas;
    let failed = |code, spent_gas| End {
        result: Err(failure(request, code)),
        spent_gas,
    };
    if request.start_gas >= limit_gas {
        return Ok(failed(Outcome::OutOfGas, limit_gas));
    }
    let contract = &mut store.data_mut().live[live];
    let buffer = contract.module.facts.argument_buffer;
    if !contract.memory.write(buffer, request.argument) {
        return Err(Fault::new("an argument buffer lies outside of its memory"));
    }
    set_fuel(store, limit_gas - request.start_gas)?;
    let returned = prepared
        .function
        .call(&mut *store, request.argument.len() as i32);
    let left = fuel(store)?;
    if left > limit_gas {
        return Err(Fault::new("the metering gave gas back that was never paid"));
    }
    match returned {
        Ok(_) if left == 0 => Ok(failed(Outcome::OutOfGas, limit_gas)),
        Ok(len) => Ok(match read_result(store.data(), live, len) {
            Some(bytes) => End {
                result: Ok(bytes),
                spent_gas: limit_gas - left,
            },
            None => failed(Outcome::ResultOutOfBounds, limit_gas),
        }),
        Err(error) => {
            let failure = classify(store, request, live, error)?;
            let exact = failure.code == Outcome::Panic;
            let spent_gas = if exact { limit_gas - left } else { limit_gas };
            Ok(End {
                result: Err(failure),
                spent_gas,
            })
        }
    }
}

fn read_result<H: Host>(state: &State<H>, live: usize, len: i32) -> Option<Vec<u8>> {
    let len = usize::try_from(len).ok().filter(|len| *len <= ARGBUF_LEN)?;
    let contract = &state.live[live];
    let mut bytes = vec![0; len];
    contract
        .memory
        .read(contract.module.facts.argument_buffer, &mut bytes)
        .then_some(bytes)
}

/// Pops the frame: keeps its effects in the frame below, or undoes them.
fn settle<H: Host>(store: &mut StoreContextMut<'_, State<H>>, end: &End) -> Result<(), Fault> {
    let Some(frame) = store.data_mut().frames.pop() else {
        return Err(Fault::new("a frame ended that never started"));
    };
    match &end.result {
        Ok(_) => store.data_mut().merge(frame.undo),
        Err(_) => restore(&mut *store, &frame.undo)?,
    }
    store.data_mut().host.ended(&FrameEnd {
        spent_gas: end.spent_gas,
        failure: end.result.as_ref().err(),
    });
    Ok(())
}

fn failure(request: &Request<'_>, code: Outcome) -> Failure {
    Failure {
        code,
        contract: request.contract,
        function: request.function.to_owned(),
        message: Vec::new(),
        backtrace: Vec::new(),
    }
}

/// Tells the contract's failures from the host's, by type and never by text.
fn classify<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    request: &Request<'_>,
    live: usize,
    error: wasmtime::Error,
) -> Result<Failure, Fault> {
    if store.data().growth.failed {
        return Err(Fault::new("the host has no memory for a contract to grow"));
    }
    let backtrace = backtrace(&error);
    let (code, message) = match error.downcast::<Abort>() {
        Ok(abort) => abort.into_failure()?,
        Err(error) => match error.downcast_ref::<Trap>() {
            Some(trap) => (trap_code(store, live, *trap)?, Vec::new()),
            None => return Err(Fault::new(format!("unexpected engine error: {error:#}"))),
        },
    };
    Ok(Failure {
        message,
        backtrace,
        ..failure(request, code)
    })
}

fn trap_code<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    live: usize,
    trap: Trap,
) -> Result<Outcome, Fault> {
    Ok(match trap {
        Trap::OutOfFuel => Outcome::OutOfGas,
        Trap::UnreachableCodeReached if stack_exhausted(store, live) => Outcome::StackExhausted,
        Trap::UnreachableCodeReached => Outcome::Unreachable,
        Trap::MemoryOutOfBounds => Outcome::MemoryOutOfBounds,
        Trap::IntegerDivisionByZero => Outcome::DivideByZero,
        Trap::IntegerOverflow => Outcome::IntegerOverflow,
        Trap::BadConversionToInteger => Outcome::BadConversionToInteger,
        Trap::TableOutOfBounds => Outcome::TableOutOfBounds,
        Trap::IndirectCallToNull => Outcome::IndirectCallToNull,
        Trap::BadSignature => Outcome::BadSignature,
        // The stack counter keeps far away from the native limit: this is the host's fault.
        Trap::StackOverflow => return Err(Fault::new("the native stack overflowed")),
        _ => Outcome::OtherTrap,
    })
}

/// The rewriter leaves the counter negative where it ends a function for lack of stack.
fn stack_exhausted<H: Host>(store: &mut StoreContextMut<'_, State<H>>, live: usize) -> bool {
    let global = store.data().live[live].height;
    matches!(global.get(&mut *store), Val::I32(height) if height < 0)
}

/// Bytes of a function's name that a backtrace shows.
const NAME_BYTES_MAX: usize = 128;

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    trace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => shown(name),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}

/// A function's name, demangled and cut: names are the contract's, and must not fill the host's memory.
fn shown(name: &str) -> String {
    let mut text = Cut(String::new());
    if name.len() > 4 * NAME_BYTES_MAX {
        let _ = write!(text, "{name}");
    } else {
        // An error only says that the text was cut.
        let _ = write!(text, "{:#}", rustc_demangle::demangle(name));
    }
    text.0
}

/// A text that stops growing.
struct Cut(String);

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= NAME_BYTES_MAX {
                return Err(fmt::Error);
            }
            self.0.push(character);
        }
        Ok(())
    }
}

/// Gas left to the running frame.
pub fn fuel<H: Host>(store: &StoreContextMut<'_, State<H>>) -> Result<u64, Fault> {
    store
        .as_context()
        .get_fuel()
        .map_err(|error| Fault::new(format!("metering is off: {error:#}")))
}

/// Sets the gas left to the running frame.
pub fn set_fuel<H: Host>(store: &mut StoreContextMut<'_, State<H>>, gas: u64) -> Result<(), Fault> {
    store
        .set_fuel(gas)
        .map_err(|error| Fault::new(format!("metering is off: {error:#}")))
}
