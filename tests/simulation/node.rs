//! The node: executes the chain's blocks, serially or in parallel, and much that does not become part of it.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, RwLock};

use crostata::{
    Base, Block, BlockSettings, Commit, Config, Execution, LogConfig, ReceiptsRoot, Root,
    SealedBlock, Transaction, Undo, VM,
};
use tempfile::TempDir;

use crate::random::Random;
use crate::world::{BLOCK_GAS, context, genesis, register, tag, transactions};

/// Blocks below the newest committed one that is finalised.
const FINAL_DEPTH: usize = 4;

/// A VM that is closed and opened again meanwhile.
pub type SharedVm = Arc<RwLock<Option<VM>>>;

/// What a block came to.
pub type Roots = (Root, ReceiptsRoot);

pub struct Node {
    directory: TempDir,
    pub vm: SharedVm,
    seed: u64,
    random: Random,
    /// What the blocks of the chain came to, from height 0 on.
    pub canonical: Vec<Roots>,
    /// Their commits, those that are durable.
    commits: Vec<Commit>,
    /// Blocks that are executed and not committed yet, the oldest first.
    pending: VecDeque<SealedBlock>,
    pub told: Told,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Told {
    blocks: u64,
    transactions: u64,
    full: u64,
    rejected: u64,
    undone: u64,
    dropped: u64,
    forks: u64,
    reorganised: u64,
    finalised: u64,
    closed: u64,
    cut: u64,
    executed_again: u64,
}

impl Told {
    /// That everything happened that is to be simulated.
    pub fn assert_mixed(&self) {
        let all = [
            self.full,
            self.rejected,
            self.undone,
            self.dropped,
            self.forks,
            self.reorganised,
            self.finalised,
            self.closed,
            self.cut,
            self.executed_again,
        ];
        assert!(all.iter().all(|count| *count > 0), "{self:?}");
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} blocks with {} transactions",
            self.blocks, self.transactions
        )?;
        write!(f, "; {} full, {} rejected", self.full, self.rejected)?;
        write!(
            f,
            "; {} undone, {} blocks dropped",
            self.undone, self.dropped
        )?;
        write!(
            f,
            "; {} forks, {} reorganisations",
            self.forks, self.reorganised
        )?;
        write!(f, "; finalised {} times", self.finalised)?;
        write!(
            f,
            "; closed {} times, cut off {} times",
            self.closed, self.cut
        )?;
        write!(f, "; {} blocks executed again", self.executed_again)
    }
}

fn open(path: &Path) -> VM {
    let log = LogConfig {
        segment_bytes: 1 << 18,
        checkpoint_bytes: 1 << 17,
        checkpoint_entries: 64,
        slack_bytes: 1 << 18,
        node_cache_bytes: 4 << 20,
    };
    let config = Config {
        log,
        image_cache_bytes: 16 << 20,
        ..Config::default()
    };
    let mut vm = VM::with_config(path, config).unwrap();
    register(&mut vm);
    vm
}

impl Node {
    pub fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let vm = open(directory.path());
        let mut node = Self {
            directory,
            vm: Arc::new(RwLock::new(Some(vm))),
            seed,
            random: Random::new(seed),
            canonical: Vec::new(),
            commits: Vec::new(),
            pending: VecDeque::new(),
            told: Told::default(),
        };
        let settings = BlockSettings::new(context(0, 0), u64::MAX);
        let mut block = node.with_vm(|vm| vm.block(settings).unwrap());
        block.execute_all(&genesis()).unwrap();
        for executed in block.receipts() {
            assert!(executed.outcome.is_success(), "{executed:?}");
        }
        let sealed = block.seal(tag(0, 0)).unwrap();
        node.canonical.push((sealed.root(), sealed.receipts_root()));
        node.commits.push(sealed.commit().unwrap());
        node
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn with_vm<T>(&self, run: impl FnOnce(&VM) -> T) -> T {
        run(self.vm.read().unwrap().as_ref().unwrap())
    }

    /// Goes on for so many blocks.
    pub fn run(&mut self, blocks: u64) {
        let until = self.canonical.len() as u64 + blocks;
        while (self.canonical.len() as u64) < until {
            let height = self.canonical.len() as u64;
            // Everything now and then, and in the shortest day too.
            match (height % 64, self.random.below(40)) {
                (7, _) | (_, 0..3) => self.lose_a_sibling(height),
                (19, _) | (_, 3) => self.reorganise(height),
                (28, _) | (_, 4) => self.drop_a_block(height),
                _ => {}
            }
            let sealed = self.next_block(height);
            self.canonical.push((sealed.root(), sealed.receipts_root()));
            self.pending.push_back(sealed);
            let is_cut = height % 64 == 37;
            let late = self.random.index(4).max(usize::from(is_cut));
            self.commit_all_but(late);
            if height.is_multiple_of(8) {
                self.finalise();
            }
            match self.random.below(50) {
                _ if is_cut => self.cut_off(),
                0 => self.close(),
                1 => self.cut_off(),
                _ if height % 64 == 46 => self.close(),
                _ => {}
            }
        }
        self.commit_all_but(0);
        self.finalise();
    }

