//! A frame: one function of one contract running with its own gas limit, atomic with all its callees.

use crostata_abi::{ARGBUF_LEN, ContractId};
use wasmtime::{AsContext, AsContextMut, StoreContextMut, Val};

use super::abort::Abort;
use super::contracts::{Callable, Place};
use super::enter::{enter, export};
use super::failure::{classify, failure};
use super::host::{FrameEnd, FrameStart, Host};
use super::outcome::{Failure, Fault, Refusal};
use super::probe;
use super::protocol::Schedule;
use super::split::{Purpose, Taken};
use super::state::{Frame, State, open_scope, revert_scope};
use super::touch::touch;
use crate::memory::Access;
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
    place: Place,
    /// Elements of its table, if the contract was brought into the call tree for this frame.
    new_elements: u64,
    function: Callable,
    height: i32,
}

impl Prepared {
    /// What is to be paid, besides, for the instance that was made.
    pub fn instance_gas(&self, schedule: &Schedule) -> u64 {
        schedule.instance_element.saturating_mul(self.new_elements)
    }

    /// Where the contract is.
    pub fn place(&self) -> Place {
        self.place
    }
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
    let Some(height) = height_left(&mut store)? else {
        return Ok(Err(Refusal::Depth { contract }));
    };
    let known = store.data().in_tree(&contract);
    let place = match known {
        Some(place) => place,
        None => match enter(&mut store, contract)? {
            Ok(place) => place,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    let facts = &store.data().contracts[place].module.facts;
    let new_elements = known.map_or(facts.table_elements, |_| 0);
    let admitted = admit(&mut store, request, place)?;
    Ok(admitted.map(|function| Prepared {
        place,
        new_elements,
        function,
        height,
    }))
}

/// What the stack counter leaves for another frame, if anything, or if the depth allows one at all.
fn height_left<H: Host>(store: &mut StoreContextMut<'_, State<H>>) -> Result<Option<i32>, Fault> {
    let state = store.data();
    let limits = &state.protocol.limits;
    if state.frames.len() as u64 >= limits.call_depth_max {
        return Ok(None);
    }
    let Some(frame) = state.frame() else {
        return Ok(i32::try_from(state.protocol.code.stack_height_limit).ok());
    };
    let price = i32::try_from(limits.call_stack_bytes).ok();
    let caller = frame.place;
    let left = height(store, caller)?;
    let left = price.and_then(|price| left.checked_sub(price));
    Ok(left.filter(|left| *left > 0))
}

/// The stack counter of a contract.
pub fn height<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
) -> Result<i32, Fault> {
    let global = store.data().live(place)?.height;
    let value = global.get(store).i32();
    value.ok_or_else(|| Fault::new("the stack counter is not an i32"))
}

fn admit<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    request: &Request<'_>,
    place: Place,
) -> Result<Result<Callable, Refusal>, Fault> {
    let contract = request.contract;
    if request.function == INIT && !request.init {
        return Ok(Err(Refusal::Init { contract }));
    }
    let Some(function) = export(store, place, request.function, request.init)? else {
        let function = request.function.to_owned();
        return Ok(Err(Refusal::NoFunction { contract, function }));
    };
    if store.data().reentry_refused(place) {
        return Ok(Err(Refusal::Reentry { contract }));
    }
    let start = start(store.data(), request);
    Ok(match store.data_mut().host.refuse(&start) {
        Some(reason) => Err(Refusal::Hook {
            contract,
            function: request.function.to_owned(),
            reason,
        }),
        None => Ok(function),
    })
}

/// What the host is told of a frame.
pub fn start<'a, H: Host>(state: &State<H>, request: &Request<'a>) -> FrameStart<'a> {
    FrameStart {
        contract: request.contract,
        function: request.function,
        argument: request.argument,
        limit_gas: request.limit_gas,
        caller: state.running().map(|running| running.contract),
    }
}

/// Runs a prepared frame to its end: gas, atomicity and the host's record are settled when it returns.
pub fn run<H: Host>(
    mut store: impl AsContextMut<Data = State<H>>,
    request: &Request<'_>,
    prepared: Prepared,
) -> Result<End, Fault> {
    let mut store = store.as_context_mut();
    let place = prepared.place;
    let start = start(store.data(), request);
    store.data_mut().host.started(&start);
    open_scope(&mut store, place)?;
    store.data_mut().frames.push(Frame {
        place,
        limit_gas: request.limit_gas,
        taken: Taken::default(),
    });
    probe::begin(&mut store, request);
    let outer_height = height(&mut store, place)?;
    set_height(&mut store, place, prepared.height)?;
    let end = execute(&mut store, request, &prepared);
    set_height(&mut store, place, outer_height)?;
    let end = end?;
    probe::end(&mut store, end.spent_gas);
    settle(&mut store, &end)?;
    Ok(end)
}

fn set_height<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
    height: i32,
) -> Result<(), Fault> {
    let global = store.data().live(place)?.height;
    global
        .set(store, Val::I32(height))
        .map_err(|error| Fault::new(format!("the stack counter can not be set: {error:#}")))
}

