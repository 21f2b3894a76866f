//! P1: a block executed in lanes is the block executed one transaction after another: receipts, gas, events, feeds, roots, where it is full, and
//! what can be undone, on any number of threads and both backends.
//!
//! `CROSTATA_SEEDS` says how many random blocks are tried.

#[path = "parallel/agent.rs"]
mod agent;
#[path = "common/random.rs"]
mod random;

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use agent::{AGENTS, CELLS, Scripts, Step, id_bytes, script};
use crostata::{
    Backend, Base, Block, BlockContext, BlockSettings, Commit, Config, ContractData, ContractId,
    Executed, Execution, Fatal, PricedQuery, QueryError, SessionData, Transaction, Undo, VM,
};
use random::Random;

const LIMIT: u64 = 40_000_000;

/// A VM, and a commit with agents.
struct Scene {
    vm: VM,
    base: Commit,
    code: Arc<[u8]>,
}

impl Scene {
    fn new(backend: Backend, agents: u32) -> Self {
        Self::of(agent::code(), backend, agents)
    }

    /// Agents of this code.
    fn of(code: Vec<u8>, backend: Backend, agents: u32) -> Self {
        let answer = |argument: &[u8]| Ok(argument.iter().rev().copied().collect());
        Self::with(code, backend, agents, answer)
    }

    /// Agents whose questions are answered by this.
    fn asked(
        backend: Backend,
        agents: u32,
        answer: impl Fn(&[u8]) -> Result<Vec<u8>, QueryError> + Send + Sync + 'static,
    ) -> Self {
        Self::with(agent::code(), backend, agents, answer)
    }

    fn with(
        code: Vec<u8>,
        backend: Backend,
        agents: u32,
        answer: impl Fn(&[u8]) -> Result<Vec<u8>, QueryError> + Send + Sync + 'static,
    ) -> Self {
        let config = Config {
            backend,
            ..Config::default()
        };
        let mut vm = VM::ephemeral_with_config(config).unwrap();
        vm.register_host_query("ask", PricedQuery::new(1_000, answer));
        let code: Arc<[u8]> = code.into();
        let mut session = vm.session(SessionData::builder()).unwrap();
        for number in 0..agents {
            session.deploy(&code, data(number), LIMIT).unwrap();
        }
        let base = session.commit().unwrap();
        Self { vm, base, code }
    }

    fn block(&self, base: impl Into<Base>, gas: u64, undo: Undo, lanes: usize) -> Block {
        let settings = BlockSettings::new(BlockContext::new(3, 5), gas)
            .base(base)
            .undo(undo)
            .execution(execution(lanes));
        self.vm.block(settings).unwrap()
    }

    fn transaction(&self, scripts: &mut Scripts) -> Transaction {
        let agent = scripts.agent();
        if scripts.random.once_in(60) {
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
            let name = if random.once_in(20) {
                "block_height"
            } else {
                "who"
            };
            call = call.with_datum(name, &(random.below(9) as u32)).unwrap();
        }
        match random.once_in(3) {
            true => call.feeding(),
            false => call,
        }
    }
}

