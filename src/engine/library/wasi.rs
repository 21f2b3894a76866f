//! What a library may import: wasi 0.2, as toolchains import it, without a world behind it.
//!
//! | interface | what it says |
//! |---|---|
//! | `wasi:clocks` | the block's time, which stands still |
//! | `wasi:random` | bytes that everybody gets who executes the call |
//! | `wasi:cli/environment`, `terminal-*` | nothing |
//! | `wasi:cli/stdout`, `stderr`, and their streams | what is written is dropped |
//! | `wasi:cli/stdin` and its stream | ends at once |
//! | `wasi:filesystem/preopens` | no directories |
//! | `wasi:io/poll` | everything is ready |
//! | any other function of `wasi` 0.2 | traps, by name |
//!
//! Each function takes gas before it does anything.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val,
};
use wasmtime::{Result, StoreContextMut};

use super::call::{Ended, State, charge};
use super::error::LibraryError;

/// Bytes that a library may ask for, or write, in one go.
const BYTES_MAX: u64 = 4_096;

/// Bytes that an item of a poll counts for.
const ITEM_BYTES: u64 = 8;

/// Nanoseconds of a millisecond: what clocks resolve.
const MILLISECOND_NANOS: u64 = 1_000_000;

/// Whatever a library holds of the host: there is nothing behind it.
struct Nothing;

type Guest<'a> = StoreContextMut<'a, State>;

/// A function of the host: its arguments, to its result if it has one.
type Answer = fn(&mut Guest<'_>, &[Val]) -> Result<Option<Val>>;

/// Defines what a component imports.
///
/// # Errors
/// [`LibraryError::Import`] for what is not of wasi 0.2.
pub fn define(linker: &mut Linker<State>, component: &Component) -> Result<(), LibraryError> {
    let engine = linker.engine().clone();
    for (name, item) in component.component_type().imports(&engine) {
        let refused = || LibraryError::Import {
            name: name.to_owned(),
        };
        let interface = interface(name).ok_or_else(refused)?;
        let ComponentItem::ComponentInstance(ty) = item.ty else {
            return Err(refused());
        };
        let mut instance = linker.instance(name).map_err(|_| refused())?;
        let names = ty.exports(&engine);
        let names: Vec<(String, ComponentItem)> = names
            .map(|(name, item)| (name.to_owned(), item.ty))
            .collect();
        for (function, item) in names {
            let what = || LibraryError::Import {
                name: format!("{name} {function}"),
            };
            let defined = export(&mut instance, interface, &function, &item);
            defined.map_err(|_| what())?.ok_or_else(what)?;
        }
    }
    Ok(())
}

/// Whether a component imports anything random.
pub fn draws(component: &Component) -> bool {
    let ty = component.component_type();
    let mut imports = ty.imports(component.engine());
    imports.any(|(name, _)| name.starts_with("wasi:random/"))
}

/// The interface of wasi 0.2 with this name, without its version.
fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.split_once('@')?;
    let is_known = interface.starts_with("wasi:") && version.starts_with("0.2.");
    is_known.then_some(interface)
}

/// Defines something of an interface; `None` if it is of a kind that hosts do not give.
fn export(
    instance: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
    item: &ComponentItem,
) -> Result<Option<()>> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let answer = answer(interface, name);
            let full = format!("{interface} {name}");
            instance.func_new(name, move |mut guest, _, arguments, results| {
                let price = guest.data().rules.host_call;
                charge(&mut guest, price)?;
                let answer = answer.ok_or_else(|| {
                    Ended::Refused(format!("`{full}` is not there for libraries"))
                })?;
                let result = answer(&mut guest, arguments)?;
                arguments
                    .iter()
                    .try_for_each(|one| let_go(&mut guest, one))?;
                if let (Some(result), Some(place)) = (result, results.first_mut()) {
                    *place = result;
                }
                Ok(())
            })?;
        }
        ComponentItem::Resource(_) => {
            instance.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
        }
        ComponentItem::Type(_) => {}
        _ => return Ok(None),
    }
    Ok(Some(()))
}

/// Gives back what the host was lent, or keeps nothing of what it was given.
fn let_go(guest: &mut Guest<'_>, argument: &Val) -> Result<()> {
    match argument {
        Val::Resource(handle) => handle.resource_drop(guest),
        Val::List(many) => many.iter().try_for_each(|one| match one {
            Val::Resource(handle) => handle.resource_drop(&mut *guest),
            _ => Ok(()),
        }),
        _ => Ok(()),
    }
}

