//! What every engine relies on, of the machine over a VM: names decide, memory can be lost, what is final is durable.

use std::sync::Arc;

use crostata::store::files::MemoryFiles;
use crostata::{Config, ContractId, Protocol, SessionData, VM};
use crostata_machine::{
    Account, AccountState, Arrival, ArriveError, BANK, BANK_CODE, Block, BlockError, ChainId,
    Context, Draft, ExecuteError, FinalizeError, Genesis, Invalid, Machine, OpenError, Outcome,
    Pool, PoolLimits, Refusal, Rules, SecretKey, Transaction, Unfit, VmMachine,
};

const PROPOSER: Account = Account::from_bytes([0xff; 32]);
const GAS: u64 = 5_000_000;
const RICH: u64 = 1_000_000_000_000;

fn alice() -> SecretKey {
    SecretKey::from_bytes(&[1; 32])
}

fn bob() -> SecretKey {
    SecretKey::from_bytes(&[2; 32])
}

fn genesis() -> Genesis {
    Genesis {
        time_ms: 1_790_000_000_000,
        rules: Rules::default(),
        protocol: Protocol::default(),
        bank: BANK_CODE.into(),
        balances: vec![(alice().account(), RICH), (bob().account(), RICH)],
        contracts: Vec::new(),
    }
}

fn open(files: &MemoryFiles, genesis: &Genesis) -> Result<VmMachine, OpenError> {
    let vm = VM::with_files(Arc::new(files.clone()), Config::default()).unwrap();
    VmMachine::open(Arc::new(vm), genesis)
}

fn machine() -> VmMachine {
    open(&MemoryFiles::new(), &genesis()).unwrap()
}

fn context(height: u64) -> Context {
    Context {
        height,
        time_ms: 1_790_000_000_000 + height * 1_000,
        proposer: PROPOSER,
    }
}

fn transfer(chain: ChainId, from: &SecretKey, nonce: u64, to: Account, amount: u64) -> Transaction {
    let call = Draft::call(BANK, "transfer", &(to.to_bytes(), amount)).unwrap();
    call.with(nonce, GAS, 1).sign(from, &chain)
}

fn build(machine: &VmMachine, parent: &Block, offered: &[Transaction]) -> Block {
    let context = context(parent.height() + 1);
    machine
        .build(&parent.digest(), &context, offered)
        .unwrap()
        .block
}

/// P1: what one machine builds another comes to, too; balances, nonces and fees are what the transactions say.
#[test]
fn what_one_builds_another_accepts() {
    let (proposer, voter) = (machine(), machine());
    let chain = proposer.chain();
    let offered: Vec<_> = (0..3)
        .map(|nonce| transfer(chain, &alice(), nonce, bob().account(), 10))
        .collect();
    let block = build(&proposer, proposer.genesis(), &offered);
    assert_eq!(block.transactions().len(), 3);
    voter.check(&block).unwrap();

    let receipts = voter.finalize(1, &block).unwrap();
    let fees: u64 = receipts.iter().map(|receipt| receipt.fee).sum();
    assert!(
        receipts
            .iter()
            .all(|receipt| matches!(receipt.outcome, Outcome::Success { .. }))
    );
    let has = |account| voter.account(&account).unwrap();
    let spent = AccountState {
        balance: RICH - 30 - fees,
        nonce: 3,
    };
    assert_eq!(has(alice().account()), spent);
    assert_eq!(
        has(bob().account()),
        AccountState {
            balance: RICH + 30,
            nonce: 0
        }
    );
    assert_eq!(has(PROPOSER).balance, fees);
    assert!(receipts.iter().all(|receipt| receipt.gas_spent < GAS));
}

/// P3: what was made final is there after the machine is opened again, at its height; telling it again, or what is below it, changes nothing.
#[test]
fn delivery_is_at_least_once() {
    let files = MemoryFiles::new();
    let machine = open(&files, &genesis()).unwrap();
    let first = build(&machine, machine.genesis(), &[]);
    let second = build(&machine, &first, &[]);
    machine.finalize(1, &first).unwrap();
    machine.finalize(2, &second).unwrap();
    let finalized = machine.finalized();
    drop(machine);

    let machine = open(&files, &genesis()).unwrap();
    assert_eq!(machine.finalized(), finalized);
    for (height, block) in [
        (0, machine.genesis().clone()),
        (1, first.clone()),
        (2, second.clone()),
    ] {
        assert!(machine.finalize(height, &block).unwrap().is_empty());
    }
    assert_eq!(machine.finalized(), finalized);
    let other = build(
        &machine,
        &second,
        &[transfer(machine.chain(), &alice(), 0, PROPOSER, 1)],
    );
    let third = build(&machine, &second, &[]);
    machine.finalize(3, &third).unwrap();
    let conflict = machine.finalize(3, &other).unwrap_err();
    assert!(
        matches!(conflict, FinalizeError::Conflict { height: 3, .. }),
        "{conflict}"
    );
}

