//! The host functions of `env`: pointers checked, work priced before it is done.
//!
//! The table of names and signatures is `crostata_abi::imports`; this file gives each its meaning. `P` is the
//! width of pointers: `i32` in 32-bit contracts, `i64` in 64-bit ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "libraries")]
use std::sync::Arc;

use crostata_abi::{
    ARGBUF_LEN, CONTRACT_ID_BYTES, ContractId, ErrorCode, imports::MODULE, panic_parts,
};
use wasmtime::{AsContextMut, Caller, Linker, Memory, WasmTy};

use super::abort::Abort;
use super::contracts::Place;
use super::frame::{self, Request, fuel, set_fuel};
use super::host::{Answered, Host};
#[cfg(feature = "libraries")]
use super::library::{self, Failed, FunctionName, Shelf};
use super::outcome::{Fault, Refusal};
use super::query::{QueryContext, QueryError};
use super::split::Purpose;
use super::state::State;
use super::touch;
use crate::memory::Access;
use crostata_proof::receipt::Outcome;

/// A pointer or length in memory as WebAssembly passes it.
pub trait Pointer: WasmTy + Copy + Send + 'static {
    /// The address, zero-extended.
    fn address(self) -> u64;
}

impl Pointer for i32 {
    fn address(self) -> u64 {
        u64::from(self as u32)
    }
}

impl Pointer for i64 {
    fn address(self) -> u64 {
        self as u64
    }
}

type Guest<'a, H> = Caller<'a, State<H>>;

/// Defines every import for contracts with pointers of type `P`.
pub fn define<H: Host, P: Pointer>(linker: &mut Linker<State<H>>) -> wasmtime::Result<()> {
    linker
        .func_wrap(MODULE, "c", call::<H, P>)?
        .func_wrap(MODULE, "hq", host_query::<H, P>)?
        .func_wrap(MODULE, "hqa", async_host_query::<H, P>)?
        .func_wrap(MODULE, "hd", session_datum::<H, P>)?
        .func_wrap(MODULE, "emit", emit::<H, P>)?
        .func_wrap(MODULE, "feed", feed::<H>)?
        .func_wrap(MODULE, "caller", caller::<H>)?
        .func_wrap(MODULE, "callstack", callstack::<H>)?
        .func_wrap(MODULE, "limit", limit::<H>)?
        .func_wrap(MODULE, "spent", spent::<H>)?
        .func_wrap(MODULE, "owner", owner::<H, P>)?
        .func_wrap(MODULE, "self_id", self_id::<H>)?
        .func_wrap(MODULE, "panic", panic::<H>)?
        .func_wrap(MODULE, "hdebug", debug::<H>)?;
    touch::define::<H, P>(linker)
}

/// Calls another contract; the result is a length, or an [`ErrorCode`] for the caller to handle.
fn call<H: Host, P: Pointer>(
    mut guest: Guest<'_, H>,
    contract: P,
    name: P,
    name_len: i32,
    arg_len: i32,
    gas_limit: i64,
) -> wasmtime::Result<i32> {
    charge_base(&mut guest, |schedule| {
        schedule.call_base.saturating_add(schedule.failure_base)
    })?;
    let Some((contract, name, argument)) =
        read_call(&mut guest, contract, name, name_len, arg_len)?
    else {
        give_back_failure(&mut guest)?;
        return Ok(ErrorCode::Unknown as i32);
    };
    charge_instance(&mut guest, &contract)?;
    let mut request = Request {
        contract,
        function: &name,
        argument: &argument,
        limit_gas: share(gas_left(&mut guest)?, gas_limit as u64),
        start_gas: 0,
        init: false,
    };
    let prepared = match frame::prepare(&mut guest, &request).map_err(Abort::from)? {
        Ok(prepared) => prepared,
        Err(refusal) => {
            give_back_failure(&mut guest)?;
            refused(&mut guest, &request, &refusal);
            return Ok(refusal_code(&refusal) as i32);
        }
    };
    charge_frame(&mut guest, &prepared)?;
    let remaining = gas_left(&mut guest)?;
    request.limit_gas = share(remaining, gas_limit as u64);
    let end = frame::run(&mut guest, &request, prepared).map_err(Abort::from)?;
    let left = remaining.saturating_sub(end.spent_gas);
    if let Some(frame) = guest.data_mut().frames.last_mut() {
        frame.taken.calls = frame.taken.calls.saturating_add(end.spent_gas);
    }
    set_fuel(&mut guest.as_context_mut(), left).map_err(Abort::from)?;
    if end.result.is_ok() {
        give_back_failure(&mut guest)?;
    }
    deliver(&mut guest, end)
}

