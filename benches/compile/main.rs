//! What deploying costs a node against what it is paid.
//!
//! `cargo bench --features measure --bench compile [-- NAME]` prints a table: for each module the CPU time that preparing it and
//! compiling it took on each backend, the gas that its deployment asks, and how many times longer the sum is than
//! what that gas buys in plain arithmetic. Each module is measured in a process of its own, for the peak of its memory.

#[path = "../common/bombs.rs"]
mod bombs;
mod fair;
mod sample;
mod search;

use bombs::{BOMBS, Family, ORDINARY, REJECTED};
use fair::Fair;
use sample::Sample;

/// Bytes of a module where nothing else is asked for.
const BYTES: usize = 131_072;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--one", name, bytes] => sample::print(&module(name, bytes.parse().unwrap_or(BYTES))),
        ["--search", seconds, seed] => {
            search::run(seconds.parse().unwrap_or(60), seed.parse().unwrap_or(1));
        }
        ["--write", name, bytes, path] => {
            std::fs::write(path, module(name, bytes.parse().unwrap_or(BYTES))).unwrap();
        }
        ["--bytes", bytes, rest @ ..] => table(bytes, rest),
        rest => table(&BYTES.to_string(), rest),
    }
}

/// A family's module, or the one in a file.
fn module(name: &str, bytes: usize) -> Vec<u8> {
    let mut families = ORDINARY.iter().chain(BOMBS).chain(REJECTED);
    match families.find(|family| family.name == name) {
        Some(Family { build, .. }) => build(bytes),
        None => std::fs::read(name).unwrap(),
    }
}

fn table(bytes: &str, names: &[&str]) {
    let fair = Fair::measured();
    println!("{}", Sample::head());
    let known = ORDINARY
        .iter()
        .chain(BOMBS)
        .chain(REJECTED)
        .map(|family| family.name);
    let chosen: Vec<&str> = match names {
        [] => known.collect(),
        _ if names.iter().all(|name| name.ends_with(".wasm")) => names.to_vec(),
        _ => known
            .filter(|name| names.iter().any(|part| name.contains(part)))
            .collect(),
    };
    for name in chosen {
        match sample::measure_apart(name, bytes) {
            Ok(sample) => println!("{}", sample.row(name, &fair)),
            Err(error) => println!("{name:<26} {error}"),
        }
    }
}
