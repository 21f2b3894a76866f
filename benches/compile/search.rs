//! Looks for modules that take long for their price: generated functions, changed at random, the worst kept.
//!
//! A function is a list of gadgets drawn by weight. What is searched are the weights, the locals, the operands below, the length and the
//! blocks around. Every candidate is printed that is worse than those before it, with its gene, which builds it again.

use std::time::{Duration, Instant};

use crostata::{Backend, Compiler, Effort, Protocol};
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, ValType};

use super::bombs::Builder;
use super::fair::{Fair, cpu_ns};

const GADGETS: usize = 24;
/// Candidates kept.
const POPULATION: usize = 16;

/// What a candidate is made from.
#[derive(Clone, Debug)]
pub struct Gene {
    seed: u64,
    wide: bool,
    locals: u32,
    operands: u32,
    bytes: usize,
    /// Locals that gadgets name.
    used: u32,
    weights: [u32; GADGETS],
}

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound.max(1))) as u32
    }
}

impl Gene {
    fn random(random: &mut Random) -> Self {
        let few = random.below(3) > 0;
        Self {
            seed: random.next(),
            wide: random.below(4) == 0,
            locals: 4 << random.below(9),
            operands: if random.below(2) == 0 {
                0
            } else {
                1 << random.below(10)
            },
            bytes: 1_000 << random.below(6),
            used: 2 << random.below(9),
            weights: std::array::from_fn(|_| {
                if few && random.below(6) > 0 {
                    0
                } else {
                    random.below(20)
                }
            }),
        }
    }

    fn changed(&self, random: &mut Random) -> Self {
        let mut gene = self.clone();
        for _ in 0..=random.below(3) {
            match random.below(9) {
                0 => gene.seed = random.next(),
                1 => gene.wide = !gene.wide,
                2 => gene.locals = (gene.locals * (1 + random.below(4)) / 2).clamp(4, 4_000),
                3 => {
                    gene.operands = (gene.operands * random.below(4) / 2 + random.below(8)).min(900)
                }
                4 => {
                    gene.bytes =
                        (gene.bytes * (1 + random.below(4) as usize) / 2).clamp(500, 62_000)
                }
                5 => gene.used = (gene.used * (1 + random.below(4)) / 2).clamp(2, 4_000),
                6 => gene.weights[random.below(GADGETS as u32) as usize] = 0,
                _ => gene.weights[random.below(GADGETS as u32) as usize] = random.below(30),
            }
        }
        gene
    }

    /// The module: the function as often as fits 32 KB, with other constants each time.
    fn module(&self) -> Vec<u8> {
        let mut builder = Builder::new(self.wide);
        builder.globals = 8;
        builder.table = 16;
        builder.elements = 4;
        let pointer = builder.pointer();
        let ty = builder.ty(&[pointer], &[pointer]);
        let plain = builder.ty(&[], &[]);
        let busy = builder.ty(&[ValType::I64; 20], &[ValType::I64; 16]);
        let code = |results: u32, ty| {
            let mut function = Function::new([]);
            (0..results).for_each(|_| {
                function.instructions().i64_const(1);
            });
            function.instructions().end();
            (ty, function)
        };
        builder.bodies.extend([code(0, plain), code(16, busy)]);
        let count = (32_000 / self.bytes).clamp(1, 8) as u64;
        for number in 0..count {
            let writer = Writer {
                gene: self,
                random: Random(self.seed ^ (number << 32)),
                open: Vec::new(),
                blocks: 0,
                loops: 0,
                plain,
            };
            builder.add(ty, writer.function(pointer));
        }
        builder.finish()
    }
}

struct Writer<'g> {
    gene: &'g Gene,
    random: Random,
    open: Vec<bool>,
    blocks: u32,
    loops: u32,
    plain: u32,
}

