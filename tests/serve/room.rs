//! P6, P7: where the process has no address space for another memory, a query is one too many: told so, and no harm to anybody.

use std::process::Command;

use crostata::serve::{Overload, QueryError};
use crostata::{Error, Session, SessionData};

use crate::fixtures::LIMIT;
use crate::scene::{Scene, ask, faces, number};

/// Set for the process that runs with little address space.
const LITTLE_SPACE: &str = "CROSTATA_TEST_LITTLE_SPACE";

/// The worker goes on, the node is as healthy as before, and when there is room again the next query runs.
///
/// The test runs itself again in a process that may have 100 GB of address space: a dozen memories.
#[test]
#[cfg(target_os = "linux")]
fn no_room_for_a_memory_is_overload() {
    if std::env::var_os(LITTLE_SPACE).is_some() {
        return ask_without_room();
    }
    let limit = "ulimit -v 100000000 && exec timeout 120 \"$0\" \"$@\"";
    let limited = Command::new("sh")
        .args(["-c", limit])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "room::no_room_for_a_memory_is_overload"])
        .env(LITTLE_SPACE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&limited.stdout);
    assert!(limited.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

fn ask_without_room() {
    let scene = Scene::new();
    let service = scene.service(1);
    let ask = || service.query_blocking(ask("count"));
    assert_eq!(number(&ask().unwrap()), 2);
    // Another VM of the process takes all the room there is.
    let hoard = hoard(&Scene::new());
    for _ in 0..3 {
        let refused = ask();
        assert!(
            matches!(refused, Err(QueryError::Overloaded(Overload::AddressSpace))),
            "{refused:?}"
        );
    }
    let counters = service.counters();
    assert_eq!((counters.overloaded, counters.faults), (3, 0));
    assert!(scene.vm.is_healthy());
    drop(hoard);
    assert_eq!(number(&ask().unwrap()), 2);
}

/// Sessions with a memory each, as many as there is room for.
fn hoard(scene: &Scene) -> Vec<Session> {
    let mut hoard = Vec::new();
    loop {
        let data = SessionData::builder().base(scene.first);
        let mut session = scene.vm.session(data).unwrap();
        match session.call_raw(faces(), "count", [], LIMIT) {
            Ok(_) => hoard.push(session),
            Err(Error::Fatal(_)) => return hoard,
            Err(error) => panic!("{error}"),
        }
        assert!(hoard.len() < 20, "there is room for all");
    }
}
