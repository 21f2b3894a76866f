//! Makes a failing sequence short: takes out runs of steps, then makes what is left simpler, until neither helps.

use proptest::strategy::ValueTree;

use super::step::Step;

/// A step that can become simpler.
pub type Tree = Box<dyn ValueTree<Value = Step>>;

/// Sequences that are tried at most.
const TRIES_MAX: u32 = 20_000;

/// How often a value is made simpler at most.
const SIMPLER_MAX: u32 = 256;

/// Makes a failing sequence as short and simple as it gets while `fails` holds.
pub fn shrink(trees: &mut Vec<Tree>, mut fails: impl FnMut(&[Step]) -> bool) {
    let mut left = TRIES_MAX;
    let mut fails = |trees: &[Tree]| {
        left = left.saturating_sub(1);
        left > 0 && fails(&current(trees))
    };
    loop {
        let before = current(trees);
        remove(trees, &mut fails);
        remove_pairs(trees, &mut fails);
        simplify(trees, &mut fails);
        if current(trees) == before {
            return;
        }
    }
}

/// The steps as they are now.
pub fn current(trees: &[Tree]) -> Vec<Step> {
    trees.iter().map(|tree| tree.current()).collect()
}

/// Takes out runs of steps: halves first, single steps in the end, from the back, since what comes late depends on what came before.
fn remove(trees: &mut Vec<Tree>, fails: &mut impl FnMut(&[Tree]) -> bool) {
    let mut len = trees.len().div_ceil(2);
    while len > 0 {
        let mut end = trees.len();
        while end > 0 {
            let begin = end.saturating_sub(len);
            let without: Vec<Tree> = trees.drain(begin..end).collect();
            if !fails(trees) {
                trees.splice(begin..begin, without);
            }
            end = begin;
        }
        len /= 2;
    }
}

/// Sequences of which two steps at once are taken out: what was opened and closed can only go together.
const PAIRS_MAX: usize = 16;

/// Takes out pairs of steps.
fn remove_pairs(trees: &mut Vec<Tree>, fails: &mut impl FnMut(&[Tree]) -> bool) {
    let mut first = 0;
    while first < trees.len() && trees.len() <= PAIRS_MAX {
        let pair = (first + 1..trees.len()).find(|&second| {
            let later = trees.remove(second);
            let earlier = trees.remove(first);
            let is_gone = fails(trees);
            if !is_gone {
                trees.insert(first, earlier);
                trees.insert(second, later);
            }
            is_gone
        });
        if pair.is_none() {
            first += 1;
        }
    }
}

/// Makes each step's values simpler.
fn simplify(trees: &mut [Tree], fails: &mut impl FnMut(&[Tree]) -> bool) {
    for at in 0..trees.len() {
        let mut failing = trees[at].current();
        let mut is_failing = true;
        for _ in 0..SIMPLER_MAX {
            let moved = match is_failing {
                true => trees[at].simplify(),
                false => trees[at].complicate(),
            };
            if !moved {
                break;
            }
            is_failing = fails(trees);
            if is_failing {
                failing = trees[at].current();
            }
        }
        if trees[at].current() != failing {
            trees[at] = Box::new(Fixed(failing));
        }
    }
}

/// A step that does not become simpler.
struct Fixed(Step);

impl ValueTree for Fixed {
    type Value = Step;

    fn current(&self) -> Step {
        self.0.clone()
    }

    fn simplify(&mut self) -> bool {
        false
    }

