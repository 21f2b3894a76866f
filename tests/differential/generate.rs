//! Contracts and calls from a seed: modules of wasm-smith, programs of our own, and mutations of both.

use wasm_encoder::{ConstExpr, ExportKind, Instruction as I, ValType};
use wasm_smith::{Config, InstructionKind, InstructionKinds, MemoryOffsetChoices, Module as Smith};

use super::case::{CONTRACTS, Call, Case};
use super::module::{Body, Global, Module, Signature};
use super::operators::{self, TYPES};
use super::random::Random;
use super::statements::{OTHER_ID, OWN_ID, Scope, TEXTS};
use super::wrap::{BUFFER_BYTES, Wrapping, access, argument};

/// Gas of an ordinary call.
pub const GAS: u64 = 2_000_000;

/// What a seed decides first.
struct Plan {
    is_wide: bool,
    calls_host: bool,
    of_smith: bool,
    mutated: bool,
    wrapping: Wrapping,
}

impl Plan {
    fn new(random: &mut Random) -> Self {
        Self {
            is_wide: random.once_in(2),
            calls_host: random.once_in(6),
            of_smith: random.once_in(2),
            mutated: random.once_in(3),
            wrapping: Wrapping {
                buffer: random.among(&[16_384, 65_536, 65_536, 20_001, 131_072]),
                rounds: match random.below(16) {
                    0 => None,
                    1 => Some(20_000),
                    _ => Some(random.among(&[40, 200, 1_000])),
                },
                softened: !random.once_in(10),
                masked: !random.once_in(4),
            },
        }
    }
}

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut random = Random::spread(seed);
    let plan = Plan::new(&mut random);
    let smith = if plan.of_smith {
        smith(&mut random, &plan)
    } else {
        None
    };
    let mut module = match &smith {
        Some(bytes) => Module::parse(bytes),
        None => program(&mut random, &plan),
    };
    settle(&mut module, &mut random, &plan);
    if plan.mutated {
        mutate(&mut module, &mut random, plan.wrapping.buffer);
    }
    module.wrap(&plan.wrapping);
    module.add_boom(&mut random, plan.wrapping.buffer);
    if plan.calls_host {
        let ids = CONTRACTS.map(|contract| contract.as_bytes().to_vec());
        module.data.extend([OWN_ID, OTHER_ID].into_iter().zip(ids));
        module.data.push((OTHER_ID + 32, TEXTS.to_vec()));
    }
    if random.once_in(4) {
        module
            .customs
            .push(stack(&mut random, plan.wrapping.buffer));
    }
    if random.once_in(8) {
        let policy = ("crostata.reentry".to_owned(), vec![random.below(3) as u8]);
        module.customs.push(policy);
    }
    Case {
        name: format!("{seed}"),
        calls: calls(&mut random, &module, plan.calls_host),
        wasm: module.encode(),
    }
}

/// A declared shadow stack, where neither data nor the argument buffer are.
fn stack(random: &mut Random, buffer: u64) -> (String, Vec<u8>) {
    let free = match buffer {
        65_536.. => 12_000,
        _ => buffer + BUFFER_BYTES,
    };
    let range = [
        free + random.below(4_000),
        random.among(&[64, 5_000, 40_000]),
    ];
    (
        "crostata.stack".to_owned(),
        range.map(u64::to_le_bytes).concat(),
    )
}

/// The host's functions, for a module that calls them.
fn imports(module: &mut Module<'_>) {
    use crostata_abi::imports::{IMPORTS, Type};
    for import in IMPORTS {
        let types = |types: &[Type]| {
            let types = types.iter().map(|ty| match ty {
                Type::I32 => ValType::I32,
                Type::I64 => ValType::I64,
                Type::Pointer => module.pointer(),
            });
            types.collect()
        };
        let signature = Signature {
            params: types(import.params),
            results: types(import.results),
        };
        let ty = module.type_of(&signature);
        module.imports.push((import.name.to_owned(), ty));
    }
}

/// A module that imports what the host offers, for wasm-smith.
fn importing(is_wide: bool) -> Vec<u8> {
    let mut module = Module {
        is_wide,
        memory_min: 1,
        ..Module::default()
    };
    imports(&mut module);
    module.encode()
}

fn smith(random: &mut Random, plan: &Plan) -> Option<Vec<u8>> {
    use InstructionKind::{Control, MemoryInt, NumericInt, Parametric, Variable};
    let input = random.bytes(3_000);
    let mut input = arbitrary::Unstructured::new(&input);
    let kinds = match random.once_in(3) {
        true => InstructionKinds::new(&[Control, MemoryInt, NumericInt, Parametric, Variable]),
        false => InstructionKinds::all(),
    };
    let bytes = 3 << 16;
    let config = Config {
        allowed_instructions: kinds,
        available_imports: plan.calls_host.then(|| importing(plan.is_wide)),
        allow_start_export: false,
        bulk_memory_enabled: true,
        canonicalize_nans: random.once_in(2),
        custom_page_sizes_enabled: false,
        disallow_traps: random.once_in(2),
        exceptions_enabled: false,
        gc_enabled: false,
        max_imports: if plan.calls_host { 13 } else { 0 },
        memory64_enabled: plan.is_wide,
        memory_offset_choices: MemoryOffsetChoices(97, 2, 1),
        min_memories: 1,
        max_memories: 1,
        max_memory32_bytes: bytes,
        max_memory64_bytes: bytes.into(),
        min_funcs: 2,
        max_funcs: if plan.calls_host { 17 } else { 4 },
        max_instructions: 90,
        max_globals: 6,
        max_tables: 1,
        max_table_elements: 12,
        max_elements: 8,
        max_element_segments: 2,
        max_data_segments: 3,
        max_exports: 0,
        max_type_size: 12,
        max_types: 8,
        multi_value_enabled: true,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    };
    let module = Smith::new(config, &mut input).ok()?.to_bytes();
    let parsed = Module::parse(&module);
    let is_usable = !parsed.functions.is_empty() && parsed.is_wide == plan.is_wide;
    (is_usable && wasmparser::validate(&module).is_ok()).then_some(module)
}