/// Takes the price of what a callee's frame needs besides: its table, if it was filled for it, and copies of its globals.
fn charge_frame<H: Host>(
    guest: &mut Guest<'_, H>,
    prepared: &frame::Prepared,
) -> Result<(), Abort> {
    let state = guest.data();
    let schedule = &state.protocol.schedule;
    let facts = &state.contracts[prepared.place()].module.facts;
    let globals = schedule
        .call_global
        .saturating_mul(facts.globals.len() as u64);
    let price = globals.saturating_add(prepared.instance_gas(schedule));
    charge(guest, price)
}

/// Gives back what was taken in case the callee fails, which takes the host longer than a return.
fn give_back_failure<H: Host>(guest: &mut Guest<'_, H>) -> Result<(), Abort> {
    let price = guest.data().protocol.schedule.failure_base;
    Ok(frame::give(&mut guest.as_context_mut(), price)?)
}

/// Tells who watches that a call does not start.
fn refused<H: Host>(guest: &mut Guest<'_, H>, request: &Request<'_>, refusal: &Refusal) {
    let state = guest.data_mut();
    if state.host.is_watched() {
        let start = frame::start(state, request);
        state.host.refused(&start, refusal);
    }
}

/// Takes the price of bringing a contract into the call tree before it is loaded, whether or not it then starts.
fn charge_instance<H: Host>(guest: &mut Guest<'_, H>, contract: &ContractId) -> Result<(), Abort> {
    if guest.data().in_tree(contract).is_some() {
        return Ok(());
    }
    charge_lookup(guest)?;
    let state = guest.data();
    match state.host.code_len(contract).map_err(Abort::from)? {
        Some(code_bytes) => {
            let price = state.protocol.schedule.instance_price(code_bytes);
            charge(guest, price)
        }
        None => Ok(()),
    }
}

fn charge_lookup<H: Host>(guest: &mut Guest<'_, H>) -> Result<(), Abort> {
    let price = guest.data().protocol.schedule.lookup_base;
    charge(guest, price)
}

/// Gas for a callee: what was asked for if that is less than what remains, else all but one sixty-fourth.
fn share(remaining: u64, asked: u64) -> u64 {
    if asked == 0 || asked >= remaining {
        remaining - remaining / 64
    } else {
        asked
    }
}

/// Reads what `c` was given; `None` for a bad pointer, length or name, which `c` reports and does not trap.
fn read_call<H: Host, P: Pointer>(
    guest: &mut Guest<'_, H>,
    contract: P,
    name: P,
    name_len: i32,
    arg_len: i32,
) -> Result<Option<(ContractId, String, Vec<u8>)>, Abort> {
    let name_max = guest.data().protocol.limits.name_bytes_max;
    let (Some(name_len), Some(arg_len)) = (
        length(name_len, name_max as usize),
        length(arg_len, ARGBUF_LEN),
    ) else {
        return Ok(None);
    };
    charge_bytes(guest, CONTRACT_ID_BYTES + name_len + arg_len)?;
    let buffer = buffer(guest)?;
    let id = take(guest, contract.address(), CONTRACT_ID_BYTES)?;
    let text = take(guest, name.address(), name_len)?;
    let argument = take(guest, buffer, arg_len)?;
    let id = id.and_then(contract_id);
    let name = text.and_then(|text| String::from_utf8(text).ok());
    Ok(match (id, name, argument) {
        (Some(id), Some(name), Some(argument)) => Some((id, name, argument)),
        _ => None,
    })
}

