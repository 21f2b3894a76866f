//! The machine over a VM.
//!
//! A block's commit has the block's digest as its tag. Blocks that are executed and not final are kept in memory, sealed, by digest; after a restart
//! they are executed again along the ancestry. The final block's height is read from the bank, whose state the block's begin has set: height
//! and state can not come apart, whenever the power goes.

mod kept;
mod signatures;

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crostata::store::files::MemoryFiles;
use crostata::{
    Base, BlockContext, BlockSettings, Commit, ContractData, ContractId, LogConfig, SealedBlock,
    SessionData, VM,
};

use crate::account::{Account, AccountState};
use crate::block::{Block, Header};
use crate::difference::EVIDENCE;
use crate::digest::{BlockDigest, ChainId, TransactionDigest};
use crate::error::{ExecuteError, Fatal, FinalizeError, Invalid, OpenError};
use crate::genesis::{Deployment, Genesis, GenesisError};
use crate::machine::{Built, Context, Executed, Finalized, Machine, Roots};
use crate::rules::Rules;
use crate::run::{BANK, NotRun, Receipt, Run, Unfit};
use crate::snapshot::{Snapshot, VmSnapshot};
use crate::transaction::{SignatureError, Transaction, Verified};
use kept::{Kept, KeptBlocks};
use signatures::Signatures;

/// The gas that reading from the bank may take: outside of blocks, nobody pays.
const QUERY_GAS: u64 = 50_000_000;
/// The most accounts that are remembered of a state.
const ACCOUNTS_MAX: usize = 1 << 16;
/// The most final blocks that the VM is not told of: it keeps their commits meanwhile.
const UNSETTLED_MAX: u32 = 16;

/// A state in memory, with what its transactions came to. Before it is kept it may not have a name yet.
#[derive(Debug)]
pub struct Sealed {
    ended: Ended,
    receipts: Vec<Receipt>,
}

#[derive(Debug)]
enum Ended {
    /// Executed: the name, which becomes the commit's tag, comes later.
    Open(Box<crostata::Block>),
}

impl Sealed {
    /// Ends the state under a name.
    pub(crate) fn seal(self, tag: [u8; 32]) -> Result<SealedBlock, Fatal> {
        let Ended::Open(open) = self.ended;
        let sealed = open.seal(tag);
        sealed.map_err(|error| Fatal::new("a block is not sealed", error))
    }
}

/// A state machine over a VM.
pub struct VmMachine {
    vm: Arc<VM>,
    rules: Rules,
    chain: ChainId,
    genesis: Block,
    state: Mutex<State>,
}

struct State {
    finalized: Finalized,
    /// The commit of the final block.
    commit: Commit,
    /// How many blocks are final that the VM was not told of.
    unsettled: u32,
    kept: KeptBlocks,
    signatures: Signatures,
    /// What the final state says of accounts that were asked for.
    accounts: HashMap<Account, AccountState>,
}

impl std::fmt::Debug for VmMachine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VmMachine")
            .field("chain", &self.chain)
            .field("finalized", &self.lock().finalized)
            .finish_non_exhaustive()
    }
}

