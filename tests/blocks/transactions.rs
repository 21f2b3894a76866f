//! Transactions of a block: in order, wholly or not at all, until the gas is full, and undone without a trace.

use crostata::{
    Fatal, Outcome, Rejected, SessionData, Transaction, TransactionOutcome, TransactionReceipt,
    Undo, UndoError, contract_bytecode,
};
use crostata_proof::receipts::deployment_digest;

use crate::fixtures::actor::{Call, Panic, See, Trap, Write, cell};
use crate::fixtures::{LIMIT, id};
use crate::world::{PLENTY, World, act, deploys, limited, settings};

/// P2: a transaction that fails at depth leaves nothing of its writes and events, is paid for, and is in the block; those around it stay.
#[test]
fn a_failed_transaction_leaves_its_receipt_and_nothing_else() {
    let world = World::native();
    let mut block = world.block();
    block.execute(&act(0, &[Write(cell(1), 5)])).unwrap();
    let root = block.root().unwrap();
    let deep = Call(1, vec![Write(cell(1), 9), See(cell(1)), Panic]);
    let failed = block
        .execute(&act(0, &[Write(cell(1), 6), See(0), deep]))
        .unwrap();
    let TransactionOutcome::Reverted(reverted) = &failed.outcome else {
        panic!("{failed:?}");
    };
    assert_eq!(reverted.failure.code, Outcome::Unreachable);
    assert_eq!(failed.included.unwrap().index, 1);
    assert_eq!(failed.included.unwrap().digest, reverted.receipt.digest);
    assert!(failed.gas_spent > 0 && failed.gas_spent == reverted.receipt.gas_spent);
    assert_eq!(block.root().unwrap(), root);
    let seen = block.execute(&act(0, &[See(cell(1))])).unwrap();
    assert_eq!(seen.events()[0].data[8..12], 5_u32.to_le_bytes());
    assert_eq!(block.receipts().len(), 3);
    let spent: u64 = block.receipts().iter().map(|one| one.gas_spent).sum();
    assert_eq!(
        (block.gas_spent(), block.gas_left()),
        (spent, PLENTY - spent)
    );
}

/// P1: transactions see what those before them did, and a block is the same as the same calls in one session.
#[test]
fn a_block_is_the_calls_of_a_session_in_order() {
    let world = World::native();
    let scripts = [
        (0, vec![Write(cell(0), 1), Call(1, vec![Write(cell(9), 2)])]),
        (1, vec![See(cell(9)), Trap]),
        (1, vec![See(cell(9)), Write(cell(9), 3)]),
        (2, vec![Call(1, vec![See(cell(9))])]),
    ];
    let transactions: Vec<_> = scripts
        .iter()
        .map(|(who, steps)| act(*who, steps))
        .collect();
    let mut block = world.block();
    let filled = block.execute_all(&transactions).unwrap();
    assert_eq!(
        (filled.included, filled.rejected, filled.full_at),
        (4, 0, None)
    );
    let data = SessionData::builder().base(world.base);
    let mut session = world.vm.session(data).unwrap();
    for ((who, steps), executed) in scripts.iter().zip(block.receipts()) {
        let argument = crate::fixtures::actor::script(steps);
        let digest = match session.call_raw(id(*who), "run", argument, LIMIT) {
            Ok(receipt) => receipt.digest,
            Err(error) => error.reverted().unwrap().receipt.digest,
        };
        assert_eq!(executed.included.unwrap().digest, digest);
    }
    assert_eq!(block.root().unwrap(), session.root().unwrap());
}

/// P1: the block is full exactly when a transaction's limit is more than what is left: a unit decides, not what would be spent.
#[test]
fn the_gas_is_full_to_the_unit() {
    let world = World::native();
    let transaction = limited(act(0, &[Write(cell(0), 1)]), 2_000_000);
    let spent = world.block().execute(&transaction).unwrap().gas_spent;
    assert!(spent < 1_000_000);
    for (short, count) in [(0, 3), (1, 2)] {
        let mut settings = world.settings();
        settings.gas_limit = 2 * spent + 2_000_000 - short;
        let mut block = world.vm.block(settings).unwrap();
        let given = vec![transaction.clone(); 5];
        let filled = block.execute_all(&given).unwrap();
        assert_eq!((filled.included, filled.full_at), (count, Some(count)));
        let left_gas = block.gas_left();
        let executed = block.execute(&transaction).unwrap();
        assert!(executed.is_full() && executed.gas_spent == 0);
        match &executed.outcome {
            TransactionOutcome::Rejected(Rejected::BlockFull {
                needed_gas,
                left_gas: said,
            }) => assert_eq!((*needed_gas, *said), (2_000_000, left_gas)),
            other => panic!("{other:?}"),
        }
        // Another one may fit still.
        let small = limited(transaction.clone(), left_gas);
        assert!(block.execute(&small).unwrap().outcome.is_success());
    }
}

