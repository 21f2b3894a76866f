//! P1, P7: many threads that ask, cancel and drop while blocks are made, finalised, deleted and compacted: each answer is that of its commit, each query is
//! counted once, and nothing is left.

use std::sync::atomic::{AtomicBool, Ordering};

use crostata::serve::QueryError;
use crostata::{Commit, SessionData};

use crate::scene::{Scene, ask, count, number, until};

/// A stream of numbers, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

/// What a query may come to while commits go; gives 1 if it has an answer.
fn judged(
    outcome: Result<crostata::serve::QueryReceipt, QueryError>,
    expected: Option<u32>,
) -> u64 {
    match outcome {
        Ok(answer) => {
            if let Some(expected) = expected {
                assert_eq!(number(&answer), expected);
            }
            1
        }
        Err(QueryError::Commit(_) | QueryError::Cancelled) => 0,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn queries_beside_blocks() {
    let scene = Scene::new();
    let service = scene.service(4);
    let done = AtomicBool::new(false);
    let commits: std::sync::Mutex<Vec<(Commit, u32)>> =
        vec![(scene.first, 1), (scene.second, 2)].into();
    let answered: u64 = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6_u64)
            .map(|client| {
                let (service, commits, done) = (&service, &commits, &done);
                scope.spawn(move || {
                    let mut numbers = Numbers(client);
                    let mut answered = 0;
                    while !done.load(Ordering::SeqCst) {
                        let known = commits.lock().unwrap();
                        let (commit, counted) = known[numbers.below(known.len())];
                        drop(known);
                        let query = ask("count").client(client % 3);
                        answered += match numbers.below(5) {
                            0 => judged(service.query_blocking(query), None),
                            1 => {
                                let handle = service.query(query.at(commit));
                                handle.cancel();
                                judged(handle.wait(), Some(counted + 1))
                            }
                            2 => {
                                drop(service.query(ask("loop").at(commit)));
                                0
                            }
                            _ => {
                                judged(service.query_blocking(query.at(commit)), Some(counted + 1))
                            }
                        };
                    }
                    answered
                })
            })
            .collect();
        let (mut base, mut counted) = (scene.second, 2);
        for height in 0..60 {
            let data = SessionData::builder().base(base);
            let mut session = scene.vm.session(data.clone()).unwrap();
            base = count(&mut session);
            counted += 1;
            commits.lock().unwrap().push((base, counted));
            match height % 6 {
                1 => {
                    // A branch that is given up again.
                    let mut fork = scene.vm.session(SessionData::builder().base(base)).unwrap();
                    let fork = count(&mut fork);
                    commits.lock().unwrap().push((fork, counted + 1));
                    scene.vm.delete_commit(fork).unwrap();
                }
                3 => drop(scene.vm.finalize_commit(base).unwrap()),
                5 => scene.vm.checkpoint().unwrap(),
                _ => {}
            }
        }
        done.store(true, Ordering::SeqCst);
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    });
    until(&service, |counters| {
        counters.running + counters.waiting == 0
    });
    let counters = service.counters();
    assert!(
        answered > 0 && counters.done >= answered,
        "{answered} {counters:?}"
    );
    let ended = counters.done + counters.failed + counters.cancelled;
    assert_eq!(counters.queued, ended, "{counters:?}");
    assert_eq!((counters.faults, counters.timed_out), (0, 0));
    assert!(scene.vm.is_healthy());
}
