//! What makes a function slow to compile, counted.
//!
//! Length alone does not say how long compiling takes: a byte can be a local that is read or a check with a branch, a call and
//! three blocks. And compilers keep track of each value in each block, so that some work is a product. Here what they work on is counted
//! with the walk that validates a body, in time linear in its length and in what the limits on blocks x locals allow. Counts
//! are facts of the deployed bytes, the same on every machine; what they cost are prices of the protocol.

use super::limits::at_most;
use super::outline::Outline;
use super::writes::Writes;
use super::{CodeLimits, Rejection};
use wasmparser::{BlockType, Operator, TypeRef};

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What there is to compile in a module, by kind. Every count is a sum over its functions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Effort { $($(#[$doc])* pub $field: u64,)* }

        impl Effort {
            /// The names of the counts.
            pub const NAMES: [&str; [$(stringify!($field)),*].len()] = [$(stringify!($field)),*];

            /// The counts in the order of their declaration.
            pub const fn values(&self) -> [u64; [$(stringify!($field)),*].len()] {
                [$(self.$field),*]
            }

            /// The counts, taken one after the other.
            pub fn read(mut next: impl FnMut() -> Option<u64>) -> Option<Self> {
                Some(Self { $($field: next()?,)* })
            }

            /// Adds another's counts.
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }
        }
    };
}

counts! {
    /// Functions.
    functions,
    /// Types, imports, exports, and elements of the table.
    entries,
    /// Locals, parameters included.
    locals,
    /// Operators that are not counted apart.
    operators,
    /// Floating-point arithmetic, whose results are made canonical, and conversions.
    floats,
    /// Loads and stores.
    accesses,
    /// Touch checks put before loads and stores.
    checks,
    /// Copies and fills of memory, and its growth.
    bulks,
    /// Direct calls.
    calls,
    /// Indirect calls.
    indirect_calls,
    /// Parameters and results of calls.
    call_values,
    /// Blocks, loops, ifs, and branches; each target of a table is one.
    branches,
    /// Over all branches the values that may differ where they lead: the locals written in the block that is left or begun anew, and its
    /// parameters or results. The end of a block that was branched out of counts as a branch, the beginning of a loop as two.
    joins,
    /// Over all places that end a block in the compiler's sense the locals of the function and the operands on the stack.
    spans,
    /// Over all operators the same.
    reaches,
    /// For each function those places times the values computed: any may be computed again behind them.
    reuses,
    /// For each function the square of those places.
    squares,
    /// Pages of memory, of 4 KiB, in which data segments put something.
    pages,
}

/// How many places that end a block an operator makes, besides branches.
const CHECK_BLOCKS: u64 = 2;
const INDIRECT_BLOCKS: u64 = 4;
const BULK_BLOCKS: u64 = 6;

/// A block around the operator being read; the first is the function.
struct Open {
    is_loop: bool,
    branches: u64,
    /// Values passed with each of them.
    values: u64,
}

/// Counts over one function, but for its checks.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    effort: Effort,
    locals: u64,
    computed: u64,
    places: u64,
}

impl Counted {
    /// The counts with those of the checks: how many there are, and on how many operands they were, all together.
    ///
    /// # Errors
    /// The limit that the function breaks; `offset` is where it begins.
    pub fn with_checks(
        &self,
        checks: u64,
        operands: u64,
        limits: &CodeLimits,
        offset: u64,
    ) -> Result<Effort, Rejection> {
        let places = self.places + CHECK_BLOCKS * checks;
        at_most("places_max", offset, places, limits.places_max)?;
        at_most("joins_max", offset, self.effort.joins, limits.joins_max)?;
        let values = checks * self.locals + operands;
        Ok(Effort {
            checks,
            spans: self.effort.spans.saturating_add(CHECK_BLOCKS * values),
            reuses: places.saturating_mul(self.computed),
            squares: places.saturating_mul(places),
            ..self.effort
        })
    }
}

/// Counts over one function while it is read.
pub(super) struct Counter {
    counted: Counted,
    blocks: Vec<Open>,
    writes: Writes,
}

impl Counter {
    /// For a function with so many locals and results.
    pub fn new(locals: u32, results: usize) -> Self {
        let effort = Effort {
            functions: 1,
            locals: u64::from(locals),
            ..Effort::default()
        };
        Self {
            counted: Counted {
                effort,
                locals: u64::from(locals),
                computed: 0,
                places: 0,
            },
            blocks: vec![Open {
                is_loop: false,
                branches: 0,
                values: results as u64,
            }],
            writes: Writes::new(locals as usize),
        }
    }

    /// The counts, after the whole body.
    pub fn counted(self) -> Counted {
        self.counted
    }

    /// Counts an operator of a valid body, `height` operands on the stack behind it.
    pub fn visit(
        &mut self,
        outline: &Outline<'_>,
        operator: &Operator<'_>,
        height: u32,
        computes: bool,
        accesses: bool,
    ) {
        let values = self.counted.locals + u64::from(height);
        self.counted.computed += u64::from(computes);
        let places = self.places(outline, operator, accesses);
        self.counted.places += places;
        self.counted.effort.spans += places * values;
        self.counted.effort.reaches += values;
    }

