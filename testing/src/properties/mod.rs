//! Properties that hold whatever is called: random sequences of calls, with invariants checked after each, and the shortest sequence
//! that breaks one.

mod literal;
mod play;
mod quiet;
mod reproduction;
mod saved;
mod schema;
mod seed;
mod shrink;
mod step;
mod strategies;

use std::fmt::Display;
use std::panic::Location;
use std::path::Path;
use std::time::{Duration, Instant};

pub use literal::{Literal, Names};
pub use proptest;
pub use saved::{Saved, SavedError};
pub use seed::SettingError;
pub use step::{Step, StepCall};
pub use strategies::{accounts, amounts, nothing};

use proptest::strategy::{BoxedStrategy, Strategy};

use crate::chain::Chain;
use crate::machine::Machine;
use play::{Broken, Player};
pub(crate) use quiet::is_quiet;
use reproduction::Functions;
use shrink::Tree;

/// Sequences that are tried, unless something else is said.
const CASES: u32 = 64;

/// The longest sequence, unless something else is said.
const STEPS_MAX: usize = 50;

/// What an invariant gives: nothing, if it asserts, or a `Result`.
pub trait Verdict {
    /// What a reproduction does with it.
    const UNWRAPPED: &'static str;

    /// Why the invariant does not hold, if it does not.
    fn broken(self) -> Option<String>;
}

impl Verdict for () {
    const UNWRAPPED: &'static str = "";

    fn broken(self) -> Option<String> {
        None
    }
}

impl<E: Display> Verdict for Result<(), E> {
    const UNWRAPPED: &'static str = ".unwrap()";

    fn broken(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

/// Random sequences of calls over what `setup` sets up, and what must hold after each call: see [`Campaign`].
#[track_caller]
pub fn properties<M, W, S>(name: &str, setup: S) -> Campaign<M, W>
where
    M: Machine + 'static,
    S: Fn(&mut Chain<M>) -> W + 'static,
{
    Campaign {
        name: name.to_owned(),
        setup_path: reproduction::path_of::<S>(),
        setup: Box::new(setup),
        callers: Vec::new(),
        actions: Vec::new(),
        invariants: Vec::new(),
        reverts_are_failures: false,
        cases: CASES,
        steps_max: STEPS_MAX,
        saved: Saved::beside(Location::caller(), name),
    }
}

/// A campaign of random sequences of calls.
///
/// Each sequence begins at the state that `setup` made; after each of its steps every invariant is checked. Calls that revert are part
/// of life, unless [`reverts_are_failures`](Self::reverts_are_failures). A sequence that breaks an invariant is made as short and simple as possible, kept in
/// a file beside the test's source, and told with a test that can be pasted.
///
/// `CROSTATA_TEST_CASES` says how many sequences, `CROSTATA_TEST_SEED` which.
#[must_use = "nothing is tried before `run`"]
pub struct Campaign<M: Machine, W> {
    name: String,
    setup: Setup<M, W>,
    setup_path: Option<String>,
    callers: Vec<String>,
    actions: Vec<(u32, Action)>,
    invariants: Vec<Invariant<M, W>>,
    reverts_are_failures: bool,
    cases: u32,
    steps_max: usize,
    saved: Option<Saved>,
}

type Setup<M, W> = Box<dyn Fn(&mut Chain<M>) -> W>;

/// A kind of step: made when the names of everything are known.
type Action = Box<dyn Fn(&step::Expressions) -> BoxedStrategy<Step>>;

/// What must hold.
pub(crate) struct Invariant<M: Machine, W> {
    name: String,
    path: Option<String>,
    unwrapped: &'static str,
    check: Check<M, W>,
}

type Check<M, W> = Box<dyn Fn(&mut Chain<M>, &W) -> Option<String>>;

/// What a campaign did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Sequences that were tried, saved ones among them.
    pub sequences: u32,
    /// Calls of steps; those of invariants are not counted.
    pub calls: u64,
    /// How many of them reverted.
    pub reverted: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// A campaign that found something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Found {
    /// The shortest failing sequence.
    pub steps: Vec<Step>,
    /// What fails.
    pub reason: String,
    /// The test that can be pasted.
    pub reproduction: String,
    /// All of it as the message of a failing test.
    pub text: String,
    /// How long the sequence was when it was found.
    pub steps_before: usize,
    /// The seed.
    pub seed: u64,
}

impl<M: Machine + 'static, W: 'static> Campaign<M, W> {
    /// Who makes the calls from here on: accounts of these names, in turn by chance. Nobody, unless somebody is named.
    pub fn callers<const N: usize>(mut self, names: [&str; N]) -> Self {
        self.callers = names.map(str::to_owned).to_vec();
        self
    }

