//! State proofs: a part of a state, with the hashes that lead from it to the state root.
//!
//! One format for whatever is shown: records, absences, bytes of memories, bytes of codes, few or many, with what they have
//! in common once. `docs/format.md` states it to the byte; of what is to be shown there is one encoding. A proof says nothing
//! by itself: [`verify`](StateProof::verify) makes a [`ProvenState`] of it, which answers questions.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crostata_abi::{ContractId, PageIndex};

use crate::chunks::{ChunkList, chunk_count};
use crate::decode_error::DecodeError;
use crate::proven::{ProvenState, VerifyError};
use crate::read::{Cut, Reader};
use crate::verified::Verified;
use crate::waypoints::Waypoints;
use crate::{
    CodeHash, ContractRecord, EMPTY, Hash, PAGE_CHUNKS, PageBytes, PageChunks, Root, TreePaths,
    tree,
};

/// The version of the encoding of proofs.
pub const PROOF_VERSION: u8 = 1;

/// The first two bytes of an encoded state proof.
const HEAD: [u8; 2] = [PROOF_VERSION, 1];

const MEMBER_HASH: u8 = 0;
const MEMBER_SHOWN: u8 = 1;

/// A part of a state that says which state it is a part of.
///
/// ```
/// use crostata_proof::{ContractId, Root, StateProof};
///
/// fn first_bytes(proof: &[u8], root: &Root, contract: &ContractId) -> Option<Vec<u8>> {
///     let state = StateProof::decode(proof).ok()?.verify(root).ok()?;
///     let bytes = state.bytes(contract, 0, 8).ok()?;
///     Some(bytes.to_vec())
/// }
/// # assert_eq!(first_bytes(&[], &Root::from_bytes([0; 32]), &ContractId::from_bytes([0; 32])), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateProof {
    /// By ascending position; one at least.
    pub(crate) positions: Vec<Position>,
    pub(crate) paths: TreePaths,
    pub(crate) waypoints: Waypoints,
    /// By ascending hash.
    pub(crate) codes: Vec<Code>,
}

/// The contracts at one position of the contract tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub position: u64,
    /// By ascending id.
    pub members: Vec<Member>,
}

/// A contract at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Member {
    /// Only that it is there.
    Hash(ContractId, Hash),
    Shown(Box<Shown>),
}

/// A contract whose record is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub record: ContractRecord,
    /// By ascending number.
    pub pages: Vec<Page>,
    /// None without pages.
    pub paths: Option<TreePaths>,
    pub waypoints: Waypoints,
}

/// A page of which something is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub index: PageIndex,
    /// EMPTY for a page of zeros.
    pub leaf: Hash,
    /// If one chunk is shown, the chaining value behind its first half.
    pub middle: Hash,
    pub chunks: PageChunks,
    /// Of a page of zeros nothing.
    pub list: ChunkList,
}

/// A code of which something is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    pub hash: CodeHash,
    pub len_bytes: u64,
    pub runs: Vec<core::ops::Range<u32>>,
    pub list: ChunkList,
}

impl StateProof {
    /// What the proof shows, on condition that all of it belongs to the state with this root.
    ///
    /// Costs about a hash per level of the trees for each thing shown, shared ones once, and the hashing of the bytes that are shown.
    ///
    /// # Errors
    /// [`VerifyError`] if anything in it does not belong to that state.
    pub fn verify(self, root: &Root) -> Result<Verified<ProvenState>, VerifyError> {
        ProvenState::of(self, root)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        self.write(&mut bytes);
        bytes
    }

