//! Warming up: contracts are made ready before they are needed, so that the first block is no slower than the next.

use std::ops::ControlFlow;
use std::sync::Arc;

use crostata_abi::{ContractId, PAGE_BYTES};

use super::error::{ProofError, SessionError};
use super::handle::VM;
use crate::engine::{EngineError, Fault};
use crate::memory::MemoryError;
use crate::observe::Work;
use crate::session::Runtime;
use crate::state::{Commit, CommitRef, ContractState, NodeError, Snapshot};

/// What is made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmUp {
    /// The contracts, in this order; none means all whose code is pinned.
    pub contracts: Option<Vec<ContractId>>,
    /// Bytes of their memories that are loaded, all together. What the cache of committed pages has no room for is not loaded either.
    pub budget_bytes: u64,
    /// Whether their code is made ready for queries with deadlines too, which run code of their own.
    pub queries: bool,
}

impl WarmUp {
    /// These contracts, with 256 MiB of their memories.
    pub fn contracts(contracts: impl IntoIterator<Item = ContractId>) -> Self {
        Self {
            contracts: Some(contracts.into_iter().collect()),
            ..Self::pinned()
        }
    }

    /// The contracts whose code is [pinned](VM::pin), with 256 MiB of their memories. All contracts of the commit are looked at.
    pub fn pinned() -> Self {
        Self {
            contracts: None,
            budget_bytes: 256 << 20,
            queries: false,
        }
    }

    /// With so many bytes of memories.
    #[must_use]
    pub fn budget_bytes(mut self, budget_bytes: u64) -> Self {
        self.budget_bytes = budget_bytes;
        self
    }

    /// For queries too.
    #[must_use]
    pub fn for_queries(mut self) -> Self {
        self.queries = true;
        self
    }
}

/// What came of a contract that was to be made ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warmed {
    /// The contract.
    pub contract: ContractId,
    /// Pages of its memory that are loaded now.
    pub pages_loaded: u64,
    /// Pages that are not, for want of room.
    pub pages_left: u64,
    /// Which of the contracts it is, counted from 1.
    pub number: usize,
    /// How many there are.
    pub total: usize,
}

/// What came of warming up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WarmUpReport {
    /// The contracts whose code is ready, in order.
    pub warmed: Vec<Warmed>,
    /// Those that the commit does not have.
    pub missing: Vec<ContractId>,
    /// Bytes that were loaded.
    pub loaded_bytes: u64,
    /// Whether it was told to stop.
    pub stopped: bool,
}

impl WarmUpReport {
    /// Whether everything that was wanted is ready.
    pub fn is_complete(&self) -> bool {
        let all_loaded = self.warmed.iter().all(|one| one.pages_left == 0);
        all_loaded && self.missing.is_empty() && !self.stopped
    }
}

/// Why warming up ended early. What was made ready before is ready, and no state has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WarmUpError {
    /// The commit is not retained, or its state can not be read.
    #[error(transparent)]
    Commit(#[from] ProofError),
    /// The commit's protocol is not configured.
    #[error(transparent)]
    Protocol(SessionError),
    /// The engine for queries does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The state tree can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A contract's code or memory can not be had.
    #[error(transparent)]
    Contract(#[from] Fault),
    /// A page of a contract can not be had.
    #[error("the memory of contract {contract} can not be loaded")]
    Page {
        /// The contract.
        contract: ContractId,
        /// Why.
        #[source]
        source: MemoryError,
    },
}

/// Warming up while it goes on.
struct Warming<'a> {
    snapshot: &'a Snapshot,
    runtimes: &'a [Arc<Runtime>],
    left_bytes: u64,
    report: WarmUpReport,
}

