//! What can go wrong with a transfer: an enum per operation.

use std::io;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::{CodeHash, CommitId, Root};

use super::cursor::Cursor;
use crate::state::chain::StateError;
use crate::state::checkpoint::CheckpointError;
use crate::state::naming::{CommitRef, LookupError};
use crate::state::pages::ReadPageError;
use crate::state::tree::NodeError;
use crate::store::WriteError;

/// Why bytes are not the header of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// They do not begin as a header does.
    #[error("this is not the beginning of an exported state")]
    NoHeader,
    /// It is of a version that this build does not read.
    #[error("the stream has format version {found}, which this build does not read")]
    Version {
        /// The version it states.
        found: u8,
    },
    /// It ends early, goes on too long, or its text is none.
    #[error("the header can not be read")]
    Malformed,
}

/// Why a chunk is not what follows a cursor in a state. Whoever sent it did not have the state, or lied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// It is of a version that this build does not read.
    #[error("the chunk has format version {found}, which this build does not read")]
    Version {
        /// The version it states.
        found: u8,
    },
    /// It ends early, goes on too long, or holds something that can not be read.
    #[error("the chunk can not be read from byte {offset} on")]
    Malformed {
        /// How far it could be read.
        offset: usize,
    },
    /// It is longer than any chunk.
    #[error("a chunk of {len_bytes} bytes is too long: at most {max_bytes} are possible")]
    TooLong {
        /// Its length.
        len_bytes: u64,
        /// The length of the longest.
        max_bytes: u64,
    },
    /// It begins elsewhere.
    #[error("the chunk begins behind {found}, not behind {wanted}")]
    Cursor {
        /// What is wanted.
        wanted: Cursor,
        /// Where it begins.
        found: Cursor,
    },
    /// It shows contracts out of order, twice, or of several positions as if of one.
    #[error("the chunk's records are not in the order of the contract tree")]
    RecordOrder,
    /// Its records are not those of the root at the cursor.
    #[error("the chunk's records do not make the root {root}")]
    Records {
        /// The root.
        root: Root,
    },
    /// It shows records beyond those of which something follows, or nothing follows of any.
    #[error("the chunk shows records of which nothing follows")]
    Contents,
    /// A code is not the one that the record names.
    #[error("the code of contract {contract} in the chunk is not {code}")]
    Code {
        /// The contract.
        contract: ContractId,
        /// The hash that its record names.
        code: CodeHash,
    },
    /// A code that no earlier contract has is not there.
    #[error("the code {code} of contract {contract} is missing in the chunk")]
    CodeMissing {
        /// The contract.
        contract: ContractId,
        /// The hash of its code.
        code: CodeHash,
    },
    /// A code that an earlier contract has is there again.
    #[error("the code {code} of contract {contract} is there a second time")]
    CodeRepeated {
        /// The contract.
        contract: ContractId,
        /// The hash of its code.
        code: CodeHash,
    },
    /// A page is out of order, there twice, before the cursor, or outside of the memory.
    #[error("page {page} of contract {contract} does not belong where the chunk has it")]
    PageOrder {
        /// The contract.
        contract: ContractId,
        /// The page.
        page: PageIndex,
    },
    /// A page is all zeros: those do not travel.
    #[error("page {page} of contract {contract} is all zeros, which is never sent")]
    ZeroPage {
        /// The contract.
        contract: ContractId,
        /// The page.
        page: PageIndex,
    },
    /// The pages are not those of the contract.
    #[error("the pages of contract {contract} in the chunk do not make its page root")]
    Pages {
        /// The contract.
        contract: ContractId,
    },
    /// Pages of a contract are left out, and another contract follows.
    #[error("the chunk leaves out pages of contract {contract}")]
    PagesMissing {
        /// The contract.
        contract: ContractId,
    },
}

/// Why there is no chunk.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The commit is not retained.
    #[error(transparent)]
    Commit(#[from] LookupError),
    /// The commit's state can not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The cursor is of another state, or nothing follows it.
    #[error("nothing follows {cursor} in this state")]
    NothingFollows {
        /// The cursor.
        cursor: Cursor,
    },
    /// The state's nodes can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A page or code of the state can not be read.
    #[error(transparent)]
    Page(#[from] ReadPageError),
    /// The stream could not be written.
    #[error("the stream could not be written")]
    Io(#[source] io::Error),
}

/// Why an import did not begin, go on or end. But for [`Write`](Self::Write) and
/// [`Checkpoint`](Self::Checkpoint) it is as before.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A chunk is wrong: another peer should be asked.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The stream does not begin with a header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The stream is of another commit.
    #[error("the stream is of commit {found}, root {root}; {wanted} is wanted")]
    OtherCommit {
        /// What is wanted.
        wanted: CommitRef,
        /// The commit that the header is of.
        found: CommitId,
        /// The root that the header is of.
        root: Root,
    },
    /// This node does not know the protocol that the commit was made under.
    #[error("the commit was made under another protocol than this VM was configured with: {}", differences.join("; "))]
    UnknownProtocol {
        /// The rules that differ from those of the VM's first protocol.
        differences: Vec<String>,
    },
    /// There are commits: a state can only be imported into an empty store.
    #[error("the store has {commits} commits: a state can be imported only where there are none")]
    NotEmpty {
        /// How many.
        commits: usize,
    },
    /// Another handle of this import, or of another, is alive.
    #[error("an import is going on already")]
    InUse,
    /// No import was begun, or it ended.
    #[error("there is no unfinished import")]
    None,
    /// Everything is there already.
    #[error("nothing more is wanted")]
    Complete,
    /// Something is still missing.
    #[error("the import is not complete: what follows {cursor} is missing")]
    Incomplete {
        /// What is wanted next.
        cursor: Cursor,
    },
    /// The state that was imported does not have the root. Chunks are verified, so this is damage on the way to the disk.
    #[error("the imported state of commit {commit} does not have its root")]
    Root {
        /// The commit.
        commit: CommitId,
    },
    /// What was imported can not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// What was imported can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The store could not write. The VM must be opened again; the import goes on from where the log ends then.
    #[error("what was imported could not be written")]
    Write(#[from] WriteError),
    /// What was imported could not be checkpointed.
    #[error("what was imported could not be made durable")]
    Checkpoint(#[from] CheckpointError),
    /// The stream could not be read.
    #[error("the stream could not be read")]
    Io(#[source] io::Error),
}
