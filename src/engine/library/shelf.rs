//! The engine of libraries, apart from that of contracts, and the components that are compiled for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use corosensei::stack::DefaultStack;
use crostata_proof::CodeHash;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Type};
use wasmtime::{Config, Engine, OptLevel};

use super::call::State;
use super::error::LibraryError;
use super::rules::Libraries;
use super::wasi;
use crate::engine::backend::{Backend, EngineError};
use crate::engine::costs;
use crate::engine::outcome::{Fault, memory_fault};
use crate::engine::protocol::{LibraryRules, OperatorPrices, Protocol};

/// Native stack that a byte of the counter may stand for, as for contracts.
const NATIVE_BYTES_PER_HEIGHT: u64 = 4;

/// Native stack of the host below and above a library, and of functions without a counter.
const HOST_BYTES: u64 = 1 << 20;

/// More native stack than this is not kept for a call.
const NATIVE_BYTES_MAX: u64 = 256 << 20;

/// Stacks kept for later calls.
const STACKS_MAX: usize = 16;

/// The libraries of one protocol, as far as they are loaded. All engines of the protocol whose calls can have deadlines share one, and all others another.
pub struct Shelf {
    pub(super) engine: Engine,
    pub(super) libraries: Libraries,
    loaded: RwLock<BTreeMap<CodeHash, Arc<Library>>>,
    /// Whether calls can have deadlines.
    pub(super) is_interruptible: bool,
    stacks: Mutex<Vec<DefaultStack>>,
    stack_bytes: usize,
}

/// A library that was checked and compiled.
pub struct Compiled {
    /// What came of it.
    pub component: Component,
    /// Core instances that a call makes.
    pub instances: u64,
}

/// A library that can be called.
pub struct Library {
    pub(super) instance: InstancePre<State>,
    /// As the chain lists it.
    binary: Arc<[u8]>,
    pub(super) functions: BTreeMap<String, Function>,
    /// Core instances that a call makes.
    pub(super) instances: u64,
    /// Whether it imports anything random.
    pub(super) draws: bool,
}

/// A function that can be called.
pub struct Function {
    pub(super) index: ComponentExportIndex,
    pub(super) answer: Answer,
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `list<u8>`.
    Bytes,
    /// `result<list<u8>, list<u8>>`.
    Result,
}

impl Shelf {
    /// A shelf for the libraries of a protocol; none if it lists none.
    ///
    /// # Errors
    /// [`EngineError`] when a price or limit is out of range or the machine is not supported.
    pub fn of(
        backend: Backend,
        protocol: &Protocol,
        is_interruptible: bool,
    ) -> Result<Option<Arc<Self>>, EngineError> {
        let libraries = &protocol.libraries;
        if libraries.is_empty() {
            return Ok(None);
        }
        let rules = &libraries.rules;
        let stack = rules.stack_bytes.saturating_mul(rules.instances_max);
        let stack = stack.saturating_mul(NATIVE_BYTES_PER_HEIGHT);
        let checks = [
            (
                "native stack for library.stack_bytes and library.instances_max",
                stack,
                NATIVE_BYTES_MAX,
            ),
            (
                "library.memory_wasm_pages_max",
                rules.memory_wasm_pages_max,
                1 << 16,
            ),
            (
                "library.table_elements_max",
                rules.table_elements_max,
                1 << 24,
            ),
        ];
        if let Some((name, value, max)) = checks.into_iter().find(|(_, value, max)| value > max) {
            return Err(EngineError::Limit { name, value, max });
        }
        let wasm_bytes = stack.saturating_add(HOST_BYTES / 2) as usize;
        let mut config = config(backend, &protocol.operators, wasm_bytes)?;
        config.epoch_interruption(is_interruptible);
        let start_error = |error| EngineError::Start(format!("{error:#}"));
        Ok(Some(Arc::new(Self {
            engine: Engine::new(&config).map_err(start_error)?,
            libraries: libraries.clone(),
            loaded: RwLock::default(),
            is_interruptible,
            stacks: Mutex::default(),
            stack_bytes: stack.saturating_add(HOST_BYTES) as usize,
        })))
    }

    /// The engine that libraries are compiled for.
    pub fn wasmtime(&self) -> &Engine {
        &self.engine
    }

    /// Prices and limits.
    pub fn rules(&self) -> &LibraryRules {
        &self.libraries.rules
    }

    /// Has running calls look at their deadlines, if calls can have any here.
    pub fn look(&self) {
        if self.is_interruptible {
            self.engine.increment_epoch();
        }
    }

    /// Whether a library was put here.
    pub fn has_library(&self, code: &CodeHash) -> bool {
        self.library(code).is_some()
    }

    /// The binaries of the libraries that were.
    pub fn binaries(&self) -> Vec<(CodeHash, Arc<[u8]>)> {
        let loaded = self.loaded.read();
        let loaded = loaded.unwrap_or_else(PoisonError::into_inner);
        let binaries = loaded.iter();
        binaries
            .map(|(code, library)| (*code, library.binary.clone()))
            .collect()
    }

