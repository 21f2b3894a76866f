//! P7: every module of `contracts/invalid` is refused with a named rule and a place, every one of
//! `contracts/valid` and every built artifact deploys.

use std::fs;
use std::path::{Path, PathBuf};

use crostata::{ContractData, Error, Rejected, Session, SessionData, VM};

const LIMIT: u64 = 100_000_000;

fn modules(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contracts")
        .join(folder);
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    found.sort();
    found
}

fn session(vm: &VM) -> Session {
    vm.session(SessionData::builder()).unwrap()
}

/// No invalid module deploys; each refusal is a rejection of the code, and the session goes on.
#[test]
fn invalid_modules_are_rejected_by_name() {
    let vm = VM::ephemeral().unwrap();
    let mut session = session(&vm);
    let empty = session.root().unwrap();
    let modules = modules("invalid");
    assert!(modules.len() >= 40, "only {} modules", modules.len());
    for (path, text) in modules {
        let code = wat::parse_str(&text).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        match session.deploy(code, ContractData::builder(), LIMIT) {
            Err(Error::Rejected(Rejected::Code { rejection, .. })) => {
                println!("{name}: {}\n    {rejection}", text.lines().next().unwrap());
            }
            other => panic!("{name} should be rejected: {other:?}"),
        }
        assert_eq!(session.root().unwrap(), empty, "{name}");
    }
}

/// The least module, and one that uses everything allowed, deploy.
#[test]
fn valid_modules_deploy() {
    let vm = VM::ephemeral().unwrap();
    let mut session = session(&vm);
    for (path, text) in modules("valid") {
        let code = wat::parse_str(&text).unwrap();
        let deployed = session.deploy(code, ContractData::builder(), LIMIT);
        assert!(deployed.is_ok(), "{}: {deployed:?}", path.display());
    }
}

/// Bytes that are no module at all are rejected too.
#[test]
fn junk_is_rejected() {
    let vm = VM::ephemeral().unwrap();
    let mut session = session(&vm);
    let component = b"\0asm\x0d\0\x01\0";
    for junk in [
        &b""[..],
        b"\0asm",
        b"\0asm\x01\0\0\0",
        component,
        &[0xff; 100],
    ] {
        let deployed = session.deploy(junk, ContractData::builder(), LIMIT);
        assert!(
            matches!(deployed, Err(Error::Rejected(_))),
            "{junk:?}: {deployed:?}"
        );
    }
}
