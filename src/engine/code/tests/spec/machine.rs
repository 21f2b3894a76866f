//! A store with the instances of one script, under the engine's own configuration, memories and marks.
//!
//! What the session does around frames is done here as simply as can be: marks are cleared before each call, the stack
//! counter is set, touches are counted. Nothing is charged but fuel, and nothing is undone: the specification has traps keep
//! what was done before them.

use super::super::marked::{self, Seen};
use super::below::Below;
use crate::engine::backend::{self, Backend};
use crate::engine::code::{HEIGHT_GLOBAL, TOUCH_MODULE};
use crate::engine::failure;
use crate::engine::protocol::Protocol;
use crate::memory::{Access, ContractMemory, Copies, Touch};
use crate::region::hand_over;
use crostata_abi::WASM_PAGE_BYTES;
use crostata_proof::receipt::Outcome;
use wasmtime::{
    Caller, Extern, Func, FuncType, Global, Instance, Module, ResourceLimiter, Store, Trap, Val,
};

/// Fuel of a call: more than any of the suite needs.
const FUEL: u64 = 1 << 40;

/// How modules are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As a contract on this backend.
    Backend(Backend),
    /// Natively, with every access held against the marks.
    Audited,
    /// Natively, with every access held against the addresses that checks looked at, and no marks: every check calls the host.
    StrictlyAudited,
}

/// What a call took. Backends must agree on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cost {
    /// Fuel, also after traps, where nothing depends on it.
    pub fuel: u64,
    /// Pages first read and first written.
    pub touched: (u64, u64),
}

/// Why an instance or a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It trapped.
    Trap(Outcome),
    /// An import is missing or of another type.
    Unlinkable(String),
    /// Something that never happens.
    Fault(String),
}

/// What the store owns.
struct World {
    /// Per instance; `None` where it has no memory.
    memories: Vec<Option<ContractMemory>>,
    copies: Copies,
    growth: Growth,
    seen: Seen,
    touched: (u64, u64),
}

/// The protocol's limit on a memory.
struct Growth {
    max_bytes: u64,
}

impl ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let within = desired as u64 <= self.max_bytes && maximum.is_none_or(|max| desired <= max);
        Ok(current == 0 || desired <= current || within)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

impl AsMut<Seen> for World {
    fn as_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }
}

/// An engine of the way modules are run.
pub struct Engine {
    way: Way,
    wasmtime: wasmtime::Engine,
}

impl Engine {
    pub fn new(way: Way) -> Self {
        let backend = match way {
            Way::Backend(backend) => backend,
            Way::Audited | Way::StrictlyAudited => Backend::Native,
        };
        let config = backend::config(backend, &Protocol::default()).unwrap();
        let wasmtime = wasmtime::Engine::new(&config).unwrap();
        Self { way, wasmtime }
    }
}

/// The instances of one script.
pub struct Machine<'e> {
    engine: &'e Engine,
    store: Store<World>,
    instances: Vec<Instance>,
    heights: Vec<Global>,
    pub cost: Cost,
    /// Accesses inside of memories that were audited.
    pub accesses: u64,
}

impl<'e> Machine<'e> {
    pub fn new(engine: &'e Engine) -> Self {
        let max_bytes = Protocol::default().limits.memory_wasm_pages_max * WASM_PAGE_BYTES;
        let world = World {
            memories: Vec::new(),
            copies: Copies::default(),
            growth: Growth { max_bytes },
            seen: Seen::default(),
            touched: (0, 0),
        };
        let mut store = Store::new(&engine.wasmtime, world);
        store.limiter(|world| &mut world.growth);
        store.set_fuel(FUEL).unwrap();
        Self {
            engine,
            store,
            instances: Vec::new(),
            heights: Vec::new(),
            cost: Cost::default(),
            accesses: 0,
        }
    }

    /// Makes an instance; `find` says which instance the script has for a module and a name imported.
    pub fn instantiate(
        &mut self,
        below: &Below,
        find: impl Fn(&str, &str) -> Option<usize>,
    ) -> Result<usize, Stop> {
        let module = self.compile(below)?;
        let at = self.instances.len();
        let imports = self.imports(at, &module, find)?;
        let memory = below.memory_wasm_pages.map(ContractMemory::zeroed);
        let mut memory = memory.transpose().map_err(fault)?;
        if let Some(memory) = &mut memory {
            hand_over(Some(memory.region().map_err(fault)?));
        }
        let instance = Instance::new(&mut self.store, &module, &imports);
        hand_over(None);
        let instance = instance.map_err(|error| match error.downcast_ref::<Trap>() {
            Some(_) => stop(error),
            None => Stop::Unlinkable(format!("{error:#}")),
        })?;
        let height = instance.get_global(&mut self.store, HEIGHT_GLOBAL);
        let height = height.ok_or_else(|| fault("no stack counter"))?;
        self.heights.push(height);
        self.instances.push(instance);
        self.store.data_mut().memories.push(memory);
        self.initialise(at, below)?;
        Ok(at)
    }

