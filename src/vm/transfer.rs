//! Exporting a commit's state and importing it elsewhere.
//!
//! A file of a whole state:
//!
//! | bytes | field |
//! |---|---|
//! | 109 + n | header (`TransferHeader`) |
//! | 4 + n | per chunk, in order: length, bytes |
//! | 4 | zeros |

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use tempfile::TempDir;

use super::handle::{Directory, VM};
use crate::state::{
    ACCEPTED_BYTES_MAX, ChunkError, Commit, CommitRef, Commits, Cursor, ExportError, ExportedChunk,
    HeaderError, ImportError, ImportHandle, TransferHeader, Walk,
};

/// The length of a protocol's text in a file at most.
const PROTOCOL_BYTES_MAX: u32 = 1 << 20;

/// A commit's state, to be exported chunk by chunk.
///
/// It keeps the state readable, whatever becomes of the commit, and the VM's directory locked. Chunks can be made from
/// several threads at once.
///
/// ```
/// use crostata::{contract_bytecode, ContractData, Export, SessionData, VM};
///
/// let vm = VM::ephemeral().unwrap();
/// let mut session = vm.session(SessionData::builder()).unwrap();
/// session.deploy(contract_bytecode!("counter"), ContractData::builder().owner([0; 32]), 1_000_000).unwrap();
/// let commit = session.commit().unwrap();
///
/// // A peer that nobody has to trust gives the header, and chunks as they are asked for.
/// let export = vm.export(commit).unwrap();
/// let other = VM::ephemeral().unwrap();
/// let mut import = other.import(commit.id, export.header()).unwrap();
/// while let Some(cursor) = import.cursor() {
///     let chunk = export.chunk(&cursor, Export::CHUNK_BYTES).unwrap();
///     import.accept(&chunk.bytes).unwrap();
/// }
/// assert_eq!(import.finish().unwrap(), commit);
/// assert_eq!(other.finalized(), Some(commit));
/// ```
pub struct Export {
    header: TransferHeader,
    walk: Walk,
    _directory: Option<Arc<TempDir>>,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Export").field(&self.header.commit).finish()
    }
}

impl Export {
    /// A good size of a chunk in bytes.
    pub const CHUNK_BYTES: u64 = 1 << 20;

    /// What importing begins with: the commit and its protocol.
    pub fn header(&self) -> &TransferHeader {
        &self.header
    }

    /// What follows a cursor: as much as fits into `bytes_max`, of which no more than 16 MiB count, but always something:
    /// a single code or page may be longer.
    ///
    /// The same state, cursor and size give the same bytes on every machine. Costs reading what the chunk has; the first
    /// chunk that a contract begins in costs reading all records besides, once per export.
    ///
    /// # Errors
    /// [`ExportError::NothingFollows`] when the cursor is not of this state; the others when it can not be read.
    pub fn chunk(&self, from: &Cursor, bytes_max: u64) -> Result<ExportedChunk, ExportError> {
        self.walk.chunk(from, bytes_max)
    }

    /// Writes the header and all chunks, for [`VM::import_from`].
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn write_to(&self, mut out: impl Write) -> Result<(), ExportError> {
        let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(ExportError::Io);
        write(&self.header.encode())?;
        let mut next = Some(Cursor::Start);
        while let Some(cursor) = next {
            let chunk = self.chunk(&cursor, Self::CHUNK_BYTES)?;
            write(&(chunk.bytes.len() as u32).to_le_bytes())?; // no chunk is that long
            write(&chunk.bytes)?;
            next = chunk.next;
        }
        write(&[0; 4])?;
        out.flush().map_err(ExportError::Io)
    }
}

/// A commit's state that is arriving, chunk by chunk, each of them verified before it is kept.
///
/// What was accepted survives this handle and the process: [`VM::import`] of the same commit goes on from there. After a
/// power cut it goes on from the last [`sync`](Self::sync), or later.
pub struct Import {
    commits: Arc<Commits>,
    handle: ImportHandle,
    commit: Commit,
    cursor: Option<Cursor>,
    _directory: Option<Arc<TempDir>>,
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("commit", &self.commit)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

impl Import {
    /// The commit that is imported.
    pub fn commit(&self) -> Commit {
        self.commit
    }

    /// Where the chunk begins that is wanted next; none when everything is there.
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// Verifies the chunk that is wanted next, and keeps it.
    ///
    /// It is written, and durable at the latest when as much was written as
    /// [`LogConfig::checkpoint_bytes`](crate::LogConfig::checkpoint_bytes) says. Memory is needed for the chunk and for
    /// the tree's nodes above what came since then.
    ///
    /// # Errors
    /// [`ImportError::Chunk`] says what is wrong with it; nothing happened then, and another peer may be asked.
    pub fn accept(&mut self, chunk: &[u8]) -> Result<(), ImportError> {
        let accepted = self.commits.import_chunk(&self.handle, chunk);
        self.cursor = self.commits.importing().and_then(|import| import.cursor);
        accepted.map(drop)
    }

    /// Makes everything that was accepted durable.
    ///
    /// # Errors
    /// [`ImportError::Write`].
    pub fn sync(&mut self) -> Result<(), ImportError> {
        self.commits.sync_import(&self.handle)
    }

    /// Makes the commit the finalised one and the only one, durably and at once.
    ///
    /// # Errors
    /// [`ImportError::Incomplete`] when something is missing, or that the disk fails; what was accepted stays.
    pub fn finish(self) -> Result<Commit, ImportError> {
        self.commits.finish_import(&self.handle)
    }

