//! Making state proofs, for who has the state.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use crostata_abi::{ContractId, PageIndex};

use crate::chunks::{ChunkList, chunk_count, middle_of};
use crate::hash::Kind;
use crate::state_proof::{Code, Member, Page, Position, Shown, StateProof};
use crate::waypoints::Waypoints;
use crate::{
    CodeHash, ContractRecord, Hash, PageBytes, PageChunks, TreePath, TreePaths, hash, tree,
};

/// Collects what a proof is to show, in any order and as often as one likes: the proof has it once.
///
/// Nothing is verified here: parts that do not belong together make a proof of nothing.
#[derive(Debug, Clone, Default)]
pub struct StateProofBuilder {
    positions: BTreeMap<u64, PositionParts>,
    codes: BTreeMap<CodeHash, CodeParts>,
}

#[derive(Debug, Clone, Default)]
struct PositionParts {
    path: Option<TreePath>,
    members: BTreeMap<ContractId, Hash>,
    shown: BTreeMap<ContractId, ShownParts>,
}

#[derive(Debug, Clone)]
struct ShownParts {
    record: ContractRecord,
    pages: BTreeMap<PageIndex, PageParts>,
}

#[derive(Debug, Clone)]
struct PageParts {
    path: TreePath,
    page: Box<PageBytes>,
    chunks: PageChunks,
}

#[derive(Debug, Clone)]
struct CodeParts {
    code: Vec<u8>,
    /// Which chunks are shown.
    chunks: Vec<Range<u32>>,
}

impl StateProofBuilder {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows which contracts there are at a position of the contract tree: all of them, by id and record hash, and that there is no
    /// other one. `path` is the position's.
    pub fn position(&mut self, position: u64, path: TreePath, members: Vec<(ContractId, Hash)>) {
        let parts = self.positions.entry(position).or_default();
        parts.path = Some(path);
        parts.members = members.into_iter().collect();
    }

    /// Shows the record of a contract whose position is shown.
    pub fn record(&mut self, record: ContractRecord) {
        let contract = record.contract;
        let position = self.positions.entry(hash::position(&contract)).or_default();
        position.shown.entry(contract).or_insert(ShownParts {
            record,
            pages: BTreeMap::new(),
        });
    }

    /// Whether the record of a contract is shown.
    pub fn shows_record(&self, contract: &ContractId) -> bool {
        let position = self.positions.get(&hash::position(contract));
        position.is_some_and(|position| position.shown.contains_key(contract))
    }

    /// Whether the contracts at this position are shown.
    pub fn shows_position(&self, position: u64) -> bool {
        let position = self.positions.get(&position);
        position.is_some_and(|position| position.path.is_some())
    }

    /// Shows chunks of a page of a contract whose record is shown, all of it if it is zeros. `path` is that of the page's number in the
    /// page tree. Without a record nothing is shown.
    pub fn page(
        &mut self,
        contract: &ContractId,
        index: PageIndex,
        path: TreePath,
        page: Box<PageBytes>,
        chunks: PageChunks,
    ) {
        let position = self.positions.get_mut(&hash::position(contract));
        let Some(shown) = position.and_then(|position| position.shown.get_mut(contract)) else {
            return;
        };
        let parts = shown.pages.entry(index).or_insert(PageParts {
            path,
            page,
            chunks: PageChunks::NONE,
        });
        parts.chunks = parts.chunks | chunks;
    }

    /// Shows more chunks of a page. `false` if nothing of the page is shown yet.
    pub fn more_of_page(
        &mut self,
        contract: &ContractId,
        index: PageIndex,
        chunks: PageChunks,
    ) -> bool {
        let position = self.positions.get_mut(&hash::position(contract));
        let shown = position.and_then(|position| position.shown.get_mut(contract));
        let page = shown.and_then(|shown| shown.pages.get_mut(&index));
        let found = page.map(|page| page.chunks = page.chunks | chunks);
        found.is_some()
    }

    /// Shows these chunks of 1,024 bytes of a code, which should be that of a contract whose record is shown. Chunks that the code does not have are
    /// left out.
    pub fn code(&mut self, code: &[u8], chunks: Range<u32>) {
        let count = chunk_count(code.len() as u64).min(u64::from(u32::MAX)) as u32;
        let chunks = chunks.start..chunks.end.min(count);
        if code.is_empty() || chunks.is_empty() {
            return;
        }
        let parts = self.codes.entry(hash::code_hash(code));
        let parts = parts.or_insert_with(|| CodeParts {
            code: code.to_vec(),
            chunks: Vec::new(),
        });
        parts.chunks.push(chunks);
    }

