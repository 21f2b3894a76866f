//! What a proof shows, once it is known to belong to a state.
//!
//! A [`ProvenState`] exists only behind [`Verified`]. Whoever asks it brings contract, page and offset; what the proof does not
//! show has no answer.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};
use thiserror::Error;

use crate::CHUNK_BYTES;
use crate::climb::Climbs;
use crate::hash::Kind;
use crate::path::PathError;
use crate::state_proof::{Code, Member, PAGE_LEN, Page, Position, Shown, StateProof, ZEROS};
use crate::verified::Verified;
use crate::waypoints::{Arrived, Leg, Waypoints, arrived};
use crate::{CodeHash, ContractRecord, Hash, PageBytes, PageChunks, Root, TreePaths, hash};

/// A part of the state with some root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenState {
    root: Root,
    /// By ascending position.
    positions: Vec<ProvenPosition>,
    paths: TreePaths,
    /// By ascending hash.
    codes: Vec<Code>,
}

/// A position of the contract tree, and all contracts there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenPosition {
    position: u64,
    leaf: Hash,
    members: Vec<ProvenMember>,
}

/// A contract at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenMember {
    contract: ContractId,
    record_hash: Hash,
    shown: Option<ProvenContract>,
}

/// A contract whose record is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenContract {
    record: ContractRecord,
    pages: Vec<ProvenPage>,
    paths: Option<TreePaths>,
    waypoints: Waypoints,
}

/// A page of which something is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenPage(Page);

/// Why a proof does not belong to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The proof leads to another state root.
    #[error("the proof leads to root {found}, not {expected}")]
    Root {
        /// The root that the proof leads to.
        found: Root,
        /// The root asked for.
        expected: Root,
    },
    /// The pages lead to another page tree than the record's.
    #[error("the pages do not belong to the memory of {contract} at their places")]
    PageRoot {
        /// The contract.
        contract: ContractId,
    },
    /// The chunks are not those of the page.
    #[error("the chunks of page {page} of {contract} are those of something else")]
    PageChunks {
        /// The contract.
        contract: ContractId,
        /// The page.
        page: PageIndex,
    },
    /// The ways through the contract tree do not lead to the hashes on them that the proof says.
    #[error(
        "the proof contradicts itself: its ways through the contract tree do not lead to its own waypoints"
    )]
    Waypoint,
    /// The chunks are not those of the code.
    #[error("the chunks of code {code} do not hash to it")]
    Code {
        /// The code.
        code: CodeHash,
    },
    /// Paths do not run through the positions that they are given for. No decoded proof has such paths.
    #[error("paths are those of other positions: {0}")]
    Path(#[from] PathError),
}

/// What a proof does not say. It is still a proof of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotShown {
    /// Nothing is known of the contract, not even whether it exists.
    #[error(
        "the proof does not say whether there is a contract {contract}; ask for a proof that shows it"
    )]
    Contract {
        /// The contract asked for.
        contract: ContractId,
    },
    /// The state has no such contract: so it has no memory and no code.
    #[error("there is no contract {contract} in this state")]
    NoContract {
        /// The contract asked for.
        contract: ContractId,
    },
    /// The memory ends before.
    #[error(
        "bytes up to {end} are beyond the memory of {contract}, which has {memory_bytes} bytes"
    )]
    OutOfMemory {
        /// The contract.
        contract: ContractId,
        /// Behind the last byte asked for; the highest number there is, if none is that high.
        end: u64,
        /// Bytes in the memory.
        memory_bytes: u64,
    },
    /// The code ends before.
    #[error("bytes up to {end} are beyond the code of {contract}, which has {code_bytes} bytes")]
    OutOfCode {
        /// The contract.
        contract: ContractId,
        /// Behind the last byte asked for; the highest number there is, if none is that high.
        end: u64,
        /// Bytes in the code.
        code_bytes: u64,
    },
    /// A byte of the memory is not shown.
    #[error("the proof does not show byte {offset} of the memory of {contract}")]
    Memory {
        /// The contract.
        contract: ContractId,
        /// The first byte of those asked for that is not shown, or the first of its chunk.
        offset: u64,
    },
    /// A byte of the code is not shown.
    #[error("the proof does not show byte {offset} of the code of {contract}")]
    Code {
        /// The contract.
        contract: ContractId,
        /// The first byte of those asked for that is not shown, or the first of its chunk.
        offset: u64,
    },
}

impl ProvenState {
    /// What the proof shows, if it belongs to the state with this root.
    pub(crate) fn of(proof: StateProof, root: &Root) -> Result<Verified<Self>, VerifyError> {
        for code in &proof.codes {
            check_code(code)?;
        }
        let StateProof {
            positions,
            paths,
            waypoints,
            codes,
        } = proof;
        let positions = positions
            .into_iter()
            .map(ProvenPosition::of)
            .collect::<Vec<_>>();
        check(&positions, &paths, &waypoints, root)?;
        Ok(Verified::new(Self {
            root: *root,
            positions,
            paths,
            codes,
        }))
    }

