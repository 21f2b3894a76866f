//! A node around the VM, to be copied: settings, doctor, host queries, warm-up, blocks, votes, finality, queries, proofs, telemetry, shutdown.
//!
//! What a chain brings itself is small here: consensus is a function that says yes, and the network is not there.
//!
//! ```text
//! cargo run --example embed --features settings,telemetry             # in a temporary directory
//! cargo run --example embed --features settings,telemetry -- node.toml
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crostata::operate::{Settings, Telemetry, doctor};
use crostata::serve::{BlockError, ExecutedBlock, Query, Service};
use crostata::{
    Base, BlockContext, BlockSettings, Commit, ContractData, ContractId, Execution,
    Query as HostQuery, QueryContext, SealedBlock, Transaction, VM, Value, ValuePath, ValueProof,
    WarmUp, contract_bytecode,
};

type Failure = Box<dyn Error + Send + Sync>;

/// Rules of this chain, the same on every node: they belong into its specification, not into settings.
const BLOCK_GAS: u64 = 5_000_000_000;
const TRANSACTION_GAS: u64 = 50_000_000;
const HASH_GAS: u64 = 5_000;

/// How long queries that run may go on when the node stops.
const GRACE: Duration = Duration::from_secs(5);

const ACCOUNTS: ContractId = ContractId::from_bytes([1; 32]);
const ASKER: ContractId = ContractId::from_bytes([2; 32]);
const ALICE: [u8; 32] = [0xa1; 32];
const BOB: [u8; 32] = [0xb2; 32];

fn main() -> Result<(), Failure> {
    match std::env::args_os().nth(1) {
        Some(path) => run(&Settings::read(path)?),
        None => run_in_a_temporary_directory(),
    }
}

fn run_in_a_temporary_directory() -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let mut settings = Settings::default();
    settings.store.directory = directory.path().join("state");
    run(&settings)
}

fn run(settings: &Settings) -> Result<(), Failure> {
    let node = Node::start(settings)?;
    let base = node.head();
    let first = node.propose(base, 1, genesis()?)?;
    // The next block can be executed before this one is decided.
    let second = node.propose(Some((&first.sealed).into()), 2, transfers()?)?;
    let other = node.propose(Some((&first.sealed).into()), 2, vec![])?;
    let decided = [&first, &second].map(|block| decide(&block.sealed));
    println!("decided: {decided:?}");

    let first = node.commit(&first)?;
    let second = node.commit(&second)?;
    let fork = node.commit(&other)?;
    println!("fork {} lost", short(&fork));
    node.finalise(first)?;
    node.finalise(second)?;
    node.answer()?;
    node.prove(second)?;
    node.stop();
    Ok(())
}

/// Who decides about blocks. All a vote needs is in memory: nothing was written yet.
fn decide(block: &SealedBlock) -> (String, String) {
    (block.root().to_string(), block.receipts_root().to_string())
}

fn short(commit: &Commit) -> String {
    commit.id.to_string()[..8].to_owned()
}

/// The node: everything runs through the service, whose threads are the only ones that execute.
struct Node {
    service: Arc<Service>,
    /// None if nobody wants metrics.
    publisher: Option<Publisher>,
}

impl Node {
    fn start(settings: &Settings) -> Result<Self, Failure> {
        let report = doctor::check(settings);
        for finding in report
            .findings
            .iter()
            .filter(|one| one.level != doctor::Level::Ok)
        {
            eprintln!("{finding}");
        }
        if report.findings.iter().any(keeps_from_starting) {
            return Err("this machine can not run the node; see above".into());
        }
        let vm = Arc::new(open(settings)?);
        warm_up(&vm, settings)?;
        let service = Service::builder(vm).settings(settings.queries.service());
        let service = Arc::new(service.start()?);
        let wanted = settings.telemetry.metrics;
        let publisher = wanted.then(|| Publisher::start(service.clone(), settings));
        Ok(Self { service, publisher })
    }

    /// Where the chain goes on: what is final, or the empty state.
    fn head(&self) -> Option<Base> {
        self.service.vm().finalized().map(Base::from)
    }

