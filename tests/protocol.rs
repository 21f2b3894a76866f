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
