//! Modules that the rules accept and that compile slowly for their length, a function per family; and ordinary ones.
//!
//! A family's function takes about how many bytes the module is to have and gives at most a little more. Larger modules repeat a
//! function that is as long as the rules allow, each time with other constants.
#![allow(dead_code, reason = "each bench uses a part of what is shared here")]

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, InstructionSink, MemArg, MemorySection,
    MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

/// A family of modules.
pub struct Family {
    pub name: &'static str,
    pub build: fn(usize) -> Vec<u8>,
}

const fn family(name: &'static str, build: fn(usize) -> Vec<u8>) -> Family {
    Family { name, build }
}

/// Code as compilers of contracts write it, more or less.
pub const ORDINARY: &[Family] = &[
    family("ordinary", ordinary),
    family("ordinary_64", ordinary_64),
];

/// Every family that is out for compile time.
pub const BOMBS: &[Family] = &[
    family("straight_loads", straight_loads),
    family("straight_stores", straight_stores),
    family("load_chain", load_chain),
    family("load_chain_64", load_chain_64),
    family("loads_over_locals", loads_over_locals),
    family("loads_over_operands", loads_over_operands),
    family("loads_over_values", loads_over_values),
    family("bulk_copies", bulk_copies),
    family("bulk_copies_64", bulk_copies_64),
    family("bulk_fills", bulk_fills),
    family("calls_many_results", calls_many_results),
    family("calls_many_params", calls_many_params),
    family("calls_plain", calls_plain),
    family("calls_indirect", calls_indirect),
    family("calls_over_locals", calls_over_locals),
    family("calls_over_operands", calls_over_operands),
    family("nested_loops", nested_loops),
    family("nested_blocks", nested_blocks),
    family("nested_blocks_deep", nested_blocks_deep),
    family("flat_blocks", flat_blocks),
    family("block_results", block_results),
    family("loops_flat", loops_flat),
    family("ifs", ifs),
    family("branches_to_loop", branches_to_loop),
    family("branches_to_block", branches_to_block),
    family("branch_table_fan", branch_table_fan),
    family("branch_tables_small", branch_tables_small),
    family("branch_table_locals", branch_table_locals),
    family("branches_to_many", branches_to_many),
    family("rotating_locals", rotating_locals),
    family("selects", selects),
    family("deep_operands", deep_operands),
    family("divisions", divisions),
    family("divisions_over_locals", divisions_over_locals),
    family("shifts", shifts),
    family("float_unary", float_unary),
    family("float_chain", float_chain),
    family("float_truncations", float_truncations),
    family("float_sat_truncations", float_sat_truncations),
    family("float_constants", float_constants),
    family("wide_constants", wide_constants),
    family("integer_unary", integer_unary),
    family("adds_of_constants", adds_of_constants),
    family("ands_and_ors", ands_and_ors),
    family("shared_dag", shared_dag),
    family("compares", compares),
    family("globals", globals),
    family("tiny_functions", tiny_functions),
    family("tiny_calling_functions", tiny_calling_functions),
    family("many_types", many_types),
    family("many_exports", many_exports),
    family("elements", elements),
    family("growth", growth),
    family("dead_code", dead_code),
    family("custom_sections", custom_sections),
    family("data", data),
    family("locals_only", locals_only),
];

/// Modules that are found to break a rule as late as can be.
pub const REJECTED: &[Family] = &[
    family("rejected_section", rejected_section),
    family("rejected_places", rejected_places),
    family("rejected_data", rejected_data),
    family("rejected_types", rejected_types),
];

/// Bytes of a body that the rules allow, with some to spare.
const BODY_BYTES: usize = 65_000;
/// Places of a function where a block ends, as the rules allow.
const PLACES: usize = 16_000;
/// Values passed with the branches of a function.
const JOINS: usize = 262_000;

/// A module under construction: one memory, and functions.
pub struct Builder {
    pub wide: bool,
    pub types: Vec<(Vec<ValType>, Vec<ValType>)>,
    pub bodies: Vec<(u32, Function)>,
    pub globals: u32,
    pub table: u32,
    pub elements: u32,
    pub exported: u32,
    pub customs: usize,
    pub data: usize,
    len: usize,
}

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;
const F64: ValType = ValType::F64;

impl Builder {
    pub fn new(wide: bool) -> Self {
        Self {
            wide,
            types: vec![(vec![I32], vec![I32])],
            bodies: Vec::new(),
            globals: 0,
            table: 0,
            elements: 0,
            exported: 0,
            customs: 0,
            data: 0,
            len: 0,
        }
    }

    pub fn pointer(&self) -> ValType {
        if self.wide { I64 } else { I32 }
    }

    /// The index of a new type.
    pub fn ty(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        self.types.push((params.to_vec(), results.to_vec()));
        self.types.len() as u32 - 1
    }

    pub fn add(&mut self, ty: u32, function: Function) {
        self.len += function.byte_len() + 4;
        self.bodies.push((ty, function));
    }

