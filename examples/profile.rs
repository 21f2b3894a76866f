//! Everything that can be seen of where gas goes, made into a folder: flame graph, coverage, heat map, gas report and snapshot, sizes.
//!
//! `cargo run --features inspect --example profile [FOLDER]`

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crostata::inspect::{
    Coverage, GasReport, GasSnapshot, HeatMap, Known, SizeReport, Tolerance, explain_changes,
    flame_graph, folded_stacks, hot_functions, regions, strip,
};
use crostata::{ContractData, ContractId, Session, SessionData, VM};

const LIMIT: u64 = 100_000_000;

/// A module as the compiler made it, with names and lines: what authors have beside the stripped module that they deploy.
const VAULT: &[u8] = include_bytes!("../tests/fixtures/vault/vault.wasm");

/// What is made while calls run.
struct Workbench {
    session: Session,
    known: Known,
    report: GasReport,
    snapshot: GasSnapshot,
    heat: HeatMap,
}

impl Workbench {
    fn deploy(&mut self, label: &str, wasm: &[u8]) -> Result<ContractId, Box<dyn Error>> {
        let nonce = label.bytes().map(u64::from).sum();
        let data = ContractData::builder().nonce(nonce);
        let contract = self.session.deploy(wasm, data, LIMIT)?;
        self.known.add_contract(label, contract);
        Ok(contract)
    }

    /// A call that is watched; `case` names it in the snapshot.
    fn call<A: crostata::Encode>(
        &mut self,
        case: &str,
        contract: ContractId,
        function: &str,
        argument: &A,
    ) {
        let called = self
            .session
            .call::<_, u64>(contract, function, argument, LIMIT);
        if let Err(error) = &called {
            eprintln!("{case}: {error}");
        }
        self.heat.add(&self.session.page_accesses());
        if let Some(trace) = self.session.take_trace() {
            self.report.add(&trace, &self.known);
            let gas = trace.call().map_or(0, |call| call.gas_spent);
            let contract = self.known.name(&contract);
            self.snapshot.set(&contract, function, case, gas);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1);
    let folder = PathBuf::from(folder.unwrap_or_else(|| "target/profile".to_owned()));
    fs::create_dir_all(&folder)?;
    let vm = VM::ephemeral()?;
    let mut bench = Workbench {
        session: vm.session(SessionData::builder().profiled())?,
        known: Known::new(),
        report: GasReport::new(),
        snapshot: GasSnapshot::new(),
        heat: HeatMap::new(),
    };
    bench.known.add_code(VAULT)?;
    let vaults = ["office", "cellar", "attic"];
    let deployed = strip(VAULT)?.code;
    let [office, cellar, attic] = vaults.map(|label| bench.deploy(label, &deployed));
    let (office, cellar, attic) = (office?, cellar?, attic?);
    bench.session.watch();
    bench.session.take_profile();

    bench.call("once", cellar, "pay", &5_u64);
    bench.call("both_pay", office, "collect", &(cellar, attic, 40_u64));
    bench.call("one_can_not", office, "collect", &(attic, cellar, 60_u64));
    bench.call("nobody_may", office, "collect", &(cellar, attic, 1_000_u64));

    // What their memories are for, in the size that they have now.
    for vault in [office, cellar, attic] {
        let memory_bytes = bench.session.memory_len(&vault)?.unwrap_or(0);
        bench
            .heat
            .set_regions(vault, regions(&deployed, memory_bytes)?);
    }
    let profile = bench.session.take_profile().ok_or("no calls")?;
    let write = |name: &str, text: &str| fs::write(folder.join(name), text);
    let title = "Four calls of three vaults";
    write("flame.svg", &flame_graph(&profile, &bench.known, title)?)?;
    write("stacks.txt", &folded_stacks(&profile, &bench.known))?;
    write(
        "heat.svg",
        &bench.heat.svg(&bench.known, "Pages of four calls"),
    )?;
    write(
        "gas.json",
        &serde_json::to_string_pretty(&bench.report.to_json())?,
    )?;
    write("gas.txt", &bench.report.to_string())?;
    write("gas.snapshot", &bench.snapshot.to_string())?;
    write("sizes.txt", &SizeReport::of(VAULT)?.to_string())?;

    let mut coverage = Coverage::new();
    coverage.add_code(VAULT)?;
    coverage.add(&profile);
    let source = |file: &str| fs::read_to_string(source_path(file)).ok();
    let path = |file: &str| source_path(file).display().to_string();
    write("coverage.lcov", &coverage.lcov(path))?;
    write(
        "coverage.html",
        &coverage.page("Coverage of the vault", source),
    )?;

    println!("{}", bench.report);
    println!("{}", hot_functions(&profile, &bench.known, 12));
    // What a later change would say.
    let mut later = bench.snapshot.clone();
    let (case, gas) = bench.snapshot.cases().next().ok_or("no cases")?;
    let names: Vec<&str> = case.split("::").collect();
    later.set(names[0], names[1], names[2], gas + gas / 20);
    let changes = bench.snapshot.check(&later, Tolerance::percent(1));
    println!(
        "{}",
        explain_changes(&changes, "copy the new snapshot over the old one")
    );
    println!("written to {}", folder.display());
    Ok(())
}

/// Where a file of the fixture is: paths in debug information begin with their crate.
fn source_path(file: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("tests/fixtures").join(file)
}
