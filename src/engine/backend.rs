//! The backends: wasmtime compiling to machine code (native) or to Pulley bytecode (portable).
//!
//! Both run the same rewritten modules under the same protocol and must agree on everything but speed.
//!
//! # The interface
//!
//! What an engine is to the rest of the VM, whatever the backend: the operations of the `WasmEngine` trait of another node, and ours.
//!
//! | operation | here | for embedders |
//! |---|---|---|
//! | make an engine | [`Engine::new`] | `VM::with_config` |
//! | health | [`Engine::is_healthy`] | `VM::is_healthy` |
//! | compile | `Modules::get`, of [`Engine::prepare`] or [`Engine::prepare_deployed`] | `Session::deploy`, `VM::recompile_module` |
//! | inspect imports | `code::prepare` | `Protocol::inspect`, without compiling |
//! | instantiate with a required size | [`Module::memory`], `Runner::insert`; the instance is made over that memory when a call enters it | `Session::deploy` |
//! | drop an instance | `Runner::name` with no place, `Runner::settle` | a failed `deploy`, `Session::rollback` |
//! | memory view | `Runner::memory`: size, reads, pages | `Session::memory_len`, `memory_pages` |
//! | call | `Runner::call`, with gas | `Session::call` and its like |
//! | call with a timeout | the same on an engine of [`Engine::aided`] | `SessionDataBuilder::interrupted_after`, `VM::tick` |
//! | errors | `ErrorKind`: one list, each variant of each error has one | `Error::kind` and its like |
//!
//! Calling conventions need no variants: callable functions have one type. Host functions wait only in queries that are supervised, on the
//! thread of the query.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use wasmtime::{Config, InstancePre, Linker, OptLevel, WasmBacktraceDetails};

use super::code::{self, CodeFacts, CodeLimits, DataSegment, OffsetMap, PreparedCode, Rejection};
use super::costs::{self, PriceTooHigh};
use super::host::Host;
use super::imports;
use super::ledger::Ledger;
#[cfg(feature = "libraries")]
use super::library;
use super::probe;
use super::protocol::Protocol;
use super::state::State;
use crate::region::{GUARD_BYTES, RESERVATION_BYTES, RegionCreator};

/// How contracts are executed. Never part of the protocol: results do not depend on it.
///
/// Both are names in every build, so that a node's configuration can be read and answered by every build of it, and a feature
/// that another crate turns on breaks nobody's `match`. Opening a VM with a backend that was not built is
/// [`EngineError::NotBuilt`].
///
/// ```
/// use crostata::{Backend, Config, VM};
///
/// for backend in Backend::BUILT {
///     VM::ephemeral_with_config(Config { backend: *backend, ..Config::default() }).unwrap();
/// }
/// assert!(Backend::BUILT.contains(&Backend::default()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Machine code, by Cranelift. Feature `native`.
    Native,
    /// Pulley bytecode, interpreted: for machines Cranelift does not know, 10 to 27 times slower. Feature `portable`.
    Portable,
}

impl Backend {
    /// The backends of this build, the fastest first. There is always one.
    pub const BUILT: &'static [Self] = &[
        #[cfg(feature = "native")]
        Self::Native,
        #[cfg(feature = "portable")]
        Self::Portable,
    ];
}

/// The fastest backend of this build.
impl Default for Backend {
    fn default() -> Self {
        Self::BUILT[0]
    }
}

/// Native stack that WebAssembly and the host functions it calls may use, in bytes.
pub(super) const NATIVE_STACK_BYTES: usize = 6 << 20;

/// Native stack that a byte of the injected counter may stand for; `tests/stack.rs` measures at most 2.
const NATIVE_BYTES_PER_HEIGHT: u64 = 4;

/// Native stack that a contract-to-contract call may take in the host, on top of the counter.
const NATIVE_BYTES_PER_CALL: u64 = 64 << 10;

/// Frames shown in a backtrace.
const BACKTRACE_FRAMES_MAX: usize = 24;