impl VmMachine {
    /// Opens the machine over a VM, which is empty or has a state of this chain. Over an empty one the genesis is executed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(vm: Arc<VM>, genesis: &Genesis) -> Result<Self, OpenError> {
        let chain = genesis.chain();
        let first = genesis_block(&vm, genesis, chain)?;
        let (finalized, commit) = match vm.finalized() {
            Some(commit) => found(&vm, commit, chain)?,
            None => begin(&vm, genesis, &first)?,
        };
        let state = State {
            finalized,
            commit,
            unsettled: 0,
            kept: KeptBlocks::default(),
            signatures: Signatures::default(),
            accounts: HashMap::new(),
        };
        Ok(Self {
            vm,
            rules: genesis.rules.clone(),
            chain,
            genesis: first,
            state: Mutex::new(state),
        })
    }

    /// The VM: for queries and proofs at the final commit.
    pub fn vm(&self) -> &Arc<VM> {
        &self.vm
    }

    /// The rules of the chain.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Which chain this is.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// The first block, which nobody proposed.
    pub fn genesis(&self) -> &Block {
        &self.genesis
    }

    /// The final commit.
    pub fn commit(&self) -> Commit {
        self.lock().commit
    }

    /// The final block, and its commit.
    pub fn latest(&self) -> (Finalized, Commit) {
        let state = self.lock();
        (state.finalized, state.commit)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the state of a block is based on, if it is there.
    fn base(&self, block: &BlockDigest) -> Option<Base> {
        if let Some(kept) = self.lock().kept.get(block) {
            return Some(Base::from(&kept.sealed));
        }
        self.committed(block).map(Base::from)
    }

    /// The commit of a block, if it is retained.
    fn committed(&self, block: &BlockDigest) -> Option<Commit> {
        let commits = self.vm.commits();
        commits
            .into_iter()
            .find(|commit| commit.tag == block.to_bytes())
    }

    fn begin(&self, parent: &BlockDigest, context: &Context) -> Result<Run<'_>, ExecuteError> {
        let parent = *parent;
        let base = self.base(&parent);
        let base = base.ok_or(ExecuteError::UnknownParent { parent })?;
        let block_context = block_context(&self.rules, context)?;
        let settings = BlockSettings::new(block_context, self.rules.block_gas).base(base);
        let block = self.vm.block(settings);
        let block = block.map_err(|error| Fatal::new("a block is not opened", error))?;
        Run::begin(block, &self.rules, context).map_err(|error| stopped(0, error))
    }

    fn require_signed(&self, index: usize, transaction: &Transaction) -> Result<(), Invalid> {
        let verified = self.verify(transaction).map(drop);
        verified.map_err(|error| Invalid::Transaction {
            index,
            unfit: error.into(),
        })
    }

    /// Keeps a block whose state has no name yet.
    fn seal(&self, block: &Block, mut sealed: Sealed) -> Result<(), Fatal> {
        let receipts = mem::take(&mut sealed.receipts);
        let kept = Kept {
            block: block.clone(),
            sealed: sealed.seal(block.digest().to_bytes())?,
            receipts,
        };
        self.lock().kept.insert(kept);
        Ok(())
    }

    /// Makes the state of a block durable and final.
    fn commit_final(&self, height: u64, block: &Block) -> Result<Vec<Receipt>, FinalizeError> {
        let kept = self.lock().kept.get(&block.digest()).cloned();
        let commit = match &kept {
            Some(kept) => commit(&kept.sealed)?,
            // INVARIANT: it was checked before, or was committed before a restart.
            None => self.committed(&block.digest()).ok_or(FinalizeError::Gap {
                height,
                parent: block.parent(),
            })?,
        };
        let mut state = self.lock();
        state.commit = commit;
        state.unsettled += 1;
        state.finalized = Finalized {
            height,
            digest: block.digest(),
            state_root: commit.root,
        };
        state.kept.forget_through(height);
        state.accounts.clear();
        let is_many = state.unsettled >= UNSETTLED_MAX;
        drop(state);
        if is_many {
            self.settle()?;
        }
        Ok(kept.map(opened).unwrap_or_default())
    }
}

impl Machine for VmMachine {
    type Handle = Sealed;

    fn verify(&self, transaction: &Transaction) -> Result<Verified, SignatureError> {
        let digest = transaction.digest();
        if self.lock().signatures.contains(&digest) {
            return Ok(Verified::known(transaction.clone()));
        }
        let verified = transaction.verify(&self.chain)?;
        self.lock().signatures.insert(digest);
        Ok(verified)
    }

