//! What is different between two states: contracts, and pages of their memories.

use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::{ContractRecord, Root};

use super::snapshot::{Bucket, ContractState, Snapshot};
use super::tree::NodeError;

/// What is different between two states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The root of the first.
    pub from: Root,
    /// The root of the second.
    pub to: Root,
    /// The contracts that are not the same in both, by rising id.
    pub contracts: Vec<ContractDiff>,
}

/// A contract that is not the same in two states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractDiff {
    /// Its id.
    pub contract: ContractId,
    /// What the first state has under its id.
    pub before: Option<ContractRecord>,
    /// What the second one has.
    pub after: Option<ContractRecord>,
    /// The pages whose bytes differ, in rising order, where a page that is not there is zeros.
    pub pages: Vec<PageIndex>,
}

impl ContractDiff {
    /// Whether only the second state has it.
    pub fn is_added(&self) -> bool {
        self.before.is_none()
    }

    /// Whether only the first state has it.
    pub fn is_removed(&self) -> bool {
        self.after.is_none()
    }

    /// Whether both states have it, with other code.
    pub fn has_other_code(&self) -> bool {
        self.differs(|record| record.code_hash)
    }

    /// Whether both states have it, with other owners.
    pub fn has_other_owner(&self) -> bool {
        self.differs(|record| record.owner.as_bytes().to_vec())
    }

    /// Whether both states have it, with memories of other sizes.
    pub fn has_other_size(&self) -> bool {
        self.differs(|record| record.memory_wasm_pages)
    }

    fn differs<T: PartialEq>(&self, of: impl Fn(&ContractRecord) -> T) -> bool {
        let both = self.before.as_ref().zip(self.after.as_ref());
        both.is_some_and(|(before, after)| of(before) != of(after))
    }
}

impl Snapshot {
    /// What is different in another state. Costs what is, whatever the size of both.
    ///
    /// # Errors
    /// [`NodeError`] when the state can not be read.
    pub fn difference(&self, other: &Self) -> Result<Diff, NodeError> {
        let mut contracts = Vec::new();
        for place in self.contracts().difference(other.contracts())? {
            let (one, other) = (members(place.one), members(place.other));
            for before in &one {
                let after = with_id(&other, &before.record.contract);
                contracts.extend(contract(Some(before), after)?);
            }
            for after in &other {
                if with_id(&one, &after.record.contract).is_none() {
                    contracts.extend(contract(None, Some(after))?);
                }
            }
        }
        contracts.sort_unstable_by_key(|diff| diff.contract);
        Ok(Diff {
            from: self.root(),
            to: other.root(),
            contracts,
        })
    }
}

fn members(bucket: Option<Bucket>) -> Vec<Arc<ContractState>> {
    bucket.map_or_else(Vec::new, |bucket| bucket.contracts().to_vec())
}

fn with_id<'a>(
    states: &'a [Arc<ContractState>],
    contract: &ContractId,
) -> Option<&'a Arc<ContractState>> {
    let mut states = states.iter();
    states.find(|state| state.record.contract == *contract)
}

/// A contract's difference, if there is one; it is in one of the two at least.
fn contract(
    before: Option<&Arc<ContractState>>,
    after: Option<&Arc<ContractState>>,
) -> Result<Option<ContractDiff>, NodeError> {
    let places = match (before, after) {
        (None, None) => return Ok(None),
        (Some(before), Some(after)) if before.record == after.record => return Ok(None),
        (Some(before), Some(after)) => before.pages.difference(&after.pages)?,
        (Some(before), None) => before.pages.difference(&before.pages.emptied())?,
        (None, Some(after)) => after.pages.emptied().difference(&after.pages)?,
    };
    let pages = places.iter();
    // A page tree has 32-bit positions at most.
    let pages = pages.map(|place| PageIndex(place.position as u32));
    let record = |state: &Arc<ContractState>| state.record.clone();
    let id = before.or(after).map(|state| state.record.contract);
    Ok(id.map(|contract| ContractDiff {
        contract,
        before: before.map(record),
        after: after.map(record),
        pages: pages.collect(),
    }))
}