    pub fn finish(self) -> Vec<u8> {
        let mut types = TypeSection::new();
        for (params, results) in &self.types {
            let (params, results) = (params.iter().copied(), results.iter().copied());
            types.ty().function(params, results);
        }
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for (ty, body) in &self.bodies {
            functions.function(*ty);
            code.function(body);
        }
        let mut module = Module::new();
        module.section(&types).section(&functions);
        if self.table > 0 {
            let mut tables = TableSection::new();
            tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: u64::from(self.table),
                maximum: None,
                shared: false,
            });
            module.section(&tables);
        }
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 3,
            maximum: None,
            memory64: self.wide,
            shared: false,
            page_size_log2: None,
        });
        module.section(&memories);
        let mut globals = GlobalSection::new();
        let global = |val_type, mutable| GlobalType {
            val_type,
            mutable,
            shared: false,
        };
        let start = match self.wide {
            true => ConstExpr::i64_const(65_536),
            false => ConstExpr::i32_const(65_536),
        };
        globals.global(global(self.pointer(), false), &start);
        for _ in 0..self.globals {
            globals.global(global(I64, true), &ConstExpr::i64_const(0));
        }
        module.section(&globals);
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("A", ExportKind::Global, 0);
        for index in 0..self.exported {
            exports.export(&format!("f{index}"), ExportKind::Func, index);
        }
        module.section(&exports);
        if self.elements > 0 {
            let mut section = ElementSection::new();
            let listed: Vec<u32> = (0..self.elements)
                .map(|index| index % self.bodies.len() as u32)
                .collect();
            section.active(
                None,
                &ConstExpr::i32_const(0),
                Elements::Functions(listed.into()),
            );
            module.section(&section);
        }
        module.section(&code);
        if self.data > 0 {
            let mut section = wasm_encoder::DataSection::new();
            let start = match self.wide {
                true => ConstExpr::i64_const(0),
                false => ConstExpr::i32_const(0),
            };
            for _ in 0..self.data / 60_000 {
                section.active(0, &start, vec![7_u8; 60_000]);
            }
            module.section(&section);
        }
        if self.customs > 0 {
            for _ in 0..self.customs / 8 {
                module.section(&wasm_encoder::CustomSection {
                    name: "x".into(),
                    data: (&[1_u8, 2, 3, 4][..]).into(),
                });
            }
        }
        module.finish()
    }
}

/// A function whose body begins with `before`, repeats `unit` up to `bytes` or `units` times, and ends with `after`.
pub fn body(
    locals: &[(u32, ValType)],
    bytes: usize,
    units: usize,
    before: impl FnOnce(&mut InstructionSink<'_>),
    mut unit: impl FnMut(&mut InstructionSink<'_>, u32),
    after: impl FnOnce(&mut InstructionSink<'_>),
) -> Function {
    let mut function = Function::new(locals.iter().copied());
    before(&mut function.instructions());
    let mut number = 0;
    while function.byte_len() < bytes && (number as usize) < units {
        unit(&mut function.instructions(), number);
        number += 1;
    }
    after(&mut function.instructions());
    function.instructions().end();
    function
}

/// Repeats functions until the module has so many bytes.
fn filled(
    mut builder: Builder,
    ty: u32,
    bytes: usize,
    mut function: impl FnMut(usize, u32) -> Function,
) -> Vec<u8> {
    let mut number = 0;
    while builder.len + 600 < bytes {
        let left = (bytes - builder.len).min(BODY_BYTES);
        builder.add(ty, function(left, number));
        number += 1;
    }
    builder.finish()
}

fn narrow(bytes: usize, function: impl FnMut(usize, u32) -> Function) -> Vec<u8> {
    filled(Builder::new(false), 0, bytes, function)
}

/// A module of functions with one address-wide parameter and result.
fn pointers(wide: bool, bytes: usize, function: impl FnMut(usize, u32) -> Function) -> Vec<u8> {
    let mut builder = Builder::new(wide);
    let pointer = builder.pointer();
    let ty = builder.ty(&[pointer], &[pointer]);
    filled(builder, ty, bytes, function)
}

const fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        memory_index: 0,
    }
}

fn nothing(_: &mut InstructionSink<'_>) {}

fn zero(code: &mut InstructionSink<'_>) {
    code.i32_const(0);
}

const ALL: usize = usize::MAX;

/// Small functions with loops, branches, accesses and calls.
pub fn ordinary(bytes: usize) -> Vec<u8> {
    ordinary_of(false, bytes)
}

pub fn ordinary_64(bytes: usize) -> Vec<u8> {
    ordinary_of(true, bytes)
}

fn ordinary_of(wide: bool, bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(wide);
    let pointer = builder.pointer();
    let ty = builder.ty(&[pointer], &[pointer]);
    let value = |code: &mut InstructionSink<'_>, value: i32| {
        match wide {
            true => code.i64_const(i64::from(value)),
            false => code.i32_const(value),
        };
    };
    filled(builder, ty, bytes, |left, number| {
        body(
            &[(4, pointer), (2, I64)],
            left.min(400 + (number as usize * 97) % 1_500),
            ALL,
            nothing,
            |code, at_unit| {
                let key = (at_unit * 37 + number * 11) as i32;
                code.local_get(0);
                value(code, key & 0xfff);
                match wide {
                    true => code.i64_add(),
                    false => code.i32_add(),
                };
                code.local_set(1);
                code.block(BlockType::Empty);
                code.local_get(1);
                match wide {
                    true => code.i64_load(at(8)),
                    false => code.i32_load(at(8)),
                };
                code.local_tee(2);
                match wide {
                    true => code.i64_eqz(),
                    false => code.i32_eqz(),
                };
                code.br_if(0);
                code.local_get(1).local_get(2);
                value(code, key | 1);
                match wide {
                    true => code.i64_xor(),
                    false => code.i32_xor(),
                };
                match wide {
                    true => code.i64_store(at(16)),
                    false => code.i32_store(at(16)),
                };
                code.local_get(1);
                code.i64_load(at(24)).local_set(5);
                code.local_get(2).call(number / 2).local_set(3);
                code.end();
                code.loop_(BlockType::Empty);
                code.local_get(3);
                value(code, 1);
                match wide {
                    true => code.i64_sub(),
                    false => code.i32_sub(),
                };
                code.local_tee(3);
                match wide {
                    true => code.i64_const(3).i64_gt_u(),
                    false => code.i32_const(3).i32_gt_u(),
                };
                code.br_if(0).end();
            },
            |code| {
                code.local_get(3);
            },
        )
    })
}

/// Loads, each from an address of its own.
pub fn straight_loads(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, I32)],
            left,
            PLACES / 2,
            nothing,
            |code, n| {
                code.local_get(0).i32_const((n as i32) << 9).i32_xor();
                code.i32_load(at(0)).local_set(1);
            },
            |code| {
                code.local_get(1);
            },
        )
    })
}

