//! The type section of the rewritten module: the contract's types, then those that the added
//! imports and the blocks around function bodies need.

use super::Rejection;
use super::rewrite::encoded;
use std::collections::HashMap;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, FuncType, TypeSection, ValType};

/// Types under construction. Which types are added depends on the order of requests only.
pub(super) struct Types {
    section: TypeSection,
    /// What the section holds.
    functions: Vec<FuncType>,
    /// Results of the types without parameters -> the first such type. Never iterated.
    blocks: HashMap<Vec<ValType>, u32>,
}

impl Types {
    /// Starts with the contract's own types, at their own indices.
    pub fn new(types: &[wasmparser::FuncType]) -> Result<Self, Rejection> {
        let mut own = Self {
            section: TypeSection::new(),
            functions: Vec::new(),
            blocks: HashMap::new(),
        };
        for ty in types {
            let ty = encoded(RoundtripReencoder.func_type(ty.clone()), 0)?;
            own.push(&ty);
        }
        Ok(own)
    }

    fn push(&mut self, ty: &FuncType) -> u32 {
        let index = self.section.len();
        self.section.ty().func_type(ty);
        self.functions.push(ty.clone());
        if ty.params().is_empty() {
            self.blocks.entry(ty.results().to_vec()).or_insert(index);
        }
        index
    }

    /// The type of a block with the results of the contract's function type `ty`.
    pub fn block_of(&mut self, ty: u32) -> BlockType {
        let results = self
            .functions
            .get(ty as usize)
            .map_or(&[][..], FuncType::results);
        match results {
            [] => BlockType::Empty,
            [result] => BlockType::Result(*result),
            results => match self.blocks.get(results) {
                Some(index) => BlockType::FunctionType(*index),
                None => {
                    let added = FuncType::new([], results.iter().copied());
                    BlockType::FunctionType(self.push(&added))
                }
            },
        }
    }

    /// The index of a function type, an earlier one if there is one like it.
    pub fn function(&mut self, ty: &FuncType) -> u32 {
        match self.functions.iter().position(|own| own == ty) {
            Some(index) => index as u32,
            None => self.push(ty),
        }
    }

    /// The section so far.
    pub const fn section(&self) -> &TypeSection {
        &self.section
    }
}
