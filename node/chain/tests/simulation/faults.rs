//! Validators that crash, lie, are broken, or are cut off.

use std::sync::Arc;
use std::time::Duration;

use commonware_runtime::{Clock, Runner};
use crostata::Root;
use crostata::store::files::{Fault, Unsynced};
use crostata_chain::{Alarm, Explanation};
use crostata_machine::{
    Account, AccountState, BANK, Block, BlockDigest, Built, CURSOR_BYTES, Context, ExecuteError,
    Executed, Fatal, FinalizeError, Finalized, Machine, Receipt, Sealed, SignatureError, Snapshot,
    Transaction, Verified, VmMachine,
};

use crate::world::{FOLLOWER, World, runner};

const ALL: [usize; 4] = [0, 1, 2, 3];
const JOIN_WAIT: Duration = Duration::from_secs(60);

fn simulate<F: Future>(seed: u64, run: impl FnOnce(World) -> F) -> F::Output {
    runner(seed, Duration::from_secs(900)).start(|context| async move {
        let mut world = World::new(context).await;
        world.start_all().await;
        world.reach(&ALL, 2).await;
        run(world).await
    })
}

/// P3, and nobody waits for one: the others go on while a validator is down; when it comes back it has what it acknowledged, gets the rest, and agrees.
#[test]
fn a_crashed_validator_costs_nothing_and_catches_up() {
    simulate(1, async |mut world: World| {
        world.submit_transfers(20);
        let before = world.height(3);
        world.crash(3, Unsynced::Torn(5)).await;
        world.submit_transfers(20);
        world.reach(&[0, 1, 2], before + 20).await;
        world.start(3).await;
        assert!(world.height(3) >= before, "what was acknowledged is there");
        world.reach(&ALL, world.top() + 3).await;
        world.assert_agreed(&ALL).await;
        assert!(
            world
                .nodes
                .iter()
                .all(|node| node.alarms.raised().is_empty())
        );
    });
}

/// P3: when the power goes everywhere at once, the chain goes on from where it was.
#[test]
fn a_power_cut_everywhere_loses_nothing() {
    simulate(2, async |mut world: World| {
        for round in 0..4 {
            world.submit_transfers(9);
            world.context.sleep(Duration::from_millis(370)).await;
            let heights = ALL.map(|node| world.height(node));
            for node in ALL {
                world
                    .crash(node, Unsynced::Torn(round * 4 + node as u64))
                    .await;
            }
            for node in ALL {
                world.start(node).await;
                assert!(world.height(node) >= heights[node]);
            }
            world.reach(&ALL, world.top() + 2).await;
        }
        world.assert_agreed(&ALL).await;
    });
}

/// Halves of a network that do not hear each other decide nothing; together again they go on, as one.
#[test]
fn a_partition_decides_nothing_and_heals() {
    simulate(3, async |mut world: World| {
        world.submit_transfers(10);
        world.cut_off(0).await;
        let top = world.top();
        world.reach(&[1, 2, 3], top + 5).await;
        world.cut_off(1).await;
        world.context.sleep(Duration::from_secs(5)).await;
        let top = world.top();
        world.submit_transfers(10);
        world.context.sleep(Duration::from_secs(20)).await;
        assert_eq!(world.top(), top, "two of four decide nothing");
        world.join(0).await;
        world.join(1).await;
        world.reach(&ALL, top + 5).await;
        world.assert_agreed(&ALL).await;
        assert!(world.history.transactions() >= 20);
    });
}

/// A machine that comes to something else than it should.
struct Broken {
    machine: Arc<VmMachine>,
    /// Whether it votes as others do, and only says something else of its own blocks. If not, it forgets every third transaction.
    lies: bool,
}

impl Machine for Broken {
    type Handle = Sealed;

    fn verify(&self, transaction: &Transaction) -> Result<Verified, SignatureError> {
        self.machine.verify(transaction)
    }

    fn account(&self, account: &Account) -> Result<AccountState, Fatal> {
        self.machine.account(account)
    }

    fn has(&self, block: &BlockDigest) -> bool {
        self.machine.has(block)
    }