pub fn straight_stores(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            PLACES / 2,
            nothing,
            |code, n| {
                code.local_get(0).i32_const((n as i32) << 9).i32_xor();
                code.local_get(0).i32_store(at(0));
            },
            zero,
        )
    })
}

/// Each load's address is what the one before loaded.
pub fn load_chain(bytes: usize) -> Vec<u8> {
    pointers(false, bytes, |left, _| {
        body(
            &[],
            left,
            PLACES / 2,
            |code| {
                code.local_get(0);
            },
            |code, _| {
                code.i32_load(at(0));
            },
            nothing,
        )
    })
}

pub fn load_chain_64(bytes: usize) -> Vec<u8> {
    pointers(true, bytes, |left, _| {
        body(
            &[],
            left,
            PLACES / 2,
            |code| {
                code.local_get(0);
            },
            |code, _| {
                code.i64_load(at(0));
            },
            nothing,
        )
    })
}

/// Loads while many locals hold values that are used at the end.
pub fn loads_over_locals(bytes: usize) -> Vec<u8> {
    let locals = 1_000;
    pointers(false, bytes, |left, _| {
        body(
            &[(locals, I32)],
            left.saturating_sub(12 * locals as usize).max(200),
            4_000_000 / (locals as usize + 1) - 1_100,
            |code| {
                for local in 1..=locals {
                    code.local_get(0)
                        .i32_load(at(local.into()))
                        .local_set(local);
                }
                code.local_get(0);
            },
            |code, _| {
                code.i32_load(at(0));
            },
            |code| {
                for local in 1..=locals {
                    code.local_get(local).i32_add();
                }
            },
        )
    })
}

/// Loads while many operands are on the stack.
pub fn loads_over_operands(bytes: usize) -> Vec<u8> {
    let operands = 1_000;
    pointers(false, bytes, |left, _| {
        body(
            &[],
            left.saturating_sub(2 * operands).max(200),
            PLACES / 2 - 1_000,
            |code| {
                for operand in 0..operands {
                    code.local_get(0).i32_load(at(operand as u64));
                }
                code.local_get(0);
            },
            |code, _| {
                code.i32_load(at(0));
            },
            |code| {
                for _ in 0..operands {
                    code.i32_add();
                }
            },
        )
    })
}

/// Loads between computing values and computing the same values again.
pub fn loads_over_values(bytes: usize) -> Vec<u8> {
    pointers(false, bytes, |left, _| {
        let values = (left / 20) as i32;
        let compute = move |code: &mut InstructionSink<'_>| {
            for value in 0..values {
                code.local_get(0).i32_const(value + 77).i32_mul().i32_xor();
            }
        };
        body(
            &[(1, I32)],
            left.saturating_sub(7 * values as usize).max(200),
            PLACES / 2,
            |code| {
                code.local_get(0);
                compute(code);
            },
            |code, _| {
                code.i32_load(at(0));
            },
            compute,
        )
    })
}

