//! What authors read: texts held against files, the lines of the source that they name, and side files.
//!
//! `CROSTATA_WRITE_VECTORS=1` writes the texts anew.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crostata::inspect::{
    CodeError, DebugInfo, DebugInfoError, Known, Level, SideFileError, Style, render, strip,
};
use crostata::{
    CallTrace, CodePosition, ContractData, ContractId, PricedQuery, Session, SessionData, VM,
    code_hash,
};

use crate::fixtures::{BACKENDS, LIMIT, ephemeral, id};

#[path = "../../examples/trace.rs"]
#[allow(dead_code, reason = "the example's `main` prints")]
mod example;

const VAULT: &[u8] = include_bytes!("../fixtures/vault/vault.wasm");
const SOURCE: &str = include_str!("../fixtures/vault/src/lib.rs");

const LEVELS: [Level; 5] = [
    Level::Error,
    Level::Path,
    Level::Tree,
    Level::Details,
    Level::Everything,
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text is that of the file, which is written if somebody wants that.
fn compare(name: &str, text: &str) {
    let path = root().join("tests/trace/texts").join(name);
    if env::var_os("CROSTATA_WRITE_VECTORS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "{}", path.display());
}

/// The number of the only line of the fixture's source that has this text.
fn line(text: &str) -> usize {
    let lines = SOURCE.lines().enumerate();
    let mut found = lines.filter(|(_, line)| line.contains(text));
    let (at, _) = found.next().unwrap();
    assert!(found.next().is_none());
    at + 1
}

fn known() -> Known {
    let mut known = Known::new();
    known.add_code(VAULT).unwrap();
    for (number, name) in ["till", "alice", "bob"].into_iter().enumerate() {
        known.add_contract(name, id(number as u8));
    }
    known
}

/// Vaults 0 to 2, the last of which has paid already.
fn scene(code: &[u8]) -> (VM, Session) {
    let mut vm = ephemeral(BACKENDS[0]);
    vm.register_host_query(
        "double",
        PricedQuery::new(50, |argument: &[u8]| Ok(argument.to_vec())),
    );
    let data = SessionData::builder().insert("height", &21_u64).unwrap();
    let mut session = vm.session(data.located()).unwrap();
    for number in 0..3 {
        let data = ContractData::builder().contract_id(id(number));
        session.deploy(code, data, LIMIT).unwrap();
    }
    session
        .call::<_, u64>(id(2), "pay", &60_u64, LIMIT)
        .unwrap();
    session.watch();
    (vm, session)
}

fn collect(session: &mut Session, amount: u64) -> CallTrace {
    let argument = (id(1), id(2), amount);
    let called = session.call::<_, u64>(id(0), "collect", &argument, LIMIT);
    drop(called);
    session.take_trace().unwrap()
}

/// The texts of one failing call two contracts deep, in all levels and both styles.
#[test]
fn texts_stay_as_they_are() {
    let (_vm, mut session) = scene(&strip(VAULT).unwrap().code);
    let failing = collect(&mut session, 70);
    for level in LEVELS {
        let text = render(&failing, &known(), level, Style::Plain);
        compare(&format!("panic.{level}.txt"), &text);
    }
    let text = render(&failing, &known(), Level::Tree, Style::Ansi);
    compare("panic.3.ansi.txt", &text);
    let raised = collect(&mut session, 95);
    compare(
        "raised.3.txt",
        &render(&raised, &known(), Level::Tree, Style::Plain),
    );
    let paid = collect(&mut session, 10);
    compare(
        "paid.3.txt",
        &render(&paid, &known(), Level::Tree, Style::Plain),
    );
    session.call::<_, u64>(id(1), "look", &(), LIMIT).unwrap();
    let looked = session.take_trace().unwrap();
    compare(
        "look.4.txt",
        &render(&looked, &known(), Level::Details, Style::Plain),
    );
    // Nothing is known.
    let text = render(&failing, &Known::new(), Level::Tree, Style::Plain);
    compare("unknown.3.txt", &text);
}

/// The lines named are those where the source has the panic, the call that led there, and the caller's.
#[test]
fn lines_are_those_of_the_source() {
    // Stripped or not, what is deployed leads to the same lines.
    for code in [&strip(VAULT).unwrap().code[..], VAULT] {
        let (_vm, mut session) = scene(code);
        let text = render(
            &collect(&mut session, 70),
            &known(),
            Level::Error,
            Style::Plain,
        );
        let lines = [
            ("bob: remaining", line("panic!(\"asked for")),
            ("bob: pay", line("remaining(self.held, amount)")),
            ("till: vault::ask", line("VaultClient::at(vault)")),
            ("till: collect", line("ask(first, amount)")),
        ];
        let told: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("  at"))
            .collect();
        assert_eq!(told.len(), lines.len(), "{text}");
        for (told, (function, line)) in told.iter().zip(lines) {
            assert!(
                told.starts_with(&format!("  at vault/src/lib.rs:{line}:")),
                "{text}"
            );
            assert!(told.ends_with(&format!("({function})")), "{text}");
        }
        let then = format!("at vault/src/lib.rs:{}:", line("panic!(\"a vault"));
        assert!(text.contains(&then), "{text}");
    }
}

/// An error that a method returns has no line of its own: the method is named.
#[test]
fn raised_errors_name_the_method_and_their_value() {
    let (_vm, mut session) = scene(&strip(VAULT).unwrap().code);
    let trace = collect(&mut session, 95);
    let text = render(&trace, &known(), Level::Error, Style::Plain);
    let expected = format!("  at vault/src/lib.rs:{}:", line("pub fn pay("));
    assert!(text.contains(&expected), "{text}");
    assert!(
        text.contains("VaultError::TooMuch { asked: 95, limit: 90 }"),
        "{text}"
    );
}

/// Nobody's folders are in what is shown.
#[test]
fn paths_begin_with_their_crate() {
    let (_vm, mut session) = scene(&strip(VAULT).unwrap().code);
    let text = render(
        &collect(&mut session, 70),
        &known(),
        Level::Everything,
        Style::Plain,
    );
    for line in text.lines().filter(|line| line.contains(".rs:")) {
        let path = line.trim_start().trim_start_matches("at ");
        assert!(
            !path.starts_with('/') && !line.contains("/registry/") && !line.contains("/rust/"),
            "{line}"
        );
    }
}

/// Side files are found by the hash of what is deployed, and only those that lead to it are believed.
#[test]
fn side_files_are_held_against_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let stripped = strip(VAULT).unwrap();
    assert_eq!(stripped.code_hash(), code_hash(&stripped.code));
    let path = stripped.write_side_file(folder.path()).unwrap();
    assert!(path.ends_with(format!("{}.debug.wasm", stripped.code_hash())));
    let mut known = Known::new();
    let code = stripped.code_hash();
    assert!(known.add_side_file(folder.path(), &code).unwrap());
    assert!(known.has_lines(&code) && known.schema(&code).is_some());
    let nobody = code_hash(b"nobody's");
    assert!(!known.add_side_file(folder.path(), &nobody).unwrap());
    let other = folder.path().join(format!("{nobody}.debug.wasm"));
    fs::write(&other, VAULT).unwrap();
    let error = known.add_side_file(folder.path(), &nobody).unwrap_err();
    assert!(
        matches!(&error, SideFileError::OtherCode { found, wanted, .. } if *found == code && *wanted == nobody)
    );
    assert!(error.to_string().contains("build the contract again"));
    fs::write(&other, b"junk").unwrap();
    let error = known.add_side_file(folder.path(), &nobody).unwrap_err();
    assert!(matches!(
        error,
        SideFileError::Debug {
            source: DebugInfoError::NotWasm(_),
            ..
        }
    ));
    let missing = Path::new("no such folder");
    let error = stripped.write_side_file(missing).unwrap_err();
    assert!(matches!(error, SideFileError::File { .. }));
}