    /// Calls a function of the contract with this label, with arguments of this strategy: [`nothing`], one for a value, or a tuple of them.
    pub fn call<S>(self, contract: &str, function: &str, arguments: S) -> Self
    where
        S: Strategy + Clone + 'static,
        S::Value: Literal,
    {
        self.call_weighted(1, contract, function, arguments)
    }

    /// Calls a function so many times as often as one without a weight.
    pub fn call_weighted<S>(self, weight: u32, contract: &str, function: &str, arguments: S) -> Self
    where
        S: Strategy + Clone + 'static,
        S::Value: Literal,
    {
        let (contract, function) = (contract.to_owned(), function.to_owned());
        let callers = play::callers(&self.callers);
        let action: Action = Box::new(move |names| {
            let (contract, function, names) = (contract.clone(), function.clone(), names.clone());
            let steps = (callers.clone(), arguments.clone());
            let steps = steps.prop_map(move |(caller, argument)| {
                play::call(caller, &contract, &function, &argument, &names)
            });
            steps.boxed()
        });
        self.action(weight, action)
    }

    /// Lets blocks pass.
    pub fn advance(self, blocks: std::ops::Range<u64>) -> Self {
        let action: Action = Box::new(move |_| {
            let steps = blocks.clone().prop_map(|blocks| Step::Advance { blocks });
            steps.boxed()
        });
        self.action(1, action)
    }

    /// Calls all methods of the contract with this label that its schema names, with random arguments of their types.
    ///
    /// # Panics
    /// When the code has no schema, or one that can not be read.
    #[track_caller]
    pub fn every_method(mut self, contract: &str, code: impl Into<crate::Code>) -> Self {
        let callers = play::callers(&self.callers);
        for action in schema::actions(contract, &code.into(), &callers) {
            self = self.action(1, action);
        }
        self
    }

    /// What must hold after each step: a function that asserts, or that gives a `Result`. What it does to the chain is undone.
    pub fn invariant<V: Verdict, F>(mut self, name: &str, check: F) -> Self
    where
        F: Fn(&mut Chain<M>, &W) -> V + 'static,
    {
        self.invariants.push(Invariant {
            name: name.to_owned(),
            path: reproduction::path_of::<F>(),
            unwrapped: V::UNWRAPPED,
            check: Box::new(move |chain, world| check(chain, world).broken()),
        });
        self
    }

    /// Takes calls that revert for failures: for sequences that must all succeed.
    pub fn reverts_are_failures(mut self) -> Self {
        self.reverts_are_failures = true;
        self
    }

    /// Sets how many sequences are tried, unless `CROSTATA_TEST_CASES` says it.
    pub fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Sets how many steps the longest sequence has.
    pub fn steps(mut self, steps_max: usize) -> Self {
        self.steps_max = steps_max.max(1);
        self
    }

    /// Keeps failing sequences in this folder, instead of beside the source.
    pub fn saved_in(mut self, folder: &Path) -> Self {
        self.saved = Some(Saved::in_folder(folder, &self.name));
        self
    }

    /// Keeps no failing sequences.
    pub fn unsaved(mut self) -> Self {
        self.saved = None;
        self
    }

    /// Runs the campaign.
    ///
    /// # Panics
    /// When a sequence breaks an invariant: with the shortest one, its trace, the seed, and a test to paste. When there is nothing to call, or
    /// a setting or saved file is wrong.
    #[track_caller]
    pub fn run(self) -> Report {
        match self.try_run() {
            Ok(report) => {
                eprintln!("{report}");
                report
            }
            Err(found) => panic!("{found}"),
        }
    }

