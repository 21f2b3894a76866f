//! `inspect`: what a store holds.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use crostata::{
    ArtifactDirectory, Commit, CommitId, ContractId, ContractRecord, Inspection, Protocol, VM,
};
use serde_json::{Value, json};

use super::Done;
use super::diff::Diff;
use super::verify::record_json;
use crate::arguments::{CommitArguments, RulesArguments, StoreArguments};
use crate::error::CliError;
use crate::labels::Labels;
use crate::picture::{self, Range};
use crate::receipt::{self, number};
use crate::screen::{Screen, Tone, plain};
use crate::store;

/// Shows what a store holds; its commits if nothing is said.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  crostata inspect
  crostata inspect contracts --at final
  crostata inspect contract counter
  crostata inspect diff final
  crostata inspect protocol > protocol.txt
  crostata inspect artifacts --store /var/lib/node/state"
)]
pub struct Inspect {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    store: StoreArguments,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The retained commits as a tree, with their ids and roots, and which is final.
    Commits {
        #[command(flatten)]
        store: StoreArguments,
    },
    /// The contracts of a commit.
    Contracts {
        #[command(flatten)]
        store: StoreArguments,
        #[command(flatten)]
        commit: CommitArguments,
    },
    /// A contract: its record, what can be called, and a picture of its memory.
    Contract {
        /// The contract's label or id.
        contract: String,
        #[command(flatten)]
        store: StoreArguments,
        #[command(flatten)]
        commit: CommitArguments,
    },
    /// Contracts and pages that differ between two commits.
    Diff(Diff),
    /// The rules under which contracts run, a line each: to be changed, and given with `--protocol FILE`.
    Protocol {
        #[command(flatten)]
        rules: RulesArguments,
    },
    /// The compiled code that the store keeps.
    Artifacts {
        #[command(flatten)]
        store: StoreArguments,
    },
}

impl Inspect {
    /// Changes nothing.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        match &self.what {
            None => commits(screen, &self.store),
            Some(What::Commits { store }) => commits(screen, store),
            Some(What::Contracts { store, commit }) => contracts(screen, store, commit),
            Some(What::Contract {
                contract,
                store,
                commit,
            }) => one(screen, contract, store, commit),
            Some(What::Diff(diff)) => diff.run(screen),
            Some(What::Protocol { rules }) => protocol(screen, rules),
            Some(What::Artifacts { store }) => artifacts(screen, store),
        }
        .map(|()| Done::Well)
    }
}

fn protocol(screen: &mut Screen, rules: &RulesArguments) -> Result<(), CliError> {
    let protocol = store::protocol(rules)?.unwrap_or_default();
    let text = protocol.text();
    if !screen.is_json() {
        return screen.line(text.trim_end());
    }
    let rules: Value = text
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let fingerprint = protocol.fingerprint().to_string();
    screen.value(&json!({"fingerprint": fingerprint, "rules": rules}))
}

fn commits(screen: &mut Screen, arguments: &StoreArguments) -> Result<(), CliError> {
    let vm = store::open(arguments)?;
    let (commits, finalised) = (vm.commits(), vm.finalized());
    let is_final = |commit: &Commit| finalised.is_some_and(|one| one.id == commit.id);
    if screen.is_json() {
        let commits: Value = commits
            .iter()
            .map(|commit| {
                let mut value = receipt::commit(commit);
                value["final"] = json!(is_final(commit));
                value
            })
            .collect();
        return screen.value(&json!({"commits": commits}));
    }
    for (commit, rails) in tree(&commits) {
        let newest = commits.last().is_some_and(|last| last.id == commit.id);
        let marks = [(is_final(&commit), " final"), (newest, " newest")];
        let marks: String = marks
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, mark)| *mark)
            .collect();
        let (id, marks) = (commit.id, screen.paint(Tone::Good, &marks));
        screen.line(format!("{rails}{id}{marks}"))?;
        let below = rails.replace(['├', '└', '─'], " ");
        let root = screen.paint(Tone::Faint, &format!("root {}", commit.root));
        screen.line(format!("{below}  {root}"))?;
    }
    screen.note(format!("{} commits", commits.len()));
    Ok(())
}

