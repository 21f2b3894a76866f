//! A plain model of the actors, and random trees of calls held against it.

use crostata::Session;
use proptest::prelude::*;

use super::scene::{ACTORS, Report, Stage, act, cells, reports};
use crate::fixtures::actor::{
    Call, Grow, Keep, Panic, Recurse, Repeat, SPIN_GAS, See, Spin, Step, Trap, Try, TryWith, Write,
    script,
};
use crate::fixtures::{BACKENDS, CELLS, Narrow, Wide};

/// The most pages an actor can grow to.
const PAGES_MAX: u32 = 12;

/// What an actor is: its memory from the cells on, its global, its script stack.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Actor {
    cells: Vec<u8>,
    kept: u32,
    stack: u32,
}

/// All actors, and the reports that count so far.
#[derive(Debug, Clone)]
struct Model {
    actors: Vec<Actor>,
    reports: Vec<Report>,
}

/// How a failed frame looks to its caller.
struct Failed(i32);

impl Actor {
    fn new() -> Self {
        Self {
            cells: vec![0; 65_536],
            kept: 0,
            stack: 131_072,
        }
    }

    fn pages(&self) -> u32 {
        3 + self.cells.len() as u32 / 65_536
    }

    fn place(&mut self, address: u32) -> Result<&mut [u8], Failed> {
        let start = (address - CELLS) as usize;
        self.cells.get_mut(start..start + 4).ok_or(Failed(i32::MIN))
    }

    fn grow(&mut self, pages: u32) -> u32 {
        let before = self.pages();
        if before + pages > PAGES_MAX {
            return u32::MAX;
        }
        let len = self.cells.len() + pages as usize * 65_536;
        self.cells.resize(len, 0);
        before
    }
}

impl Model {
    fn new() -> Self {
        Self {
            actors: vec![Actor::new(); ACTORS.into()],
            reports: Vec::new(),
        }
    }

    /// A call from outside.
    fn call(&mut self, number: u8, steps: &[Step]) -> Result<(), Failed> {
        self.reports.clear();
        let outcome = self.frame(number, steps);
        for actor in &mut self.actors {
            actor.kept = 0;
        }
        outcome
    }

    fn frame(&mut self, number: u8, steps: &[Step]) -> Result<(), Failed> {
        let before = self.clone();
        let outcome = self.script(number, steps);
        if outcome.is_err() {
            *self = before;
        }
        outcome
    }

    fn script(&mut self, number: u8, steps: &[Step]) -> Result<(), Failed> {
        let base = self.actor(number).stack;
        self.actor(number).stack += script(steps).len() as u32;
        steps.iter().try_for_each(|step| self.step(number, step))?;
        self.actor(number).stack = base;
        Ok(())
    }

    fn actor(&mut self, number: u8) -> &mut Actor {
        &mut self.actors[usize::from(number)]
    }

    fn report(&mut self, number: u8, words: Vec<u32>) {
        self.reports.push((number, words));
    }

    fn step(&mut self, number: u8, step: &Step) -> Result<(), Failed> {
        match step {
            Write(address, value) => {
                let place = self.actor(number).place(*address)?;
                place.copy_from_slice(&value.to_le_bytes());
            }
            Grow(pages) => {
                let grown = self.actor(number).grow(*pages);
                self.report(number, vec![grown]);
            }
            Keep(value) => self.actor(number).kept += value,
            Call(target, steps) => self.frame(*target, steps).map_err(|_| Failed(i32::MIN))?,
            Try(target, steps) | TryWith(target, _, steps) => {
                if let Err(Failed(code)) = self.frame(*target, steps) {
                    self.report(number, vec![code as u32]);
                }
            }
            Panic => return Err(Failed(-1)),
            Spin => return Err(Failed(-2)),
            Trap | Recurse => return Err(Failed(i32::MIN)),
            See(address) => self.see(number, *address)?,
            Repeat(..) => unreachable!("the generator makes none"),
        }
        Ok(())
    }

    fn see(&mut self, number: u8, address: u32) -> Result<(), Failed> {
        let actor = self.actor(number);
        let word = u32::from_le_bytes((&*actor.place(address)?).try_into().unwrap());
        let words = vec![actor.pages(), actor.kept, word, actor.stack];
        self.report(number, words);
        Ok(())
    }
}

/// An address: mostly in the same few pages, sometimes in what may have been grown, sometimes behind all.
fn address() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => (0..64u32).prop_map(|at| CELLS + at * 4),
        2 => (0..65_536u32 / 4 - 1).prop_map(|at| CELLS + at * 4 + 1),
        4 => (0..9u32, 0..3u32).prop_map(|(page, at)| CELLS + page * 65_536 + at * 4),
        2 => (1..9u32).prop_map(|page| CELLS + page * 65_536 - 2),
    ]
}

fn leaf() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (address(), any::<u32>()).prop_map(|(address, value)| Write(address, value)),
        3 => (0..4u32).prop_map(Grow),
        2 => (0..1_000u32).prop_map(Keep),
        6 => address().prop_map(See),
        1 => Just(Panic),
        1 => Just(Trap),
        1 => Just(Recurse),
        1 => (0..ACTORS).prop_map(|target| TryWith(target, SPIN_GAS, vec![Spin])),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    leaf().prop_recursive(6, 40, 6, |inner| {
        let steps = prop::collection::vec(inner, 0..6);
        prop_oneof![
            2 => (0..ACTORS, steps.clone()).prop_map(|(target, steps)| Try(target, steps)),
            1 => (0..ACTORS, steps).prop_map(|(target, steps)| Call(target, steps)),
        ]
    })
}

/// A few calls from outside, and whether the session is committed after each.
fn calls() -> impl Strategy<Value = Vec<(u8, Vec<Step>, bool)>> {
    let steps = prop::collection::vec(step(), 0..8);
    prop::collection::vec((0..ACTORS, steps, any::<bool>()), 1..5)
}

/// Makes one call on both sides and compares outcome, reports, memories and sizes.
fn compare(session: &mut Session, model: &mut Model, number: u8, steps: &[Step]) {
    let expected = model.call(number, steps);
    match (act(session, number, steps), expected) {
        (Ok(receipt), Ok(())) => assert_eq!(reports(&receipt.events), model.reports),
        (Err(error), Err(_)) => assert!(error.reverted().is_some(), "{error}"),
        (got, expected) => panic!("{got:?}, where {} was expected", expected.is_ok()),
    }
    for number in 0..ACTORS {
        let actor = model.actor(number).cells.clone();
        assert!(cells(session, number) == actor, "actor {number} differs");
    }
}

/// Holds random calls against the model.
fn hold(stage: &Stage, cases: u32) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    proptest!(config, |(calls in calls())| {
        let (mut session, mut model) = (stage.session(), Model::new());
        for (number, steps, commit) in &calls {
            compare(&mut session, &mut model, *number, steps);
            if *commit {
                let root = session.root().unwrap();
                assert_eq!(session.commit().unwrap().root, root);
            }
        }
    });
}

/// Random trees of calls leave exactly what the model says, with 32-bit actors.
#[test]
fn random_trees_on_narrow_actors() {
    hold(&Stage::new(BACKENDS[0], Narrow, false), 150);
}

/// The same with 64-bit actors.
#[test]
fn random_trees_on_wide_actors() {
    hold(&Stage::new(BACKENDS[0], Wide, false), 150);
}

/// The same with actors of both widths, on the portable backend.
#[test]
fn random_trees_on_mixed_actors() {
    hold(&Stage::new(BACKENDS[1], Narrow, true), 80);
}
