//! The modules of an engine: from memory, from the disk, or from the compiler, whichever has them first.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crostata_proof::CodeHash;

use super::compile::{CompileError, Compiled, Compilers};
use super::config::ArtifactConfig;
use super::counters::{ArtifactCounters, Counters};
use super::disk::Disk;
use super::facts;
use super::flight::{Flight, Landing};
use super::format::{Artifact, Sections, TrustedCode, Unfit};
use super::load::load;
use super::shelf::{Found, Key, Shelf};
use super::stamp::Stamp;
use crate::engine::code::{CodeFacts, DataSegment, PreparedCode};
use crate::engine::{Backend, Engine, Host, Module};

/// Compiled code of all engines of a VM.
pub struct Artifacts<H: Host> {
    shelf: Mutex<Shelf<Module<H>>>,
    pub(super) disk: Option<Disk>,
    pub(super) compilers: Compilers,
    pub(super) counters: Arc<Counters>,
    /// How many engines there are.
    engines: AtomicU32,
}

/// The modules of one engine.
pub struct Modules<H: Host> {
    pub(super) artifacts: Arc<Artifacts<H>>,
    pub(super) engine: Arc<Engine<H>>,
    stamp: Stamp,
    /// That of the libraries, if the protocol lists any.
    #[cfg(feature = "libraries")]
    pub(super) library_stamp: Option<Stamp>,
    number: u32,
}

/// Why there is no module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleError<E> {
    /// The code could not be had, or not be prepared.
    Code(E),
    /// It could not be compiled.
    Compile(CompileError),
}

/// A module with the bytes that it counts for.
struct Weighed<H: Host> {
    module: Arc<Module<H>>,
    bytes: u64,
}

/// What compiling gave, to be kept on the disk.
struct Fresh {
    module: Vec<u8>,
    code: Compiled,
}

impl<H: Host> Artifacts<H> {
    /// An empty cache. `config` says where artifacts are on the disk, which is not looked at yet.
    pub fn new(config: &ArtifactConfig) -> Self {
        let counters = Arc::new(Counters::default());
        let directory = config.directory.clone();
        Self {
            shelf: Mutex::new(Shelf::new(config.ram_bytes_max)),
            disk: Disk::new(directory, config.disk_bytes_max, counters.clone()),
            compilers: Compilers::default(),
            counters,
            engines: AtomicU32::new(0),
        }
    }

    /// Keeps the modules of a code in memory, now and when they come. `false` if it was pinned already.
    pub fn pin(&self, code: CodeHash) -> bool {
        self.lock().pin(code)
    }

    /// Lets go of a code. `false` if it was not pinned.
    pub fn unpin(&self, code: CodeHash) -> bool {
        let gone = self.lock().unpin(code);
        self.evicted(gone.as_deref().unwrap_or_default());
        gone.is_some()
    }

    /// Whether the modules of a code are kept in memory.
    pub fn is_pinned(&self, code: &CodeHash) -> bool {
        self.lock().is_pinned(code)
    }

    /// What the cache did and holds.
    pub fn counters(&self) -> ArtifactCounters {
        let (modules, ram_bytes, pinned_bytes) = self.lock().sizes();
        ArtifactCounters {
            modules,
            ram_bytes,
            pinned_bytes,
            ..self.counters.read()
        }
    }

