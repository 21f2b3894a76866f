//! `contract!`: a test runs what is written. Built once for the same content, to the same bytes as `contracts/build`; what can not be built says what to do.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crostata::testing::build::{BuildError, build, code};
use crostata::testing::{Chain, contract};
use crostata::{code_hash, contract_bytecode};

fn counter() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/contracts/counter"))
}

/// P1: the builder makes the bytes that the repository has, with debug information beside, and makes them once.
#[test]
fn a_contract_is_built_once_to_the_same_bytes() {
    let built = match build(counter()) {
        Ok(built) => built,
        // A machine that can not build says how it could.
        Err(error @ (BuildError::NoTarget { .. } | BuildError::NoLinker)) => {
            assert!(error.to_string().contains("rustup"), "{error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(built.hash, code_hash(&built.wasm));
    assert_eq!(built.name, "counter");
    assert!(built.debug_wasm.len() > built.wasm.len());
    assert!(build(counter()).unwrap().was_built_before);
    assert_eq!(
        *built.wasm,
        *contract_bytecode!("counter"),
        "run contracts/build"
    );
}

/// The macro gives what can be deployed, under the contract's name.
#[test]
fn the_macro_gives_the_contract() {
    let mut chain = Chain::new();
    let counter = chain.deploy(contract!("contracts/counter")).send();
    assert_eq!(chain.labelled("counter"), counter);
    assert_eq!(
        chain.call::<_, i64>(counter, "read_value", &()).value(),
        0xfc
    );
    let same = chain
        .deploy(contract!("contracts/artifacts/counter.wasm"))
        .send();
    assert_eq!(chain.call::<_, i64>(same, "read_value", &()).value(), 0xfc);
}

/// Each thing that keeps a contract from being built is told with what to do.
#[test]
fn what_can_not_be_built_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = build(&folder.path().join("nowhere"))
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("neither a folder with a Cargo.toml nor a .wasm file"),
        "{missing}"
    );
    let package = |name: &str, library: &str, source: &str| {
        let folder = folder.path().join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n{library}"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src/lib.rs"), source).unwrap();
        folder
    };
    let library = package("plain", "", "");
    let error = build(&library).unwrap_err();
    if matches!(error, BuildError::NoTarget { .. } | BuildError::NoLinker) {
        return;
    }
    assert!(
        error
            .to_string()
            .contains("crate-type = [\"cdylib\", \"rlib\"]"),
        "{error}"
    );
    let broken = package(
        "broken",
        "[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nnone = { path = \"../none\" }\n",
        "",
    );
    let error = build(&broken).unwrap_err().to_string();
    assert!(error.contains("cargo can not read"), "{error}");
    let wasm = folder.path().join("not.wasm");
    fs::write(&wasm, "no module").unwrap();
    let error = code(folder.path(), "not.wasm").unwrap_err().to_string();
    assert!(error.contains("at byte 0, the magic number"), "{error}");
    assert!(matches!(
        code(folder.path(), "none.wasm"),
        Err(BuildError::File { .. })
    ));
}

/// A Wasm file that is older than its source is used, and told on standard error: a test of old code is not taken for one of the new.
#[test]
fn old_wasm_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("counter");
    fs::create_dir_all(package.join("src")).unwrap();
    fs::create_dir_all(folder.path().join("artifacts")).unwrap();
    fs::write(package.join("Cargo.toml"), "[package]").unwrap();
    fs::write(package.join("src/lib.rs"), "").unwrap();
    let wasm = folder.path().join("artifacts/counter.wasm");
    fs::write(&wasm, contract_bytecode!("counter")).unwrap();
    assert_eq!(crostata::testing::build::outdated(&wasm), None);
    let before = SystemTime::now() - Duration::from_secs(60);
    fs::File::options()
        .write(true)
        .open(&wasm)
        .unwrap()
        .set_modified(before)
        .unwrap();
    let warning = crostata::testing::build::outdated(&wasm).unwrap();
    assert!(
        warning.contains("is older than") && warning.contains("run `crostata build"),
        "{warning}"
    );
    assert_eq!(
        *code(folder.path(), "artifacts/counter.wasm").unwrap().wasm,
        *contract_bytecode!("counter")
    );
}
