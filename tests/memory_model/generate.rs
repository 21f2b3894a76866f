//! Random operations, from a seed: the same seed gives the same operations on every machine.

use super::mover::{Address, Around, BUFFER, BUFFER_END, CELLS, NUMBERS, Nested, SCRATCH, Step};
use super::random::Random;
use crate::fixtures::{Narrow, Wide, Width};

/// Calls nest no deeper.
const DEPTH_MAX: u32 = 6;

/// Steps in a call from outside, those of its callees included.
const STEPS_MAX: usize = 50;

/// Gas that frames below starve on.
const STARVED_GAS_MAX: u64 = 3_000_000;

/// An operation from outside. Worlds are taken modulo how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Calls a mover, with little gas if that is given.
    Call {
        world: usize,
        number: u8,
        gas: Option<u64>,
        steps: Vec<Step>,
        /// Decides what lanes do that nobody may notice.
        noise: u64,
    },
    /// Deploys a mover, if there is none of this number.
    Deploy {
        world: usize,
        number: u8,
        width: Width,
    },
    /// Marks the moment.
    Savepoint { world: usize },
    /// Goes back to one of the open savepoints.
    Rollback { world: usize, which: usize },
    /// Forgets one of the open savepoints, and those after it.
    Release { world: usize, which: usize },
    /// Commits, which forgets all savepoints.
    Commit { world: usize },
    /// Commits, and opens another world over the commit, in the place of the oldest if there are too many.
    Fork { world: usize },
    /// Compares every byte.
    Inspect { world: usize },
}

/// What is generated.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The width of the movers that worlds begin with, by number modulo two.
    pub widths: [Width; 2],
    /// Whether memories may become as large as they can be.
    pub giant: bool,
}

impl Shape {
    /// Enough gas for a frame at this depth, and for seven failing callees.
    pub fn gas(&self, depth: u32) -> u64 {
        let unit = if self.giant { 50_000_000 } else { 16_000 };
        unit * 8_u64.pow(DEPTH_MAX + 2 - depth.min(DEPTH_MAX))
    }

    /// What movers can grow to.
    pub fn max_wasm_pages(&self, width: Width) -> u64 {
        match (self.giant, width) {
            (false, _) => 40,
            (true, Narrow) => 1 << 16,
            (true, Wide) => 1 << 26,
        }
    }
}

/// So many operations.
pub fn operations(seed: u64, shape: Shape, count: usize) -> Vec<Operation> {
    let mut generator = Generator {
        random: Random::new(seed),
        shape,
        steps_left: 0,
    };
    (0..count).map(|_| generator.operation()).collect()
}

struct Generator {
    random: Random,
    shape: Shape,
    steps_left: usize,
}

impl Generator {
    fn operation(&mut self) -> Operation {
        let world = self.random.below(3) as usize;
        let which = self.random.below(4) as usize;
        match self.random.below(100) {
            0..60 => self.call(world),
            60..64 => Operation::Deploy {
                world,
                number: self.number(),
                width: self.random.among(&[Narrow, Wide]),
            },
            64..75 => Operation::Savepoint { world },
            75..83 => Operation::Rollback { world, which },
            83..87 => Operation::Release { world, which },
            87..92 => Operation::Commit { world },
            92..95 => Operation::Fork { world },
            _ => Operation::Inspect { world },
        }
    }

    fn call(&mut self, world: usize) -> Operation {
        self.steps_left = 1 + self.random.below(STEPS_MAX as u64) as usize;
        let gas = self.random.chance(8);
        Operation::Call {
            world,
            number: self.number(),
            // Less would not do for finding out that there is no such contract.
            gas: gas.then(|| 300_000 + self.starved_gas()),
            steps: self.steps(1),
            noise: self.random.next(),
        }
    }

    fn number(&mut self) -> u8 {
        match self.random.chance(70) {
            true => self.random.below(2) as u8,
            false => self.random.below(NUMBERS.into()) as u8,
        }
    }

    fn starved_gas(&mut self) -> u64 {
        let max = self.random.among(&[50_000, 600_000, STARVED_GAS_MAX]);
        1 + self.random.below(max)
    }

    /// Steps of a frame at depth `depth - 1`.
    fn steps(&mut self, depth: u32) -> Vec<Step> {
        let mut calls_left = 4;
        let mut steps = Vec::new();
        while self.steps_left > 0 && !self.random.chance(9) {
            self.steps_left -= 1;
            let calls = calls_left > 0 && depth <= DEPTH_MAX && self.random.chance(25);
            if calls {
                calls_left -= 1;
                let nested = self.nested(depth);
                steps.push(Step::Call(nested));
            } else {
                let step = self.step();
                let ends = matches!(step, Step::Panic | Step::Trap);
                steps.push(step);
                if ends {
                    break;
                }
            }
        }
        steps
    }

    fn nested(&mut self, depth: u32) -> Nested {
        let mut steps = self.steps(depth + 1);
        let (gas, catch) = match self.random.below(10) {
            0 | 1 => (0, false),
            2 | 3 => {
                if self.random.chance(50) {
                    steps.push(Step::Spin);
                }
                (self.starved_gas(), self.random.chance(80))
            }
            _ => (self.shape.gas(depth), self.random.chance(85)),
        };
        let around = [Around::Nothing, Around::Stores, Around::Loads];
        Nested {
            target: self.number(),
            catch,
            gas,
            around: self.random.among(&around),
            at: self.address(300),
            value: self.random.next(),
            steps,
        }
    }

