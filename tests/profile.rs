//! P8: profiled sessions are what sessions without a profile are, and never become blocks; what is drawn of profiles adds up to the
//! receipts, whatever contracts call themselves (P7).
//!
//! That gas and outcomes are the same under any limit is held in `tests/golden.rs` and `tests/differential.rs`.

mod common;

use common::{LIMIT, code, reverted, with_id};
use crostata::inspect::{
    Change, Coverage, CoverageError, FlameError, GasReport, GasSnapshot, HeatMap, Known,
    SizeReport, SnapshotError, Tolerance, explain_changes, flame_graph, folded_stacks,
    hot_functions, regions,
};
use crostata::{
    CommitError, ContractId, Outcome, PROFILE_PIECES_MAX, PROFILE_STACKS_MAX, Profile, ProfileSite,
    Session, SessionData, VM, contract_bytecode,
};

/// A module as the compiler made it, with names and lines.
const VAULT: &[u8] = include_bytes!("fixtures/vault/vault.wasm");

fn profiled(vm: &VM) -> Session {
    vm.session(SessionData::builder().profiled()).unwrap()
}

/// Three vaults, one of which had the others pay, which in the second call they did not, with the profile and the gas of the calls.
fn vaults() -> (Session, [ContractId; 3], Profile, u64) {
    let vm = VM::ephemeral().unwrap();
    let mut session = profiled(&vm);
    let ids = [1, 2, 3].map(|number| session.deploy(VAULT, with_id(number), LIMIT).unwrap());
    session.take_profile();
    session.watch();
    let asked = &(ids[1], ids[2], 56_u64);
    let first = session
        .call::<_, u64>(ids[0], "collect", asked, LIMIT)
        .unwrap();
    let asked = &(ids[1], ids[2], 1_000_u64);
    let failed = session.call::<_, u64>(ids[0], "collect", asked, LIMIT);
    let spent = first.gas_spent + reverted(failed).receipt.gas_spent;
    let profile = session.take_profile().unwrap();
    assert!(session.take_profile().is_none());
    (session, ids, profile, spent)
}

fn known(ids: &[ContractId]) -> Known {
    let mut known = Known::new();
    known.add_code(VAULT).unwrap();
    for (label, id) in ["office", "cellar", "attic"].iter().zip(ids) {
        known.add_contract(label, *id);
    }
    known
}

/// Nothing of a profiled session becomes a block, by commit or seal; a session without a profile has none.
#[test]
fn profiled_sessions_are_never_committed() {
    let vm = VM::ephemeral().unwrap();
    let mut session = profiled(&vm);
    let counter = contract_bytecode!("counter");
    let id = session.deploy(counter, with_id(1), LIMIT).unwrap();
    assert!(matches!(session.commit(), Err(CommitError::Profiled)));
    assert!(matches!(session.seal(), Err(CommitError::Profiled)));
    // The root is the same nevertheless.
    let mut plain = vm.session(SessionData::builder()).unwrap();
    plain.deploy(counter, with_id(1), LIMIT).unwrap();
    for session in [&mut session, &mut plain] {
        session.call::<_, ()>(id, "increment", &(), LIMIT).unwrap();
    }
    assert_eq!(session.root().unwrap(), plain.root().unwrap());
    assert!(plain.take_profile().is_none());
}

/// Of calls that are tried for an estimate only the first is told.
#[test]
fn estimates_are_told_once() {
    let vm = VM::ephemeral().unwrap();
    let mut session = profiled(&vm);
    let id = session
        .deploy(contract_bytecode!("counter"), with_id(1), LIMIT)
        .unwrap();
    let estimate = session.estimate(id, "increment", [], LIMIT).unwrap();
    let profile = session.take_profile().unwrap();
    assert!(estimate.runs > 1);
    assert_eq!(
        (profile.calls, profile.gas_spent),
        (1, estimate.receipt.gas_spent)
    );
}

