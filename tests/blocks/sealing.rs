//! From an executed block to a commit: sealed once, voted on, committed later or dropped, and its receipts proven.

use crostata::{CommitError, ReceiptOpening, SealedBlock, SessionData, VM};
use crostata_proof::receipts::{ReceiptLeaf, ReceiptsTree};

use crate::fixtures::actor::{Panic, See, Write, cell};
use crate::random::Random;
use crate::world::{World, act, settings};

fn sealed(world: &World, value: u32) -> SealedBlock {
    let mut block = world.block();
    block.execute(&act(0, &[Write(cell(0), value)])).unwrap();
    block.seal([value as u8; 32]).unwrap()
}

fn read(vm: &VM, base: impl Into<crostata::Base>) -> Vec<u8> {
    let mut block = vm.block(settings(base)).unwrap();
    let seen = block.execute(&act(0, &[See(cell(0))])).unwrap();
    seen.events()[0].data[8..12].to_vec()
}

/// P1, P3: what was sealed is what is committed, by name, root and content, and the same as a session that commits at once; again is no
/// error.
#[test]
fn sealing_then_committing_is_committing() {
    let world = World::native();
    let block = sealed(&world, 5);
    assert!(!world.vm.commits().iter().any(|one| one.id == block.id()));
    let commit = block.commit().unwrap();
    assert_eq!(commit, block.names());
    assert_eq!(block.commit().unwrap(), commit);
    assert_eq!(read(&world.vm, commit), 5_u32.to_le_bytes());

    let data = SessionData::builder().base(world.base);
    let mut session = world.vm.session(data).unwrap();
    let script = crate::fixtures::actor::script(&[Write(cell(0), 5)]);
    let limit = crate::fixtures::LIMIT;
    session
        .call_raw(crate::fixtures::id(0), "run", script, limit)
        .unwrap();
    assert_eq!(session.commit_with_tag([5; 32]).unwrap(), commit);
}

/// P3: blocks are executed on blocks that nobody decided about; the losing branch is dropped, and committing out of order is refused.
#[test]
fn blocks_follow_sealed_blocks() {
    let world = World::native();
    let (one, other) = (sealed(&world, 1), sealed(&world, 2));
    assert_ne!(one.root(), other.root());
    let child = |block: &SealedBlock| {
        let mut next = world.vm.block(settings(block)).unwrap();
        next.execute(&act(1, &[Write(cell(3), 3)])).unwrap();
        next.seal([9; 32]).unwrap()
    };
    let (of_one, of_other) = (child(&one), child(&other));
    assert_eq!(read(&world.vm, &of_one), 1_u32.to_le_bytes());
    assert!(matches!(
        of_one.commit(),
        Err(CommitError::BaseDropped { .. })
    ));
    drop((other, of_other));
    one.commit().unwrap();
    let commit = of_one.commit().unwrap();
    world.vm.finalize_commit(commit.id).unwrap();
    assert_eq!(world.vm.finalized(), Some(commit));
    assert_eq!(read(&world.vm, commit), 1_u32.to_le_bytes());
}

/// P3: a block can be dropped at any moment: in the making, sealed, or with a child, and nothing of it is found later.
#[test]
fn dropped_blocks_leave_nothing() {
    let world = World::native();
    let commits = world.vm.commits();
    let mut block = world.block();
    block.execute(&act(0, &[Write(cell(0), 1)])).unwrap();
    drop(block);
    drop(sealed(&world, 2));
    let mut failing = world.block();
    failing.execute(&act(0, &[Panic])).unwrap();
    drop(failing);
    assert_eq!(world.vm.commits(), commits);
    assert_eq!(read(&world.vm, world.base), 0_u32.to_le_bytes());
    assert!(world.vm.verify(|_| {}).is_clean());
}

/// P4: the root of receipts is that of index, tag and digest of each transaction in the block, and every opening leads there and to no
/// other block.
#[test]
fn receipts_are_proven_one_by_one() {
    let world = World::native();
    let mut random = Random::new(11);
    let mut block = world.block();
    let empty = block.receipts_root();
    for _ in 0..23 {
        block.execute(&random.transaction()).unwrap();
    }
    let leaves = block.receipts().iter().map(|executed| ReceiptLeaf {
        tag: executed.tag,
        digest: executed.included.unwrap().digest,
    });
    let tree = ReceiptsTree::new(leaves.collect());
    assert_eq!(block.receipts_root(), tree.root());
    let places = block
        .receipts()
        .iter()
        .map(|one| one.included.unwrap().index);
    assert!(places.eq(0..block.receipts().len()));
    let early = block.receipt_opening(0).unwrap();
    let sealed = block.seal([0; 32]).unwrap();
    assert_eq!(sealed.receipts_root(), tree.root());
    assert_eq!(sealed.receipt_opening(0), Some(early));
    let count = sealed.receipts().len();
    assert!(count > 10 && sealed.receipt_opening(count).is_none());
    for (index, executed) in sealed.receipts().iter().enumerate() {
        let opening = sealed.receipt_opening(index).unwrap().encode();
        let opening = ReceiptOpening::decode(&opening).unwrap();
        let proven = opening.verify(&sealed.receipts_root()).unwrap();
        assert_eq!((proven.index, proven.count), (index as u64, count as u64));
        assert_eq!(Some(proven.leaf), executed.leaf());
        assert!(opening.verify(&empty).is_err());
    }
}
