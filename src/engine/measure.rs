//! Compiling in its two parts, for measuring what each takes. Never for running contracts.

use wasmtime::{Config, Engine, Module};

use super::backend::{self, Backend, EngineError};
use super::code::{self, CodeLimits, PreparedCode, Rejection};
use super::protocol::Protocol;

/// A compiler with a backend's own settings, or with some of them changed.
pub struct Compiler {
    wasmtime: Engine,
    limits: CodeLimits,
}

impl Compiler {
    /// The compiler of a backend under a protocol, after `change` changed its settings.
    ///
    /// # Errors
    /// [`EngineError`] when the settings do not go together or the machine is not supported.
    pub fn new(
        backend: Backend,
        protocol: &Protocol,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self, EngineError> {
        let mut config = backend::config(backend, protocol)?;
        change(&mut config);
        let wasmtime =
            Engine::new(&config).map_err(|error| EngineError::Start(format!("{error:#}")))?;
        Ok(Self {
            wasmtime,
            limits: protocol.code.clone(),
        })
    }

    /// Validates and rewrites a module.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn prepare(&self, code: &[u8]) -> Result<PreparedCode, Rejection> {
        code::prepare(code, &self.limits)
    }

    /// Compiles a rewritten module and gives the bytes of its machine code.
    ///
    /// # Errors
    /// The compiler's message.
    pub fn compile(&self, prepared: &PreparedCode) -> Result<usize, String> {
        let module = Module::new(&self.wasmtime, &prepared.wasm);
        let module = module.map_err(|error| format!("{error:#}"))?;
        let range = module.image_range();
        Ok(range.end as usize - range.start as usize)
    }
}
