//! The committed contract artifacts are those that the committed sources give.
//!
//! P1 rests on it: every figure and golden root of the other tests is of these bytes. The hashes
//! are defined in `contracts/README.md`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What every contract is built from besides its own folder.
const SHARED: &[&str] = &[
    "abi",
    "sdk",
    "contracts/Cargo.toml",
    "contracts/Cargo.lock",
    "contracts/build",
    "contracts/steady-rustc",
    "contracts/toolchain",
];

/// What the libraries and the contract beside them are built from.
const OF_LIBRARIES: &[&str] = &[
    "abi",
    "sdk",
    "contracts/steady-rustc",
    "contracts/toolchain",
    "libraries/Cargo.toml",
    "libraries/Cargo.lock",
    "libraries/build",
    "libraries/component",
    "libraries/notary",
    "libraries/verify_ed25519",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn manifest() -> Value {
    manifest_of("contracts")
}

fn manifest_of(folder: &str) -> Value {
    let path = root().join(folder).join("artifacts/manifest.json");
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn artifacts(manifest: &Value) -> Vec<(&str, &Value)> {
    let entries = manifest["artifacts"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| (entry["name"].as_str().unwrap(), entry))
        .collect()
}

fn wasm(name: &str) -> Vec<u8> {
    fs::read(root().join(format!("contracts/artifacts/{name}.wasm"))).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn collect(path: &Path, files: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != "target" {
                collect(&entry.path(), files);
            }
        }
    } else {
        let relative = path.strip_prefix(root()).unwrap();
        files.push(relative.to_str().unwrap().replace('\\', "/"));
    }
}

fn tree_hash(paths: &[&str]) -> String {
    let mut files = Vec::new();
    for path in paths {
        collect(&root().join(path), &mut files);
    }
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let content = fs::read(root().join(&file)).unwrap();
        lines.extend_from_slice(file.as_bytes());
        lines.push(0);
        lines.extend_from_slice(sha256(&content).as_bytes());
        lines.push(b'\n');
    }
    sha256(&lines)
}

#[test]
fn artifacts_are_built_from_these_sources() {
    let manifest = manifest();
    let stale = "the sources changed: run contracts/build";
    assert_eq!(
        manifest["shared_sources_sha256"],
        tree_hash(SHARED),
        "{stale}"
    );
    for (name, entry) in artifacts(&manifest) {
        let folder = format!("contracts/{name}");
        assert_eq!(
            entry["sources_sha256"],
            tree_hash(&[&folder]),
            "{name}: {stale}"
        );
        assert_eq!(entry["wasm_sha256"], sha256(&wasm(name)), "{name}: {stale}");
    }
}

/// The same of libraries, of which chains list the hashes.
#[test]
fn libraries_are_built_from_these_sources() {
    let manifest = manifest_of("libraries");
    let stale = "the sources changed: run libraries/build";
    assert_eq!(
        manifest["sources_sha256"],
        tree_hash(OF_LIBRARIES),
        "{stale}"
    );
    for (name, entry) in artifacts(&manifest) {
        let path = format!("libraries/artifacts/{name}.wasm");
        let bytes = fs::read(root().join(path)).unwrap();
        assert_eq!(entry["wasm_sha256"], sha256(&bytes), "{name}: {stale}");
        tells_nothing_of_the_machine(name, &bytes);
    }
}

#[test]
fn every_contract_has_an_artifact_and_every_artifact_a_contract() {
    let manifest = manifest();
    let named: Vec<_> = artifacts(&manifest)
        .into_iter()
        .map(|(name, _)| name.to_string())
        .collect();
    let contracts = root().join("contracts");
    let mut sources = folder_names(&contracts, |path| path.join("Cargo.toml").is_file());
    let mut binaries = folder_names(&contracts.join("artifacts"), |path| {
        path.extension()
            .is_some_and(|extension| extension == "wasm")
    });
    sources.sort();
    binaries.sort();
    assert_eq!(sources, named);
    assert_eq!(binaries, named);
}

fn folder_names(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| wanted(path))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_string())
        .collect()
}

#[test]
fn artifacts_are_small_and_tell_nothing_of_the_machine_that_built_them() {
    assert!(wasm("counter").len() < 8 * 1024);
    for (name, _) in artifacts(&manifest()) {
        let bytes = wasm(name);
        assert!(bytes.len() < 64 * 1024, "{name}: {} bytes", bytes.len());
        tells_nothing_of_the_machine(name, &bytes);
    }
}

fn tells_nothing_of_the_machine(name: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for place in [
        "/home/",
        "/root/",
        "/usr/",
        "/work/",
        "/tmp/",
        ".cargo",
        "index.crates",
    ] {
        assert!(!text.contains(place), "{name} contains {place}");
    }
}