/// Commits below their parents, each with the rails of the tree before it; a line of commits is not indented.
fn tree(commits: &[Commit]) -> Vec<(Commit, String)> {
    let known: BTreeMap<CommitId, &Commit> = commits.iter().map(|one| (one.id, one)).collect();
    let mut children: BTreeMap<Option<CommitId>, Vec<Commit>> = BTreeMap::new();
    for commit in commits {
        let parent = known.contains_key(&commit.parent).then_some(commit.parent);
        children.entry(parent).or_default().push(*commit);
    }
    let mut lines = Vec::new();
    let mut waiting: Vec<(Commit, usize)> = Vec::new();
    let push = |of: Option<CommitId>, depth: usize, waiting: &mut Vec<(Commit, usize)>| {
        let below = children.get(&of).map_or(&[][..], Vec::as_slice);
        let depth = depth + usize::from(below.len() > 1);
        waiting.extend(below.iter().rev().map(|child| (*child, depth)));
    };
    push(None, 0, &mut waiting);
    while let Some((commit, depth)) = waiting.pop() {
        let rails = match depth {
            0 => String::new(),
            depth => format!("{}├─ ", "│  ".repeat(depth - 1)),
        };
        lines.push((commit, rails));
        push(Some(commit.id), depth, &mut waiting);
    }
    lines
}

fn contracts(
    screen: &mut Screen,
    arguments: &StoreArguments,
    commit: &CommitArguments,
) -> Result<(), CliError> {
    let labels = Labels::of(arguments)?;
    let vm = store::open(arguments)?;
    let commit = store::commit(&vm, &commit.commit)?;
    let records = vm.contracts(commit)?;
    let records = records.collect::<Result<Vec<_>, _>>();
    let records = records.map_err(crostata::ProofError::from)?;
    if screen.is_json() {
        let contracts: Value = records.iter().map(|one| labelled(one, &labels)).collect();
        let commit = receipt::commit(&commit);
        return screen.value(&json!({"commit": commit, "contracts": contracts}));
    }
    for record in &records {
        let label = labels.label(&record.contract).unwrap_or("-");
        let (code, memory) = (number(record.code_len_bytes), record.memory_wasm_pages * 64);
        screen.line(format!(
            "{}  {label:<16} code {code:>9} bytes, memory {memory:>6} KiB",
            record.contract
        ))?;
    }
    screen.note(format!(
        "{} contracts at commit {}",
        records.len(),
        commit.id
    ));
    Ok(())
}

fn labelled(record: &ContractRecord, labels: &Labels) -> Value {
    let mut value = record_json(record);
    value["label"] = json!(labels.label(&record.contract));
    value
}

fn one(
    screen: &mut Screen,
    name: &str,
    arguments: &StoreArguments,
    commit: &CommitArguments,
) -> Result<(), CliError> {
    let labels = Labels::of(arguments)?;
    let contract = labels.contract(name)?;
    let vm = store::open(arguments)?;
    let commit = store::commit(&vm, &commit.commit)?;
    let record = record(&vm, commit, contract)?;
    let pages = vm.contract_pages(commit, contract)?;
    let pages: Vec<u32> = pages.iter().map(|page| page.0).collect();
    let code = vm.contract_code(commit, contract)?;
    // Code that was deployed under other rules may break today's.
    let found = Protocol::default().inspect(&code).ok();
    if screen.is_json() {
        let mut value = labelled(&record, &labels);
        value["pages_in_use"] = json!(pages);
        value["functions"] = json!(crate::interface::Interface::of(&code).signatures());
        value["exports"] = json!(found.as_ref().map(|found| &found.exports));
        return screen.value(&value);
    }
    let (label, owner) = (
        labels.label(&contract).unwrap_or("-"),
        record.owner.as_bytes(),
    );
    let lines = [
        format!("contract  {contract}"),
        format!("label     {label}"),
        match owner.is_empty() {
            true => "owner     none".into(),
            false => format!("owner     {}", receipt::short(owner)),
        },
        format!(
            "code      {}, {} bytes",
            record.code_hash,
            number(record.code_len_bytes)
        ),
        format!(
            "memory    {} pages of 64 KiB; {} pages of 4 KiB are in use",
            record.memory_wasm_pages,
            number(pages.len() as u64)
        ),
    ];
    lines.iter().try_for_each(|line| screen.line(line))?;
    for signature in crate::interface::Interface::of(&code).signatures() {
        screen.line(format!("function  {}", plain(&signature)))?;
    }
    if let Some(found) = &found {
        let exports: Vec<String> = found.exports.iter().map(|name| plain(name)).collect();
        screen.line(format!("exports   {}", exports.join(" ")))?;
    }
    memory_picture(screen, &record, &pages, found.as_ref())
}