/// P4: a directory whose final state is not the block's is found out as soon as the block is told again, and nothing follows it.
#[test]
fn a_final_state_that_was_changed_is_not_the_blocks() {
    let files = MemoryFiles::new();
    let machine = open(&files, &genesis()).unwrap();
    let first = build(&machine, machine.genesis(), &[]);
    machine.finalize(1, &first).unwrap();
    let base = SessionData::builder().base(machine.commit());
    let mut session = machine.vm().session(base).unwrap();
    let charge = (alice().account().to_bytes(), 0u64, RICH);
    let charged = session.call::<_, ()>(BANK, "charge", &charge, GAS);
    charged.unwrap();
    session.commit_with_tag(first.digest().to_bytes()).unwrap();
    drop((session, machine));

    let machine = open(&files, &genesis()).unwrap();
    assert_eq!(machine.finalized().digest, first.digest());
    assert_eq!(machine.account(&alice().account()).unwrap().balance, 0);
    let told = machine.finalize(1, &first).unwrap_err();
    let FinalizeError::Diverged { block, invalid } = &told else {
        panic!("{told}");
    };
    assert_eq!(block.digest(), first.digest());
    let Invalid::Roots { said, ours } = invalid else {
        panic!("{invalid}");
    };
    assert_eq!(said.state, first.header().state_root);
    assert_eq!(ours.state, machine.finalized().state_root);
}

/// P3: what is final is durable, and is final after a restart, whether or not the machine was told that nothing more comes for now.
#[test]
fn what_is_put_off_is_not_lost() {
    let files = MemoryFiles::new();
    let machine = open(&files, &genesis()).unwrap();
    let mut parent = machine.genesis().clone();
    for height in 1..=40 {
        let pay = transfer(machine.chain(), &alice(), height - 1, bob().account(), 1);
        parent = build(&machine, &parent, &[pay]);
        machine.finalize(height, &parent).unwrap();
        assert!(
            machine.vm().commits().len() <= 17,
            "what nobody needs is forgotten"
        );
        if height % 13 == 0 {
            machine.settle().unwrap();
            assert_eq!(machine.vm().finalized(), Some(machine.commit()));
        }
    }
    let (finalized, commit) = (machine.finalized(), machine.commit());
    assert_ne!(machine.vm().finalized(), Some(commit));
    drop(machine);
    let machine = open(&files, &genesis()).unwrap();
    assert_eq!((machine.finalized(), machine.commit()), (finalized, commit));
    assert_eq!(
        machine.account(&bob().account()).unwrap().balance,
        RICH + 40
    );
}

/// After a restart blocks that are not final are gone; a block above them is no verdict but a wish for its ancestors, which are executed again.
#[test]
fn unfinalised_blocks_are_executed_again_after_a_restart() {
    let files = MemoryFiles::new();
    let machine = open(&files, &genesis()).unwrap();
    let first = build(&machine, machine.genesis(), &[]);
    let pay = transfer(machine.chain(), &alice(), 0, bob().account(), 7);
    let second = build(&machine, &first, &[pay]);
    let third = build(&machine, &second, &[]);
    drop(machine);

    let machine = open(&files, &genesis()).unwrap();
    let missing = machine.check(&third).unwrap_err();
    let ExecuteError::UnknownParent { parent } = missing else {
        panic!("{missing}")
    };
    assert_eq!(parent, second.digest());
    let gap = machine.finalize(3, &third).unwrap_err();
    assert!(matches!(gap, FinalizeError::Gap { height: 3, .. }), "{gap}");
    for block in [&first, &second, &third] {
        machine.check(block).unwrap();
    }
    let gap = machine.finalize(3, &third).unwrap_err();
    assert!(
        matches!(gap, FinalizeError::Gap { height: 3, .. }),
        "what it follows is not durable: {gap}"
    );
    for block in [&first, &second, &third] {
        machine.finalize(block.height(), block).unwrap();
    }
    assert_eq!(machine.account(&bob().account()).unwrap().balance, RICH + 7);
}

