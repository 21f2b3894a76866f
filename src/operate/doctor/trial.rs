//! A contract of a few bytes that is deployed, called and committed in memory: the shortest way to know that contracts run here.

use std::sync::Arc;

use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

use super::super::settings::Settings;
use crate::session::{ContractData, SessionData};
use crate::store::files::MemoryFiles;
use crate::vm::{Config, VM};

/// Enough for the trial under any schedule that lets contracts run.
const LIMIT_GAS: u64 = 1_000_000_000;

/// Where the argument buffer is, and how many Wasm pages the memory has.
const BUFFER: i32 = 65_536;
const MEMORY_WASM_PAGES: u64 = 2;

/// Runs the trial with a node's backend.
///
/// # Errors
/// What failed, with its causes.
pub fn trial(settings: &Settings) -> Result<(), String> {
    run(settings).map_err(|error| {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        text
    })
}

fn run(settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config {
        backend: settings.store.backend,
        image_cache_bytes: 1 << 20,
        ..Config::default()
    };
    let vm = VM::with_files(Arc::new(MemoryFiles::new()), config)?;
    let mut session = vm.session(SessionData::default())?;
    let contract = session.deploy(contract(), ContractData::builder(), LIMIT_GAS)?;
    let mut session = vm.session(SessionData::builder().base(session.commit()?))?;
    session.call_raw(contract, "run", [], LIMIT_GAS)?;
    session.commit()?;
    Ok(())
}

/// A contract whose function `run` writes to its memory.
fn contract() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: MEMORY_WASM_PAGES,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    let constant = GlobalType {
        val_type: ValType::I32,
        mutable: false,
        shared: false,
    };
    globals.global(constant, &ConstExpr::i32_const(BUFFER));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("A", ExportKind::Global, 0);
    exports.export("run", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    code.function(&body());
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories);
    module.section(&globals).section(&exports).section(&code);
    module.finish()
}

fn body() -> Function {
    let mut body = Function::new([]);
    let place = MemArg {
        offset: 0,
        align: 2,
        memory_index: 0,
    };
    let mut instructions = body.instructions();
    instructions.i32_const(0).i32_const(7).i32_store(place);
    instructions.i32_const(0).end();
    body
}
