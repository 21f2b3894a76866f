//! P1, P8: generated programs do the same before and after rewriting.

use super::super::analysis::Checking;
use super::super::outline::Data;
use super::super::{CodeLimits, DataSegment, HEIGHT_GLOBAL, rewrite, scan};
use super::marked::{self, Seen};
use super::{Rejection, assert_valid};
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module as Generated};
use wasmtime::{Engine, ExternType, Instance, Module, Store, Trap, Val, ValType};

/// A pseudorandom but fixed stream of bytes (splitmix64).
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn config(is_wide: bool) -> Config {
    Config {
        bulk_memory_enabled: true,
        reference_types_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        tail_call_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        multi_value_enabled: true,
        extended_const_enabled: true,
        memory64_enabled: is_wide,
        canonicalize_nans: true,
        allow_start_export: false,
        max_imports: 0,
        min_funcs: 2,
        max_memories: 1,
        min_memories: 1,
        max_memory32_bytes: 1 << 20,
        max_memory64_bytes: 1 << 20,
        memory_max_size_required: true,
        max_tables: 1,
        max_table_elements: 100,
        max_data_segments: 3,
        max_element_segments: 2,
        export_everything: true,
        disallow_traps: false,
        ..Config::default()
    }
}

/// The same with integers and memory only.
fn config_of_accesses(is_wide: bool) -> Config {
    use InstructionKind::{Control, MemoryInt, NumericInt, Parametric, Variable};
    Config {
        allowed_instructions: InstructionKinds::new(&[
            Control, MemoryInt, NumericInt, Parametric, Variable,
        ]),
        ..config(is_wide)
    }
}

pub(super) fn generate(seed: u64) -> Option<Vec<u8>> {
    let bytes = bytes(seed, 4_096);
    let mut input = arbitrary::Unstructured::new(&bytes);
    let is_wide = seed.is_multiple_of(3);
    let config = if seed.is_multiple_of(2) {
        config(is_wide)
    } else {
        config_of_accesses(is_wide)
    };
    let mut module = Generated::new(config, &mut input).ok()?;
    module.ensure_termination(2_000).ok()?;
    Some(module.to_bytes())
}

/// Rewrites without the rules about exports, which generated modules do not keep to.
fn rewritten(code: &[u8]) -> Result<(Vec<u8>, Vec<DataSegment>), Rejection> {
    let limits = CodeLimits {
        stack_height_limit: 100_000,
        ..CodeLimits::default()
    };
    let outline = scan::scan(code, &limits)?;
    let word_size = outline.word_size();
    let wasm = rewrite::rewrite(&outline, word_size, &limits, Checking::default())?.0;
    let taken = |data: &Data<'_>| DataSegment {
        offset: data.start,
        bytes: data.bytes.to_vec(),
    };
    let data = outline.data.iter().map(taken).collect();
    Ok((wasm, data))
}

/// Results as bits, or the trap, of every exported function in turn; then memory and globals.
#[derive(Debug, PartialEq)]
struct Behaviour {
    calls: Vec<Result<Vec<String>, Option<Trap>>>,
    state: Vec<String>,
    ran_out_of_stack: bool,
}

fn run(engine: &Engine, wasm: &[u8], data: &[DataSegment]) -> Option<Behaviour> {
    let module = Module::new(engine, wasm).unwrap();
    let mut store = Store::new(engine, Seen::default());
    let linker = marked::linker(engine, &module);
    let instance = linker.instantiate(&mut store, &module).ok()?;
    let names: Vec<String> = module
        .exports()
        .map(|export| export.name().to_owned())
        .collect();
    let memory = names
        .iter()
        .find_map(|name| instance.get_memory(&mut store, name));
    for segment in data {
        let offset = usize::try_from(segment.offset).unwrap();
        memory?.write(&mut store, offset, &segment.bytes).unwrap();
    }
    let mut behaviour = Behaviour {
        calls: Vec::new(),
        state: Vec::new(),
        ran_out_of_stack: false,
    };
    for export in module.exports() {
        let ExternType::Func(ty) = export.ty() else {
            continue;
        };
        let function = instance.get_func(&mut store, export.name()).unwrap();
        let arguments: Vec<Val> = ty.params().map(|ty| argument(&ty)).collect();
        let mut results: Vec<Val> = ty.results().map(|ty| argument(&ty)).collect();
        let outcome = function.call(&mut store, &arguments, &mut results);
        let seen = store.data_mut();
        assert_eq!(seen.misses, [""; 0]);
        assert!(!(seen.doomed && outcome.is_ok()));
        seen.doomed = false;
        let outcome = outcome.map(|()| results.iter().map(|value| format!("{value:?}")).collect());
        behaviour
            .calls
            .push(outcome.map_err(|error| error.downcast_ref::<Trap>().copied()));
    }
    behaviour.read_state(&names, &instance, &mut store);
    Some(behaviour)
}

impl Behaviour {
    fn read_state(&mut self, names: &[String], instance: &Instance, store: &mut Store<Seen>) {
        for name in names.iter().filter(|name| !name.contains('.')) {
            if let Some(global) = instance.get_global(&mut *store, name) {
                self.state
                    .push(format!("{name} {:?}", global.get(&mut *store)));
            }
            if let Some(memory) = instance.get_memory(&mut *store, name) {
                let digest = fingerprint(memory.data(&*store));
                self.state
                    .push(format!("{name} {digest} {}", memory.size(&*store)));
            }
        }
        let height = instance.get_global(&mut *store, HEIGHT_GLOBAL);
        let height = height.and_then(|height| height.get(&mut *store).i32());
        self.ran_out_of_stack = height.is_some_and(|height| height < 0)
            || self.calls.contains(&Err(Some(Trap::StackOverflow)));
    }
}

/// FNV-1a: any digest that tells memories apart does.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn argument(ty: &ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(3),
        ValType::I64 => Val::I64(-5),
        ValType::F32 => Val::F32(1.5_f32.to_bits()),
        ValType::F64 => Val::F64((-2.5_f64).to_bits()),
        other => panic!("contracts have no {other}"),
    }
}

#[test]
fn generated_programs_behave_the_same() {
    let engine = Engine::default();
    let (mut compared, mut calls) = (0, 0);
    for seed in 0..2_000 {
        let Some(code) = generate(seed) else { continue };
        let Ok((wasm, data)) = rewritten(&code) else {
            continue;
        };
        assert_valid(&wasm);
        let wasm = marked::audited(&wasm);
        let Some(before) = run(&engine, &code, &[]) else {
            continue;
        };
        let Some(after) = run(&engine, &wasm, &data) else {
            panic!("seed {seed}: no instance")
        };
        if before.ran_out_of_stack || after.ran_out_of_stack {
            continue;
        }
        assert_eq!(before, after, "seed {seed}");
        (compared, calls) = (compared + 1, calls + after.calls.len());
    }
    assert!(
        compared > 50 && calls > 200,
        "{compared} programs and {calls} calls compared are too few"
    );
}