    /// The root of the state that this is a part of.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The record of a contract, or that there is no such contract.
    ///
    /// # Errors
    /// [`NotShown::Contract`].
    pub fn contract(
        &self,
        contract: &ContractId,
    ) -> Result<Verified<Option<&ContractRecord>>, NotShown> {
        let found = self.find(contract)?;
        Ok(Verified::new(found.map(|found| &found.record)))
    }

    /// A page of a contract's memory.
    ///
    /// # Errors
    /// [`NotShown`]: nothing is known of the contract, it does not exist, the memory has no such page, or not all of it is shown.
    pub fn page(
        &self,
        contract: &ContractId,
        page: PageIndex,
    ) -> Result<Verified<&PageBytes>, NotShown> {
        let offset = u64::from(page.0) * PAGE_LEN;
        let found = self.existing(contract)?;
        found.check_memory(offset, PAGE_LEN)?;
        let shown = found.find_page(page).and_then(|page| page.0.whole());
        let shown = shown.ok_or(NotShown::Memory {
            contract: *contract,
            offset,
        });
        shown.map(Verified::new)
    }

    /// Bytes of a contract's memory from `offset` on. Bytes never written are zeros, and shown as such.
    ///
    /// Nothing is copied if they lie in one page.
    ///
    /// # Errors
    /// [`NotShown`]: nothing is known of the contract, it does not exist, its memory ends before, or a byte is not shown.
    pub fn bytes(
        &self,
        contract: &ContractId,
        offset: u64,
        len: usize,
    ) -> Result<Verified<Cow<'_, [u8]>>, NotShown> {
        let found = self.existing(contract)?;
        found.check_memory(offset, len as u64)?;
        found.bytes(offset, len).map(Verified::new)
    }

    /// Bytes of a contract's code from `offset` on.
    ///
    /// # Errors
    /// [`NotShown`]: nothing is known of the contract, it does not exist, its code ends before, or a byte is not shown.
    pub fn code(
        &self,
        contract: &ContractId,
        offset: u64,
        len: usize,
    ) -> Result<Verified<&[u8]>, NotShown> {
        let found = self.existing(contract)?;
        let (hash, code_bytes) = (found.record.code_hash, found.record.code_len_bytes);
        let contract = *contract;
        let end = offset.saturating_add(len as u64);
        if end > code_bytes {
            return Err(NotShown::OutOfCode {
                contract,
                end,
                code_bytes,
            });
        }
        if len == 0 {
            return Ok(Verified::new(&[]));
        }
        let code = self.codes.binary_search_by_key(&hash, |code| code.hash);
        let code = code.map(|at| &self.codes[at]).ok();
        let code = code.filter(|code| code.len_bytes == code_bytes);
        let code = code.ok_or(NotShown::Code { contract, offset })?;
        let shown = code.list.read(&code.runs, offset..end);
        shown.map(Verified::new).map_err(|chunk| {
            let offset = offset.max(chunk * crate::chunks::CHUNK_BYTES as u64);
            NotShown::Code { contract, offset }
        })
    }

    /// The positions of the contract tree that are shown, ascending.
    pub fn positions(&self) -> &[ProvenPosition] {
        &self.positions
    }

    /// The ways from these positions to the root.
    pub fn paths(&self) -> &TreePaths {
        &self.paths
    }

    /// Whether anything of some code is shown.
    pub(crate) fn shows_code(&self) -> bool {
        !self.codes.is_empty()
    }

    /// The codes of which something is shown, ascending.
    pub fn code_hashes(&self) -> impl Iterator<Item = &CodeHash> {
        self.codes.iter().map(|code| &code.hash)
    }

    /// The contract, or `None` if there is none.
    fn find(&self, contract: &ContractId) -> Result<Option<&ProvenContract>, NotShown> {
        let unknown = NotShown::Contract {
            contract: *contract,
        };
        let number = hash::position(contract);
        let at = self
            .positions
            .binary_search_by_key(&number, |one| one.position);
        let position = &self.positions[at.map_err(|_| unknown)?];
        let members = &position.members;
        match members.binary_search_by(|member| member.contract.cmp(contract)) {
            Err(_) => Ok(None),
            Ok(at) => members[at].shown.as_ref().map(Some).ok_or(unknown),
        }
    }

    fn existing(&self, contract: &ContractId) -> Result<&ProvenContract, NotShown> {
        let contract = *contract;
        self.find(&contract)?
            .ok_or(NotShown::NoContract { contract })
    }
}

