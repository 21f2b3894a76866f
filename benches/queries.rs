//! What the pool of queries costs: queries per second through it and by sessions opened directly, in turns; and how long a query takes beside a block
//! that is executed.
//!
//! `cargo bench --bench queries`, with the number of rounds as an argument. Figures are in `docs/measurements.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crostata::serve::{Query, Service, ServiceSettings};
use crostata::{Commit, ContractData, ContractId, Session, SessionData, VM, contract_bytecode};

const LIMIT: u64 = 1_000_000_000;

/// Queries of one measurement.
const QUERIES: usize = 2_000;

struct World {
    vm: Arc<VM>,
    commit: Commit,
    counter: ContractId,
    ledger: ContractId,
}

impl World {
    fn new() -> Self {
        let vm = VM::ephemeral().unwrap();
        let mut session = vm.session(SessionData::builder()).unwrap();
        let counter = session.deploy(
            contract_bytecode!("counter"),
            ContractData::builder(),
            LIMIT,
        );
        let data = ContractData::builder().init_arg(&([1_u8; 32], 1_000_000_u64));
        let ledger = session.deploy(contract_bytecode!("ledger"), data, LIMIT);
        let commit = session.commit().unwrap();
        vm.finalize_commit(commit).unwrap();
        Self {
            vm: Arc::new(vm),
            commit,
            counter: counter.unwrap(),
            ledger: ledger.unwrap(),
        }
    }

    fn service(&self, workers: usize) -> Service {
        let settings = ServiceSettings {
            workers,
            queue_max: QUERIES,
            queue_per_client_max: QUERIES,
            wait_max: Duration::from_secs(1_000),
            ..ServiceSettings::default()
        };
        Service::new(self.vm.clone(), settings).unwrap()
    }

    fn query(&self) -> Query {
        Query::new(self.counter, "read_value").at(self.commit)
    }

    /// A session as queries have one.
    fn session(&self) -> Session {
        let data = SessionData::builder().base(self.commit);
        self.vm.session(data.interrupted_after(1 << 40)).unwrap()
    }

    fn read(&self, session: &mut Session) {
        let read = session.call_raw(self.counter, "read_value", [], LIMIT);
        assert_eq!(read.unwrap().data.len(), 8);
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// Runs the same on so many threads, whose stacks are those of workers: on smaller ones each session keeps a stack of its own.
fn on_threads(threads: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let thread = std::thread::Builder::new().stack_size(8 << 20);
            thread.spawn_scoped(scope, &work).unwrap();
        }
    });
}

/// The same number of sessions, opened and dropped by so many threads.
fn direct(world: &World, threads: usize) {
    on_threads(threads, || {
        for _ in 0..QUERIES / threads {
            world.read(&mut world.session());
        }
    });
}

/// One session for all queries of a thread, which is what reusing them could gain at most.
fn reused(world: &World, threads: usize) {
    on_threads(threads, || {
        let mut session = world.session();
        for _ in 0..QUERIES / threads {
            world.read(&mut session);
        }
    });
}

/// All queries at once through the pool.
fn pooled(world: &World, service: &Service) {
    let asked: Vec<_> = (0..QUERIES)
        .map(|number| service.query(world.query().client(number as u64 % 16)))
        .collect();
    for handle in asked {
        handle.wait().unwrap();
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn throughput(world: &World, rounds: usize) {
    for threads in [1, 2] {
        let service = world.service(threads);
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..rounds {
            times[0].push(timed(|| direct(world, threads)));
            times[1].push(timed(|| pooled(world, &service)));
            times[2].push(timed(|| reused(world, threads)));
        }
        let [direct, pooled, reused] = times.each_mut().map(|times| median(times));
        let per = |time: Duration| QUERIES as f64 / time.as_secs_f64();
        println!(
            "{threads} threads: {:.0}/s by sessions, {:.0}/s through the pool, ratio {:.2}; {:.0}/s in one session",
            per(direct),
            per(pooled),
            direct.as_secs_f64() / pooled.as_secs_f64(),
            per(reused),
        );
    }
}

/// Lone queries, one after the other: how long each takes from asking to its result.
fn latency(world: &World, rounds: usize) {
    let service = world.service(2);
    let idle = latencies(world, &service, rounds);
    let (done, blocks) = (AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
    let busy = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                execute(world);
                blocks.fetch_add(1, Ordering::Relaxed);
            }
        });
        let busy = latencies(world, &service, rounds);
        done.store(true, Ordering::Relaxed);
        busy
    });
    println!(
        "a lone query: {:?} (99 %: {:?}); beside {} blocks of 1,000 transfers: {:?} (99 %: {:?})",
        idle[0],
        idle[1],
        blocks.load(Ordering::Relaxed),
        busy[0],
        busy[1],
    );
}

/// The median, and what 99 of 100 take at most.
fn latencies(world: &World, service: &Service, rounds: usize) -> [Duration; 2] {
    let mut times: Vec<Duration> = (0..100 * rounds)
        .map(|_| {
            timed(|| {
                service.query_blocking(world.query()).unwrap();
            })
        })
        .collect();
    times.sort_unstable();
    [times[times.len() / 2], times[times.len() * 99 / 100]]
}

/// What a block does, up to its seal.
fn execute(world: &World) {
    let data = SessionData::builder().base(world.commit);
    let mut session = world.vm.session(data).unwrap();
    for number in 0..1_000_u64 {
        let mut to = [2_u8; 32];
        to[..8].copy_from_slice(&number.to_le_bytes());
        let transfer = ([1_u8; 32], to, 1_u64);
        session
            .call::<_, ()>(world.ledger, "transfer", &transfer, LIMIT)
            .unwrap();
    }
    session.seal().unwrap();
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.find_map(|argument| argument.parse().ok());
    let rounds: usize = rounds.unwrap_or(11);
    let world = World::new();
    throughput(&world, rounds);
    latency(&world, rounds);
}