/// P7: damage anywhere in what is read for lines and names is an error, or tells less; never more than that.
#[test]
fn damaged_debug_information_is_told_or_left_out() {
    let whole = DebugInfo::of(VAULT).unwrap();
    let offset = strip(VAULT).unwrap().code.len() as u64 / 2;
    assert!(whole.line(offset).is_some());
    let (mut errors, mut read) = (0, 0);
    let mut number = 7_u64;
    for _ in 0..300 {
        let mut damaged = VAULT.to_vec();
        for _ in 0..20 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = (number >> 33) as usize % damaged.len();
            damaged[at] = (number >> 20) as u8;
        }
        match DebugInfo::of(&damaged) {
            Ok(info) => {
                read += 1;
                (0..20).for_each(|nth| drop(info.line(offset / 10 * nth)));
            }
            Err(_) => errors += 1,
        }
        let _ = Known::new().add_code(&damaged);
    }
    assert!(read > 0, "{errors} errors");
    let position = CodePosition {
        contract: ContractId::from_bytes([0; 32]),
        code: whole.code(),
        function_index: u32::MAX,
        offset: u64::MAX,
    };
    assert!(known().lines(&position).is_empty());
    assert!(matches!(
        Known::new().add_code(b"junk"),
        Err(CodeError::Debug(_))
    ));
}

/// The page about traces shows what the example prints.
#[test]
fn the_page_shows_what_the_example_prints() {
    let (trace, known) = example::failing_call().unwrap();
    let page = root().join("docs/traces.md");
    let mut text = fs::read_to_string(&page).unwrap();
    for level in [Level::Tree, Level::Details] {
        let begin = format!("<!-- level {level} -->\n```text\n");
        let printed = render(&trace, &known, level, Style::Plain);
        let (before, rest) = text.split_once(&begin).unwrap();
        let (shown, after) = rest.split_once("```\n").unwrap();
        if env::var_os("CROSTATA_WRITE_VECTORS").is_some() {
            text = format!("{before}{begin}{printed}```\n{after}");
            fs::write(&page, &text).unwrap();
        } else {
            assert_eq!(shown, printed);
        }
    }
}