    fn execute(
        &self,
        parent: &BlockDigest,
        context: &Context,
        transactions: &[Transaction],
    ) -> Result<Executed<Sealed>, ExecuteError> {
        match self.lies {
            true => self.machine.execute(parent, context, transactions),
            false => {
                let kept = transactions.iter().zip(1..);
                let kept = kept.filter(|(_, number)| number % 3 != 0);
                let kept: Vec<_> = kept.map(|(transaction, _)| transaction.clone()).collect();
                self.machine.execute(parent, context, &kept)
            }
        }
    }

    fn keep(&self, block: &Block, handle: Sealed) -> Result<(), Fatal> {
        self.machine.keep(block, handle)
    }

    fn build(
        &self,
        parent: &BlockDigest,
        context: &Context,
        offered: &[Transaction],
    ) -> Result<Built, ExecuteError> {
        let built = self.machine.build(parent, context, offered)?;
        let mut header = *built.block.header();
        header.state_root = Root::from_bytes([6; 32]);
        let block = Block::new(header, built.block.transactions().to_vec());
        Ok(Built { block, ..built })
    }

    fn finalize(&self, height: u64, block: &Block) -> Result<Vec<Receipt>, FinalizeError> {
        match self.lies {
            true => self.machine.finalize(height, block),
            false => match self.check(block) {
                Err(ExecuteError::Invalid(invalid)) => Err(FinalizeError::Diverged {
                    block: Box::new(block.clone()),
                    invalid,
                }),
                _ => self.machine.finalize(height, block),
            },
        }
    }

    fn settle(&self) -> Result<(), Fatal> {
        self.machine.settle()
    }

    fn finalized(&self) -> Finalized {
        self.machine.finalized()
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, Fatal> {
        Ok(Arc::new(Spoilt(self.machine.snapshot()?)))
    }
}

/// A state whose chunks are wrong.
struct Spoilt(Arc<dyn Snapshot>);

impl Snapshot for Spoilt {
    fn beginning(&self) -> Vec<u8> {
        self.0.beginning()
    }