/// The function of this name, if it does anything but trap.
fn answer(interface: &str, name: &str) -> Option<Answer> {
    let answer: Answer = match (interface, name) {
        ("wasi:cli/environment", "get-environment" | "get-arguments")
        | ("wasi:filesystem/preopens", "get-directories") => |_, _| Ok(Some(Val::List(Vec::new()))),
        ("wasi:cli/environment", "initial-cwd")
        | (
            "wasi:cli/terminal-stdin" | "wasi:cli/terminal-stdout" | "wasi:cli/terminal-stderr",
            _,
        ) => |_, _| Ok(Some(Val::Option(None))),
        ("wasi:cli/stdin" | "wasi:cli/stdout" | "wasi:cli/stderr", _)
        | (
            "wasi:io/streams",
            "[method]output-stream.subscribe" | "[method]input-stream.subscribe",
        )
        | ("wasi:clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => handle,
        ("wasi:io/streams", name) => return stream(name),
        ("wasi:io/poll", "[method]pollable.ready") => |_, _| Ok(Some(Val::Bool(true))),
        ("wasi:io/poll", "[method]pollable.block") => |_, _| Ok(None),
        ("wasi:io/poll", "poll") => poll,
        ("wasi:io/error", "[method]error.to-debug-string") => {
            |_, _| Ok(Some(Val::String(String::new())))
        }
        ("wasi:clocks/monotonic-clock", "now") => |guest, _| {
            let nanos = guest.data().time_ms.saturating_mul(MILLISECOND_NANOS);
            Ok(Some(Val::U64(nanos)))
        },
        ("wasi:clocks/monotonic-clock", "resolution") => {
            |_, _| Ok(Some(Val::U64(MILLISECOND_NANOS)))
        }
        ("wasi:clocks/wall-clock", "now") => |guest, _| Ok(Some(moment(guest.data().time_ms))),
        ("wasi:clocks/wall-clock", "resolution") => |_, _| Ok(Some(moment(1))),
        ("wasi:random/random", "get-random-bytes")
        | ("wasi:random/insecure", "get-insecure-random-bytes") => random_bytes,
        ("wasi:random/random", "get-random-u64")
        | ("wasi:random/insecure", "get-insecure-random-u64") => {
            |guest, _| Ok(Some(Val::U64(random(guest)?)))
        }
        ("wasi:random/insecure-seed", "insecure-seed") => |guest, _| {
            let seed = vec![Val::U64(random(guest)?), Val::U64(random(guest)?)];
            Ok(Some(Val::Tuple(seed)))
        },
        _ => return None,
    };
    Some(answer)
}

/// The functions of streams: what goes out is dropped, and nothing comes in.
fn stream(name: &str) -> Option<Answer> {
    let (stream, function) = name.strip_prefix("[method]")?.split_once('.')?;
    let answer: Answer = match (stream, function) {
        ("output-stream", "check-write") => |_, _| Ok(Some(done(Some(Val::U64(BYTES_MAX))))),
        ("output-stream", "write" | "blocking-write-and-flush") => drop_bytes,
        ("output-stream", "flush" | "blocking-flush") => |_, _| Ok(Some(done(None))),
        ("input-stream", "read" | "blocking-read" | "skip" | "blocking-skip") => {
            |_, _| Ok(Some(Val::Result(Err(Some(Box::new(closed()))))))
        }
        _ => return None,
    };
    Some(answer)
}

fn done(value: Option<Val>) -> Val {
    Val::Result(Ok(value.map(Box::new)))
}

/// The error of a stream that ended.
fn closed() -> Val {
    Val::Variant("closed".to_owned(), None)
}

fn handle(guest: &mut Guest<'_>, _: &[Val]) -> Result<Option<Val>> {
    let nothing = Resource::<Nothing>::new_own(0);
    let handle = ResourceAny::try_from_resource(nothing, guest)?;
    Ok(Some(Val::Resource(handle)))
}

/// Everything that is asked for is ready.
fn poll(guest: &mut Guest<'_>, arguments: &[Val]) -> Result<Option<Val>> {
    let Some(Val::List(asked)) = arguments.first() else {
        return Err(misfit());
    };
    charge_bytes(guest, asked.len() as u64, ITEM_BYTES)?;
    let ready = (0..).zip(asked).map(|(index, _)| Val::U32(index));
    Ok(Some(Val::List(ready.collect())))
}

fn drop_bytes(guest: &mut Guest<'_>, arguments: &[Val]) -> Result<Option<Val>> {
    let Some(Val::List(bytes)) = arguments.get(1) else {
        return Err(misfit());
    };
    charge_bytes(guest, bytes.len() as u64, 1)?;
    Ok(Some(done(None)))
}

fn random_bytes(guest: &mut Guest<'_>, arguments: &[Val]) -> Result<Option<Val>> {
    let Some(Val::U64(len)) = arguments.first() else {
        return Err(misfit());
    };
    charge_bytes(guest, *len, 1)?;
    let mut bytes = vec![0; *len as usize];
    draw(guest, &mut bytes)?;
    Ok(Some(Val::List(bytes.into_iter().map(Val::U8).collect())))
}

fn random(guest: &mut Guest<'_>) -> Result<u64> {
    let mut bytes = [0; 8];
    charge_bytes(guest, bytes.len() as u64, 1)?;
    draw(guest, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn draw(guest: &mut Guest<'_>, bytes: &mut [u8]) -> Result<()> {
    let chance = guest.data_mut().chance.as_mut();
    chance.ok_or_else(misfit)?.fill(bytes);
    Ok(())
}

/// Takes the price of bytes, or of items that count for several.
fn charge_bytes(guest: &mut Guest<'_>, count: u64, each: u64) -> Result<()> {
    if count > BYTES_MAX {
        let what = format!("{count} bytes or items in one go; at most {BYTES_MAX} are allowed");
        return Err(Ended::Refused(what).into());
    }
    let price = guest.data().rules.host_byte;
    charge(guest, price.saturating_mul(count.saturating_mul(each)))
}

/// A moment of the clock on the wall.
fn moment(time_ms: u64) -> Val {
    let nanos = time_ms % 1_000 * MILLISECOND_NANOS;
    Val::Record(vec![
        ("seconds".to_owned(), Val::U64(time_ms / 1_000)),
        ("nanoseconds".to_owned(), Val::U32(nanos as u32)),
    ])
}

/// Another type than wasi's: linking has checked them, so that nothing comes here.
fn misfit() -> wasmtime::Error {
    Ended::Refused("a function of wasi with other parameters".to_owned()).into()
}
