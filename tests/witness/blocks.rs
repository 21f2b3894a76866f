//! Random blocks on random bases, recorded and not, and their witnesses.

use std::env;

use crostata::{Base, ContractData, Session, VM, Verifier};

use super::world::{ACTORS, Digest, PROBE, data, digest, populate, verifiers, verifies, vm};
use crate::fixtures::actor::{
    Call, Grow, Keep, Panic, Recurse, See, Spin, Step, Trap, Try, TryWith, Write, cell, script,
};
use crate::fixtures::{BACKENDS, LIMIT, WIDTHS, id, probe, use_argument};
use crate::random::Random;

/// Names that the probe finds in its memory.
const NAMES: [&str; 6] = ["double", "dear", "none", "height", "name", "echo"];
/// Where they are, 16 bytes apart.
const NAMES_AT: u32 = 200_000;

/// What a block does.
#[derive(Debug, Clone)]
enum Operation {
    /// An actor does a script.
    Act(u8, Vec<Step>, u64),
    /// The probe uses an import with a name, or an id in its buffer.
    Use(&'static str, usize, u8, u64),
    /// Deploys a probe, or junk.
    Deploy(u8, bool),
    /// Sets a datum, or removes it.
    Datum(usize, Option<u8>),
    /// Does this and takes it back, or keeps it.
    Within(Box<Operation>, bool),
}

impl Random {
    /// In the cells, at the ends of pages, where accesses spill, or behind the memory unless it grew.
    fn address(&mut self) -> u32 {
        match self.below(8) {
            0 => (4 << 16) + self.below(100_000) as u32 * 4,
            1..4 => cell(1_024 * (1 + self.below(14) as u32)) - 2,
            _ => cell(self.below(15_000) as u32),
        }
    }

    fn step(&mut self, depth: u32) -> Step {
        let number = self.below(u64::from(ACTORS) + 2) as u8;
        match self.below(if depth < 3 { 16 } else { 9 }) {
            0..3 => Write(self.address(), self.below(3) as u32),
            3 => See(self.address()),
            4 => Grow(self.below(3) as u32),
            5 => Keep(self.below(9) as u32),
            6 if depth > 0 => [Panic, Trap, Spin, Recurse][self.below(4) as usize].clone(),
            6..9 => See(cell(0)),
            9..13 => Try(number, self.steps(depth + 1)),
            13 => TryWith(number, 1_000 + self.below(100_000), self.steps(depth + 1)),
            _ => Call(number, self.steps(depth + 1)),
        }
    }

    fn steps(&mut self, depth: u32) -> Vec<Step> {
        let steps = 1 + self.below(4);
        (0..steps).map(|_| self.step(depth)).collect()
    }

    fn gas(&mut self) -> u64 {
        match self.below(5) {
            0 => 1_000 + self.below(200_000),
            _ => LIMIT,
        }
    }

