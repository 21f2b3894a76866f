//! Flame graphs: the functions of all contracts of some calls on top of each other, as wide as what they spent.
//!
//! The picture is one SVG file, which zooms and searches in any browser. Its numbers add up to the gas of the receipts, to the last unit.

use std::fmt::Write;

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{self, Options, TextTruncateDirection};

use super::known::Known;
use super::safe;
use super::stacks::{Node, Stacks};
use crate::engine::Profile;

/// The part of all gas that is still drawn by itself: narrower than a pixel, nobody sees it.
const SMALLEST_PART: u64 = 4_000;

/// Names that are drawn: those that spent least are left to their callers.
const NODES_MAX: usize = 5_000;

/// Characters of a title.
const TITLE_MAX: usize = 100;

/// What stands on functions for what they spent otherwise than for instructions.
const HOST: &str = "[host]";
const MEMORY: &str = "[memory]";
const GIVEN_UP: &str = "[given up at a trap]";

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum FlameError {
    /// Nothing was spent.
    #[error("the profile has no gas: make a call in a profiled session, and take its profile then")]
    Empty,
    /// It could not be drawn.
    #[error("the flame graph could not be drawn: {0}")]
    Draw(#[source] std::io::Error),
}

/// Draws the flame graph of a profile as SVG.
///
/// Functions have their names if `known` has their code as the compiler made it. What functions spend for imports and for memory stands
/// on top of them, in colours of its own.
///
/// # Errors
/// [`FlameError`].
pub fn flame_graph(profile: &Profile, known: &Known, title: &str) -> Result<String, FlameError> {
    let stacks = drawn(profile, known);
    if stacks.total_gas() == 0 {
        return Err(FlameError::Empty);
    }
    let lines = lines(&stacks);
    let mut palette = palette(&stacks);
    let mut options = options(profile, title);
    options.palette_map = Some(&mut palette);
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.lines(), &mut svg).map_err(FlameError::Draw)?;
    String::from_utf8(svg).map_err(|error| FlameError::Draw(std::io::Error::other(error)))
}

/// The stacks of a profile as text, for other programs: a line for each, names separated by semicolons, then its own gas.
///
/// The gas of all lines is that of the profile.
pub fn folded_stacks(profile: &Profile, known: &Known) -> String {
    lines(&drawn(profile, known))
}

fn drawn(profile: &Profile, known: &Known) -> Stacks {
    let mut stacks = Stacks::new(profile, known);
    let mut smallest = stacks.total_gas() / SMALLEST_PART;
    loop {
        stacks = stacks.without_less_than(smallest);
        if stacks.nodes().len() <= NODES_MAX {
            return stacks;
        }
        smallest = smallest.saturating_mul(2).max(1);
    }
}

fn options(profile: &Profile, title: &str) -> Options<'static> {
    let calls = match profile.calls {
        1 => "1 call".to_owned(),
        calls => format!("{} calls", safe::number(calls)),
    };
    let mut options = Options::default();
    options.title = safe::cut(title, TITLE_MAX);
    options.subtitle = Some(format!("{calls}, {} gas", safe::number(profile.gas_spent)));
    options.count_name = "gas".to_owned();
    options.name_type = "Function:".to_owned();
    options.font_type = "sans-serif".to_owned();
    options.deterministic = true;
    options.min_width = 0.05;
    options.bgcolors = Some(BackgroundColor::Flat(rgb(0xff, 0xff, 0xff)));
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.frame_height = 18;
    options
}

fn lines(stacks: &Stacks) -> String {
    let nodes = stacks.nodes();
    let mut paths: Vec<String> = Vec::with_capacity(nodes.len());
    let mut lines = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let path = match at {
            0 => String::new(),
            _ => match paths[node.caller].as_str() {
                "" => name(&node.name),
                below => format!("{below};{}", name(&node.name)),
            },
        };
        add_lines(&mut lines, &path, node);
        paths.push(path);
    }
    lines.sort_unstable();
    lines.concat()
}

fn add_lines(lines: &mut Vec<String>, path: &str, node: &Node) {
    let parts = [
        ("", node.gas.instructions),
        (HOST, node.gas.host),
        (MEMORY, node.gas.memory),
        (GIVEN_UP, node.given_up_gas),
    ];
    for (part, gas) in parts.into_iter().filter(|(_, gas)| *gas > 0) {
        let separator = if path.is_empty() || part.is_empty() {
            ""
        } else {
            ";"
        };
        // What is spent outside of all names is too little to be seen.
        let path = if path.is_empty() && part.is_empty() {
            "other"
        } else {
            path
        };
        lines.push(format!("{path}{separator}{part} {gas}\n"));
    }
}