/// Two blocks may come to one state root: each has its own state and name, and only the one that is final is written.
#[test]
fn siblings_with_one_state_root_are_two_states() {
    let machine = machine();
    let parent = machine.genesis().digest();
    let other = Context {
        proposer: Account::from_bytes([7; 32]),
        ..context(1)
    };
    let first = machine.build(&parent, &context(1), &[]).unwrap().block;
    let second = machine.build(&parent, &other, &[]).unwrap().block;
    assert_eq!(first.header().state_root, second.header().state_root);
    assert_ne!(first.digest(), second.digest());

    let child = build(&machine, &second, &[]);
    machine.finalize(1, &second).unwrap();
    assert!(machine.has(&second.digest()) && !machine.has(&first.digest()));
    machine.settle().unwrap();
    assert_eq!(machine.vm().commits().len(), 1);
    machine.finalize(2, &child).unwrap();
    assert_eq!(machine.finalized().digest, child.digest());
}

/// P7: a block that says what it does not come to is refused, with both; what was executed for that is kept by nobody.
#[test]
fn a_lying_block_is_refused() {
    let machine = machine();
    let block = build(&machine, machine.genesis(), &[]);
    let voter = self::machine();
    let mut header = *block.header();
    header.state_root = crostata::Root::from_bytes([1; 32]);
    let lie = Block::new(header, Vec::new());
    let error = voter.check(&lie).unwrap_err();
    assert!(
        matches!(error, ExecuteError::Invalid(Invalid::Roots { .. })),
        "{error}"
    );
    assert!(!voter.has(&lie.digest()));
    let error = voter.finalize(1, &lie).unwrap_err();
    assert!(matches!(error, FinalizeError::Diverged { .. }), "{error}");
}

/// A block with a transaction that can not be in it is refused, and says which and why; a proposer passes it over.
#[test]
fn unfit_transactions_are_not_in_blocks() {
    let machine = machine();
    let chain = machine.chain();
    let parent = machine.genesis().digest();
    let poor = SecretKey::from_bytes(&[9; 32]);
    let cheap = Draft::call(BANK, "transfer", &([0u8; 32], 1u64)).unwrap();
    let unfit = [
        transfer(chain, &alice(), 1, PROPOSER, 1),
        transfer(chain, &poor, 0, PROPOSER, 1),
        transfer(ChainId::from_bytes([1; 32]), &alice(), 0, PROPOSER, 1),
        cheap.clone().with(0, GAS, 0).sign(&alice(), &chain),
        cheap.clone().with(0, 10, 1).sign(&alice(), &chain),
        cheap.clone().with(0, u64::MAX, 2).sign(&alice(), &chain),
        cheap
            .with(0, Rules::default().block_gas, 1)
            .sign(&alice(), &chain),
    ];
    for (at, transaction) in unfit.iter().enumerate() {
        let given = [transfer(chain, &bob(), 0, PROPOSER, 1), transaction.clone()];
        let error = machine.execute(&parent, &context(1), &given).unwrap_err();
        let ExecuteError::Invalid(Invalid::Transaction { index: 1, unfit }) = error else {
            panic!("{at}: {error}");
        };
        match (at, unfit) {
            (0 | 1, Unfit::Charge(_))
            | (2, Unfit::Signature(_))
            | (3, Unfit::Underpaid { .. })
            | (4, Unfit::TooLittleGas { .. })
            | (5, Unfit::Price)
            | (6, Unfit::Full { .. }) => {}
            (at, unfit) => panic!("{at}: {unfit}"),
        }
    }
    // Signatures are looked at when transactions come to the pool, and not again when they are put into a block.
    let offered: Vec<_> = unfit
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 2)
        .map(|(_, one)| one.clone())
        .collect();
    let built = machine.build(&parent, &context(1), &offered).unwrap();
    assert_eq!(
        (built.block.transactions().len(), built.refused.len()),
        (0, 5)
    );
    self::machine().check(&built.block).unwrap();
}