    fn step(&mut self) -> Step {
        // Zeros often bring back what was there before.
        let value = match self.random.chance(25) {
            true => 0,
            false => self.random.next(),
        };
        match self.random.below(100) {
            0..22 => {
                let len = 1 + self.random.below(8);
                let at = match self.random.chance(4) {
                    // Over the beginning of the argument buffer, which nobody reads.
                    true => (BUFFER - self.random.below(len)) as Address,
                    false => self.address(len),
                };
                Step::Store(at, len as u8, value)
            }
            22..30 => {
                let len = self.random.among(&[1, 2, 4, 8]);
                Step::Load(self.address(len), len as u8)
            }
            30..38 => Step::Burst(self.address(4_097), value),
            38..44 => Step::Branch(self.address(24), value),
            44..49 => Step::Fixed(value),
            49..55 => {
                let len = self.len(3_000);
                Step::CopyLoop(self.address(len), self.address(len), len)
            }
            55..63 => {
                let len = self.len(70_000);
                Step::Copy(self.address(len), self.address(len), len)
            }
            63..70 => {
                let len = self.len(70_000);
                let byte = self.random.among(&[0, 0, value as u8]);
                Step::Fill(self.address(len), byte, len)
            }
            70..76 => self.stripe(value),
            76..80 => {
                let len = self.len(3_000);
                Step::Sum(self.address(len), len)
            }
            80..87 => Step::Grow(self.growth()),
            87..90 => Step::Keep(value),
            90..95 => Step::See,
            95..97 => Step::Panic,
            97..98 => Step::Trap,
            _ => Step::Load(self.address(8), 8),
        }
    }

    fn stripe(&mut self, value: u64) -> Step {
        let distance = self
            .random
            .among(&[1, 7, 8, 64, 264, 1_000, 4_088, 4_096, 5_000]);
        let count = self.random.below(24);
        let span = distance * count + 8;
        let at = self.address(span);
        match self.random.chance(30) && at >= 0 {
            true => Step::Stripe(
                at + (distance * count) as i64,
                -(distance as i64),
                count,
                value,
            ),
            false => Step::Stripe(at, distance as i64, count, value),
        }
    }

    fn len(&mut self, max: u64) -> u64 {
        let max = match self.random.below(20) {
            0..14 => 300,
            14..19 => 9_000,
            _ => max,
        };
        self.random.below(max)
    }

    fn growth(&mut self) -> u64 {
        let giant = [65_532, 65_536, 65_540, 1 << 20, (1 << 26) - 4];
        match self.shape.giant && self.random.chance(40) {
            true => self.random.among(&giant),
            false => self.random.below(5),
        }
    }

    /// An address with `span` bytes behind it that a script may use, or that lie beyond the end.
    fn address(&mut self, span: u64) -> Address {
        let at = match self.random.below(100) {
            0..28 => CELLS + self.random.below(256),
            28..44 => self.cell_page() + self.near_head(),
            44..58 => self.cell_page() - 1 - self.random.below(9),
            58..68 => return self.low(span),
            68..76 => return self.scratch(span),
            76..92 => return self.near_end(span),
            92..97 if self.shape.giant && span <= 9_000 => return self.far(),
            92..99 => CELLS + self.random.below(60_000),
            _ => CELLS + self.random.below(3 << 20),
        };
        at as Address
    }

    /// Where a page behind the first cells begins, mostly one of a few.
    fn cell_page(&mut self) -> u64 {
        let pages = if self.random.chance(50) { 3 } else { 20 };
        CELLS + (1 + self.random.below(pages)) * 4_096
    }

    /// An offset about as far as the page before spills.
    fn near_head(&mut self) -> u64 {
        match self.random.chance(50) {
            true => self
                .random
                .among(&[0, 1, 8, 200, 255, 256, 257, 260, 263, 264, 265, 272]),
            false => self.random.below(300),
        }
    }

    /// In front of the buffer.
    fn low(&mut self, span: u64) -> Address {
        let room = (BUFFER + 1).saturating_sub(span).max(1);
        let at = match self.random.below(4) {
            0 => self.random.below(16),
            1 => room - 1 - self.random.below(8.min(room)),
            2 => self.random.below(15) * 4_096 + 4_096 - self.random.below(9),
            _ => self.random.below(room),
        };
        match at + span <= BUFFER {
            true => at as Address,
            false => CELLS as Address,
        }
    }

    /// In the part of the buffer that only scripts use, or over its end.
    fn scratch(&mut self, span: u64) -> Address {
        let end = BUFFER_END + 500;
        let room = end.saturating_sub(SCRATCH + span);
        if room == 0 {
            return CELLS as Address;
        }
        let back = match self.random.chance(60) {
            true => self.random.below(room.min(600)),
            false => self.random.below(room),
        };
        (end - span - back) as Address
    }

    /// At the end, and sometimes over it.
    fn near_end(&mut self, span: u64) -> Address {
        let before = match self.random.below(8) {
            0 if self.random.chance(20) => {
                return -(self.random.below(span + 1) as Address).clamp(1, 60_000);
            }
            0..5 => self.random.below(3),
            5 => 4_096 + self.random.below(9),
            _ => self.random.below(20_000),
        };
        -((span + before).clamp(1, 65_536) as Address)
    }

    /// About 4 GiB, or 4 TiB. 32-bit pointers make addresses of it that scripts may use too.
    fn far(&mut self) -> Address {
        let around = self
            .random
            .among(&[4_u64 << 30, 8 << 30, (4 << 30) + (256 << 10), 4 << 40]);
        (around - 4_200 + self.random.below(8_400)) as Address
    }
}

impl Nested {
    /// Whether the callee may run out of gas.
    pub fn starves(&self) -> bool {
        (1..=STARVED_GAS_MAX).contains(&self.gas)
    }
}