/// Compiles and runs contracts under one protocol. One engine serves all sessions and threads.
pub struct Engine<H: Host> {
    wasmtime: wasmtime::Engine,
    narrow: Linker<State<H>>,
    wide: Linker<State<H>>,
    protocol: Arc<Protocol>,
    failed: AtomicBool,
    /// Ticks so far, for an engine whose calls have deadlines.
    ticks: Option<AtomicU64>,
    aids: Aids,
    /// The protocol's libraries, if it lists any.
    #[cfg(feature = "libraries")]
    libraries: Option<Arc<library::Shelf>>,
}

/// A contract's code, compiled, with what the host must know of it.
pub struct Module<H: Host> {
    /// Facts read from the deployed code.
    pub facts: CodeFacts,
    /// Initial memory contents, applied once at deploy.
    pub data: Vec<DataSegment>,
    pub(super) instance: InstancePre<State<H>>,
    /// Where the rewritten operators were in the deployed code, once a failure in a located engine asked for it.
    pub(super) offsets: OnceLock<Option<OffsetMap>>,
}

impl<H: Host> Module<H> {
    /// What the compiler made.
    pub(super) fn compiled(&self) -> &wasmtime::Module {
        self.instance.module()
    }
}

/// What an engine does besides, for who asks for it. Results and gas are the same; its code is its own, apart from that of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aids {
    /// Calls can have deadlines, in ticks that somebody else counts out: for queries. Its code is a little slower.
    pub interruptible: bool,
    /// Failures tell their places in the code. Artifacts are larger, and failures take longer: for authors.
    pub located: bool,
    /// The code calls probes, which tell where gas goes: for authors. Many times slower.
    pub probed: bool,
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A price does not fit the metering table.
    #[error(transparent)]
    Price(#[from] PriceTooHigh),
    /// A limit is larger than formats or machines can hold.
    #[error("the protocol's {name} of {value} is more than the {max} that can be kept to")]
    Limit {
        /// The limit's name.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The largest value that works.
        max: u64,
    },
    /// The backend is not in this build.
    #[error(
        "the backend {backend:?} is not in this build, which has {:?}",
        Backend::BUILT
    )]
    NotBuilt {
        /// The backend asked for.
        backend: Backend,
    },
    /// The protocol lists libraries, and this build has none.
    #[error(
        "the protocol lists {listed} libraries, and this build can not run libraries: build it with the feature `libraries`"
    )]
    LibrariesNotBuilt {
        /// How many it lists.
        listed: usize,
    },
    /// The compiler refused its configuration: this machine is not supported.
    #[error("the WebAssembly engine does not start on this machine: {0}")]
    Start(String),
}

impl<H: Host> Engine<H> {
    /// An engine for this protocol.
    ///
    /// # Errors
    /// [`EngineError`] when a price is out of range or the machine is not supported.
    pub fn new(backend: Backend, protocol: Arc<Protocol>) -> Result<Self, EngineError> {
        Self::aided(backend, protocol, Aids::default())
    }

