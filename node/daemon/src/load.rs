//! How many signed transfers a network makes final in a second, and how many one VM does alone with the same.
//!
//! The network is given transfers as fast as it takes them, over HTTP, for some time; counted is what becomes final meanwhile. Then as many
//! transfers, of the same accounts and in blocks as long as the network's, are verified, executed, sealed and committed on one VM, on this machine and disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, fs, io};

use crostata::{OpenVmError, VM};
use crostata_machine::{
    Account, Block, ChainId, Context, ExecuteError, FinalizeError, Genesis, Machine as _,
    OpenError, SecretKey, SignatureError, Transaction, VmMachine,
};

use crate::client::{Client, ClientError, Terms, transfer};

/// So many transfers of an account wait at most: a few less than pools allow.
const WAITING_MAX: u64 = 1_000;
/// How long a sender waits when too many of its transfers wait.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked what is final.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the network gets to begin.
const WARM_UP: Duration = Duration::from_secs(2);

/// What transfers of the load may cost.
const TERMS: Terms = Terms {
    limit_gas: 2_000_000,
    gas_price: 1,
};

/// What is loaded, and with what.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where transfers are brought, in turns.
    pub urls: Vec<String>,
    /// Whose tokens are moved. Nobody else may spend from them meanwhile.
    pub keys: Vec<SecretKey>,
    /// How long.
    pub seconds: u64,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Transfers that became final in the network.
    pub transfers: u64,
    /// In so many blocks.
    pub blocks: u64,
    /// In this time.
    pub network: Duration,
    /// The time of one VM for as many.
    pub alone: Duration,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A node does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A transfer can not be made.
    #[error(transparent)]
    Argument(#[from] crostata::CodecError),
    /// There is nobody to ask, or nobody who pays.
    #[error("a load needs at least one URL, one key and one second")]
    Nothing,
    /// Nothing became final.
    #[error("no transfer became final")]
    Idle,
    /// The files of the VM.
    #[error("the directory of the VM that runs alone: {0}")]
    Directory(#[from] io::Error),
    /// The VM does not open.
    #[error(transparent)]
    Vm(#[from] OpenVmError),
    /// The machine does not open.
    #[error(transparent)]
    Machine(#[from] OpenError),
    /// A transfer that was just signed has a bad signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A block is not executed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A block is not committed.
    #[error(transparent)]
    Finalize(#[from] FinalizeError),
}

impl Measured {
    /// Transfers a second that the network made final.
    pub fn network_rate(&self) -> f64 {
        self.transfers as f64 / self.network.as_secs_f64()
    }

    /// Transfers a second of one VM.
    pub fn alone_rate(&self) -> f64 {
        self.transfers as f64 / self.alone.as_secs_f64()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (network, alone) = (self.network_rate(), self.alone_rate());
        writeln!(
            f,
            "network      {network:8.0} transfers/s, final: {} in {} blocks in {:.1} s",
            self.transfers,
            self.blocks,
            self.network.as_secs_f64()
        )?;
        write!(
            f,
            "one VM alone {alone:8.0} transfers/s, committed; the network does {:.0} % of that",
            100.0 * network / alone
        )
    }
}

impl Load {
    /// Loads the network, and then one VM in a directory, which must not be there and is removed again.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn measure(&self, genesis: &Genesis, directory: &Path) -> Result<Measured, LoadError> {
        if self.urls.is_empty() || self.keys.is_empty() || self.seconds == 0 {
            return Err(LoadError::Nothing);
        }
        let (transfers, blocks, network) = self.network()?;
        if transfers == 0 {
            return Err(LoadError::Idle);
        }
        fs::create_dir_all(directory)?;
        let per_block = transfers.div_ceil(blocks.max(1));
        let alone = alone(genesis, directory, &self.keys, transfers, per_block);
        fs::remove_dir_all(directory)?;
        Ok(Measured {
            transfers,
            blocks,
            network,
            alone: alone?,
        })
    }

    fn network(&self) -> Result<(u64, u64, Duration), LoadError> {
        let watch = Client::new(self.urls.first().ok_or(LoadError::Nothing)?)?;
        let senders = Senders::start(&self.urls, &self.keys, Haste::default())?;
        let counted = count(&watch, Duration::from_secs(self.seconds));
        senders.stop()?;
        counted
    }
}

/// How fast an account brings transfers.
#[derive(Debug, Clone, Copy)]
pub struct Haste {
    /// So many are brought at once.
    pub batch: u64,
    /// How long is waited between that.
    pub pause: Duration,
}

impl Default for Haste {
    /// As fast as nodes take them.
    fn default() -> Self {
        Self {
            batch: 256,
            pause: Duration::ZERO,
        }
    }
}

/// Accounts that bring transfers, each on a thread of its own, until they are told to stop.
#[derive(Debug)]
pub struct Senders {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), LoadError>>>,
}

impl Senders {
    /// Starts bringing transfers of each account to one of the nodes.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn start(urls: &[String], keys: &[SecretKey], haste: Haste) -> Result<Self, LoadError> {
        let clients = urls.iter().map(|url| Client::new(url));
        let clients: Vec<_> = clients.collect::<Result<_, _>>()?;
        let first = clients.first().ok_or(LoadError::Nothing)?;
        let chain = ChainId::from_bytes(first.status()?.chain.0);
        let stop = Arc::new(AtomicBool::new(false));
        let pairs = keys.iter().zip(clients.iter().cycle());
        let threads = pairs.map(|(key, client)| {
            let sending = Sending {
                key: key.clone(),
                client: client.clone(),
                chain,
                haste,
                stop: stop.clone(),
            };
            thread::spawn(move || sending.run())
        });
        Ok(Self {
            threads: threads.collect(),
            stop,
        })
    }

    /// Has them stop. What they brought may wait yet.
    ///
    /// # Errors
    /// [`LoadError`], if one of them could not go on.
    pub fn stop(self) -> Result<(), LoadError> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // A sender that panicked has no result, and has brought less.
            if let Ok(sent) = thread.join() {
                sent?;
            }
        }
        Ok(())
    }
}

