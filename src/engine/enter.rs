//! Bringing a contract into a call tree: loaded, with an instance that is as good as new, its exports resolved once.

use crostata_abi::ContractId;
use wasmtime::{Global, Instance, StoreContextMut};

use super::code::CodeFacts;
use super::contracts::{Callable, Live, Place};
use super::frame::metering;
use super::host::{Host, Loaded};
use super::kind::ErrorKind;
use super::outcome::{Fault, Refusal, memory_fault};
use super::state::{State, settle_size};
use crate::region::hand_over;

/// Brings a contract into the call tree, as good as new but for its memory.
pub fn enter<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    contract: ContractId,
) -> Result<Result<Place, Refusal>, Fault> {
    let state = store.data();
    if state.entered.len() as u64 >= state.protocol.limits.instances_max {
        return Ok(Err(Refusal::Instances { contract }));
    }
    let place = match state.contracts.place(&contract) {
        Some(place) if store.data().contracts[place].stale => refresh(store, place)?,
        Some(place) => place,
        None => match store.data_mut().host.load(&contract)? {
            Some(Loaded { module, memory }) => {
                let contracts = &mut store.data_mut().contracts;
                contracts.insert(contract, module, memory)
            }
            None => return Ok(Err(Refusal::NoContract { contract })),
        },
    };
    let state = store.data();
    if state.contracts[place].module.facts.queries_only && !state.deadline.is_query() {
        return Ok(Err(Refusal::QueriesOnly { contract }));
    }
    if !state.has_room_for(place) {
        return Ok(Err(Refusal::Memory { contract }));
    }
    match store.data().contracts[place].live.is_some() {
        true => reset(store, place)?,
        false => instantiate(store, place)?,
    }
    let state = store.data_mut();
    state.contracts[place].call = state.call;
    state.entered.push(place);
    Ok(Ok(place))
}

/// Brings the memory of a contract up to date that another runner ran since, if that may be now.
fn refresh<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
) -> Result<Place, Fault> {
    let state = store.data_mut();
    let resident = &mut state.contracts[place];
    let is_another = state
        .host
        .refresh(&resident.contract, &mut resident.memory)?;
    resident.stale = false;
    if is_another {
        resident.live = None;
    }
    settle_size(store, place)?;
    Ok(place)
}

/// Sets the globals to what they are after instantiation. The stack counter is set for each frame.
fn reset<H: Host>(store: &mut StoreContextMut<'_, State<H>>, place: Place) -> Result<(), Fault> {
    for at in 0..store.data().live(place)?.globals.len() {
        let live = store.data().live(place)?;
        let (global, value) = (live.globals[at], live.initial[at]);
        global
            .set(&mut *store, value)
            .map_err(|error| Fault::new(format!("a global can not be set: {error:#}")))?;
    }
    Ok(())
}

/// Makes an instance over the contract's memory. It lives until the store goes.
fn instantiate<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
) -> Result<(), Fault> {
    let resident = &mut store.data_mut().contracts[place];
    let (contract, module) = (resident.contract, resident.module.clone());
    let region = resident
        .memory
        .region()
        .map_err(|error| memory_fault(format!("no memory for contract {contract}"), error))?;
    // Filling the table takes fuel, as code would; the price of an instance pays for it.
    let left = store.get_fuel().map_err(metering)?;
    store.set_fuel(u64::MAX / 2).map_err(metering)?;
    hand_over(Some(region));
    let instance = module.instance.instantiate(&mut *store);
    hand_over(None);
    store.set_fuel(left).map_err(metering)?;
    store.data_mut().instances += 1;
    let live = instance.and_then(|instance| live(store, &module.facts, instance));
    let live = live.map_err(|error| {
        Fault::new(format!(
            "contract {contract} could not be instantiated: {error:#}"
        ))
        .of_kind(ErrorKind::Instantiation)
    })?;
    store.data_mut().contracts[place].live = Some(live);
    Ok(())
}

/// Looks up everything that calls need of an instance.
fn live<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    facts: &CodeFacts,
    instance: Instance,
) -> wasmtime::Result<Live> {
    let missing = || wasmtime::Error::msg("the rewritten module lacks an export");
    let linear = instance.get_memory(&mut *store, "memory");
    let linear = linear.ok_or_else(missing)?;
    let mut global = |name: &str| {
        let global = instance.get_global(&mut *store, name);
        global.ok_or_else(missing)
    };
    let height = global(&facts.height_global)?;
    let globals: Vec<Global> = facts
        .globals
        .iter()
        .map(|name| global(name))
        .collect::<wasmtime::Result<_>>()?;
    let initial = globals.iter().map(|one| one.get(&mut *store)).collect();
    Ok(Live {
        instance,
        linear,
        globals,
        initial,
        height,
        functions: vec![None; facts.functions.len()],
    })
}

/// The function asked for, if it may be called.
pub fn export<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
    name: &str,
    init: bool,
) -> Result<Option<Callable>, Fault> {
    let state = store.data();
    let known = state.contracts[place].module.facts.export(name);
    let live = state.live(place)?;
    let instance = live.instance;
    match known.map(|at| (at, live.functions.get(at))) {
        Some((_, Some(Some(function)))) => Ok(Some(function.clone())),
        Some((at, _)) => {
            let function = resolve(store, instance, name);
            if let Some(live) = &mut store.data_mut().contracts[place].live {
                live.functions[at].clone_from(&function);
            }
            Ok(function)
        }
        None if init => Ok(resolve(store, instance, name)),
        None => Ok(None),
    }
}

fn resolve<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    instance: Instance,
    name: &str,
) -> Option<Callable> {
    let function = instance.get_typed_func(&mut *store, name).ok()?;
    Some(Callable::new(function))
}
