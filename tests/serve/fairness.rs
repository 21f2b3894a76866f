//! P6: clients take turns, however many queries each of them has waiting.

use crate::scene::{Scene, ask, until};

/// One worker, a client with fifty queries and others with few: each waits for one of the fifty per query of its own.
#[test]
fn a_busy_client_delays_others_by_one_each() {
    let scene = Scene::new();
    let service = scene.service(1);
    let held = scene.held(&service, 1);
    let note = |client: &str, number: u8| {
        let text = [client.as_bytes(), &[number]].concat();
        service.query(ask("note").argument_raw(text).client(client))
    };
    let mut handles: Vec<_> = (0..50).map(|number| note("a", number)).collect();
    handles.extend([note("b", 0), note("b", 1), note("c", 0)]);
    assert_eq!(service.counters().waiting, 53);
    scene.gate.open();
    held.wait().unwrap();
    for handle in handles {
        handle.wait().unwrap();
    }
    let notes = scene.notes.lock().unwrap();
    let order: Vec<(u8, u8)> = notes.iter().map(|note| (note[0], note[1])).collect();
    let expected = [(b'a', 0), (b'b', 0), (b'c', 0), (b'a', 1), (b'b', 1)];
    assert_eq!(order[..5], expected);
    let rest: Vec<(u8, u8)> = (2..50).map(|number| (b'a', number)).collect();
    assert_eq!(order[5..], rest);
    until(&service, |counters| counters.running == 0);
    let counters = service.counters();
    assert_eq!((counters.done, counters.waiting), (54, 0));
    assert_eq!(counters.wait_buckets.iter().sum::<u64>(), 54);
}
