//! A VM as the cases see it.

use std::error::Error;
use std::time::Instant;

/// Why something could not be measured.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A contract's id.
pub type Id = [u8; 32];

/// A VM in a directory of its own.
pub trait Machine: Sized + 'static {
    /// Its sessions.
    type Session: Session<Commit = Self::Commit>;
    /// What identifies one of its commits.
    type Commit: Clone + 'static;
    /// What it makes proofs from.
    type Prover: 'static;
    /// A proof of a byte, with what it needs to be verified.
    type Proof: 'static;

    /// Opens one in a fresh directory, which is removed with it.
    ///
    /// # Errors
    /// The VM's.
    fn open() -> Result<Self, Failure>;

    /// Starts a session over a commit, or over the empty state.
    ///
    /// # Errors
    /// The VM's.
    fn session(&self, base: Option<&Self::Commit>) -> Result<Self::Session, Failure>;

    /// Makes a block over a commit: executes transactions, computes the root to vote for, and commits. All of them must succeed.
    ///
    /// # Errors
    /// The VM's.
    fn block(
        &self,
        base: &Self::Commit,
        transactions: &[Transfer],
    ) -> Result<Self::Commit, Failure>;

    /// Closes it and opens it again in the same directory; also when it was closed.
    ///
    /// # Errors
    /// The VM's.
    fn reopen(self) -> Result<(Self, Instant), Failure>;

    /// Removes a commit.
    ///
    /// # Errors
    /// The VM's.
    fn delete(&self, commit: Self::Commit) -> Result<(), Failure>;

    /// Makes ready for proofs of a contract's memory at a commit.
    ///
    /// # Errors
    /// The VM's.
    fn prover(&self, base: &Self::Commit, contract: Id) -> Result<Self::Prover, Failure>;

    /// The root of what it makes proofs from.
    ///
    /// # Errors
    /// The VM's.
    fn root_of(prover: &mut Self::Prover) -> Result<Id, Failure>;

    /// A proof of the byte at an address of a contract's memory.
    ///
    /// # Errors
    /// The VM's.
    fn prove_byte(
        &self,
        prover: &mut Self::Prover,
        contract: Id,
        address: u64,
    ) -> Result<Self::Proof, Failure>;

    /// The byte that a proof shows at a root.
    ///
    /// # Errors
    /// When it shows none.
    fn verify_byte(
        proof: &Self::Proof,
        root: &Id,
        contract: Id,
        address: u64,
    ) -> Result<u8, Failure>;

    /// How many bytes are sent.
    ///
    /// # Errors
    /// When it can not be encoded.
    fn proof_bytes(proof: &Self::Proof) -> Result<usize, Failure>;
}

/// A transaction of a block.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The contract.
    pub contract: Id,
    /// The function.
    pub function: &'static str,
    /// The argument.
    pub argument: Vec<u8>,
}

/// A session. Gas limits are far above what the cases use.
pub trait Session: Send + 'static {
    /// What identifies a commit.
    type Commit;

    /// Deploys a contract.
    ///
    /// # Errors
    /// The VM's.
    fn deploy(&mut self, code: &[u8], id: Id) -> Result<(), Failure>;

    /// Calls a function; gives its result's bytes.
    ///
    /// # Errors
    /// The VM's.
    fn call(&mut self, id: Id, function: &str, argument: &[u8]) -> Result<Vec<u8>, Failure>;

    /// Computes the root.
    ///
    /// # Errors
    /// What the VM says.
    fn root(&mut self) -> Result<Id, Failure>;

    /// Commits.
    ///
    /// # Errors
    /// The VM's.
    fn commit(self) -> Result<Self::Commit, Failure>;
}
