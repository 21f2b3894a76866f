//! What is easily wrong between an engine of consensus and a state machine, each by name.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use commonware_codec::{Decode, Encode};
use commonware_consensus::Application as _;
use commonware_consensus::marshal::ancestry;
use commonware_consensus::simplex::types::{
    Context as Consensus, Finalization, Finalize, Proposal,
};
use commonware_consensus::types::{Epoch, Round, View};
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_cryptography::{Digested, Digestible, Signer as _};
use commonware_macros::select;
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Runner, Supervisor, deterministic, tokio};
use commonware_utils::{TryCollect as _, non_empty};
use crostata::store::files::MemoryFiles;
use crostata::{Config, LogConfig, Protocol, Root, VM};
use crostata_chain::{
    Alarm, Alarms, Application, ChainBlock, Digest, Keys, Offer, OfferError, Pace, Scheme,
    SharedPool, Worker,
};
use crostata_machine::{
    Account, AccountState, BANK_CODE, Block, BlockDigest, Built, Context, ExecuteError, Executed,
    Fatal, FinalizeError, Finalized, Genesis, Header, Machine, Pool, PoolLimits, Receipt, Rules,
    Sealed, SecretKey, SignatureError, Snapshot, Transaction, Verified, VmMachine,
};

static TEMPLATE: LazyLock<VM> =
    LazyLock::new(|| VM::with_files(Arc::new(MemoryFiles::new()), Config::default()).unwrap());

fn genesis() -> Genesis {
    Genesis {
        time_ms: 0,
        rules: Rules::default(),
        protocol: Protocol::default(),
        bank: BANK_CODE.into(),
        balances: vec![(SecretKey::from_bytes(&[1; 32]).account(), 1 << 60)],
        contracts: Vec::new(),
    }
}

fn machine() -> Arc<VmMachine> {
    let files = Arc::new(MemoryFiles::new());
    let vm = TEMPLATE.beside(files, LogConfig::default()).unwrap();
    Arc::new(VmMachine::open(Arc::new(vm), &genesis()).unwrap())
}

fn leader() -> PublicKey {
    PrivateKey::from_seed(0).public_key()
}

fn proposer() -> Account {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(leader().as_ref());
    Account::of_key(&bytes)
}

/// So many blocks, one on the other, the first one first.
fn chain(machine: &VmMachine, times: &[u64]) -> Vec<Block> {
    let mut blocks = vec![machine.genesis().clone()];
    for (time_ms, height) in times.iter().zip(1..) {
        let context = Context {
            height,
            time_ms: *time_ms,
            proposer: proposer(),
        };
        let parent = blocks.last().unwrap().digest();
        blocks.push(machine.build(&parent, &context, &[]).unwrap().block);
    }
    blocks
}

fn application<M: Machine>(machine: &Arc<M>) -> (Application<M>, Alarms) {
    let alarms = Alarms::default();
    let pool = SharedPool::new(Pool::new(Rules::default(), PoolLimits::default()));
    let worker = Worker::new(machine.clone(), Duration::from_millis(5));
    let application = Application::new(worker, pool, alarms.clone(), Pace::default());
    (application, alarms)
}

fn digested(block: &Block) -> Digested<ChainBlock> {
    let block = ChainBlock::from(block.clone());
    let digest = block.digest();
    Digested::precomputed(block, digest)
}

/// What is asked about the last of these, whose ancestors are the others, as far as they go.
async fn verify<M: Machine>(
    context: &deterministic::Context,
    application: &Application<M>,
    blocks: &[Block],
) -> bool {
    let ancestry = ancestry::from_iter(blocks.iter().rev().map(digested));
    let consensus = Consensus::<Digest, PublicKey> {
        round: Round::new(Epoch::zero(), View::new(9)),
        leader: leader(),
        parent: (View::new(8), digested(&blocks[blocks.len() - 2]).digest()),
    };
    let mut application = application.clone();
    application
        .verify((context.child("verify"), consensus), ancestry)
        .await
}

/// Nothing within a minute.
async fn assert_undecided<M: Machine>(
    context: &deterministic::Context,
    application: &Application<M>,
    blocks: &[Block],
) {
    select! {
        verdict = verify(context, application, blocks) => panic!("{verdict} is a verdict"),
        _ = context.sleep(Duration::from_secs(60)) => {},
    }
}

fn simulate<F: Future>(run: impl FnOnce(deterministic::Context) -> F) {
    deterministic::Runner::timed(Duration::from_secs(600)).start(|context| async move {
        run(context).await;
    });
}

/// A verdict is final: where an ancestor is missing there is none, neither yes nor no; where it is there after a restart it is executed first.
#[test]
fn missing_data_is_no_verdict() {
    simulate(async |context| {
        let blocks = chain(&machine(), &[10, 20, 30]);
        let (application, alarms) = application(&machine());
        assert_undecided(&context, &application, &blocks[2..]).await;
        assert!(verify(&context, &application, &blocks).await);
        assert!(alarms.raised().is_empty());
    });
}