/// Stacks go across contracts, name the functions that ran, and hold all gas; what a trap took is told apart.
#[test]
fn all_gas_has_its_place() {
    let (_, ids, profile, spent) = vaults();
    assert_eq!(
        (profile.calls, profile.gas_spent, profile.total_gas()),
        (2, spent, spent)
    );
    let known = known(&ids);
    let folded = folded_stacks(&profile, &known);
    let gas = folded.lines().map(|line| line.rsplit_once(' ').unwrap().1);
    assert_eq!(
        gas.map(|gas| gas.parse::<u64>().unwrap()).sum::<u64>(),
        spent
    );
    let across = |line: &str| line.contains("office::collect") && line.contains("cellar::pay");
    assert!(folded.lines().any(across), "{folded}");
    assert!(folded.contains("[memory]") && folded.contains("[host]"));
    let table = hot_functions(&profile, &known, 5);
    assert!(table.lines().count() == 6, "{table}");
}

/// The picture's root is the sum of the receipts.
#[test]
fn flame_graphs_show_the_gas_of_the_receipts() {
    let (_, ids, profile, spent) = vaults();
    let svg = flame_graph(&profile, &known(&ids), "Vaults").unwrap();
    let digits: String = svg
        .split_once("<title>all (")
        .map(|(_, rest)| rest.split_once(" gas").unwrap().0.replace(',', ""))
        .unwrap();
    assert_eq!(digits.parse::<u64>().unwrap(), spent);
    let empty = flame_graph(&Profile::default(), &Known::new(), "Nothing");
    assert!(matches!(empty, Err(FlameError::Empty)));
}

/// What contracts and authors call things can not become part of a picture, a page, or another line of a file.
#[test]
fn hostile_names_stay_names() {
    let hostile = "# </title><script>alert(1)</script>;\u{1b}[2J\" 12 34\n_[i]";
    let (session, ids, profile, spent) = vaults();
    let mut known = Known::new();
    known.add_contract(hostile, ids[0]);
    let mut profile = profile;
    for stack in &mut profile.stacks {
        if let ProfileSite::Frame { function, .. } = &mut stack.site {
            *function = hostile.repeat(100);
        }
    }
    let svg = flame_graph(&profile, &known, hostile).unwrap();
    let mut heat = HeatMap::new();
    heat.add(&session.page_accesses());
    let map = heat.svg(&known, hostile);
    let mut coverage = Coverage::new();
    coverage.add_code(VAULT).unwrap();
    let page = coverage.page(hostile, |_| Some(hostile.to_owned()));
    for (text, scripts) in [(&svg, 1), (&map, 0), (&page, 0)] {
        assert_eq!(text.matches("<script").count(), scripts);
        assert!(!text.contains('\u{1b}') && !text.contains("alert(1)</script>"));
    }
    let folded = folded_stacks(&profile, &known);
    let gas = folded.lines().map(|line| line.rsplit_once(' ').unwrap().1);
    assert_eq!(
        gas.map(|gas| gas.parse::<u64>().unwrap()).sum::<u64>(),
        spent
    );
    let mut snapshot = GasSnapshot::new();
    snapshot.set(hostile, hostile, hostile, 7);
    assert_eq!(GasSnapshot::parse(&snapshot.to_string()).unwrap(), snapshot);
}