    /// Counts an operator by its kind, and tells how many places it makes where a block ends.
    fn places(&mut self, outline: &Outline<'_>, operator: &Operator<'_>, accesses: bool) -> u64 {
        match operator {
            Operator::Block { blockty } => self.open(outline, *blockty, false, 0),
            Operator::If { blockty } => self.open(outline, *blockty, false, 1),
            Operator::Loop { blockty } => self.open(outline, *blockty, true, 1),
            Operator::Else => 1,
            Operator::End => self.close(),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth)
            }
            Operator::Return => self.branch(self.blocks.len().saturating_sub(1) as u32),
            Operator::BrTable { targets } => {
                let others = targets.targets().map_while(Result::ok);
                let all = others.chain([targets.default()]);
                all.map(|depth| self.branch(depth)).sum()
            }
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.writes.write(*local_index);
                self.counted.effort.operators += 1;
                0
            }
            Operator::Call { function_index } => {
                self.counted.effort.calls += 1;
                self.call(outline.function_type(*function_index));
                1
            }
            Operator::CallIndirect { type_index, .. } => {
                self.counted.effort.indirect_calls += 1;
                self.call(outline.types.get(*type_index as usize));
                INDIRECT_BLOCKS
            }
            Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryGrow { .. } => {
                self.counted.effort.bulks += 1;
                BULK_BLOCKS
            }
            _ if accesses => {
                self.counted.effort.accesses += 1;
                0
            }
            _ if is_float(operator) => {
                self.counted.effort.floats += 1;
                0
            }
            _ => {
                self.counted.effort.operators += 1;
                0
            }
        }
    }

    fn call(&mut self, ty: Option<&wasmparser::FuncType>) {
        let values = ty.map_or(0, |ty| ty.params().len() + ty.results().len());
        self.counted.effort.call_values += values as u64;
    }

    fn open(&mut self, outline: &Outline<'_>, ty: BlockType, is_loop: bool, branches: u64) -> u64 {
        let values = match ty {
            BlockType::Empty => 0,
            BlockType::Type(_) => 1,
            BlockType::FuncType(ty) => outline.types.get(ty as usize).map_or(0, |ty| {
                if is_loop {
                    ty.params().len()
                } else {
                    ty.results().len()
                }
            }),
        };
        self.blocks.push(Open {
            is_loop,
            branches,
            values: values as u64,
        });
        self.writes.enter();
        self.counted.effort.branches += 1;
        1 + branches
    }

    /// Closes the innermost block; the outermost, the function, has only results to pass on.
    fn close(&mut self) -> u64 {
        let Some(block) = self.blocks.pop() else {
            return 0;
        };
        let written = match self.blocks.is_empty() {
            true => 0,
            false => self.writes.leave().len() as u64,
        };
        if block.is_loop || block.branches > 0 {
            self.counted.effort.joins += (block.branches + 1) * (block.values + written);
        }
        0
    }

    fn branch(&mut self, depth: u32) -> u64 {
        let target = self.blocks.len().checked_sub(depth as usize + 1);
        if let Some(block) = target.and_then(|target| self.blocks.get_mut(target)) {
            block.branches += 1;
        }
        self.counted.effort.branches += 1;
        1
    }
}

/// Whether an operator computes or converts floats.
pub(super) const fn is_float(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::F32Abs
            | Operator::F32Neg
            | Operator::F32Ceil
            | Operator::F32Floor
            | Operator::F32Trunc
            | Operator::F32Nearest
            | Operator::F32Sqrt
            | Operator::F32Add
            | Operator::F32Sub
            | Operator::F32Mul
            | Operator::F32Div
            | Operator::F32Min
            | Operator::F32Max
            | Operator::F32Copysign
            | Operator::F64Abs
            | Operator::F64Neg
            | Operator::F64Ceil
            | Operator::F64Floor
            | Operator::F64Trunc
            | Operator::F64Nearest
            | Operator::F64Sqrt
            | Operator::F64Add
            | Operator::F64Sub
            | Operator::F64Mul
            | Operator::F64Div
            | Operator::F64Min
            | Operator::F64Max
            | Operator::F64Copysign
            | Operator::I32TruncF32S
            | Operator::I32TruncF32U
            | Operator::I32TruncF64S
            | Operator::I32TruncF64U
            | Operator::I64TruncF32S
            | Operator::I64TruncF32U
            | Operator::I64TruncF64S
            | Operator::I64TruncF64U
            | Operator::I32TruncSatF32S
            | Operator::I32TruncSatF32U
            | Operator::I32TruncSatF64S
            | Operator::I32TruncSatF64U
            | Operator::I64TruncSatF32S
            | Operator::I64TruncSatF32U
            | Operator::I64TruncSatF64S
            | Operator::I64TruncSatF64U
            | Operator::F32ConvertI32S
            | Operator::F32ConvertI32U
            | Operator::F32ConvertI64S
            | Operator::F32ConvertI64U
            | Operator::F32DemoteF64
            | Operator::F64ConvertI32S
            | Operator::F64ConvertI32U
            | Operator::F64ConvertI64S
            | Operator::F64ConvertI64U
            | Operator::F64PromoteF32
    )
}

/// The entries of a module that are no functions.
pub(super) fn entries(outline: &Outline<'_>) -> u64 {
    let functions = outline.imports.iter();
    let functions = functions.filter(|import| matches!(import.ty, TypeRef::Func(_)));
    let listed = outline.elements.iter();
    let listed: u64 = listed
        .map(|elements| u64::from(elements.functions.count()))
        .sum();
    (outline.types.len() + functions.count() + outline.exports.len()) as u64 + listed
}