    fn account(&self, account: &Account) -> Result<AccountState, Fatal> {
        let (known, at) = {
            let state = self.lock();
            (state.accounts.get(account).copied(), state.finalized.height)
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let base = Base::from(self.commit());
        let (balance, nonce) = ask_bank(&self.vm, base, "account", &account.to_bytes())?;
        let asked = AccountState { balance, nonce };
        let mut state = self.lock();
        if state.finalized.height == at && state.accounts.len() < ACCOUNTS_MAX {
            state.accounts.insert(*account, asked);
        }
        Ok(asked)
    }

    fn has(&self, block: &BlockDigest) -> bool {
        self.base(block).is_some()
    }

    fn execute(
        &self,
        parent: &BlockDigest,
        context: &Context,
        transactions: &[Transaction],
    ) -> Result<Executed<Sealed>, ExecuteError> {
        let mut run = self.begin(parent, context)?;
        for (index, transaction) in transactions.iter().enumerate() {
            self.require_signed(index, transaction)?;
            let done = run.transaction(transaction);
            done.map_err(|error| stopped(index, error))?;
        }
        let roots = roots(&run.block)?;
        Ok(Executed {
            roots,
            handle: Sealed {
                ended: Ended::Open(Box::new(run.block)),
                receipts: run.receipts,
            },
        })
    }

    fn keep(&self, block: &Block, handle: Sealed) -> Result<(), Fatal> {
        match self.has(&block.digest()) {
            true => Ok(()),
            false => self.seal(block, handle),
        }
    }

    fn build(
        &self,
        parent: &BlockDigest,
        context: &Context,
        offered: &[Transaction],
    ) -> Result<Built, ExecuteError> {
        let mut run = self.begin(parent, context)?;
        let mut filling = Filling::new(&self.rules);
        for transaction in offered {
            let done = match filling.room(transaction) {
                Ok(()) => run.transaction(transaction),
                Err(unfit) => Err(unfit.into()),
            };
            match done {
                Ok(()) => filling.add(transaction),
                Err(NotRun::Unfit(Unfit::Room | Unfit::Full { .. })) => {}
                Err(NotRun::Unfit(_)) => filling.refused.push(transaction.digest()),
                Err(error) => return Err(stopped(filling.included.len(), error)),
            }
        }
        let roots = roots(&run.block)?;
        let block = Block::new(header(*parent, context, roots), filling.included);
        let sealed = Sealed {
            ended: Ended::Open(Box::new(run.block)),
            receipts: run.receipts,
        };
        self.keep(&block, sealed)?;
        Ok(Built {
            block,
            refused: filling.refused,
        })
    }

    fn finalize(&self, height: u64, block: &Block) -> Result<Vec<Receipt>, FinalizeError> {
        let finalized = self.finalized();
        if height < finalized.height {
            return Ok(Vec::new());
        }
        if height == finalized.height {
            return again(&finalized, block).map(|()| Vec::new());
        }
        let parent = block.parent();
        if parent != finalized.digest {
            // Also where its state is in memory: what it follows is not durable.
            return Err(FinalizeError::Gap { height, parent });
        }
        match self.check(block) {
            Ok(()) => self.commit_final(height, block),
            Err(ExecuteError::UnknownParent { parent }) => {
                Err(FinalizeError::Gap { height, parent })
            }
            Err(ExecuteError::Invalid(invalid)) => {
                let block = Box::new(block.clone());
                Err(FinalizeError::Diverged { block, invalid })
            }
            Err(ExecuteError::Fatal(fatal)) => Err(fatal.into()),
        }
    }

    fn finalized(&self) -> Finalized {
        self.lock().finalized
    }

    fn settle(&self) -> Result<(), Fatal> {
        let (commit, unsettled) = {
            let state = self.lock();
            (state.commit, state.unsettled)
        };
        if unsettled > 0 {
            settle(&self.vm, commit)?;
            let mut state = self.lock();
            state.unsettled = state.unsettled.saturating_sub(unsettled);
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, Fatal> {
        let export = self.vm.export(self.commit());
        let export = export.map_err(|error| Fatal::new("the final state is not read", error))?;
        Ok(Arc::new(VmSnapshot::new(export)))
    }
}

/// That a block of the height that is final is the final one, and its state what it says: the directory may have been changed while nobody looked.
fn again(finalized: &Finalized, block: &Block) -> Result<(), FinalizeError> {
    if finalized.digest != block.digest() {
        return Err(FinalizeError::Conflict {
            height: finalized.height,
            ours: finalized.digest,
            theirs: block.digest(),
        });
    }
    let header = block.header();
    if finalized.state_root == header.state_root {
        return Ok(());
    }
    let said = Roots {
        state: header.state_root,
        receipts: header.receipts_root,
    };
    let ours = Roots {
        state: finalized.state_root,
        ..said
    };
    Err(FinalizeError::Diverged {
        block: Box::new(block.clone()),
        invalid: Invalid::Roots {
            said: said.into(),
            ours: ours.into(),
        },
    })
}

/// A block that is being filled, in the limits of the chain.
struct Filling<'a> {
    rules: &'a Rules,
    included: Vec<Transaction>,
    len_bytes: usize,
    refused: Vec<TransactionDigest>,
}

impl<'a> Filling<'a> {
    fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            included: Vec::new(),
            len_bytes: Block::EMPTY_BYTES,
            refused: Vec::new(),
        }
    }

