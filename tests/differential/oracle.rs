//! The independent opinion on values: wasmi, running the code as it was deployed.
//!
//! It knows nothing of gas, of the stack counter, or of touched pages. Where the VM ended a call for want of gas or stack there is
//! nothing to compare; in all other ways its results, traps and memory must be the same. The rules that are ours are
//! applied here by hand: globals are fresh in each call, the argument buffer and the declared stack are zeroed after it, a failed call leaves nothing, and every NaN that
//! an operator makes is the canonical one.

use std::ops::Range;

use crostata::Outcome;
use wasm_encoder::{Instruction as I, ValType};
use wasmi::{
    CompilationMode, Config, Engine, Error, Instance, Module as Compiled, Store, StoreLimits,
    TrapCode,
};

use super::case::{Call, Case};
use super::lane::{Memory, Ran};
use super::module::{Module, Signature};
use super::operators::computed_float;
use super::wrap::BUFFER_BYTES;

/// Many times what a call within the VM's gas can use.
const FUEL: u64 = 100_000_000;

/// The largest memory that the protocol allows.
const MEMORY_BYTES_MAX: usize = 4_096 << 16;

/// What wasmi says of the calls that the VM made.
#[derive(Debug, PartialEq, Eq)]
pub enum Opinion {
    /// So many calls and the memory agree.
    Agrees(usize),
    /// wasmi can not say, after so many calls that agree.
    Silent(usize),
    /// What differs.
    Differs(String),
}

struct Guest {
    compiled: Compiled,
    engine: Engine,
    buffer: usize,
    /// What is zeroed behind each call: the buffer, and the declared stack.
    leftovers: Vec<Range<usize>>,
    is_wide: bool,
    /// The memory between calls; none before the first.
    memory: Option<Vec<u8>>,
}

enum Ended {
    Returned(Vec<u8>),
    Failed(Outcome),
    Unknown(String),
}

/// Holds what the VM did against wasmi. The code must not import anything.
pub fn judge(case: &Case, ran: &Ran) -> Opinion {
    // wasmi 2.0.0 panics over some valid code ("a register operand already exists on the stack").
    let Ok(mut guest) = std::panic::catch_unwind(|| Guest::new(&case.wasm)) else {
        return Opinion::Silent(0);
    };
    let mut agreed = 0;
    for (call, at) in case.calls.iter().zip(&ran.calls) {
        let ours = &ran.seen[*at].ended;
        if let Err((Outcome::OutOfGas | Outcome::StackExhausted, ..)) = ours {
            continue;
        }
        let theirs = guest.call(call);
        let same = match (&theirs, ours) {
            (Ended::Unknown(_), Err(_)) => return Opinion::Silent(agreed),
            (Ended::Returned(theirs), Ok(ours)) => theirs == ours,
            (Ended::Failed(theirs), Err((ours, ..))) => theirs == ours,
            _ => false,
        };
        if !same {
            return Opinion::Differs(format!("run {at}: ours {ours:?}, wasmi's {theirs}"));
        }
        agreed += 1;
    }
    match guest.memory_difference(&ran.memory) {
        Some(what) => Opinion::Differs(what),
        None => Opinion::Agrees(agreed),
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Returned(bytes) => write!(f, "{bytes:?}"),
            Self::Failed(outcome) => write!(f, "{outcome:?}"),
            Self::Unknown(why) => write!(f, "{why}"),
        }
    }
}

impl Guest {
    fn new(wasm: &[u8]) -> Self {
        let mut config = Config::default();
        config.consume_fuel(true);
        // Where a panic of the compiler can be caught.
        config.compilation_mode(CompilationMode::Eager);
        config.set_max_recursion_depth(20_000);
        config.set_max_stack_height(64 << 20);
        let engine = Engine::new(&config);
        let module = canonical(Module::parse(wasm));
        let buffer = module
            .exports
            .iter()
            .find(|export| export.0 == "A")
            .unwrap();
        let buffer = constant_of(&module, buffer.2);
        let stack = module
            .customs
            .iter()
            .find(|custom| custom.0 == "crostata.stack");
        let stack = stack.map(|(_, range)| {
            let word =
                |at: usize| u64::from_le_bytes(range[at..at + 8].try_into().unwrap()) as usize;
            word(0)..word(0) + word(8)
        });
        let own = buffer..buffer + BUFFER_BYTES as usize;
        let is_wide = module.is_wide;
        let compiled = Compiled::new(&engine, module.encode()).unwrap();
        Self {
            compiled,
            engine,
            buffer,
            leftovers: stack.into_iter().chain([own]).collect(),
            is_wide,
            memory: None,
        }
    }