pub fn bulk_copies(bytes: usize) -> Vec<u8> {
    pointers(false, bytes, |left, _| {
        body(
            &[],
            left,
            PLACES / 6,
            nothing,
            |code, _| {
                code.local_get(0).local_get(0).local_get(0);
                code.memory_copy(0, 0);
            },
            |code| {
                code.local_get(0);
            },
        )
    })
}

pub fn bulk_copies_64(bytes: usize) -> Vec<u8> {
    pointers(true, bytes, |left, _| {
        body(
            &[],
            left,
            PLACES / 6,
            nothing,
            |code, _| {
                code.local_get(0).local_get(0).local_get(0);
                code.memory_copy(0, 0);
            },
            |code| {
                code.local_get(0);
            },
        )
    })
}

pub fn bulk_fills(bytes: usize) -> Vec<u8> {
    pointers(false, bytes, |left, _| {
        body(
            &[],
            left,
            PLACES / 6,
            nothing,
            |code, _| {
                code.local_get(0).local_get(0).local_get(0);
                code.memory_fill(0);
            },
            |code| {
                code.local_get(0);
            },
        )
    })
}

/// Calls whose 16 results are dropped.
pub fn calls_many_results(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let ty = builder.ty(&[], &[I64; 16]);
    filled(builder, ty, bytes, |left, number| {
        body(
            &[],
            left,
            ALL,
            nothing,
            |code, _| {
                code.call(number / 2);
                for _ in 0..16 {
                    code.drop();
                }
            },
            |code| {
                code.unreachable();
            },
        )
    })
}

/// Calls with 64 parameters, most of which are results of such calls.
pub fn calls_many_params(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let ty = builder.ty(&[I64; 64], &[I64; 16]);
    filled(builder, ty, bytes, |left, number| {
        body(
            &[],
            left,
            ALL,
            |code| {
                for local in 0..64 {
                    code.local_get(local);
                }
            },
            |code, n| {
                code.call(number / 2);
                for local in 0..48 {
                    code.local_get((n + local) % 64);
                }
            },
            |code| {
                code.unreachable();
            },
        )
    })
}

pub fn calls_plain(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let ty = builder.ty(&[], &[]);
    filled(builder, ty, bytes, |left, number| {
        body(
            &[],
            left,
            PLACES,
            nothing,
            |code, _| {
                code.call(number / 2);
            },
            nothing,
        )
    })
}

pub fn calls_indirect(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    builder.table = 4;
    builder.elements = 1;
    let ty = builder.ty(&[], &[]);
    filled(builder, ty, bytes, |left, _| {
        body(
            &[],
            left,
            PLACES / 4,
            nothing,
            |code, n| {
                code.i32_const(n as i32 & 3).call_indirect(0, ty);
            },
            nothing,
        )
    })
}

/// Calls while many locals hold values; one of them is used between any two calls.
pub fn calls_over_locals(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let ty = builder.ty(&[I64], &[]);
    let locals = 2_000;
    filled(builder, ty, bytes, |left, number| {
        body(
            &[(locals, I64)],
            left.saturating_sub(7 * locals as usize).max(200),
            PLACES,
            |code| {
                for local in 1..=locals {
                    code.local_get(0).i64_const(local.into()).i64_mul();
                    code.local_set(local);
                }
            },
            |code, n| {
                code.local_get(1 + (n * 7) % locals).call(number / 2);
            },
            |code| {
                for local in 1..=locals {
                    code.local_get(local).drop();
                }
            },
        )
    })
}

fn with_globals(count: u32) -> Builder {
    let mut builder = Builder::new(false);
    builder.globals = count;
    builder
}

/// Calls while many operands are on the stack.
pub fn calls_over_operands(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let ty = builder.ty(&[I64], &[I64]);
    let operands = 1_000;
    filled(builder, ty, bytes, |left, number| {
        body(
            &[],
            left.saturating_sub(8 * operands).max(200),
            PLACES,
            |code| {
                for operand in 0..operands {
                    code.local_get(0).i64_const(operand as i64 + 70).i64_mul();
                }
                code.local_get(0);
            },
            |code, _| {
                code.call(number / 2);
            },
            |code| {
                for _ in 0..operands {
                    code.i64_add();
                }
            },
        )
    })
}

/// Loops in loops, with as many locals as the rules allow, all of them written.
pub fn nested_loops(bytes: usize) -> Vec<u8> {
    let (depth, locals) = (16, 120_u32);
    narrow(bytes, |left, number| {
        body(
            &[(locals - 1, I32)],
            left,
            1,
            nothing,
            |code, n| {
                for level in 0..depth {
                    code.loop_(BlockType::Empty);
                    code.local_get(level + number).local_get(1).i32_add();
                    code.local_set((level + n) % locals);
                }
                for local in 0..locals {
                    code.local_get(local).i32_const(local as i32).i32_add();
                    code.local_set((local * 7 + 1) % locals);
                }
                for _ in 0..depth {
                    code.local_get(0).br_if(0).end();
                }
            },
            zero,
        )
    })
}