impl Writer<'_> {
    fn function(mut self, pointer: ValType) -> Function {
        let locals = self.gene.locals;
        // Local 0 is the parameter, then half pointers, half of 64 bits, and a float.
        let mut function =
            Function::new([(locals, pointer), (locals, ValType::I64), (1, ValType::F64)]);
        for _ in 0..self.gene.operands {
            let offset = u64::from(self.random.below(9_000));
            let mut code = function.instructions();
            code.local_get(0).i64_load(at(offset));
        }
        let total: u32 = self.gene.weights.iter().sum();
        while function.byte_len() < self.gene.bytes {
            let mut drawn = self.random.below(total.max(1));
            let kind = self.gene.weights.iter().position(|weight| {
                let found = drawn < *weight;
                drawn = drawn.wrapping_sub(*weight);
                found
            });
            self.gadget(&mut function.instructions(), kind.unwrap_or(0));
        }
        let mut code = function.instructions();
        for _ in 0..self.open.len() {
            code.end();
        }
        for _ in 0..self.gene.operands {
            code.local_set(locals + 1);
        }
        for local in 0..=locals.min(self.gene.used) {
            code.local_get(local).drop();
        }
        code.local_get(0).end();
        function
    }

    fn pointer(&mut self) -> u32 {
        let used = self.gene.used.min(self.gene.locals);
        1 + self.random.below(used)
    }

    fn wide(&mut self) -> u32 {
        self.gene.locals + self.pointer()
    }

    fn depth(&mut self) -> Option<u32> {
        (!self.open.is_empty()).then(|| self.random.below(self.open.len() as u32))
    }

    /// A condition: the low half of a 64-bit local.
    fn condition(&mut self, code: &mut InstructionSink<'_>) {
        let local = self.wide();
        code.local_get(local).i32_wrap_i64();
    }

    fn gadget(&mut self, code: &mut InstructionSink<'_>, kind: usize) {
        let (a, b, c) = (self.wide(), self.wide(), self.wide());
        let (p, q) = (self.pointer(), self.pointer());
        let float = 2 * self.gene.locals + 1;
        let number = self.random.below(64);
        match kind {
            0 => {
                code.local_get(a).local_get(b);
                match number % 6 {
                    0 => code.i64_add(),
                    1 => code.i64_mul(),
                    2 => code.i64_xor(),
                    3 => code.i64_rotl(),
                    4 => code.i64_shr_s(),
                    _ => code.i64_sub(),
                };
                code.local_set(c);
            }
            1 => {
                code.local_get(p)
                    .i64_load(at(u64::from(number) * 8))
                    .local_set(a);
            }
            2 => {
                code.local_get(p);
                for _ in 0..8 {
                    match self.gene.wide {
                        true => code.i64_load(at(0)),
                        false => code.i32_load(at(0)),
                    };
                }
                code.local_set(q);
            }
            3 => {
                code.local_get(p)
                    .local_get(a)
                    .i64_store(at(u64::from(number) * 300));
            }
            4 => {
                code.call(0);
            }
            5 => {
                for nth in 0..20 {
                    code.local_get(self.gene.locals + 1 + (number + nth) % self.gene.locals);
                }
                code.call(1);
                for _ in 0..16 {
                    let local = self.wide();
                    code.local_set(local);
                }
            }
            6 => {
                code.i32_const(number as i32 % 16)
                    .call_indirect(0, self.plain);
            }
            7 => {
                if let Some(depth) = self.depth() {
                    self.condition(code);
                    code.br_if(depth);
                }
            }
            8 => {
                if let Some(depth) = self.depth() {
                    code.block(BlockType::Empty);
                    self.condition(code);
                    let targets: Vec<u32> = (0..number)
                        .map(|n| (n % (self.open.len() as u32)) + 1)
                        .collect();
                    code.br_table(targets, depth + 1);
                    code.end();
                    self.blocks += 1;
                }
            }
            9 => {
                if self.blocks < 3_000 {
                    self.blocks += 1;
                    self.condition(code);
                    code.if_(BlockType::Empty).local_get(a).local_set(b);
                    code.else_().local_get(c).local_set(b).end();
                }
            }
            10 => {
                if self.blocks < 3_000 && self.open.len() < 200 {
                    self.blocks += 1;
                    code.block(BlockType::Empty);
                    self.open.push(false);
                }
            }
            11 => {
                if self.loops < 6 && self.blocks < 3_000 {
                    self.blocks += 1;
                    self.loops += 1;
                    code.loop_(BlockType::Empty);
                    self.open.push(true);
                }
            }
            12 => {
                if self.open.pop().is_some() {
                    code.end();
                }
            }
            13 => {
                code.local_get(p)
                    .local_get(q)
                    .local_get(p)
                    .memory_copy(0, 0);
            }
            14 => {
                code.local_get(p).i32_const(0).local_get(q).memory_fill(0);
            }
            15 => {
                code.local_get(p).memory_grow(0).local_set(q);
            }
            16 => {
                code.local_get(a).local_get(b).i64_div_s().local_set(c);
            }
            17 => {
                code.local_get(float);
                match number % 4 {
                    0 => code.f64_sqrt(),
                    1 => code.f64_nearest(),
                    2 => code.local_get(float).f64_min(),
                    _ => code.local_get(float).f64_add(),
                };
                code.local_set(float);
            }
            18 => {
                code.local_get(float)
                    .i64_trunc_f64_s()
                    .f64_convert_i64_u()
                    .local_set(float);
            }
            19 => {
                code.global_get(1 + number % 8)
                    .global_set(1 + (number * 3) % 8);
            }
            20 => {
                // Expressions of the parameter that come again and again.
                let key = self.random.below(self.gene.used);
                code.local_get(0);
                match self.gene.wide {
                    true => code.i64_const(i64::from(key)).i64_mul(),
                    false => code.i32_const(key as i32).i32_mul(),
                };
                code.local_set(p);
            }
            21 => {
                code.local_get(a);
                for _ in 0..8 {
                    code.i64_clz().i64_popcnt().i64_extend8_s();
                }
                code.local_set(b);
            }
            22 => {
                code.local_get(a).local_get(b);
                self.condition(code);
                code.select().local_set(c);
            }
            _ => {
                for nth in 0..8 {
                    code.local_get(self.gene.locals + 1 + (number * nth) % self.gene.locals);
                }
                for _ in 0..8 {
                    let local = self.wide();
                    code.local_set(local);
                }
            }
        }
    }
}

const fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        memory_index: 0,
    }
}

/// Searches for so long, and prints what it finds: how many times too long, nanoseconds, counts, gene.
pub fn run(seconds: u64, seed: u64) {
    let fair = Fair::measured().native;
    let protocol = Protocol::default();
    let compiler = Compiler::new(Backend::Native, &protocol, |_| ()).unwrap();
    let mut random = Random(seed);
    let mut kept: Vec<(f64, Gene)> = Vec::new();
    let (begin, mut tried) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let gene = match kept.len() {
            POPULATION.. if random.below(5) > 0 => kept[random.below(POPULATION as u32) as usize]
                .1
                .changed(&mut random),
            _ => Gene::random(&mut random),
        };
        let code = gene.module();
        let before = cpu_ns();
        let Ok(prepared) = compiler.prepare(&code) else {
            continue;
        };
        if compiler.compile(&prepared).is_err() {
            continue;
        }
        let (took, effort) = (cpu_ns() - before, prepared.facts.effort);
        let ratio = took / (protocol.deploy_price(code.len(), &effort) as f64 * fair);
        tried += 1;
        let counts: Vec<_> = Effort::NAMES.iter().zip(effort.values()).collect();
        if kept.len() < POPULATION || ratio > kept[POPULATION / 2].0 {
            println!("{ratio:.2}|{took}|{}|{counts:?}|{gene:?}", code.len());
        }
        kept.push((ratio, gene));
        kept.sort_by(|one, other| other.0.total_cmp(&one.0));
        kept.truncate(POPULATION);
    }
    println!(
        "{tried} tried; the worst is {:.2}",
        kept.first().map_or(0.0, |worst| worst.0)
    );
}
