//! What probes call, and how the engine keeps the gas of a profiled session.

use wasmtime::{Caller, Linker, StoreContextMut, Trap};

use super::code::TOUCH_MODULE;
use super::frame::{Request, metering};
use super::host::Host;
use super::ledger::Ledger;
use super::outcome::Fault;
use super::split::Purpose;
use super::state::State;

type Guest<'a, H> = Caller<'a, State<H>>;

/// Defines what probes call.
pub fn define<H: Host>(linker: &mut Linker<State<H>>) -> wasmtime::Result<()> {
    linker
        .func_wrap(TOUCH_MODULE, "enter", enter::<H>)?
        .func_wrap(TOUCH_MODULE, "leave", leave::<H>)?
        .func_wrap(TOUCH_MODULE, "piece", piece::<H>)?
        .func_wrap(TOUCH_MODULE, "turn", turn::<H>)?
        .func_wrap(TOUCH_MODULE, "look", look::<H>)?
        .func_wrap(TOUCH_MODULE, "before", before::<H>)?
        .func_wrap(TOUCH_MODULE, "after", after::<H>)?;
    Ok(())
}

fn enter<H: Host>(mut guest: Guest<'_, H>, function: i32, offset: i32) -> wasmtime::Result<()> {
    let raw = guest.get_fuel()?;
    let (function, offset) = (function.cast_unsigned(), offset.cast_unsigned());
    or_out_of_gas(ledger(&mut guest)?.enter(raw, function, offset))
}

fn leave<H: Host>(mut guest: Guest<'_, H>) -> wasmtime::Result<()> {
    let raw = guest.get_fuel()?;
    ledger(&mut guest)?.leave(raw);
    Ok(())
}

fn piece<H: Host>(mut guest: Guest<'_, H>, offset: i32) -> wasmtime::Result<()> {
    let raw = guest.get_fuel()?;
    ledger(&mut guest)?.piece(raw, offset.cast_unsigned());
    Ok(())
}

fn turn<H: Host>(mut guest: Guest<'_, H>, offset: i32) -> wasmtime::Result<()> {
    let raw = guest.get_fuel()?;
    or_out_of_gas(ledger(&mut guest)?.turn(raw, offset.cast_unsigned()))
}

fn look<H: Host>(mut guest: Guest<'_, H>) -> wasmtime::Result<()> {
    let raw = guest.get_fuel()?;
    or_out_of_gas(ledger(&mut guest)?.look(raw))
}

fn before<H: Host>(mut guest: Guest<'_, H>) -> wasmtime::Result<()> {
    let raw = guest.get_fuel()?;
    let raw = ledger(&mut guest)?.before(raw);
    guest.set_fuel(raw)
}

fn after<H: Host>(mut guest: Guest<'_, H>, which: i32) -> wasmtime::Result<()> {
    let raw = ledger(&mut guest)?.after(which);
    guest.set_fuel(raw)
}

/// Ends the frame as the engine does where it finds no gas left.
fn or_out_of_gas(has_gas: bool) -> wasmtime::Result<()> {
    match has_gas {
        true => Ok(()),
        false => Err(Trap::OutOfFuel.into()),
    }
}

fn ledger<'a, H: Host>(guest: &'a mut Guest<'_, H>) -> wasmtime::Result<&'a mut Ledger> {
    let ledger = guest.data_mut().ledger.as_deref_mut();
    ledger.ok_or_else(|| wasmtime::Error::msg("a probe was called without a ledger"))
}

/// What the engine's counter, at `raw`, says is left.
pub fn left<H: Host>(state: &State<H>, raw: u64) -> u64 {
    match &state.ledger {
        None => raw,
        Some(ledger) => ledger.left(raw),
    }
}

/// What the engine's counter has to be for so much to be left.
pub fn raw<H: Host>(store: &mut StoreContextMut<'_, State<H>>, gas: u64) -> Result<u64, Fault> {
    if store.data().ledger.is_none() {
        return Ok(gas);
    }
    let raw = store.get_fuel().map_err(metering)?;
    let ledger = store.data_mut().ledger.as_deref_mut();
    Ok(ledger.map_or(gas, |ledger| ledger.set(raw, gas)))
}

/// Tells the ledger, if there is one.
fn tell<H: Host>(store: &mut StoreContextMut<'_, State<H>>, what: impl FnOnce(&mut Ledger, u64)) {
    if store.data().ledger.is_none() {
        return;
    }
    // Every engine counts.
    let Ok(raw) = store.get_fuel() else {
        return;
    };
    if let Some(ledger) = store.data_mut().ledger.as_deref_mut() {
        what(ledger, raw);
    }
}

/// The host takes gas from the running frame.
pub fn take<H: Host>(store: &mut StoreContextMut<'_, State<H>>, purpose: Purpose, gas: u64) {
    tell(store, |ledger, raw| ledger.take(raw, purpose, gas));
}

/// The host gives gas back that it took for its own work.
pub fn give<H: Host>(store: &mut StoreContextMut<'_, State<H>>, gas: u64) {
    tell(store, |ledger, raw| ledger.give(raw, gas));
}

/// The frame of a contract begins.
pub fn begin<H: Host>(store: &mut StoreContextMut<'_, State<H>>, request: &Request<'_>) {
    if store.data().ledger.is_none() {
        return;
    }
    let code = store.data().host.code_hash(&request.contract);
    tell(store, |ledger, raw| {
        let (function, limit_gas) = (request.function, request.limit_gas);
        ledger.begin(raw, request.contract, code, function, limit_gas);
    });
}

/// The innermost frame ended.
pub fn end<H: Host>(store: &mut StoreContextMut<'_, State<H>>, spent_gas: u64) {
    tell(store, |ledger, raw| ledger.end(raw, spent_gas));
}