/// P2: a transaction that fails pays its fee, and nothing else of it stays.
#[test]
fn a_failed_transaction_pays() {
    let machine = machine();
    let chain = machine.chain();
    let nobody = ContractId::from_bytes([3; 32]);
    let failing = [
        transfer(chain, &alice(), 0, bob().account(), RICH),
        Draft::call(nobody, "anything", &())
            .unwrap()
            .with(1, GAS, 1)
            .sign(&alice(), &chain),
    ];
    let block = build(&machine, machine.genesis(), &failing);
    let receipts = machine.finalize(1, &block).unwrap();
    assert_eq!(receipts.len(), 2);
    for receipt in &receipts {
        assert!(
            matches!(receipt.outcome, Outcome::Failed { .. }),
            "{receipt:?}"
        );
    }
    let fees: u64 = receipts.iter().map(|receipt| receipt.fee).sum();
    let state = machine.account(&alice().account()).unwrap();
    assert_eq!(
        state,
        AccountState {
            balance: RICH - fees,
            nonce: 2
        }
    );
    assert_eq!(machine.account(&bob().account()).unwrap().balance, RICH);
}

/// Nobody does by signing what only the chain does: no money, no nonces, no fees from others.
#[test]
fn nobody_signs_what_the_chain_does() {
    let machine = machine();
    let chain = machine.chain();
    let (alice, bob) = (alice(), bob());
    let one = alice.account().to_bytes();
    let other = bob.account().to_bytes();
    let calls = [
        Draft::call(BANK, "charge", &(one, 0u64, RICH)).unwrap(),
        Draft::call(BANK, "settle", &(one, other, 5u64)).unwrap(),
        Draft::call(BANK, "begin", &(9u64, 9u64)).unwrap(),
        Draft::call(BANK, "init", &(one, vec![(other, 9u64)])).unwrap(),
    ];
    let signed = calls
        .into_iter()
        .zip(0..)
        .map(|(call, nonce)| call.with(nonce, GAS, 1).sign(&bob, &chain));
    let block = build(&machine, machine.genesis(), &signed.collect::<Vec<_>>());
    let receipts = machine.finalize(1, &block).unwrap();
    assert_eq!(receipts.len(), 4);
    assert!(
        receipts
            .iter()
            .all(|receipt| matches!(receipt.outcome, Outcome::Failed { .. }))
    );
    assert_eq!(
        machine.account(&alice.account()).unwrap(),
        AccountState {
            balance: RICH,
            nonce: 0
        }
    );
    assert_eq!(machine.finalized().height, 1);
}

/// An over-limit block can get its proposer blocked: nobody builds one, whatever is offered.
#[test]
fn an_over_limit_block_is_never_built() {
    let rules = Rules {
        block_bytes_max: 2_000,
        block_transactions_max: 5,
        ..Rules::default()
    };
    let genesis = Genesis {
        rules: rules.clone(),
        ..genesis()
    };
    let machine = open(&MemoryFiles::new(), &genesis).unwrap();
    let chain = machine.chain();
    let long = Draft::call(BANK, "transfer", &vec![0u8; 1_500]).unwrap();
    let mut offered: Vec<_> = (0..9)
        .map(|nonce| transfer(chain, &alice(), nonce, PROPOSER, 1))
        .collect();
    offered.push(long.with(0, GAS, 1).sign(&bob(), &chain));
    let block = build(&machine, machine.genesis(), &offered);
    let bytes = block.encode();
    assert_eq!(
        (bytes.len(), block.transactions().len()),
        (block.len_bytes(), 5)
    );
    assert_eq!(Block::decode(&bytes, &rules).unwrap(), block);
    offered.reverse();
    let block = build(&machine, machine.genesis(), &offered);
    assert!(block.encode().len() <= 2_000);

    let too_long = Block::new(*block.header(), offered.clone()).encode();
    let error = Block::decode(&too_long, &rules).unwrap_err();
    assert!(
        matches!(
            error,
            BlockError::TooLong {
                max_bytes: 2_000,
                ..
            }
        ),
        "{error}"
    );
    let many: Vec<_> = offered.iter().skip(1).take(6).cloned().collect();
    let many = Block::new(*block.header(), many).encode();
    let rules = Rules {
        block_bytes_max: 10_000,
        ..rules
    };
    let error = Block::decode(&many, &rules).unwrap_err();
    assert_eq!(
        error,
        BlockError::TooMany {
            transactions: 6,
            max: 5
        }
    );
}