fn contract_id(bytes: Vec<u8>) -> Option<ContractId> {
    let bytes: [u8; CONTRACT_ID_BYTES] = bytes.try_into().ok()?;
    Some(ContractId::from_bytes(bytes))
}

fn refusal_code(refusal: &Refusal) -> ErrorCode {
    match refusal {
        Refusal::NoContract { .. } => ErrorCode::DoesNotExist,
        _ => ErrorCode::Unknown,
    }
}

/// Gives the caller the callee's result, or what it may know of its failure.
fn deliver<H: Host>(guest: &mut Guest<'_, H>, end: frame::End) -> wasmtime::Result<i32> {
    match end.result {
        Ok(bytes) => Ok(put(guest, &bytes)?),
        Err(failure) => match failure.code {
            Outcome::Panic => {
                put(guest, &panic_parts(&failure.message))?;
                Ok(ErrorCode::Panic as i32)
            }
            Outcome::OutOfGas => Ok(ErrorCode::OutOfGas as i32),
            _ => Ok(ErrorCode::Unknown as i32),
        },
    }
}

fn host_query<H: Host, P: Pointer>(
    mut guest: Guest<'_, H>,
    name: P,
    name_len: i32,
    arg_len: i32,
) -> wasmtime::Result<i32> {
    let (name, argument) = read_question(&mut guest, name, name_len, arg_len)?;
    #[cfg(feature = "libraries")]
    if let Some(shelf) = library_shelf(&guest, &name) {
        return library_call(guest, &shelf, &name, &argument);
    }
    let query = guest.data().host.query(&name);
    let query = query.ok_or_else(|| Abort::misuse(format!("there is no host query `{name}`")))?;
    let price = |context: &QueryContext<'_>, argument: &[u8]| query.price(context, argument);
    put_question(guest, &name, &argument, price, |context, argument| {
        Some(query.answer(context, argument))
    })
}

/// The libraries, if that is what a name asks for. Under a protocol without any it asks for a host query.
#[cfg(feature = "libraries")]
fn library_shelf<H: Host>(guest: &Guest<'_, H>, name: &str) -> Option<Arc<Shelf>> {
    let shelf = guest.data().libraries.as_ref()?;
    FunctionName::is_reserved(name).then(|| shelf.clone())
}

/// Calls a function of a library, with all but one sixty-fourth of the gas that is left. What fails it fails the contract.
#[cfg(feature = "libraries")]
fn library_call<H: Host>(
    mut guest: Guest<'_, H>,
    shelf: &Shelf,
    name: &str,
    argument: &Ready,
) -> wasmtime::Result<i32> {
    let unknown = || Abort::misuse(format!("there is no function of a library `{name}`"));
    let function = FunctionName::parse(name).ok_or_else(unknown)?;
    if !shelf.has(&function).map_err(Abort::from)? {
        return Err(unknown().into());
    }
    let price = shelf.price(&function, argument.len);
    charge(&mut guest, price)?;
    let number = guest.data().tally.library_calls;
    guest.data_mut().tally.library_calls += 1;
    let limit_gas = share(gas_left(&mut guest)?, 0);
    let data: Vec<_> = guest.data().host.data().collect();
    let end = shelf.call(&library::Call {
        name: function,
        argument: argument.bytes(&guest)?,
        contract: running_contract(&guest)?,
        data: &data,
        number,
        limit_gas,
        is_over: guest.data().is_over.as_ref(),
    });
    let end = end.map_err(Abort::from)?;
    charge(&mut guest, end.spent_gas)?;
    let answer = end.result.map_err(|failed| match failed {
        Failed::OutOfGas => Abort::OutOfGas,
        Failed::Trapped(what) => Abort::misuse(format!("`{name}`: {what}")),
    })?;
    charge(&mut guest, shelf.answer_price(answer.len()))?;
    let answer = Ok(answer);
    if guest.data().host.is_watched() {
        let price = price.saturating_add(end.spent_gas);
        tell_answer(&mut guest, name, argument, price, &answer)?;
    }
    deliver_answer(&mut guest, name, answer)
}