    fn compile(&self, below: &Below) -> Result<Module, Stop> {
        let is_audited = !matches!(self.engine.way, Way::Backend(_));
        let module = match is_audited && below.memory_wasm_pages.is_some() {
            true => Module::new(&self.engine.wasmtime, marked::audited(&below.wasm)),
            false => Module::new(&self.engine.wasmtime, &below.wasm),
        };
        module.map_err(fault)
    }

    /// What the instance that will be number `at` imports.
    fn imports(
        &mut self,
        at: usize,
        module: &Module,
        find: impl Fn(&str, &str) -> Option<usize>,
    ) -> Result<Vec<Extern>, Stop> {
        let mut imports = Vec::new();
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            let found = match import.ty().func() {
                Some(ty) if from == TOUCH_MODULE => Some(self.touch_function(at, name, ty)),
                Some(_) if (from, name) == ("test", "access") => {
                    Some(Func::wrap(&mut self.store, marked::audit::<World>).into())
                }
                Some(_) if from == "spectest" => self.print_function(name),
                _ => find(from, name).and_then(|at| self.export(at, name)),
            };
            let missing = || Stop::Unlinkable(format!("unknown import {from}.{name}"));
            imports.push(found.ok_or_else(missing)?);
        }
        Ok(imports)
    }

    /// Applies the data segments, as a deployment does.
    fn initialise(&mut self, at: usize, below: &Below) -> Result<(), Stop> {
        let World {
            memories, copies, ..
        } = self.store.data_mut();
        for segment in &below.data {
            let memory = memories[at].as_mut().ok_or_else(|| fault("no memory"))?;
            let len = segment.bytes.len() as u64;
            let end = segment.offset.checked_add(len);
            if end.is_none_or(|end| end > memory.size_bytes() as u64) {
                return Err(Stop::Trap(Outcome::MemoryOutOfBounds));
            }
            memory
                .touch(copies, segment.offset, len, Access::Write)
                .map_err(fault)?;
            if !memory.write(segment.offset, &segment.bytes) {
                return Err(fault("a data segment in bounds was not written"));
            }
        }
        Ok(())
    }

    /// What an instance exports under a name.
    pub fn export(&mut self, at: usize, name: &str) -> Option<Extern> {
        self.instances[at].get_export(&mut self.store, name)
    }

    /// The value of an exported global.
    pub fn global(&mut self, at: usize, name: &str) -> Option<Val> {
        let global = self.export(at, name)?.into_global()?;
        Some(global.get(&mut self.store))
    }

    /// Calls an exported function as a top-level call does.
    pub fn call(&mut self, at: usize, name: &str, arguments: &[Val]) -> Result<Vec<Val>, Stop> {
        let function = self.export(at, name).and_then(Extern::into_func);
        let function = function.ok_or_else(|| fault(format!("no function `{name}`")))?;
        self.prepare_call()?;
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let outcome = function.call(&mut self.store, arguments, &mut results);
        let fuel = FUEL - self.store.get_fuel().map_err(fault)?;
        self.cost = Cost {
            fuel,
            touched: self.store.data().touched,
        };
        self.audit(outcome.is_ok())?;
        match outcome {
            Ok(()) if self.heights_are(|height| height == limit()) => Ok(results),
            Ok(()) => Err(fault("the stack counter was not given back")),
            Err(error) => Err(match stop(error) {
                Stop::Trap(Outcome::Unreachable) if !self.heights_are(|height| height >= 0) => {
                    Stop::Trap(Outcome::StackExhausted)
                }
                stop => stop,
            }),
        }
    }

    /// No access of a call went unchecked, and a check beyond the memory ended in a trap.
    fn audit(&mut self, succeeded: bool) -> Result<(), Stop> {
        let seen = &self.store.data().seen;
        self.accesses += seen.accesses;
        match (seen.misses.as_slice(), seen.doomed && succeeded) {
            ([], false) => Ok(()),
            ([], true) => Err(fault(
                "a check beyond the memory was not followed by a trap",
            )),
            (misses, _) => Err(fault(format!("unchecked: {}", misses.join(", ")))),
        }
    }

    /// Clears the marks and sets fuel and stack counters.
    fn prepare_call(&mut self) -> Result<(), Stop> {
        for height in &self.heights {
            height
                .set(&mut self.store, Val::I32(limit()))
                .map_err(fault)?;
        }
        self.store.set_fuel(FUEL).map_err(fault)?;
        let world = self.store.data_mut();
        world.touched = (0, 0);
        world.seen = Seen::strict(self.engine.way == Way::StrictlyAudited);
        for memory in world.memories.iter_mut().flatten() {
            memory.end_call();
        }
        Ok(())
    }

    fn heights_are(&mut self, is_fine: impl Fn(i32) -> bool) -> bool {
        let mut heights = self
            .heights
            .iter()
            .map(|height| height.get(&mut self.store));
        heights.all(|height| height.i32().is_some_and(&is_fine))
    }

    /// What the rewritten code of an instance calls before accesses.
    fn touch_function(&mut self, at: usize, name: &str, ty: &FuncType) -> Extern {
        let name = name.to_owned();
        let strict = self.engine.way == Way::StrictlyAudited;
        let touch = move |caller: Caller<'_, World>, operands: &[Val], _: &mut [Val]| {
            let operands: Vec<u64> = operands.iter().map(marked::unsigned).collect();
            match strict {
                true => marked::touch(caller, &name, &operands),
                false => touch(caller, at, &name, &operands)?,
            }
            Ok(())
        };
        Func::new(&mut self.store, ty.clone(), touch).into()
    }

    /// A function of the module `spectest`, all of which print and return nothing.
    fn print_function(&mut self, name: &str) -> Option<Extern> {
        use wasmtime::ValType::{F32, F64, I32, I64};
        let params = match name {
            "print" => vec![],
            "print_i32" => vec![I32],
            "print_i64" => vec![I64],
            "print_f32" => vec![F32],
            "print_f64" => vec![F64],
            "print_i32_f32" => vec![I32, F32],
            "print_f64_f64" => vec![F64, F64],
            _ => return None,
        };
        let ty = FuncType::new(&self.engine.wasmtime, params, []);
        Some(Func::new(&mut self.store, ty, |_, _, _| Ok(())).into())
    }
}