    fn room(&self, transaction: &Transaction) -> Result<(), Unfit> {
        let rules = self.rules;
        let len_bytes = self.len_bytes + Block::len_of(transaction);
        let fits = len_bytes <= rules.block_bytes_max as usize
            && transaction.bytes().len() <= rules.transaction_bytes_max as usize
            && self.included.len() < rules.block_transactions_max as usize;
        match fits {
            true => Ok(()),
            false => Err(Unfit::Room),
        }
    }

    fn add(&mut self, transaction: &Transaction) {
        self.len_bytes += Block::len_of(transaction);
        self.included.push(transaction.clone());
    }
}

/// The receipts of a final block, each with its opening.
fn opened(kept: Arc<Kept>) -> Vec<Receipt> {
    let Kept {
        sealed, receipts, ..
    } = Arc::unwrap_or_clone(kept);
    let open = |receipt: Receipt| {
        let included = receipt.executed.as_ref().and_then(|one| one.included);
        let opening = included.and_then(|included| sealed.receipt_opening(included.index));
        Receipt { opening, ..receipt }
    };
    receipts.into_iter().map(open).collect()
}

fn header(parent: BlockDigest, context: &Context, roots: Roots) -> Header {
    Header {
        parent,
        height: context.height,
        time_ms: context.time_ms,
        proposer: context.proposer,
        state_root: roots.state,
        receipts_root: roots.receipts,
        // `Block::new` has them.
        transactions_digest: [0; 32],
    }
}

fn roots(block: &crostata::Block) -> Result<Roots, Fatal> {
    let state = block.root();
    Ok(Roots {
        state: state.map_err(|error| Fatal::new("a block has no root", error))?,
        receipts: block.receipts_root(),
    })
}

fn stopped(index: usize, error: NotRun) -> ExecuteError {
    match error {
        NotRun::Unfit(unfit) => Invalid::Transaction { index, unfit }.into(),
        NotRun::System(invalid) => invalid.into(),
        NotRun::Fatal(fatal) => fatal.into(),
    }
}

fn commit(sealed: &SealedBlock) -> Result<Commit, Fatal> {
    let committed = sealed.commit();
    committed.map_err(|error| Fatal::new("a block is not committed", error))
}

fn block_context(rules: &Rules, context: &Context) -> Result<BlockContext, Fatal> {
    let made = BlockContext::new(context.height, context.time_ms)
        .with_chain(rules.chain.clone())
        .and_then(|made| made.with_proposer(context.proposer.to_bytes()));
    made.map_err(|error| Fatal::new("the chain's name can not be read by contracts", error))
}

/// Tells the VM that a commit is final, so that it forgets those before it.
fn settle(vm: &VM, commit: Commit) -> Result<(), Fatal> {
    let finalized = vm.finalize_commit(commit.id).map(drop);
    finalized.map_err(|error| Fatal::new("a block is not made final", error))
}

/// Asks the bank something, which nobody pays for.
fn ask_bank<A: crostata::Encode, R: crostata::Decode>(
    vm: &VM,
    base: Base,
    function: &str,
    argument: &A,
) -> Result<R, Fatal> {
    let session = vm.session(SessionData::builder().base(base));
    let mut session = session.map_err(|error| Fatal::new("the final state is not read", error))?;
    let receipt = session.call::<A, R>(BANK, function, argument, QUERY_GAS);
    let receipt = receipt.map_err(|error| Fatal::new("the bank does not answer", error))?;
    Ok(receipt.data)
}

/// What an opened VM has as final. Commits are made of final blocks alone, so that the last one is.
fn found(vm: &VM, settled: Commit, wanted: ChainId) -> Result<(Finalized, Commit), OpenError> {
    let chain: [u8; 32] = ask_bank(vm, settled.into(), "chain", &())?;
    let found = ChainId::from_bytes(chain);
    if found != wanted {
        return Err(OpenError::OtherChain { found, wanted });
    }
    let commit = latest(vm, settled);
    settle(vm, commit)?;
    let (height, _): (u64, u64) = ask_bank(vm, commit.into(), "block", &())?;
    let finalized = Finalized {
        height,
        digest: BlockDigest::from_bytes(commit.tag),
        state_root: commit.root,
    };
    Ok((finalized, commit))
}