/// A host query whose answer takes its time. Only queries have somebody who waits for it.
fn async_host_query<H: Host, P: Pointer>(
    mut guest: Guest<'_, H>,
    name: P,
    name_len: i32,
    arg_len: i32,
) -> wasmtime::Result<i32> {
    let (name, argument) = read_question(&mut guest, name, name_len, arg_len)?;
    let supervisor = guest.data().deadline.supervisor().cloned();
    let query = supervisor.as_ref().and_then(|one| one.query(&name));
    let (Some(supervisor), Some(query)) = (supervisor, query) else {
        let what = format!("there is no asynchronous host query `{name}`");
        return Err(Abort::misuse(what).into());
    };
    let price = |context: &QueryContext<'_>, argument: &[u8]| query.price(context, argument);
    put_question(guest, &name, &argument, price, |context, argument| {
        supervisor.wait(query.answer(context, argument))
    })
}

/// Takes the price of asking anything, and has the name of what is asked and the argument ready.
fn read_question<H: Host, P: Pointer>(
    guest: &mut Guest<'_, H>,
    name: P,
    name_len: i32,
    arg_len: i32,
) -> Result<(String, Ready), Abort> {
    charge_base(guest, |schedule| schedule.query_base)?;
    let name = read_name(guest, name, name_len)?;
    let argument = ready_buffer(guest, arg_len)?;
    Ok((name, argument))
}

/// Takes a query's price, and delivers its answer; one that does not come in time is `None`.
fn put_question<H: Host>(
    mut guest: Guest<'_, H>,
    name: &str,
    argument: &Ready,
    price: impl FnOnce(&QueryContext<'_>, &[u8]) -> u64,
    answer: impl FnOnce(&QueryContext<'_>, &[u8]) -> Option<Result<Vec<u8>, QueryError>>,
) -> wasmtime::Result<i32> {
    let price_gas = ask(&guest, name, argument, price)?;
    charge(&mut guest, price_gas)?;
    let answer = ask(&guest, name, argument, answer)?;
    let answer = answer.ok_or_else(|| Abort::from(Fault::timeout()))?;
    if guest.data().host.is_watched() {
        tell_answer(&mut guest, name, argument, price_gas, &answer)?;
    }
    deliver_answer(&mut guest, name, answer)
}

fn deliver_answer<H: Host>(
    guest: &mut Guest<'_, H>,
    name: &str,
    answer: Result<Vec<u8>, QueryError>,
) -> wasmtime::Result<i32> {
    let answer = answer.map_err(|error| Abort::misuse(format!("host query `{name}`: {error}")))?;
    if answer.len() > ARGBUF_LEN {
        let what = format!("host query `{name}` answered {} bytes", answer.len());
        return Err(Abort::from(Fault::new(what)).into());
    }
    Ok(put(guest, &answer)?)
}

/// Bytes of the running contract's memory that were paid for and are loaded.
struct Ready {
    linear: Memory,
    address: u64,
    len: usize,
}

impl Ready {
    /// The bytes where they lie. The contract stands still while they are borrowed.
    fn bytes<'a, H: Host>(&self, guest: &'a Guest<'_, H>) -> Result<&'a [u8], Abort> {
        let start = usize::try_from(self.address).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(self.len)?));
        let bytes = range.and_then(|range| self.linear.data(guest).get(range));
        bytes.ok_or_else(|| Fault::new("an argument buffer lies outside of its memory").into())
    }
}

/// Pays for the beginning of the running contract's argument buffer, and has it loaded.
fn ready_buffer<H: Host>(guest: &mut Guest<'_, H>, len: i32) -> Result<Ready, Abort> {
    let len = checked_length(len, ARGBUF_LEN)?;
    charge_bytes(guest, len)?;
    let address = buffer(guest)?;
    let place = ready(guest, address, len)?.ok_or_else(|| outside(address, len))?;
    let linear = guest.data().live(place)?.linear;
    Ok(Ready {
        linear,
        address,
        len,
    })
}

