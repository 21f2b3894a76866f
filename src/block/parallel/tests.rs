//! P1: what stays of waves is what would have been one after another, whatever ran where and however much of it is kept.

#[path = "../../../tests/parallel/agent.rs"]
mod agent;

use std::sync::Arc;

use crostata_abi::ContractId;

use super::super::serial::{Attempt, Serial, Undo};
use super::*;
use crate::random::{self, Random};
use crate::session::lanes::clock::Moment;
use crate::session::lanes::{LaneSet, Scopes};
use crate::session::{ContractData, PricedQuery, SessionData};
use crate::state::Commit;
use crate::vm::VM;
use agent::{AGENTS, Scripts, id_bytes, script};

const LIMIT: u64 = 40_000_000;

/// A VM, and a commit with agents.
struct Scene {
    vm: VM,
    base: Commit,
    code: Arc<[u8]>,
}

impl Scene {
    fn new(agents: u32, code: Vec<u8>) -> Self {
        let mut vm = VM::ephemeral().unwrap();
        let ask = |argument: &[u8]| Ok(argument.iter().rev().copied().collect());
        vm.register_host_query("ask", PricedQuery::new(1_000, ask));
        let code: Arc<[u8]> = code.into();
        let mut session = vm.session(SessionData::builder()).unwrap();
        for number in 0..agents {
            session.deploy(&code, data(number), LIMIT).unwrap();
        }
        let base = session.commit().unwrap();
        Self { vm, base, code }
    }

    fn serial(&self) -> Serial {
        let data = SessionData::builder().base(self.base);
        Serial::new(self.vm.session(data).unwrap(), Undo::Never)
    }

    fn transaction(&self, scripts: &mut Scripts) -> Transaction {
        let agent = scripts.agent();
        if scripts.random.once_in(40) {
            return Transaction::deploy(self.code.clone(), data(agent), LIMIT);
        }
        let script = script(&scripts.script(2));
        let random = &mut scripts.random;
        let limit = match random.once_in(12) {
            true => 400_000 + random.below(1_500_000),
            false => LIMIT,
        };
        let function = if random.once_in(40) { "walk" } else { "run" };
        let mut call = Transaction::call_raw(id(agent), function, script, limit);
        if random.once_in(3) {
            call = call.with_datum("who", &(random.below(9) as u32)).unwrap();
        }
        match random.once_in(3) {
            true => call.feeding(),
            false => call,
        }
    }
}

fn id(agent: u32) -> ContractId {
    ContractId::from_bytes(id_bytes(agent))
}

fn data(agent: u32) -> ContractData {
    let owner = vec![7; agent as usize];
    let data = ContractData::builder().contract_id(id(agent)).owner(owner);
    data.build()
}

/// Everything that a transaction came to.
fn shown(attempt: &Attempt) -> String {
    let Attempt {
        outcome,
        gas_spent,
        feeds,
        digest,
    } = attempt;
    format!("{outcome:?} {gas_spent} {feeds:?} {digest:?}")
}

/// What was seen while waves ran.
#[derive(Debug, Default)]
struct Seen {
    kept: usize,
    conflicts: usize,
    misplaced: usize,
    late: usize,
    moved: usize,
}