/// The last commit of a block.
fn latest(vm: &VM, settled: Commit) -> Commit {
    let commits = vm.commits();
    let mut latest = settled;
    let child = |parent: &Commit| {
        let mut children = commits.iter().filter(|commit| commit.parent == parent.id);
        children.find(|commit| commit.tag != EVIDENCE).copied()
    };
    while let Some(next) = child(&latest) {
        latest = next;
    }
    latest
}

/// The first block: what the genesis comes to. It is executed in memory, so that a node knows it also where its state is long gone.
fn genesis_block(vm: &VM, genesis: &Genesis, chain: ChainId) -> Result<Block, OpenError> {
    let beside = vm.beside(Arc::new(MemoryFiles::new()), LogConfig::default())?;
    let (context, block) = execute_genesis(&beside, genesis)?;
    let roots = roots(&block)?;
    let parent = BlockDigest::from_bytes(chain.to_bytes());
    Ok(Block::new(header(parent, &context, roots), Vec::new()))
}

/// Makes the genesis the first commit, and final.
fn begin(vm: &VM, genesis: &Genesis, first: &Block) -> Result<(Finalized, Commit), OpenError> {
    let (_, block) = execute_genesis(vm, genesis)?;
    let sealed = block.seal(first.digest().to_bytes());
    let sealed = sealed.map_err(|error| Fatal::new("the genesis is not sealed", error))?;
    let commit = commit(&sealed)?;
    settle(vm, commit)?;
    let finalized = Finalized {
        height: 0,
        digest: first.digest(),
        state_root: commit.root,
    };
    Ok((finalized, commit))
}

fn execute_genesis(vm: &VM, genesis: &Genesis) -> Result<(Context, crostata::Block), OpenError> {
    let context = Context {
        height: 0,
        time_ms: genesis.time_ms,
        proposer: Account::default(),
    };
    let settings = BlockSettings::new(block_context(&genesis.rules, &context)?, u64::MAX);
    let settings = settings.protocol(genesis.protocol.clone());
    let block = vm.block(settings);
    let mut block = block.map_err(|error| Fatal::new("the genesis is not opened", error))?;
    deploy(&mut block, &bank(genesis))?;
    for deployment in &genesis.contracts {
        deploy(&mut block, deployment)?;
    }
    Ok((context, block))
}

/// The bank as the genesis deploys it.
fn bank(genesis: &Genesis) -> Deployment {
    let balances = genesis.balances.iter();
    let balances = balances.map(|(account, amount)| (account.to_bytes(), *amount));
    let argument = (genesis.chain().to_bytes(), balances.collect::<Vec<_>>());
    let call = crostata::Transaction::call(BANK, "init", &argument, 0);
    let argument = call.ok().and_then(|call| match call.action {
        crostata::Action::Call { argument, .. } => Some(argument),
        crostata::Action::Deploy { .. } => None,
    });
    Deployment {
        contract: BANK,
        code: genesis.bank.clone(),
        owner: Vec::new(),
        argument,
    }
}

fn deploy(block: &mut crostata::Block, deployment: &Deployment) -> Result<(), OpenError> {
    let contract: ContractId = deployment.contract;
    let data = ContractData::builder()
        .contract_id(contract)
        .owner(deployment.owner.clone());
    let data = match &deployment.argument {
        Some(argument) => data.init_arg_raw(argument.clone()),
        None => data,
    };
    let limit = u64::MAX >> 8;
    let transaction = crostata::Transaction::deploy(deployment.code.clone(), data, limit);
    let executed = block.execute(&transaction);
    let executed = executed.map_err(|error| Fatal::new("the genesis is not executed", error))?;
    let reason = match &executed.outcome {
        crostata::TransactionOutcome::Success(_) => return Ok(()),
        crostata::TransactionOutcome::Reverted(reverted) => reverted.failure.to_string(),
        crostata::TransactionOutcome::Rejected(rejected) => rejected.to_string(),
    };
    Err(GenesisError::Contract { contract, reason }.into())
}
