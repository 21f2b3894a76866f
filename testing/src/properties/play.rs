//! Plays sequences on one chain: each from the same state, which a savepoint brings back.

use crostata_abi::typed::encode;
use proptest::prelude::Just;
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Strategy};

use super::Invariant;
use super::literal::Literal;
use super::quiet::quietly;
use super::seed::runner;
use super::shrink::Tree;
use super::step::{Expressions, Step, StepCall};
use crate::chain::{Account, Called, Chain};
use crate::machine::Machine;

/// What a sequence broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// After which step.
    pub at: usize,
    /// Which invariant; none if a step itself failed.
    pub invariant: Option<String>,
    /// Why.
    pub why: String,
}

impl Broken {
    /// What broke, as a text.
    pub fn reason(&self) -> String {
        match &self.invariant {
            Some(invariant) => format!("invariant `{invariant}`: {}", self.why),
            None => self.why.clone(),
        }
    }
}

/// A chain with what must hold on it.
pub struct Player<'a, M: Machine, W> {
    pub chain: Chain<M>,
    world: W,
    invariants: &'a [Invariant<M, W>],
    reverts_are_failures: bool,
    /// Calls of steps so far.
    pub calls: u64,
    /// How many of them reverted.
    pub reverted: u64,
}

impl<'a, M: Machine + 'static, W> Player<'a, M, W> {
    pub fn new(
        chain: Chain<M>,
        world: W,
        invariants: &'a [Invariant<M, W>],
        reverts_are_failures: bool,
    ) -> Self {
        Self {
            chain,
            world,
            invariants,
            reverts_are_failures,
            calls: 0,
            reverted: 0,
        }
    }

    /// Plays a sequence, and undoes it: what it broke.
    pub fn play(&mut self, steps: &[Step]) -> Option<Broken> {
        let before = self.chain.savepoint();
        let broken = self.check(0).or_else(|| {
            let mut all = steps.iter().enumerate();
            all.find_map(|(at, step)| self.step(at, step, &mut None))
        });
        self.chain.rollback(before);
        broken
    }

    /// Plays a sequence that breaks something, with the traces of its steps.
    pub fn play_watched(&mut self, steps: &[Step]) -> Option<(Broken, String)> {
        let before = self.chain.savepoint();
        let mut traces = Some(String::new());
        let broken = self.check(0).or_else(|| {
            let mut all = steps.iter().enumerate();
            all.find_map(|(at, step)| self.step(at, step, &mut traces))
        });
        self.chain.rollback(before);
        broken.map(|broken| (broken, traces.unwrap_or_default()))
    }

    fn step(&mut self, at: usize, step: &Step, traces: &mut Option<String>) -> Option<Broken> {
        match step {
            Step::Advance { blocks } => {
                self.chain.block().advance(*blocks);
            }
            Step::Call(call) => {
                let called = self.call(call);
                if let Some(traces) = traces {
                    *traces += &format!("{}. {}\n", at + 1, called.trace(None));
                }
                if let Some(why) = self.failed(&called) {
                    let invariant = None;
                    return Some(Broken { at, invariant, why });
                }
            }
        }
        self.check(at)
    }

    fn call(&mut self, call: &StepCall) -> Called<Vec<u8>> {
        let contract = self.chain.labelled(&call.contract);
        self.calls += 1;
        match &call.caller {
            None => {
                let argument = call.argument.clone();
                self.chain.call_raw(contract, &call.function, argument)
            }
            Some(name) => {
                let account = Account::named(name);
                self.chain
                    .call_raw_as(&account, contract, &call.function, &call.argument)
            }
        }
    }

    /// Why a call is a failure of the sequence.
    fn failed(&mut self, called: &Called<Vec<u8>>) -> Option<String> {
        if called.is_success() {
            return None;
        }
        self.reverted += 1;
        match called.reverted() {
            Some(_) if !self.reverts_are_failures => None,
            // What can not start is a mistake of the campaign, or the host's failure.
            _ => called.bytes().err().map(|error| error.to_string()),
        }
    }

    /// The first invariant that does not hold.
    fn check(&mut self, at: usize) -> Option<Broken> {
        for invariant in self.invariants {
            let before = self.chain.savepoint();
            let verdict = quietly(|| (invariant.check)(&mut self.chain, &self.world));
            self.chain.rollback(before);
            let why = match verdict {
                Ok(None) => continue,
                Ok(Some(why)) | Err(why) => why,
            };
            let invariant = Some(invariant.name.clone());
            return Some(Broken { at, invariant, why });
        }
        None
    }
}

/// A random sequence.
pub fn sequence(
    seed: u64,
    case: u32,
    steps_max: usize,
    makers: &[(u32, BoxedStrategy<Step>)],
) -> Vec<Tree> {
    let mut runner = runner(seed, case);
    let weights: u64 = makers.iter().map(|(weight, _)| u64::from(*weight)).sum();
    let len = 1 + below(&mut runner, steps_max as u64);
    let mut trees: Vec<Tree> = Vec::new();
    for _ in 0..len {
        let mut point = below(&mut runner, weights.max(1));
        let mut all = makers.iter();
        let chosen = all.find(|(weight, _)| {
            let is_here = point < u64::from(*weight);
            point = point.saturating_sub(u64::from(*weight));
            is_here
        });
        // A strategy that gives up gives no step.
        if let Some(tree) = chosen.and_then(|(_, maker)| maker.new_tree(&mut runner).ok()) {
            trees.push(Box::new(tree));
        }
    }
    trees
}

/// A random number below `end`.
fn below(runner: &mut proptest::test_runner::TestRunner, end: u64) -> u64 {
    use proptest::prelude::Rng;
    runner.rng().next_u64() % end.max(1)
}

/// Who calls.
pub fn callers(names: &[String]) -> BoxedStrategy<Option<String>> {
    match names.is_empty() {
        true => Just(None).boxed(),
        false => select(names.to_vec()).prop_map(Some).boxed(),
    }
}

/// A call with a value that can be written as Rust.
pub fn call<A: Literal>(
    caller: Option<String>,
    contract: &str,
    function: &str,
    argument: &A,
    names: &Expressions,
) -> Step {
    let expression = argument.rust(names);
    Step::Call(StepCall {
        caller,
        contract: contract.to_owned(),
        function: function.to_owned(),
        // What does not fit the argument buffer is left out: the contract says so.
        argument: encode(argument).unwrap_or_default(),
        shown: expression.clone(),
        expression: Some(expression),
    })
}

/// The names of everything on the chain, as Rust expressions.
pub fn expressions<M: Machine + 'static>(chain: &Chain<M>) -> Expressions {
    let known = chain.labels().into_iter().map(|(id, name)| {
        let identifier = super::saved::identifier(&name);
        let expression = match Account::named(&name).id() == id {
            true => format!("{identifier}.id()"),
            false => identifier,
        };
        (id, expression)
    });
    Expressions {
        known: known.collect(),
    }
}