    /// The proof that `bytes` encodes. Encoding it again gives `bytes`.
    ///
    /// Takes memory in proportion to the bytes, whatever they say.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not exactly one state proof of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        read_head(&mut reader, HEAD)?;
        let proof = Self::read(&mut reader)?;
        read_end(&reader).map(|()| proof)
    }

    /// Appends the encoding without the first two bytes.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        write_count(bytes, self.positions.len());
        for position in &self.positions {
            position.write(bytes);
        }
        self.paths.write(bytes);
        self.waypoints.write(bytes);
        for shown in self.shown() {
            shown.write_pages(bytes);
        }
        write_count(bytes, self.codes.len());
        for code in &self.codes {
            code.write(bytes);
        }
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut positions = read_positions(reader)?;
        let numbers = positions.iter().map(|position| position.position);
        let paths = TreePaths::read(reader, tree::CONTRACT_TREE_HEIGHT, numbers.clone())?;
        let waypoints = Waypoints::read(reader, tree::CONTRACT_TREE_HEIGHT, numbers)?;
        for position in &mut positions {
            for member in &mut position.members {
                if let Member::Shown(shown) = member {
                    shown.read_pages(reader)?;
                }
            }
        }
        let mut proof = Self {
            positions,
            paths,
            waypoints,
            codes: Vec::new(),
        };
        proof.codes = read_codes(reader, &proof)?;
        Ok(proof)
    }

    /// The codes of the records, by hash, each with the length that the first record with it says.
    fn code_lens(&self) -> Vec<(CodeHash, u64)> {
        let records = self.shown().map(|shown| &shown.record);
        let mut lens: Vec<_> = records
            .map(|record| (record.code_hash, record.code_len_bytes))
            .collect();
        lens.sort_by_key(|(code, _)| *code); // stable: the first stays the first
        lens.dedup_by_key(|(code, _)| *code);
        lens
    }

    /// The contracts whose records are shown.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Shown> {
        let members = self.positions.iter().flat_map(|position| &position.members);
        members.filter_map(|member| match member {
            Member::Shown(shown) => Some(&**shown),
            Member::Hash(..) => None,
        })
    }
}

impl Position {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.position.to_le_bytes());
        write_count(bytes, self.members.len());
        for member in &self.members {
            member.write(bytes);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let position = u64::from_le_bytes(reader.array()?);
        if !tree::has_position(tree::CONTRACT_TREE_HEIGHT, position) {
            return Err(DecodeError::Position { position });
        }
        let count = reader.count()?;
        let mut members: Vec<Member> = Vec::new();
        for _ in 0..count {
            let member = Member::read(reader)?;
            if members
                .last()
                .is_some_and(|last| last.contract() >= member.contract())
            {
                let contract = *member.contract();
                return Err(DecodeError::ContractOrder { contract });
            }
            members.push(member);
        }
        Ok(Self { position, members })
    }
}

impl Member {
    pub(crate) fn contract(&self) -> &ContractId {
        match self {
            Self::Hash(contract, _) => contract,
            Self::Shown(shown) => &shown.record.contract,
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Hash(contract, record) => {
                bytes.push(MEMBER_HASH);
                bytes.extend_from_slice(contract.as_bytes());
                bytes.extend_from_slice(record);
            }
            Self::Shown(shown) => {
                bytes.push(MEMBER_SHOWN);
                bytes.extend_from_slice(&shown.record.encode());
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            MEMBER_HASH => {
                let contract = ContractId::from_bytes(reader.array()?);
                Ok(Self::Hash(contract, reader.array()?))
            }
            MEMBER_SHOWN => {
                let record = ContractRecord::read(reader)?;
                Ok(Self::Shown(Box::new(Shown {
                    record,
                    pages: Vec::new(),
                    paths: None,
                    waypoints: Waypoints::default(),
                })))
            }
            found => Err(DecodeError::MemberMark { found }),
        }
    }
}

impl Shown {
    fn write_pages(&self, bytes: &mut Vec<u8>) {
        write_count(bytes, self.pages.len());
        for page in &self.pages {
            bytes.extend_from_slice(&page.index.0.to_le_bytes());
            bytes.push(page.chunks.bits());
        }
        if let Some(paths) = &self.paths {
            paths.write(bytes);
            self.waypoints.write(bytes);
        }
        for page in self.pages.iter().filter(|page| !page.chunks.is_none()) {
            bytes.extend_from_slice(&page.leaf);
            if page.chunks.lone().is_some() {
                bytes.extend_from_slice(&page.middle);
            }
            page.list.write(bytes);
        }
    }

