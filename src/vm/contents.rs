//! What a commit holds, for who looks at a state without calling anything: contracts, their code, the pages that they use.

use std::fmt;
use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::{ContractRecord, hash};
use tempfile::TempDir;

use super::error::ProofError;
use super::handle::VM;
use crate::state::{CommitRef, ContractState, Diff, NodeError, OpeningError, Snapshot};

/// The contracts of a commit: their records, in the order of their places in the contract tree.
///
/// It keeps the state readable, whatever becomes of the commit. Each contract costs a way through the tree; it ends after an error.
pub struct Contracts {
    snapshot: Snapshot,
    /// Where the search goes on in the tree.
    next: Option<u64>,
    /// Those that were found at one position and are still to come.
    found: std::vec::IntoIter<Arc<ContractState>>,
    _directory: Option<Arc<TempDir>>,
}

impl fmt::Debug for Contracts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = self.next;
        f.debug_struct("Contracts")
            .field("next", &next)
            .finish_non_exhaustive()
    }
}

impl Contracts {
    /// Goes to the next position that has contracts; `false` if there is none.
    fn advance(&mut self) -> Result<bool, NodeError> {
        let Some(from) = self.next.take() else {
            return Ok(false);
        };
        let first = self.snapshot.contracts().leaves_from(from)?.next();
        let Some((position, _, bucket)) = first.transpose()? else {
            return Ok(false);
        };
        self.next = position.checked_add(1);
        self.found = bucket.contracts().to_vec().into_iter();
        Ok(true)
    }
}

impl Iterator for Contracts {
    type Item = Result<ContractRecord, NodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(state) = self.found.next() {
                return Some(Ok(state.record.clone()));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl VM {
    /// The contracts of a retained commit.
    ///
    /// ```
    /// # use crostata::{contract_bytecode, ContractData, SessionData, VM};
    /// let vm = VM::ephemeral()?;
    /// let mut session = vm.session(SessionData::builder())?;
    /// let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
    /// let commit = session.commit()?;
    ///
    /// let records: Result<Vec<_>, _> = vm.contracts(commit)?.collect();
    /// assert_eq!(records?[0].contract, counter);
    /// assert_eq!(vm.contract_code(commit, counter)?, contract_bytecode!("counter"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ProofError::Commit`] when it is not retained, [`ProofError::State`] when it can not be read.
    pub fn contracts(&self, commit: impl Into<CommitRef>) -> Result<Contracts, ProofError> {
        Ok(Contracts {
            snapshot: self.committed(commit.into())?,
            next: Some(0),
            found: Vec::new().into_iter(),
            _directory: self.directory.ephemeral(),
        })
    }

    /// The code of a contract, as it was deployed.
    ///
    /// # Errors
    /// [`ProofError`] when commit or contract does not exist, or something can not be read.
    pub fn contract_code(
        &self,
        commit: impl Into<CommitRef>,
        contract: ContractId,
    ) -> Result<Vec<u8>, ProofError> {
        let snapshot = self.committed(commit.into())?;
        let state = existing(&snapshot, contract)?;
        let code = snapshot.code(&state.record.code_hash)?;
        debug_assert_eq!(hash::code_hash(&code), state.record.code_hash);
        Ok(code)
    }

    /// The pages of a contract's memory that are not all zeros, in rising order. None of them is read.
    ///
    /// # Errors
    /// [`ProofError`] when commit or contract does not exist, or the tree can not be read.
    pub fn contract_pages(
        &self,
        commit: impl Into<CommitRef>,
        contract: ContractId,
    ) -> Result<Vec<PageIndex>, ProofError> {
        let snapshot = self.committed(commit.into())?;
        let state = existing(&snapshot, contract)?;
        let pages = state.pages.leaves();
        // A page tree has 32-bit positions at most.
        let pages = pages.map(|leaf| leaf.map(|(position, ..)| PageIndex(position as u32)));
        Ok(pages.collect::<Result<_, _>>()?)
    }

    /// What is different between two retained commits, of whatever branches: contracts, and pages of their memories.
    ///
    /// It costs what is different, whatever the size of both states: parts of the trees that are the same are not looked at, and no page is
    /// read.
    ///
    /// ```
    /// # use crostata::{contract_bytecode, ContractData, SessionData, VM};
    /// let vm = VM::ephemeral()?;
    /// let mut session = vm.session(SessionData::builder())?;
    /// let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
    /// let before = session.commit()?;
    /// session.call::<_, ()>(counter, "increment", &(), 1_000_000)?;
    /// let after = session.commit()?;
    ///
    /// let diff = vm.diff(before, after)?;
    /// assert_eq!((diff.contracts.len(), diff.contracts[0].pages.len()), (1, 1));
    /// assert!(!diff.contracts[0].has_other_code());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ProofError`] when a commit is not retained, or something can not be read.
    pub fn diff(
        &self,
        from: impl Into<CommitRef>,
        to: impl Into<CommitRef>,
    ) -> Result<Diff, ProofError> {
        let (from, to) = (self.committed(from.into())?, self.committed(to.into())?);
        Ok(from.difference(&to)?)
    }

    /// What is different between a commit of this VM and one of another, as [`diff`](Self::diff): where two machines that should have come to the
    /// same did not.
    ///
    /// # Errors
    /// As [`diff`](Self::diff).
    pub fn diff_with(
        &self,
        from: impl Into<CommitRef>,
        other: &Self,
        to: impl Into<CommitRef>,
    ) -> Result<Diff, ProofError> {
        let (from, to) = (self.committed(from.into())?, other.committed(to.into())?);
        Ok(from.difference(&to)?)
    }

    fn committed(&self, commit: CommitRef) -> Result<Snapshot, ProofError> {
        let retained = self.commits.any(commit)?;
        Ok(self.commits.state(&retained)?)
    }
}

fn existing(snapshot: &Snapshot, contract: ContractId) -> Result<Arc<ContractState>, ProofError> {
    let state = snapshot.get(&contract)?;
    Ok(state.ok_or(OpeningError::NoContract { contract })?)
}