/// Lets a query see what is asked. Its panic is a fault of the host, not the end of the process.
fn ask<H: Host, T>(
    guest: &Guest<'_, H>,
    name: &str,
    argument: &Ready,
    run: impl FnOnce(&QueryContext<'_>, &[u8]) -> T,
) -> Result<T, Abort> {
    let argument = argument.bytes(guest)?;
    let block = guest.data().host.block();
    let context = QueryContext::new(name, running_contract(guest)?, block);
    catch_unwind(AssertUnwindSafe(|| run(&context, argument)))
        .map_err(|_| Fault::new(format!("host query `{name}` panicked")).into())
}

/// Tells who watches what a query answered.
fn tell_answer<H: Host>(
    guest: &mut Guest<'_, H>,
    name: &str,
    argument: &Ready,
    price_gas: u64,
    answer: &Result<Vec<u8>, QueryError>,
) -> Result<(), Abort> {
    let argument = argument.bytes(guest)?.to_vec();
    guest.data_mut().host.answered(&Answered {
        name,
        argument: &argument,
        price_gas,
        answer: answer.as_deref(),
    });
    Ok(())
}

fn session_datum<H: Host, P: Pointer>(
    mut guest: Guest<'_, H>,
    name: P,
    name_len: i32,
) -> wasmtime::Result<i32> {
    charge_base(&mut guest, |schedule| schedule.query_base)?;
    let name = read_name(&mut guest, name, name_len)?;
    guest.data_mut().host.read_datum(&name);
    let datum = guest.data().host.datum(&name).unwrap_or(&[]).to_vec();
    Ok(put(&mut guest, &datum)?)
}

fn emit<H: Host, P: Pointer>(
    mut guest: Guest<'_, H>,
    topic: P,
    topic_len: i32,
    arg_len: i32,
) -> wasmtime::Result<()> {
    charge_base(&mut guest, |schedule| schedule.event_base)?;
    let name_max = guest.data().protocol.limits.name_bytes_max as usize;
    let stored = checked_length(topic_len, name_max)? + checked_length(arg_len, ARGBUF_LEN)?;
    charge_stored(&mut guest, stored)?;
    let state = guest.data_mut();
    state.tally.event(&state.protocol.limits, stored)?;
    let topic = read_name(&mut guest, topic, topic_len)?;
    let data = read_buffer(&mut guest, arg_len)?;
    let source = running_contract(&guest)?;
    guest.data_mut().host.emit(source, topic, data);
    Ok(())
}

fn feed<H: Host>(mut guest: Guest<'_, H>, arg_len: i32) -> wasmtime::Result<()> {
    charge_base(&mut guest, |schedule| schedule.event_base)?;
    let stored = checked_length(arg_len, ARGBUF_LEN)?;
    charge_stored(&mut guest, stored)?;
    let state = guest.data_mut();
    state.tally.feed(&state.protocol.limits, stored)?;
    let bytes = read_buffer(&mut guest, arg_len)?;
    match guest.data_mut().host.feed(bytes) {
        true => Ok(()),
        false => Err(Abort::FeedRefused.into()),
    }
}

fn caller<H: Host>(mut guest: Guest<'_, H>) -> wasmtime::Result<i32> {
    charge_base(&mut guest, |_| 0)?;
    match guest.data().caller() {
        None => Ok(0),
        Some(id) => {
            put(&mut guest, id.as_bytes())?;
            Ok(1)
        }
    }
}

fn callstack<H: Host>(mut guest: Guest<'_, H>) -> wasmtime::Result<i32> {
    charge_base(&mut guest, |_| 0)?;
    let state = guest.data();
    let callers = state.frames.iter().rev().skip(1);
    let ids: Vec<ContractId> = callers
        .map(|frame| state.contracts[frame.place].contract)
        .collect();
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_bytes()).collect();
    put(&mut guest, &bytes)?;
    Ok(ids.len() as i32)
}

