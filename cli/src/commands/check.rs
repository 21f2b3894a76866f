//! `check`: whether a module can be deployed, why not, and what is in it.

use std::path::{Path, PathBuf};

use clap::Args;
use crostata::{Inspection, Rejection};
use serde_json::{Value, json};

use super::{Done, read};
use crate::arguments::RulesArguments;
use crate::error::CliError;
use crate::interface::Interface;
use crate::receipt::number;
use crate::screen::{Screen, Tone, plain};
use crate::sections::{self, Section};
use crate::store;

/// Says whether a module can be deployed under this build's rules (or those of `--protocol`): the rule that it breaks, the byte offset, and what to do; or its
/// sections, imports, exports and the price of deploying it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata check target/wasm32-unknown-unknown/release/counter.wasm
  crostata check counter.wasm --json | jq .deploy_gas")]
pub struct Check {
    /// The module.
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    #[command(flatten)]
    rules: RulesArguments,
}

impl Check {
    /// Exit code 1 if the module would be rejected.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let code = read(&self.file)?;
        expect_module(&self.file, &code)?;
        let sections = sections::of(&code);
        let protocol = store::protocol(&self.rules)?.unwrap_or_default();
        match protocol.inspect(&code) {
            Ok(found) => accepted(screen, &code, &found, &sections).map(|()| Done::Well),
            Err(rejection) => rejected(screen, &code, &rejection, &sections).map(|()| Done::Failed),
        }
    }
}

/// That a file's bytes begin as a module does.
pub fn expect_module(file: &Path, code: &[u8]) -> Result<(), CliError> {
    match code.starts_with(b"\0asm") {
        true => Ok(()),
        false => Err(CliError::input(
            format!(
                "{} is no WebAssembly module: it does not begin with `\\0asm`",
                file.display()
            ),
            "name a .wasm file; `crostata build` makes one from a contract crate",
        )),
    }
}

fn rejected(
    screen: &mut Screen,
    code: &[u8],
    rejection: &Rejection,
    sections: &[Section],
) -> Result<(), CliError> {
    let (rule, offset) = (rejection.rule(), rejection.offset());
    let section = sections
        .iter()
        .find(|one| (one.offset..one.offset + one.bytes).contains(&offset));
    if screen.is_json() {
        return screen.value(&json!({
            "accepted": false,
            "code_bytes": code.len(),
            "rule": rule,
            "offset": offset,
            "section": section.map(|one| &one.name),
            "message": rejection.to_string(),
            "sections": sections_json(sections),
        }));
    }
    let mark = screen.paint(Tone::Bad, "rejected:");
    screen.line(format!("{mark} {}", plain(&rejection.to_string())))?;
    screen.line(format!("rule      {rule}"))?;
    let within = section.map(|one| format!(", in the section `{}`", plain(&one.name)));
    screen.line(format!("offset    {offset}{}", within.unwrap_or_default()))
}

fn accepted(
    screen: &mut Screen,
    code: &[u8],
    found: &Inspection,
    sections: &[Section],
) -> Result<(), CliError> {
    let hash = crostata::code_hash(code);
    if screen.is_json() {
        return screen.value(&json!({
            "accepted": true,
            "code_hash": hash.to_string(),
            "code_bytes": found.code_bytes,
            "rewritten_bytes": found.rewritten_bytes,
            "deploy_gas": found.deploy_gas,
            "word_bits": found.word_size.bits(),
            "functions": found.functions,
            "mutable_globals": found.mutable_globals,
            "table_elements": found.table_elements,
            "initial_memory_wasm_pages": found.initial_memory_wasm_pages,
            "maximum_memory_wasm_pages": found.maximum_memory_wasm_pages,
            "data_bytes": found.data_bytes,
            "argument_buffer": found.argument_buffer,
            "stack": found.stack.map(|stack| json!({"start": stack.start, "len_bytes": stack.len_bytes})),
            "reentry": format!("{:?}", found.reentry),
            "imports": found.imports,
            "exports": found.exports,
            "has_init": found.has_init,
            "functions_declared": Interface::of(code).signatures(),
            "sections": sections_json(sections),
        }));
    }
    let mark = screen.paint(Tone::Good, "accepted");
    screen.line(format!("{mark}  code {hash}"))?;
    facts(found)
        .into_iter()
        .try_for_each(|line| screen.line(line))?;
    screen.line(screen.paint(Tone::Strong, "sections"))?;
    for section in sections {
        let (name, bytes) = (plain(&section.name), number(section.bytes));
        screen.line(format!("  {bytes:>10}  {name}"))?;
    }
    Ok(())
}

fn facts(found: &Inspection) -> Vec<String> {
    let maximum = match found.maximum_memory_wasm_pages {
        Some(pages) => format!(", {pages} at most"),
        None => String::new(),
    };
    let init = if found.has_init { "yes" } else { "none" };
    let imports: Vec<String> = found.imports.iter().map(|name| plain(name)).collect();
    let exports: Vec<String> = found.exports.iter().map(|name| plain(name)).collect();
    vec![
        format!(
            "price     {} gas to deploy, beside the gas of `init`",
            number(found.deploy_gas)
        ),
        format!(
            "size      {} bytes; {} when rewritten, without data",
            number(found.code_bytes),
            number(found.rewritten_bytes)
        ),
        format!("word      {} bits", found.word_size.bits()),
        format!(
            "memory    {} pages of 64 KiB at first{maximum}; {} bytes of data",
            found.initial_memory_wasm_pages,
            number(found.data_bytes)
        ),
        format!(
            "globals   {} mutable, which each savepoint copies",
            found.mutable_globals
        ),
        format!(
            "reentry   {}",
            format!("{:?}", found.reentry).to_lowercase()
        ),
        format!("init      {init}"),
        format!("imports   {}", imports.join(" ")),
        format!("exports   {}", exports.join(" ")),
    ]
}

fn sections_json(sections: &[Section]) -> Value {
    let sections = sections.iter();
    let sections =
        sections.map(|one| json!({"name": one.name, "offset": one.offset, "bytes": one.bytes}));
    sections.collect()
}