/// Gives a module the memory and table that this contract has.
fn settle(module: &mut Module<'_>, random: &mut Random, plan: &Plan) {
    module.is_wide = plan.is_wide;
    module.memory_min = 3 + random.below(2);
    let grows_by = random.below(6);
    module.memory_max = (!random.once_in(6)).then_some(module.memory_min + grows_by);
    module.elements.truncate(module.table as usize);
}

/// A module of functions that do something for a while.
fn program(random: &mut Random, plan: &Plan) -> Module<'static> {
    let mut module = Module {
        is_wide: plan.is_wide,
        memory_min: 3,
        ..Module::default()
    };
    if plan.calls_host {
        imports(&mut module);
    }
    let first = module.imports.len() as u32;
    for _ in 0..random.below(6) {
        let ty = random.among(&TYPES);
        let value = operators::constant(ty, operators::bits(random, ty));
        module.globals.push(Global {
            ty,
            mutable: !random.once_in(4),
            value: ConstExpr::extended([value]),
        });
    }
    let count = 2 + random.below(3) as u32;
    let mut types = |max: u64| -> Vec<ValType> {
        (0..random.below(max))
            .map(|_| random.among(&TYPES))
            .collect()
    };
    let signatures: Vec<Signature> = (0..count)
        .map(|_| Signature {
            params: types(5),
            results: types(4),
        })
        .collect();
    for signature in &signatures {
        module.add(signature, Vec::new(), Vec::new());
    }
    module.table = random.below(8) as u32;
    module.elements = (0..module.table.saturating_sub(1))
        .map(|_| first + random.below(count.into()) as u32)
        .collect();
    for at in 0..count as usize {
        let body = body(&module, random, plan, at);
        module.functions[at] = body;
    }
    module
}

fn body(module: &Module<'_>, random: &mut Random, plan: &Plan, at: usize) -> Body<'static> {
    let ty = module.functions[at].ty;
    let Signature { params, results } = module.types[ty as usize].clone();
    let locals = params.iter().copied().chain(TYPES).chain(TYPES).collect();
    let mut scope = Scope {
        module,
        random,
        buffer: plan.wrapping.buffer,
        locals,
        own: (module.imports.len() + at) as u32,
        budget: 90,
        code: Vec::new(),
    };
    let count = 3 + scope.random.below(8);
    scope.statements(count, 3);
    for ty in &results {
        scope.expression(*ty, 3);
    }
    scope.code.push(I::End);
    Body {
        ty,
        locals: scope.locals.split_off(params.len()),
        code: scope.code,
    }
}

/// Changes constants, operators and offsets here and there, and puts statements in between.
fn mutate(module: &mut Module<'_>, random: &mut Random, buffer: u64) {
    for at in 0..module.functions.len() {
        let mut body = module.functions[at].clone();
        let ty = body.ty as usize;
        let params = module.types[ty].params.len();
        let code = std::mem::take(&mut body.code);
        for mut instruction in code {
            if random.once_in(16) {
                instruction = mutated(random, instruction);
            }
            if random.once_in(20) {
                let locals = module.types[ty].params.iter().chain(&body.locals);
                let mut scope = Scope {
                    locals: locals.copied().collect(),
                    module,
                    random,
                    buffer,
                    own: (module.imports.len() + at) as u32,
                    budget: 12,
                    code: Vec::new(),
                };
                scope.statements(1, 2);
                body.code.extend(std::mem::take(&mut scope.code));
                body.locals = scope.locals.split_off(params);
            }
            body.code.push(instruction);
        }
        module.functions[at] = body;
    }
}

fn mutated<'a>(random: &mut Random, mut instruction: I<'a>) -> I<'a> {
    if let Some((ty, bits)) = operators::constant_bits(&instruction) {
        let bits = match random.below(4) {
            0 => bits.wrapping_add(1),
            1 => bits.wrapping_sub(1),
            2 => bits ^ 1 << random.below(64),
            _ => operators::bits(random, ty),
        };
        return operators::constant(ty, bits);
    }
    if let Some((argument, ..)) = access(&mut instruction) {
        let offsets = [0, 1, 7, 263, 264, 265, 4_095, 4_096, 65_535, 65_536];
        argument.offset = random.among(&offsets);
        argument.align = 0;
        return instruction;
    }
    match operators::swapped(random, &instruction) {
        Some(other) => other,
        None => instruction,
    }
}

fn calls(random: &mut Random, module: &Module<'_>, calls_host: bool) -> Vec<Call> {
    let functions = module
        .exports
        .iter()
        .filter(|export| export.1 == ExportKind::Func);
    let functions: Vec<String> = functions.map(|export| export.0.clone()).collect();
    let entries = functions.len() - 1;
    let count = 4 + random.below(3);
    let probed = random.below(count);
    (0..count)
        .map(|at| Call {
            contract: usize::from(calls_host && random.once_in(3)),
            function: match at {
                2 => "boom".to_owned(),
                _ => functions[random.index(entries)].clone(),
            },
            argument: argument(random),
            gas: match at {
                3 => 240_000 + random.below(600_000),
                _ => GAS,
            },
            probed: at == probed,
        })
        .collect()
}