/// Blocks in blocks, each left early, locals written between.
pub fn nested_blocks(bytes: usize) -> Vec<u8> {
    let (depth, locals) = (150, 150_u32);
    narrow(bytes, |left, _| {
        body(
            &[(locals - 1, I32)],
            left,
            1,
            nothing,
            |code, _| {
                for _ in 0..depth {
                    code.block(BlockType::Empty);
                }
                for level in 0..depth {
                    code.local_get(level % locals).br_if(level);
                    code.local_get(level % locals).i32_const(7).i32_mul();
                    code.local_set((level * 3 + 1) % locals);
                }
                for level in 0..depth {
                    code.end();
                    code.local_get(level % locals)
                        .local_get(1)
                        .i32_add()
                        .local_set(1);
                }
            },
            zero,
        )
    })
}

/// As many blocks in one another as there can be, with some locals, all left from the innermost.
pub fn nested_blocks_deep(bytes: usize) -> Vec<u8> {
    let (depth, locals) = (1_000, 30_u32);
    narrow(bytes, |left, _| {
        body(
            &[(locals - 1, I32)],
            left,
            1,
            nothing,
            |code, _| {
                for _ in 0..depth {
                    code.block(BlockType::Empty);
                }
                for level in 0..depth {
                    code.local_get(level % locals).br_if(level);
                    code.local_get(level % locals).i32_const(7).i32_mul();
                    code.local_set((level * 3 + 1) % locals);
                }
                for level in 0..depth {
                    code.end();
                    code.local_get(level % locals)
                        .local_get(1)
                        .i32_add()
                        .local_set(1);
                }
            },
            zero,
        )
    })
}

/// Blocks one behind the other, each of which may write a local, all of them read at the end.
pub fn flat_blocks(bytes: usize) -> Vec<u8> {
    let locals = 250_u32;
    narrow(bytes, |left, _| {
        body(
            &[(locals - 1, I32)],
            left.saturating_sub(1_200).max(100),
            4_000,
            nothing,
            |code, n| {
                code.block(BlockType::Empty);
                code.local_get(0).br_if(0);
                code.local_get(n % locals).local_set((n * 7 + 1) % locals);
                code.end();
            },
            |code| {
                zero(code);
                for local in 0..locals {
                    code.local_get(local).i32_add();
                }
            },
        )
    })
}

/// Blocks with many parameters and results, left early.
pub fn block_results(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let block = builder.ty(&[I64; 16], &[I64; 16]);
    filled(builder, 0, bytes, |left, _| {
        body(
            &[(16, I64)],
            left,
            1_000,
            |code| {
                for local in 1..=16 {
                    code.local_get(local);
                }
            },
            |code, _| {
                code.block(BlockType::FunctionType(block));
                for _ in 0..8 {
                    code.local_get(0).br_if(0);
                    code.i64_eqz().i64_extend_i32_u();
                }
                code.end();
            },
            |code| {
                code.unreachable();
            },
        )
    })
}

pub fn loops_flat(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, I32)],
            left,
            500,
            nothing,
            |code, _| {
                code.loop_(BlockType::Empty);
                code.local_get(0).i32_const(1).i32_sub().local_tee(0);
                code.br_if(0).end();
            },
            zero,
        )
    })
}

pub fn ifs(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, I32)],
            left,
            4_000,
            nothing,
            |code, n| {
                code.local_get(n & 1).if_(BlockType::Empty);
                code.local_get(1).i32_eqz().local_set(1).else_();
                code.local_get(0).i32_eqz().local_set(0).end();
            },
            zero,
        )
    })
}

/// Branches to one loop, which has all locals as parameters.
pub fn branches_to_loop(bytes: usize) -> Vec<u8> {
    let locals = 2_000_u32;
    narrow(bytes, |left, _| {
        body(
            &[(locals - 1, I32)],
            left.saturating_sub(8 * locals as usize).max(100),
            (JOINS / locals as usize - 3).min(PLACES),
            |code| {
                code.loop_(BlockType::Empty);
                for local in 0..locals {
                    code.local_get(local).i32_eqz();
                    code.local_set((local + 1) % locals);
                }
            },
            |code, _| {
                code.local_get(0).br_if(0);
            },
            |code| {
                code.end();
                zero(code);
            },
        )
    })
}

