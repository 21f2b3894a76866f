//! A whole state in memory: what proofs are made of, and what their answers are compared with.

use std::collections::BTreeMap;

use crostata_proof::tree::{CONTRACT_TREE_HEIGHT, page_tree_height};
use crostata_proof::{
    CHUNK_BYTES, ContractId, ContractRecord, EMPTY, Hash, NotShown, Owner, PAGE_BYTES, PageBytes,
    PageChunks, PageIndex, ProvenState, Root, StateProof, StateProofBuilder, WordSize, hash,
};

use super::Tree;

/// Two ids at one position of the contract tree.
pub const COLLIDING: [ContractId; 2] = [
    colliding(1918441929552476960),
    colliding(738965214712665620),
];

const fn colliding(number: u64) -> ContractId {
    let (mut id, bytes, mut at) = ([0; 32], number.to_le_bytes(), 0);
    while at < bytes.len() {
        id[at] = bytes[at];
        at += 1;
    }
    ContractId::from_bytes(id)
}

/// What a proof is to show, and what it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    Record(ContractId),
    Page(ContractId, u32),
    /// Bytes of the memory: offset, length.
    Memory(ContractId, u64, usize),
    /// Bytes of the code: offset, length.
    Code(ContractId, u64, usize),
}

impl Item {
    pub fn contract(&self) -> &ContractId {
        match self {
            Self::Record(contract)
            | Self::Page(contract, _)
            | Self::Memory(contract, ..)
            | Self::Code(contract, ..) => contract,
        }
    }

    /// The answer of a proof: none if there is no such contract.
    pub fn ask(&self, proven: &ProvenState) -> Result<Option<Vec<u8>>, NotShown> {
        match self {
            Self::Record(contract) => {
                let record = proven.contract(contract)?;
                Ok(record.map(ContractRecord::encode))
            }
            Self::Page(contract, page) => {
                let page = proven.page(contract, PageIndex(*page))?;
                Ok(Some(page.to_vec()))
            }
            Self::Memory(contract, offset, len) => {
                let bytes = proven.bytes(contract, *offset, *len)?;
                Ok(Some(bytes.to_vec()))
            }
            Self::Code(contract, offset, len) => {
                let bytes = proven.code(contract, *offset, *len)?;
                Ok(Some(bytes.to_vec()))
            }
        }
    }
}

/// A contract of a state.
#[derive(Debug, Clone)]
pub struct Contract {
    pub record: ContractRecord,
    pub code: Vec<u8>,
    /// By number.
    pub pages: BTreeMap<u32, Box<PageBytes>>,
    pub tree: Tree,
}

impl Contract {
    pub fn new(
        contract: ContractId,
        word_size: WordSize,
        memory_wasm_pages: u64,
        code: Vec<u8>,
        pages: BTreeMap<u32, Box<PageBytes>>,
    ) -> Self {
        let leaves = pages.iter().map(|(index, page)| {
            let leaf = hash::page_leaf(page);
            (u64::from(*index), (leaf != EMPTY).then_some(leaf))
        });
        let leaves: Vec<_> = leaves.collect();
        let tree = Tree::new(page_tree_height(word_size)).with(&leaves);
        let record = ContractRecord {
            word_size,
            contract,
            code_hash: hash::code_hash(&code),
            code_len_bytes: code.len() as u64,
            layout_hash: EMPTY,
            owner: Owner::new(Vec::new()).unwrap(),
            memory_wasm_pages,
            page_root: tree.root(),
        };
        Self {
            record,
            code,
            pages,
            tree,
        }
    }

    fn page(&self, index: u32) -> Box<PageBytes> {
        let page = self.pages.get(&index);
        page.cloned().unwrap_or_else(|| Box::new([0; PAGE_BYTES]))
    }

    fn memory(&self, offset: u64, len: usize) -> Vec<u8> {
        let byte = |at: u64| {
            let page = self.pages.get(&((at / PAGE_BYTES as u64) as u32));
            page.map_or(0, |page| page[at as usize % PAGE_BYTES])
        };
        (offset..offset + len as u64).map(byte).collect()
    }
}

/// Contracts, and their tree.
#[derive(Debug, Clone)]
pub struct State {
    pub contracts: BTreeMap<ContractId, Contract>,
    buckets: BTreeMap<u64, Vec<(ContractId, Hash)>>,
    tree: Tree,
}

impl State {
    pub fn new(contracts: impl IntoIterator<Item = Contract>) -> Self {
        let contracts = contracts.into_iter();
        let contracts: BTreeMap<_, _> = contracts
            .map(|contract| (contract.record.contract, contract))
            .collect();
        let mut buckets: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        for (id, contract) in &contracts {
            let entry = (*id, contract.record.hash());
            buckets.entry(hash::position(id)).or_default().push(entry);
        }
        let leaf = |(at, entries): (&u64, &Vec<_>)| (*at, Some(hash::bucket(entries)));
        let leaves: Vec<_> = buckets.iter().map(leaf).collect();
        let tree = Tree::new(CONTRACT_TREE_HEIGHT).with(&leaves);
        Self {
            contracts,
            buckets,
            tree,
        }
    }

    pub fn root(&self) -> Root {
        Root::from_bytes(self.tree.root())
    }