fn limit<H: Host>(mut guest: Guest<'_, H>) -> wasmtime::Result<i64> {
    charge_base(&mut guest, |_| 0)?;
    Ok(frame_limit(&guest)? as i64)
}

fn spent<H: Host>(mut guest: Guest<'_, H>) -> wasmtime::Result<i64> {
    charge_base(&mut guest, |_| 0)?;
    let left = gas_left(&mut guest)?;
    Ok(frame_limit(&guest)?.saturating_sub(left) as i64)
}

fn owner<H: Host, P: Pointer>(mut guest: Guest<'_, H>, contract: P) -> wasmtime::Result<i32> {
    charge_base(&mut guest, |schedule| schedule.query_base)?;
    let id = match contract.address() {
        0 => running_contract(&guest)?,
        address => {
            charge_lookup(&mut guest)?;
            let id = take(&mut guest, address, CONTRACT_ID_BYTES)?;
            let id = id.and_then(contract_id);
            id.ok_or_else(|| Abort::misuse("`owner`: the contract id lies outside of the memory"))?
        }
    };
    let owner = guest.data().host.owner(&id).map_err(Abort::from)?;
    Ok(put(&mut guest, &owner.unwrap_or_default())?)
}

fn self_id<H: Host>(mut guest: Guest<'_, H>) -> wasmtime::Result<()> {
    charge_base(&mut guest, |_| 0)?;
    let id = running_contract(&guest)?;
    put(&mut guest, id.as_bytes())?;
    Ok(())
}

fn panic<H: Host>(mut guest: Guest<'_, H>, len: i32) -> wasmtime::Result<()> {
    charge_base(&mut guest, |_| 0)?;
    let mut message = read_buffer(&mut guest, len)?;
    message.truncate(crostata_abi::ContractError::MESSAGE_MAX_BYTES);
    Err(Abort::Panic(message).into())
}

fn debug<H: Host>(mut guest: Guest<'_, H>, len: i32) -> wasmtime::Result<()> {
    charge_base(&mut guest, |_| 0)?;
    let message = read_buffer(&mut guest, len)?;
    let contract = running_contract(&guest)?;
    guest.data_mut().host.debug(contract, &message);
    Ok(())
}

fn running<H: Host>(guest: &Guest<'_, H>) -> Result<Place, Abort> {
    let frame = guest.data().frame();
    let frame = frame.ok_or_else(|| Fault::new("an import was called outside of a frame"))?;
    Ok(frame.place)
}

fn running_contract<H: Host>(guest: &Guest<'_, H>) -> Result<ContractId, Abort> {
    Ok(guest.data().contracts[running(guest)?].contract)
}

/// Address of the running contract's argument buffer.
fn buffer<H: Host>(guest: &Guest<'_, H>) -> Result<u64, Abort> {
    let facts = &guest.data().contracts[running(guest)?].module.facts;
    Ok(facts.argument_buffer)
}

fn frame_limit<H: Host>(guest: &Guest<'_, H>) -> Result<u64, Abort> {
    let frame = guest.data().frame();
    let frame = frame.ok_or_else(|| Fault::new("an import was called outside of a frame"))?;
    Ok(frame.limit_gas)
}

fn gas_left<H: Host>(guest: &mut Guest<'_, H>) -> Result<u64, Abort> {
    Ok(fuel(&guest.as_context_mut())?)
}

fn charge<H: Host>(guest: &mut Guest<'_, H>, gas: u64) -> Result<(), Abort> {
    touch::charge(&mut guest.as_context_mut(), gas, Purpose::Host)
}

fn charge_base<H: Host>(
    guest: &mut Guest<'_, H>,
    extra: impl FnOnce(&super::protocol::Schedule) -> u64,
) -> Result<(), Abort> {
    let schedule = &guest.data().protocol.schedule;
    let price = schedule.import_base.saturating_add(extra(schedule));
    charge(guest, price)
}