/// P7: bytes that are no block are typed errors, and every byte of a block is part of its name.
#[test]
fn bytes_that_are_no_block_are_refused() {
    let machine = machine();
    let rules = machine.rules();
    let pay = transfer(machine.chain(), &alice(), 0, PROPOSER, 1);
    let block = build(&machine, machine.genesis(), &[pay]);
    let bytes = block.encode();
    assert_eq!(Block::decode(&bytes, rules).unwrap().encode(), bytes);
    for at in 0..bytes.len() {
        assert!(Block::decode(&bytes[..at], rules).is_err());
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        if let Ok(read) = Block::decode(&changed, rules) {
            assert_ne!(read.digest(), block.digest(), "byte {at}");
            assert_eq!(read.encode(), changed);
        }
    }
}

/// A directory of another chain is refused, with both names.
#[test]
fn another_chains_state_is_refused() {
    let files = MemoryFiles::new();
    drop(open(&files, &genesis()).unwrap());
    let other = Genesis {
        time_ms: 1,
        ..genesis()
    };
    let error = open(&files, &other).unwrap_err();
    let OpenError::OtherChain { found, wanted } = error else {
        panic!("{error}")
    };
    assert_eq!((found, wanted), (genesis().chain(), other.chain()));
}

fn pool(limits: PoolLimits) -> Pool {
    Pool::new(Rules::default(), limits)
}

/// What a node does with a transaction that comes.
fn add(pool: &mut Pool, transaction: &Transaction, account: AccountState) -> Result<(), Refusal> {
    pool.check(transaction, account)?;
    let verified = transaction.verify(&genesis().chain())?;
    pool.add(verified, account).map(drop)
}

const FRESH: AccountState = AccountState {
    balance: RICH,
    nonce: 0,
};

/// What can not be in a block is not taken, and who sent it is told why.
#[test]
fn the_pool_refuses_with_reasons() {
    let chain = genesis().chain();
    let mut pool = pool(PoolLimits {
        sender_transactions_max: 4,
        ..PoolLimits::default()
    });
    let pay = |nonce| transfer(chain, &alice(), nonce, PROPOSER, 1);
    add(&mut pool, &pay(0), FRESH).unwrap();
    assert_eq!(add(&mut pool, &pay(0), FRESH), Err(Refusal::Duplicate));

    let call = || Draft::call(BANK, "transfer", &([0u8; 32], 1u64)).unwrap();
    let sign = |draft: Draft| draft.sign(&alice(), &chain);
    let refused =
        |pool: &mut Pool, transaction, account| add(pool, &transaction, account).unwrap_err();
    let foreign = call()
        .with(1, GAS, 1)
        .sign(&alice(), &ChainId::from_bytes([1; 32]));
    assert!(matches!(
        refused(&mut pool, foreign, FRESH),
        Refusal::Signature(_)
    ));
    let cheap = refused(&mut pool, sign(call().with(1, GAS, 0)), FRESH);
    assert!(matches!(
        cheap,
        Refusal::Unfit(Unfit::Underpaid {
            offered: 0,
            least: 1
        })
    ));
    let little = refused(&mut pool, sign(call().with(1, 99, 1)), FRESH);
    assert!(matches!(
        little,
        Refusal::Unfit(Unfit::TooLittleGas { limit_gas: 99, .. })
    ));
    let much = refused(&mut pool, sign(call().with(1, u64::MAX, 1)), FRESH);
    assert!(matches!(much, Refusal::NoBlock { .. }));
    let long = Draft::call(BANK, "transfer", &vec![0u8; 60_000]).unwrap();
    let rules = Rules {
        transaction_bytes_max: 1_000,
        ..Rules::default()
    };
    let mut strict = Pool::new(rules, PoolLimits::default());
    let long = refused(&mut strict, sign(long.with(1, GAS, 1)), FRESH);
    assert!(matches!(
        long,
        Refusal::TooLong {
            max_bytes: 1_000,
            ..
        }
    ));
    let used = refused(&mut pool, pay(2), AccountState { nonce: 3, ..FRESH });
    assert_eq!(used, Refusal::NonceUsed { given: 2, next: 3 });
    let ahead = refused(&mut pool, pay(4), FRESH);
    assert_eq!(
        ahead,
        Refusal::NonceAhead {
            given: 4,
            next: 0,
            ahead_max: 4
        }
    );
    let poor = refused(
        &mut pool,
        pay(1),
        AccountState {
            balance: 2 * GAS - 1,
            nonce: 0,
        },
    );
    assert_eq!(
        poor,
        Refusal::Balance {
            has: 2 * GAS - 1,
            needs: 2 * GAS
        }
    );
    let again = refused(&mut pool, sign(call().with(0, GAS, 1)), FRESH);
    assert_eq!(again, Refusal::Replacement { least: 2 });
    assert_eq!(pool.len(), 1);
    add(&mut pool, &sign(call().with(0, GAS, 2)), FRESH).unwrap();
    assert_eq!(pool.len(), 1, "it was replaced");
}

