//! The touch rule: in each top-level call, a page is paid for before its first read and its first write, by the
//! frame that makes the access, whoever moves the bytes: the contract, or the host for it.
//!
//! The rewriter finds out inside WebAssembly which accesses are paid already; only those that are not come here. What
//! is charged depends on the contract's accesses alone, never on what this machine has loaded or cached.

use wasmtime::{AsContextMut, Caller, Linker, StoreContextMut, Trap};

use super::abort::Abort;
use super::code::TOUCH_MODULE;
use super::contracts::Place;
use super::frame::{fuel, set_fuel, take};
use super::host::Host;
use super::imports::Pointer;
use super::outcome::{Fault, memory_fault};
use super::protocol::Schedule;
use super::split::Purpose;
use super::state::State;
use crate::memory::{Access, Touch};

/// Defines what rewritten code calls before accesses that are not paid yet.
pub fn define<H: Host, P: Pointer>(linker: &mut Linker<State<H>>) -> wasmtime::Result<()> {
    linker
        .func_wrap(TOUCH_MODULE, "read", read::<H, P>)?
        .func_wrap(TOUCH_MODULE, "write", write::<H, P>)?
        .func_wrap(TOUCH_MODULE, "copy", copy::<H, P>)?
        .func_wrap(TOUCH_MODULE, "fill", fill::<H, P>)?
        .func_wrap(TOUCH_MODULE, "grow", grow::<H, P>)?;
    Ok(())
}

type Guest<'a, H> = Caller<'a, State<H>>;

fn read<H: Host, P: Pointer>(guest: Guest<'_, H>, address: P) -> wasmtime::Result<()> {
    check(guest, address.address(), Access::Read)
}

fn write<H: Host, P: Pointer>(guest: Guest<'_, H>, address: P) -> wasmtime::Result<()> {
    check(guest, address.address(), Access::Write)
}

/// Before accesses to the 264 bytes from `address` on.
///
/// If `address` lies outside of the memory, so does an access that is sure to come in the same straight line of code, and the
/// trap is taken here: accesses between could reach, around the end of the address space, pages that nobody checked.
fn check<H: Host>(mut guest: Guest<'_, H>, address: u64, access: Access) -> wasmtime::Result<()> {
    match fits(&guest, address, 1) {
        true => touch_running(&mut guest, address, 1, access),
        false => Err(Trap::MemoryOutOfBounds.into()),
    }
}

/// Before `memory.copy`. One that does not fit the memory traps by itself, having touched nothing.
fn copy<H: Host, P: Pointer>(
    mut guest: Guest<'_, H>,
    target: P,
    source: P,
    len: P,
) -> wasmtime::Result<()> {
    let (target, source, len) = (target.address(), source.address(), len.address());
    if fits(&guest, target, len) && fits(&guest, source, len) {
        charge_bulk(&mut guest, len)?;
        touch_running(&mut guest, source, len, Access::Read)?;
        touch_running(&mut guest, target, len, Access::Write)?;
    }
    Ok(())
}

/// Before `memory.fill`.
fn fill<H: Host, P: Pointer>(mut guest: Guest<'_, H>, target: P, len: P) -> wasmtime::Result<()> {
    let (target, len) = (target.address(), len.address());
    if fits(&guest, target, len) {
        charge_bulk(&mut guest, len)?;
        touch_running(&mut guest, target, len, Access::Write)?;
    }
    Ok(())
}

/// Before `memory.grow`: takes its price, and that of the pages if there is room for them.
fn grow<H: Host, P: Pointer>(mut guest: Guest<'_, H>, pages: P) -> wasmtime::Result<()> {
    let state = guest.data();
    let schedule = &state.protocol.schedule;
    let granted = if state.may_grow(pages.address()) {
        pages.address()
    } else {
        0
    };
    let price = schedule
        .memory_grow_page
        .saturating_mul(granted)
        .saturating_add(schedule.memory_grow_base);
    Ok(charge(&mut guest.as_context_mut(), price, Purpose::Memory)?)
}

/// Bytes of a bulk operation that are paid for at once.
const LINE_BYTES: u64 = 64;

/// Takes the price of the bytes that a bulk operation moves. Those that the contract may do without asking, of up to 264 bytes on
/// pages that are ready, move their bytes for the operator's price.
fn charge_bulk<H: Host>(guest: &mut Guest<'_, H>, len: u64) -> Result<(), Abort> {
    let schedule = &guest.data().protocol.schedule;
    let lines = schedule
        .memory_bulk_line
        .saturating_mul(len.div_ceil(LINE_BYTES));
    let price = lines.saturating_add(schedule.memory_bulk_base);
    charge(&mut guest.as_context_mut(), price, Purpose::Memory)
}

fn fits<H: Host>(guest: &Guest<'_, H>, address: u64, len: u64) -> bool {
    let size = guest.data().running();
    let size = size.map_or(0, |running| running.memory.size_bytes() as u64);
    address.checked_add(len).is_some_and(|end| end <= size)
}

fn touch_running<H: Host>(
    guest: &mut Guest<'_, H>,
    address: u64,
    len: u64,
    access: Access,
) -> wasmtime::Result<()> {
    let Some(frame) = guest.data().frame() else {
        return Err(Abort::from(Fault::new("memory was touched outside of a frame")).into());
    };
    let place = frame.place;
    Ok(touch(
        &mut guest.as_context_mut(),
        place,
        address,
        len,
        access,
    )?)
}

/// Pays, from the gas of the running frame, for the pages of a range that are not paid yet, and makes them usable.
///
/// Bytes outside of the memory cost nothing and are not made usable.
pub fn touch<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
    address: u64,
    len: u64,
    access: Access,
) -> Result<(), Abort> {
    let state = store.data();
    let pending = state.contracts[place].memory.pending(address, len, access);
    let price = price(&state.protocol.schedule, pending);
    if price > 0 {
        charge(store, price, Purpose::Memory)?;
    }
    let state = store.data_mut();
    state.tally.touch(&state.protocol.limits, pending)?;
    if let Some(supervisor) = state.deadline.supervisor()
        && !supervisor.grants(state.tally.pages())
    {
        return Err(Fault::timeout().into());
    }
    if pending.reads + pending.writes > 0 && state.host.is_watched() {
        let pages = state.contracts[place].memory.fresh(address, len, access);
        state.host.touched(&pages, access);
    }
    state.contracts[place]
        .memory
        .touch(&mut state.copies, address, len, access)
        .map_err(|error| memory_fault("committed memory can not be had", error))?;
    state.settle_warm(place);
    Ok(())
}

fn price(schedule: &Schedule, touch: Touch) -> u64 {
    let reads = touch.reads.saturating_mul(schedule.page_read);
    let writes = touch.writes.saturating_mul(schedule.page_write);
    let copies = touch.copies.saturating_mul(schedule.page_copy);
    let again = touch.again.saturating_mul(schedule.page_again);
    [reads, writes, copies, again]
        .into_iter()
        .fold(0, u64::saturating_add)
}

/// Takes gas for work about to be done. What can not be paid is not done.
pub fn charge<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    gas: u64,
    purpose: Purpose,
) -> Result<(), Abort> {
    let left = fuel(store)?;
    take(store, purpose, gas.min(left));
    if left <= gas {
        set_fuel(store, 0)?;
        return Err(Abort::OutOfGas);
    }
    Ok(set_fuel(store, left - gas)?)
}
