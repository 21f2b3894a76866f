//! P6, P7: whatever peers send for a state, what is kept of it is the state's, and it arrives as soon as somebody sends it.
#![no_main]

use std::sync::Arc;

use crostata::VM;
use crostata_machine::{Arrival, ArriveError, Header, Machine, Snapshot, VmMachine};
use crostata_node_fuzz::{Choices, empty, genesis, machine, template};
use libfuzzer_sys::fuzz_target;

/// Several chunks of the state.
const CHUNK_BYTES: u64 = 4 << 10;

struct Scene {
    template: VM,
    header: Header,
    snapshot: Arc<dyn Snapshot>,
}

impl Scene {
    fn new() -> Self {
        let template = template();
        let (machine, block) = machine(&template);
        Self {
            header: *block.header(),
            snapshot: machine.snapshot().unwrap(),
            template,
        }
    }

    /// Begins with what may be a lie. One that is taken is true, or is found out later.
    fn begin(&self, vm: &Arc<VM>, choices: &mut Choices<'_>) -> Arrival {
        let mut beginning = self.snapshot.beginning();
        if choices.byte() & 1 == 1 {
            choices.change(&mut beginning);
            match Arrival::begin(vm, &self.header, &beginning) {
                Ok(arrival) if beginning == self.snapshot.beginning() => return arrival,
                Ok(_) | Err(ArriveError::Peer(_)) => {}
                Err(ArriveError::Fatal(fatal)) => panic!("{fatal}"),
            }
        }
        Arrival::begin(vm, &self.header, &self.snapshot.beginning()).unwrap()
    }

    fn run(&self, data: &[u8]) {
        let mut choices = Choices(data);
        let vm = empty(&self.template);
        let mut arrival = self.begin(&vm, &mut choices);
        while let Some(wanted) = arrival.wants() {
            let chunk = self.snapshot.chunk(&wanted, CHUNK_BYTES).unwrap().unwrap();
            let mut sent = chunk.clone();
            for _ in 0..choices.byte() % 4 {
                choices.change(&mut sent);
            }
            match arrival.accept(&sent) {
                Ok(()) => assert_eq!(sent, chunk, "something else was kept"),
                Err(ArriveError::Peer(_)) => {
                    assert_eq!(arrival.wants(), Some(wanted), "nothing has happened");
                    arrival.accept(&chunk).unwrap();
                }
                Err(ArriveError::Fatal(fatal)) => panic!("{fatal}"),
            }
        }
        arrival.finish().unwrap();
        let arrived = VmMachine::open(vm, &genesis()).unwrap().finalized();
        assert_eq!(arrived.digest, self.header.digest());
        assert_eq!(arrived.state_root, self.header.state_root);
    }
}

thread_local! {
    static SCENE: Scene = Scene::new();
}

fuzz_target!(|data: &[u8]| {
    SCENE.with(|scene| scene.run(data));
});
