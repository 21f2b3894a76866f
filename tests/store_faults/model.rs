//! What a VM's commits are, in plain words.

use std::collections::BTreeMap;
use std::rc::Rc;

use crostata::{Commit, CommitId};

/// The pages of each contract that are not zeros, with the number that each begins with.
pub type State = BTreeMap<u64, BTreeMap<u32, u32>>;

/// What is done to one contract, which is deployed if it does not exist.
#[derive(Debug, Clone)]
pub struct Writes {
    pub contract: u64,
    /// Pages, and the numbers that they are to begin with.
    pub pages: Vec<(u32, u32)>,
}

impl Writes {
    pub fn apply(&self, state: &State) -> State {
        let mut next = state.clone();
        let contract = next.entry(self.contract).or_default();
        for (page, value) in &self.pages {
            contract.remove(page);
            if *value != 0 {
                contract.insert(*page, *value);
            }
        }
        next
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub commit: Commit,
    pub state: Rc<State>,
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
        match *parent.as_bytes() == [0; 32] {
            true => self.finalised.is_none(),
            false => self.find(parent).is_some(),
        }
    }

    pub fn with_commit(&self, commit: Commit, state: Rc<State>) -> Self {
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