    fn call(&mut self, call: &Call) -> Ended {
        let limits = wasmi::StoreLimitsBuilder::new().memory_size(MEMORY_BYTES_MAX);
        let mut store = Store::new(&self.engine, limits.build());
        store.limiter(|limits: &mut StoreLimits| limits);
        store.set_fuel(FUEL).unwrap();
        let instance = Instance::new(&mut store, &self.compiled, &[]).unwrap();
        let memory = instance.get_memory(&store, "memory").unwrap();
        if let Some(before) = &self.memory {
            let more = before.len() as u64 - memory.data(&store).len() as u64;
            memory.grow(&mut store, more >> 16).unwrap();
            memory.data_mut(&mut store).copy_from_slice(before);
        }
        let argument = self.buffer..self.buffer + call.argument.len();
        memory.data_mut(&mut store)[argument].copy_from_slice(&call.argument);
        let function = instance.get_typed_func::<i32, i32>(&store, &call.function);
        let returned = function
            .unwrap()
            .call(&mut store, call.argument.len() as i32);
        let len = match returned {
            Ok(len) if (0..=BUFFER_BYTES as i32).contains(&len) => len as usize,
            Ok(_) => return Ended::Failed(Outcome::ResultOutOfBounds),
            Err(error) => return failed(&error),
        };
        let mut bytes = memory.data(&store).to_vec();
        let result = bytes[self.buffer..self.buffer + len].to_vec();
        for range in &self.leftovers {
            bytes[range.clone()].fill(0);
        }
        self.memory = Some(bytes);
        Ended::Returned(result)
    }

    /// What differs between the memory and the VM's, if anything was ever written.
    fn memory_difference(&self, ours: &Memory) -> Option<String> {
        let theirs = self.memory.as_ref()?;
        if ours.0 != theirs.len() as u64 {
            let bytes = theirs.len();
            return Some(format!("memory: {} bytes, wasmi's has {bytes}", ours.0));
        }
        let mut pages = (0..).zip(theirs.chunks(4_096));
        let differing = pages.find(|(index, page)| {
            let ours = ours.1.iter().find(|(known, _)| known == index);
            match ours {
                Some((_, ours)) => ours != page,
                None => page.iter().any(|byte| *byte != 0),
            }
        });
        differing.map(|(index, _)| format!("memory: page {index}, 64-bit: {}", self.is_wide))
    }
}

fn failed(error: &Error) -> Ended {
    let Some(code) = error.as_trap_code() else {
        return Ended::Unknown(format!("{error:?}"));
    };
    Ended::Failed(match code {
        TrapCode::UnreachableCodeReached => Outcome::Unreachable,
        TrapCode::MemoryOutOfBounds => Outcome::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => Outcome::TableOutOfBounds,
        TrapCode::IndirectCallToNull => Outcome::IndirectCallToNull,
        TrapCode::IntegerDivisionByZero => Outcome::DivideByZero,
        TrapCode::IntegerOverflow => Outcome::IntegerOverflow,
        TrapCode::BadConversionToInteger => Outcome::BadConversionToInteger,
        TrapCode::BadSignature => Outcome::BadSignature,
        other => return Ended::Unknown(format!("{other:?}")),
    })
}

/// The address that the exported constant has.
fn constant_of(module: &Module<'_>, global: u32) -> usize {
    let mut bytes = Vec::new();
    wasm_encoder::Encode::encode(&module.globals[global as usize].value, &mut bytes);
    let expression = wasmparser::ConstExpr::new(wasmparser::BinaryReader::new(&bytes, 0));
    match expression.get_operators_reader().read() {
        Ok(wasmparser::Operator::I32Const { value }) => value as usize,
        Ok(wasmparser::Operator::I64Const { value }) => value as usize,
        other => panic!("the buffer's address is a constant, not {other:?}"),
    }
}

/// Makes every NaN that an operator makes the canonical one, as the protocol has it.
///
/// Besides, conditions of `select` go through a function that gives them back: wasmi 2.0.0 may select by what was computed before a comparison of a
/// constant with a local (`cases/dropped_comparison.wasm`).
fn canonical(mut module: Module<'_>) -> Module<'_> {
    let mut through = |ty: ValType, code: Vec<I<'static>>| {
        let signature = Signature {
            params: vec![ty],
            results: vec![ty],
        };
        I::Call(module.add(&signature, Vec::new(), code))
    };
    let single = through(ValType::F32, canonicaliser(ValType::F32));
    let double = through(ValType::F64, canonicaliser(ValType::F64));
    let same = through(ValType::I32, vec![I::LocalGet(0), I::End]);
    let own = module.functions.len() - 3;
    for body in &mut module.functions[..own] {
        let code = std::mem::take(&mut body.code);
        for instruction in code {
            let computed = computed_float(&instruction);
            if matches!(instruction, I::Select) {
                body.code.push(same.clone());
            }
            body.code.push(instruction);
            body.code.extend(computed.map(|ty| match ty {
                ValType::F32 => single.clone(),
                _ => double.clone(),
            }));
        }
    }
    module
}

fn canonicaliser(ty: ValType) -> Vec<I<'static>> {
    let (nan, equal) = match ty {
        ValType::F32 => (
            I::F32Const(wasm_encoder::Ieee32::new(0x7fc0_0000)),
            I::F32Eq,
        ),
        _ => (
            I::F64Const(wasm_encoder::Ieee64::new(0x7ff8 << 48)),
            I::F64Eq,
        ),
    };
    let value = I::LocalGet(0);
    vec![
        value.clone(),
        nan,
        value.clone(),
        value,
        equal,
        I::Select,
        I::End,
    ]
}
