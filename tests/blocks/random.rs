//! Random blocks with random undoing, against the same blocks without what was undone.

use std::env;

use crostata::{Block, Transaction, Undo, contract_bytecode};

use crate::fixtures::actor::{
    Call, Grow, Keep, Panic, See, Spin, Step, Trap, Try, TryWith, Write, cell,
};
use crate::fixtures::{BACKENDS, LIMIT, WIDTHS, id};
use crate::random::Random;
use crate::world::{ACTORS, World, act, agreed, all_agreed, deploys, limited, told};

impl Random {
    fn address(&mut self) -> u32 {
        match self.below(8) {
            0 => (4 << 16) + self.below(100_000) as u32 * 4,
            1..4 => cell(1_024 * (1 + self.below(14) as u32)) - 2,
            _ => cell(self.below(12_000) as u32),
        }
    }

    fn step(&mut self, depth: u32) -> Step {
        let number = self.below(u64::from(ACTORS) + 1) as u8;
        match self.below(if depth < 2 { 14 } else { 9 }) {
            0..3 => Write(self.address(), self.below(3) as u32),
            3 => See(self.address()),
            4 => Grow(self.below(3) as u32),
            5 => Keep(self.below(9) as u32),
            6 => [Panic, Trap, Spin, See(0)][self.index(4)].clone(),
            7..9 => See(cell(0)),
            9..12 => Try(number, self.steps(depth + 1)),
            12 => TryWith(number, 1_000 + self.below(100_000), self.steps(depth + 1)),
            _ => Call(number, self.steps(depth + 1)),
        }
    }

    fn steps(&mut self, depth: u32) -> Vec<Step> {
        (0..1 + self.below(4)).map(|_| self.step(depth)).collect()
    }

    /// A transaction that succeeds, fails or is rejected.
    pub fn transaction(&mut self) -> Transaction {
        let transaction = match self.below(12) {
            0 => deploys(10 + self.below(4) as u8, contract_bytecode!("counter")),
            1 => deploys(10 + self.below(4) as u8, contract_bytecode!("initializer")),
            2 => Transaction::call_raw(id(10), "increment", [], LIMIT),
            3 => Transaction::call_raw(id(0), "no such function", [], LIMIT),
            _ => {
                let number = self.below(u64::from(ACTORS)) as u8;
                act(number, &self.steps(0))
            }
        };
        let limit = match self.below(5) {
            0 => 1_000 + self.below(300_000),
            _ => 50_000_000,
        };
        let tag = [self.next() as u8; 32];
        let transaction = limited(transaction, limit).tagged(tag);
        match self.below(3) {
            0 => transaction.with_datum("sender", &self.next()).unwrap(),
            _ => transaction,
        }
    }
}

/// What a block did, transaction by transaction; some of it undone. Gives the transactions that stay in it.
fn wander(random: &mut Random, block: &mut Block, steps: usize) -> Vec<Transaction> {
    let mut kept: Vec<Transaction> = Vec::new();
    for _ in 0..steps {
        if random.once_in(4) && !kept.is_empty() {
            let len = random.index(kept.len() + 1);
            let undone = block.undo_to(len).unwrap();
            assert_eq!(undone.len(), kept.len() - len);
            kept.truncate(len);
            continue;
        }
        let transaction = random.transaction();
        let executed = block.execute(&transaction).unwrap();
        if executed.included.is_some() {
            kept.push(transaction);
        }
    }
    kept
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// P1, P2: a block with transactions undone at any place is the block in which they never were: the same receipts, gas, root and root of
/// receipts, whichever were to be undoable.
#[test]
fn undone_is_never_executed() {
    let first = number("CROSTATA_BLOCKS_SEED", 1);
    for seed in first..first + number("CROSTATA_BLOCKS_CASES", 10) {
        let mut random = Random::spread(seed);
        let backend = BACKENDS[seed as usize % 2];
        let world = World::new(backend, WIDTHS[seed as usize / 2 % 2]);
        let settings = world.settings().undo(Undo::All);
        let mut wandered = world.vm.block(settings).unwrap();
        let kept = wander(&mut random, &mut wandered, 40);
        for undo in [Undo::Never, Undo::Last, Undo::All] {
            let mut straight = world.vm.block(world.settings().undo(undo)).unwrap();
            for (transaction, there) in kept.iter().zip(wandered.receipts()) {
                let executed = straight.execute(transaction).unwrap();
                let what = told(transaction);
                assert_eq!(agreed(&executed), agreed(there), "seed {seed}: {what}");
            }
            assert_eq!(straight.receipts().len(), kept.len(), "seed {seed}");
            assert_eq!(straight.gas_spent(), wandered.gas_spent(), "seed {seed}");
            assert_eq!(straight.receipts_root(), wandered.receipts_root());
            let roots = (straight.root().unwrap(), wandered.root().unwrap());
            assert_eq!(roots.0, roots.1, "seed {seed}");
        }
        let at_once = {
            let mut block = world.block();
            block.execute_all(&kept).unwrap();
            block
        };
        assert_eq!(
            all_agreed(at_once.receipts()),
            all_agreed(wandered.receipts())
        );
        let sealed = [at_once, wandered].map(|block| block.seal([3; 32]).unwrap());
        assert_eq!(sealed[0].names(), sealed[1].names(), "seed {seed}");
    }
}