/// A name as it can stand between semicolons, before a number, and at the beginning of a line.
fn name(name: &str) -> String {
    let mut shown = String::new();
    for character in name.trim().chars() {
        match character {
            ';' => shown.push(','),
            '#' if shown.is_empty() => shown.push('♯'),
            // A number behind a space would be another count.
            ' ' => shown.push('\u{a0}'),
            character => shown.push(character),
        }
    }
    match shown.is_empty() {
        true => "?".to_owned(),
        // What stands in brackets behind an underscore would be an annotation.
        false => shown.replace("_[", "_\u{a0}["),
    }
}

/// A hue for each contract, and colours for what the host takes.
fn palette(stacks: &Stacks) -> PaletteMap {
    let mut palette = PaletteMap::default();
    let mut contracts = Vec::new();
    for node in stacks.nodes() {
        let place = contracts.iter().position(|known| *known == node.contract);
        let place = place.unwrap_or_else(|| {
            contracts.push(node.contract);
            contracts.len() - 1
        });
        let name = name(&node.name);
        if palette.get(&name).is_none() {
            palette.insert(&name, shade(place, &name));
        }
    }
    palette.insert(HOST, rgb(0x8f, 0xb8, 0xe0));
    palette.insert(MEMORY, rgb(0x93, 0xcf, 0xa4));
    palette.insert(GIVEN_UP, rgb(0xbb, 0xbb, 0xbb));
    // The root, which the picture calls `all`.
    palette.insert("", rgb(0xdd, 0xdd, 0xdd));
    palette.insert("all", rgb(0xdd, 0xdd, 0xdd));
    palette
}

/// Colours of contracts, warm ones first; functions are lighter or darker.
const HUES: [[u8; 3]; 8] = [
    [0xe6, 0x7a, 0x4f],
    [0xe8, 0xb0, 0x4a],
    [0xc9, 0x6f, 0xa8],
    [0xb5, 0x9a, 0x6a],
    [0xd8, 0x5c, 0x66],
    [0xa9, 0x85, 0xcf],
    [0xcf, 0xc0, 0x50],
    [0xd9, 0x90, 0x90],
];

fn shade(contract: usize, name: &str) -> Color {
    // The root comes first, and belongs to no contract.
    let [red, green, blue] = HUES[contract.saturating_sub(1) % HUES.len()];
    let hash = name.bytes().fold(17_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    let lighter = (hash % 5) as u16 * 10;
    let lit = |part: u8| (u16::from(part) + (255 - u16::from(part)) * lighter / 100) as u8;
    rgb(lit(red), lit(green), lit(blue))
}

const fn rgb(r: u8, g: u8, b: u8) -> Color {
    Color { r, g, b }
}

/// The functions that spent most, as a table: gas with and without callees, calls, names.
pub fn hot_functions(profile: &Profile, known: &Known, rows_max: usize) -> String {
    let rows = Hot::rows(&Stacks::new(profile, known));
    let total = profile.gas_spent.max(1);
    let mut text = format!(
        "{:>14} {:>6} {:>14} {:>6} {:>9}  function\n",
        "own gas", "", "with callees", "", "calls"
    );
    for row in rows.iter().take(rows_max) {
        let part = |gas: u64| format!("{:.1}%", gas as f64 * 100.0 / total as f64);
        let (own, all) = (safe::number(row.own_gas), safe::number(row.total_gas));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{own:>14} {:>6} {all:>14} {:>6} {:>9}  {}",
            part(row.own_gas),
            part(row.total_gas),
            safe::number(row.calls),
            row.name
        );
    }
    text
}

/// A function with what it spent wherever it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hot {
    name: String,
    own_gas: u64,
    total_gas: u64,
    calls: u64,
}

impl Hot {
    fn rows(stacks: &Stacks) -> Vec<Self> {
        let nodes = stacks.nodes();
        let mut rows: std::collections::BTreeMap<&str, Self> = Default::default();
        for node in nodes.iter().skip(1) {
            let row = rows.entry(&node.name).or_insert_with(|| Self {
                name: node.name.clone(),
                own_gas: 0,
                total_gas: 0,
                calls: 0,
            });
            row.calls = row.calls.saturating_add(node.calls);
            let own = node.gas.total().saturating_add(node.given_up_gas);
            row.own_gas = row.own_gas.saturating_add(own);
            // What stands on itself is counted where it stands lowest.
            if !stands_on(nodes, node) {
                row.total_gas = row.total_gas.saturating_add(node.total_gas);
            }
        }
        let mut rows: Vec<Self> = rows.into_values().collect();
        rows.sort_by(|one, other| {
            let by_gas = other.own_gas.cmp(&one.own_gas);
            by_gas.then_with(|| one.name.cmp(&other.name))
        });
        rows
    }
}

/// Whether a node stands on one of its own name.
fn stands_on(nodes: &[Node], node: &Node) -> bool {
    let mut at = node.caller;
    while at != 0 {
        if nodes[at].name == node.name {
            return true;
        }
        at = nodes[at].caller;
    }
    false
}
