//! The command line: subcommands, and the options that several of them share.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    build, call, check, completions, deploy, doctor, finalise, gas, inspect, machine, new, profile,
    prove, replay, test, transfer, verify, verify_store,
};

/// The contract author's command: build, check, test, deploy, call, look into, prove.
#[derive(Debug, Parser)]
#[command(name = "crostata", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Arguments {
    /// Prints results (and errors) as JSON, with the field names of docs/cli.md.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 what was asked for failed (a revert, a check, a proof), 2 wrong usage or input.
Results go to standard output, everything else to standard error.

Examples:
  crostata new hello && cd hello && crostata test
  crostata deploy counter.wasm --label counter
  crostata call counter increment
  crostata query counter read_value
  crostata inspect";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a folder with a contract and its tests.
    New(new::New),
    /// Builds a contract crate.
    Build(build::Build),
    /// Runs a contract's tests.
    Test(test::Test),
    /// Runs a contract's tests and reports what their calls spend.
    Gas(gas::Gas),
    /// Says whether a module can be deployed, why not, and what is in it.
    Check(check::Check),
    /// Deploys a contract into a store and commits.
    Deploy(deploy::Deploy),
    /// Calls a contract, and commits if the call succeeds.
    Call(call::CallCommand),
    /// Calls a contract and commits nothing.
    Query(call::Query),
    /// Calls a contract, commits nothing, and prints what happened.
    Trace(call::Trace),
    /// Calls a contract, commits nothing, and writes where the gas went, as pictures.
    Profile(profile::Profile),
    /// Does again what a capsule of a call has.
    Replay(replay::ReplayCommand),
    /// Makes a commit final: all that neither is it nor descends from it is dropped.
    Finalise(finalise::Finalise),
    /// Shows what a store holds: commits, contracts, a contract's memory, compiled code.
    Inspect(inspect::Inspect),
    /// Proves a value, bytes, or a contract's record, or that there is none, into a file.
    Prove(prove::Prove),
    /// Verifies a proof: needs the root and the question, and no store.
    Verify(verify::Verify),
    /// Reads everything that a store retains and derives its roots again.
    VerifyStore(verify_store::VerifyStore),
    /// Holds this machine against a node's settings: kernel, limits, memory, disk.
    Doctor(doctor::Doctor),
    /// Writes a commit's whole state into a file.
    Export(transfer::ExportCommand),
    /// Makes a store from an exported state, verifying every part.
    Import(transfer::ImportCommand),
    /// Prints completions for a shell.
    Completions(completions::Completions),
    /// Runs the contracts of a test program, which starts it by itself.
    #[command(hide = true)]
    Machine(machine::MachineCommand),
}

/// Where the state is, and what the contracts in it are called.
#[derive(Debug, Clone, Args)]
pub struct StoreArguments {
    /// The directory of the state.
    #[arg(long, value_name = "DIR", default_value = "state")]
    pub store: PathBuf,
    /// The file with the labels of contracts [default: crostata.labels.json beside the store].
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    #[command(flatten)]
    pub rules: RulesArguments,
}

/// Under which rules contracts run.
#[derive(Debug, Clone, Args)]
pub struct RulesArguments {
    /// A file with the rules under which contracts run, as `crostata inspect protocol` prints them [default: those of the commit, or this build's].
    #[arg(long, value_name = "FILE")]
    pub protocol: Option<PathBuf>,
}

/// Which commit.
#[derive(Debug, Clone, Args)]
pub struct CommitArguments {
    /// The commit: `newest`, `final`, or the id or root, or the first digits of either.
    #[arg(long = "at", value_name = "COMMIT", default_value = "newest")]
    pub commit: String,
}

/// What a contract is given.
#[derive(Debug, Clone, Args)]
pub struct GivenArguments {
    /// The arguments, typed by the contract's schema: 5, true, "text", a label or id for a contract, 0x… for bytes, JSON for the rest.
    #[arg(value_name = "ARGUMENT", allow_negative_numbers = true)]
    pub arguments: Vec<String>,
    /// All arguments at once, as a JSON array.
    #[arg(long, value_name = "ARRAY", conflicts_with_all = ["arguments", "hex"])]
    pub arguments_json: Option<String>,
    /// The argument's bytes as they are, in hex (an rkyv archive, for contracts of the SDK).
    #[arg(long, value_name = "BYTES", conflicts_with = "arguments")]
    pub hex: Option<String>,
}

/// What a session is opened with.
#[derive(Debug, Clone, Args)]
pub struct SessionArguments {
    /// A session datum that contracts can read: a number (a `u64`) or 0x… for bytes as they are. Can be given several times.
    #[arg(long = "datum", value_name = "NAME=VALUE")]
    pub data: Vec<String>,
}
