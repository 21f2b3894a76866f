//! P7: address space that runs out is a typed error of the session that wanted more, and comes back when sessions go. Alone
//! in its process, all of whose regions it takes.

mod common;

use common::{CELLS, LIMIT, code, id, load, over, with_id};
use crostata::{Error, Session, SessionData, VM};

const CONTRACTS: u64 = 500;

/// More than any process may have, in regions.
const SESSIONS: usize = 30;

fn call_all(session: &mut Session) -> Result<(), Error> {
    (1..=CONTRACTS).try_for_each(|number| {
        session
            .call_raw(id(number), "nothing", [], LIMIT)
            .map(|_| ())
    })
}

#[test]
fn regions_run_out_with_an_error_and_come_back() {
    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let code = code(CELLS);
    for number in 1..=CONTRACTS {
        session.deploy(&code, with_id(number), LIMIT).unwrap();
    }
    let base = session.commit().unwrap();
    drop(session);
    let mut sessions = Vec::new();
    let mut refused = None;
    while refused.is_none() && sessions.len() < SESSIONS {
        let mut session = over(&vm, base);
        refused = call_all(&mut session).err();
        sessions.push(session);
    }
    let refused = refused.expect("regions are bounded");
    assert!(matches!(refused, Error::Fatal(_)), "{refused}");
    let mut causes = vec![refused.to_string()];
    let mut error: &dyn std::error::Error = &refused;
    while let Some(source) = error.source() {
        causes.push(source.to_string());
        error = source;
    }
    let named = causes.iter().any(|cause| cause.contains("memory regions"));
    assert!(named, "{causes:?}");
    // Whoever has its memories goes on, and when others go there is room again.
    assert_eq!(load(&mut sessions[0], id(1), 0), 0);
    sessions.truncate(2);
    let mut session = over(&vm, base);
    call_all(&mut session).unwrap();
}