fn limit() -> i32 {
    Protocol::default().code.stack_height_limit.cast_signed()
}

/// As the functions of `engine::touch`, without charging.
fn touch(
    mut caller: Caller<'_, World>,
    at: usize,
    name: &str,
    operands: &[u64],
) -> wasmtime::Result<()> {
    let world = caller.data_mut();
    match (name, operands) {
        ("read", [address]) => world.touch_one(at, *address, Access::Read),
        ("write", [address]) => world.touch_one(at, *address, Access::Write),
        ("copy", [target, source, len])
            if world.fits(at, *target, *len) && world.fits(at, *source, *len) =>
        {
            world.touch(at, *source, *len, Access::Read)?;
            world.touch(at, *target, *len, Access::Write)
        }
        ("fill", [target, len]) if world.fits(at, *target, *len) => {
            world.touch(at, *target, *len, Access::Write)
        }
        _ => Ok(()),
    }
}

impl World {
    fn fits(&self, at: usize, address: u64, len: u64) -> bool {
        let size = self.memories[at]
            .as_ref()
            .map_or(0, ContractMemory::size_bytes);
        address
            .checked_add(len)
            .is_some_and(|end| end <= size as u64)
    }

    fn touch_one(&mut self, at: usize, address: u64, access: Access) -> wasmtime::Result<()> {
        match self.fits(at, address, 1) {
            true => self.touch(at, address, 1, access),
            false => Err(Trap::MemoryOutOfBounds.into()),
        }
    }

    fn touch(&mut self, at: usize, address: u64, len: u64, access: Access) -> wasmtime::Result<()> {
        let Some(memory) = &mut self.memories[at] else {
            return Err(wasmtime::Error::msg("a module without memory touches it"));
        };
        let Touch { reads, writes, .. } = memory.pending(address, len, access);
        self.touched = (self.touched.0 + reads, self.touched.1 + writes);
        Ok(memory.touch(&mut self.copies, address, len, access)?)
    }
}

fn stop(error: wasmtime::Error) -> Stop {
    match error.downcast_ref::<Trap>() {
        Some(trap) => failure::outcome(*trap).map_or_else(fault, Stop::Trap),
        None => fault(format!("{error:#}")),
    }
}

fn fault(what: impl ToString) -> Stop {
    Stop::Fault(what.to_string())
}
