//! Who listens to a block hears everything in order, holds no more than agreed, and changes nothing.

use std::sync::Arc;
use std::thread;

use crostata::{
    Executed, Filled, NothingHeard, Sink, Transaction, WhenFull, contract_bytecode, subscription,
};

use crate::fixtures::actor::{Panic, See, Write, cell};
use crate::fixtures::{LIMIT, id};
use crate::random::Random;
use crate::world::{World, act, agreed, all_agreed, deploys};

const FEEDER: u8 = 50;

fn transactions() -> Vec<Transaction> {
    let feeds = |count: u32, function: &str| {
        let call = Transaction::call(id(FEEDER), function, &count, LIMIT).unwrap();
        (call.clone(), call.feeding())
    };
    let (silent, feeding) = feeds(3, "feed_numbers");
    let (_, failing) = feeds(2, "feed_then_fail");
    let mut all = vec![
        deploys(FEEDER, contract_bytecode!("feeder")),
        silent,
        feeding,
        failing,
        act(0, &[Write(cell(0), 1), See(cell(0))]),
        act(0, &[See(0), Panic]),
        act(99, &[]),
    ];
    let mut random = Random::new(5);
    all.extend((0..30).map(|_| random.transaction()));
    all
}

/// What a block came to.
fn outcome(world: &World, sink: &mut dyn Sink) -> (Vec<crate::world::Agreed>, Filled, String) {
    let mut block = world.block();
    let filled = block.execute_all_into(&transactions(), sink).unwrap();
    let receipts = all_agreed(block.receipts());
    let sealed = block.seal([1; 32]).unwrap();
    (
        receipts,
        filled,
        format!("{} {}", sealed.root(), sealed.receipts_root()),
    )
}

/// Every transaction is told in order, rejected ones without a place, with events and feeds; feeding is for those that may.
#[test]
fn a_sink_hears_everything_in_order() {
    let world = World::native();
    let mut heard = Vec::new();
    let mut listen = |executed: &Arc<Executed>| heard.push(executed.clone());
    let (receipts, filled, _) = outcome(&world, &mut listen);
    assert_eq!(heard.len(), filled.included + filled.rejected);
    assert!(filled.rejected > 0);
    let included: Vec<_> = heard.iter().filter(|one| one.included.is_some()).collect();
    assert!(included.iter().map(|one| agreed(one)).eq(receipts));
    let fed: Vec<_> = heard.iter().map(|one| one.feeds.len()).collect();
    assert_eq!(fed[..5], [0, 0, 3, 2, 0]);
    let told = |at: usize| heard[at].outcome.is_success();
    assert_eq!([0, 1, 2, 3, 4].map(told), [true, false, true, false, true]);
    assert_eq!(heard[2].feeds[1], 1_u32.to_le_bytes());
    assert_eq!(heard[4].events().len(), 1);
    assert_eq!(heard[5].events().len(), 0);
}

/// P8: whether anybody listens, keeps up, falls behind, goes away or is closed out, the block is the same; nobody holds more than agreed.
#[test]
fn listeners_change_nothing() {
    let world = World::native();
    let alone = outcome(&world, &mut |_: &Arc<Executed>| {});
    let told = (alone.1.included + alone.1.rejected) as u64;

    let (mut publisher, subscription) = subscription(2, WhenFull::Wait);
    let slow = thread::spawn(move || subscription.inspect(|_| thread::yield_now()).count() as u64);
    assert_eq!(outcome(&world, &mut publisher), alone);
    assert_eq!(publisher.dropped(), 0);
    drop(publisher);
    assert_eq!(slow.join().unwrap(), told);

    let (mut publisher, subscription) = crostata::subscription(3, WhenFull::Drop);
    assert_eq!(outcome(&world, &mut publisher), alone);
    assert_eq!(subscription.dropped(), told - 3);
    for index in 0..3 {
        let executed = subscription.try_next().unwrap();
        assert_eq!(executed.included.map(|one| one.index), Some(index));
    }
    assert_eq!(subscription.try_next().unwrap_err(), NothingHeard::Yet);
    assert!(publisher.is_open());
    drop(publisher);
    assert_eq!(subscription.try_next().unwrap_err(), NothingHeard::Ended);

    let (mut publisher, subscription) = crostata::subscription(3, WhenFull::Close);
    assert_eq!(outcome(&world, &mut publisher), alone);
    assert!(!publisher.is_open());
    assert_eq!(subscription.dropped(), 1);
    assert_eq!(subscription.count(), 3);

    for when_full in [WhenFull::Wait, WhenFull::Drop, WhenFull::Close] {
        let (mut publisher, subscription) = crostata::subscription(1, when_full);
        drop(subscription);
        assert_eq!(outcome(&world, &mut publisher), alone);
        assert!(!publisher.is_open());
    }
}

/// P1: whether a call may feed is the transaction's, not the listener's.
#[test]
fn feeding_is_part_of_the_transaction() {
    let world = World::native();
    let mut block = world.block();
    block
        .execute(&deploys(FEEDER, contract_bytecode!("feeder")))
        .unwrap();
    let call = Transaction::call(id(FEEDER), "feed_numbers", &2_u32, LIMIT).unwrap();
    let refused = block.execute(&call).unwrap();
    let allowed = block.execute(&call.feeding()).unwrap();
    assert!(!refused.outcome.is_success() && refused.feeds.is_empty());
    assert!(allowed.outcome.is_success());
    assert_ne!(
        refused.included.unwrap().digest,
        allowed.included.unwrap().digest
    );
}