    /// An engine with these aids. Results, gas and outcomes of calls that end in time are those of [`new`](Self::new).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn aided(
        backend: Backend,
        protocol: Arc<Protocol>,
        aids: Aids,
    ) -> Result<Self, EngineError> {
        if !Backend::BUILT.contains(&backend) {
            return Err(EngineError::NotBuilt { backend });
        }
        check_limits(&protocol)?;
        #[cfg(not(feature = "libraries"))]
        if !protocol.libraries.is_empty() {
            let listed = protocol.libraries.len();
            return Err(EngineError::LibrariesNotBuilt { listed });
        }
        // With RUST_BACKTRACE set, each trap of a contract would take the time of a backtrace of the host, five times its own.
        wasmtime::error::disable_backtrace();
        let mut config = config(backend, &protocol)?;
        config.epoch_interruption(aids.interruptible);
        config.generate_address_map(aids.located);
        let wasmtime = wasmtime::Engine::new(&config).map_err(start_error)?;
        let mut narrow = Linker::new(&wasmtime);
        imports::define::<H, i32>(&mut narrow).map_err(start_error)?;
        let mut wide = Linker::new(&wasmtime);
        imports::define::<H, i64>(&mut wide).map_err(start_error)?;
        if aids.probed {
            probe::define(&mut narrow).map_err(start_error)?;
            probe::define(&mut wide).map_err(start_error)?;
        }
        Ok(Self {
            #[cfg(feature = "libraries")]
            libraries: library::Shelf::of(backend, &protocol, aids.interruptible)?,
            wasmtime,
            narrow,
            wide,
            protocol,
            failed: AtomicBool::new(false),
            ticks: aids.interruptible.then(AtomicU64::default),
            aids,
        })
    }

    /// The same engine with the libraries that another one of this protocol has loaded, if both have deadlines or neither.
    #[cfg(feature = "libraries")]
    #[must_use]
    pub fn sharing_libraries(self, other: &Self) -> Self {
        let libraries = match self.aids.interruptible == other.aids.interruptible {
            true => other.libraries.clone(),
            false => self.libraries,
        };
        Self { libraries, ..self }
    }

    /// The libraries, if the protocol lists any.
    #[cfg(feature = "libraries")]
    pub(super) fn libraries(&self) -> Option<&Arc<library::Shelf>> {
        self.libraries.as_ref()
    }

    /// Whether no call has ended in a [`Fault`](super::Fault) of the host so far. A report: nothing is refused.
    pub fn is_healthy(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }

    /// Reports that the host failed.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Lets one unit of time pass for the calls of an interruptible engine; costs next to nothing.
    pub fn tick(&self) {
        if let Some(ticks) = &self.ticks {
            ticks.fetch_add(1, Ordering::Relaxed);
            self.move_clock();
        }
    }

    /// Has the running calls of an interruptible engine look at their deadlines, without letting time pass.
    #[cfg(feature = "serve")]
    pub fn look(&self) {
        if self.ticks.is_some() {
            self.move_clock();
        }
    }

    fn move_clock(&self) {
        self.wasmtime.increment_epoch();
        #[cfg(feature = "libraries")]
        if let Some(libraries) = &self.libraries {
            libraries.look();
        }
    }

    /// Ticks so far; `None` if the engine is not interruptible.
    pub(super) fn ticks(&self) -> Option<u64> {
        self.ticks
            .as_ref()
            .map(|ticks| ticks.load(Ordering::Relaxed))
    }

    /// What it does besides.
    pub fn aids(&self) -> Aids {
        self.aids
    }

    /// The protocol that this engine runs.
    pub fn protocol(&self) -> &Arc<Protocol> {
        &self.protocol
    }

    /// Validates and rewrites code that somebody wants to deploy.
    ///
    /// # Errors
    /// The [`Rejection`] names the rule and the place.
    pub fn prepare(&self, code: &[u8]) -> Result<PreparedCode, Rejection> {
        self.rewrite(code, &self.protocol.code)
    }

    /// Rewrites code that was deployed earlier, under whatever limits held then.
    ///
    /// # Errors
    /// [`Rejection`]: the code is not what was once deployed.
    pub fn prepare_deployed(&self, code: &[u8]) -> Result<PreparedCode, Rejection> {
        self.rewrite(code, &self.protocol.code.lifted())
    }

    fn rewrite(&self, code: &[u8], limits: &CodeLimits) -> Result<PreparedCode, Rejection> {
        match self.aids.probed {
            true => code::prepare_probed(code, limits),
            false => code::prepare(code, limits),
        }
    }

    /// Where gas is kept and written down, if the code is probed.
    pub(super) fn ledger(&self) -> Option<Box<Ledger>> {
        let prices = &self.protocol.operators;
        let ledger = || Box::new(Ledger::new(prices.call, prices.memory_bulk));
        self.aids.probed.then(ledger)
    }

    /// The price of deploying this code; of code that would be rejected, the price of its length.
    pub fn deploy_price(&self, code: &[u8]) -> u64 {
        let prepared = code::prepare(code, &self.protocol.code);
        let effort = prepared.map(|prepared| prepared.facts.effort);
        self.protocol
            .deploy_price(code.len(), &effort.unwrap_or_default())
    }

    /// Binds compiled code to the host's functions.
    pub(super) fn link(
        &self,
        facts: CodeFacts,
        data: Vec<DataSegment>,
        compiled: &wasmtime::Module,
    ) -> wasmtime::Result<Module<H>> {
        let linker = match facts.word_size {
            crostata_proof::WordSize::W32 => &self.narrow,
            crostata_proof::WordSize::W64 => &self.wide,
        };
        let instance = linker.instantiate_pre(compiled)?;
        Ok(Module {
            facts,
            data,
            instance,
            offsets: OnceLock::new(),
        })
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }
}

