//! Three actors over a commit, and what their scripts report.

use crostata::{Backend, CallReceipt, Commit, Error, Event, Reverted, Session, SessionData, VM};

use crate::fixtures::actor::{Step, TOPIC, actor, script};
use crate::fixtures::{BACKENDS, CELLS, LIMIT, WIDTHS, Width, deploy, ephemeral, fresh, id, peek};

/// How many actors there are, numbered from 0.
pub const ACTORS: u8 = 3;

/// A VM with a commit that holds the actors.
pub struct Stage {
    pub vm: VM,
    base: Commit,
}

/// What a script reported: the contract's number, and the numbers.
pub type Report = (u8, Vec<u32>);

impl Stage {
    /// Actors of this width, under this backend. Every second one has the other width if `mixed`.
    pub fn new(backend: Backend, width: Width, mixed: bool) -> Self {
        let vm = ephemeral(backend);
        let mut session = fresh(&vm);
        for number in 0..ACTORS {
            let other = WIDTHS.into_iter().find(|other| *other != width);
            let width = match number {
                1 if mixed => other.unwrap(),
                _ => width,
            };
            deploy(&mut session, number, &actor(width));
        }
        let base = session.commit().unwrap();
        Self { vm, base }
    }

    /// A session over the commit.
    pub fn session(&self) -> Session {
        let data = SessionData::builder().base(self.base);
        self.vm.session(data).unwrap()
    }
}

/// Runs a test on both backends and with both widths, each in a session of its own.
pub fn everywhere(test: impl Fn(Session)) {
    for backend in BACKENDS {
        for width in WIDTHS {
            println!("{backend:?} {width:?}");
            test(Stage::new(backend, width, false).session());
        }
    }
}

/// Has an actor do a script.
pub fn act(
    session: &mut Session,
    number: u8,
    steps: &[Step],
) -> Result<CallReceipt<Vec<u8>>, Error> {
    session.call_raw(id(number), "run", script(steps), LIMIT)
}

/// What a script that must succeed reported; what was reverted left out.
pub fn seen(session: &mut Session, number: u8, steps: &[Step]) -> Vec<Report> {
    let receipt = act(session, number, steps).unwrap();
    reports(&receipt.events)
}

/// The failure of a script that must fail.
pub fn failed(session: &mut Session, number: u8, steps: &[Step]) -> Reverted {
    crate::fixtures::reverted(act(session, number, steps))
}

/// Events as reports.
pub fn reports(events: &[Event]) -> Vec<Report> {
    events
        .iter()
        .map(|event| {
            assert_eq!(event.topic, TOPIC);
            let words = event.data.chunks(4);
            let words = words.map(|word| u32::from_le_bytes(word.try_into().unwrap()));
            (event.source.as_bytes()[0], words.collect())
        })
        .collect()
}

/// What `See` reports: pages, global and word, with the script stack where the outermost script of the actor left it.
pub fn sight(pages: u32, kept: u32, word: u32, stack: u32) -> Vec<u32> {
    vec![pages, kept, word, stack]
}

/// A word of an actor's cells, or of what it grew.
pub fn word(session: &mut Session, number: u8, address: u32) -> u32 {
    let bytes = peek(session, id(number), address, 4);
    u32::from_le_bytes(bytes.try_into().unwrap())
}

/// An actor's memory from the cells on.
pub fn cells(session: &mut Session, number: u8) -> Vec<u8> {
    let len = session.memory_len(&id(number)).unwrap().unwrap() as u32;
    let starts = (CELLS..len).step_by(65_536);
    starts
        .flat_map(|start| peek(session, id(number), start, 65_536))
        .collect()
}
