//! The backends: wasmtime compiling to machine code (native) or to Pulley bytecode (portable).
//!
//! Both run the same rewritten modules under the same protocol and must agree on everything but speed.

use std::num::NonZeroUsize;
use std::sync::Arc;

use wasmtime::{Config, InstancePre, Linker, WasmBacktraceDetails};

use super::code::{self, CodeFacts, CodeLimits, DataSegment, Rejection};
use super::costs::{self, PriceTooHigh};
use super::host::Host;
use super::imports;
use super::protocol::Protocol;
use super::state::State;
use crate::region::{GUARD_BYTES, RESERVATION_BYTES, RegionCreator};

/// How contracts are executed. Never part of the protocol: results do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Backend {
    /// Machine code, by Cranelift.
    #[default]
    Native,
    /// Pulley bytecode, interpreted: for machines Cranelift does not know, 10 to 27 times slower.
    Portable,
}

/// Native stack that WebAssembly and the host functions it calls may use, in bytes.
pub(super) const NATIVE_STACK_BYTES: usize = 6 << 20;

/// Native stack that a byte of the injected counter may stand for; measured: at most 2.
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
}

/// A contract's code, compiled, with what the host must know of it.
pub struct Module<H: Host> {
    /// Facts read from the deployed code.
    pub facts: CodeFacts,
    /// Initial memory contents, applied once at deploy.
    pub data: Vec<DataSegment>,
    pub(super) instance: InstancePre<State<H>>,
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
    /// The compiler refused its configuration: this machine is not supported.
    #[error("the WebAssembly engine does not start on this machine: {0}")]
    Start(String),
}

/// Why code could not be made ready to run.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The code breaks a rule: the deployment can not be in a block.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The compiler failed on code that the rules accept: a fault of the host.
    #[error("the compiler failed on accepted code: {0}")]
    Compiler(String),
}

impl<H: Host> Engine<H> {
    /// An engine for this protocol.
    ///
    /// # Errors
    /// [`EngineError`] when a price is out of range or the machine is not supported.
    pub fn new(backend: Backend, protocol: Arc<Protocol>) -> Result<Self, EngineError> {
        check_limits(&protocol)?;
        let config = config(backend, &protocol)?;
        let wasmtime = wasmtime::Engine::new(&config).map_err(start_error)?;
        let mut narrow = Linker::new(&wasmtime);
        imports::define::<H, i32>(&mut narrow).map_err(start_error)?;
        let mut wide = Linker::new(&wasmtime);
        imports::define::<H, i64>(&mut wide).map_err(start_error)?;
        Ok(Self {
            wasmtime,
            narrow,
            wide,
            protocol,
        })
    }

    /// The protocol that this engine runs.
    pub fn protocol(&self) -> &Arc<Protocol> {
        &self.protocol
    }

    /// Validates, rewrites and compiles code that somebody wants to deploy.
    ///
    /// # Errors
    /// [`CompileError::Rejected`] names the rule and the place.
    pub fn compile(&self, code: &[u8]) -> Result<Module<H>, CompileError> {
        self.compile_within(code, &self.protocol.code)
    }

    /// Holds code against the rules for deployment without compiling it.
    ///
    /// # Errors
    /// The [`Rejection`] that [`compile`](Self::compile) would give.
    pub fn judge(&self, code: &[u8]) -> Result<(), Rejection> {
        code::prepare(code, &self.protocol.code).map(|_| ())
    }

    /// Compiles code that was deployed earlier, under whatever limits held then.
    ///
    /// # Errors
    /// [`CompileError`]; a rejection here means that the code is not what was once deployed.
    pub fn compile_deployed(&self, code: &[u8]) -> Result<Module<H>, CompileError> {
        self.compile_within(code, &self.protocol.code.lifted())
    }

    fn compile_within(&self, code: &[u8], limits: &CodeLimits) -> Result<Module<H>, CompileError> {
        let prepared = code::prepare(code, limits)?;
        let failed = |error: wasmtime::Error| CompileError::Compiler(format!("{error:#}"));
        let compiled = wasmtime::Module::new(&self.wasmtime, &prepared.wasm).map_err(failed)?;
        let linker = match prepared.facts.word_size {
            crostata_proof::WordSize::W32 => &self.narrow,
            crostata_proof::WordSize::W64 => &self.wide,
        };
        Ok(Module {
            instance: linker.instantiate_pre(&compiled).map_err(failed)?,
            facts: prepared.facts,
            data: prepared.data,
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
        // The rewriting says which branches are cold.
        .wasm_branch_hinting(true);
    features(&mut config);
    Ok(config)
}

/// The allow-list of `code::prepare` decides what deploys; this only keeps the compiler from more.
fn features(config: &mut Config) {
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