/// P1: the price of code counts, also of code whose `init` fails, and the receipt binds it with the contract's id.
#[test]
fn deployments_count_with_their_code() {
    let world = World::native();
    let code = &contract_bytecode!("initializer")[..];
    let code_gas = world
        .vm
        .session(SessionData::builder())
        .unwrap()
        .deploy_price(code);
    let mut settings = world.settings();
    settings.gas_limit = code_gas + LIMIT - 1;
    let mut block = world.vm.block(settings.clone()).unwrap();
    assert!(block.execute(&deploys(20, code)).unwrap().is_full());
    settings.gas_limit += 1;
    let mut block = world.vm.block(settings).unwrap();
    // Without its argument `init` fails.
    let executed = block.execute(&deploys(20, code)).unwrap();
    let TransactionOutcome::Reverted(reverted) = &executed.outcome else {
        panic!("{executed:?}");
    };
    let init = reverted.receipt.digest;
    let digest = deployment_digest(&id(20), code_gas, Some(&init));
    assert_eq!(executed.included.unwrap().digest, digest);
    assert_eq!(executed.gas_spent, code_gas + reverted.receipt.gas_spent);
    assert_eq!(block.gas_spent(), executed.gas_spent);

    let counter = contract_bytecode!("counter");
    let mut block = world.block();
    let executed = block.execute(&deploys(21, counter)).unwrap();
    let TransactionOutcome::Success(TransactionReceipt::Deploy(receipt)) = &executed.outcome else {
        panic!("{executed:?}");
    };
    let init = receipt.init.as_ref().map(|init| init.digest);
    let digest = deployment_digest(&id(21), receipt.code_gas, init.as_ref());
    assert_eq!(executed.included.unwrap().digest, digest);
    assert!(executed.gas_spent >= receipt.code_gas);
}

/// P1, P2: what can not be in a block leaves no trace: no gas, no receipt, no place, no root.
#[test]
fn rejected_transactions_leave_no_trace() {
    let world = World::native();
    let mut block = world.block();
    block.execute(&act(0, &[Write(cell(0), 1)])).unwrap();
    let before = (
        block.root().unwrap(),
        block.receipts_root(),
        block.gas_spent(),
    );
    let long = [(("n").repeat(256), vec![1])].into();
    let rejected = [
        Transaction::call_raw(id(99), "run", [], LIMIT),
        Transaction::call_raw(id(0), "no such function", [], LIMIT),
        Transaction::call_raw(id(0), "run", vec![0; 65_537], LIMIT),
        deploys(0, contract_bytecode!("counter")),
        deploys(30, b"no code"),
        Transaction {
            data: long,
            ..act(0, &[])
        },
        act(0, &[]).with_datum("block_height", &3_u64).unwrap(),
    ];
    for transaction in &rejected {
        let executed = block.execute(transaction).unwrap();
        let is_rejected = matches!(executed.outcome, TransactionOutcome::Rejected(_));
        assert!(is_rejected, "{executed:?}");
        assert_eq!((executed.included, executed.gas_spent), (None, 0));
    }
    let filled = block.execute_all(&rejected).unwrap();
    assert_eq!(
        (filled.included, filled.rejected, filled.full_at),
        (0, 7, None)
    );
    let after = (
        block.root().unwrap(),
        block.receipts_root(),
        block.gas_spent(),
    );
    assert_eq!(after, before);
}

/// P2: the settings say what can be undone; what can not is said before anything is.
#[test]
fn only_what_is_kept_can_be_undone() {
    let world = World::native();
    let write = |value| act(0, &[Write(cell(0), value)]);
    let forgotten = |error: UndoError| match error {
        UndoError::Forgotten { index } => index,
        other => panic!("{other}"),
    };

    let mut block = world.block(); // Undo::Last
    assert!(matches!(block.undo_last(), Err(UndoError::Nothing)));
    block.execute(&write(1)).unwrap();
    let root = block.root().unwrap();
    block.execute(&write(2)).unwrap();
    assert_eq!(forgotten(block.undo_to(0).unwrap_err()), 0);
    assert_eq!(block.undo_last().unwrap().included.unwrap().index, 1);
    assert_eq!(block.root().unwrap(), root);
    assert_eq!(forgotten(block.undo_last().unwrap_err()), 0);

    let settings = settings(world.base).undo(Undo::Never);
    let mut block = world.vm.block(settings).unwrap();
    block.execute(&write(1)).unwrap();
    assert_eq!(forgotten(block.undo_last().unwrap_err()), 0);
    assert_eq!(block.receipts().len(), 1);

    let settings = crate::world::settings(world.base).undo(Undo::All);
    let mut block = world.vm.block(settings).unwrap();
    for value in 0..5 {
        block.execute(&write(value)).unwrap();
    }
    let past = block.undo_to(6).unwrap_err();
    assert!(matches!(
        past,
        UndoError::NotReached {
            len: 6,
            included: 5
        }
    ));
    assert_eq!(block.undo_to(5).unwrap().len(), 0);
    assert_eq!(block.undo_to(0).unwrap().len(), 5);
    assert_eq!(block.root().unwrap(), world.base.root);
    assert_eq!(block.gas_spent(), 0);
}

/// P7: after a failure of the host a block does nothing more, and says so.
#[test]
fn a_block_stops_where_the_host_failed() {
    struct Broken;
    impl crostata::HostQuery for Broken {
        fn price(&self, _: &crostata::QueryContext<'_>, _: &[u8]) -> u64 {
            0
        }
        fn answer(
            &self,
            _: &crostata::QueryContext<'_>,
            _: &[u8],
        ) -> Result<Vec<u8>, crostata::QueryError> {
            panic!("of the embedder")
        }
    }
    let mut vm = crate::fixtures::ephemeral(crate::fixtures::BACKENDS[0]);
    vm.register_host_query("broken", Broken);
    let world = World::over(vm, crate::fixtures::Width::Narrow);
    let mut block = world.block();
    let argument = &("broken".to_owned(), Vec::<u8>::new());
    let asks = [
        deploys(40, contract_bytecode!("host_query")),
        Transaction::call(id(40), "ask", argument, LIMIT).unwrap(),
    ];
    assert!(matches!(block.execute_all(&asks), Err(Fatal::Fault(_))));
    assert!(matches!(block.execute(&act(0, &[])), Err(Fatal::Poisoned)));
    assert!(matches!(block.root(), Err(Fatal::Poisoned)));
    assert!(block.seal([0; 32]).is_err());
    assert!(
        world
            .block()
            .execute(&act(0, &[]))
            .unwrap()
            .outcome
            .is_success()
    );
}