    /// Executes a block on the thread for blocks. An asynchronous node awaits the handle instead of waiting.
    fn propose(
        &self,
        base: Option<Base>,
        height: u64,
        transactions: Vec<Transaction>,
    ) -> Result<ExecutedBlock, BlockError> {
        // Every node is given the same: the time is the block's, never the machine's.
        let context = BlockContext::new(height, 1_774_000_000_000 + height * 1_000);
        let mut settings = BlockSettings::new(context, BLOCK_GAS);
        settings.base = base;
        let settings = settings.execution(Execution::Serial);
        let digest = [height as u8; 32];
        let block = self
            .service
            .execute_block(settings, transactions, digest)
            .wait()?;
        println!(
            "block {height}: {} transactions, {} rejected, {} gas, root {}",
            block.filled.included,
            block.filled.rejected,
            block.sealed.gas_spent(),
            block.sealed.root(),
        );
        for executed in block.sealed.receipts() {
            assert!(
                executed.outcome.is_success(),
                "the example's transactions succeed"
            );
        }
        Ok(block)
    }

    /// Makes a decided block durable. When this returns, the block survives a power cut.
    fn commit(&self, block: &ExecutedBlock) -> Result<Commit, BlockError> {
        let commit = self.service.commit(&block.sealed).wait()?;
        println!("committed {}", short(&commit));
        Ok(commit)
    }

    /// Nothing before or beside this commit will be needed: losing forks are dropped.
    fn finalise(&self, commit: Commit) -> Result<(), BlockError> {
        let commit = self.service.finalize_commit(commit).wait()?;
        let retained = self.service.vm().commits().len();
        println!("final: {}; {retained} commits retained", short(&commit));
        Ok(())
    }

    /// Queries never wait for blocks, nor blocks for them.
    fn answer(&self) -> Result<(), Failure> {
        let balance = Query::new(ACCOUNTS, "balance_of").argument(&ALICE)?;
        let balance = balance
            .client("a light wallet")
            .timeout(Duration::from_millis(500));
        let balance: u64 = self.service.query_blocking(balance)?.decode()?;
        let hash = Query::new(ASKER, "hash").argument(&b"embed".to_vec())?;
        let hash: [u8; 32] = self.service.query_blocking(hash)?.decode()?;
        assert_eq!((balance, hash), (30, hash_of(b"embed")));
        println!("alice has {balance}");
        Ok(())
    }

    /// What a client verifies with `crostata-proof` alone, given a root that it trusts.
    fn prove(&self, commit: Commit) -> Result<(), Failure> {
        let bob = Value::from(BOB);
        let path = ValuePath::key("balances", bob.clone());
        let vm = self.service.vm();
        let proof = vm.prove_value(commit, ACCOUNTS, path)?.encode();
        let proven = ValueProof::decode(&proof)?;
        let balance = proven.verify_key(&commit.root, &ACCOUNTS, "balances", &bob)?;
        assert_eq!(*balance, Some(Value::Uint(20)));
        println!("bob has 20, proven in {} bytes", proof.len());
        Ok(())
    }

    /// Queries that run may end, the block that is being executed does, and everything that was acknowledged is on the disk.
    fn stop(self) {
        self.service.shutdown(GRACE);
        if let Some(publisher) = self.publisher {
            publisher.stop();
        }
        println!("stopped");
    }
}

/// An example runs in a temporary directory, which may be in memory; a node that does so loses its state.
fn keeps_from_starting(finding: &doctor::Finding) -> bool {
    finding.level == doctor::Level::Error && finding.subject != "file system"
}

fn open(settings: &Settings) -> Result<VM, Failure> {
    let mut config = settings.config()?;
    config.observed = Telemetry::observed(settings.telemetry.call_spans);
    let mut vm = VM::with_config(&settings.store.directory, config)?;
    if let Some(tail) = &vm.recovery().dropped_tail {
        eprintln!(
            "{} bytes of a write that nobody was told of were dropped",
            tail.len_bytes
        );
    }
    // Pure, priced, and the same on every node: a query's answer is part of the block.
    let hash = |_: &QueryContext<'_>, bytes: Vec<u8>| Ok(hash_of(&bytes));
    vm.register_query("hash", HostQuery::new(HASH_GAS, hash))?;
    println!("opened {}", vm.root_dir().display());
    Ok(vm)
}