fn charge_bytes<H: Host>(guest: &mut Guest<'_, H>, bytes: usize) -> Result<(), Abort> {
    let price = guest.data().protocol.schedule.import_byte;
    charge(guest, price.saturating_mul(bytes as u64))
}

/// Takes the price of bytes that the host keeps for the embedder.
fn charge_stored<H: Host>(guest: &mut Guest<'_, H>, bytes: usize) -> Result<(), Abort> {
    let price = guest.data().protocol.schedule.event_byte;
    charge(guest, price.saturating_mul(bytes as u64))
}

/// A length in range, or the misuse that it is.
fn checked_length(len: i32, max: usize) -> Result<usize, Abort> {
    length(len, max).ok_or_else(|| {
        Abort::misuse(format!(
            "a length of {len} bytes; at most {max} are allowed"
        ))
    })
}

/// A length that WebAssembly passed, if it is in range.
fn length(len: i32, max: usize) -> Option<usize> {
    usize::try_from(len).ok().filter(|len| *len <= max)
}

fn read_name<H: Host, P: Pointer>(
    guest: &mut Guest<'_, H>,
    address: P,
    len: i32,
) -> Result<String, Abort> {
    let max = guest.data().protocol.limits.name_bytes_max as usize;
    let bytes = read(guest, address.address(), len, max)?;
    String::from_utf8(bytes).map_err(|_| Abort::misuse("a name is not UTF-8"))
}

fn read_buffer<H: Host>(guest: &mut Guest<'_, H>, len: i32) -> Result<Vec<u8>, Abort> {
    let buffer = buffer(guest)?;
    read(guest, buffer, len, ARGBUF_LEN)
}

fn read<H: Host>(
    guest: &mut Guest<'_, H>,
    address: u64,
    len: i32,
    max: usize,
) -> Result<Vec<u8>, Abort> {
    let wanted = checked_length(len, max)?;
    charge_bytes(guest, wanted)?;
    take(guest, address, wanted)?.ok_or_else(|| outside(address, wanted))
}

fn outside(address: u64, len: usize) -> Abort {
    Abort::Misuse(format!(
        "{len} bytes at {address:#x} lie outside of the memory"
    ))
}

/// Pays for the pages of bytes of the running contract's memory, and has them loaded; `None` if they lie outside of it.
fn ready<H: Host>(
    guest: &mut Guest<'_, H>,
    address: u64,
    len: usize,
) -> Result<Option<Place>, Abort> {
    let place = running(guest)?;
    let size = guest.data().contracts[place].memory.size_bytes() as u64;
    let end = address.checked_add(len as u64);
    if end.is_none_or(|end| end > size) {
        return Ok(None);
    }
    let mut store = guest.as_context_mut();
    touch::touch(&mut store, place, address, len as u64, Access::Read)?;
    Ok(Some(place))
}

/// Copies bytes out of the running contract's memory, whose pages it pays for; `None` if they lie outside of it.
fn take<H: Host>(
    guest: &mut Guest<'_, H>,
    address: u64,
    len: usize,
) -> Result<Option<Vec<u8>>, Abort> {
    let Some(place) = ready(guest, address, len)? else {
        return Ok(None);
    };
    let mut bytes = vec![0; len];
    let read = guest.data().contracts[place]
        .memory
        .read(address, &mut bytes);
    Ok(read.then_some(bytes))
}

/// Puts bytes into the running contract's buffer and gives their number.
fn put<H: Host>(guest: &mut Guest<'_, H>, bytes: &[u8]) -> Result<i32, Abort> {
    charge_bytes(guest, bytes.len())?;
    let (place, buffer) = (running(guest)?, buffer(guest)?);
    let mut store = guest.as_context_mut();
    touch::touch(&mut store, place, buffer, bytes.len() as u64, Access::Write)?;
    match store.data_mut().contracts[place]
        .memory
        .write(buffer, bytes)
    {
        true => Ok(bytes.len() as i32),
        false => Err(Fault::new("an argument buffer lies outside of its memory").into()),
    }
}