impl ProvenPosition {
    fn of(position: Position) -> Self {
        let members = position.members.into_iter().map(ProvenMember::of);
        let members: Vec<ProvenMember> = members.collect();
        let entries = members
            .iter()
            .map(|member| (&member.contract, &member.record_hash));
        Self {
            position: position.position,
            leaf: hash::bucket_of(entries),
            members,
        }
    }

    /// Its number.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The leaf of the contract tree there: [`EMPTY`](crate::EMPTY) without contracts.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// All contracts there, by ascending id.
    pub fn members(&self) -> &[ProvenMember] {
        &self.members
    }
}

impl ProvenMember {
    fn of(member: Member) -> Self {
        match member {
            Member::Hash(contract, record_hash) => Self {
                contract,
                record_hash,
                shown: None,
            },
            Member::Shown(shown) => Self {
                contract: shown.record.contract,
                record_hash: shown.record.hash(),
                shown: Some(ProvenContract::of(*shown)),
            },
        }
    }

    /// Its id.
    pub fn contract(&self) -> &ContractId {
        &self.contract
    }

    /// The hash of its record.
    pub fn record_hash(&self) -> &Hash {
        &self.record_hash
    }

    /// Its record and memory, if they are shown.
    pub fn shown(&self) -> Option<&ProvenContract> {
        self.shown.as_ref()
    }
}

impl ProvenContract {
    fn of(shown: Shown) -> Self {
        Self {
            pages: shown.pages.into_iter().map(ProvenPage).collect(),
            record: shown.record,
            paths: shown.paths,
            waypoints: shown.waypoints,
        }
    }

    /// Its record.
    pub fn record(&self) -> &ContractRecord {
        &self.record
    }

    /// The pages of which something is shown, ascending.
    pub fn pages(&self) -> &[ProvenPage] {
        &self.pages
    }

    /// The ways from these pages to the root of the page tree; none without pages.
    pub fn paths(&self) -> Option<&TreePaths> {
        self.paths.as_ref()
    }

    fn leaves(&self) -> Vec<(u64, Hash)> {
        let leaf = |page: &ProvenPage| (u64::from(page.0.index.0), page.0.leaf);
        self.pages.iter().map(leaf).collect()
    }

    fn find_page(&self, page: PageIndex) -> Option<&ProvenPage> {
        let at = self.pages.binary_search_by_key(&page, |one| one.0.index);
        at.ok().map(|at| &self.pages[at])
    }

    fn check_memory(&self, offset: u64, len_bytes: u64) -> Result<(), NotShown> {
        let memory_bytes = self
            .record
            .memory_wasm_pages
            .saturating_mul(WASM_PAGE_BYTES);
        let end = offset.saturating_add(len_bytes);
        match end <= memory_bytes {
            true => Ok(()),
            false => Err(NotShown::OutOfMemory {
                contract: self.record.contract,
                end,
                memory_bytes,
            }),
        }
    }

    /// Bytes inside the memory.
    fn bytes(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, NotShown> {
        let end = offset + len as u64;
        if len == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        if offset / PAGE_LEN == (end - 1) / PAGE_LEN {
            return self.bytes_in_page(offset..end).map(Cow::Borrowed);
        }
        // No more is reserved than is shown.
        let mut bytes = Vec::new();
        let mut from = offset;
        while from < end {
            let to = end.min((from / PAGE_LEN + 1) * PAGE_LEN);
            bytes.extend_from_slice(self.bytes_in_page(from..to)?);
            from = to;
        }
        Ok(Cow::Owned(bytes))
    }

    fn bytes_in_page(&self, bytes: Range<u64>) -> Result<&[u8], NotShown> {
        let number = bytes.start / PAGE_LEN;
        let first = number * PAGE_LEN;
        // INVARIANT: memories have less than 2^32 pages, and the range lies in the memory.
        let page = self.find_page(PageIndex(number as u32));
        let within = bytes.start - first..bytes.end - first;
        let shown = page.map_or(Err(0), |page| page.read(within));
        shown.map_err(|chunk| NotShown::Memory {
            contract: self.record.contract,
            offset: bytes
                .start
                .max(first + chunk * crate::chunks::CHUNK_BYTES as u64),
        })
    }
}

impl ProvenPage {
    /// Its number.
    pub fn index(&self) -> PageIndex {
        self.0.index
    }

    /// Its leaf: [`EMPTY`](crate::EMPTY) for a page of zeros.
    pub fn leaf(&self) -> Hash {
        self.0.leaf
    }

    /// Which of its chunks are shown; a page of zeros is shown without chunks.
    pub fn chunks(&self) -> PageChunks {
        self.0.chunks
    }

