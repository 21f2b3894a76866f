//! Blocks, their bytes, and the limits on them.
//!
//! | bytes | field |
//! |---|---|
//! | 32 | digest of the parent |
//! | 8 | height |
//! | 8 | time in milliseconds of Unix time |
//! | 32 | account of the proposer |
//! | 32 | state root behind the block |
//! | 32 | receipts root |
//! | 32 | digest of the transactions |
//! | 4 | number of transactions |
//! | 4 + n | each of them |
//!
//! A block's digest is that of the header, the bytes before the number: who knows a header knows the block.

use std::sync::Arc;

use crostata::{ReceiptsRoot, Root};

use crate::account::Account;
use crate::bytes::{Malformed, Reader, put_long};
use crate::digest::BlockDigest;
use crate::rules::Rules;
use crate::transaction::Transaction;

const TRANSACTIONS_CONTEXT: &str = "crostata-node 2026-11 transactions of a block";

/// What a block's digest is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the block follows. Of the first block the chain's id.
    pub parent: BlockDigest,
    /// How many blocks are before it.
    pub height: u64,
    /// When it was proposed, as the proposer says: milliseconds of Unix time, later than its parent.
    pub time_ms: u64,
    /// Who gets its fees.
    pub proposer: Account,
    /// The root of the state behind it.
    pub state_root: Root,
    /// The root of the tree of its receipts.
    pub receipts_root: ReceiptsRoot,
    /// What binds its transactions.
    pub transactions_digest: [u8; 32],
}

/// A block. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Block {
    header: Header,
    transactions: Arc<[Transaction]>,
    digest: BlockDigest,
    len_bytes: usize,
}

/// Bytes that are no block of the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// They are longer than blocks of the chain may be.
    #[error("a block of {len_bytes} bytes; the chain's rules allow {max_bytes}")]
    TooLong {
        /// How long.
        len_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// There are more transactions than blocks of the chain may have.
    #[error("a block of {transactions} transactions; the chain's rules allow {max}")]
    TooMany {
        /// How many.
        transactions: usize,
        /// The limit.
        max: usize,
    },
    /// A transaction is longer than those of the chain may be.
    #[error("transaction {index} has {len_bytes} bytes; the chain's rules allow {max_bytes}")]
    LongTransaction {
        /// Which.
        index: usize,
        /// How long.
        len_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The header is of other transactions.
    #[error("the header is of other transactions")]
    OtherTransactions,
    /// They are no block at all.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Header {
    /// The length of a header, encoded.
    pub const BYTES: usize = 5 * 32 + 2 * 8;

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend(self.parent.to_bytes());
        out.extend(self.height.to_le_bytes());
        out.extend(self.time_ms.to_le_bytes());
        out.extend(self.proposer.to_bytes());
        out.extend(self.state_root.to_bytes());
        out.extend(self.receipts_root.to_bytes());
        out.extend(self.transactions_digest);
        out
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let header = Self::read(&mut reader)?;
        reader.end()?;
        Ok(header)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            parent: BlockDigest::from_bytes(reader.array()?),
            height: reader.u64()?,
            time_ms: reader.u64()?,
            proposer: Account::from_bytes(reader.array()?),
            state_root: Root::from_bytes(reader.array()?),
            receipts_root: ReceiptsRoot::from_bytes(reader.array()?),
            transactions_digest: reader.array()?,
        })
    }

    /// What names the block.
    pub fn digest(&self) -> BlockDigest {
        BlockDigest::of(&[&self.encode()])
    }
}

impl Block {
    /// What a block takes besides its transactions.
    pub const EMPTY_BYTES: usize = Header::BYTES + 4;

    /// A block of these transactions. Whether they are in the limits of the chain is for who builds it to see.
    pub fn new(header: Header, transactions: Vec<Transaction>) -> Self {
        let header = Header {
            transactions_digest: transactions_digest(&transactions),
            ..header
        };
        let lengths = transactions.iter().map(Self::len_of);
        Self {
            header,
            digest: header.digest(),
            len_bytes: Self::EMPTY_BYTES + lengths.sum::<usize>(),
            transactions: transactions.into(),
        }
    }

    /// What a transaction takes of a block.
    pub fn len_of(transaction: &Transaction) -> usize {
        4 + transaction.bytes().len()
    }

    /// Reads a block, whose limits are looked at before anything is read.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn decode(bytes: &[u8], rules: &Rules) -> Result<Self, BlockError> {
        let (len_bytes, max_bytes) = (bytes.len(), rules.block_bytes_max as usize);
        if len_bytes > max_bytes {
            return Err(BlockError::TooLong {
                len_bytes,
                max_bytes,
            });
        }
        let mut reader = Reader::new(bytes);
        let header = Header::read(&mut reader)?;
        let transactions = read_transactions(&mut reader, rules)?;
        reader.end()?;
        if transactions_digest(&transactions) != header.transactions_digest {
            return Err(BlockError::OtherTransactions);
        }
        Ok(Self::new(header, transactions))
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len_bytes);
        out.extend(self.header.encode());
        // INVARIANT: the limits are numbers of four bytes, and longer lists are refused when they are read.
        let number = u32::try_from(self.transactions.len()).unwrap_or(u32::MAX);
        out.extend(number.to_le_bytes());
        for transaction in self.transactions.iter() {
            put_long(&mut out, transaction.bytes());
        }
        out
    }

    /// What names it.
    pub fn digest(&self) -> BlockDigest {
        self.digest
    }

    /// What the digest is of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many blocks are before it.
    pub fn height(&self) -> u64 {
        self.header.height
    }

    /// What it follows.
    pub fn parent(&self) -> BlockDigest {
        self.header.parent
    }

    /// What it does, in order.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// The length of its bytes.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Block {}

fn read_transactions(
    reader: &mut Reader<'_>,
    rules: &Rules,
) -> Result<Vec<Transaction>, BlockError> {
    let (transactions, max) = (
        reader.u32()? as usize,
        rules.block_transactions_max as usize,
    );
    if transactions > max {
        return Err(BlockError::TooMany { transactions, max });
    }
    let mut read = Vec::new();
    for index in 0..transactions {
        let bytes = reader.long()?;
        let (len_bytes, max_bytes) = (bytes.len(), rules.transaction_bytes_max as usize);
        if len_bytes > max_bytes {
            return Err(BlockError::LongTransaction {
                index,
                len_bytes,
                max_bytes,
            });
        }
        read.push(Transaction::decode(bytes)?);
    }
    Ok(read)
}

fn transactions_digest(transactions: &[Transaction]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(TRANSACTIONS_CONTEXT);
    for transaction in transactions {
        hasher.update(transaction.digest().as_ref());
    }
    *hasher.finalize().as_bytes()
}
