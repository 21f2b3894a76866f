//! A contract's module taken apart, so that it can be changed, and put together again.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, ElementSection, Elements, EntityType,
    ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    Instruction, MemorySection, MemoryType, RefType, TableSection, TableType, TypeSection, ValType,
};
use wasmparser::{
    CompositeInnerType, ElementItems, Imports, Operator, Parser, Payload, TypeRef, ValType as Read,
};

/// Parameters and results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub params: Vec<ValType>,
    pub results: Vec<ValType>,
}

/// A function of the module's own.
#[derive(Debug, Clone)]
pub struct Body<'a> {
    pub ty: u32,
    pub locals: Vec<ValType>,
    pub code: Vec<Instruction<'a>>,
}

/// A global and its first value.
#[derive(Debug, Clone)]
pub struct Global {
    pub ty: ValType,
    pub mutable: bool,
    pub value: ConstExpr,
}

/// A module with one memory, at most one table, and what contracts may have besides.
#[derive(Debug, Clone, Default)]
pub struct Module<'a> {
    pub is_wide: bool,
    pub types: Vec<Signature>,
    /// Names in `env`, and types.
    pub imports: Vec<(String, u32)>,
    pub functions: Vec<Body<'a>>,
    pub memory_min: u64,
    pub memory_max: Option<u64>,
    /// Elements of the table, which is 32-bit.
    pub table: u32,
    /// Whether the table that was read is 64-bit.
    pub table_was_wide: bool,
    /// The functions that the table begins with.
    pub elements: Vec<u32>,
    pub globals: Vec<Global>,
    pub data: Vec<(u64, Vec<u8>)>,
    pub exports: Vec<(String, ExportKind, u32)>,
    /// Custom sections that mean something to the VM.
    pub customs: Vec<(String, Vec<u8>)>,
}

fn value_type(ty: Read) -> ValType {
    match ty {
        Read::I32 => ValType::I32,
        Read::I64 => ValType::I64,
        Read::F32 => ValType::F32,
        Read::F64 => ValType::F64,
        other => panic!("contracts have no {other}"),
    }
}

fn value_types(types: &[Read]) -> Vec<ValType> {
    types.iter().copied().map(value_type).collect()
}

/// The constant of an expression that is one; 0 of any other.
fn constant(expression: &wasmparser::ConstExpr<'_>) -> u64 {
    match expression.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => u64::from(value as u32),
        Ok(Operator::I64Const { value }) => value as u64,
        _ => 0,
    }
}