/// One account's transfers.
struct Sending {
    key: SecretKey,
    client: Client,
    chain: ChainId,
    haste: Haste,
    stop: Arc<AtomicBool>,
}

impl Sending {
    fn run(&self) -> Result<(), LoadError> {
        while !self.stop.load(Ordering::Relaxed) {
            // The node knows best where to go on, whatever it refused before.
            let account = self.client.account(&self.key.account())?;
            let first = account.next_nonce;
            let room = (account.nonce + WAITING_MAX).saturating_sub(first);
            if room == 0 {
                thread::sleep(PAUSE);
                continue;
            }
            let nonces = first..first + room.min(self.haste.batch);
            let batch = nonces.map(|nonce| signed(&self.key, &self.chain, nonce));
            let batch: Vec<_> = batch.collect::<Result<_, _>>()?;
            self.client.submit_batch(&batch)?;
            thread::sleep(self.haste.pause);
        }
        Ok(())
    }
}

/// The transfer of an account with a nonce: to another account each time.
fn signed(key: &SecretKey, chain: &ChainId, nonce: u64) -> Result<Transaction, LoadError> {
    static TO: AtomicU64 = AtomicU64::new(0);
    let mut to = [0x77; 32];
    let number = TO.fetch_add(1, Ordering::Relaxed) % RECEIVERS;
    to.iter_mut()
        .zip(number.to_le_bytes())
        .for_each(|(to, byte)| *to = byte);
    let to = Account::from_bytes(to);
    Ok(transfer(key, chain, nonce, to, 1, TERMS)?)
}

/// Accounts that get tokens.
const RECEIVERS: u64 = 10_000;

/// Counts transactions and blocks that become final within some time.
fn count(watch: &Client, during: Duration) -> Result<(u64, u64, Duration), LoadError> {
    thread::sleep(WARM_UP);
    let mut next = watch.status()?.height + 1;
    let begun = Instant::now();
    let (mut transactions, mut blocks) = (0, 0);
    while begun.elapsed() < during {
        for block in watch.blocks(next)? {
            transactions += block.transactions.len() as u64;
            blocks += 1;
            next = block.height + 1;
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok((transactions, blocks, begun.elapsed()))
}

/// The time that one VM takes for so many transfers: signatures, execution, roots, and a durable commit for each block.
fn alone(
    genesis: &Genesis,
    directory: &Path,
    keys: &[SecretKey],
    transfers: u64,
    per_block: u64,
) -> Result<Duration, LoadError> {
    let config = crostata::Config {
        protocols: vec![genesis.protocol.clone()],
        ..crostata::Config::default()
    };
    let vm = Arc::new(VM::with_config(directory, config)?);
    let machine = VmMachine::open(vm, genesis)?;
    let chain = machine.chain();
    let keys_count = keys.len() as u64;
    let all = (0..transfers.div_ceil(keys_count))
        .flat_map(|nonce| keys.iter().map(move |key| (key, nonce)));
    let all = all.map(|(key, nonce)| signed(key, &chain, nonce));
    let mut all: Vec<_> = all.collect::<Result<_, _>>()?;
    all.truncate(usize::try_from(transfers).unwrap_or(usize::MAX));
    let per_block = usize::try_from(per_block).unwrap_or(usize::MAX).max(1);
    let begun = Instant::now();
    let mut parent = machine.genesis().clone();
    for offered in all.chunks(per_block) {
        parent = block(&machine, &parent, offered)?;
    }
    Ok(begun.elapsed())
}

fn block(machine: &VmMachine, parent: &Block, offered: &[Transaction]) -> Result<Block, LoadError> {
    for transaction in offered {
        machine.verify(transaction)?;
    }
    let context = Context {
        height: parent.height() + 1,
        time_ms: parent.header().time_ms + 1,
        proposer: Account::from_bytes([0x99; 32]),
    };
    let built = machine.build(&parent.digest(), &context, offered)?;
    machine.finalize(context.height, &built.block)?;
    Ok(built.block)
}