/// Best paid first, each sender's in order and without gaps; what is pending is left out, what is final forgotten.
#[test]
fn the_pool_offers_in_order() {
    let chain = genesis().chain();
    let mut pool = pool(PoolLimits::default());
    let pay = |key: &SecretKey, nonce, price| {
        let call = Draft::call(BANK, "transfer", &([0u8; 32], 1u64)).unwrap();
        call.with(nonce, GAS, price).sign(key, &chain)
    };
    let (a0, a1, a3) = (
        pay(&alice(), 0, 1),
        pay(&alice(), 1, 9),
        pay(&alice(), 3, 9),
    );
    let (b0, b1) = (pay(&bob(), 0, 3), pay(&bob(), 1, 1));
    for one in [&a3, &a1, &a0, &b1, &b0] {
        add(&mut pool, one, FRESH).unwrap();
    }
    let none = Default::default();
    let offered = pool.offer(10, &none);
    assert_eq!(offered, [b0.clone(), a0.clone(), a1.clone(), b1.clone()]);
    assert_eq!(pool.next_nonce(&alice().account(), 0), 2);
    let pending = [b0.digest(), a0.digest()].into();
    assert_eq!(pool.offer(10, &pending), [a1.clone(), b1.clone()]);
    pool.finalized(&[a1, b0]);
    assert_eq!(pool.len(), 2);
    assert_eq!(pool.offer(10, &none), [a3, b1]);
}

/// P6: the pool is bounded; who offers more takes the place of who offers least.
#[test]
fn the_pool_is_bounded() {
    let chain = genesis().chain();
    let mut pool = pool(PoolLimits {
        transactions_max: 2,
        ..PoolLimits::default()
    });
    let pay = |seed: u8, price| {
        let call = Draft::call(BANK, "transfer", &([0u8; 32], 1u64)).unwrap();
        call.with(0, GAS, price)
            .sign(&SecretKey::from_bytes(&[seed; 32]), &chain)
    };
    add(&mut pool, &pay(1, 5), FRESH).unwrap();
    add(&mut pool, &pay(2, 3), FRESH).unwrap();
    let full = add(&mut pool, &pay(3, 3), FRESH).unwrap_err();
    assert!(
        matches!(
            full,
            Refusal::Full {
                transactions: 2,
                ..
            }
        ),
        "{full}"
    );
    add(&mut pool, &pay(4, 4), FRESH).unwrap();
    let prices: Vec<_> = pool
        .offer(9, &Default::default())
        .iter()
        .map(|one| one.draft().gas_price)
        .collect();
    assert_eq!(prices, [5, 4]);
}

/// P6: a state arrives in chunks that are held against a header's root, one by one: the state of another block is refused at the beginning, and a wrong chunk
/// as if it had not come.
#[test]
fn a_state_that_is_not_the_headers_does_not_arrive() {
    let machine = machine();
    let first = build(&machine, machine.genesis(), &[]);
    machine.finalize(1, &first).unwrap();
    let snapshot = machine.snapshot().unwrap();
    let second = build(&machine, &first, &[]);
    let vm = Arc::new(VM::with_files(Arc::new(MemoryFiles::new()), Config::default()).unwrap());
    let other = Arrival::begin(&vm, second.header(), &snapshot.beginning());
    assert!(matches!(other, Err(ArriveError::Peer(_))));
    let mut arrival = Arrival::begin(&vm, first.header(), &snapshot.beginning()).unwrap();
    let mut chunks = 0;
    while let Some(wanted) = arrival.wants() {
        let chunk = snapshot.chunk(&wanted, 4_096).unwrap().unwrap();
        let mut wrong = chunk.clone();
        wrong[chunk.len() / 2] ^= 1;
        assert!(matches!(arrival.accept(&wrong), Err(ArriveError::Peer(_))));
        assert_eq!(arrival.wants(), Some(wanted));
        arrival.accept(&chunk).unwrap();
        chunks += 1;
    }
    arrival.finish().unwrap();
    assert!(chunks > 1);
    let arrived = VmMachine::open(vm, &genesis()).unwrap();
    assert_eq!(arrived.finalized(), machine.finalized());
}