    /// Runs the campaign, and gives what it found.
    ///
    /// # Errors
    /// [`Found`].
    ///
    /// # Panics
    /// When there is nothing to call, or a setting or saved file is wrong.
    #[track_caller]
    pub fn try_run(self) -> Result<Report, Box<Found>> {
        let seed = given(seed::seed(&self.name));
        let cases = given(seed::cases()).unwrap_or(self.cases);
        assert!(
            !self.actions.is_empty(),
            "the campaign `{}` has nothing to call: say `.call(..)` or `.every_method(..)`",
            self.name
        );
        let begin = Instant::now();
        let mut chain = Chain::new();
        let world = (self.setup)(&mut chain);
        for name in &self.callers {
            chain.account(name);
        }
        let names = play::expressions(&chain);
        chain.watch(false);
        let mut player = Player::new(chain, world, &self.invariants, self.reverts_are_failures);
        let mut sequences = 0;
        for steps in self.load() {
            sequences += 1;
            if player.play(&steps).is_some() {
                return Err(self.found(&mut player, steps, 0, seed));
            }
        }
        let makers: Vec<(u32, BoxedStrategy<Step>)> = self
            .actions
            .iter()
            .map(|(weight, action)| (*weight, action(&names)))
            .collect();
        for case in 0..cases {
            sequences += 1;
            let mut trees = play::sequence(seed, case, self.steps_max, &makers);
            let steps = shrink::current(&trees);
            if let Some(broken) = player.play(&steps) {
                let before = trees.len();
                trees.truncate(broken.at + 1);
                let steps = shortest(&mut player, &mut trees, &broken);
                return Err(self.found(&mut player, steps, before, seed));
            }
        }
        Ok(Report {
            seed,
            sequences,
            calls: player.calls,
            reverted: player.reverted,
            elapsed: begin.elapsed(),
        })
    }

    fn action(mut self, weight: u32, action: Action) -> Self {
        self.actions.push((weight, action));
        self
    }

    #[track_caller]
    fn load(&self) -> Vec<Vec<Step>> {
        let saved = self.saved.as_ref();
        saved.map_or_else(Vec::new, |saved| given(saved.load()))
    }

    /// What to say of a failing sequence, which is kept.
    fn found(
        &self,
        player: &mut Player<'_, M, W>,
        steps: Vec<Step>,
        steps_before: usize,
        seed: u64,
    ) -> Box<Found> {
        player.chain.watch(true);
        let Some((broken, traces)) = player.play_watched(&steps) else {
            unreachable!(
                "a sequence that fails once fails each time: nothing in it depends on anything else"
            )
        };
        let functions = self.functions(&broken);
        let reproduction = reproduction::test(&self.name, &steps, &functions);
        let kept = self
            .saved
            .as_ref()
            .map(|saved| (saved.file(), saved.add(&steps)));
        let kept = match kept {
            None => "not saved".to_owned(),
            Some((file, Ok(()))) => format!("saved in {}", file.display()),
            Some((_, Err(error))) => format!("not saved: {error}"),
        };
        let lines: Vec<String> = steps
            .iter()
            .enumerate()
            .map(|(index, step)| format!("  {}. {}", index + 1, step.line()))
            .collect();
        let text = format!(
            "`{}` does not hold: {}\n\nAfter {} steps (found with {steps_before}; seed {}=0x{seed:016x}; {kept}):\n{}\n\n{traces}\nAs a test:\n\n{reproduction}\n",
            self.name,
            broken.reason(),
            steps.len(),
            seed::SEED,
            lines.join("\n"),
        );
        Box::new(Found {
            reason: broken.reason(),
            steps,
            reproduction,
            text,
            steps_before,
            seed,
        })
    }

    fn functions(&self, broken: &Broken) -> Functions {
        let setup = self.setup_path.clone();
        let mut invariants = self.invariants.iter();
        let invariant = invariants.find(|one| Some(&one.name) == broken.invariant.as_ref());
        let path = |path: &Option<String>, name: &str| {
            path.clone()
                .unwrap_or_else(|| format!("/* the closure of `{name}` */"))
        };
        Functions {
            setup: setup.unwrap_or_else(|| "/* the closure that sets up */".to_owned()),
            invariant: invariant.map(|one| path(&one.path, &one.name)),
            unwrapped: invariant.map_or("", |one| one.unwrapped),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let per_second = self.calls as f64 / self.elapsed.as_secs_f64().max(1e-9);
        write!(
            f,
            "{} sequences, {} calls ({} reverted), {per_second:.0} calls per second, seed 0x{:016x}",
            self.sequences, self.calls, self.reverted, self.seed
        )
    }
}

/// The shortest sequence that breaks the same.
fn shortest<M: Machine + 'static, W>(
    player: &mut Player<'_, M, W>,
    trees: &mut Vec<Tree>,
    broken: &Broken,
) -> Vec<Step> {
    shrink::shrink(trees, |steps| {
        let again = player.play(steps);
        again.is_some_and(|again| again.invariant == broken.invariant)
    });
    let mut steps = shrink::current(trees);
    if let Some(again) = player.play(&steps) {
        steps.truncate(again.at + 1);
    }
    steps
}

/// The value; a campaign that can not begin says why, at the test's own line.
#[track_caller]
fn given<T, E: Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
