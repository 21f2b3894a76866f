//! The chain: a VM, and the header of each block that was executed on it.
//!
//! Blocks are made one after the other; proofs of any of them are made at the same time, since a VM's commits are only read.

use std::sync::{Mutex, PoisonError, RwLock};

use crostata::{
    Commit, CommitError, ContractData, ContractDataBuilder, ContractId, Error, OpenVmError,
    ProofItem, ProveValueError, Session, SessionData, SessionError, VM, Value, ValuePath,
};
use crostata_proof::CommitId;
use light_chain::names::{ALICE, BOB, COUNTER, OTHER_TOKEN, TOKEN, UPGRADE_HEIGHT};
use light_chain::{Header, Question};
use thiserror::Error;

/// Gas that each call and deploy may spend.
const GAS_LIMIT: u64 = 100_000_000;

/// How many blocks a chain has at most: every one is kept, so that all of them can be proven.
const BLOCKS_MAX: u64 = 10_000;

/// The token: it declares its balances, so that they can be proven by name.
const TOKEN_CODE: &[u8] = include_bytes!("../../../contracts/artifacts/accounts.wasm");
/// The counter before the upgrade.
const COUNTER_CODE: &[u8] = include_bytes!("../../../contracts/artifacts/counter.wasm");
/// The counter's code after it: its number comes from the argument of `init`.
const UPGRADED_CODE: &[u8] = include_bytes!("../../../contracts/artifacts/initializer.wasm");

/// Who may upgrade the contracts.
const OWNER: &[u8] = b"the light demo";

/// A VM and the blocks that it executed.
pub struct Chain {
    vm: VM,
    headers: RwLock<Vec<Header>>,
    /// Held while a block is made.
    making: Mutex<()>,
}