    /// Puts a library here.
    ///
    /// # Errors
    /// [`LibraryError`]: what is wrong with it.
    pub fn put(
        &self,
        code: &CodeHash,
        binary: &[u8],
        compiled: Compiled,
    ) -> Result<(), LibraryError> {
        let library = Arc::new(self.link(binary, compiled)?);
        let loaded = self.loaded.write();
        let mut loaded = loaded.unwrap_or_else(PoisonError::into_inner);
        loaded.insert(*code, library);
        Ok(())
    }

    /// A library that was loaded.
    pub(super) fn library(&self, code: &CodeHash) -> Option<Arc<Library>> {
        let loaded = self.loaded.read();
        let loaded = loaded.unwrap_or_else(PoisonError::into_inner);
        loaded.get(code).cloned()
    }

    fn link(&self, binary: &[u8], compiled: Compiled) -> Result<Library, LibraryError> {
        let Compiled {
            component,
            instances,
        } = compiled;
        let functions = functions(&self.engine, &component);
        if functions.is_empty() {
            return Err(LibraryError::NoFunction);
        }
        let mut linker = Linker::new(&self.engine);
        wasi::define(&mut linker, &component)?;
        let instance = linker.instantiate_pre(&component);
        Ok(Library {
            instance: instance.map_err(|error| LibraryError::compile(format!("{error:#}")))?,
            binary: binary.into(),
            functions,
            instances,
            draws: wasi::draws(&component),
        })
    }

    /// Runs on a native stack that has room for a library. A stack costs address space, and memory as far as it was ever used.
    ///
    /// # Errors
    /// [`Fault`] when the system gives no stack.
    pub(super) fn on_stack<R>(&self, run: impl FnOnce() -> R) -> Result<R, Fault> {
        let kept = self.stacks().pop();
        let mut stack = match kept {
            Some(stack) => stack,
            None => DefaultStack::new(self.stack_bytes)
                .map_err(|error| memory_fault("no stack to run a library on", error))?,
        };
        let done = corosensei::on_stack(&mut stack, run);
        let mut stacks = self.stacks();
        if stacks.len() < STACKS_MAX {
            stacks.push(stack);
        }
        Ok(done)
    }

    fn stacks(&self) -> std::sync::MutexGuard<'_, Vec<DefaultStack>> {
        self.stacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As that of contracts, but for what their rewriting does for them: here the engine takes the price of bulk operations, and memories are its own.
fn config(
    backend: Backend,
    operators: &OperatorPrices,
    wasm_bytes: usize,
) -> Result<Config, EngineError> {
    let mut config = Config::new();
    if backend == Backend::Portable {
        let target = config.target("pulley64");
        target.map_err(|error| EngineError::Start(format!("{error:#}")))?;
    }
    config
        .consume_fuel(true)
        .operator_cost(costs::library_table(operators)?)
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Filling a memory is paid for by the byte, on every machine.
        .memory_init_cow(false)
        .table_lazy_init(false)
        .async_stack_size(2 * wasm_bytes)
        .max_wasm_stack(wasm_bytes)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .wasm_component_model(true);
    crate::engine::backend::features(&mut config);
    config.wasm_memory64(false);
    Ok(config)
}

/// The functions from bytes to bytes that a component exports: its own by their names, those of its interfaces behind the interface's and a slash.
fn functions(engine: &Engine, component: &Component) -> BTreeMap<String, Function> {
    let mut functions = BTreeMap::new();
    let mut add =
        |parent: Option<&ComponentExportIndex>, prefix: &str, name: &str, ty: &ComponentFunc| {
            let index = component.get_export_index(parent, name);
            if let (Some(index), Some(answer)) = (index, answer(ty)) {
                functions.insert(format!("{prefix}{name}"), Function { index, answer });
            }
        };
    let ty = component.component_type();
    for (name, item) in ty.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) => add(None, "", name, &ty),
            ComponentItem::ComponentInstance(ty) => {
                let parent = component.get_export_index(None, name);
                let prefix = format!("{name}/");
                for (name, item) in ty.exports(engine) {
                    if let ComponentItem::ComponentFunc(ty) = item.ty {
                        add(parent.as_ref(), &prefix, name, &ty);
                    }
                }
            }
            _ => {}
        }
    }
    functions
}

/// What a function from bytes gives, if it is one that can be called.
fn answer(ty: &ComponentFunc) -> Option<Answer> {
    let params: Vec<Type> = ty.params().map(|(_, ty)| ty).collect();
    let results: Vec<Type> = ty.results().collect();
    match (&params[..], &results[..]) {
        ([argument], [answer]) if is_bytes(argument) && !ty.async_() => match answer {
            Type::List(_) => is_bytes(answer).then_some(Answer::Bytes),
            Type::Result(ty) => {
                let is_bytes = |ty: Option<Type>| ty.as_ref().is_some_and(is_bytes);
                (is_bytes(ty.ok()) && is_bytes(ty.err())).then_some(Answer::Result)
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(list) if list.ty() == Type::U8)
}