impl VM {
    /// Makes contracts of a commit ready: compiled code in memory, and pinned, and as much of their memories in the cache of committed pages as
    /// the budget allows. `told` hears of each and may stop it.
    ///
    /// Nothing of it changes a result. Sessions and commits go on meanwhile.
    ///
    /// ```
    /// # use crostata::{contract_bytecode, ContractData, SessionData, VM, WarmUp};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::ops::ControlFlow;
    ///
    /// let vm = VM::ephemeral()?;
    /// let mut session = vm.session(SessionData::builder())?;
    /// let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
    /// let commit = session.commit()?;
    ///
    /// let wanted = WarmUp::contracts([counter]).budget_bytes(64 << 20);
    /// let report = vm.warm_up(commit, &wanted, |warmed| {
    ///     eprintln!("{} of {}: {}", warmed.number, warmed.total, warmed.contract);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert!(report.is_complete());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`WarmUpError`]. A contract that the commit does not have is none: the report lists it.
    pub fn warm_up(
        &self,
        commit: impl Into<CommitRef>,
        wanted: &WarmUp,
        mut told: impl FnMut(&Warmed) -> ControlFlow<()>,
    ) -> Result<WarmUpReport, WarmUpError> {
        let _observing = self.observed().during(Work::WarmUp);
        let (commit, protocol, snapshot) = self.warm_base(commit.into())?;
        let runtime = self.runtime(Some(protocol), None);
        let runtime = runtime.map_err(WarmUpError::Protocol)?;
        let mut runtimes = vec![runtime];
        if wanted.queries {
            runtimes.push(runtimes[0].interruptible()?);
        }
        let contracts = self.warm_contracts(commit, wanted)?;
        let mut warming = Warming {
            snapshot: &snapshot,
            runtimes: &runtimes,
            left_bytes: wanted.budget_bytes,
            report: WarmUpReport::default(),
        };
        let total = contracts.len();
        for (contract, number) in contracts.into_iter().zip(1..) {
            let Some(warmed) = warming.warm(contract, (number, total))? else {
                continue;
            };
            if told(&warmed).is_break() {
                warming.report.stopped = number < total;
                break;
            }
        }
        Ok(warming.report)
    }

    fn warm_base(&self, commit: CommitRef) -> Result<(Commit, Arc<str>, Snapshot), ProofError> {
        let retained = self.commits.any(commit)?;
        let snapshot = self.commits.state(&retained)?;
        Ok((retained.commit, retained.protocol.clone(), snapshot))
    }

    fn warm_contracts(
        &self,
        commit: Commit,
        wanted: &WarmUp,
    ) -> Result<Vec<ContractId>, WarmUpError> {
        if let Some(contracts) = &wanted.contracts {
            return Ok(contracts.clone());
        }
        let artifacts = &self.shared().artifacts;
        let mut pinned = Vec::new();
        for record in self.contracts(commit)? {
            let record = record?;
            if artifacts.is_pinned(&record.code_hash) {
                pinned.push(record.contract);
            }
        }
        Ok(pinned)
    }
}

impl Warming<'_> {
    fn warm(
        &mut self,
        contract: ContractId,
        (number, total): (usize, usize),
    ) -> Result<Option<Warmed>, WarmUpError> {
        let Some(state) = self.snapshot.get(&contract)? else {
            self.report.missing.push(contract);
            return Ok(None);
        };
        for runtime in self.runtimes {
            runtime.shared().artifacts.pin(state.record.code_hash);
            runtime.module_of(self.snapshot, &state)?;
        }
        let (pages_loaded, pages_left) = self.load(&state)?;
        let warmed = Warmed {
            contract,
            pages_loaded,
            pages_left,
            number,
            total,
        };
        self.report.warmed.push(warmed);
        Ok(Some(warmed))
    }

    /// Loads the pages that are not zeros, in order, as long as there is room: others would have to go for what is beyond. How many, and how
    /// many were left.
    fn load(&mut self, state: &Arc<ContractState>) -> Result<(u64, u64), WarmUpError> {
        let images = self.runtimes[0].shared().images.clone();
        let page_bytes = PAGE_BYTES as u64;
        let image = match images.room_bytes(1) < page_bytes {
            true => None,
            false => Some(self.runtimes[0].image_of(state)?),
        };
        let (mut loaded, mut left) = (0, 0);
        for leaf in state.pages.leaves() {
            let (page, ..) = leaf?;
            let has_room = self.left_bytes >= page_bytes && images.room_bytes(0) >= page_bytes;
            let Some(image) = image.as_ref().filter(|_| has_room) else {
                left += 1;
                continue;
            };
            let before = images.loaded_bytes();
            // A page tree has 32-bit positions at most.
            let found = image.load(page as u32);
            found.map_err(|source| WarmUpError::Page {
                contract: state.record.contract,
                source,
            })?;
            loaded += 1;
            let more = images.loaded_bytes().saturating_sub(before);
            self.left_bytes = self.left_bytes.saturating_sub(more);
            self.report.loaded_bytes += more;
        }
        Ok((loaded, left))
    }
}