/// Runs the transactions in waves of random lanes, of which a random number is kept.
fn run_in_waves(
    serial: &mut Serial,
    transactions: &[Transaction],
    random: &mut Random,
    lanes: usize,
    seen: &mut Seen,
) -> Vec<String> {
    let mut done: Vec<String> = Vec::new();
    while done.len() < transactions.len() {
        let rest = &transactions[done.len()..];
        let calls = rest.iter().map_while(task).count();
        let count = calls.min(1 + random.index(14));
        if count == 0 || random.once_in(8) {
            done.push(shown(&serial.execute(&rest[0], 0).unwrap()));
            continue;
        }
        let tasks: Vec<Task<'_>> = rest[..count].iter().filter_map(task).collect();
        let order: Vec<usize> = tasks.iter().map(|_| random.index(lanes)).collect();
        // Now and then lanes have no time.
        let end = random.once_in(6).then(Moment::now);
        let mut taken = serial.session().take_lanes(lanes).unwrap();
        for (task, lane) in tasks.iter().zip(&order) {
            if !random.once_in(8) {
                let how = random.among(&[Bring::Move, Bring::Share]);
                let before = taken.holders(&task.call.contract);
                taken.bring(&task.call.contract, *lane, how).unwrap();
                let after = taken.holders(&task.call.contract);
                seen.moved += usize::from(before.without(after) != LaneSet::default());
            }
        }
        let scopes = random.among(&[Scopes::Each, Scopes::Whole]);
        let judged = taken.run(&tasks, &order, end, scopes).unwrap();
        match judged.why {
            Some(Why::Conflict(_)) => seen.conflicts += 1,
            Some(Why::Stopped(stop)) => {
                assert!(matches!(stop, Stop::Misplaced(_)), "the host did not fail");
                seen.misplaced += 1;
            }
            Some(Why::Late) => seen.late += 1,
            None => assert_eq!(judged.good, count),
        }
        let kept = match random.once_in(4) {
            true => random.index(judged.good + 1),
            false => judged.good,
        };
        let ended = taken.keep(&tasks, judged, kept).unwrap();
        serial.session().put_lanes(taken, false);
        assert_eq!(ended.len(), kept);
        seen.kept += kept;
        for (transaction, ended) in rest.iter().zip(ended) {
            let result = ended.result.map(TransactionReceipt::Call);
            let attempt = attempt(transaction, 0, result, ended.feeds).unwrap();
            done.push(shown(&attempt));
        }
    }
    done
}

fn compare(scene: &Scene, seed: u64, lanes: usize, cells: u32, seen: &mut Seen) {
    let random = Random::spread(seed);
    let mut scripts = Scripts {
        random: random.clone(),
        cells,
        agents: AGENTS,
    };
    let count = 40 + random.clone().index(40);
    let transactions: Vec<_> = (0..count)
        .map(|_| scene.transaction(&mut scripts))
        .collect();
    let (mut one, mut other) = (scene.serial(), scene.serial());
    let expected = transactions.iter().map(|transaction| {
        let attempt = one.execute(transaction, 0).unwrap();
        shown(&attempt)
    });
    let expected: Vec<String> = expected.collect();
    let mut random = Random::spread(seed + 1_000_000);
    let found = run_in_waves(&mut other, &transactions, &mut random, lanes, seen);
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(
            found, expected,
            "seed {seed}, {lanes} lanes, transaction {at}"
        );
    }
    assert_eq!(one.root().unwrap(), other.root().unwrap(), "seed {seed}");
    for agent in 0..AGENTS {
        let metadata =
            |serial: &mut Serial| serial.session().contract_metadata(&id(agent)).unwrap();
        assert_eq!(metadata(&mut one), metadata(&mut other), "seed {seed}");
    }
    let (one, other) = (one.seal([1; 32]).unwrap(), other.seal([1; 32]).unwrap());
    assert_eq!(one.root(), other.root());
}

/// How many seeds are tried; `CROSTATA_SEEDS` says how many more.
fn seeds(few: u64) -> std::ops::Range<u64> {
    let more = std::env::var("CROSTATA_SEEDS").ok();
    0..more.and_then(|more| more.parse().ok()).unwrap_or(few)
}

/// P1: conflicting transactions in random waves come to what they come to one after another.
#[test]
fn waves_are_as_one_after_another() {
    let scenes = [agent::code(), agent::askew()].map(|code| Scene::new(6, code));
    let mut seen = Seen::default();
    for seed in seeds(40) {
        let scene = &scenes[seed as usize / 9 % 2];
        let lanes = [2, 3, 8][seed as usize % 3];
        let cells = [10, 60, 400][seed as usize / 3 % 3];
        compare(scene, seed, lanes, cells, &mut seen);
    }
    eprintln!("{seen:?}");
    assert!(
        seen.kept > 300
            && seen.conflicts > 20
            && seen.misplaced > 20
            && seen.late > 20
            && seen.moved > 5,
        "{seen:?}"
    );
}