fn execute<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    request: &Request<'_>,
    prepared: &Prepared,
) -> Result<End, Fault> {
    let (place, limit_gas) = (prepared.place, request.limit_gas);
    let Some(gas) = limit_gas
        .checked_sub(request.start_gas)
        .filter(|gas| *gas > 0)
    else {
        return Ok(failed(request, Outcome::OutOfGas));
    };
    set_fuel(store, gas)?;
    take(store, Purpose::Host, request.start_gas);
    if let Err(abort) = pass_argument(store, place, request.argument) {
        let (code, _) = abort.into_failure()?;
        return Ok(failed(request, code));
    }
    let len = request.argument.len() as i32;
    let returned = prepared.function.call(&mut *store, len);
    if fuel(store)? > limit_gas {
        return Err(Fault::new("the metering gave gas back that was never paid"));
    }
    match returned {
        Ok(len) => succeed(store, request, place, len),
        Err(error) => {
            let failure = classify(store, request, place, error)?;
            let exact = failure.code == Outcome::Panic;
            let left = if exact { fuel(store)? } else { 0 };
            Ok(End {
                result: Err(failure),
                spent_gas: limit_gas - left,
            })
        }
    }
}

/// Puts the argument into the callee's buffer, at the callee's expense.
fn pass_argument<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
    argument: &[u8],
) -> Result<(), Abort> {
    let buffer = store.data().contracts[place].module.facts.argument_buffer;
    touch(store, place, buffer, argument.len() as u64, Access::Write)?;
    let memory = &mut store.data_mut().contracts[place].memory;
    match memory.write(buffer, argument) {
        true => Ok(()),
        false => Err(Fault::new("an argument buffer lies outside of its memory").into()),
    }
}

/// The end of a frame whose function returned: the result is read at its expense, and some gas must be left.
fn succeed<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    request: &Request<'_>,
    place: Place,
    len: i32,
) -> Result<End, Fault> {
    let Some(len) = usize::try_from(len).ok().filter(|len| *len <= ARGBUF_LEN) else {
        return Ok(match fuel(store)? {
            0 => failed(request, Outcome::OutOfGas),
            _ => failed(request, Outcome::ResultOutOfBounds),
        });
    };
    let buffer = store.data().contracts[place].module.facts.argument_buffer;
    if let Err(abort) = touch(store, place, buffer, len as u64, Access::Read) {
        let (code, _) = abort.into_failure()?;
        return Ok(failed(request, code));
    }
    let left = fuel(store)?;
    if left == 0 {
        return Ok(failed(request, Outcome::OutOfGas));
    }
    let mut bytes = vec![0; len];
    match store.data().contracts[place]
        .memory
        .read(buffer, &mut bytes)
    {
        true => Ok(End {
            result: Ok(bytes),
            spent_gas: request.limit_gas - left,
        }),
        false => Err(Fault::new("an argument buffer lies outside of its memory")),
    }
}

/// A failure for which the whole limit is spent.
fn failed(request: &Request<'_>, code: Outcome) -> End {
    End {
        result: Err(failure(request, code)),
        spent_gas: request.limit_gas,
    }
}

/// Pops the frame: keeps its effects for the scope around it to undo, or undoes them.
fn settle<H: Host>(store: &mut StoreContextMut<'_, State<H>>, end: &End) -> Result<(), Fault> {
    let Some(frame) = store.data_mut().frames.pop() else {
        return Err(Fault::new("a frame ended that never started"));
    };
    match &end.result {
        Ok(_) => store.data_mut().release(),
        Err(_) => revert_scope(&mut *store)?,
    }
    store.data_mut().host.ended(&FrameEnd {
        spent_gas: end.spent_gas,
        gas: frame.taken.split(end.spent_gas),
        result: end.result.as_deref(),
    });
    Ok(())
}

/// Notes what the host took from the running frame.
pub fn take<H: Host>(store: &mut StoreContextMut<'_, State<H>>, purpose: Purpose, gas: u64) {
    if let Some(frame) = store.data_mut().frames.last_mut() {
        frame.taken.add(purpose, gas);
    }
    probe::take(store, purpose, gas);
}

/// Gives back to the running frame what the host took and did not do.
pub fn give<H: Host>(store: &mut StoreContextMut<'_, State<H>>, gas: u64) -> Result<(), Fault> {
    let left = fuel(store)?.saturating_add(gas);
    if let Some(frame) = store.data_mut().frames.last_mut() {
        frame.taken.host = frame.taken.host.saturating_sub(gas);
    }
    probe::give(store, gas);
    set_fuel(store, left)
}

/// Gas left to the running frame.
pub fn fuel<H: Host>(store: &StoreContextMut<'_, State<H>>) -> Result<u64, Fault> {
    let raw = store.as_context().get_fuel().map_err(metering)?;
    Ok(probe::left(store.data(), raw))
}

/// Sets the gas left to the running frame.
pub fn set_fuel<H: Host>(store: &mut StoreContextMut<'_, State<H>>, gas: u64) -> Result<(), Fault> {
    let raw = probe::raw(store, gas)?;
    store.set_fuel(raw).map_err(metering)
}

pub fn metering(error: wasmtime::Error) -> Fault {
    Fault::new(format!("metering is off: {error:#}"))
}
