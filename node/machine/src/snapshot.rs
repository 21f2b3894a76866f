//! A final state on its way to a node that has none: served in chunks by whoever has it, verified by whoever wants it.
//!
//! What is trusted is a block's header alone, which the chain's certificates vouch for. It says the state root, and every chunk is held against that
//! before it is kept. What arrived survives a restart: the same block's state goes on where it was.

use std::fmt;
use std::sync::Arc;

use crostata::{Cursor, Export, ExportError, HeaderError, Import, ImportError, TransferHeader, VM};

use crate::block::Header;
use crate::digest::BlockDigest;
use crate::error::Fatal;

/// The length of a place in a state, encoded.
pub const CURSOR_BYTES: usize = Cursor::BYTES;

/// A final state that others can have.
pub trait Snapshot: Send + Sync + 'static {
    /// What getting the state begins with.
    fn beginning(&self) -> Vec<u8>;

    /// What follows a place in the state, of about so many bytes; none if the state has no such place.
    ///
    /// # Errors
    /// [`Fatal`] when the state can not be read.
    fn chunk(
        &self,
        cursor: &[u8; CURSOR_BYTES],
        chunk_bytes: u64,
    ) -> Result<Option<Vec<u8>>, Fatal>;
}

/// A state of the VM that others can have. It stays readable for as long as this lives.
pub struct VmSnapshot(Export);

impl fmt::Debug for VmSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VmSnapshot").field(&self.0).finish()
    }
}

impl VmSnapshot {
    pub(crate) fn new(export: Export) -> Self {
        Self(export)
    }
}

impl Snapshot for VmSnapshot {
    fn beginning(&self) -> Vec<u8> {
        self.0.header().encode()
    }

    fn chunk(
        &self,
        cursor: &[u8; CURSOR_BYTES],
        chunk_bytes: u64,
    ) -> Result<Option<Vec<u8>>, Fatal> {
        let Some(cursor) = Cursor::from_bytes(cursor) else {
            return Ok(None);
        };
        match self.0.chunk(&cursor, chunk_bytes) {
            Ok(chunk) => Ok(Some(chunk.bytes)),
            Err(ExportError::NothingFollows { .. }) => Ok(None),
            Err(error) => Err(Fatal::new("a state is not read for a peer", error)),
        }
    }
}

/// Why a state does not arrive.
#[derive(Debug, thiserror::Error)]
pub enum ArriveError {
    /// What a peer sent is not of the state: ask another one, and this one no more.
    #[error("a peer sent something else than the state: {0}")]
    Peer(String),
    /// This node can not go on.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// A final state that is arriving in an empty VM.
#[derive(Debug)]
pub struct Arrival {
    block: BlockDigest,
    import: Import,
}

impl Arrival {
    /// Begins with what a peer says, or goes on with what is there already of this block's state.
    ///
    /// # Errors
    /// [`ArriveError`].
    pub fn begin(vm: &Arc<VM>, header: &Header, beginning: &[u8]) -> Result<Self, ArriveError> {
        let said = TransferHeader::decode(beginning);
        let said = said.map_err(|error: HeaderError| ArriveError::Peer(error.to_string()))?;
        let block = header.digest();
        if said.commit.root != header.state_root || said.commit.tag != block.to_bytes() {
            let other = "it begins with the state of another block".to_owned();
            return Err(ArriveError::Peer(other));
        }
        let import = vm.import(said.commit.id, &said).map_err(of_import)?;
        Ok(Self { block, import })
    }

    /// The block whose state it is.
    pub fn block(&self) -> BlockDigest {
        self.block
    }

    /// The place of the chunk that is wanted next; none when everything is there.
    pub fn wants(&self) -> Option<[u8; CURSOR_BYTES]> {
        self.import.cursor().map(|cursor| cursor.to_bytes())
    }

    /// Verifies the chunk that is wanted next, and keeps it, durably.
    ///
    /// # Errors
    /// [`ArriveError`]; after one that is a peer's fault nothing has happened.
    pub fn accept(&mut self, chunk: &[u8]) -> Result<(), ArriveError> {
        self.import.accept(chunk).map_err(of_import)?;
        self.import.sync().map_err(of_import)
    }

    /// Makes the state the final one of the VM, durably.
    ///
    /// # Errors
    /// [`ArriveError::Fatal`].
    pub fn finish(self) -> Result<(), ArriveError> {
        self.import.finish().map(drop).map_err(of_import)
    }
}

/// Whose fault it is.
fn of_import(error: ImportError) -> ArriveError {
    match error {
        ImportError::Chunk(_) | ImportError::Header(_) | ImportError::UnknownProtocol { .. } => {
            ArriveError::Peer(error.to_string())
        }
        error => Fatal::new("an arriving state is not kept", error).into(),
    }
}