    /// The page, if all of it is shown.
    pub fn bytes(&self) -> Option<&PageBytes> {
        self.0.whole()
    }

    /// One of its chunks of 1,024 bytes, if it is shown.
    pub fn chunk(&self, chunk: usize) -> Option<&[u8]> {
        let start = chunk.checked_mul(CHUNK_BYTES)? as u64;
        let end = start.checked_add(CHUNK_BYTES as u64)?;
        (end <= PAGE_LEN).then(|| self.read(start..end).ok())?
    }

    /// Bytes of the page, or the first chunk that is not shown.
    fn read(&self, within: Range<u64>) -> Result<&[u8], u64> {
        match self.0.chunks.is_none() {
            true => Ok(&ZEROS[within.start as usize..within.end as usize]),
            false => self.0.list.read(self.0.chunks.runs(), within),
        }
    }
}

fn check_code(code: &Code) -> Result<(), VerifyError> {
    let hash = code.list.hash(Kind::Code, code.len_bytes, &code.runs);
    match hash == Some(code.hash.to_bytes()) {
        true => Ok(()),
        false => Err(VerifyError::Code { code: code.hash }),
    }
}

/// What climbs belong to.
struct Checks<'a> {
    climbs: Climbs<'a>,
    /// Contracts with the ways from their pages.
    memories: Vec<(&'a ContractRecord, Vec<Leg<'a>>)>,
    /// Pages of which one chunk is shown, with it.
    pages: Vec<(&'a ContractRecord, &'a Page, usize)>,
}

/// Checks that pages, records and positions lead to the root.
fn check(
    positions: &[ProvenPosition],
    paths: &TreePaths,
    waypoints: &Waypoints,
    root: &Root,
) -> Result<(), VerifyError> {
    let mut checks = Checks {
        climbs: Climbs::new(),
        memories: Vec::new(),
        pages: Vec::new(),
    };
    let leaf = |position: &ProvenPosition| (position.position, position.leaf);
    let leaves = positions.iter().map(leaf).collect();
    let contracts = waypoints.legs(paths, leaves, &mut checks.climbs)?;
    let members = positions.iter().flat_map(|position| &position.members);
    for shown in members.filter_map(|member| member.shown.as_ref()) {
        checks.add(shown)?;
    }
    checks.climbs.run()?;
    checks.finish()?;
    match arrived(&contracts, &checks.climbs)? {
        Arrived::Elsewhere => Err(VerifyError::Waypoint),
        Arrived::Root(found) if found == root.to_bytes() => Ok(()),
        Arrived::Root(found) => Err(VerifyError::Root {
            found: Root::from_bytes(found),
            expected: *root,
        }),
    }
}

impl<'a> Checks<'a> {
    fn add(&mut self, shown: &'a ProvenContract) -> Result<(), VerifyError> {
        let Some(paths) = &shown.paths else {
            return Ok(());
        };
        let legs = shown
            .waypoints
            .legs(paths, shown.leaves(), &mut self.climbs)?;
        self.memories.push((&shown.record, legs));
        for page in &shown.pages {
            self.add_page(&shown.record, &page.0)?;
        }
        Ok(())
    }

    fn add_page(&mut self, record: &'a ContractRecord, page: &'a Page) -> Result<(), VerifyError> {
        match page.chunks.lone() {
            _ if page.chunks.is_none() => Ok(()),
            Some(number) => {
                let (bytes, values) = (page.list.bytes(), page.list.pair());
                let Some(values) = values else {
                    return check_leaf(record, page, None);
                };
                let chunk = self.climbs.chunk(number, bytes, &page.middle, values);
                self.pages.push((record, page, chunk));
                Ok(())
            }
            None => {
                let leaf = page.list.hash(Kind::PageLeaf, PAGE_LEN, page.chunks.runs());
                check_leaf(record, page, leaf)
            }
        }
    }

    /// Compares what came out with what the proof says.
    fn finish(&self) -> Result<(), VerifyError> {
        for (record, page, chunk) in &self.pages {
            check_leaf(record, page, self.climbs.leaf(*chunk))?;
        }
        for (record, legs) in &self.memories {
            match arrived(legs, &self.climbs)? {
                Arrived::Root(root) if root == record.page_root => {}
                _ => {
                    let contract = record.contract;
                    return Err(VerifyError::PageRoot { contract });
                }
            }
        }
        Ok(())
    }
}

fn check_leaf(
    record: &ContractRecord,
    page: &Page,
    found: Option<Hash>,
) -> Result<(), VerifyError> {
    match found == Some(page.leaf) {
        true => Ok(()),
        false => Err(VerifyError::PageChunks {
            contract: record.contract,
            page: page.index,
        }),
    }
}

const _: () = assert!(PAGE_LEN as usize == PAGE_BYTES);