/// Holds limits against what the page tree and the native stack can hold.
fn check_limits(protocol: &Protocol) -> Result<(), EngineError> {
    let height = u64::from(protocol.code.stack_height_limit);
    let depth = protocol.limits.call_depth_max;
    let stack = height.saturating_mul(NATIVE_BYTES_PER_HEIGHT);
    let stack = stack.saturating_add(depth.saturating_mul(NATIVE_BYTES_PER_CALL));
    let memory_max = crostata_proof::WordSize::W64.memory_wasm_pages_max();
    let checks = [
        (
            "limit.memory_wasm_pages_max",
            protocol.limits.memory_wasm_pages_max,
            memory_max,
        ),
        (
            "limit.code.memory_wasm_pages_max",
            protocol.code.memory_wasm_pages_max,
            memory_max,
        ),
        (
            "native stack for limit.code.stack_height_limit and limit.call_depth_max",
            stack,
            NATIVE_STACK_BYTES as u64,
        ),
    ];
    match checks.into_iter().find(|(_, value, max)| value > max) {
        Some((name, value, max)) => Err(EngineError::Limit { name, value, max }),
        None => Ok(()),
    }
}

fn start_error(error: wasmtime::Error) -> EngineError {
    EngineError::Start(format!("{error:#}"))
}

pub(super) fn config(backend: Backend, protocol: &Protocol) -> Result<Config, EngineError> {
    let mut config = Config::new();
    if backend == Backend::Portable {
        config.target("pulley64").map_err(start_error)?;
    }
    config
        .consume_fuel(true)
        .operator_cost(costs::table(&protocol.operators)?)
        .cranelift_nan_canonicalization(true)
        // What a frame takes of the native stack was measured with it.
        .cranelift_opt_level(OptLevel::Speed)
        .with_host_memory(Arc::new(RegionCreator))
        // The copy-on-write initialisation of wasmtime panics with memories of our own.
        .memory_init_cow(false)
        .memory_reservation(RESERVATION_BYTES)
        .memory_guard_size(GUARD_BYTES)
        .guard_before_linear_memory(false)
        .async_stack_size(2 * NATIVE_STACK_BYTES)
        .max_wasm_stack(NATIVE_STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Elements made at their first use would be made for the price of an indirect call.
        .table_lazy_init(false)
        // Backtraces name functions, not places in them: looking places up takes a sixth to a third of the time of a caught failure.
        .generate_address_map(false)
        // The rewriting says which branches are cold.
        .wasm_branch_hinting(true);
    features(&mut config);
    Ok(config)
}

/// The allow-list of `code::prepare` decides what deploys; this only keeps the compiler from more.
pub(super) fn features(config: &mut Config) {
    config
        .wasm_memory64(true)
        .wasm_extended_const(true)
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        // The marks table; `code::prepare` refuses contracts with more than one memory.
        .wasm_multi_memory(true)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false);
}
