//! The part of a state that somebody used, as a proof; and a state of which there is such a part and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::tree::page_tree_height;
use crostata_proof::{
    EMPTY, Hash, PageChunks, ProvenContract, ProvenState, StateProof, StateProofBuilder, hash,
};

use super::batch::{Spot, Witnessed};
use super::code::CodeSource;
use super::pages::{CommittedPages, ReadPageError};
use super::snapshot::{Bucket, ContractState, Snapshot};
use super::tree::{PartLeaf, PartOf, Tree};
use crate::memory::spill;

/// What of a state is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// The positions of the contract tree.
    pub positions: BTreeSet<u64>,
    /// Of contracts that there are, the chunks of pages.
    pub pages: BTreeMap<(ContractId, PageIndex), PageChunks>,
}

impl Parts {
    /// A contract was looked up.
    pub fn look_up(&mut self, contract: &ContractId) {
        self.positions.insert(hash::position(contract));
    }

    /// Pages of a contract were touched. By the spill rule each stands for the head of the next, too. What lies behind the
    /// memory that the state has is zeros, which needs no proof.
    pub fn touch(&mut self, contract: &ContractState, touched: &BTreeSet<u32>) {
        for page in touched {
            self.show(contract, *page, PageChunks::ALL);
            for next in spill(*page).filter(|next| !touched.contains(next)) {
                self.show(contract, next, PageChunks::of_bytes(0..1));
            }
        }
    }

    fn show(&mut self, contract: &ContractState, page: u32, chunks: PageChunks) {
        let page = PageIndex(page);
        if contract.record.has_page(page) {
            self.add(contract.record.contract, page, chunks);
        }
    }

    /// A page became another one, behind the memory that the state has or not: the way from there to the root is needed.
    pub fn change(&mut self, contract: ContractId, page: PageIndex) {
        self.add(contract, page, PageChunks::ALL);
    }

    fn add(&mut self, contract: ContractId, page: PageIndex, chunks: PageChunks) {
        let known = self.pages.entry((contract, page));
        let known = known.or_insert(PageChunks::NONE);
        *known = *known | chunks;
    }
}

impl Snapshot {
    /// A proof that shows these parts, with the records of all contracts at the positions.
    ///
    /// # Errors
    /// [`ReadPageError`] when the state can not be read.
    pub fn show(&self, parts: &Parts) -> Result<StateProof, ReadPageError> {
        let mut builder = StateProofBuilder::new();
        for position in &parts.positions {
            let bucket = self.bucket(*position)?;
            let path = self.contracts().path(*position)?;
            builder.position(*position, path, bucket.entries());
            for state in bucket.contracts() {
                builder.record(state.record.clone());
            }
        }
        for ((contract, page), chunks) in &parts.pages {
            if let Some(state) = self.get(contract)? {
                let path = state.pages.path(u64::from(page.0))?;
                let bytes = CommittedPages::new(self.nodes().store().clone(), state).read(*page)?;
                builder.page(contract, *page, path, bytes, *chunks);
            }
        }
        Ok(builder.build())
    }

    /// The state of which `proven` is known, and nothing else, with code from `codes`. What this snapshot is of does not matter.
    ///
    /// # Errors
    /// The contract at a position of the proof whose record is not shown.
    pub fn witnessed(
        &self,
        proven: &Arc<ProvenState>,
        codes: Arc<dyn CodeSource>,
    ) -> Result<Self, ContractId> {
        let leaves = (0..proven.positions().len()).map(|at| self.bucket_leaf(proven, at));
        let leaves = leaves.collect::<Result<_, _>>()?;
        let (root, paths) = (proven.root().to_bytes(), proven.paths().clone());
        let contracts = self.contracts();
        let contracts = contracts.part(PartOf::Contracts, root, u64::MAX, leaves, Some(paths));
        let state = self.with_trees(contracts, self.code_tree().emptied());
        Ok(state.supplied_by(codes))
    }

    fn bucket_leaf(
        &self,
        proven: &Arc<ProvenState>,
        position: usize,
    ) -> Result<PartLeaf<Bucket>, ContractId> {
        let shown = &proven.positions()[position];
        let states = shown.members().iter().enumerate();
        let states = states.map(|(at, member)| match member.shown() {
            Some(shown) => {
                let leaves = page_leaves(proven, shown, position, at);
                let hash = *member.record_hash();
                Ok(Arc::new(self.contract_part(shown, leaves, hash)))
            }
            None => Err(*member.contract()),
        });
        let states: Vec<_> = states.collect::<Result<_, _>>()?;
        Ok(PartLeaf {
            position: shown.position(),
            hash: shown.leaf(),
            leaf: (!states.is_empty()).then(|| Bucket::of(states)),
        })
    }

    fn contract_part(
        &self,
        shown: &ProvenContract,
        leaves: Vec<PartLeaf<Spot>>,
        record_hash: Hash,
    ) -> ContractState {
        let record = shown.record().clone();
        let whole = Tree::new(page_tree_height(record.word_size), self.nodes().source());
        let pages = whole.part(
            PartOf::Pages(record.contract),
            record.page_root,
            record.pages(),
            leaves,
            shown.paths().cloned(),
        );
        ContractState::hashed(record, pages, record_hash)
    }
}

fn page_leaves(
    proven: &Arc<ProvenState>,
    shown: &ProvenContract,
    position: usize,
    member: usize,
) -> Vec<PartLeaf<Spot>> {
    let pages = shown.pages().iter().enumerate();
    let leaves = pages.map(|(page, shown)| {
        let witnessed = || Witnessed {
            proven: proven.clone(),
            position,
            member,
            page,
        };
        PartLeaf {
            position: u64::from(shown.index().0),
            hash: shown.leaf(),
            leaf: (shown.leaf() != EMPTY).then(|| Spot::Witnessed(witnessed())),
        }
    });
    leaves.collect()
}
