//! A module's sections as read, each entry with its byte offset. Data only; no rule is applied here.

use super::WordSize;
use super::constant::Constant;
use super::effort::Counted;
use super::probe;
use wasmparser::{
    CustomSectionReader, ExternalKind, FuncType, FunctionBody, GlobalType, MemoryType,
    SectionLimited, TableType, TypeRef,
};

/// Everything of a module that checking and rewriting need.
#[derive(Default)]
pub(super) struct Outline<'a> {
    pub types: Vec<FuncType>,
    pub imports: Vec<Import<'a>>,
    /// Type index of each defined function.
    pub functions: Vec<u32>,
    pub table: Option<Table>,
    pub memory: Option<Memory>,
    pub globals: Vec<Global>,
    pub exports: Vec<Export<'a>>,
    pub elements: Vec<Elements<'a>>,
    pub data: Vec<Data<'a>>,
    pub bodies: Vec<Body<'a>>,
    pub customs: Vec<CustomSectionReader<'a>>,
    /// Length of the module.
    pub end: u64,
    /// Whether its code is to call probes.
    pub probed: bool,
}

pub(super) struct Import<'a> {
    pub offset: u64,
    pub module: &'a str,
    pub name: &'a str,
    pub ty: TypeRef,
}

pub(super) struct Table {
    pub offset: u64,
    pub ty: TableType,
    pub has_initial_value: bool,
}

pub(super) struct Memory {
    pub offset: u64,
    pub ty: MemoryType,
}

pub(super) struct Global {
    pub offset: u64,
    pub ty: GlobalType,
    pub value: Constant,
}

pub(super) struct Export<'a> {
    pub offset: u64,
    pub name: &'a str,
    pub kind: ExternalKind,
    pub index: u32,
}

pub(super) struct Elements<'a> {
    pub offset: u64,
    pub start: u64,
    pub functions: SectionLimited<'a, u32>,
}

pub(super) struct Data<'a> {
    pub offset: u64,
    pub start: u64,
    pub bytes: &'a [u8],
}

pub(super) struct Body<'a> {
    pub body: FunctionBody<'a>,
    /// What a frame of the function takes from the stack-height counter.
    pub cost: u32,
    /// Its parameters and locals.
    pub locals: u32,
    /// Whether it calls functions.
    pub calls: bool,
    /// What there is to compile, but for checks.
    pub counted: Counted,
}

impl Outline<'_> {
    /// The width of its memory's addresses; narrow without a memory.
    pub fn word_size(&self) -> WordSize {
        match &self.memory {
            Some(memory) if memory.ty.memory64 => WordSize::W64,
            _ => WordSize::W32,
        }
    }

    /// How many functions the rewriting imports behind the contract's own imports.
    pub fn added_imports(&self) -> u32 {
        probe::added_imports(self.probed)
    }

    /// The index that a contract's function has behind the imports added.
    pub fn shifted(&self, function: u32) -> u32 {
        if (function as usize) < self.imports.len() {
            function
        } else {
            function.saturating_add(self.added_imports())
        }
    }

    /// The type of a function by its index, imported ones first. Valid modules have one for each
    /// index in use.
    pub fn function_type(&self, index: u32) -> Option<&FuncType> {
        let index = index as usize;
        let type_index = match self.imports.get(index).map(|import| import.ty) {
            Some(TypeRef::Func(type_index)) => type_index,
            Some(_) => return None,
            None => *self.functions.get(index - self.imports.len())?,
        };
        self.types.get(type_index as usize)
    }
}

/// A function type as text: `(i32, i64) -> (i32)`.
pub(super) fn signature(ty: &FuncType) -> String {
    let list = |types: &[wasmparser::ValType]| {
        let names: Vec<String> = types.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    format!("({}) -> ({})", list(ty.params()), list(ty.results()))
}
