//! What the sessions of one VM share: the engine of their protocol, compiled modules, images, commits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crostata_proof::{CodeHash, hash};

use super::activity::Activity;
use super::context::Context;
use super::error::{CodeNotAllowed, Error, Fatal, Rejected};
#[cfg(feature = "libraries")]
use crate::engine::LibraryError;
use crate::engine::code::{PreparedCode, Rejection};
use crate::engine::{
    Aids, Artifacts, Backend, CompileError, Engine, EngineError, ErrorKind, Fault, Fingerprint,
    Module, ModuleError, Modules, Protocol,
};
use crate::memory::{CommittedImage, ContractMemory, Images, MemoryError};
use crate::observe::Observed;
use crate::state::{Commits, CommittedPages, ContractState, Snapshot};

/// Codes of which it is remembered that they keep to the rules for deployment, and codes whose price is.
const ACCEPTED_MAX: usize = 4_096;

/// What sessions under one protocol share.
pub struct Runtime {
    engine: Arc<Engine<Context>>,
    protocol_text: Arc<str>,
    fingerprint: Fingerprint,
    modules: Modules<Context>,
    accepted: Arc<Mutex<Accepted>>,
    prices: Arc<Mutex<Prices>>,
    shared: Arc<Shared>,
    /// The same with an engine whose calls can have deadlines, once somebody asked for it.
    interruptible: OnceLock<Arc<Self>>,
    /// The same with an engine whose failures tell their places in the code, once somebody asked for it.
    located: OnceLock<Arc<Self>>,
    /// The same with an engine whose code is probed, once somebody asked for it.
    profiled: OnceLock<Arc<Self>>,
    /// The runtime over another store whose engines and compiled code these are.
    origin: Option<Arc<Self>>,
}

/// What the runtimes of one VM share.
pub struct Shared {
    /// How contracts are executed.
    pub backend: Backend,
    /// The commits.
    pub commits: Arc<Commits>,
    /// Committed memories.
    pub images: Arc<Images>,
    /// Compiled code.
    pub artifacts: Arc<CompiledCode>,
    /// What sessions did.
    pub activity: Activity,
    /// Who is told of work.
    pub observed: Observed,
}

/// The compiled code of a VM.
pub type CompiledCode = Artifacts<Context>;

/// Code that passed this protocol's rules for deployment, the last to do so. Code deployed under earlier rules may be compiled and not
/// be in here: what a deployment is judged by must not depend on what is cached. What is not in here is judged again,
/// with the same answer.
type Accepted = Remembered<()>;

/// What deploying codes costs, accepted or not: who sends the same code again has it judged for its price once.
type Prices = Remembered<u64>;