/// Why there is no further block.
#[derive(Debug, Error)]
pub enum BlockError {
    /// The VM did not open.
    #[error("the VM did not open: {0}")]
    Open(#[from] OpenVmError),
    /// There is no session on the newest block.
    #[error("no session on the newest block: {0}")]
    Session(#[from] SessionError),
    /// A transaction of the block failed.
    #[error("a transaction failed: {0}")]
    Transaction(#[from] Error),
    /// The block could not be stored.
    #[error("the block could not be stored: {0}")]
    Commit(#[from] CommitError),
    /// There are enough.
    #[error("this chain ends after {BLOCKS_MAX} blocks; start the node anew")]
    Full,
}

impl Chain {
    /// A new chain with so many blocks.
    ///
    /// The same code makes the same blocks, with the same ids, every time.
    pub fn with_blocks(count: u64) -> Result<Self, BlockError> {
        let chain = Self {
            vm: VM::ephemeral()?,
            headers: RwLock::new(Vec::new()),
            making: Mutex::new(()),
        };
        for _ in 0..count {
            chain.make_block()?;
        }
        Ok(chain)
    }

    /// The headers from this height on, at most so many.
    pub fn headers(&self, from: u64, count: usize) -> Vec<Header> {
        let headers = self.headers.read().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        headers.iter().skip(from).take(count).copied().collect()
    }

    /// The header of one block, if there is one of this height.
    pub fn header(&self, height: u64) -> Option<Header> {
        self.headers(height, 1).first().copied()
    }

    /// How many blocks there are.
    pub fn len(&self) -> u64 {
        let headers = self.headers.read().unwrap_or_else(PoisonError::into_inner);
        headers.len() as u64
    }

    /// Executes a block on top of the newest one.
    pub fn make_block(&self) -> Result<Header, BlockError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let height = self.len();
        if height >= BLOCKS_MAX {
            return Err(BlockError::Full);
        }
        let parent = height.checked_sub(1).and_then(|height| self.header(height));
        let mut data = SessionData::builder();
        if let Some(parent) = parent {
            data = data.base(parent.id);
        }
        let mut session = self.vm.session(data)?;
        execute(&mut session, height)?;
        let tag = digest(height);
        let commit = session.commit_with_tag(tag)?;
        let header = header_of(&commit, parent, height, tag);
        let mut headers = self.headers.write().unwrap_or_else(PoisonError::into_inner);
        headers.push(header);
        Ok(header)
    }

    /// A proof that answers a question about a contract, at a block.
    pub fn prove(
        &self,
        block: &Header,
        contract: ContractId,
        question: &Question,
    ) -> Result<Vec<u8>, ProveValueError> {
        let item = match *question {
            Question::Value { ref name, ref key } => {
                let path = match key {
                    Some(key) => ValuePath::key(name, Value::Bytes(key.clone())),
                    None => name.as_str().into(),
                };
                return Ok(self.vm.prove_value(block.id, contract, path)?.encode());
            }
            Question::Record => ProofItem::Contract(contract),
            Question::Bytes { offset, len } => ProofItem::bytes(contract, offset, len),
            Question::Code { offset, len } => ProofItem::code(contract, offset, len),
        };
        Ok(self.vm.prove(block.id, &[item])?.encode())
    }
}

/// What a block does to the state. The first one deploys, the others move tokens and count, and one changes the counter's code.
fn execute(session: &mut Session, height: u64) -> Result<(), Error> {
    if height == 0 {
        return deploy(session);
    }
    if height == UPGRADE_HEIGHT {
        upgrade(session)?;
    }
    let amount = 10 * height;
    session.call::<_, ()>(TOKEN, "transfer", &(ALICE, BOB, amount, 12u8), GAS_LIMIT)?;
    session.call::<_, ()>(COUNTER, "increment", &(), GAS_LIMIT)?;
    Ok(())
}

fn deploy(session: &mut Session) -> Result<(), Error> {
    for (id, supply) in [(TOKEN, 1_000_000u64), (OTHER_TOKEN, 5_000_000)] {
        session.deploy(TOKEN_CODE, contract(id), GAS_LIMIT)?;
        session.call::<_, ()>(id, "mint", &(ALICE, supply), GAS_LIMIT)?;
    }
    session.deploy(COUNTER_CODE, contract(COUNTER), GAS_LIMIT)?;
    Ok(())
}

fn contract(id: ContractId) -> ContractDataBuilder {
    ContractData::builder().contract_id(id).owner(OWNER)
}

/// New code under the counter's id, which goes on from the counter's number.
fn upgrade(session: &mut Session) -> Result<(), Error> {
    let number = session.call::<_, i64>(COUNTER, "read_value", &(), GAS_LIMIT)?;
    let data = ContractData::builder().init_arg(&number.data);
    session.migrate(COUNTER, UPGRADED_CODE, data, GAS_LIMIT, |_, _| Ok(()))
}

/// The digest of what is in a block. A real chain hashes its transactions; here, the height says what they are.
fn digest(height: u64) -> [u8; 32] {
    *blake3::hash(format!("block {height} of the light demo").as_bytes()).as_bytes()
}

fn header_of(commit: &Commit, parent: Option<Header>, height: u64, tag: [u8; 32]) -> Header {
    let parent = parent.map_or(CommitId::from_bytes([0; 32]), |parent| parent.id);
    Header {
        height,
        id: commit.id,
        parent,
        root: commit.root,
        tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P1, P4: a chain is the same whenever it is made, and its ids follow from what its headers say.
    #[test]
    fn the_same_blocks_have_the_same_ids() {
        let chain = Chain::with_blocks(7).unwrap();
        let headers = chain.headers(0, 100);
        assert_eq!(headers, Chain::with_blocks(7).unwrap().headers(0, 100));
        assert_eq!(headers.len(), 7);
        for pair in headers.windows(2) {
            assert_eq!(pair[1].parent, pair[0].id);
            assert_eq!(pair[1].derived_id(), pair[1].id);
            assert_ne!(pair[1].root, pair[0].root);
        }
    }
}