    /// What a proof must answer; the item is inside memory or code.
    pub fn answer(&self, item: &Item) -> Option<Vec<u8>> {
        let contract = self.contracts.get(item.contract())?;
        Some(match item {
            Item::Record(_) => contract.record.encode(),
            Item::Page(_, page) => contract.page(*page).to_vec(),
            Item::Memory(_, offset, len) => contract.memory(*offset, *len),
            Item::Code(_, offset, len) => contract.code[*offset as usize..][..*len].to_vec(),
        })
    }

    pub fn prove(&self, items: &[Item]) -> StateProof {
        let mut builder = StateProofBuilder::new();
        for item in items {
            self.show(&mut builder, item);
        }
        builder.build()
    }

    fn show(&self, builder: &mut StateProofBuilder, item: &Item) {
        let position = hash::position(item.contract());
        let members = self.buckets.get(&position).cloned().unwrap_or_default();
        builder.position(position, self.tree.path(position), members);
        let Some(contract) = self.contracts.get(item.contract()) else {
            return;
        };
        builder.record(contract.record.clone());
        match *item {
            Item::Record(_) => {}
            Item::Page(_, page) => show_page(builder, contract, page, PageChunks::ALL),
            Item::Memory(_, offset, len) => show_memory(builder, contract, offset, len),
            Item::Code(_, offset, len) => {
                let end = (offset as usize + len).div_ceil(CHUNK_BYTES);
                let start = offset as usize / CHUNK_BYTES;
                if len > 0 {
                    builder.code(&contract.code, start as u32..end as u32);
                }
            }
        }
    }
}

fn show_memory(builder: &mut StateProofBuilder, contract: &Contract, offset: u64, len: usize) {
    let (page_bytes, end) = (PAGE_BYTES as u64, offset + len as u64);
    let mut from = offset;
    while from < end {
        let page = from / page_bytes;
        let to = end.min((page + 1) * page_bytes);
        let within = (from - page * page_bytes) as usize..(to - page * page_bytes) as usize;
        show_page(builder, contract, page as u32, PageChunks::of_bytes(within));
        from = to;
    }
}

fn show_page(builder: &mut StateProofBuilder, contract: &Contract, page: u32, chunks: PageChunks) {
    let path = contract.tree.path(u64::from(page));
    let (id, bytes) = (contract.record.contract, contract.page(page));
    builder.page(&id, PageIndex(page), path, bytes, chunks);
}

/// Random numbers that any state makes an item of, inside of its memories and codes.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    pub contract: ContractId,
    pub kind: u8,
    pub at: usize,
    pub len: usize,
}

impl Wish {
    pub fn item(&self, state: &State) -> Item {
        let id = self.contract;
        let Some(contract) = state.contracts.get(&id) else {
            return Item::Record(id);
        };
        let memory_bytes = contract.record.memory_wasm_pages as usize * 65_536;
        let (at, len) = match self.kind % 4 {
            3 => self.range(contract.code.len()),
            _ => self.range(memory_bytes),
        };
        match self.kind % 4 {
            1 if memory_bytes > 0 => Item::Page(id, (at / PAGE_BYTES) as u32),
            2 => Item::Memory(id, at as u64, len),
            3 => Item::Code(id, at as u64, len),
            _ => Item::Record(id),
        }
    }

    /// A range inside of so many bytes, its end excluded where it can be.
    fn range(&self, whole: usize) -> (usize, usize) {
        let at = self.at % whole.max(1);
        (at, self.len.min(whole - at))
    }
}

impl State {
    /// Whether a proof of the items `shown` answers `item`.
    pub fn is_shown(&self, item: &Item, shown: &[Item]) -> bool {
        let position = hash::position(item.contract());
        if !self.contracts.contains_key(item.contract()) {
            let mut positions = shown.iter().map(|one| hash::position(one.contract()));
            return positions.any(|one| one == position);
        }
        let is_known = shown.iter().any(|one| one.contract() == item.contract());
        let mut wanted = self.chunks(item).into_iter();
        let known: Vec<_> = shown.iter().flat_map(|one| self.chunks(one)).collect();
        is_known && wanted.all(|chunk| known.contains(&chunk))
    }

    /// What an item needs: chunks of a contract's memory, one for all of a page of zeros, and chunks of a code by hash.
    fn chunks(&self, item: &Item) -> Vec<(Hash, u64)> {
        let Some(contract) = self.contracts.get(item.contract()) else {
            return Vec::new();
        };
        let (place, offset, len) = match *item {
            Item::Record(_) => return Vec::new(),
            Item::Page(id, page) => (id.to_bytes(), u64::from(page) * 4096, 4096),
            Item::Memory(id, offset, len) => (id.to_bytes(), offset, len as u64),
            Item::Code(_, offset, len) => {
                (contract.record.code_hash.to_bytes(), offset, len as u64)
            }
        };
        let is_code = matches!(item, Item::Code(..));
        let name = |chunk: u64| match contract
            .page((chunk / 4) as u32)
            .iter()
            .all(|byte| *byte == 0)
        {
            true if !is_code => (place, chunk - chunk % 4),
            _ => (place, chunk),
        };
        let end = if len == 0 {
            offset / 1024
        } else {
            (offset + len).div_ceil(1024)
        };
        (offset / 1024..end).map(name).collect()
    }
}
