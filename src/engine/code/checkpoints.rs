//! Checkpoints: where code that runs straight on looks at its gas.
//!
//! The metering looks at the gas left where functions and loops begin, and nowhere else: a frame with no gas to speak of would run
//! a body of the greatest length to its end. An empty loop is therefore put before an operator that could be the
//! [`OPERATORS_MAX`]th since the gas was last looked at, on whatever path it is reached. It costs nothing and changes nothing else.
//!
//! What is counted is the longest path in operators since a place where the gas is looked at for sure. Where paths meet, the longest counts;
//! a branch back is to a loop, which looks itself.

use wasmparser::Operator;

/// Operators that may run before the gas is looked at again.
const OPERATORS_MAX: u32 = 256;

/// Counts operators through a body.
pub(super) struct Checkpoints {
    since: u32,
    labels: Vec<Label>,
}

/// A block, loop or `if` that is open.
struct Label {
    is_loop: bool,
    /// Whether the end is also reached from the beginning: an `if` whose `else` was not seen.
    may_skip: bool,
    /// The count where it began.
    entered: u32,
    /// The highest count with which its end is reached by a branch, or from the first arm of an `if`.
    reached: u32,
}

impl Checkpoints {
    /// At the beginning of a function, which looks at its gas.
    pub fn new() -> Self {
        Self {
            since: 0,
            labels: Vec::new(),
        }
    }

    /// Whether the gas must be looked at before this operator, which is the next of the body.
    pub fn is_due(&mut self, operator: &Operator<'_>) -> bool {
        let due = self.since >= OPERATORS_MAX;
        if due {
            self.since = 0;
        }
        self.pass(operator);
        due
    }

    fn pass(&mut self, operator: &Operator<'_>) {
        self.since += 1;
        match operator {
            Operator::Block { .. } => self.open(false, false),
            Operator::If { .. } => self.open(false, true),
            Operator::Loop { .. } => {
                self.since = 0;
                self.open(true, false);
            }
            Operator::Else => self.turn(),
            Operator::End => self.close(),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth);
            }
            Operator::BrTable { targets } => {
                self.branch(targets.default());
                targets
                    .targets()
                    .flatten()
                    .for_each(|target| self.branch(target));
            }
            _ => {}
        }
    }

    fn open(&mut self, is_loop: bool, may_skip: bool) {
        self.labels.push(Label {
            is_loop,
            may_skip,
            entered: self.since,
            reached: 0,
        });
    }

    /// From the first arm of an `if` to the second.
    fn turn(&mut self) {
        if let Some(label) = self.labels.last_mut() {
            label.reached = label.reached.max(self.since);
            label.may_skip = false;
            self.since = label.entered;
        }
    }

    /// The end of the body has no label here: nothing follows it.
    fn close(&mut self) {
        if let Some(label) = self.labels.pop() {
            let skipped = if label.may_skip { label.entered } else { 0 };
            self.since = self.since.max(label.reached).max(skipped);
        }
    }

    fn branch(&mut self, depth: u32) {
        let open = self.labels.len().checked_sub(depth as usize + 1);
        if let Some(label) = open.map(|at| &mut self.labels[at])
            && !label.is_loop
        {
            label.reached = label.reached.max(self.since);
        }
    }
}