    /// What the next block of the chain follows.
    fn tip(&self) -> Base {
        match self.pending.back() {
            Some(sealed) => sealed.into(),
            None => self.commits[self.commits.len() - 1].into(),
        }
    }

    fn open_block(&mut self, base: Base, height: u64, branch: u8, undo: Undo) -> Block {
        let settings = BlockSettings::new(context(height, branch), BLOCK_GAS);
        let two = NonZeroUsize::MIN.saturating_add(1);
        let execution = self
            .random
            .among(&[Execution::Serial, Execution::Parallel { threads: two }]);
        let settings = settings.base(base).undo(undo).execution(execution);
        self.with_vm(|vm| vm.block(settings).unwrap())
    }

    /// Executes the chain's block of a height, now and then with something undone between.
    fn next_block(&mut self, height: u64) -> SealedBlock {
        let wanted = transactions(self.seed, height, 0);
        let undo = self.random.among(&[Undo::Never, Undo::Last, Undo::All]);
        let mut block = self.open_block(self.tip(), height, 0, undo);
        if undo == Undo::All && self.random.once_in(2) {
            self.try_and_undo(&mut block, height);
        }
        let filled = block.execute_all(&wanted).unwrap();
        self.told.blocks += 1;
        self.told.transactions += filled.included as u64;
        self.told.rejected += filled.rejected as u64;
        self.told.full += u64::from(filled.full_at.is_some());
        block.seal(tag(height, 0)).unwrap()
    }

    fn try_and_undo(&mut self, block: &mut Block, height: u64) {
        let others: Vec<Transaction> = transactions(self.seed, height, 9);
        block.execute_all(&others).unwrap();
        let undone = block.undo_to(0).unwrap();
        self.told.undone += undone.len() as u64;
    }

    /// A block of another branch.
    fn other_block(&mut self, base: Base, height: u64, branch: u8) -> SealedBlock {
        let mut block = self.open_block(base, height, branch, Undo::Last);
        block
            .execute_all(&transactions(self.seed, height, branch))
            .unwrap();
        block.seal(tag(height, branch)).unwrap()
    }

    /// Another proposal for this height, voted on, perhaps committed, and not chosen.
    fn lose_a_sibling(&mut self, height: u64) {
        let sibling = self.other_block(self.tip(), height, 1);
        let follower = self.random.once_in(2);
        if follower {
            drop(self.other_block((&sibling).into(), height + 1, 2));
        }
        if self.random.once_in(2) && self.pending.is_empty() {
            sibling.commit().unwrap();
        }
        self.told.forks += 1;
    }

    /// Some blocks are committed and believed to be the chain, until others over the same parent turn out to be.
    fn reorganise(&mut self, height: u64) {
        self.commit_all_but(0);
        let mut base = self.tip();
        for above in 0..1 + self.random.below(3) {
            let block = self.other_block(base, height + above, 3);
            block.commit().unwrap();
            base = block.into();
        }
        self.told.reorganised += 1;
    }

    fn drop_a_block(&mut self, height: u64) {
        let mut block = self.open_block(self.tip(), height, 4, Undo::All);
        block
            .execute_all(&transactions(self.seed, height, 4))
            .unwrap();
        drop(block);
        self.told.dropped += 1;
    }

    fn commit_all_but(&mut self, late: usize) {
        while self.pending.len() > late {
            if let Some(block) = self.pending.pop_front() {
                self.commits.push(block.commit().unwrap());
            }
        }
    }

    fn finalise(&mut self) {
        let Some(place) = self.commits.len().checked_sub(FINAL_DEPTH) else {
            return;
        };
        let commit = self.commits[place];
        self.with_vm(|vm| vm.finalize_commit(commit.id).unwrap());
        // What is final is not asked for by this node any more.
        self.commits.drain(..place);
        self.told.finalised += 1;
    }

    /// Is closed when all is durable, and opened again.
    fn close(&mut self) {
        self.commit_all_but(0);
        self.open_again();
        self.told.closed += 1;
    }

    /// Is closed with blocks that are not durable, opened again, and executes these again.
    fn cut_off(&mut self) {
        let lost: Vec<_> = self.pending.iter().map(SealedBlock::names).collect();
        self.pending.clear();
        self.open_again();
        let first = self.canonical.len() - lost.len();
        for (height, names) in (first..).zip(&lost) {
            let again = self.next_block(height as u64);
            assert_eq!(again.names(), *names);
            self.pending.push_back(again);
            self.told.executed_again += 1;
        }
        self.told.cut += 1;
    }

    fn open_again(&mut self) {
        let mut vm = self.vm.write().unwrap();
        drop(vm.take());
        let opened = open(self.directory.path());
        let retained = opened.commits();
        for commit in &self.commits {
            assert!(retained.contains(commit), "{commit:?} is lost");
        }
        *vm = Some(opened);
    }

    /// That the store has what it should have.
    pub fn assert_sound(&self) {
        let newest = self.commits[self.commits.len() - 1];
        assert_eq!(newest.root, self.canonical[self.canonical.len() - 1].0);
        let report = self.with_vm(|vm| vm.verify(|_| {}));
        assert!(report.is_clean(), "{report:?}");
    }
}
