//! The ranks of `docs/design.md`: a module of `src/` uses lower ranks only, and the two of rank 2 never each other. P1: no clock
//! is read where blocks are executed.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `src/` with their ranks.
const RANKS: &[(&str, u32)] = &[
    // Random numbers of tests.
    ("random", 0),
    ("observe", 1),
    ("region", 1),
    ("memory", 2),
    ("store", 2),
    ("state", 3),
    ("engine", 4),
    ("session", 5),
    ("vm", 6),
    ("block", 7),
    ("inspect", 8),
    ("serve", 8),
    ("operate", 9),
    ("testing", 9),
];

fn rank(room: &str) -> Option<u32> {
    RANKS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, rank)| *rank)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let inner = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().chain(inner).collect()
}

/// The rooms that a source names after `crate::`, also inside a group of imports.
fn named_rooms(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(group) => group
                .split('}')
                .next()
                .unwrap_or("")
                .split(',')
                .map(first_word)
                .collect(),
            None => vec![first_word(rest)],
        })
        .collect()
}

fn first_word(text: &str) -> String {
    text.trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// The upward uses in one source of the room called `room`.
fn offences(room: &str, source: &str) -> Vec<String> {
    let own = rank(room).unwrap_or_else(|| panic!("src/{room} has no rank; give it one"));
    named_rooms(source)
        .into_iter()
        .filter(|named| named != room)
        .filter(|named| rank(named).is_none_or(|other| other >= own))
        .collect()
}

/// Every `crate::` path in every room leads downwards.
#[test]
fn modules_use_lower_ranks_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap();
        if room == "lib.rs" {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let upward = offences(room, &source);
        found.extend(
            upward
                .iter()
                .map(|named| format!("{} uses {named}", inside.display())),
        );
    }
    assert!(
        found.is_empty(),
        "uses against the ranks:\n{}",
        found.join("\n")
    );
}

/// The check sees what it must see.
#[test]
fn the_check_can_fail() {
    assert_eq!(offences("memory", "use crate::store::Store;"), ["store"]);
    assert_eq!(
        offences("memory", "use crate::{region, state::Tree};"),
        ["state"]
    );
    assert_eq!(
        offences("state", "let x = crate::session::Session::new();"),
        ["session"]
    );
    assert!(offences("vm", "use crate::session::Session;\n// crate::block").is_empty());
    assert_eq!(offences("engine", "use crate::Error;"), ["Error"]);
}

/// Where unsafe code is.
const UNSAFE: &[&str] = &["engine/artifact/load.rs", "region/mod.rs"];

/// Unsafe code is in `region` and where compiled code is loaded, and each block says why it is sound.
#[test]
fn unsafe_code_is_in_two_places() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let source = fs::read_to_string(&path).unwrap();
        let allows = source.contains("allow(unsafe_code)");
        assert_eq!(
            allows,
            UNSAFE.iter().any(|place| inside == Path::new(place)),
            "{}",
            inside.display()
        );
    }
}

/// What would let a result depend on when something runs.
const CLOCKS: &[&str] = &[
    "std::time",
    "SystemTime",
    "Instant",
    "clock_gettime",
    "gettimeofday",
];

fn clocks(source: &str) -> Vec<&'static str> {
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.collect();
    let named = CLOCKS.iter().copied();
    named.filter(|clock| has_word(&code, clock)).collect()
}

/// Whether a text has a word that does not go on.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let behind = text[at + word.len()..].chars().next();
        behind.is_none_or(|behind| !behind.is_alphanumeric())
    })
}

/// The one place that does: how long lanes take decides what runs beside what, and never what comes of it.
const LANES_CLOCK: &str = "session/lanes/clock.rs";

/// Where that is used.
const TIMED: [&str; 2] = ["session/lanes", "block/parallel"];

/// P1: nothing that a block's execution runs through reads a clock.
#[test]
fn no_clock_is_read_below_serve() {
    assert_eq!(
        clocks("use std::time::Duration; // Instant"),
        ["std::time", "Instant"]
    );
    assert_eq!(clocks("let begin = Instant::now();"), ["Instant"]);
    assert!(clocks("// Instant\nlet instance = InstantiateError;").is_empty());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap();
        let source = fs::read_to_string(&path).unwrap();
        if rank(room) < rank("serve") && inside != Path::new(LANES_CLOCK) {
            let found = clocks(&source);
            assert!(found.is_empty(), "{} reads {found:?}", inside.display());
            seen += 1;
        }
        let measures = has_word(&source, "Moment") || has_word(&source, "lanes::clock");
        let may = TIMED.iter().any(|folder| inside.starts_with(folder));
        assert!(may || !measures, "{} measures", inside.display());
    }
    assert!(seen > 100, "{seen} sources");
}