impl<'a> Module<'a> {
    /// Takes a valid module apart. `start` is left out, and elements and data lose what makes them passive.
    pub fn parse(code: &'a [u8]) -> Self {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(code) {
            module.take(payload.unwrap());
        }
        module
    }

    fn take(&mut self, payload: Payload<'a>) {
        match payload {
            Payload::TypeSection(section) => section
                .into_iter()
                .for_each(|group| self.take_types(&group.unwrap())),
            Payload::ImportSection(section) => section
                .into_iter()
                .for_each(|import| self.take_import(import.unwrap())),
            Payload::FunctionSection(section) => {
                self.functions.extend(section.into_iter().map(|ty| Body {
                    ty: ty.unwrap(),
                    locals: Vec::new(),
                    code: Vec::new(),
                }));
            }
            Payload::TableSection(section) => {
                for table in section {
                    let ty = table.unwrap().ty;
                    self.table = ty.initial.clamp(1, 8_192) as u32;
                    self.table_was_wide = ty.table64;
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory.unwrap();
                    self.is_wide = memory.memory64;
                    (self.memory_min, self.memory_max) = (memory.initial, memory.maximum);
                }
            }
            Payload::GlobalSection(section) => section
                .into_iter()
                .for_each(|global| self.take_global(&global.unwrap())),
            Payload::ExportSection(section) => section
                .into_iter()
                .for_each(|export| self.take_export(&export.unwrap())),
            Payload::ElementSection(section) => section
                .into_iter()
                .for_each(|element| self.take_elements(element.unwrap())),
            Payload::DataSection(section) => {
                for data in section {
                    let data = data.unwrap();
                    let at = match &data.kind {
                        wasmparser::DataKind::Active { offset_expr, .. } => constant(offset_expr),
                        wasmparser::DataKind::Passive => 0,
                    };
                    self.data.push((at, data.data.to_vec()));
                }
            }
            Payload::CodeSectionEntry(body) => self.take_body(&body),
            Payload::CustomSection(section) if section.name().starts_with("crostata.") => {
                let (name, data) = (section.name().to_owned(), section.data().to_vec());
                self.customs.push((name, data));
            }
            _ => {}
        }
    }

    fn take_types(&mut self, group: &wasmparser::RecGroup) {
        for ty in group.types() {
            let CompositeInnerType::Func(ty) = &ty.composite_type.inner else {
                panic!("contracts have function types only");
            };
            self.types.push(Signature {
                params: value_types(ty.params()),
                results: value_types(ty.results()),
            });
        }
    }

    fn take_import(&mut self, imports: Imports<'_>) {
        let Imports::Single(_, import) = imports else {
            panic!("contracts have no compact imports");
        };
        if let TypeRef::Func(ty) = import.ty {
            self.imports.push((import.name.to_owned(), ty));
        }
    }

    fn take_global(&mut self, global: &wasmparser::Global<'_>) {
        let value = RoundtripReencoder.const_expr(global.init_expr.clone());
        self.globals.push(Global {
            ty: value_type(global.ty.content_type),
            mutable: global.ty.mutable,
            value: value.unwrap(),
        });
    }

    fn take_export(&mut self, export: &wasmparser::Export<'_>) {
        let kind = RoundtripReencoder.export_kind(export.kind).unwrap();
        self.exports
            .push((export.name.to_owned(), kind, export.index));
    }

    fn take_elements(&mut self, element: wasmparser::Element<'_>) {
        if let ElementItems::Functions(functions) = element.items {
            self.elements
                .extend(functions.into_iter().map(Result::unwrap));
        }
    }

    fn take_body(&mut self, body: &wasmparser::FunctionBody<'a>) {
        let next = self.functions.iter().position(|body| body.code.is_empty());
        let taken = &mut self.functions[next.unwrap()];
        for local in body.get_locals_reader().unwrap() {
            let (count, ty) = local.unwrap();
            taken.locals.extend((0..count).map(|_| value_type(ty)));
        }
        for operator in body.get_operators_reader().unwrap() {
            let instruction = RoundtripReencoder.instruction(operator.unwrap());
            taken.code.push(instruction.unwrap());
        }
    }

    /// The type of an address.
    pub fn pointer(&self) -> ValType {
        if self.is_wide {
            ValType::I64
        } else {
            ValType::I32
        }
    }

    /// An address as a constant.
    pub fn address(&self, value: u64) -> Instruction<'static> {
        if self.is_wide {
            Instruction::I64Const(value as i64)
        } else {
            Instruction::I32Const(value as i32)
        }
    }

    /// The index of a type, which is added if it is new.
    pub fn type_of(&mut self, signature: &Signature) -> u32 {
        let known = self.types.iter().position(|ty| ty == signature);
        known.unwrap_or_else(|| {
            self.types.push(signature.clone());
            self.types.len() - 1
        }) as u32
    }

    /// The signature of a function, imported ones counted first.
    pub fn signature(&self, function: u32) -> &Signature {
        let imported = self.imports.len();
        let ty = match self.imports.get(function as usize) {
            Some((_, ty)) => *ty,
            None => self.functions[function as usize - imported].ty,
        };
        &self.types[ty as usize]
    }

    /// Adds a function and gives its index.
    pub fn add(
        &mut self,
        signature: &Signature,
        locals: Vec<ValType>,
        code: Vec<Instruction<'a>>,
    ) -> u32 {
        let ty = self.type_of(signature);
        self.functions.push(Body { ty, locals, code });
        (self.imports.len() + self.functions.len() - 1) as u32
    }

    /// The module's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut module = wasm_encoder::Module::new();
        module.section(&self.encode_types());
        if !self.imports.is_empty() {
            module.section(&self.encode_imports());
        }
        let mut functions = FunctionSection::new();
        for body in &self.functions {
            functions.function(body.ty);
        }
        module.section(&functions);
        if self.table > 0 {
            module.section(&self.encode_table());
        }
        module
            .section(&self.encode_memory())
            .section(&self.encode_globals())
            .section(&self.encode_exports());
        if !self.elements.is_empty() {
            module.section(&self.encode_elements());
        }
        module.section(&self.encode_code());
        if !self.data.is_empty() {
            module.section(&self.encode_data());
        }
        for (name, data) in &self.customs {
            module.section(&CustomSection {
                name: name.into(),
                data: data.into(),
            });
        }
        module.finish()
    }

    fn encode_types(&self) -> TypeSection {
        let mut types = TypeSection::new();
        for Signature { params, results } in &self.types {
            types
                .ty()
                .function(params.iter().copied(), results.iter().copied());
        }
        types
    }

    fn encode_imports(&self) -> ImportSection {
        let mut imports = ImportSection::new();
        for (name, ty) in &self.imports {
            imports.import("env", name, EntityType::Function(*ty));
        }
        imports
    }

    fn encode_table(&self) -> TableSection {
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: self.table.into(),
            maximum: None,
            shared: false,
        });
        tables
    }

    fn encode_memory(&self) -> MemorySection {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: self.memory_min,
            maximum: self.memory_max,
            memory64: self.is_wide,
            shared: false,
            page_size_log2: None,
        });
        memories
    }

    fn encode_globals(&self) -> GlobalSection {
        let mut globals = GlobalSection::new();
        for global in &self.globals {
            let ty = GlobalType {
                val_type: global.ty,
                mutable: global.mutable,
                shared: false,
            };
            globals.global(ty, &global.value);
        }
        globals
    }

    fn encode_exports(&self) -> ExportSection {
        let mut exports = ExportSection::new();
        for (name, kind, index) in &self.exports {
            exports.export(name, *kind, *index);
        }
        exports
    }

    fn encode_elements(&self) -> ElementSection {
        let mut elements = ElementSection::new();
        let functions = Elements::Functions(self.elements.as_slice().into());
        elements.active(None, &ConstExpr::i32_const(0), functions);
        elements
    }

    fn encode_code(&self) -> CodeSection {
        let mut code = CodeSection::new();
        for body in &self.functions {
            let mut function = Function::new_with_locals_types(body.locals.iter().copied());
            for instruction in &body.code {
                function.instruction(instruction);
            }
            code.function(&function);
        }
        code
    }

    fn encode_data(&self) -> DataSection {
        let mut data = DataSection::new();
        for (at, bytes) in &self.data {
            let offset = match self.is_wide {
                true => ConstExpr::i64_const(*at as i64),
                false => ConstExpr::i32_const(*at as i32),
            };
            data.active(0, &offset, bytes.iter().copied());
        }
        data
    }
}