    fn complicate(&mut self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::{Just, any};
    use proptest::strategy::{BoxedStrategy, Strategy, Union};

    use crate::properties::seed::runner;
    use crate::properties::step::StepCall;

    fn call(function: &str, number: u64) -> Step {
        Step::Call(StepCall {
            caller: None,
            contract: String::new(),
            function: function.to_owned(),
            argument: number.to_le_bytes().to_vec(),
            expression: None,
            shown: String::new(),
        })
    }

    fn part(step: &Step) -> (&str, u64) {
        match step {
            Step::Call(call) => {
                let bytes = call.argument.first_chunk().unwrap();
                (&call.function, u64::from_le_bytes(*bytes))
            }
            Step::Advance { blocks } => ("advance", *blocks),
        }
    }

    fn steps() -> BoxedStrategy<Step> {
        let calls = ["open", "put", "take", "noise", "close"].map(|function| {
            let numbers = any::<u64>();
            numbers
                .prop_map(move |number| call(function, number))
                .boxed()
        });
        let pause = Just(Step::Advance { blocks: 1 }).boxed();
        Union::new(calls.into_iter().chain([pause])).boxed()
    }

    /// Opened, filled with at least 1,000, and taken from, without a close between: fails.
    fn lock(steps: &[Step]) -> bool {
        let (mut open, mut filled) = (false, false);
        steps.iter().map(part).any(|(function, number)| {
            match function {
                "open" => open = true,
                "close" => (open, filled) = (false, false),
                "put" => filled |= open && number >= 1_000,
                _ => {}
            }
            function == "take" && filled
        })
    }

    /// More taken than put, with parts of the numbers, in at least two takes: fails.
    fn balance(steps: &[Step]) -> bool {
        let (mut held, mut takes) = (500u64, 0);
        steps.iter().map(part).any(|(function, number)| {
            match function {
                "put" => held = held.saturating_add(number % 1_000),
                "take" => (held, takes) = (held.saturating_sub(number % 400), takes + 1),
                _ => {}
            }
            held == 0 && takes > 1
        })
    }

    /// A pair that only fails together, anywhere: taking out one alone helps nothing.
    fn pairs(steps: &[Step]) -> bool {
        let count = |name| steps.iter().filter(|step| part(step).0 == name).count();
        count("open") == count("close") && count("open") > 0
    }

    /// What is left of the failing sequences of some seeds: number of sequences, steps, digits of their numbers, tries.
    fn measure(fails: fn(&[Step]) -> bool, ours: bool) -> (usize, usize, usize, usize) {
        let mut sum = (0, 0, 0, 0);
        for case in 0..250 {
            let mut runner = runner(1, case);
            let mut trees: Vec<Tree> = (0..40)
                .map(|_| Box::new(steps().new_tree(&mut runner).unwrap()) as Tree)
                .collect();
            let whole = vec(steps(), 1..=40).new_tree(&mut runner).unwrap();
            let mut tries = 0;
            let mut counted = |steps: &[Step]| {
                tries += 1;
                fails(steps)
            };
            let left = match ours {
                true if fails(&current(&trees)) => {
                    shrink(&mut trees, counted);
                    current(&trees)
                }
                false if fails(&whole.current()) => proptests(whole, &mut counted),
                _ => continue,
            };
            assert!(fails(&left), "what is left fails");
            let digits = left.iter().map(|step| part(step).1.to_string().len());
            sum.2 += digits.sum::<usize>();
            sum.0 += 1;
            sum.1 += left.len();
            sum.3 += tries;
        }
        sum
    }

    /// As proptest's runner does it.
    fn proptests(
        mut tree: impl ValueTree<Value = Vec<Step>>,
        fails: &mut impl FnMut(&[Step]) -> bool,
    ) -> Vec<Step> {
        let mut failing = tree.current();
        let mut moved = tree.simplify();
        while moved {
            let now = tree.current();
            let fails = fails(&now);
            if fails {
                failing = now;
            }
            moved = if fails {
                tree.simplify()
            } else {
                tree.complicate()
            };
        }
        failing
    }

    /// Why sequences are made short here: what is left is no longer than what proptest's own shrinking of a list leaves.
    #[test]
    fn shorter_than_a_shrunk_list() {
        for (name, fails) in [
            ("lock", lock as fn(&[Step]) -> bool),
            ("balance", balance),
            ("pairs", pairs),
        ] {
            let (ours, theirs) = (measure(fails, true), measure(fails, false));
            println!(
                "{name}: ours {ours:?}, proptest's {theirs:?} (sequences, steps, digits, tries)"
            );
            assert!(ours.0 >= 5 && theirs.0 >= 5, "{name}: too few fail");
            // They begin with other sequences: as good as the same is the same.
            let (mine, its) = (
                ours.1 as f64 / ours.0 as f64,
                theirs.1 as f64 / theirs.0 as f64,
            );
            assert!(mine <= 1.02 * its, "{name}: {mine} steps against {its}");
        }
    }

    /// The lock's shortest sequence is found whatever surrounds it, with the smallest number that opens it.
    #[test]
    fn the_shortest_is_found() {
        let mut runner = runner(7, 0);
        let mut trees: Vec<Tree> = (0..60)
            .map(|_| Box::new(steps().new_tree(&mut runner).unwrap()) as Tree)
            .collect();
        assert!(lock(&current(&trees)), "another seed is needed");
        shrink(&mut trees, lock);
        let left = current(&trees);
        let left: Vec<_> = left.iter().map(part).collect();
        assert_eq!(left, [("open", 0), ("put", 1_000), ("take", 0)]);
    }
}