/// An ancestry that does not lead to what is final here is no reason to say no.
#[test]
fn another_ancestry_is_no_verdict() {
    simulate(async |context| {
        let voter = machine();
        let others = chain(&machine(), &[11, 21]);
        let blocks = chain(&voter, &[10, 20]);
        voter.finalize(1, &blocks[1]).unwrap();
        voter.finalize(2, &blocks[2]).unwrap();
        let (application, _) = application(&voter);
        let third = chain(&machine(), &[11, 21, 31]).pop().unwrap();
        let blocks = [&others[..], &[third]].concat();
        assert_undecided(&context, &application, &blocks).await;
    });
}

/// Futures are cancelled at any moment: asked again, the answer is what it would have been.
#[test]
fn a_cancelled_question_can_be_asked_again() {
    simulate(async |context| {
        let blocks = chain(&machine(), &[10, 20, 30]);
        for polls in 1..40 {
            let (application, _) = application(&machine());
            {
                let mut asked = Box::pin(verify(&context, &application, &blocks));
                for _ in 0..polls {
                    if futures::poll!(&mut asked).is_ready() {
                        break;
                    }
                    context.sleep(Duration::from_millis(1)).await;
                }
            }
            assert!(
                verify(&context, &application, &blocks).await,
                "after {polls} polls"
            );
        }
    });
}

/// A block of the future is not invalid, only early: its vote waits until it is not.
#[test]
fn a_block_of_the_future_waits() {
    simulate(async |context| {
        let blocks = chain(&machine(), &[10_000]);
        let (application, _) = application(&machine());
        assert!(verify(&context, &application, &blocks).await);
        let now = context.current().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(now, Duration::from_millis(9_500));
    });
}

/// What no node can ever accept is refused at once.
#[test]
fn what_can_never_be_right_is_refused() {
    simulate(async |context| {
        let built = chain(&machine(), &[10, 20]);
        let changed = |change: fn(&mut Header)| {
            let mut header = *built[2].header();
            change(&mut header);
            [&built[..2], &[Block::new(header, Vec::new())]].concat()
        };
        let wrong = [
            changed(|header| header.time_ms = 10),
            changed(|header| header.proposer = Account::default()),
            changed(|header| header.state_root = Root::from_bytes([1; 32])),
            changed(|header| header.receipts_root = crostata::ReceiptsRoot::from_bytes([1; 32])),
        ];
        for blocks in wrong {
            let (application, alarms) = application(&machine());
            assert!(!verify(&context, &application, &blocks).await);
            assert!(alarms.raised().is_empty());
        }
    });
}

/// Validity is of a block in its context, alike for who knows the block and who does not: a block is its proposer's, also where it was executed already.
#[test]
fn a_known_block_of_another_leader_is_refused() {
    simulate(async |context| {
        let voter = machine();
        let mut blocks = chain(&voter, &[10]);
        let theirs = Context {
            height: 2,
            time_ms: 20,
            proposer: Account::from_bytes([3; 32]),
        };
        let theirs = voter
            .build(&blocks[1].digest(), &theirs, &[])
            .unwrap()
            .block;
        assert!(voter.has(&theirs.digest()));
        blocks.push(theirs);
        let (application, _) = application(&voter);
        assert!(!verify(&context, &application, &blocks).await);
    });
}

/// A machine that fails, or is wrong.
struct Failing {
    machine: Arc<VmMachine>,
    fails: fn(u64) -> Option<ExecuteError>,
    executed: AtomicUsize,
}

impl Machine for Failing {
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
        self.executed.fetch_add(1, Ordering::Relaxed);
        match (self.fails)(context.height) {
            Some(error) => Err(error),
            None => self.machine.execute(parent, context, transactions),
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
        self.machine.build(parent, context, offered)
    }

    fn finalize(&self, height: u64, block: &Block) -> Result<Vec<Receipt>, FinalizeError> {
        self.machine.finalize(height, block)
    }

    fn settle(&self) -> Result<(), Fatal> {
        self.machine.settle()
    }

