//! What is printed.

use crostata_peer_cases::{Kind, Unit};

use crate::compare::Figures;

/// How many times better ours is.
fn ratio(kind: &Kind, figures: &Figures) -> Option<f64> {
    let (ours, peer) = (figures.ours.max(1) as f64, figures.peer? as f64);
    Some(match kind.unit {
        Unit::Nanoseconds | Unit::Bytes | Unit::PlainBytes => peer / ours,
        Unit::Thousandths => ours / peer.max(1.0),
    })
}

/// The table's first lines.
pub fn head() -> String {
    format!(
        "{:<26} {:>12} {:>12} {:>9}\n{:-<62}",
        "case", "crostata", "piecrust", "ratio", ""
    )
}

/// A line of the table.
pub fn row(kind: &Kind, figures: &Figures) -> String {
    let peer = figures.peer.map(|figure| shown(kind.unit, figure));
    let ratio = ratio(kind, figures).map(|ratio| format!("{ratio:.2}"));
    format!(
        "{:<26} {:>12} {:>12} {:>9}",
        kind.name,
        shown(kind.unit, figures.ours),
        peer.unwrap_or_default(),
        ratio.unwrap_or_default(),
    )
}

/// A line of JSON.
pub fn json(kind: &Kind, figures: &Figures) -> String {
    let peer = figures.peer.map(|figure| figure.to_string());
    let ratio = ratio(kind, figures).map(|ratio| format!("{ratio:.3}"));
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
    format!(
        r#"{{"name": "{}", "ours_ns": {}, "peer_ns": {}, "ratio": {}}}"#,
        kind.name,
        figures.ours,
        or_null(peer),
        or_null(ratio),
    )
}

fn shown(unit: Unit, figure: u64) -> String {
    let figure = figure as f64;
    match unit {
        Unit::Nanoseconds if figure < 1e3 => format!("{figure} ns"),
        Unit::Nanoseconds if figure < 1e6 => format!("{:.2} us", figure / 1e3),
        Unit::Nanoseconds => format!("{:.2} ms", figure / 1e6),
        Unit::Bytes => format!("{:.1} MiB", figure / f64::from(1 << 20)),
        Unit::PlainBytes => format!("{figure} B"),
        Unit::Thousandths => format!("{:.2} x", figure / 1e3),
    }
}
