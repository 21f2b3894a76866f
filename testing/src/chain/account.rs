//! Accounts: ids with names, that contracts can be called as.
//!
//! A call as an account goes through a tiny contract under the account's id, deployed when it first calls. It hands on
//! what it is given, so that `caller()` is the account.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use crostata_abi::ContractId;
use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, MemArg, MemorySection, MemoryType, Module,
    TypeSection, ValType,
};

use super::called::Called;
use super::{Chain, expect};
use crate::machine::{Call, CallAnswer, CallFailure, Deployment, Machine, Request, Response};

/// What tells ids of accounts from all others.
const CONTEXT: &str = "crostata 2026-11 testing account";

/// The proxy's function.
const ACT: &str = "act";

/// Gas that the proxy itself has for its work, beside the limit of the call that it hands on: the price of calling any contract.
const PROXY_GAS: u64 = 1_000_000_000;

/// Somebody who calls contracts. Its id follows from its name, and is the same on every chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    name: String,
    id: ContractId,
}

impl Account {
    /// The account of this name.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        let id = ContractId::from_bytes(blake3::derive_key(CONTEXT, name.as_bytes()));
        Self { name, id }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id, which contracts see as their caller.
    pub fn id(&self) -> ContractId {
        self.id
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl From<&Account> for ContractId {
    fn from(account: &Account) -> Self {
        account.id
    }
}

impl From<&Account> for Vec<u8> {
    fn from(account: &Account) -> Self {
        account.id.as_bytes().to_vec()
    }
}

/// The accounts of a chain that have called.
#[derive(Debug, Default)]
pub struct Accounts {
    known: BTreeSet<ContractId>,
    order: Vec<ContractId>,
}

impl Accounts {
    /// How many are deployed.
    pub fn deployed(&self) -> usize {
        self.order.len()
    }

    /// Forgets all but the first so many: the others were rolled back.
    pub fn undeploy(&mut self, kept: usize) {
        let gone = self.order.drain(kept.min(self.order.len())..);
        for id in gone {
            self.known.remove(&id);
        }
    }

    fn insert(&mut self, id: ContractId) {
        if self.known.insert(id) {
            self.order.push(id);
        }
    }
}

impl<M: Machine + 'static> Chain<M> {
    /// The account of this name, which texts call so from here on.
    #[track_caller]
    pub fn account(&mut self, name: &str) -> Account {
        let account = Account::named(name);
        expect(self.shared.label(account.id, name.to_owned()));
        account
    }

    #[track_caller]
    pub(super) fn call_bytes_as(
        &mut self,
        account: &Account,
        contract: ContractId,
        function: &str,
        argument: &[u8],
    ) -> Called<Vec<u8>> {
        self.ready(account);
        let limit = self.gas_limit;
        let call = Call {
            contract: account.id,
            function: ACT.to_owned(),
            argument: handed_on(contract, function, argument, limit),
            gas_limit: limit.saturating_add(limit / 32).saturating_add(PROXY_GAS),
        };
        let answer = expect(self.shared.called(call));
        let answer = match answer.frames.len() {
            // The callee did not start: called by nobody, it is refused for a reason that can be told.
            0 | 1 => self.refused(contract, function, argument, answer),
            _ => of_callee(answer, limit),
        };
        self.keep(Called::new(&self.shared, contract, function, answer))
    }

    /// Deploys the account's proxy, unless there is one.
    #[track_caller]
    fn ready(&mut self, account: &Account) {
        if self.accounts.known.contains(&account.id) {
            return;
        }
        let contract = account.id;
        let exists = match expect(self.shared.ask(Request::Contract { contract })) {
            Response::Contract(facts) => facts.is_some(),
            _ => false,
        };
        if !exists {
            let deployment = Deployment {
                code: proxy().to_vec(),
                contract: Some(contract),
                ..Deployment::default()
            };
            let response = expect(self.shared.ask(Request::Deploy(deployment)));
            if let Response::Deployed { init, .. } = response {
                Called::<Vec<u8>>::new(&self.shared, contract, "init", init).expect_success();
            }
        }
        self.accounts.insert(account.id);
    }

    /// Why the callee did not start.
    #[track_caller]
    fn refused(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: &[u8],
        answer: CallAnswer,
    ) -> CallAnswer {
        let before = self.savepoint();
        let direct = self.call_bytes(contract, function, argument.to_vec());
        let reason = match direct.into_answer().result {
            Err(CallFailure::Rejected { reason }) => reason,
            _ => "the call could not start from an account".to_owned(),
        };
        self.rollback(before);
        CallAnswer {
            result: Err(CallFailure::Rejected { reason }),
            gas_spent: 0,
            ..answer
        }
    }
}

/// The argument of the proxy: whom to call, with how much gas, and what.
fn handed_on(contract: ContractId, function: &str, argument: &[u8], gas_limit: u64) -> Vec<u8> {
    let name = function.as_bytes();
    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize + name.len() + argument.len());
    bytes.extend_from_slice(contract.as_bytes());
    bytes.extend_from_slice(&gas_limit.to_le_bytes());
    bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(argument);
    bytes
}