    fn chunk(
        &self,
        cursor: &[u8; CURSOR_BYTES],
        chunk_bytes: u64,
    ) -> Result<Option<Vec<u8>>, Fatal> {
        let chunk = self.0.chunk(cursor, chunk_bytes)?;
        Ok(chunk.map(|mut chunk| {
            let middle = chunk.len() / 2;
            chunk[middle] ^= 1;
            chunk
        }))
    }
}

async fn start_broken(world: &mut World, node: usize, lies: bool) {
    world.crash(node, Unsynced::Lost).await;
    let disks = world.disks(node);
    let make = |machine| Arc::new(Broken { machine, lies });
    assert!(world.start_as(node, disks, make).await);
}

/// A proposer is bound to its block without verifying it: one that lies has its blocks refused, and learns of it by an alarm; the others go on.
#[test]
fn a_lying_proposer_is_refused_and_alarmed() {
    simulate(4, async |mut world: World| {
        start_broken(&mut world, 2, true).await;
        let top = world.top();
        world.submit_transfers(10);
        world.reach(&[0, 1, 3], top + 20).await;
        world.assert_agreed(&[0, 1, 3]).await;
        assert_eq!(world.history.transactions(), 10);
        let raised = world.nodes[2].alarms.raised();
        assert!(
            matches!(
                raised[..],
                [Alarm::OwnBlocksNullified { in_a_row: 3, .. }, ..]
            ),
            "{raised:?}"
        );
        for other in [0, 1, 3] {
            assert!(world.nodes[other].alarms.raised().is_empty());
        }
    });
}

/// A node that comes to something else than the chain agreed on stops, and says at which contract and page; it never goes on with another state.
#[test]
fn a_node_that_diverges_stops_and_says_where() {
    simulate(5, async |mut world: World| {
        start_broken(&mut world, 1, false).await;
        let top = world.top();
        world.reach(&ALL, top + 3).await;
        world.submit_transfers(9);
        while !world.nodes[1].alarms.has_stopped() {
            world.context.sleep(Duration::from_millis(10)).await;
        }
        let block = loop {
            let raised = world.nodes[1].alarms.raised();
            let diverged = raised.into_iter().find_map(|alarm| match alarm {
                Alarm::Stopped(FinalizeError::Diverged { block, .. }) => Some(block),
                _ => None,
            });
            match diverged {
                Some(block) => break block,
                None => world.context.sleep(Duration::from_millis(10)).await,
            }
        };
        let make = |machine| {
            Arc::new(Broken {
                machine,
                lies: false,
            })
        };
        let explanation = world.explain(1, make, &block).await.unwrap();
        let Explanation::Differs(difference) = &explanation else {
            panic!("{explanation}");
        };
        assert_eq!((difference.contract, difference.contracts), (BANK, 1));
        assert!(difference.page.is_some() && difference.pages > 0);
        println!("{explanation}");

        let stuck = world.height(1);
        assert_eq!(stuck + 1, block.height());
        world.reach(&[0, 2, 3], world.top() + 8).await;
        assert_eq!(world.height(1), stuck);
        world.assert_agreed(&[0, 2, 3]).await;
    });
}

/// A machine whose directory was replaced by an older one, or by none, gets what is missing from the engine's store.
#[test]
fn a_machine_that_is_behind_its_engine_catches_up() {
    simulate(14, async |mut world: World| {
        world.submit_transfers(9);
        world.reach(&ALL, 8).await;
        world.crash(2, Unsynced::Kept).await;
        world.nodes[2].disk = Default::default();
        world.nodes[2].replaced = true;
        world.start(2).await;
        assert_eq!(world.height(2), 0);
        world.reach(&ALL, world.top() + 3).await;
        world.assert_agreed(&ALL).await;
    });
}

/// A disk that fails stops its node with an alarm; the others go on; on a disk that works again it goes on from what it acknowledged.
#[test]
fn a_failing_disk_stops_one_node() {
    for (seed, fault) in [(6, Fault::Io), (7, Fault::NoSpace), (8, Fault::Cut)] {
        simulate(seed, async |mut world: World| {
            world.crash(0, Unsynced::Kept).await;
            let used = world.disks(0).vm.operations();
            let failing = world.disks(0).vm_failing(used + 60, fault);
            assert!(world.start_as(0, failing, |machine| machine).await);
            world.submit_transfers(10);
            let top = world.top();
            world.reach(&[1, 2, 3], top + 40).await;
            assert!(
                world.nodes[0].alarms.has_stopped(),
                "{:?}",
                world.nodes[0].alarms.raised()
            );
            let stuck = world.height(0);
            world.crash(0, Unsynced::Torn(seed)).await;
            world.nodes[0].alarms = Default::default();
            world.start(0).await;
            assert!(world.height(0) >= stuck);
            world.reach(&ALL, world.top() + 3).await;
            world.assert_agreed(&ALL).await;
        });
    }
}

/// P3: an engine whose disk fails ends its validator, whatever the engine was doing; nothing that was acknowledged or voted is lost with what it had not synced,
/// and on a disk that works the validator goes on from there.
#[test]
fn a_failing_disk_of_the_engine_ends_one_node() {
    let faults = [Fault::Io, Fault::NoSpace, Fault::Cut];
    let numbers = (0..).map(|number| 10 + 45 * number);
    for (fault, number) in faults.into_iter().cycle().zip(numbers).take(12) {
        simulate(number, async |mut world: World| {
            world.submit_transfers(10);
            world.crash(0, Unsynced::Torn(number)).await;
            let failing = world.disks(0).engine_failing(number, fault);
            let started = world.start_as(0, failing, |machine| machine).await;
            let top = world.top();
            world.reach(&[1, 2, 3], top + 30).await;
            let stuck = match started {
                true => {
                    let running = world.nodes[0].running.as_ref().unwrap();
                    assert!(running.has_ended(), "{fault:?} at {number} did not come");
                    let stuck = world.height(0);
                    world.crash(0, Unsynced::Torn(number)).await;
                    stuck
                }
                false => 0,
            };
            world.start(0).await;
            assert!(world.height(0) >= stuck);
            world.reach(&ALL, world.top() + 3).await;
            world.assert_agreed(&ALL).await;
        });
    }
}

/// A node that has nothing gets a final state from peers, and follows from there, also after a restart; who serves wrong chunks is dropped.
#[test]
fn a_new_node_joins_by_state_sync() {
    simulate(9, async |mut world: World| {
        start_broken(&mut world, 2, true).await;
        world.submit_transfers(30);
        world.reach(&[0, 1, 3], 40).await;
        assert!(world.start_by_sync(FOLLOWER, JOIN_WAIT).await);
        let joined = world.height(FOLLOWER);
        assert!(
            joined > 8,
            "it did not begin at the first block, but at {joined}"
        );
        world.submit_transfers(10);
        world.reach(&[0, 1, 3, FOLLOWER], world.top() + 10).await;
        world.crash(FOLLOWER, Unsynced::Torn(9)).await;
        world.start(FOLLOWER).await;
        assert!(world.height(FOLLOWER) >= joined);
        world.reach(&[0, 1, 3, FOLLOWER], world.top() + 10).await;
        world.assert_agreed(&[0, 1, 3, FOLLOWER]).await;
        let (follower, liar) = (world.public_key(FOLLOWER), world.public_key(2));
        assert!(
            world
                .oracle
                .blocked()
                .await
                .unwrap()
                .contains(&(follower, liar))
        );
    });
}

/// P3: a sync that is interrupted, again and again, goes on where it was.
#[test]
fn an_interrupted_sync_goes_on() {
    simulate(10, async |mut world: World| {
        world.reach(&ALL, 20).await;
        let mut interrupted = 0;
        while !world
            .start_by_sync(FOLLOWER, Duration::from_millis(300))
            .await
        {
            interrupted += 1;
            assert!(interrupted < 50, "it never ends");
        }
        assert!(interrupted > 0, "it was never interrupted");
        world.reach(&[FOLLOWER], world.top() + 5).await;
        world.assert_agreed(&[0, 1, 2, 3, FOLLOWER]).await;
    });
}

/// Validators whose processors and disks are slow agree as well; a single one that is too slow for the others costs no block.
#[test]
fn slow_validators_agree() {
    simulate(11, async |mut world: World| {
        for (node, held_up) in [(1, 150), (2, 80), (3, 1_500)] {
            world.crash(node, Unsynced::Kept).await;
            world.nodes[node].held_up = Duration::from_millis(held_up);
            world.nodes[node].sync = Duration::from_millis(held_up / 5);
            world.start(node).await;
        }
        world.submit_transfers(20);
        let top = world.top();
        world.reach(&[0, 1, 2], top + 30).await;
        assert_eq!(world.history.transactions(), 20);
        world.crash(3, Unsynced::Kept).await;
        world.nodes[3].held_up = Duration::ZERO;
        world.nodes[3].sync = Duration::ZERO;
        world.start(3).await;
        world.reach(&ALL, world.top() + 3).await;
        world.assert_agreed(&ALL).await;
    });
}

/// A chain where nothing is to be done paces its blocks; a transaction does not wait for that.
#[test]
fn idle_blocks_are_paced() {
    simulate(12, async |mut world: World| {
        let (top, since) = (world.top(), world.context.current());
        world.reach(&ALL, top + 20).await;
        let idle = world.context.current().duration_since(since).unwrap();
        assert!(idle > Duration::from_secs(18), "20 idle blocks in {idle:?}");
        let since = world.context.current();
        world.submit_transfers(3);
        while world.history.transactions() < 3 {
            world.context.sleep(Duration::from_millis(5)).await;
        }
        let taken = world.context.current().duration_since(since).unwrap();
        assert!(
            taken < Duration::from_millis(400),
            "the transfers waited for {taken:?}"
        );
    });
}

/// What one validator takes from a client all of them hear of: whoever proposes next has it.
#[test]
fn transactions_reach_every_validator() {
    simulate(13, async |mut world: World| {
        for number in 0..4 {
            let transfer = world.transfer((number % 3) as u8, 1);
            world.give(number, &transfer).unwrap();
            world.context.sleep(Duration::from_millis(45)).await;
            for (other, running) in world.running() {
                let waits = running.pool.lock().contains(&transfer.digest());
                let included = world.history.transactions() > number;
                assert!(waits || included, "{other} has not heard of it");
            }
        }
        while world.history.transactions() < 4 {
            world.context.sleep(Duration::from_millis(50)).await;
        }
    });
}