    fn read_pages(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let count = reader.count()?;
        let (heads, _) = reader
            .bytes(count.checked_mul(5).ok_or(DecodeError::Cut)?)?
            .as_chunks();
        self.pages.reserve_exact(count);
        for head in heads {
            let page = self.read_page(head)?;
            self.pages.push(page);
        }
        if count == 0 {
            return Ok(());
        }
        let numbers = self.pages.iter().map(|page| u64::from(page.index.0));
        let height = tree::page_tree_height(self.record.word_size);
        self.paths = Some(TreePaths::read(reader, height, numbers.clone())?);
        self.waypoints = Waypoints::read(reader, height, numbers)?;
        for page in &mut self.pages {
            page.read_list(reader, &self.record.contract)?;
        }
        Ok(())
    }

    fn read_page(&self, head: &[u8; 5]) -> Result<Page, DecodeError> {
        let [number @ .., bits] = *head;
        let (contract, page) = (self.record.contract, PageIndex(u32::from_le_bytes(number)));
        if self.pages.last().is_some_and(|last| last.index >= page) {
            return Err(DecodeError::PageOrder { contract, page });
        }
        // A page of zeros may lie behind the memory: who lets the memory grow needs the way from there to the root.
        let height = tree::page_tree_height(self.record.word_size);
        let behind = bits == 0 && tree::has_position(height, u64::from(page.0));
        if !behind && !self.record.has_page(page) {
            return Err(DecodeError::PageOutOfRange { contract, page });
        }
        let chunks = PageChunks::from_bits(bits);
        Ok(Page {
            index: page,
            leaf: EMPTY,
            middle: EMPTY,
            chunks: chunks.ok_or(DecodeError::PageMark { found: bits })?,
            list: ChunkList::default(),
        })
    }
}

impl Page {
    fn read_list(
        &mut self,
        reader: &mut Reader<'_>,
        contract: &ContractId,
    ) -> Result<(), DecodeError> {
        if self.chunks.is_none() {
            return Ok(());
        }
        self.leaf = reader.array()?;
        if self.chunks.lone().is_some() {
            self.middle = reader.array()?;
        }
        self.list = ChunkList::read_from(reader, PAGE_LEN, self.chunks.runs())?;
        let is_whole = self.chunks == PageChunks::ALL;
        if is_whole && self.list.bytes().iter().all(|byte| *byte == 0) {
            let (contract, page) = (*contract, self.index);
            return Err(DecodeError::PageOfZeros { contract, page });
        }
        Ok(())
    }

    /// The page, if all of it is shown.
    pub(crate) fn whole(&self) -> Option<&PageBytes> {
        match self.chunks {
            chunks if chunks.is_none() => Some(&ZEROS),
            _ => self.list.bytes().first_chunk(),
        }
    }
}

/// Bytes of a page, as a length.
pub(crate) const PAGE_LEN: u64 = (PAGE_CHUNKS * crate::chunks::CHUNK_BYTES) as u64;

/// The page of zeros.
pub(crate) static ZEROS: PageBytes = [0; crostata_abi::PAGE_BYTES];

impl Code {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.hash.as_bytes());
        write_count(bytes, self.runs.len());
        for run in &self.runs {
            bytes.extend_from_slice(&run.start.to_le_bytes());
            bytes.extend_from_slice(&(run.end - run.start).to_le_bytes());
        }
        self.list.write(bytes);
    }

    fn read(reader: &mut Reader<'_>, lens: &[(CodeHash, u64)]) -> Result<Self, DecodeError> {
        let hash = CodeHash::from_bytes(reader.array()?);
        let at = lens.binary_search_by_key(&hash, |(code, _)| *code);
        let at = at.map_err(|_| DecodeError::CodeOfNobody { code: hash })?;
        let len_bytes = lens[at].1;
        let runs = read_runs(reader, len_bytes).map_err(|error| match error {
            RunError::Cut => DecodeError::Cut,
            RunError::Run { at } => DecodeError::CodeChunks { code: hash, at },
        })?;
        let list = ChunkList::read_from(reader, len_bytes, &runs)?;
        Ok(Self {
            hash,
            len_bytes,
            runs,
            list,
        })
    }
}