fn record(vm: &VM, commit: Commit, contract: ContractId) -> Result<ContractRecord, CliError> {
    let proof = vm.prove(commit, &[crostata::ProofItem::Contract(contract)])?;
    let unproven = |source: Box<dyn std::error::Error + Send + Sync>| CliError::Unproven {
        path: vm.root_dir().into(),
        source,
    };
    let state = proof
        .verify(&commit.root)
        .map_err(|error| unproven(error.into()))?;
    let record = state
        .contract(&contract)
        .map_err(|error| unproven(error.into()))?;
    record.into_inner().cloned().ok_or_else(|| {
        let error = crostata::OpeningError::NoContract { contract };
        CliError::from(crostata::ProofError::from(error))
    })
}

fn memory_picture(
    screen: &mut Screen,
    record: &ContractRecord,
    pages: &[u32],
    found: Option<&Inspection>,
) -> Result<(), CliError> {
    let ranges = found.map(ranges).unwrap_or_default();
    screen.line(screen.paint(Tone::Strong, "memory, a mark for each page of 4 KiB"))?;
    for line in picture::of_memory(record.pages(), pages, &ranges) {
        screen.line(format!("  {line}"))?;
    }
    let legend = ranges
        .iter()
        .map(|range| format!("{} {}", range.mark, range.name));
    let legend: Vec<String> = legend
        .chain(["# in use".into(), ". zeros".into()])
        .collect();
    screen.line(format!("  ({}; capitals are in use)", legend.join(", ")))
}

fn ranges(found: &Inspection) -> Vec<Range> {
    let stack = found.stack.map(|stack| Range {
        name: "stack".into(),
        mark: 's',
        start: stack.start,
        bytes: stack.len_bytes,
    });
    let arguments = Range {
        name: "argument buffer".into(),
        mark: 'a',
        start: found.argument_buffer,
        bytes: crostata::ARGBUF_LEN as u64,
    };
    stack.into_iter().chain([arguments]).collect()
}

fn artifacts(screen: &mut Screen, arguments: &StoreArguments) -> Result<(), CliError> {
    store::open(arguments)?;
    let path = arguments.store.join(ArtifactDirectory::OWN_NAME);
    let mut files: Vec<(String, u64)> = Vec::new();
    // A store that never ran code has none.
    for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        if name != "key" {
            files.push((name, bytes));
        }
    }
    files.sort();
    if screen.is_json() {
        let files = files.iter();
        let files: Value = files
            .map(|(name, bytes)| json!({"name": name, "bytes": bytes}))
            .collect();
        return screen.value(&json!({"artifacts": files}));
    }
    for (name, bytes) in &files {
        screen.line(format!("{:>12}  {}", number(*bytes), plain(name)))?;
    }
    let bytes = files.iter().map(|(_, bytes)| bytes).sum();
    screen.note(format!(
        "{} artifacts, {} bytes; they may be deleted at any time",
        files.len(),
        number(bytes)
    ));
    Ok(())
}