/// Something that follows from a code and the protocol alone, of the last [`ACCEPTED_MAX`] codes.
struct Remembered<T> {
    known: HashMap<CodeHash, T>,
    order: VecDeque<CodeHash>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Remembered<T> {
    fn insert(&mut self, code: CodeHash, what: T) {
        if self.known.insert(code, what).is_some() {
            return;
        }
        self.order.push_back(code);
        if self.order.len() > ACCEPTED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Runtime {
    /// A runtime for `protocol`.
    ///
    /// # Errors
    /// [`EngineError`] when the protocol's prices are out of range or the machine is not supported.
    pub fn new(shared: Arc<Shared>, protocol: Protocol) -> Result<Self, EngineError> {
        let text = protocol.text().into();
        let engine = Engine::new(shared.backend, Arc::new(protocol))?;
        Ok(Self::over(shared, engine, text))
    }

    /// The runtime for sessions with deadlines, under the same protocol and over the same commits.
    ///
    /// # Errors
    /// [`EngineError::Start`] when the system has no room for another engine.
    pub fn interruptible(&self) -> Result<Arc<Self>, EngineError> {
        let aids = Aids {
            interruptible: true,
            ..self.engine.aids()
        };
        self.variant(|runtime| &runtime.interruptible, aids)
    }

    /// The runtime for sessions whose failures tell their places in the code, under the same protocol and over the same commits.
    ///
    /// # Errors
    /// [`EngineError::Start`] when the system has no room for another engine.
    pub fn located(&self) -> Result<Arc<Self>, EngineError> {
        let aids = Aids {
            located: true,
            ..self.engine.aids()
        };
        self.variant(|runtime| &runtime.located, aids)
    }

    /// The runtime for sessions that say where gas goes, under the same protocol and over the same commits.
    ///
    /// # Errors
    /// [`EngineError::Start`] when the system has no room for another engine.
    pub fn profiled(&self) -> Result<Arc<Self>, EngineError> {
        let aids = Aids {
            probed: true,
            ..self.engine.aids()
        };
        self.variant(|runtime| &runtime.profiled, aids)
    }

    fn variant(
        &self,
        known: fn(&Self) -> &OnceLock<Arc<Self>>,
        aids: Aids,
    ) -> Result<Arc<Self>, EngineError> {
        if let Some(runtime) = known(self).get() {
            return Ok(runtime.clone());
        }
        let shared = self.shared.clone();
        let made = match &self.origin {
            Some(origin) => origin.variant(known, aids)?.beside(shared),
            None => {
                let protocol = self.engine.protocol().clone();
                let engine = Engine::aided(shared.backend, protocol, aids)?;
                #[cfg(feature = "libraries")]
                let engine = engine.sharing_libraries(&self.engine);
                let made = Self::over(shared, engine, self.protocol_text.clone());
                #[cfg(feature = "libraries")]
                made.take_libraries(self)?;
                made
            }
        };
        // Another thread may have been faster.
        Ok(known(self).get_or_init(|| Arc::new(made)).clone())
    }

    /// Has the libraries ready that another runtime of this protocol has.
    #[cfg(feature = "libraries")]
    fn take_libraries(&self, other: &Self) -> Result<(), EngineError> {
        let loaded = self.modules.load_libraries_of(&other.modules);
        loaded.map_err(|error| EngineError::Start(error.to_string()))
    }

    /// Has a library of the protocol ready.
    ///
    /// # Errors
    /// [`LibraryError`]: what is wrong with it.
    #[cfg(feature = "libraries")]
    pub fn load_library(&self, code: &CodeHash, bytes: &[u8]) -> Result<(), LibraryError> {
        self.modules.load_library(code, bytes)
    }

    /// The variants that somebody asked for.
    fn variants(&self) -> impl Iterator<Item = &Arc<Self>> {
        [&self.interruptible, &self.located, &self.profiled]
            .into_iter()
            .filter_map(OnceLock::get)
    }

    fn over(shared: Arc<Shared>, engine: Engine<Context>, protocol_text: Arc<str>) -> Self {
        let engine = Arc::new(engine);
        let artifacts = shared.artifacts.clone();
        Self {
            modules: Modules::new(artifacts, shared.backend, engine.clone()),
            engine,
            fingerprint: Fingerprint::of_text(protocol_text.as_bytes()),
            protocol_text,
            accepted: Arc::default(),
            prices: Arc::default(),
            shared,
            interruptible: OnceLock::new(),
            located: OnceLock::new(),
            profiled: OnceLock::new(),
            origin: None,
        }
    }

    /// The same engine and compiled code for the commits of another store, whose cache of compiled code is this one's.
    pub fn beside(self: &Arc<Self>, shared: Arc<Shared>) -> Self {
        Self {
            engine: self.engine.clone(),
            protocol_text: self.protocol_text.clone(),
            fingerprint: self.fingerprint,
            modules: self.modules.clone(),
            accepted: self.accepted.clone(),
            prices: self.prices.clone(),
            shared,
            interruptible: OnceLock::new(),
            located: OnceLock::new(),
            profiled: OnceLock::new(),
            origin: Some(self.clone()),
        }
    }

    /// What the runtimes of one VM share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Lets one unit of time pass for sessions with deadlines.
    pub fn tick(&self) {
        self.engine.tick();
        self.variants().for_each(|runtime| runtime.tick());
    }

    /// Has calls with deadlines look at them, without letting time pass.
    #[cfg(feature = "serve")]
    pub fn look(&self) {
        self.engine.look();
        self.variants().for_each(|runtime| runtime.look());
    }

    /// Whether no call has ended in a fault of the host so far.
    pub fn is_healthy(&self) -> bool {
        self.engine.is_healthy() && self.variants().all(|variant| variant.is_healthy())
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine<Context>> {
        &self.engine
    }

    /// The canonical text of the protocol.
    pub fn protocol_text(&self) -> &Arc<str> {
        &self.protocol_text
    }

    /// The fingerprint of the protocol.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The commits.
    pub fn commits(&self) -> &Arc<Commits> {
        &self.shared.commits
    }

    /// The module of code that somebody deploys: compiled, unless it is known already.
    ///
    /// # Errors
    /// [`Rejected::CodeNotAllowed`], [`Rejected::Code`], or a fault of the compiler.
    pub fn module_to_deploy(
        &self,
        code_hash: CodeHash,
        code: &[u8],
    ) -> Result<Arc<Module<Context>>, Error> {
        if !self.allows(&code_hash) {
            return Err(Rejected::CodeNotAllowed { code_hash }.into());
        }
        let rejected = |rejection| {
            let code_bytes = code.len();
            Error::Rejected(Rejected::Code {
                code_bytes,
                rejection,
            })
        };
        // Not within the match: code is judged without the lock.
        let is_known = self.lock_accepted().known.contains_key(&code_hash);
        let prepared = match is_known {
            true => None,
            false => Some(self.engine.prepare(code).map_err(rejected)?),
        };
        // Code that breaks a rule for deployment may be what another session runs: it must not fail that.
        let prepare = || prepared.map_or_else(|| self.engine.prepare_deployed(code), Ok);
        let module = self.modules.get(&code_hash, prepare);
        let module = module.map_err(|error| match error {
            ModuleError::Code(rejection) => rejected(rejection),
            ModuleError::Compile(error) => Error::Fatal(Fatal::Fault(compile_fault(error))),
        })?;
        self.lock_accepted().insert(code_hash, ());
        Ok(module)
    }

    /// The module of a committed contract: compiled from the store, unless it is known already.
    ///
    /// # Errors
    /// [`Fault`] when the store has lost the code, or by [`CodeNotAllowed`].
    pub fn module_of(
        &self,
        base: &Snapshot,
        state: &ContractState,
    ) -> Result<Arc<Module<Context>>, Fault> {
        let (contract, code_hash) = (state.record.contract, state.record.code_hash);
        if !self.allows(&code_hash) {
            let refused = CodeNotAllowed {
                contract,
                code_hash,
            };
            let fault = Fault::from("a contract may not run", refused);
            return Err(fault.of_kind(ErrorKind::Compile));
        }
        let prepare = || self.prepare_committed(base, state);
        let module = self.modules.get(&code_hash, prepare);
        module.map_err(|error| match error {
            ModuleError::Code(fault) => fault,
            ModuleError::Compile(error) => compile_fault(error),
        })
    }

    /// Has the module of some code ready. The code is held against the rules as deployed code is: limits may have become tighter
    /// since it was deployed.
    ///
    /// # Errors
    /// The rule that it breaks, or that it can not be compiled.
    pub fn precompile(
        &self,
        code_hash: &CodeHash,
        code: &[u8],
    ) -> Result<(), ModuleError<Rejection>> {
        let prepare = || self.engine.prepare_deployed(code);
        self.modules.get(code_hash, prepare).map(drop)
    }

    fn allows(&self, code_hash: &CodeHash) -> bool {
        let allowed = self.engine.protocol().allowed.as_ref();
        allowed.is_none_or(|allowed| allowed.contains(code_hash))
    }

    /// Compiles the code of a committed contract anew.
    ///
    /// # Errors
    /// As [`module_of`](Self::module_of).
    pub fn recompile(&self, base: &Snapshot, state: &ContractState) -> Result<(), Fault> {
        let prepared = self.prepare_committed(base, state)?;
        let replaced = self.modules.replace(&state.record.code_hash, prepared);
        replaced.map_err(compile_fault)?;
        self.variants()
            .try_for_each(|variant| variant.recompile(base, state))
    }

    /// Forgets compiled code in memory and on disk; it is compiled again when it is next needed. `true` if it was known.
    pub fn forget_module(&self, code_hash: &CodeHash) -> bool {
        let variants = self.variants();
        let of_variants = variants.filter(|variant| variant.forget_module(code_hash));
        let of_variants = of_variants.count() > 0;
        self.modules.forget(code_hash) || of_variants
    }

    fn prepare_committed(
        &self,
        base: &Snapshot,
        state: &ContractState,
    ) -> Result<PreparedCode, Fault> {
        let contract = state.record.contract;
        let lost = |error: Box<dyn std::error::Error + Send + Sync>| {
            Fault::from(
                format!("the code of contract {contract} can not be had"),
                error,
            )
            .of_kind(ErrorKind::Compile)
        };
        let code = base.code(&state.record.code_hash);
        let code = code.map_err(|error| lost(error.into()))?;
        let prepared = self.engine.prepare_deployed(&code);
        prepared.map_err(|error| lost(error.into()))
    }

    /// The memory of a committed contract, seen copy-on-write.
    ///
    /// # Errors
    /// [`Fault`] when pages or address space can not be had.
    pub fn memory_of(&self, state: &Arc<ContractState>) -> Result<ContractMemory, Fault> {
        let memory = ContractMemory::over(self.image_of(state)?);
        memory.map_err(|error| no_memory(state, error))
    }

    /// The committed pages of a contract, which sessions share. None of them is loaded here.
    ///
    /// # Errors
    /// [`Fault`] when address space can not be had.
    pub fn image_of(&self, state: &Arc<ContractState>) -> Result<Arc<CommittedImage>, Fault> {
        let size_bytes = state.record.memory_wasm_pages * crostata_abi::WASM_PAGE_BYTES;
        let pages = CommittedPages::new(self.shared.commits.store().clone(), state.clone());
        let (pages, images) = (Arc::new(pages), &self.shared.images);
        let image = match state.pages.is_part() {
            true => Ok(Arc::new(CommittedImage::alone(pages))),
            false => images.get((state.record.page_root, size_bytes), pages),
        };
        image.map_err(|error| no_memory(state, error))
    }

    /// Forgets committed pages that no session uses and that do not fit the budget.
    pub fn trim_images(&self) {
        self.shared.images.trim();
    }

    /// The price of deploying this code; of code that would be rejected, the price of its length.
    ///
    /// It is remembered: a deployment that is rejected for another reason, which costs nobody gas, costs the node a hash when it comes again.
    pub fn deploy_price(&self, code: &[u8]) -> u64 {
        let code_hash = hash::code_hash(code);
        if let Some(price) = self.lock_prices().known.get(&code_hash) {
            return *price;
        }
        // Code is judged without the lock.
        let price = self.engine.deploy_price(code);
        self.lock_prices().insert(code_hash, price);
        price
    }

    fn lock_prices(&self) -> MutexGuard<'_, Prices> {
        // As with what was accepted.
        self.prices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_accepted(&self) -> MutexGuard<'_, Accepted> {
        // After a panic at worst a code is missing in one of the two collections, and is judged again, or stays a little longer.
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_memory(state: &ContractState, error: MemoryError) -> Fault {
    let contract = state.record.contract;
    let what = format!("the memory of contract {contract} can not be had");
    Fault::from(what, error).of_kind(ErrorKind::Memory)
}

fn compile_fault(error: CompileError) -> Fault {
    Fault::from("code can not be compiled", error).of_kind(ErrorKind::Compile)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use super::*;
    use crate::engine::ArtifactConfig;

    type Gotten = Result<Arc<Module<Context>>, ModuleError<&'static str>>;

    struct Scene {
        engine: Arc<Engine<Context>>,
        artifacts: Arc<CompiledCode>,
        modules: Modules<Context>,
    }

    const CODE: CodeHash = CodeHash::from_bytes([1; 32]);

    fn scene() -> Scene {
        let engine = Engine::new(Backend::default(), Arc::default()).unwrap();
        let (engine, artifacts) = (
            Arc::new(engine),
            CompiledCode::new(&ArtifactConfig::default()),
        );
        let artifacts = Arc::new(artifacts);
        Scene {
            modules: Modules::new(artifacts.clone(), Backend::default(), engine.clone()),
            engine,
            artifacts,
        }
    }

    impl Scene {
        fn prepared(&self) -> PreparedCode {
            let code =
                "(module (memory (export \"memory\") 2) (global (export \"A\") i32 (i32.const 0)))";
            self.engine.prepare(&wat::parse_str(code).unwrap()).unwrap()
        }

        /// One thread that makes the code by `lead`, and three that want it meanwhile and would make it well.
        fn race(
            &self,
            lead: impl Fn() -> Result<PreparedCode, &'static str> + Sync,
        ) -> (thread::Result<Gotten>, Vec<Gotten>) {
            let started = std::sync::Barrier::new(4);
            let waiting = || self.artifacts.counters().waited == 3;
            thread::scope(|scope| {
                let leader = scope.spawn(|| {
                    let led = || {
                        started.wait();
                        while !waiting() {
                            thread::yield_now();
                        }
                        lead()
                    };
                    catch_unwind(AssertUnwindSafe(|| self.modules.get(&CODE, led)))
                });
                let followers: Vec<_> = (0..3)
                    .map(|_| {
                        scope.spawn(|| {
                            started.wait();
                            self.modules.get(&CODE, || Ok(self.prepared()))
                        })
                    })
                    .collect();
                let followed = followers.into_iter().map(|one| one.join().unwrap());
                let followed = followed.collect();
                (leader.join().unwrap(), followed)
            })
        }

        fn compiles_now(&self) {
            assert!(
                self.modules
                    .get(&CODE, || Ok::<_, ()>(self.prepared()))
                    .is_ok()
            );
        }
    }

    /// P7: who waits for code whose compilation fails gets the error, once compiled, not once each.
    #[test]
    fn a_failed_compilation_wakes_who_waits() {
        let scene = scene();
        let junk = || {
            let wasm = b"junk".to_vec();
            Ok(PreparedCode {
                wasm,
                ..scene.prepared()
            })
        };
        let (led, followed) = scene.race(junk);
        for gotten in [led.unwrap()].into_iter().chain(followed) {
            let error = gotten.err().unwrap();
            assert!(matches!(
                error,
                ModuleError::Compile(CompileError::Compiler(_))
            ));
        }
        assert_eq!(scene.artifacts.counters().failed, 1);
        scene.compiles_now();
    }

    /// P7: a panic of the thread that was to make it wakes who waits, too.
    #[test]
    fn a_panic_wakes_who_waits() {
        let scene = scene();
        let (led, followed) = scene.race(|| panic!("on purpose"));
        assert!(led.is_err());
        for gotten in followed {
            let error = gotten.err().unwrap();
            assert!(matches!(
                error,
                ModuleError::Compile(CompileError::Panicked(_))
            ));
        }
        scene.compiles_now();
    }

    /// P1: who can not have the code leaves it to those who can.
    #[test]
    fn who_has_no_code_leaves_it_to_others() {
        let scene = scene();
        let (led, followed) = scene.race(|| Err("no code"));
        assert_eq!(led.unwrap().err(), Some(ModuleError::Code("no code")));
        assert!(followed.iter().all(Result::is_ok));
        assert_eq!(scene.artifacts.counters().compiled, 1);
    }

    /// P6: what is remembered of accepted code is bounded; what is forgotten is only judged again.
    #[test]
    fn accepted_codes_are_bounded() {
        let mut accepted = Accepted::default();
        let code = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            CodeHash::from_bytes(bytes)
        };
        for number in (0..ACCEPTED_MAX + 10).flat_map(|number| [number, number]) {
            accepted.insert(code(number), ());
        }
        assert_eq!(accepted.known.len(), ACCEPTED_MAX);
        assert_eq!(accepted.order.len(), ACCEPTED_MAX);
        assert!(!accepted.known.contains_key(&code(9)) && accepted.known.contains_key(&code(10)));
    }
}