/// Branches out of one block, half of them before its locals are written.
pub fn branches_to_block(bytes: usize) -> Vec<u8> {
    let locals = 1_000_u32;
    narrow(bytes, |left, _| {
        let branches = left.saturating_sub(12 * locals as usize).max(100) / 8;
        let branches = branches.min(JOINS / locals as usize / 2 - 1);
        let branch = move |code: &mut InstructionSink<'_>| {
            for _ in 0..branches {
                code.local_get(0).br_if(0);
            }
        };
        body(
            &[(locals - 1, I32)],
            left,
            1,
            nothing,
            |code, _| {
                code.block(BlockType::Empty);
                branch(code);
                for local in 0..locals {
                    code.local_get(local).i32_eqz().local_set(local);
                }
                branch(code);
                code.end();
            },
            |code| {
                zero(code);
                for local in 0..locals {
                    code.local_get(local).i32_add();
                }
            },
        )
    })
}

fn table(code: &mut InstructionSink<'_>, targets: u32, blocks: u32) {
    let targets: Vec<u32> = (0..targets).map(|target| target % blocks).collect();
    code.br_table(targets, 0);
}

/// The largest branch tables, to as many blocks as there can be.
pub fn branch_table_fan(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            4,
            nothing,
            |code, _| {
                for _ in 0..1_000 {
                    code.block(BlockType::Empty);
                }
                code.local_get(0);
                table(code, 1_000, 1_000);
                for _ in 0..1_000 {
                    code.end();
                }
            },
            zero,
        )
    })
}

/// Branch tables without targets but the default.
pub fn branch_tables_small(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            1_300,
            nothing,
            |code, _| {
                code.block(BlockType::Empty).block(BlockType::Empty);
                code.local_get(0);
                table(code, 2, 2);
                code.end().end();
            },
            zero,
        )
    })
}

/// Branch tables to blocks in which locals are written.
pub fn branch_table_locals(bytes: usize) -> Vec<u8> {
    let locals = 1_000_u32;
    narrow(bytes, |left, _| {
        body(
            &[(locals - 1, I32)],
            left,
            1,
            nothing,
            |code, _| {
                code.block(BlockType::Empty).block(BlockType::Empty);
                for _ in 0..4 {
                    code.block(BlockType::Empty).local_get(0);
                    table(code, (JOINS as u32 / locals / 4).min(1_000) - 3, 3);
                    code.end();
                    for local in 0..locals {
                        code.local_get(local).i32_eqz().local_set(local);
                    }
                }
                code.end().end();
            },
            |code| {
                zero(code);
                for local in 0..locals {
                    code.local_get(local).i32_add();
                }
            },
        )
    })
}

/// Branches to each of many blocks, with a write between any two.
pub fn branches_to_many(bytes: usize) -> Vec<u8> {
    let (depth, locals) = (100_u32, 100_u32);
    narrow(bytes, |left, _| {
        body(
            &[(locals - 1, I32)],
            left.saturating_sub(1_500).max(100),
            JOINS / 200,
            |code| {
                for _ in 0..depth {
                    code.block(BlockType::Empty);
                }
            },
            |code, n| {
                code.local_get(n % locals).br_if(n % depth);
                code.local_get(n % locals).i32_eqz();
                code.local_set((n * 7 + 1) % locals);
            },
            |code| {
                for level in 0..depth {
                    code.end();
                    code.local_get(level % locals)
                        .local_get(1)
                        .i32_add()
                        .local_set(1);
                }
                zero(code);
            },
        )
    })
}

/// Loops in which the locals change places.
pub fn rotating_locals(bytes: usize) -> Vec<u8> {
    let locals = 250_u32;
    narrow(bytes, |left, _| {
        body(
            &[(locals - 1, I32)],
            left.saturating_sub(2_000).max(100),
            50,
            nothing,
            |code, n| {
                code.loop_(BlockType::Empty);
                for local in 0..locals {
                    code.local_get(local);
                }
                for local in 0..locals {
                    code.local_set((local * 3 + n) % locals);
                }
                code.local_get(0).br_if(0).end();
            },
            zero,
        )
    })
}

pub fn selects(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            ALL,
            |code| {
                code.local_get(0);
            },
            |code, _| {
                code.local_get(0).local_get(0).select();
            },
            nothing,
        )
    })
}

/// Operands one upon the other, all of them different and used together.
pub fn deep_operands(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left.saturating_sub(6_500),
            ALL,
            zero,
            |code, n| {
                for operand in 0..1_000 {
                    code.local_get(0).i32_const((operand * 3 + n) as i32 & 63);
                    code.i32_rotl();
                }
                for _ in 0..1_000 {
                    code.i32_sub();
                }
            },
            nothing,
        )
    })
}

pub fn divisions(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            ALL,
            |code| {
                code.local_get(0);
            },
            |code, _| {
                code.local_get(0).i32_rem_s();
            },
            nothing,
        )
    })
}

/// Divisions while many operands are on the stack.
pub fn divisions_over_locals(bytes: usize) -> Vec<u8> {
    let locals = 1_000_u32;
    narrow(bytes, |left, _| {
        body(
            &[(locals, I32)],
            left.saturating_sub(12 * locals as usize).max(200),
            ALL,
            |code| {
                for local in 1..=locals {
                    code.local_get(0).i32_const(local as i32).i32_mul();
                    code.local_set(local);
                }
                code.local_get(0);
            },
            |code, n| {
                code.local_get(1 + (n * 13) % locals).i32_div_s();
            },
            |code| {
                for local in 1..=locals {
                    code.local_get(local).i32_add();
                }
            },
        )
    })
}