/// A contract with more places than a profile tells apart is told in sum: memory has bounds, and no gas is lost.
#[test]
fn profiles_have_bounds() {
    // Every depth of the recursion is a stack of its own, and ends in one of many pieces.
    let branches =
        "(if (i32.and (local.get $n) (i32.const 1)) (then (global.set $g (i32.const 1))))"
            .repeat(8);
    let text = format!(
        r#"(module (memory (export "memory") 2) (global (export "A") i32 (i32.const 0))
          (global $g (mut i32) (i32.const 0))
          (func $one (param $n i32) {branches} (if (local.get $n) (then
            (call $two (i32.sub (local.get $n) (i32.const 1))))))
          (func $two (param $n i32) {branches} (if (local.get $n) (then
            (call $one (i32.sub (local.get $n) (i32.const 1))))))
          (func $three (param $n i32) {branches} (if (local.get $n) (then
            (call $three (i32.sub (local.get $n) (i32.const 1))) (call $two (i32.const 60)))))
          (func (export "run") (param i32) (result i32)
            (call $three (i32.const 2000)) (i32.const 0)))"#
    );
    let vm = VM::ephemeral().unwrap();
    let mut session = profiled(&vm);
    let id = session.deploy(code(&text), with_id(1), LIMIT).unwrap();
    let spent = match session.call_raw(id, "run", [], LIMIT) {
        Ok(receipt) => receipt.gas_spent,
        failed => reverted(failed).receipt.gas_spent,
    };
    let profile = session.take_profile().unwrap();
    assert_eq!(profile.total_gas(), spent);
    assert!(
        profile.stacks.len() > PROFILE_STACKS_MAX,
        "{}",
        profile.stacks.len()
    );
    assert!(profile.stacks.len() <= PROFILE_STACKS_MAX + 1);
    assert!(profile.pieces.len() <= PROFILE_PIECES_MAX + PROFILE_STACKS_MAX + 1);
    assert!(
        profile
            .stacks
            .iter()
            .any(|stack| stack.site == ProfileSite::Other)
    );
    let svg = flame_graph(&profile, &Known::new(), "Deep").unwrap();
    assert!(svg.len() < 8 << 20, "{}", svg.len());
}

/// A module of a hundred thousand functions is profiled, sized and covered.
#[test]
fn many_functions_are_no_matter() {
    let functions = "(func)".repeat(99_000);
    let text = format!(
        r#"(module (memory (export "memory") 1) (global (export "A") i32 (i32.const 0))
          (func $f) (func (export "run") (param i32) (result i32) (call $f) (i32.const 0)) {functions})"#
    );
    let wasm = code(&text);
    let report = SizeReport::of(&wasm).unwrap();
    assert_eq!(report.functions.len(), 99_002);
    assert!(report.to_string().lines().count() < 60);
    assert!(matches!(
        Coverage::new().add_code(&wasm),
        Err(CoverageError::NoLines)
    ));
}

/// Lines that ran are told from lines that did not, in the author's own file only.
#[test]
fn coverage_tells_what_ran() {
    let (_, _, profile, _) = vaults();
    let mut coverage = Coverage::new();
    coverage.add_code(VAULT).unwrap();
    assert!(
        coverage
            .files()
            .values()
            .all(|file| file.covered_lines().0 == 0)
    );
    coverage.add(&profile);
    let files = coverage.files();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["vault/src/lib.rs"]);
    let source = include_str!("fixtures/vault/src/lib.rs");
    let runs = |text: &str| {
        let line = source.lines().position(|line| line.contains(text)).unwrap() as u32 + 1;
        files["vault/src/lib.rs"].lines.get(&line).copied()
    };
    // Two vaults were asked; the second call failed at the first.
    assert_eq!(runs("ask(first, amount) + ask"), Some(2));
    assert_eq!(runs("return Err(VaultError::TooMuch"), Some(1));
    assert_eq!(runs("Paid { amount, left }.emit()"), Some(2));
    assert_eq!(runs("session_data(\"height\")"), Some(0));
    assert_eq!(runs("/// What is in it."), None);
    let lcov = coverage.lcov(|file| format!("/home/{file}"));
    assert!(lcov.contains("SF:/home/vault/src/lib.rs\n"));
    assert!(lcov.ends_with("end_of_record\n"));
    let page = coverage.page("Vault", |_| Some(source.to_owned()));
    assert!(page.contains("not run") && page.contains("1 ×"));
    let stripped = crostata::inspect::strip(VAULT).unwrap().code;
    let refused = Coverage::new().add_code(&stripped);
    assert!(matches!(refused, Err(CoverageError::NoLines)));
    assert!(Coverage::new().add_code(b"no module").is_err());
}