    fn operation(&mut self) -> Operation {
        match self.below(10) {
            0 => Operation::Deploy(self.below(12) as u8, self.below(3) == 0),
            1 => {
                let value = (self.below(3) > 0).then(|| self.below(9) as u8);
                Operation::Datum(self.below(6) as usize, value)
            }
            2 => Operation::Within(Box::new(self.operation()), self.below(2) == 0),
            3..6 => {
                let import = ["hq", "hd", "owner", "c"][self.below(4) as usize];
                Operation::Use(
                    import,
                    self.below(6) as usize,
                    self.below(12) as u8,
                    self.gas(),
                )
            }
            _ => Operation::Act(
                self.below(u64::from(ACTORS) + 1) as u8,
                self.steps(0),
                self.gas(),
            ),
        }
    }
}

fn uses(import: &str, name: usize, number: u8) -> Vec<u8> {
    let at = i64::from(NAMES_AT + 16 * name as u32);
    let len = NAMES[name].len() as i64;
    let parameters = match import {
        "hq" => vec![at, len, i64::from(number)],
        "hd" => vec![at, len],
        "owner" => vec![65_536],
        _ => vec![65_536, at, len, 8, 0],
    };
    use_argument(&parameters, id(number).as_bytes(), 32)
}

/// Does an operation; the digests of what was called.
fn does(session: &mut Session, operation: &Operation, seen: &mut Vec<Digest>) {
    match operation {
        Operation::Act(number, steps, gas) => {
            let called = session.call_raw(id(*number), "run", script(steps), *gas);
            seen.push(digest(&called));
        }
        Operation::Use(import, name, number, gas) => {
            let function = format!("use_{import}");
            let argument = uses(import, *name, *number);
            let called = session.call_raw(id(PROBE), &function, argument, *gas);
            seen.push(digest(&called));
        }
        Operation::Deploy(number, junk) => {
            let width = WIDTHS[usize::from(number % 2)];
            let code = if *junk {
                b"junk".to_vec()
            } else {
                probe(width)
            };
            let data = ContractData::builder().contract_id(id(*number));
            let _ = session.deploy(code, data, LIMIT);
            seen.push(None);
        }
        Operation::Datum(name, Some(value)) => {
            session.set_meta(NAMES[*name], value).unwrap();
        }
        Operation::Datum(name, None) => drop(session.remove_meta(NAMES[*name])),
        Operation::Within(operation, kept) => {
            let before = session.savepoint().unwrap();
            does(session, operation, seen);
            match kept {
                true => session.release(before).unwrap(),
                false => session.rollback(before).unwrap(),
            }
        }
    }
}

/// Pokes the names into the probe.
fn name(session: &mut Session, seen: &mut Vec<Digest>) {
    for (at, name) in (0..).zip(NAMES) {
        let argument = [&(NAMES_AT + 16 * at as u32).to_le_bytes(), name.as_bytes()].concat();
        let called = session.call_raw(id(PROBE), "poke", argument, LIMIT);
        assert!(called.is_ok());
        seen.push(digest(&called));
    }
}

/// The same operations in a session that is recorded and one that is not, and the witness of the first.
fn block(
    vm: &VM,
    base: Option<&Base>,
    commits: bool,
    operations: impl Fn(&mut Session, &mut Vec<Digest>),
    verifiers: &[Verifier],
) -> Base {
    let data = || match base {
        Some(base) => data().base(base.clone()),
        None => data(),
    };
    let mut session = vm.session(data().recording()).unwrap();
    let mut plain = vm.session(data()).unwrap();
    let (mut seen, mut seen_plainly) = (Vec::new(), Vec::new());
    let before = session.root().unwrap();
    operations(&mut session, &mut seen);
    operations(&mut plain, &mut seen_plainly);
    assert_eq!(seen, seen_plainly);
    assert_eq!(session.root().unwrap(), plain.root().unwrap());
    verifies(verifiers, &before, &session, &seen);
    let witness = session.witness().unwrap();
    let base = match commits {
        true => session.commit().unwrap().into(),
        false => session.seal().unwrap().into(),
    };
    assert_eq!(session.witness().unwrap(), witness);
    base
}

fn number(name: &str, otherwise: u64) -> u64 {
    let given = env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().unwrap())
}

/// P1, P8: blocks from the empty state on, over sealed and committed states, from many calls to few.
#[test]
fn random_blocks_follow_from_their_witnesses() {
    let verifiers = verifiers();
    let first = number("CROSTATA_WITNESS_SEED", 1);
    for seed in first..first + number("CROSTATA_WITNESS_CASES", 6) {
        println!("seed {seed}");
        let vm = vm(BACKENDS[(seed % 2) as usize]);
        let width = WIDTHS[(seed / 2 % 2) as usize];
        let deploys = |session: &mut Session, seen: &mut Vec<Digest>| {
            populate(session, width);
            seen.extend([None; 4]);
            name(session, seen);
        };
        let commits = seed % 3 > 0;
        let mut base = block(&vm, None, commits, deploys, &verifiers);
        let mut numbers = Random::new(seed);
        for _ in 0..8 {
            let count = 1 + numbers.below(6);
            let operations: Vec<_> = (0..count).map(|_| numbers.operation()).collect();
            let does_all = |session: &mut Session, seen: &mut Vec<Digest>| {
                // A block of data alone uses nothing.
                let called = session.call_raw(id(0), "run", [], LIMIT);
                seen.push(digest(&called));
                operations
                    .iter()
                    .for_each(|operation| does(session, operation, seen));
            };
            println!("{operations:?}");
            base = block(&vm, Some(&base), commits, does_all, &verifiers);
        }
    }
}