    /// Accepts the chunks of a file, of which those before the one that is wanted are passed over.
    fn read_chunks(&mut self, input: &mut impl Read) -> Result<(), ImportError> {
        let mut passes = self.cursor != Some(Cursor::Start);
        while let Some(chunk) = read_chunk(input)? {
            if passes
                && self
                    .cursor
                    .is_none_or(|cursor| !begins_behind(&chunk, &cursor))
            {
                continue;
            }
            self.accept(&chunk)?;
            passes = self.cursor.is_none();
        }
        Ok(())
    }
}

/// Whether a chunk says that it begins behind a cursor.
fn begins_behind(chunk: &[u8], cursor: &Cursor) -> bool {
    chunk.get(1..=Cursor::BYTES) == Some(&cursor.to_bytes())
}

impl VM {
    /// Exports a retained commit.
    ///
    /// # Errors
    /// [`ExportError::Commit`] when it is not retained, [`ExportError::State`] when it can not be read.
    pub fn export(&self, commit: impl Into<CommitRef>) -> Result<Export, ExportError> {
        let retained = self.commits.any(commit.into())?;
        let snapshot = self.commits.state(&retained)?;
        let header = TransferHeader {
            commit: retained.commit,
            protocol: retained.protocol.to_string(),
        };
        Ok(Export {
            header,
            walk: Walk::new(snapshot),
            _directory: self.directory.ephemeral(),
        })
    }

    /// Imports a commit into this VM, which must have none, or goes on with that. An unfinished import of another commit
    /// is given up.
    ///
    /// `wanted` is what the embedder knows from its chain. A commit's id binds everything but the protocol, so that
    /// `header` can come from anybody; a root binds the state, and leaves parent and tag to the header. The protocol must
    /// be one that the VM was configured with. Until the import is finished nothing else can be committed.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import(
        &self,
        wanted: impl Into<CommitRef>,
        header: &TransferHeader,
    ) -> Result<Import, ImportError> {
        if !self.knows_protocol(&header.protocol) {
            let differences = self.protocol_differences(&header.protocol);
            return Err(ImportError::UnknownProtocol { differences });
        }
        let handle = self.commits.import_handle()?;
        self.commits.begin_import(&handle, wanted.into(), header)?;
        let head = self.commits.importing().ok_or(ImportError::None)?;
        Ok(Import {
            commits: self.commits.clone(),
            handle,
            commit: head.commit,
            cursor: head.cursor,
            _directory: self.directory.ephemeral(),
        })
    }

    /// Imports a commit from what [`Export::write_to`] wrote, and finishes that. Done again after an error it passes over
    /// what is there already. Nothing behind the stream's end is read.
    ///
    /// # Errors
    /// [`ImportError`]; [`ImportError::Incomplete`] when the stream has not what is wanted next.
    pub fn import_from(
        &self,
        wanted: impl Into<CommitRef>,
        mut input: impl Read,
    ) -> Result<Commit, ImportError> {
        let header = read_header(&mut input)?;
        let mut import = self.import(wanted, &header)?;
        import.read_chunks(&mut input)?;
        import.finish()
    }

    /// The commit whose import is not finished, if there is one.
    pub fn unfinished_import(&self) -> Option<Commit> {
        self.commits.importing().map(|import| import.commit)
    }

    /// Gives up the unfinished import, durably; what it kept is removed.
    ///
    /// # Errors
    /// [`ImportError::None`] when there is none, [`ImportError::InUse`] while its handle is alive, or that the disk fails.
    pub fn discard_import(&self) -> Result<(), ImportError> {
        let handle = self.commits.import_handle()?;
        self.commits.discard_import(&handle)
    }
}

impl Directory {
    /// What keeps it from being removed.
    pub(super) fn ephemeral(&self) -> Option<Arc<TempDir>> {
        match self {
            Self::Kept(_) => None,
            Self::Ephemeral(directory) => Some(directory.clone()),
        }
    }
}

/// The header that a file begins with.
pub(crate) fn read_header(input: &mut impl Read) -> Result<TransferHeader, ImportError> {
    let mut bytes = vec![0; TransferHeader::FIXED_BYTES];
    input.read_exact(&mut bytes).map_err(ImportError::Io)?;
    let len = bytes.last_chunk().map_or(0, |len| u32::from_le_bytes(*len));
    if len > PROTOCOL_BYTES_MAX {
        return Err(HeaderError::Malformed.into());
    }
    read_part(input, len, &mut bytes)?;
    Ok(TransferHeader::decode(&bytes)?)
}

/// The next chunk of a file, until its end.
fn read_chunk(input: &mut impl Read) -> Result<Option<Vec<u8>>, ImportError> {
    let mut len = [0; 4];
    input.read_exact(&mut len).map_err(ImportError::Io)?;
    let len = u32::from_le_bytes(len);
    let (len_bytes, max_bytes) = (u64::from(len), ACCEPTED_BYTES_MAX);
    if len_bytes > max_bytes {
        return Err(ChunkError::TooLong {
            len_bytes,
            max_bytes,
        }
        .into());
    }
    let mut bytes = Vec::new();
    read_part(input, len, &mut bytes)?;
    Ok((len > 0).then_some(bytes))
}

/// Reads this many bytes, and makes room for them as they come.
fn read_part(input: &mut impl Read, len: u32, out: &mut Vec<u8>) -> Result<(), ImportError> {
    let read = input.take(u64::from(len)).read_to_end(out);
    match read.map_err(ImportError::Io)? == len as usize {
        true => Ok(()),
        false => Err(ImportError::Io(io::ErrorKind::UnexpectedEof.into())),
    }
}