fn execution(lanes: usize) -> Execution {
    match NonZeroUsize::new(lanes) {
        // What lanes do must not depend on how busy the machine is.
        Some(threads) if lanes > 1 => Execution::Eager { threads },
        _ => Execution::Serial,
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

fn run(agent: u32, steps: &[Step]) -> Transaction {
    Transaction::call_raw(id(agent), "run", script(steps), LIMIT)
}

fn shown(executed: &Executed) -> String {
    format!("{executed:?}")
}

/// Does with a block what a seed says; gives everything that was seen of it.
fn wander(block: &mut Block, transactions: &[Transaction], seed: u64) -> Vec<String> {
    let mut random = Random::spread(seed);
    let mut seen = Vec::new();
    let mut at = 0;
    while at < transactions.len() {
        let count = (1 + random.index(60)).min(transactions.len() - at);
        let next = &transactions[at..at + count];
        match random.below(6) {
            0 => seen.push(shown(&block.execute(&next[0]).unwrap())),
            1 => seen.push(match block.undo_last() {
                Ok(undone) => format!("undone {}", shown(&undone)),
                Err(error) => format!("{error:?}"),
            }),
            2 => seen.push(format!("{:?}", block.root().unwrap())),
            _ => {
                let mut heard = |executed: &Arc<Executed>| seen.push(shown(executed));
                let filled = block.execute_all_into(next, &mut heard).unwrap();
                seen.push(format!("{filled:?}"));
                at += count;
            }
        }
    }
    let mut end = String::new();
    let root = block.root().unwrap();
    write!(
        end,
        "{root:?} {:?} {}",
        block.receipts_root(),
        block.gas_spent()
    )
    .unwrap();
    seen.push(end);
    seen
}

fn compare(scene: &Scene, seed: u64, lanes: usize) {
    let mut random = Random::spread(seed);
    let mut scripts = Scripts {
        random: random.clone(),
        cells: random.among(&[10, 60, 2_000]),
        agents: AGENTS,
    };
    let count = 60 + random.index(200);
    let transactions: Vec<_> = (0..count)
        .map(|_| scene.transaction(&mut scripts))
        .collect();
    let gas = match random.once_in(2) {
        true => u64::MAX,
        false => random.below(count as u64) * 3_000_000 + 2 * LIMIT,
    };
    let undo = random.among(&[Undo::Never, Undo::Last, Undo::All]);
    let blocks = [1, lanes].map(|lanes| {
        let mut block = scene.block(scene.base, gas, undo, lanes);
        let seen = wander(&mut block, &transactions, seed);
        let sealed = block.seal([1; 32]).unwrap();
        // Another block on what is not committed.
        let mut next = scene.block(&sealed, u64::MAX, Undo::Never, lanes);
        let seen_next = wander(&mut next, &transactions[..count / 2], seed + 1);
        (seen, seen_next, sealed, next.seal([2; 32]).unwrap())
    });
    let [(one, one_next, ..), (other, other_next, ..)] = &blocks;
    for (one, other) in one
        .iter()
        .chain(one_next)
        .zip(other.iter().chain(other_next))
    {
        assert_eq!(one, other, "seed {seed}, {lanes} lanes");
    }
    assert_eq!((one.len(), one_next.len()), (other.len(), other_next.len()));
    let [(_, _, one, one_next), (_, _, other, other_next)] = blocks;
    assert_eq!(one.names(), other.names(), "seed {seed}");
    assert_eq!(one_next.names(), other_next.names(), "seed {seed}");
    other.commit().unwrap();
    other_next.commit().unwrap();
}

#[test]
fn random_blocks_are_as_one_after_another() {
    let more = std::env::var("CROSTATA_SEEDS").ok();
    let seeds = more.and_then(|more| more.parse().ok()).unwrap_or(30);
    let native = Scene::new(Backend::Native, 6);
    let portable = Scene::new(Backend::Portable, 6);
    let askew = Scene::of(agent::askew(), Backend::Native, 6);
    let mut block = askew.block(askew.base, u64::MAX, Undo::Never, 1);
    let see = Step::Call(0, vec![Step::See(CELLS)]);
    let seen = [run(0, &[Step::Write(CELLS, 7)]), run(1, &[see])];
    block.execute_all(&seen).unwrap();
    assert_eq!(block.receipts()[1].events()[0].data[0], 7, "scripts work");
    for seed in 0..seeds {
        let scene = match seed % 5 {
            4 => &portable,
            3 => &askew,
            _ => &native,
        };
        compare(scene, seed, [2, 3, 8][seed as usize % 3]);
    }
}

/// The words at these cells, told by a call each.
fn words(scene: &Scene, base: Base, agent: u32, cells: &[u32]) -> Vec<u32> {
    let mut session = scene.vm.session(SessionData::builder().base(base)).unwrap();
    let see = |cell: &u32| {
        let script = script(&[Step::See(*cell)]);
        let receipt = session.call_raw(id(agent), "run", script, LIMIT).unwrap();
        u32::from_le_bytes(receipt.events[0].data[..4].try_into().unwrap())
    };
    cells.iter().map(see).collect()
}

/// What lanes do with transactions of several agents, that one after another counts to this.
fn counted(transactions: &[Transaction], agents: u32, cells: &[(u32, u32, u32)]) {
    let scene = Scene::new(Backend::default(), agents);
    for lanes in [1, 2, 3, 8] {
        let mut block = scene.block(scene.base, u64::MAX, Undo::Never, lanes);
        let filled = block.execute_all(transactions).unwrap();
        assert_eq!(filled.included, transactions.len());
        let sealed = block.seal([0; 32]).unwrap();
        for (agent, cell, expected) in cells {
            let words = words(&scene, (&sealed).into(), *agent, &[*cell]);
            assert_eq!(words, [*expected], "{lanes} lanes, agent {agent}");
        }
    }
}

/// Everything conflicts: each transaction adds to the same word, whoever is called.
#[test]
fn nothing_is_lost_where_everything_conflicts() {
    let add = |agent: u32| {
        let add = vec![Step::Add(CELLS, 1)];
        match agent {
            0 => run(0, &add),
            agent => run(agent, &[Step::Call(0, add), Step::Add(CELLS, 1)]),
        }
    };
    let transactions: Vec<_> = (0..400).map(|at| add(at % 4)).collect();
    counted(
        &transactions,
        4,
        &[(0, CELLS, 400), (1, CELLS, 100), (3, CELLS, 100)],
    );
}

/// The spill rule: words that lie across the ends of pages, written through the page before, and read through either.
#[test]
fn words_across_pages_are_seen() {
    let end = CELLS + 4_096;
    let transactions: Vec<_> = (0..300)
        .map(|at| match at % 3 {
            // Writes the beginning of the next page by the page before.
            0 => run(1, &[Step::Call(0, vec![Step::Add(end - 2, 0x1_0000)])]),
            // Reads it by its own page, and by the page before.
            1 => run(2, &[Step::Call(0, vec![Step::Copy(end, CELLS + 8_192)])]),
            _ => run(
                3,
                &[Step::Call(0, vec![Step::Copy(end - 1, CELLS + 8_196)])],
            ),
        })
        .collect();
    counted(
        &transactions,
        4,
        &[
            (0, end, 100),
            (0, CELLS + 8_192, 100),
            (0, CELLS + 8_196, 100 << 8),
        ],
    );
}

/// Growth is seen by whoever enters the contract later, also if he touches nothing.
#[test]
fn growth_is_seen() {
    let scene = Scene::new(Backend::default(), 4);
    let transactions: Vec<_> = (0..200)
        .map(|at| match at {
            20 | 120 => run(1, &[Step::Call(0, vec![Step::Grow(1)])]),
            at => run(at % 3 + 1, &[Step::Call(0, vec![Step::See(CELLS)])]),
        })
        .collect();
    let sizes = [1, 2, 8].map(|lanes| {
        let mut block = scene.block(scene.base, u64::MAX, Undo::Never, lanes);
        block.execute_all(&transactions).unwrap();
        let receipts = block.receipts().iter();
        let sizes: Vec<_> = receipts
            .map(|executed| executed.events()[0].data[4])
            .collect();
        sizes
    });
    assert_eq!((sizes[0][19], sizes[0][21], sizes[0][199]), (4, 5, 6));
    assert_eq!((&sizes[1], &sizes[2]), (&sizes[0], &sizes[0]));
}

/// A query that panics is fatal for the block, as it is one after another; the VM goes on.
#[test]
fn a_query_that_panics_is_fatal() {
    let scene = Scene::asked(Backend::default(), 4, |argument| match argument {
        [9, ..] => panic!("of the embedder"),
        _ => Ok(argument.to_vec()),
    });
    let ask = |at: u32| {
        run(
            at % 4,
            &[Step::Write(CELLS, at), Step::Ask(CELLS, CELLS + 8)],
        )
    };
    let asked: Vec<_> = (0..9).map(ask).collect();
    let panicking: Vec<_> = (0..12).map(ask).collect();
    for lanes in [1, 2, 4] {
        let mut block = scene.block(scene.base, u64::MAX, Undo::Never, lanes);
        assert!(block.execute_all(&asked).is_ok());
        let fatal = block.execute_all(&panicking).unwrap_err();
        assert!(fatal.to_string().contains("panicked"), "{fatal}");
        assert!(block.execute_all(&asked).is_err(), "it can do nothing more");
        assert_eq!(block.receipts().len(), 18, "what was before it is known");
    }
}

/// A panic that only what was thrown away ran into never happened.
#[test]
fn a_query_that_would_not_have_been_asked_may_panic() {
    let scene = Scene::asked(Backend::default(), 4, |argument| match argument {
        [0, ..] => panic!("of the embedder"),
        _ => Ok(argument.to_vec()),
    });
    // The first writes what all others ask about.
    let ask = vec![Step::Ask(CELLS, CELLS + 8)];
    let mut transactions = vec![run(1, &[Step::Call(0, vec![Step::Write(CELLS, 7)])])];
    transactions.extend((0..40).map(|at| run(at % 3 + 1, &[Step::Call(0, ask.clone())])));
    for lanes in [1, 2, 4] {
        let mut block = scene.block(scene.base, u64::MAX, Undo::Never, lanes);
        let filled = block.execute_all(&transactions).unwrap();
        assert_eq!(filled.included, 41, "{lanes} lanes");
    }
    assert!(scene.vm.is_healthy());
}

/// Blocks that are recorded are executed one after another: their witness is the same.
#[test]
fn witnesses_are_the_same() {
    let scene = Scene::new(Backend::default(), 4);
    let transactions: Vec<_> = (0..40)
        .map(|at| run(at % 4, &[Step::Add(CELLS, at)]))
        .collect();
    let witnesses = [1, 4].map(|lanes| {
        let settings = BlockSettings::new(BlockContext::new(3, 5), u64::MAX)
            .base(scene.base)
            .undo(Undo::Never)
            .execution(execution(lanes))
            .recording();
        let mut block = scene.vm.block(settings).unwrap();
        block.execute_all(&transactions).unwrap();
        block.witness().unwrap().encode()
    });
    assert_eq!(witnesses[0], witnesses[1]);
}

/// An error of a lane is an error, not a panic: what is fatal stays typed.
#[test]
fn fatal_is_typed() {
    let scene = Scene::asked(Backend::default(), 2, |_| panic!("of the embedder"));
    let ask = |at: u32| run(at % 2, &[Step::Ask(CELLS, CELLS)]);
    let mut block = scene.block(scene.base, u64::MAX, Undo::Never, 2);
    let fatal = block.execute_all(&(0..6).map(ask).collect::<Vec<_>>());
    assert!(matches!(fatal, Err(Fatal::Fault(_))));
}

/// P8: a listener that panics changes nothing: the block has the receipts of what its state holds, and can go on.
#[test]
fn a_sink_that_panics_leaves_receipts_and_state_alike() {
    let scene = Scene::new(Backend::default(), 4);
    let transactions: Vec<_> = (0..40)
        .map(|at| run(at % 4, &[Step::Add(CELLS, at)]))
        .collect();
    for lanes in [1, 2, 4] {
        let mut block = scene.block(scene.base, u64::MAX, Undo::Never, lanes);
        let mut told = 0;
        let mut panicking = |_: &Arc<Executed>| {
            told += 1;
            assert!(told < 7, "of the embedder");
        };
        let listened = AssertUnwindSafe(|| block.execute_all_into(&transactions, &mut panicking));
        assert!(catch_unwind(listened).is_err());
        let included = block.receipts().len();
        let mut plain = scene.block(scene.base, u64::MAX, Undo::Never, 1);
        plain.execute_all(&transactions[..included]).unwrap();
        assert_eq!(block.receipts_root(), plain.receipts_root());
        assert_eq!(block.root().unwrap(), plain.root().unwrap());
        block.execute_all(&transactions).unwrap();
    }
}

/// P6: what lanes do to bring each other up to date is bounded, and blocks that are made to have them do so come to what they come to one
/// after another: memories that are large by now and change lanes, between transactions that run alone.
#[test]
fn memories_that_change_lanes_are_as_in_one() {
    let scene = Scene::new(Backend::default(), 6);
    let fill = |agent: u32| {
        let cells = (0..400).map(|cell| Step::Write(CELLS + cell % 60 * 4_096, cell));
        let steps = std::iter::once(Step::Grow(5)).chain(cells);
        run(agent, &steps.collect::<Vec<_>>())
    };
    let mut transactions: Vec<_> = (0..6).map(fill).collect();
    for at in 0..120_u32 {
        // What spent most last time comes first, which is why it does not fit where it was.
        let (light, heavy) = (at % 2, 1 - at % 2);
        let spin = |agent, times, word| {
            run(
                agent,
                &[Step::Spin(times), Step::Add(CELLS + word % 60 * 4_096, at)],
            )
        };
        transactions.push(spin(light, 108_000, at));
        transactions.push(spin(heavy, 160_000, at + 7));
        let mut alone = run(2 + at % 4, &[Step::Call(at % 2, vec![Step::Add(CELLS, 1)])]);
        alone.limit_gas = 1 << 40;
        transactions.push(alone);
    }
    let ends = [1, 2, 3, 8].map(|lanes| {
        let mut block = scene.block(scene.base, 1 << 42, Undo::Never, lanes);
        block.execute_all(&transactions).unwrap();
        let succeeded = |executed: &Arc<Executed>| executed.outcome.is_success();
        assert!(block.receipts().iter().all(succeeded));
        (block.receipts_root(), block.root().unwrap())
    });
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
}

/// P8: who watches counts the same, however a block is executed.
#[test]
fn counters_are_the_same() {
    let scene = Scene::new(Backend::default(), 6);
    let mut scripts = Scripts {
        random: Random::spread(5),
        cells: 60,
        agents: AGENTS,
    };
    let transactions: Vec<_> = (0..200).map(|_| scene.transaction(&mut scripts)).collect();
    let counted = [1, 3].map(|lanes| {
        let before = scene.vm.counters().sessions;
        let mut block = scene.block(scene.base, u64::MAX, Undo::Never, lanes);
        block.execute_all(&transactions).unwrap();
        drop(block);
        let after = scene.vm.counters().sessions;
        [
            after.succeeded - before.succeeded,
            after.reverted - before.reverted,
            after.rejected - before.rejected,
            after.gas_spent - before.gas_spent,
            after.pages_touched - before.pages_touched,
        ]
    });
    assert_eq!(counted[0], counted[1]);
    assert!(counted[0].iter().all(|count| *count > 0), "{counted:?}");
}

/// So many contracts that lanes let go of instances and park memories, within waves and between them: what calls of theirs come to,
/// reverted ones included, is what it is one after another.
#[test]
fn crowds_are_as_one_after_another() {
    const CROWD: u16 = 1_500;
    let scene = Scene::new(Backend::default(), 3);
    let id = |member: u16| {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&member.to_le_bytes());
        id[31] = 1;
        ContractId::from_bytes(id)
    };
    let mut session = scene.vm.session(SessionData::builder().base(scene.base));
    let session = session.as_mut().unwrap();
    for member in 0..CROWD {
        let data = ContractData::builder().contract_id(id(member));
        session.deploy(&scene.code, data, LIMIT).unwrap();
    }
    let base = session.commit().unwrap();
    let mut random = Random::spread(9);
    let transactions: Vec<_> = (0..4_000)
        .map(|at: u32| {
            let member = match at < 1_500 {
                true => at as u16,
                false => random.index(CROWD.into()) as u16,
            };
            let cell = CELLS + random.below(8) as u32 * 4_096 + 4_092;
            let shared = Step::Call(random.below(3) as u32, vec![Step::Add(cell, 1)]);
            let mut steps = vec![Step::Add(cell, 1 + at % 3), Step::See(cell)];
            if random.once_in(6) {
                steps.push(shared);
            }
            if random.once_in(40) {
                steps.push(Step::Grow(1));
            }
            steps.push(Step::PanicIfOdd(cell));
            Transaction::call_raw(id(member), "run", script(&steps), LIMIT)
        })
        .collect();
    let ends = [1, 2, 64].map(|lanes| {
        let mut block = scene.block(base, u64::MAX, Undo::Never, lanes);
        block.execute_all(&transactions).unwrap();
        (block.receipts_root(), block.root().unwrap())
    });
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
}
