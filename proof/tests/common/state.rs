//! A whole state in memory: what proofs are made of, and what their answers are compared with.

use std::collections::BTreeMap;

use crostata_proof::tree::{CONTRACT_TREE_HEIGHT, page_tree_height};
use crostata_proof::{
    CHUNK_BYTES, ContractId, ContractRecord, EMPTY, Hash, NotShown, Owner, PAGE_BYTES, PageBytes,
    PageChunks, PageIndex, ProvenState, Root, StateProof, StateProofBuilder, WordSize, hash,
};

use super::Tree;

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
        let leaf = |(index, page): (&u32, &Box<PageBytes>)| {
            let leaf = hash::page_leaf(page);
            (u64::from(*index), (leaf != EMPTY).then_some(leaf))
        };
        let leaves: Vec<_> = pages.iter().map(leaf).collect();
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
