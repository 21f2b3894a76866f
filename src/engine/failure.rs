//! How a frame failed: the contract's failures told from the host's, by type and never by text.

use std::fmt::{self, Write};

use wasmtime::{FrameInfo, StoreContextMut, Trap, WasmBacktrace};

use super::abort::Abort;
use super::code::{TOUCH_IMPORTS, added_imports};
use super::contracts::Place;
use super::frame::{Request, height};
use super::host::Host;
use super::kind::ErrorKind;
use super::outcome::{Failure, Fault};
use super::position::positions;
use super::state::State;
use crostata_proof::receipt::Outcome;

pub fn failure(request: &Request<'_>, code: Outcome) -> Failure {
    Failure {
        code,
        contract: request.contract,
        function: request.function.to_owned(),
        message: Vec::new(),
        backtrace: Vec::new(),
        positions: Vec::new(),
    }
}

/// What the engine's error means for the frame, unless the host failed.
pub fn classify<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    request: &Request<'_>,
    place: Place,
    error: wasmtime::Error,
) -> Result<Failure, Fault> {
    if store.data().growth_failed {
        return Err(
            Fault::new("the host has no memory for a contract to grow").of_kind(ErrorKind::Memory)
        );
    }
    let trace = error.downcast_ref::<WasmBacktrace>();
    let (backtrace, positions) = match trace.filter(|_| wants_backtrace(store.data_mut())) {
        Some(trace) => {
            let probed = store.data().ledger.is_some();
            (backtrace(trace, probed), positions(store, trace))
        }
        None => (Vec::new(), Vec::new()),
    };
    let (code, message) = match error.downcast::<Abort>() {
        Ok(abort) => abort.into_failure()?,
        Err(error) => match error.downcast_ref::<Trap>() {
            Some(trap) => (trap_code(store, place, *trap)?, Vec::new()),
            None => {
                let what = format!("unexpected engine error: {error:#}");
                return Err(Fault::new(what).of_kind(ErrorKind::Runtime));
            }
        },
    };
    Ok(Failure {
        message,
        backtrace,
        positions,
        ..failure(request, code)
    })
}

fn trap_code<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
    trap: Trap,
) -> Result<Outcome, Fault> {
    match outcome(trap)? {
        Outcome::Unreachable if stack_exhausted(store, place)? => Ok(Outcome::StackExhausted),
        outcome => Ok(outcome),
    }
}

/// What a trap is called in receipts, the stack counter aside.
pub fn outcome(trap: Trap) -> Result<Outcome, Fault> {
    Ok(match trap {
        Trap::OutOfFuel => Outcome::OutOfGas,
        Trap::UnreachableCodeReached => Outcome::Unreachable,
        Trap::MemoryOutOfBounds => Outcome::MemoryOutOfBounds,
        Trap::IntegerDivisionByZero => Outcome::DivideByZero,
        Trap::IntegerOverflow => Outcome::IntegerOverflow,
        Trap::BadConversionToInteger => Outcome::BadConversionToInteger,
        Trap::TableOutOfBounds => Outcome::TableOutOfBounds,
        Trap::IndirectCallToNull => Outcome::IndirectCallToNull,
        Trap::BadSignature => Outcome::BadSignature,
        // The stack counter keeps far away from the native limit: this is the host's fault.
        Trap::StackOverflow => {
            let fault = Fault::new("the native stack overflowed");
            return Err(fault.of_kind(ErrorKind::Runtime));
        }
        Trap::Interrupt => return Err(Fault::timeout()),
        _ => Outcome::OtherTrap,
    })
}

/// The rewriter leaves the counter negative where it ends a function for lack of stack.
fn stack_exhausted<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    place: Place,
) -> Result<bool, Fault> {
    Ok(height(store, place)? < 0)
}

/// Failures that callers caught whose backtraces are shown, of one call tree: texts take longer than most callees run.
const CAUGHT_BACKTRACES_MAX: u32 = 16;

/// Whether the failure of the innermost frame is to be told with a backtrace. The call's own always is.
fn wants_backtrace<H: Host>(state: &mut State<H>) -> bool {
    if state.frames.len() <= 1 {
        return true;
    }
    state.caught_backtraces += 1;
    state.caught_backtraces <= CAUGHT_BACKTRACES_MAX
}

/// Bytes of a function's name that a backtrace shows.
const NAME_BYTES_MAX: usize = 128;

fn backtrace(trace: &WasmBacktrace, probed: bool) -> Vec<String> {
    trace
        .frames()
        .iter()
        .filter(|frame| !is_bridge(frame))
        .map(|frame| match frame.func_name() {
            Some(name) => shown(name),
            None => format!("function {}", own_index(frame.func_index(), probed)),
        })
        .collect()
}

/// Whether the frame is in one of the functions that the rewriter put behind the contract's own.
fn is_bridge(frame: &FrameInfo) -> bool {
    let module = frame.module();
    let functions = module.imports().len() + module.functions().len();
    frame.func_index() as usize + TOUCH_IMPORTS.len() >= functions
}

/// The index that a function has in the contract's own code, before the rewriter's imports.
fn own_index(index: u32, probed: bool) -> u32 {
    index.saturating_sub(added_imports(probed))
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