    fn evicted(&self, gone: &[Arc<Module<H>>]) {
        self.counters.ram_evicted.add(gone.len() as u64);
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<Module<H>>> {
        // No code of others runs under the lock; a panic for want of memory leaves at worst a count that is too high.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Host> Clone for Modules<H> {
    fn clone(&self) -> Self {
        Self {
            artifacts: self.artifacts.clone(),
            engine: self.engine.clone(),
            stamp: self.stamp.clone(),
            #[cfg(feature = "libraries")]
            library_stamp: self.library_stamp.clone(),
            number: self.number,
        }
    }
}

impl<H: Host> Modules<H> {
    /// The modules of an engine with this backend.
    pub fn new(artifacts: Arc<Artifacts<H>>, backend: Backend, engine: Arc<Engine<H>>) -> Self {
        let stamp = Stamp::new(backend, engine.protocol(), engine.wasmtime(), engine.aids());
        let number = artifacts.engines.fetch_add(1, Ordering::Relaxed);
        Self {
            artifacts,
            stamp,
            #[cfg(feature = "libraries")]
            library_stamp: engine
                .libraries()
                .map(|shelf| Stamp::of_libraries(backend, engine.protocol(), shelf.wasmtime())),
            engine,
            number,
        }
    }

    /// The module of a code. If it has to be compiled, `prepare` gives the code, which must be that of the hash.
    ///
    /// Of several threads that want the same one makes it; the others wait.
    ///
    /// # Errors
    /// What `prepare` gives, or that compiling failed: on this thread or on the one that was waited for.
    pub fn get<E>(
        &self,
        code: &CodeHash,
        prepare: impl FnOnce() -> Result<PreparedCode, E>,
    ) -> Result<Arc<Module<H>>, ModuleError<E>> {
        let key = self.key(code);
        let counters = &self.artifacts.counters;
        loop {
            let found = self.artifacts.lock().find(key);
            match found {
                Found::Ready(module) => {
                    counters.ram_hits.count();
                    return Ok(module);
                }
                Found::InFlight(flight) => {
                    counters.waited.count();
                    match flight.wait() {
                        Landing::Landed(module) => return Ok(module),
                        Landing::Failed(error) => return Err(ModuleError::Compile(error)),
                        Landing::Abandoned => {}
                    }
                }
                Found::Lead(flight) => return self.lead(key, flight, prepare),
            }
        }
    }

    /// Compiles a code anew, and puts it in place of what memory and disk have.
    ///
    /// # Errors
    /// That it can not be compiled; what was there is gone then.
    pub fn replace(
        &self,
        code: &CodeHash,
        prepared: PreparedCode,
    ) -> Result<Arc<Module<H>>, CompileError> {
        self.forget(code);
        let (weighed, fresh) = self.compile(prepared)?;
        self.keep(self.key(code), &weighed);
        self.save(code, &fresh);
        Ok(weighed.module)
    }

    /// Forgets a code in memory and on disk. `true` if it was known.
    pub fn forget(&self, code: &CodeHash) -> bool {
        let in_ram = self.artifacts.lock().remove(&self.key(code)).is_some();
        let disk = self.artifacts.disk.as_ref();
        let on_disk = disk.is_some_and(|disk| disk.remove(code, &self.stamp));
        in_ram || on_disk
    }

    fn key(&self, code: &CodeHash) -> Key {
        Key {
            engine: self.number,
            code: *code,
        }
    }

    fn lead<E>(
        &self,
        key: Key,
        flight: Arc<Flight<Module<H>>>,
        prepare: impl FnOnce() -> Result<PreparedCode, E>,
    ) -> Result<Arc<Module<H>>, ModuleError<E>> {
        let lead = Lead {
            artifacts: &self.artifacts,
            key,
            flight,
            landing: None,
        };
        if let Some(weighed) = self.load(&key.code) {
            return Ok(self.land(lead, weighed));
        }
        let prepared = match prepare() {
            Ok(prepared) => prepared,
            Err(error) => {
                lead.land(Landing::Abandoned);
                return Err(ModuleError::Code(error));
            }
        };
        match self.compile(prepared) {
            Ok((weighed, fresh)) => {
                let module = self.land(lead, weighed);
                self.save(&key.code, &fresh);
                Ok(module)
            }
            Err(error) => {
                lead.land(Landing::Failed(error.clone()));
                Err(ModuleError::Compile(error))
            }
        }
    }

    fn land(&self, lead: Lead<'_, H>, weighed: Weighed<H>) -> Arc<Module<H>> {
        self.keep(lead.key, &weighed);
        lead.land(Landing::Landed(weighed.module.clone()));
        weighed.module
    }

    fn keep(&self, key: Key, weighed: &Weighed<H>) {
        let module = weighed.module.clone();
        let gone = self.artifacts.lock().put(key, module, weighed.bytes);
        // Dropped here, where nobody waits for the lock.
        self.artifacts.evicted(&gone);
    }

    /// The module that the disk has.
    fn load(&self, code: &CodeHash) -> Option<Weighed<H>> {
        let disk = self.artifacts.disk.as_ref()?;
        let artifact = disk.load(code, &self.stamp)?;
        let loaded = facts::decode(artifact.module()).and_then(|(facts, data)| {
            let bytes = artifact.bytes().len();
            self.module(facts, data, artifact.code(), bytes).ok()
        });
        match loaded.is_some() {
            true => self.artifacts.counters.disk_hits.count(),
            false => disk.count_unfit(Unfit::Damaged),
        }
        loaded
    }

    fn compile(&self, prepared: PreparedCode) -> Result<(Weighed<H>, Fresh), CompileError> {
        let made = self.compile_uncounted(prepared);
        match &made {
            Ok(_) => self.artifacts.counters.compiled.count(),
            Err(_) => self.artifacts.counters.failed.count(),
        }
        made
    }

    fn compile_uncounted(
        &self,
        prepared: PreparedCode,
    ) -> Result<(Weighed<H>, Fresh), CompileError> {
        let PreparedCode {
            wasm, facts, data, ..
        } = prepared;
        let compilers = &self.artifacts.compilers;
        let code = compilers.compile(self.engine.wasmtime(), wasm)?;
        let module = facts::encode(&facts, &data);
        let bytes = module.len() + code.bytes().len();
        let weighed = self.module(facts, data, TrustedCode::compiled(&code), bytes);
        let weighed = weighed.map_err(|error| CompileError::Compiler(format!("{error:#}")))?;
        Ok((weighed, Fresh { module, code }))
    }

    fn module(
        &self,
        facts: CodeFacts,
        data: Vec<DataSegment>,
        code: TrustedCode<'_>,
        bytes: usize,
    ) -> wasmtime::Result<Weighed<H>> {
        let compiled = load(self.engine.wasmtime(), code)?;
        let module = self.engine.link(facts, data, &compiled)?;
        Ok(Weighed {
            module: Arc::new(module),
            bytes: bytes as u64,
        })
    }

    fn save(&self, code: &CodeHash, fresh: &Fresh) {
        if let Some(disk) = &self.artifacts.disk {
            let sections = Sections {
                engine: self.stamp.section(),
                module: &fresh.module,
                code: TrustedCode::compiled(&fresh.code),
            };
            disk.save(code, &self.stamp, |secret| {
                Artifact::seal(secret, code, sections)
            });
        }
    }
}

/// Who makes a module. However it ends, also by a panic, those who wait are woken.
struct Lead<'a, H: Host> {
    artifacts: &'a Artifacts<H>,
    key: Key,
    flight: Arc<Flight<Module<H>>>,
    landing: Option<Landing<Module<H>>>,
}

impl<H: Host> Lead<'_, H> {
    fn land(mut self, landing: Landing<Module<H>>) {
        self.landing = Some(landing);
    }
}

impl<H: Host> Drop for Lead<'_, H> {
    fn drop(&mut self) {
        let panicked = || {
            let text = "the thread that was to compile it is gone".to_owned();
            Landing::Failed(CompileError::Panicked(text))
        };
        // From here on others find the module, or make it.
        self.artifacts.lock().end_flight(&self.key);
        self.flight
            .land(self.landing.take().unwrap_or_else(panicked));
    }
}
