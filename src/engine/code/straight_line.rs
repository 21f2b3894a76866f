//! Stretches of code without a look at the gas, and where to put one.
//!
//! The engine looks at the gas where functions and loops begin. A function of 64 KiB without loops would run to its end with
//! hardly any, so the rewriting puts a loop of nothing wherever more than [`LOOK_AFTER`] may have been spent since the last look, on any
//! way that leads there. Functions called may return without another look; behind a call the next is due after
//! [`AFTER_CALL`], so that a deep recursion can not spend much on its way back.

use super::access::Access;
use super::effort::is_float;
use wasmparser::Operator;

/// What may be spent between two looks, about in gas: the weights are those of this file, whatever the schedule says.
pub(super) const LOOK_AFTER: u32 = 1_000;

/// What may be spent behind a call until the next look.
const AFTER_CALL: u32 = 32;

/// What may have been spent since the last look, on the way here that spends most.
pub(super) struct StraightLine {
    /// `None` where no way leads.
    spent: Option<u32>,
    labels: Vec<Label>,
}

/// A block whose end is to come.
struct Label {
    is_loop: bool,
    /// The most that branches to its end bring, or the way past an `else`.
    at_end: Option<u32>,
    /// What an `else` begins with: what the `if` began with.
    at_else: Option<u32>,
}

impl StraightLine {
    /// The beginning of a body.
    pub fn new() -> Self {
        Self {
            spent: Some(0),
            labels: vec![Label {
                is_loop: false,
                at_end: None,
                at_else: None,
            }],
        }
    }

    /// Whether a look is due before the next operator; it counts as done.
    pub fn look_due(&mut self) -> bool {
        let due = self.spent.is_some_and(|spent| spent >= LOOK_AFTER);
        if due {
            self.spent = Some(0);
        }
        due
    }

    /// Goes past an operator.
    pub fn pass(&mut self, operator: &Operator<'_>) {
        if let Some(spent) = &mut self.spent {
            *spent = spent.saturating_add(weight(operator));
        }
        match operator {
            Operator::Block { .. } => self.open(false, None),
            Operator::Loop { .. } => {
                self.spent = self.spent.map(|_| 0);
                self.open(true, None);
            }
            Operator::If { .. } => self.open(false, self.spent),
            Operator::Else => self.turn(),
            Operator::End => self.close(),
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                self.spent = self.spent.map(|_| LOOK_AFTER - AFTER_CALL);
            }
            _ => self.branch(operator),
        }
    }

    fn open(&mut self, is_loop: bool, at_else: Option<u32>) {
        self.labels.push(Label {
            is_loop,
            at_end: None,
            at_else,
        });
    }

    fn turn(&mut self) {
        let spent = self.spent;
        if let Some(label) = self.labels.last_mut() {
            label.at_end = label.at_end.max(spent);
            self.spent = label.at_else.take();
        }
    }

    fn close(&mut self) {
        if let Some(label) = self.labels.pop() {
            self.spent = self.spent.max(label.at_end).max(label.at_else);
        }
    }

    fn branch(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Br { relative_depth } => {
                self.arrive(*relative_depth);
                self.spent = None;
            }
            Operator::BrIf { relative_depth } => self.arrive(*relative_depth),
            Operator::BrTable { targets } => {
                self.arrive(targets.default());
                for target in targets.targets().flatten() {
                    self.arrive(target);
                }
                self.spent = None;
            }
            Operator::Return | Operator::Unreachable => self.spent = None,
            _ => {}
        }
    }

    /// A branch to a label: back to a loop, which looks, or forward to an end.
    fn arrive(&mut self, relative_depth: u32) {
        let spent = self.spent;
        let nth = self.labels.len().checked_sub(1 + relative_depth as usize);
        if let Some(label) = nth.and_then(|nth| self.labels.get_mut(nth))
            && !label.is_loop
        {
            label.at_end = label.at_end.max(spent);
        }
    }
}

/// What a load or store takes with its check, as if it were there.
const ACCESS: u32 = 30;

/// About what an operator takes, in units of the cheapest.
fn weight(operator: &Operator<'_>) -> u32 {
    use Operator as O;
    if Access::of(operator).is_some() {
        return ACCESS;
    }
    match operator {
        O::Block { .. } | O::Loop { .. } | O::Else | O::End => 0,
        O::Drop | O::Return | O::Nop | O::Unreachable => 0,
        O::BrIf { .. } | O::If { .. } => 9,
        O::BrTable { .. } => 60,
        O::Call { .. } => 20,
        O::CallIndirect { .. } => 120,
        // The host looks at the gas before it does anything.
        O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryGrow { .. } => 200,
        O::RefFunc { .. } | O::TableGet { .. } => 20,
        O::I32Mul | O::I64Mul => 4,
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => 22,
        O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => 22,
        O::F32Div | O::F64Div | O::F32Sqrt | O::F64Sqrt => 48,
        operator if is_float(operator) || compares_floats(operator) => 16,
        _ => 1,
    }
}

/// Comparisons of floats, which take as long as their arithmetic.
const fn compares_floats(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::F32Eq
            | O::F32Ne
            | O::F32Lt
            | O::F32Gt
            | O::F32Le
            | O::F32Ge
            | O::F64Eq
            | O::F64Ne
            | O::F64Lt
            | O::F64Gt
            | O::F64Le
            | O::F64Ge
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(body: &str) -> usize {
        let text = format!("(module (func $f) (func (param i32) {body}))");
        let module = wat::parse_str(text).unwrap();
        let bodies = wasmparser::Parser::new(0).parse_all(&module);
        let body = bodies
            .filter_map(|payload| match payload.unwrap() {
                wasmparser::Payload::CodeSectionEntry(body) => Some(body),
                _ => None,
            })
            .nth(1)
            .unwrap();
        let mut line = StraightLine::new();
        let mut looks = 0;
        for operator in body.get_operators_reader().unwrap() {
            looks += usize::from(line.look_due());
            line.pass(&operator.unwrap());
        }
        looks
    }

    /// P6: every way through a body is looked at often enough, also one that jumps over looks.
    #[test]
    fn looks_are_where_the_longest_way_needs_them() {
        let some = "(drop (f64.mul (f64.const 1) (f64.const 2)))".repeat(20);
        let many = some.repeat(5);
        assert_eq!(looks(&some), 0);
        assert_eq!(looks(&many), 1);
        assert_eq!(looks(&many.repeat(2)), 3);
        let skipped = format!("(block (br_if 0 (local.get 0)) {many})");
        // The way over the block has spent next to nothing, that through it something since its last look.
        assert_eq!(looks(&skipped), 1);
        let long = format!("{some}{some} (block (br_if 0 (local.get 0)) {some}) {some}");
        assert_eq!(looks(&long), 2);
        let either = format!("(if (local.get 0) (then {some}) (else {some}))");
        assert_eq!(looks(&either), 0);
        assert_eq!(looks(&either.repeat(2)), 0);
        assert_eq!(looks(&either.repeat(3)), 2);
        assert_eq!(looks(&format!("(loop {some}) (loop {some})")), 0);
        assert_eq!(looks(&format!("{some} return {many}")), 0);
        assert_eq!(looks("(call $f)"), 0);
        assert_eq!(looks(&format!("(call $f) {some}")), 1);
    }
}