    /// The proof.
    pub fn build(self) -> StateProof {
        let mut paths = Vec::with_capacity(self.positions.len());
        let mut leaves = Vec::with_capacity(self.positions.len());
        let mut positions = Vec::with_capacity(self.positions.len());
        for (position, parts) in self.positions {
            let (path, members) = parts.build();
            paths.push((position, path));
            leaves.push((position, leaf_of(&members)));
            positions.push(Position { position, members });
        }
        let paths = TreePaths::merge(tree::CONTRACT_TREE_HEIGHT, &paths);
        StateProof {
            positions,
            waypoints: Waypoints::of(&paths, &leaves),
            paths,
            codes: self.codes.into_iter().map(CodeParts::build).collect(),
        }
    }
}

/// The leaf of the contract tree with these contracts.
fn leaf_of(members: &[Member]) -> Hash {
    let entries = members.iter().map(|member| match member {
        Member::Hash(contract, record) => (*contract, *record),
        Member::Shown(shown) => (shown.record.contract, shown.record.hash()),
    });
    let entries: Vec<_> = entries.collect();
    hash::bucket(&entries)
}

impl PositionParts {
    fn build(mut self) -> (TreePath, Vec<Member>) {
        for (contract, shown) in &self.shown {
            let known = self.members.entry(*contract);
            known.or_insert_with(|| shown.record.hash());
        }
        let mut shown = self.shown;
        let members = self.members.into_iter();
        let members = members.map(|(contract, record_hash)| match shown.remove(&contract) {
            Some(shown) => Member::Shown(Box::new(shown.build())),
            None => Member::Hash(contract, record_hash),
        });
        let members = members.collect();
        let path = self.path.unwrap_or_else(|| TreePath::from_levels(0, &[]));
        (path, members)
    }
}

impl ShownParts {
    fn build(self) -> Shown {
        let (mut paths, mut pages) = (Vec::new(), Vec::new());
        for (index, parts) in self.pages {
            paths.push((u64::from(index.0), parts.path));
            pages.push(show_page(index, &parts.page, parts.chunks));
        }
        let mut shown = Shown {
            record: self.record,
            pages,
            paths: None,
            waypoints: Waypoints::default(),
        };
        if !paths.is_empty() {
            let height = tree::page_tree_height(shown.record.word_size);
            let leaves = shown
                .pages
                .iter()
                .map(|page| (u64::from(page.index.0), page.leaf));
            let paths = TreePaths::merge(height, &paths);
            shown.waypoints = Waypoints::of(&paths, &leaves.collect::<Vec<_>>());
            shown.paths = Some(paths);
        }
        shown
    }
}

fn show_page(index: PageIndex, page: &PageBytes, chunks: PageChunks) -> Page {
    let chunks = match page.iter().all(|byte| *byte == 0) {
        true => PageChunks::NONE,
        false if chunks.is_none() => PageChunks::ALL,
        false => chunks,
    };
    let list = match chunks.is_none() {
        true => ChunkList::default(),
        false => ChunkList::of(Kind::PageLeaf, page, chunks.runs()),
    };
    let middle = chunks.lone().map(|chunk| middle_of(chunk, list.bytes()));
    Page {
        index,
        leaf: hash::page_leaf(page),
        middle: middle.unwrap_or_default(),
        chunks,
        list,
    }
}

impl CodeParts {
    fn build((hash, parts): (CodeHash, Self)) -> Code {
        let runs = joined(parts.chunks);
        Code {
            hash,
            len_bytes: parts.code.len() as u64,
            list: ChunkList::of(Kind::Code, &parts.code, &runs),
            runs,
        }
    }
}

/// The same chunks as runs that ascend, with a chunk between any two.
fn joined(mut chunks: Vec<Range<u32>>) -> Vec<Range<u32>> {
    chunks.sort_by_key(|run| run.start);
    let mut runs: Vec<Range<u32>> = Vec::new();
    for next in chunks {
        match runs.last_mut() {
            Some(run) if run.end >= next.start => run.end = run.end.max(next.end),
            _ => runs.push(next),
        }
    }
    runs
}