pub fn shifts(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            ALL,
            |code| {
                code.local_get(0);
            },
            |code, n| {
                code.local_get(0);
                match n % 3 {
                    0 => code.i32_shl(),
                    1 => code.i32_shr_s(),
                    _ => code.i32_rotl(),
                };
            },
            nothing,
        )
    })
}

/// Roundings of a float, a byte each.
pub fn float_unary(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, F64)],
            left,
            ALL,
            |code| {
                code.local_get(1);
            },
            |code, n| {
                match n % 4 {
                    0 => code.f64_sqrt(),
                    1 => code.f64_nearest(),
                    2 => code.f32_demote_f64().f64_promote_f32(),
                    _ => code.f64_ceil(),
                };
            },
            |code| {
                code.local_set(1);
                zero(code);
            },
        )
    })
}

pub fn float_chain(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, F64)],
            left,
            ALL,
            |code| {
                code.local_get(1);
            },
            |code, n| {
                code.local_get(1);
                match n % 4 {
                    0 => code.f64_add(),
                    1 => code.f64_mul(),
                    2 => code.f64_min(),
                    _ => code.f64_max(),
                };
            },
            |code| {
                code.local_set(1);
                zero(code);
            },
        )
    })
}

/// Conversions that trap, to and fro, a byte each.
pub fn float_truncations(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            ALL,
            |code| {
                code.local_get(0);
            },
            |code, n| {
                match n % 2 {
                    0 => code.f64_convert_i32_s().i32_trunc_f64_s(),
                    _ => code.f32_convert_i32_u().i32_trunc_f32_u(),
                };
            },
            nothing,
        )
    })
}

pub fn float_sat_truncations(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, I64)],
            left,
            ALL,
            |code| {
                code.local_get(1);
            },
            |code, n| {
                match n % 2 {
                    0 => code.f64_convert_i64_u().i64_trunc_sat_f64_u(),
                    _ => code.f32_convert_i64_u().i64_trunc_sat_f32_u(),
                };
            },
            |code| {
                code.local_set(1);
                zero(code);
            },
        )
    })
}

pub fn float_constants(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, F64)],
            left,
            ALL,
            |code| {
                code.local_get(1);
            },
            |code, n| {
                code.f64_const((f64::from(n) * 1.37).into()).f64_add();
            },
            |code| {
                code.local_set(1);
                zero(code);
            },
        )
    })
}

pub fn wide_constants(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, I64)],
            left,
            ALL,
            |code| {
                code.local_get(1);
            },
            |code, n| {
                code.i64_const(i64::MAX / (i64::from(n) + 3)).i64_xor();
            },
            |code| {
                code.local_set(1);
                zero(code);
            },
        )
    })
}

/// Operators on one operand, a byte each.
pub fn integer_unary(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, I64)],
            left,
            ALL,
            |code| {
                code.local_get(1);
            },
            |code, n| {
                match n % 4 {
                    0 => code.i64_popcnt(),
                    1 => code.i64_ctz(),
                    2 => code.i64_extend16_s(),
                    _ => code.i64_clz(),
                };
            },
            |code| {
                code.local_set(1);
                zero(code);
            },
        )
    })
}

/// Sums that the optimiser can write in many ways.
pub fn adds_of_constants(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            ALL,
            |code| {
                code.local_get(0);
            },
            |code, n| {
                code.i32_const((n % 60) as i32 + 1);
                match n % 3 {
                    0 => code.i32_add(),
                    1 => code.i32_mul(),
                    _ => code.i32_sub(),
                };
            },
            nothing,
        )
    })
}

pub fn ands_and_ors(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(2, I32)],
            left,
            ALL,
            |code| {
                code.local_get(0);
            },
            |code, n| {
                code.local_tee(1).local_get(0).i32_and();
                code.local_get(1)
                    .local_get(0)
                    .i32_const(-1)
                    .i32_xor()
                    .i32_and();
                code.i32_or();
                code.i32_const((n % 50) as i32);
                match n % 3 {
                    0 => code.i32_and(),
                    1 => code.i32_or(),
                    _ => code.i32_xor(),
                };
            },
            nothing,
        )
    })
}

/// Each value is used twice to make the next.
pub fn shared_dag(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[(1, I32)],
            left,
            ALL,
            |code| {
                code.local_get(0);
            },
            |code, n| {
                code.local_tee(1).local_get(1);
                match n % 5 {
                    0 => code.i32_add(),
                    1 => code.i32_mul(),
                    2 => code.i32_rotl(),
                    3 => code.i32_shl(),
                    _ => code.i32_shr_u(),
                };
            },
            nothing,
        )
    })
}