fn hash_of(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// The first block is as fast as the next.
fn warm_up(vm: &VM, settings: &Settings) -> Result<(), Failure> {
    let Some(commit) = vm.finalized() else {
        return Ok(());
    };
    let wanted = settings.warm_up.warm_up();
    let wanted: WarmUp = wanted.for_queries();
    let report = vm.warm_up(commit, &wanted, |_| ControlFlow::Continue(()))?;
    println!(
        "{} contracts are warm, {} bytes loaded",
        report.warmed.len(),
        report.loaded_bytes
    );
    Ok(())
}

/// Publishes metrics from time to time, from a thread of its own.
struct Publisher {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Publisher {
    /// Install a `metrics` recorder and a `tracing` subscriber of your choice before.
    fn start(service: Arc<Service>, settings: &Settings) -> Self {
        let (stop, stopped) = channel();
        let every = Duration::from_millis(settings.telemetry.publish_every_ms);
        Telemetry::describe();
        let telemetry = Mutex::new(Telemetry::new());
        let publish = move || {
            if let Ok(mut telemetry) = telemetry.lock() {
                telemetry.publish(service.vm());
                telemetry.publish_service(&service);
            }
        };
        let thread = thread::spawn(move || publish_until(&stopped, every, publish));
        Self { stop, thread }
    }

    fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

fn publish_until(stopped: &Receiver<()>, every: Duration, publish: impl Fn()) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(every) {
        publish();
    }
    publish();
}

/// The transactions of the first block.
fn genesis() -> Result<Vec<Transaction>, Failure> {
    let deploy = |code: &[u8], id| {
        let data = ContractData::builder().contract_id(id);
        Transaction::deploy(code, data, TRANSACTION_GAS)
    };
    let mint = Transaction::call(ACCOUNTS, "mint", &(ALICE, 50u64), TRANSACTION_GAS)?;
    Ok(vec![
        deploy(contract_bytecode!("accounts"), ACCOUNTS).tagged([1; 32]),
        deploy(contract_bytecode!("host_query"), ASKER).tagged([2; 32]),
        mint.tagged([3; 32]),
    ])
}

/// Those of the second. A tag is the transaction's hash.
fn transfers() -> Result<Vec<Transaction>, Failure> {
    let argument = (ALICE, BOB, 20u64, 9u8);
    let transfer = Transaction::call(ACCOUNTS, "transfer", &argument, TRANSACTION_GAS)?;
    Ok(vec![transfer.tagged([4; 32])])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Whether a directory has what a node left there.
    fn final_balance(directory: &Path) -> Result<u64, Failure> {
        let vm = VM::new(directory)?;
        let commit = vm.finalized().ok_or("nothing is final")?;
        let mut session = vm.session(crostata::SessionData::builder().base(commit))?;
        let receipt = session.call::<_, u64>(ACCOUNTS, "balance_of", &BOB, TRANSACTION_GAS)?;
        Ok(receipt.data)
    }

    /// P3: the whole way, from settings in a file to the shutdown; what was final is there when the directory is opened again, and nobody holds it.
    #[test]
    fn the_node_runs_and_leaves_what_was_final() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.toml");
        let text = "[store]\ndirectory = \"state\"\n[telemetry]\npublish_every_ms = 10\ncall_spans = true\n";
        std::fs::write(&path, text).unwrap();
        let settings = Settings::read(&path).unwrap();
        run(&settings).unwrap();
        assert_eq!(final_balance(&settings.store.directory).unwrap(), 20);
    }

    /// A node that is stopped while work waits ends what it began, tells the rest, and can be started again over what was committed.
    #[test]
    fn stopping_is_graceful_and_can_be_followed_by_a_start() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.store.directory = directory.path().join("state");
        let node = Node::start(&settings).unwrap();
        let block = node.propose(None, 1, genesis().unwrap()).unwrap();
        let handle = node.service.commit(&block.sealed);
        let service = node.service.clone();
        node.stop();
        let committed = handle.wait();
        let late = Query::new(ACCOUNTS, "balance_of").argument(&ALICE).unwrap();
        assert!(service.query_blocking(late).is_err());
        drop((service, block));

        settings.warm_up.contracts = vec![ACCOUNTS];
        settings.telemetry.metrics = false;
        let node = Node::start(&settings).unwrap();
        let there = node.service.vm().commits();
        match committed {
            Ok(commit) => assert_eq!(there, [commit]),
            Err(error) => {
                assert!(matches!(error, BlockError::ShutDown), "{error}");
                assert!(there.is_empty());
            }
        }
        node.stop();
    }
}
