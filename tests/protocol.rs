//! P1: the protocol's text is pinned. A change of any rule changes the file, in the same commit, on purpose.

use crostata::Protocol;

/// The default protocol is the one in `docs/vectors/protocol.txt`.
///
/// After an intended change: `CROSTATA_WRITE_VECTORS=1 cargo test --test protocol`, and a `[consensus]` line in the changelog.
#[test]
fn the_default_protocol_is_the_documented_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/vectors/protocol.txt");
    let text = Protocol::default().text();
    if std::env::var_os("CROSTATA_WRITE_VECTORS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let documented = std::fs::read_to_string(path).unwrap();
    let differences = Protocol::default().differences(&documented);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(documented, text);
}

/// P6: `docs/limits.md` has every limit of the protocol with its number, and no other.
#[test]
fn every_limit_is_documented() {
    let page = include_str!("../docs/limits.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `limit."));
    let mut documented: Vec<String> = rows
        .filter_map(|row| {
            let (name, rest) = row.split_once("` | ")?;
            let (value, _) = rest.split_once(" |")?;
            Some(format!("limit.{name} = {value}"))
        })
        .collect();
    documented.sort();
    let text = Protocol::default().text();
    let limits = text.lines().filter(|line| line.starts_with("limit."));
    assert_eq!(documented, limits.collect::<Vec<_>>());
}