    fn finalized(&self) -> Finalized {
        self.machine.finalized()
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, Fatal> {
        self.machine.snapshot()
    }
}

fn failing(fails: fn(u64) -> Option<ExecuteError>) -> Arc<Failing> {
    Arc::new(Failing {
        machine: machine(),
        fails,
        executed: AtomicUsize::new(0),
    })
}

/// A host that fails says nothing about a block: the node stops, with an alarm, and votes for nothing any more.
#[test]
fn a_failing_host_is_no_verdict() {
    simulate(async |context| {
        let blocks = chain(&machine(), &[10, 20]);
        let machine = failing(|_| {
            let source = std::io::Error::other("broken");
            Some(Fatal::new("a block's result is unknown", source).into())
        });
        let (application, alarms) = application(&machine);
        assert_undecided(&context, &application, &blocks[..2]).await;
        assert!(matches!(alarms.raised()[..], [Alarm::Fatal(_)]));
        assert_undecided(&context, &application, &blocks).await;
        assert_eq!(
            machine.executed.load(Ordering::Relaxed),
            1,
            "it has stopped"
        );
    });
}

/// A block that the others notarised and that is invalid here: this node is wrong, or they are. It says neither yes nor no to what follows, and alarms.
#[test]
fn an_invalid_ancestor_is_an_alarm() {
    simulate(async |context| {
        let blocks = chain(&machine(), &[10, 20]);
        let machine = failing(|height| {
            let invalid = crostata_machine::Invalid::System("broken".to_owned());
            (height == 1).then(|| invalid.into())
        });
        let (application, alarms) = application(&machine);
        assert_undecided(&context, &application, &blocks).await;
        assert!(matches!(
            &alarms.raised()[..],
            [Alarm::Ancestor { block, .. }] if block.height() == 1
        ));
    });
}

/// What was executed once is not executed again when it is asked about again.
#[test]
fn a_question_that_was_answered_costs_nothing() {
    simulate(async |context| {
        let blocks = chain(&machine(), &[10, 20, 30]);
        let machine = failing(|_| None);
        let (application, _) = application(&machine);
        for _ in 0..3 {
            assert!(verify(&context, &application, &blocks).await);
        }
        assert_eq!(machine.executed.load(Ordering::Relaxed), 3);
    });
}

/// The VM runs off the threads that poll others, and inline where there is only one.
#[test]
fn the_vm_runs_off_the_async_thread() {
    let worker = || Worker::new(Arc::new(()), Duration::ZERO);
    let ran_on = tokio::Runner::default().start(|context| async move {
        worker()
            .run(&context, |()| thread::current().id())
            .await
            .unwrap()
    });
    assert_ne!(ran_on, thread::current().id());
    let (polled_on, ran_on) = deterministic::Runner::default().start(|context| async move {
        let ran_on = worker().run(&context, |()| thread::current().id()).await;
        (thread::current().id(), ran_on.unwrap())
    });
    assert_eq!(polled_on, ran_on);
}

/// What a validator signs with, or one of a committee that nobody knows.
fn scheme(number: usize, known: bool) -> Scheme {
    let seeds = if known { 0..4 } else { 40..44 };
    let keys: Vec<_> = seeds.map(PrivateKey::from_seed).collect();
    let committee = keys.iter().map(|key| key.public_key());
    let keys = Keys {
        committee: committee.try_collect().unwrap(),
        key: keys[number].clone(),
    };
    crostata_chain::scheme(&genesis().chain(), &keys)
}

/// What three of a committee sign of a block.
fn finalization(block: &Block, known: bool) -> Finalization<Scheme, Digest> {
    let round = Round::new(Epoch::zero(), View::new(2));
    let payload = digested(block).digest();
    let proposal = Proposal::new(round, View::new(1), payload);
    let vote = |number| Finalize::sign(&scheme(number, known), proposal.clone()).unwrap();
    let votes: Vec<_> = (0..3).map(vote).collect();
    Finalization::from_finalizes(&scheme(0, known), non_empty![@&votes], &Sequential).unwrap()
}

/// P7: a state is offered with what the validators signed of its block. What others signed, or of another block, is refused, and so are bytes that are no offer.
#[test]
fn an_offer_that_the_validators_did_not_sign_is_refused() {
    let blocks = chain(&machine(), &[10, 20]);
    let offer = |signed: &Block, said: &Block, known| {
        let offer = Offer {
            finalization: finalization(signed, known),
            header: *said.header(),
            beginning: vec![1, 2, 3],
        };
        offer.encode()
    };
    simulate(async |mut context| {
        let mut decode = |bytes: &[u8]| Offer::decode(bytes, &scheme(3, true), &mut context);
        let right = offer(&blocks[1], &blocks[1], true);
        let read = decode(&right).unwrap();
        assert_eq!(
            (read.encode(), read.header),
            (right.clone(), *blocks[1].header())
        );
        let others = offer(&blocks[1], &blocks[1], false);
        assert!(matches!(decode(&others), Err(OfferError::Unsigned)));
        let misplaced = offer(&blocks[1], &blocks[2], true);
        assert!(matches!(decode(&misplaced), Err(OfferError::OtherBlock)));
        for len in 0..right.len() - 3 {
            assert!(decode(&right[..len]).is_err(), "{len} bytes");
        }
    });
}

/// Size limits are rules of the chain, for the engine's decoder too: who sends a longer block is blocked, and nobody builds one.
#[test]
fn an_over_limit_block_is_not_decoded() {
    let block = chain(&machine(), &[10]).pop().unwrap();
    let encoded = ChainBlock::from(block.clone()).encode();
    let rules = Rules::default();
    let decoded = ChainBlock::decode_cfg(encoded.clone(), &Arc::new(rules.clone())).unwrap();
    assert_eq!(
        (decoded.block(), decoded.encode()),
        (&block, encoded.clone())
    );
    let strict = Rules {
        block_bytes_max: encoded.len() as u32 - 1,
        ..rules
    };
    assert!(ChainBlock::decode_cfg(encoded, &Arc::new(strict)).is_err());
}
