//! P6, P7: where the process has no address space for another memory, a query is one too many: told so, and no harm to anybody.

use crostata::serve::{Overload, QueryError};
use crostata::{Error, Session, SessionData};

use crate::fixtures::LIMIT;
use crate::limited::under_ulimit;
use crate::scene::{Scene, ask, faces, number};

/// The worker goes on, the node is as healthy as before, and when there is room again the next query runs. The process may have 100 GB of
/// addresses: a dozen memories.
#[test]
fn no_room_for_a_memory_is_overload() {
    let test = "room::no_room_for_a_memory_is_overload";
    under_ulimit("-v 100000000", test, ask_without_room);
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
