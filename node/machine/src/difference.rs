//! Where a state that this node came to differs from the one that the chain agreed on.

use std::fmt;

use crostata::{Commit, ContractDiff, ContractId, PageIndex, VM};

use crate::block::Header;
use crate::error::Fatal;
use crate::vm::Sealed;

/// The commit of a state that is wrong has this as its tag: it is evidence, and no block's.
pub const EVIDENCE: [u8; 32] = *b"crostata: a state that diverged\0";

/// Where two states differ first, by rising id of the contract and number of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The contract.
    pub contract: ContractId,
    /// Its first page that differs; none if only what is said of the contract does.
    pub page: Option<PageIndex>,
    /// What differs of the contract besides its pages.
    pub of_contract: Option<&'static str>,
    /// How many contracts differ.
    pub contracts: usize,
    /// How many pages of this one do.
    pub pages: usize,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "contract {}", self.contract)?;
        if let Some(page) = self.page {
            write!(f, ", page {page}, the first of {}", self.pages)?;
        }
        if let Some(of_contract) = self.of_contract {
            write!(f, ", {of_contract}")?;
        }
        match self.contracts {
            1 => Ok(()),
            contracts => write!(f, "; {contracts} contracts differ"),
        }
    }
}

impl From<&ContractDiff> for Difference {
    fn from(diff: &ContractDiff) -> Self {
        Self {
            contract: diff.contract,
            page: diff.pages.first().copied(),
            of_contract: of_contract(diff),
            contracts: 1,
            pages: diff.pages.len(),
        }
    }
}

fn of_contract(diff: &ContractDiff) -> Option<&'static str> {
    if diff.is_added() {
        Some("which only the chain has")
    } else if diff.is_removed() {
        Some("which only this node has")
    } else if diff.has_other_code() {
        Some("its code")
    } else if diff.has_other_owner() {
        Some("its owner")
    } else {
        None
    }
}

/// Where a state that was executed here differs from a block's, which is the final one of another VM. None if it does not.
///
/// The state is kept as a commit of this node's VM until another block becomes final, for who looks into it.
///
/// # Errors
/// [`Fatal`] when one of the states can not be read or kept.
pub fn difference(
    ours: &VM,
    state: Sealed,
    truth: &VM,
    header: &Header,
) -> Result<Option<Difference>, Fatal> {
    let sealed = state.seal(EVIDENCE)?;
    let commit = sealed.commit();
    let commit =
        commit.map_err(|error| Fatal::new("the state that diverged is not kept", error))?;
    compare(ours, commit, truth, header)
}

/// Where the state that is committed here as a block's differs from the block's, which is the final one of another VM. None if it does not, or is not
/// there.
///
/// # Errors
/// [`Fatal`] when one of the states can not be read.
pub fn difference_of_committed(
    ours: &VM,
    truth: &VM,
    header: &Header,
) -> Result<Option<Difference>, Fatal> {
    let tag = header.digest().to_bytes();
    let is_other = |commit: &Commit| commit.tag == tag && commit.root != header.state_root;
    match ours.commits().into_iter().find(is_other) {
        Some(commit) => compare(ours, commit, truth, header),
        None => Ok(None),
    }
}

fn compare(
    ours: &VM,
    commit: Commit,
    truth: &VM,
    header: &Header,
) -> Result<Option<Difference>, Fatal> {
    let diff = ours.diff_with(commit, truth, header.state_root);
    let diff = diff.map_err(|error| Fatal::new("the states can not be compared", error))?;
    let first = diff.contracts.first().map(Difference::from);
    Ok(first.map(|first| Difference {
        contracts: diff.contracts.len(),
        ..first
    }))
}