pub fn compares(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            ALL,
            |code| {
                code.local_get(0);
            },
            |code, n| {
                code.local_get(0);
                match n % 4 {
                    0 => code.i32_lt_s(),
                    1 => code.i32_ge_u(),
                    2 => code.i32_ne(),
                    _ => code.i32_gt_s(),
                };
            },
            nothing,
        )
    })
}

pub fn globals(bytes: usize) -> Vec<u8> {
    filled(with_globals(60), 0, bytes, |left, _| {
        body(
            &[],
            left,
            ALL,
            nothing,
            |code, n| {
                code.global_get(1 + n % 60).global_set(1 + (n * 7) % 60);
            },
            zero,
        )
    })
}

/// Functions of no operators.
pub fn tiny_functions(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let ty = builder.ty(&[], &[]);
    for _ in 0..(bytes / 4).min(16_384) {
        builder.add(ty, body(&[], 0, 0, nothing, |_, _| {}, nothing));
    }
    builder.finish()
}

/// Functions that do nothing but call another, each of which counts the stack.
pub fn tiny_calling_functions(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let ty = builder.ty(&[], &[]);
    for number in 0..(bytes / 7).min(16_384) {
        let call = |code: &mut InstructionSink<'_>| {
            code.call(number as u32 / 2);
        };
        builder.add(ty, body(&[], 0, 0, call, |_, _| {}, nothing));
    }
    builder.finish()
}

/// As many types as there can be, each of a function that is in the table.
pub fn many_types(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    let count = (bytes / 40).min(4_080);
    builder.table = 8_192;
    builder.elements = count as u32;
    for number in 0..count {
        let params: Vec<ValType> = (0..13)
            .map(|bit| if number >> bit & 1 == 0 { I32 } else { I64 })
            .collect();
        let ty = builder.ty(&params, &[I64; 16]);
        let stop = |code: &mut InstructionSink<'_>| {
            code.unreachable();
        };
        builder.add(ty, body(&[], 0, 0, stop, |_, _| {}, nothing));
    }
    builder.finish()
}

pub fn many_exports(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    for _ in 0..(bytes / 12).min(1_022) {
        builder.add(0, body(&[], 0, 0, zero, |_, _| {}, nothing));
    }
    builder.exported = builder.bodies.len() as u32;
    builder.finish()
}

pub fn elements(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    builder.table = 8_192;
    let count = (bytes / 10).min(8_192);
    builder.elements = count as u32;
    for _ in 0..count {
        builder.add(0, body(&[], 0, 0, zero, |_, _| {}, nothing));
    }
    builder.finish()
}

pub fn growth(bytes: usize) -> Vec<u8> {
    pointers(true, bytes, |left, _| {
        body(
            &[],
            left,
            PLACES / 6,
            |code| {
                code.local_get(0);
            },
            |code, _| {
                code.memory_grow(0);
            },
            nothing,
        )
    })
}

/// Code that nothing reaches.
pub fn dead_code(bytes: usize) -> Vec<u8> {
    narrow(bytes, |left, _| {
        body(
            &[],
            left,
            ALL,
            |code| {
                code.unreachable();
            },
            |code, _| {
                code.i32_load(at(0));
            },
            nothing,
        )
    })
}

pub fn custom_sections(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    builder.customs = bytes;
    builder.add(0, body(&[], 0, 0, zero, |_, _| {}, nothing));
    builder.finish()
}

pub fn data(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    builder.data = bytes;
    builder.add(0, body(&[], 0, 0, zero, |_, _| {}, nothing));
    builder.finish()
}

/// Functions of as many locals as there can be.
pub fn locals_only(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(false);
    for _ in 0..(bytes / 16).min(16_384) {
        let locals: &[(u32, ValType)] = &[(4_000, I64)];
        builder.add(0, body(locals, 0, 0, zero, |_, _| {}, nothing));
    }
    builder.finish()
}

/// The section that no module may have comes last.
fn with_unknown_section(mut code: Vec<u8>) -> Vec<u8> {
    let name = b"crostata.x";
    code.extend([0, name.len() as u8 + 1, name.len() as u8]);
    code.extend(name);
    code
}

pub fn rejected_section(bytes: usize) -> Vec<u8> {
    with_unknown_section(load_chain(bytes))
}

/// One check too many in the last function.
pub fn rejected_places(bytes: usize) -> Vec<u8> {
    pointers(false, bytes, |left, number| {
        let is_last = (number as usize + 2) * 24_200 > bytes;
        body(
            &[],
            left,
            if is_last { 9_000 } else { PLACES / 2 },
            |code| {
                code.local_get(0);
            },
            |code, _| {
                code.i32_load(at(0));
            },
            nothing,
        )
    })
}

pub fn rejected_data(bytes: usize) -> Vec<u8> {
    with_unknown_section(custom_sections(bytes))
}

pub fn rejected_types(bytes: usize) -> Vec<u8> {
    with_unknown_section(block_results(bytes))
}
