//! A failing sequence as a test that can be pasted into the source.

use std::any::type_name;
use std::collections::BTreeSet;

use super::saved::identifier;
use super::step::{Step, StepCall};

/// What the campaign's functions are called in Rust.
#[derive(Debug, Clone)]
pub struct Functions {
    /// The function that sets up.
    pub setup: String,
    /// The invariant that fails, if one does.
    pub invariant: Option<String>,
    /// What to do with what the invariant gives.
    pub unwrapped: &'static str,
}

/// The name of a function's type as an expression in the crate that has it; a closure has none.
pub fn path_of<F>() -> Option<String> {
    let full = type_name::<F>();
    let is_path = full.split("::").all(|part| {
        let mut characters = part.chars();
        let first = characters.next();
        first.is_some_and(|first| first.is_alphabetic() || first == '_')
            && characters.all(|character| character.is_alphanumeric() || character == '_')
    });
    let inside = full.split_once("::").map(|(_, inside)| inside)?;
    is_path.then(|| format!("crate::{inside}"))
}

/// The test.
pub fn test(campaign: &str, steps: &[Step], functions: &Functions) -> String {
    let mut lines = vec![
        "#[test]".to_owned(),
        format!("fn {}_fails() {{", identifier(campaign)),
        "    let mut chain = Chain::new();".to_owned(),
        format!("    let world = {}(&mut chain);", functions.setup),
    ];
    lines.extend(declarations(steps));
    lines.extend(steps.iter().map(|step| format!("    {}", statement(step))));
    match &functions.invariant {
        Some(invariant) => lines.push(format!(
            "    {invariant}(&mut chain, &world){};",
            functions.unwrapped
        )),
        None => lines.push("    let _ = world;".to_owned()),
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

/// Accounts and contracts that the steps name.
fn declarations(steps: &[Step]) -> Vec<String> {
    let calls = steps.iter().filter_map(call_of);
    let contracts: BTreeSet<&str> = calls.clone().map(|call| call.contract.as_str()).collect();
    let text: String = calls.map(|call| format!("{} ", expression(call))).collect();
    let callers = steps.iter().filter_map(call_of);
    let callers = callers.filter_map(|call| call.caller.as_deref());
    let mut accounts: BTreeSet<&str> = callers.collect();
    for name in names_in(&text, ".id()") {
        accounts.insert(name);
    }
    let accounts = accounts
        .into_iter()
        .map(|name| format!("    let {} = chain.account({name:?});", identifier(name)));
    let contracts = contracts
        .into_iter()
        .map(|name| format!("    let {} = chain.labelled({name:?});", identifier(name)));
    accounts.chain(contracts).collect()
}

/// The identifiers in front of `ending`.
fn names_in<'a>(text: &'a str, ending: &str) -> Vec<&'a str> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let ends = text.match_indices(ending).map(|(at, _)| &text[..at]);
    ends.filter_map(|before| {
        let name = before.rsplit(|character| !is_part(character)).next()?;
        (!name.is_empty()).then_some(name)
    })
    .collect()
}

fn call_of(step: &Step) -> Option<&StepCall> {
    match step {
        Step::Call(call) => Some(call),
        Step::Advance { .. } => None,
    }
}

fn expression(call: &StepCall) -> String {
    match &call.expression {
        Some(expression) => format!("&{expression}"),
        None => format!("{:?}", call.argument),
    }
}

fn statement(step: &Step) -> String {
    let call = match step {
        Step::Advance { blocks } => return format!("chain.block().advance({blocks});"),
        Step::Call(call) => call,
    };
    let contract = identifier(&call.contract);
    let function = &call.function;
    let argument = expression(call);
    let caller = call
        .caller
        .as_deref()
        .map(|name| format!("&{}, ", identifier(name)));
    let called_as = if caller.is_some() { "_as" } else { "" };
    let caller = caller.unwrap_or_default();
    match call.expression {
        Some(_) => format!(
            "let _ = chain.call{called_as}::<_, ()>({caller}{contract}, {function:?}, {argument});"
        ),
        None => format!(
            "let _ = chain.call_raw{called_as}({caller}{contract}, {function:?}, {argument});"
        ),
    }
}
