//! What the sessions of one VM share: the engine of their protocol, compiled modules, images, commits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crostata_proof::CodeHash;

use super::context::Context;
use super::error::{Error, Fatal, Rejected};
use crate::engine::{
    Backend, CompileError, Engine, EngineError, ErrorKind, Fault, Module, Protocol,
};
use crate::memory::{ContractMemory, Images};
use crate::state::{Commits, CommittedPages, ContractState, Snapshot};

/// What sessions under one protocol share.
pub struct Runtime {
    engine: Arc<Engine<Context>>,
    protocol_text: Arc<str>,
    modules: Mutex<Modules>,
    commits: Arc<Commits>,
    images: Arc<Images>,
    backend: Backend,
    /// The same with an engine whose calls can have deadlines, once somebody asked for it.
    interruptible: OnceLock<Arc<Self>>,
}

/// Compiled code by hash.
#[derive(Default)]
struct Modules {
    compiled: HashMap<CodeHash, Arc<Module<Context>>>,
    /// Code that passed this protocol's rules for deployment. Code deployed under earlier rules may be compiled
    /// and not be in here: what a deployment is judged by must not depend on what is cached.
    accepted: HashSet<CodeHash>,
}

impl Runtime {
    /// A runtime for `protocol` over these commits.
    ///
    /// # Errors
    /// [`EngineError`] when the protocol's prices are out of range or the machine is not supported.
    pub fn new(
        backend: Backend,
        protocol: Protocol,
        commits: Arc<Commits>,
        images: Arc<Images>,
    ) -> Result<Self, EngineError> {
        let protocol_text = protocol.text().into();
        Ok(Self {
            engine: Arc::new(Engine::new(backend, Arc::new(protocol))?),
            protocol_text,
            modules: Mutex::default(),
            commits,
            images,
            backend,
            interruptible: OnceLock::new(),
        })
    }

    /// The runtime for sessions with deadlines, under the same protocol and over the same commits.
    ///
    /// # Errors
    /// [`EngineError::Start`] when the system has no room for another engine.
    pub fn interruptible(&self) -> Result<Arc<Self>, EngineError> {
        if let Some(runtime) = self.interruptible.get() {
            return Ok(runtime.clone());
        }
        let engine = Engine::interruptible(self.backend, self.engine.protocol().clone())?;
        let made = Arc::new(Self {
            engine: Arc::new(engine),
            protocol_text: self.protocol_text.clone(),
            modules: Mutex::default(),
            commits: self.commits.clone(),
            images: self.images.clone(),
            backend: self.backend,
            interruptible: OnceLock::new(),
        });
        // Another thread may have been faster.
        Ok(self.interruptible.get_or_init(|| made).clone())
    }

    /// Lets one unit of time pass for sessions with deadlines.
    pub fn tick(&self) {
        if let Some(runtime) = self.interruptible.get() {
            runtime.engine.tick();
        }
    }

    /// Whether no call has ended in a fault of the host so far.
    pub fn is_healthy(&self) -> bool {
        let of_queries = self.interruptible.get();
        self.engine.is_healthy() && of_queries.is_none_or(|queries| queries.is_healthy())
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine<Context>> {
        &self.engine
    }

    /// The canonical text of the protocol.
    pub fn protocol_text(&self) -> &Arc<str> {
        &self.protocol_text
    }

    /// The commits.
    pub fn commits(&self) -> &Arc<Commits> {
        &self.commits
    }

    /// The module of code that somebody deploys: compiled, unless it is known already.
    ///
    /// # Errors
    /// [`Rejected::Code`], or a fault of the compiler.
    pub fn module_to_deploy(
        &self,
        code_hash: CodeHash,
        code: &[u8],
    ) -> Result<Arc<Module<Context>>, Error> {
        let accepted = self.lock_modules().accepted.contains(&code_hash);
        let module = match accepted {
            true => self.module(code_hash, || self.engine.compile(code)),
            false => self.judge(code_hash, code),
        };
        module.map_err(|error| match error {
            CompileError::Rejected(rejection) => Error::Rejected(Rejected::Code {
                code_bytes: code.len(),
                rejection,
            }),
            CompileError::Compiler(what) => {
                Error::Fatal(Fatal::Fault(Fault::new(what).of_kind(ErrorKind::Compile)))
            }
        })
    }

    fn judge(
        &self,
        code_hash: CodeHash,
        code: &[u8],
    ) -> Result<Arc<Module<Context>>, CompileError> {
        let known = self.lock_modules().compiled.get(&code_hash).cloned();
        let module = match known {
            Some(module) => {
                self.engine.judge(code)?;
                module
            }
            None => self.module(code_hash, || self.engine.compile(code))?,
        };
        self.lock_modules().accepted.insert(code_hash);
        Ok(module)
    }

    /// The module of a committed contract: compiled from the store, unless it is known already.
    ///
    /// # Errors
    /// [`Fault`] when the store has lost the code.
    pub fn module_of(
        &self,
        base: &Snapshot,
        state: &ContractState,
    ) -> Result<Arc<Module<Context>>, Fault> {
        let contract = state.record.contract;
        let lost = |error: Box<dyn std::error::Error + Send + Sync>| {
            Fault::from(
                format!("the code of contract {contract} can not be had"),
                error,
            )
            .of_kind(ErrorKind::Compile)
        };
        self.module(state.record.code_hash, || {
            let code = base.code(&state.record.code_hash);
            let code = code.map_err(|error| lost(error.into()))?;
            self.engine
                .compile_deployed(&code)
                .map_err(|error| lost(error.into()))
        })
    }

    /// Forgets compiled code; it is compiled again when it is next needed. `true` if it was known.
    pub fn forget_module(&self, code_hash: &CodeHash) -> bool {
        let of_queries = self.interruptible.get();
        let of_queries = of_queries.is_some_and(|queries| queries.forget_module(code_hash));
        self.lock_modules().compiled.remove(code_hash).is_some() || of_queries
    }

    /// The memory of a committed contract, seen copy-on-write.
    ///
    /// # Errors
    /// [`Fault`] when pages or address space can not be had.
    pub fn memory_of(&self, state: &Arc<ContractState>) -> Result<ContractMemory, Fault> {
        let contract = state.record.contract;
        let failed = |error| {
            Fault::from(
                format!("the memory of contract {contract} can not be had"),
                error,
            )
            .of_kind(ErrorKind::Memory)
        };
        let size_bytes = state.record.memory_wasm_pages * crostata_abi::WASM_PAGE_BYTES;
        let pages = CommittedPages::new(self.commits.store().clone(), state.clone());
        let key = (state.record.page_root, size_bytes);
        let image = self.images.get(key, Arc::new(pages));
        let image = image.map_err(failed)?;
        ContractMemory::over(image).map_err(failed)
    }

    /// Forgets committed pages that no session uses and that do not fit the budget.
    pub fn trim_images(&self) {
        self.images.trim();
    }

    fn module<E>(
        &self,
        code_hash: CodeHash,
        compile: impl FnOnce() -> Result<Module<Context>, E>,
    ) -> Result<Arc<Module<Context>>, E> {
        if let Some(module) = self.lock_modules().compiled.get(&code_hash) {
            return Ok(module.clone());
        }
        // Compiled outside of the lock: a slow module delays nobody else. Two threads may both compile it.
        let module = Arc::new(compile()?);
        self.lock_modules()
            .compiled
            .insert(code_hash, module.clone());
        Ok(module)
    }

    fn lock_modules(&self) -> MutexGuard<'_, Modules> {
        // The map is whole whenever the lock is free, also after a panic.
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