/// Why there are no runs of chunks.
enum RunError {
    Cut,
    /// The run is empty, out of order, or beyond the end.
    Run {
        at: usize,
    },
}

impl From<Cut> for RunError {
    fn from(_: Cut) -> Self {
        Self::Cut
    }
}

fn read_runs(
    reader: &mut Reader<'_>,
    len_bytes: u64,
) -> Result<Vec<core::ops::Range<u32>>, RunError> {
    let count = reader.count()?;
    let (numbers, _) = reader
        .bytes(count.checked_mul(8).ok_or(RunError::Cut)?)?
        .as_chunks();
    let (pairs, _) = numbers.as_chunks::<2>();
    let mut runs: Vec<core::ops::Range<u32>> = Vec::with_capacity(count);
    for (at, [first, count]) in pairs.iter().enumerate() {
        let (first, count) = (u32::from_le_bytes(*first), u32::from_le_bytes(*count));
        let is_apart = runs.last().is_none_or(|last| first > last.end);
        let end = first.checked_add(count).filter(|end| {
            count > 0 && len_bytes > 0 && is_apart && u64::from(*end) <= chunk_count(len_bytes)
        });
        runs.push(first..end.ok_or(RunError::Run { at })?);
    }
    match runs.is_empty() {
        true => Err(RunError::Run { at: 0 }),
        false => Ok(runs),
    }
}

fn read_positions(reader: &mut Reader<'_>) -> Result<Vec<Position>, DecodeError> {
    let count = reader.count()?;
    let mut positions: Vec<Position> = Vec::new();
    for _ in 0..count {
        let next = Position::read(reader)?;
        let position = next.position;
        if positions
            .last()
            .is_some_and(|last| last.position >= position)
        {
            return Err(DecodeError::PositionOrder { position });
        }
        positions.push(next);
    }
    match positions.is_empty() {
        true => Err(DecodeError::ShowsNothing),
        false => Ok(positions),
    }
}

fn read_codes(reader: &mut Reader<'_>, proof: &StateProof) -> Result<Vec<Code>, DecodeError> {
    let count = reader.count()?;
    let lens = match count {
        0 => Vec::new(),
        _ => proof.code_lens(),
    };
    let mut codes: Vec<Code> = Vec::new();
    for _ in 0..count {
        let code = Code::read(reader, &lens)?;
        if codes.last().is_some_and(|last| last.hash >= code.hash) {
            return Err(DecodeError::CodeOrder { code: code.hash });
        }
        codes.push(code);
    }
    Ok(codes)
}

/// Reads version and kind.
pub(crate) fn read_head(reader: &mut Reader<'_>, expected: [u8; 2]) -> Result<(), DecodeError> {
    match reader.byte()? {
        PROOF_VERSION => {}
        found => return Err(DecodeError::Version { found }),
    }
    let expected = expected[1];
    match reader.byte()? {
        found if found == expected => Ok(()),
        found => Err(DecodeError::Kind { found, expected }),
    }
}

/// Refuses bytes that are left over.
pub(crate) fn read_end(reader: &Reader<'_>) -> Result<(), DecodeError> {
    match reader.rest().len() {
        0 => Ok(()),
        extra_bytes => Err(DecodeError::Trailing { extra_bytes }),
    }
}

/// Writes a count. More than `u32` counts would be hundreds of gigabytes.
pub(crate) fn write_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&(count as u32).to_le_bytes());
}
