//! What the commits are, in plain words: each with the content of all its contracts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crostata_proof::CommitId;

use crate::state::Commit;
use crate::state::naming::GENESIS;

/// A contract: which code, how large a memory, and the number that each page that is not zeros is filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    pub code: u8,
    pub wasm_pages: u64,
    pub pages: BTreeMap<u32, u32>,
}

/// The contracts by number.
pub type State = BTreeMap<u8, Contract>;

/// What a commit does to one contract.
#[derive(Debug, Clone)]
pub struct Change {
    pub contract: u8,
    /// The contract begins anew, with this code and memory. So does one that does not exist.
    pub fresh: bool,
    pub code: u8,
    pub wasm_pages: u64,
    /// Pages and what they are filled with; 0 makes them zeros.
    pub pages: Vec<(u32, u32)>,
}

impl Change {
    /// The contract after the change.
    pub fn apply(&self, old: Option<&Contract>) -> Contract {
        let mut contract = match old.filter(|_| !self.fresh) {
            Some(old) => old.clone(),
            None => Contract {
                code: self.code,
                wasm_pages: self.wasm_pages,
                pages: BTreeMap::new(),
            },
        };
        for (page, value) in &self.pages {
            contract.pages.remove(page);
            if *value != 0 && u64::from(*page) < 16 * contract.wasm_pages {
                contract.pages.insert(*page, *value);
            }
        }
        contract
    }
}

/// The state after the changes.
pub fn changed(state: &State, changes: &[Change]) -> State {
    let mut next = state.clone();
    for change in changes {
        let contract = change.apply(state.get(&change.contract));
        next.insert(change.contract, contract);
    }
    next
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub commit: Commit,
    pub state: Arc<State>,
}

/// The retained commits, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub commits: Vec<Known>,
    pub finalised: Option<CommitId>,
}

impl Model {
    pub fn list(&self) -> Vec<Commit> {
        self.commits.iter().map(|known| known.commit).collect()
    }

    pub fn find(&self, id: CommitId) -> Option<&Known> {
        self.commits.iter().find(|known| known.commit.id == id)
    }

    /// Whether a commit with this parent may come.
    pub fn may_follow(&self, parent: CommitId) -> bool {
        match parent == GENESIS {
            true => self.finalised.is_none(),
            false => self.find(parent).is_some(),
        }
    }

    pub fn with_commit(&self, commit: Commit, state: Arc<State>) -> Self {
        let mut next = self.clone();
        if self.find(commit.id).is_none() {
            next.commits.push(Known { commit, state });
        }
        next
    }

    pub fn with_finalised(&self, id: CommitId) -> Self {
        let mut next = self.clone();
        next.commits.retain(|known| self.is_at_or_above(known, id));
        next.finalised = Some(id);
        next
    }

    pub fn without(&self, id: CommitId) -> Self {
        let mut next = self.clone();
        next.commits.retain(|known| !self.is_at_or_above(known, id));
        next
    }

    fn is_at_or_above(&self, known: &Known, id: CommitId) -> bool {
        let mut next = Some(known);
        while let Some(known) = next {
            if known.commit.id == id {
                return true;
            }
            next = self.find(known.commit.parent);
        }
        false
    }
}