/// The picture has the pages that the session tells, in the regions that the code declares.
#[test]
fn heat_maps_show_the_pages_of_a_call() {
    let (session, ids, ..) = vaults();
    let accesses = session.page_accesses();
    let mut heat = HeatMap::new();
    heat.add(&accesses);
    let found = regions(VAULT, session.memory_len(&ids[0]).unwrap().unwrap()).unwrap();
    let names: Vec<&str> = found.0.iter().map(|region| region.name.as_str()).collect();
    assert!(
        names.contains(&"stack") && names.contains(&"argument buffer"),
        "{names:?}"
    );
    let gaps = found.0.windows(2).all(|pair| pair[0].end == pair[1].start);
    assert!(gaps && found.0[0].start == 0);
    heat.set_regions(ids[0], found);
    let svg = heat.svg(&known(&ids), "A call");
    let written = accesses.iter().flat_map(|contract| &contract.pages);
    let written = written.filter(|(_, access)| *access == crostata::Access::Write);
    assert_eq!(
        svg.matches("<rect class=\"w\" ").count(),
        written.count() + 1
    );
}

/// A report has every frame, and its parts add up.
#[test]
fn reports_add_up() {
    let (mut session, ids, ..) = vaults();
    let trace = session.take_trace().unwrap();
    let mut report = GasReport::new();
    report.add(&trace, &known(&ids));
    report.add(&trace, &known(&ids));
    let calls: u64 = report.rows().map(|(_, _, row)| row.calls).sum();
    assert_eq!(calls, 2 * trace.frames.len() as u64);
    for (contract, function, row) in report.rows() {
        assert_eq!(row.split.total(), row.sum_gas, "{contract} {function}");
        assert!(row.min_gas <= row.mean_gas() && row.mean_gas() <= row.max_gas);
    }
    let (_, _, collect) = report
        .rows()
        .find(|(_, function, _)| *function == "collect")
        .unwrap();
    assert_eq!(collect.failures, 2);
    let json = report.to_json();
    assert_eq!(json.as_array().unwrap().len(), report.rows().count());
    assert!(report.to_string().contains("\noffice\n  collect "));
    assert_eq!(trace.failure().unwrap().code, Outcome::Panic);
}

/// What rose is named with by how much; what is within the tolerance is not; a file says where it is wrong.
#[test]
fn snapshots_name_what_rose() {
    let mut before = GasSnapshot::new();
    let mut now = GasSnapshot::new();
    for (case, old, new) in [("a", 1_000, 1_010), ("b", 1_000, 1_011), ("c", 1_000, 900)] {
        before.set("token", "transfer", case, old);
        now.set("token", "transfer", case, new);
    }
    before.set("token", "burn", "gone", 5);
    now.set("token", "mint", "new", 6);
    assert_eq!(
        before.to_string().lines().next(),
        Some("token::burn::gone 5")
    );
    assert!(before.check(&before, Tolerance::default()).is_empty());
    let changes = before.check(&now, Tolerance::percent(1));
    let told: Vec<String> = changes.iter().map(Change::to_string).collect();
    assert_eq!(
        told,
        [
            "token::burn::gone is gone; it spent 5 gas",
            "token::mint::new is new: 6 gas",
            "token::transfer::b rose by 11 gas (+1.10 %), from 1,000 to 1,011",
            "token::transfer::c fell by 100 gas (-10.00 %), from 1,000 to 900",
        ]
    );
    let text = explain_changes(&changes, "crostata gas --accept");
    assert!(text.lines().nth(1).unwrap().contains("b rose"), "{text}");
    assert!(text.contains("crostata gas --accept"));
    assert_eq!(before.check(&now, Tolerance::default()).len(), 5);
    let twice = GasSnapshot::parse("a::b::c 1\n# more\na::b::c 2\n");
    assert!(matches!(twice, Err(SnapshotError::Twice { line: 3, .. })));
    for wrong in ["a::b::c", "a::b::c -1", "a 1\nx"] {
        assert!(
            matches!(GasSnapshot::parse(wrong), Err(SnapshotError::Line { .. })),
            "{wrong}"
        );
    }
}