/// What the call itself did, without the proxy around it.
fn of_callee(answer: CallAnswer, gas_limit: u64) -> CallAnswer {
    let mut frames = answer.frames;
    frames.remove(0);
    for frame in &mut frames {
        frame.depth = frame.depth.saturating_sub(1);
        frame.caller = frame.caller.and_then(|caller| caller.checked_sub(1));
    }
    let callee = frames.first();
    let gas_spent = callee.map_or(answer.gas_spent, |callee| callee.gas_spent);
    let failure = callee.and_then(|callee| callee.failure.clone());
    let result = match failure {
        Some(reverted) => Err(CallFailure::Reverted(reverted)),
        None => answer.result,
    };
    CallAnswer {
        result,
        gas_spent,
        gas_limit,
        frames,
        ..answer
    }
}

/// Where the proxy keeps what it was given: behind the argument buffer at 0.
const HEADER_AT: i32 = 65_536;

/// Id, gas limit, length of the function's name.
const HEADER_BYTES: i32 = 32 + 8 + 4;

/// The code of every proxy.
fn proxy() -> &'static [u8] {
    static CODE: OnceLock<Vec<u8>> = OnceLock::new();
    CODE.get_or_init(assemble)
}

/// ```wat
/// (module
///   (import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))
///   (import "env" "panic" (func $panic (param i32)))
///   (func (export "act") (param $len i32) (result i32) (local $name_len i32) (local $result i32) ...)
///   (memory (export "memory") 3)
///   (global (export "A") i32 (i32.const 0)))
/// ```
fn assemble() -> Vec<u8> {
    use ValType::{I32, I64};
    let mut types = TypeSection::new();
    types.ty().function([I32, I32, I32, I32, I64], [I32]);
    types.ty().function([I32], []);
    types.ty().function([I32], [I32]);
    let mut imports = ImportSection::new();
    imports.import("env", "c", EntityType::Function(0));
    imports.import("env", "panic", EntityType::Function(1));
    let mut functions = FunctionSection::new();
    functions.function(2);
    let mut code = CodeSection::new();
    code.function(&act());
    finish(&types, &imports, &functions, &[ACT], None, &code)
}

/// A module with a memory of 3 Wasm pages, of which the first is the argument buffer, and two imports.
pub(super) fn finish(
    types: &TypeSection,
    imports: &ImportSection,
    functions: &FunctionSection,
    exported: &[&str],
    data: Option<&wasm_encoder::DataSection>,
    code: &CodeSection,
) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 3,
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
    globals.global(constant, &ConstExpr::i32_const(0));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("A", ExportKind::Global, 0);
    for (index, name) in (2u32..).zip(exported) {
        exports.export(name, ExportKind::Func, index);
    }
    let mut module = Module::new();
    module.section(types).section(imports).section(functions);
    module
        .section(&memories)
        .section(&globals)
        .section(&exports);
    module.section(code);
    if let Some(data) = data {
        module.section(data);
    }
    module.finish()
}

/// Copies the header and the name behind the buffer, moves the argument to the buffer's front, and calls. A failure of the callee
/// becomes one of the proxy; who looks at the frames finds the callee's own.
fn act() -> Function {
    const LEN: u32 = 0;
    const NAME_LEN: u32 = 1;
    const RESULT: u32 = 2;
    let mut function = Function::new([(2, ValType::I32)]);
    let word = |offset| MemArg {
        offset,
        align: 0,
        memory_index: 0,
    };
    function
        .instructions()
        // name_len = header.name_len
        .i32_const(0)
        .i32_load(word(40))
        .local_set(NAME_LEN)
        // copy header and name
        .i32_const(HEADER_AT)
        .i32_const(0)
        .i32_const(HEADER_BYTES)
        .local_get(NAME_LEN)
        .i32_add()
        .memory_copy(0, 0)
        // the argument to the front
        .i32_const(0)
        .i32_const(HEADER_BYTES)
        .local_get(NAME_LEN)
        .i32_add()
        .local_get(LEN)
        .i32_const(HEADER_BYTES)
        .i32_sub()
        .local_get(NAME_LEN)
        .i32_sub()
        .memory_copy(0, 0)
        // c(id, name, name_len, argument_len, limit)
        .i32_const(HEADER_AT)
        .i32_const(HEADER_AT + HEADER_BYTES)
        .local_get(NAME_LEN)
        .local_get(LEN)
        .i32_const(HEADER_BYTES)
        .i32_sub()
        .local_get(NAME_LEN)
        .i32_sub()
        .i32_const(HEADER_AT)
        .i64_load(word(32))
        .call(0)
        .local_tee(RESULT)
        .i32_const(0)
        .i32_ge_s()
        .if_(wasm_encoder::BlockType::Empty)
        .local_get(RESULT)
        .return_()
        .end()
        .i32_const(0)
        .call(1)
        .unreachable()
        .end();
    function
}
