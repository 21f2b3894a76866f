//! What contracts know of their block, and a transaction's own data.

use crostata::{BlockContext, DatumError, OpenBlockError, SessionData, Transaction};
use crostata_abi::typed::encode;

use crate::fixtures::{LIMIT, id, poke, use_argument, used};
use crate::world::{PROBE, World, context, settings};

/// A use of `hd` with a name that was poked to this address.
fn reads(at: u32, name: &str) -> Transaction {
    let argument = use_argument(&[i64::from(at), name.len() as i64], &[], 300);
    Transaction::call_raw(id(PROBE), "use_hd", argument, LIMIT)
}

const NAMES: [&str; 6] = [
    BlockContext::HEIGHT,
    BlockContext::TIME,
    BlockContext::PROPOSER,
    BlockContext::CHAIN,
    "base_fee",
    "sender",
];

fn name_at(place: usize) -> u32 {
    200_000 + 32 * place as u32
}

fn scene() -> World {
    let world = World::native();
    let data = SessionData::builder().base(world.base);
    let mut session = world.vm.session(data).unwrap();
    for (place, name) in NAMES.iter().enumerate() {
        poke(&mut session, id(PROBE), name_at(place), name.as_bytes());
    }
    let base = session.commit().unwrap();
    World { base, ..world }
}

/// P1: contracts read height, time, proposer, chain and the chain's data by name, in each block its own, and nothing outside of one.
#[test]
fn contracts_read_their_block() {
    let world = scene();
    let datum = |transaction: &Transaction, context: &BlockContext| {
        let mut settings = world.settings();
        settings.context = context.clone().into();
        let mut block = world.vm.block(settings).unwrap();
        let executed = block.execute(transaction).unwrap();
        let found = used(executed.data().unwrap());
        found.buffer[..found.result as usize].to_vec()
    };
    for height in [0, 7, u64::MAX / 2_000] {
        let context = context(height).with_datum("base_fee", &12_u64).unwrap();
        let expected = [
            encode(&height).unwrap(),
            encode(&context.time_ms()).unwrap(),
            encode(&vec![height as u8; 48]).unwrap(),
            encode(&"mountain-1".to_owned()).unwrap(),
            encode(&12_u64).unwrap(),
            vec![],
        ];
        for (place, name) in NAMES.iter().enumerate() {
            let read = datum(&reads(name_at(place), name), &context);
            assert_eq!(read, expected[place], "{name}");
        }
    }
    let outside = SessionData::builder().base(world.base);
    let mut session = world.vm.session(outside).unwrap();
    let argument = use_argument(&[i64::from(name_at(0)), 12], &[], 0);
    let receipt = session.call_raw(id(PROBE), "use_hd", argument, LIMIT);
    assert_eq!(used(&receipt.unwrap().data).result, 0);
    assert!(session.block().is_none());
}

/// P1: a transaction's data is its own: neither those before nor those after see it, whatever becomes of it.
#[test]
fn a_transactions_data_is_its_own() {
    let world = scene();
    let mut block = world.vm.block(settings(world.base)).unwrap();
    let reads = reads(name_at(5), "sender");
    let sent = |transaction: &Transaction, sender: u8| {
        let transaction = transaction.clone();
        transaction.with_datum("sender", &[sender; 32]).unwrap()
    };
    let fails = Transaction::call_raw(id(PROBE), "trap", [], LIMIT);
    let rejected = Transaction::call_raw(id(PROBE), "none", [], LIMIT);
    for (transaction, expected) in [
        (reads.clone(), None),
        (sent(&reads, 1), Some([1; 32])),
        (reads.clone(), None),
        (sent(&fails, 2), None),
        (sent(&rejected, 3), None),
        (reads.clone(), None),
        (sent(&reads, 4), Some([4; 32])),
    ] {
        let executed = block.execute(&transaction).unwrap();
        let found = executed.data().map_or(vec![], |data| {
            let found = used(data);
            found.buffer[..found.result as usize].to_vec()
        });
        assert_eq!(
            found,
            expected.map_or(vec![], |sender: [u8; 32]| sender.to_vec())
        );
    }
}

/// P1: nothing replaces what a block says: neither the session's own data nor what is set later.
#[test]
fn what_the_block_says_stays() {
    let world = scene();
    let of_block = |error: DatumError| matches!(error, DatumError::OfBlock { .. });
    let own = SessionData::builder()
        .insert("block_height", &3_u64)
        .unwrap();
    assert!(of_block(own.block(context(3)).unwrap_err()));
    let data = SessionData::builder().block(context(3)).unwrap();
    assert!(of_block(
        data.clone().insert("chain_id", &1_u8).unwrap_err()
    ));
    assert!(of_block(data.clone().block(context(4)).unwrap_err()));
    let mut session = world.vm.session(data).unwrap();
    assert!(of_block(
        session.set_meta("block_time", &1_u64).unwrap_err()
    ));
    assert_eq!(session.remove_meta("block_time"), None);
    assert_eq!(session.meta("block_height"), Some(encode(&3_u64).unwrap()));
    assert_eq!(session.block(), Some(&context(3)));
    session.set_meta("other", &1_u64).unwrap();
}

/// P1: who verifies a block's witness sees the same block, by name, and comes to the same root and receipts.
#[test]
fn witnesses_have_the_block() {
    use crostata::{Config, Verifier};
    let world = scene();
    let settings = settings(world.base).recording();
    let mut block = world.vm.block(settings).unwrap();
    let transactions = [
        reads(name_at(0), NAMES[0]),
        reads(name_at(2), NAMES[2]),
        reads(name_at(5), "sender")
            .with_datum("sender", &9_u64)
            .unwrap(),
    ];
    block.execute_all(&transactions).unwrap();
    let witness = block.witness().unwrap();
    let data = &witness.context().data;
    assert_eq!(data["block_height"], encode(&7_u64).unwrap());
    let verified = Verifier::new(Config::default()).unwrap();
    let verified = verified.verify_call(&world.base.root, witness).unwrap();
    assert_eq!(verified.root_after, block.root().unwrap());
    let digests = verified.receipts.iter().map(|receipt| receipt.digest());
    let expected = block
        .receipts()
        .iter()
        .map(|one| one.included.map(|one| one.digest));
    assert!(digests.eq(expected));
}

/// P7: a context that contracts could not read does not open a block.
#[test]
fn blocks_without_their_base_do_not_open() {
    let world = scene();
    let other = World::native();
    let unknown = other.block().seal([9; 32]).unwrap().id();
    let refused = world.vm.block(settings(unknown)).unwrap_err();
    assert!(matches!(refused, OpenBlockError::Session(_)), "{refused}");
}
