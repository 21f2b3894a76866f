//! What the fuzz targets of a node share: a chain with blocks and a state, how bytes are changed, and what is allocated meanwhile.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use commonware_cryptography::Signer as _;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_utils::TryCollect as _;
use commonware_utils::ordered::Set;
use crostata::store::files::MemoryFiles;
use crostata::{Config, LogConfig, Protocol, VM};
use crostata_chain::{Keys, Scheme, scheme};
use crostata_machine::{
    Account, Action, BANK, BANK_CODE, Block, Context, Draft, Genesis, Machine, Rules, SecretKey,
    Transaction, VmMachine,
};

/// Counts what is allocated.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is the system's allocator's, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What is allowed besides: verifying the signatures of the four validators takes some 20 KiB.
const BESIDES: usize = 64 << 10;

/// Decodes bytes, and panics if that allocates more than a constant times what is there, all its allocations together.
pub fn within_bounds<T>(bytes: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let decoded = decode(bytes);
    let allocated = ALLOCATED.load(Ordering::Relaxed) - before;
    let bound = BESIDES + 32 * bytes.len();
    assert!(
        allocated <= bound,
        "{allocated} bytes are allocated for {} bytes",
        bytes.len()
    );
    decoded
}

/// Bytes of the input, zeros at its end.
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        (usize::from(self.byte()) | usize::from(self.byte()) << 8) % end.max(1)
    }

    /// Does something to bytes.
    pub fn change(&mut self, bytes: &mut Vec<u8>) {
        let start = self.below(bytes.len());
        let len = 1 + self.below(64);
        let end = (start + len).min(bytes.len());
        match self.below(5) {
            0 if start < bytes.len() => bytes[start] ^= self.byte(),
            1 => drop(bytes.drain(start..end)),
            2 => bytes.truncate(start),
            3 => bytes[start..end].fill(0),
            _ => {
                let put = [self.byte(), self.byte(), self.byte(), self.byte()];
                bytes.splice(start..end, put);
            }
        }
    }
}

/// The key of a client.
pub fn client(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number + 1; 32])
}

/// The beginning of the chain.
pub fn genesis() -> Genesis {
    Genesis {
        time_ms: 0,
        rules: Rules::default(),
        protocol: Protocol::default(),
        bank: BANK_CODE.into(),
        balances: (0..200)
            .map(|number| (client(number).account(), 1 << 50))
            .collect(),
        contracts: Vec::new(),
    }
}

/// The keys of four validators.
pub fn validators() -> Vec<PrivateKey> {
    (0..4).map(PrivateKey::from_seed).collect()
}

/// All validators.
pub fn committee() -> Set<PublicKey> {
    let keys = validators().into_iter().map(|key| key.public_key());
    keys.try_collect().unwrap()
}

/// What a validator signs with.
pub fn scheme_of(number: usize) -> Scheme {
    let committee = committee();
    let key = validators().swap_remove(number);
    scheme(&genesis().chain(), &Keys { committee, key })
}

/// An empty VM that has compiled what others have.
pub fn template() -> VM {
    VM::with_files(Arc::new(MemoryFiles::new()), Config::default()).unwrap()
}

/// An empty VM.
pub fn empty(template: &VM) -> Arc<VM> {
    let files = Arc::new(MemoryFiles::new());
    Arc::new(template.beside(files, LogConfig::default()).unwrap())
}

/// A transfer and a deployment.
pub fn transactions() -> Vec<Transaction> {
    let chain = genesis().chain();
    let to = client(9).account();
    let transfer = Draft::call(BANK, "transfer", &(to.to_bytes(), 5u64)).unwrap();
    let deployment = |argument| {
        let code = vec![7; 40].into();
        Draft::new(Action::Deploy { code, argument }).with(1, 5_000_000, 1)
    };
    vec![
        transfer.with(0, 2_000_000, 1).sign(&client(0), &chain),
        deployment(None).sign(&client(1), &chain),
        deployment(Some(vec![1, 2])).sign(&client(2), &chain),
    ]
}

/// The machine, with a block of transfers that is final.
pub fn machine(template: &VM) -> (VmMachine, Block) {
    let machine = VmMachine::open(empty(template), &genesis()).unwrap();
    let context = Context {
        height: 1,
        time_ms: 1_000,
        proposer: Account::from_bytes([3; 32]),
    };
    let parent = machine.genesis().digest();
    let built = machine.build(&parent, &context, &transactions()).unwrap();
    machine.finalize(1, &built.block).unwrap();
    (machine, built.block)
}
