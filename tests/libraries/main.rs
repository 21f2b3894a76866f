//! P1, P6 and P7 of libraries: what they answer and cost is the same on every backend and thread; they are paid for whatever becomes of them, and none
//! that the protocol does not list, or that is not what its hash says, can run.

#[path = "../common/mod.rs"]
mod common;
mod components;
mod keeping;
mod replay;
mod toolchain;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::*;
use components::*;
use crostata::{
    Backend, BinariesConfig, BinaryError, BlockContext, CodeHash, Config, ContractId, Error,
    Libraries, LibraryError, LibraryRules, OpenVmError, Outcome, Protocol, Session, SessionData,
    VM, code_hash,
};
use tempfile::TempDir;

/// A directory with binaries, and a protocol that lists them.
struct Chain {
    directory: TempDir,
    protocol: Protocol,
}

impl Chain {
    fn with(libraries: &[&[u8]]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for library in libraries {
            let name = format!("{}.wasm", code_hash(library));
            fs::write(directory.path().join(name), library).unwrap();
        }
        let libraries = libraries.iter().map(|library| code_hash(library));
        let protocol = Protocol {
            libraries: Libraries::new(libraries),
            ..Protocol::default()
        };
        Self {
            directory,
            protocol,
        }
    }

    fn file(&self, library: &[u8]) -> PathBuf {
        let name = format!("{}.wasm", code_hash(library));
        self.directory.path().join(name)
    }

    fn config(&self, backend: Backend) -> Config {
        Config {
            backend,
            protocols: vec![self.protocol.clone()],
            binaries: BinariesConfig {
                directory: Some(self.directory.path().to_path_buf()),
                ..BinariesConfig::default()
            },
            ..Config::default()
        }
    }

    fn open(&self, backend: Backend) -> Result<VM, OpenVmError> {
        VM::ephemeral_with_config(self.config(backend))
    }

    /// What is wrong with the binaries.
    fn problems(&self) -> Vec<BinaryError> {
        match self.open(Backend::default()) {
            Err(OpenVmError::Binaries { problems }) => problems,
            other => panic!("{other:?}"),
        }
    }
}

fn block() -> BlockContext {
    BlockContext::new(7, 1_774_000_000_123)
}

/// A session in a block, with two contracts that ask.
fn session(vm: &VM, block: Option<BlockContext>) -> Session {
    let data = SessionData::builder();
    let data = match block {
        Some(block) => data.block(block).unwrap(),
        None => data,
    };
    let mut session = vm.session(data).unwrap();
    for number in [1, 2] {
        let deployed = session.deploy(code(ASKER), with_id(number), LIMIT);
        deployed.unwrap();
    }
    session
}

/// What the contracts are called with: a name, and an argument.
fn asking(library: CodeHash, function: &str, argument: &[u8]) -> Vec<u8> {
    asking_name(&format!("library:{library}:{function}"), argument)
}

fn asking_name(name: &str, argument: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), argument].concat()
}

/// A function, an argument, and what is to come of it.
type Case = (&'static str, Vec<u8>, Result<Vec<u8>, Outcome>);

/// A limit's name, and how to tighten it.
type Tightened = (&'static str, fn(&mut LibraryRules));

/// What came of a call: the answer or how it failed, and the gas.
type Came = (Result<Vec<u8>, Outcome>, u64);

fn came(result: Result<crostata::CallReceipt<Vec<u8>>, Error>) -> Came {
    match result {
        Ok(receipt) => (Ok(receipt.data), receipt.gas_spent),
        Err(error) => {
            let reverted = reverted(Err::<(), _>(error));
            // Shown where a test fails.
            println!("{}", reverted.failure);
            (Err(reverted.failure.code), reverted.receipt.gas_spent)
        }
    }
}

fn ask(session: &mut Session, contract: ContractId, asking: &[u8], limit: u64) -> Came {
    came(session.call_raw(contract, "ask", asking, limit))
}

/// Does the same on each backend, and gives what came of it, which must be the same.
fn everywhere<T: PartialEq + std::fmt::Debug>(chain: &Chain, work: impl Fn(&VM) -> T) -> T {
    let mut all = Backend::BUILT.iter().map(|backend| {
        let vm = chain.open(*backend).unwrap();
        work(&vm)
    });
    let first = all.next().unwrap();
    all.for_each(|other| assert_eq!(first, other));
    first
}

fn word_of(came: &Came) -> u32 {
    u32::from_le_bytes(came.0.as_ref().unwrap()[..4].try_into().unwrap())
}

#[test]
fn backends_agree_on_answers_and_gas() {
    let toolbox = toolbox();
    let chain = Chain::with(&[&toolbox]);
    let hash = code_hash(&toolbox);
    let asked: Vec<Case> = vec![
        ("reverse", b"abc".to_vec(), Ok(b"cba".to_vec())),
        ("reverse", vec![], Ok(vec![])),
        (
            "tools:test/inner@1.0.0/reverse",
            b"xy".to_vec(),
            Ok(b"yx".to_vec()),
        ),
        ("checked", vec![0, 5], Ok(vec![0, 0, 5])),
        ("checked", vec![9, 5], Ok(vec![1, 9, 5])),
        ("divide", vec![10], Ok(words(&[100]))),
        ("divide", vec![0], Err(Outcome::HostFunctionMisuse)),
        ("pair", vec![1], Ok(words(&[1, 2]))),
        ("pair", vec![0], Ok(words(&[3, 4]))),
        ("trap", vec![], Err(Outcome::HostFunctionMisuse)),
        ("outside", vec![], Err(Outcome::HostFunctionMisuse)),
        ("long", vec![], Err(Outcome::HostFunctionMisuse)),
        ("beyond", vec![], Err(Outcome::HostFunctionMisuse)),
        ("spin", vec![], Err(Outcome::OutOfGas)),
        // A NaN with a payload, and one.
        (
            "float",
            [0x7fa0_1234_u32.to_le_bytes(), 1_f32.to_le_bytes()].concat(),
            Ok(0x7fc0_0000_u32.to_le_bytes().to_vec()),
        ),
    ];
    everywhere(&chain, |vm| {
        let mut session = session(vm, Some(block()));
        let all = asked.iter().map(|(function, argument, expected)| {
            let came = ask(
                &mut session,
                id(1),
                &asking(hash, function, argument),
                LIMIT,
            );
            assert_eq!(came.0, *expected, "{function}");
            // P6: what does not answer has spent what there was.
            assert_eq!(came.1 == LIMIT, came.0.is_err(), "{function}");
            came
        });
        let all: Vec<Came> = all.collect();
        (all, session.root().unwrap())
    });
}

/// P6: a library runs on the gas of who calls it: one unit less than it takes is out of gas, and time is paid for.
#[test]
fn libraries_are_paid_for() {
    let toolbox = toolbox();
    let chain = Chain::with(&[&toolbox]);
    let hash = code_hash(&toolbox);
    everywhere(&chain, |vm| {
        let mut session = session(vm, None);
        let long = asking(hash, "reverse", &[7; 10_000]);
        let (_, small) = ask(
            &mut session,
            id(1),
            &asking(hash, "reverse", &[7; 10]),
            LIMIT,
        );
        let (answer, spent) = ask(&mut session, id(1), &long, LIMIT);
        assert_eq!(answer.unwrap().len(), 10_000);
        // A turn of its loop is more than 25 gas.
        assert!(spent > small + 25 * 9_990, "{spent} and {small}");
        // The smallest limit that does is one at which the library's part, less a sixty-fourth, suffices.
        let (mut low, mut high) = (spent - 1, 2 * spent);
        assert!(ask(&mut session, id(1), &long, high).0.is_ok());
        while high - low > 1 {
            let middle = (low + high) / 2;
            match ask(&mut session, id(1), &long, middle) {
                (Ok(_), same) => {
                    assert_eq!(same, spent);
                    high = middle;
                }
                (Err(code), all) => {
                    assert_eq!((code, all), (Outcome::OutOfGas, middle));
                    low = middle;
                }
            }
        }
        (high, spent)
    });
}

/// P6: memories end at the limit, each page of them is paid for, and growth beyond is refused like any other.
#[test]
fn memories_are_limited_and_paid_for() {
    let toolbox = toolbox();
    let mut chain = Chain::with(&[&toolbox]);
    let rules = &mut chain.protocol.libraries.rules;
    rules.memory_wasm_pages_max = 20;
    let page = rules.memory_page;
    let hash = code_hash(&toolbox);
    let _same = everywhere(&chain, |vm| {
        let mut session = session(vm, None);
        let mut grow = |pages: u32, limit| {
            ask(
                &mut session,
                id(1),
                &asking(hash, "grow", &words(&[pages])),
                limit,
            )
        };
        let (none, most) = (grow(0, LIMIT), grow(16, LIMIT));
        assert_eq!((word_of(&none), word_of(&most)), (4, 4));
        assert_eq!(most.1 - none.1, 16 * page);
        let beyond = grow(17, LIMIT);
        assert_eq!(word_of(&beyond), u32::MAX);
        assert_eq!(beyond.1, none.1);
        assert_eq!(word_of(&grow(u32::MAX, LIMIT)), u32::MAX);
        // Not enough for the pages alone.
        let poor = none.1 + 8 * page;
        assert_eq!(grow(16, poor), (Err(Outcome::OutOfGas), poor));
        (none, most, beyond)
    });
    // What does not even fit at first can never run.
    chain.protocol.libraries.rules.memory_wasm_pages_max = 3;
    everywhere(&chain, |vm| {
        let came = ask(
            &mut session(vm, None),
            id(1),
            &asking(hash, "grow", &words(&[0])),
            LIMIT,
        );
        assert_eq!(came, (Err(Outcome::HostFunctionMisuse), LIMIT));
    });
}

/// P1: recursion ends at the same depth on every backend, and on threads with little stack.
#[test]
fn recursion_ends_at_the_same_depth() {
    let toolbox = toolbox();
    let chain = Chain::with(&[&toolbox]);
    let hash = code_hash(&toolbox);
    let deepest = |vm: &VM| {
        let mut session = session(vm, None);
        let mut reaches = |depth: u32| {
            let came = ask(
                &mut session,
                id(1),
                &asking(hash, "recurse", &words(&[depth])),
                LIMIT,
            );
            match came.0 {
                Ok(answer) => {
                    assert_eq!(answer, words(&[depth]));
                    true
                }
                Err(code) => {
                    assert_eq!(code, Outcome::HostFunctionMisuse);
                    false
                }
            }
        };
        let (mut low, mut high) = (1, 1_000_000);
        assert!(reaches(low) && !reaches(high));
        while high - low > 1 {
            let middle = (low + high) / 2;
            match reaches(middle) {
                true => low = middle,
                false => high = middle,
            }
        }
        low
    };
    let depth = everywhere(&chain, |vm| {
        let small = thread::Builder::new().stack_size(512 << 10);
        thread::scope(|scope| {
            let there = small.spawn_scoped(scope, || deepest(vm)).unwrap();
            (deepest(vm), there.join().unwrap())
        })
    });
    assert_eq!(depth.0, depth.1);
    assert!((1_000..100_000).contains(&depth.0), "{}", depth.0);
}

/// Nothing is kept from call to call.
#[test]
fn libraries_remember_nothing() {
    let toolbox = toolbox();
    let chain = Chain::with(&[&toolbox]);
    let asking = asking(code_hash(&toolbox), "count", &[]);
    everywhere(&chain, |vm| {
        let mut session = session(vm, None);
        let calls = [1, 1, 2].map(|contract| ask(&mut session, id(contract), &asking, LIMIT));
        assert_eq!(calls[0].0, Ok(words(&[1, 1])));
        assert!(calls.iter().all(|call| *call == calls[0]), "{calls:?}");
    });
}

/// P2: what fails a library fails who called it, and whoever called that goes on.
#[test]
fn callers_of_callers_survive() {
    let toolbox = toolbox();
    let chain = Chain::with(&[&toolbox]);
    let hash = code_hash(&toolbox);
    let _same = everywhere(&chain, |vm| {
        let mut session = session(vm, None);
        let mut relay = |function: &str| {
            let argument = [id(2).to_bytes().to_vec(), asking(hash, function, b"ab")].concat();
            came(session.call_raw(id(1), "relay", argument, LIMIT))
        };
        let (good, trapped, endless) = (relay("reverse"), relay("trap"), relay("spin"));
        assert_eq!(word_of(&good), 2);
        assert!((word_of(&trapped) as i32) < 0 && (word_of(&endless) as i32) < 0);
        assert!(trapped.1 > 30_000_000 && endless.1 > 30_000_000 && good.1 < trapped.1);
        (good, trapped, endless)
    });
}

/// P1: what a library hears of the world is the block's, and chance the same for everybody.
#[test]
fn the_world_is_the_block() {
    let world = world();
    let chain = Chain::with(&[&world]);
    let hash = code_hash(&world);
    let number = |came: &Came, at: usize| {
        let bytes = &came.0.as_ref().unwrap()[at..at + 8];
        u64::from_le_bytes(bytes.try_into().unwrap())
    };
    let told = everywhere(&chain, |vm| {
        let mut there = session(vm, Some(block()));
        let mut tell = |contract, argument: &[u8]| {
            ask(
                &mut there,
                id(contract),
                &asking(hash, "tell", argument),
                LIMIT,
            )
        };
        let calls = [
            tell(1, b"hi"),
            tell(1, b"hi"),
            tell(2, b"hi"),
            tell(1, b"ho"),
        ];
        // Another transaction, if the chain says which.
        there.set_meta_raw("transaction", vec![7]).unwrap();
        let other = ask(&mut there, id(1), &asking(hash, "tell", b"hi"), LIMIT);
        let nowhere = ask(
            &mut session(vm, None),
            id(1),
            &asking(hash, "tell", b"hi"),
            LIMIT,
        );
        (calls, nowhere, other)
    });
    let (calls, nowhere, other) = told;
    let first = &calls[0];
    assert_eq!(number(first, 0), 1_774_000_000);
    assert_eq!(number(first, 8) as u32, 123_000_000);
    assert_eq!(number(first, 32), 1_774_000_000_123_000_000);
    // No arguments, and what was written is taken.
    assert_eq!(number(first, 24), 0);
    assert_eq!(calls[1], *first, "the same call in another call tree");
    let numbers = [first, &calls[2], &calls[3], &nowhere, &other];
    let numbers = numbers.map(|came| [number(came, 16), number(came, 40)]);
    let mut drawn: Vec<u64> = numbers.concat();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 10, "{numbers:?}");
    assert_eq!(number(&nowhere, 0), 0);
}

/// P7: what the host does not do for libraries traps by name; what it does is paid for.
#[test]
fn the_host_is_paid_and_says_no_by_name() {
    let world = world();
    let chain = Chain::with(&[&world]);
    let hash = code_hash(&world);
    everywhere(&chain, |vm| {
        let mut session = session(vm, None);
        let mut fail = |function| {
            let failed = session.call_raw(id(1), "ask", asking(hash, function, &[]), LIMIT);
            let failed = reverted(failed);
            assert_eq!(failed.receipt.gas_spent, LIMIT);
            (failed.failure.code, failed.failure.text().into_owned())
        };
        let (code, text) = fail("exit");
        assert_eq!(code, Outcome::HostFunctionMisuse);
        assert!(
            text.contains("`wasi:cli/exit exit` is not there for libraries"),
            "{text}"
        );
        let (code, text) = fail("ask-much");
        assert_eq!(code, Outcome::HostFunctionMisuse);
        assert!(text.contains("at most 4096"), "{text}");
        assert_eq!(fail("ask-on").0, Outcome::OutOfGas);
    });
}

/// P1: names are strict, and what is not listed is not there.
#[test]
fn what_is_not_listed_is_not_there() {
    let (toolbox, world) = (toolbox(), world());
    let chain = Chain::with(&[&toolbox]);
    // It lies in the directory, but nobody lists it.
    fs::write(chain.file(&world), &world).unwrap();
    let hash = code_hash(&toolbox);
    everywhere(&chain, |vm| {
        let mut session = session(vm, None);
        let names = [
            format!("library:{}:tell", code_hash(&world)),
            format!("library:{hash}:nothing"),
            format!("library:{hash}:inner/reverse"),
            format!("library:{}:reverse", hash.to_string().to_uppercase()),
            format!("library:{hash}:reverse "),
            format!("library:{hash}"),
            "library:".to_owned(),
        ];
        for name in names {
            let failed = session.call_raw(id(1), "ask", asking_name(&name, b"a"), LIMIT);
            let failed = reverted(failed);
            assert_eq!(failed.failure.code, Outcome::HostFunctionMisuse);
            let text = failed.failure.text();
            assert!(text.contains("there is no function of a library"), "{text}");
        }
    });
}

/// P1: the same on many threads at once.
#[test]
fn threads_agree() {
    let (toolbox, world) = (toolbox(), world());
    let chain = Chain::with(&[&toolbox, &world]);
    let vm = chain.open(Backend::default()).unwrap();
    let run = || {
        let mut session = session(&vm, Some(block()));
        let asked = [
            asking(code_hash(&toolbox), "reverse", b"some bytes"),
            asking(code_hash(&world), "tell", b"x"),
            asking(code_hash(&toolbox), "recurse", &words(&[1_000])),
            asking(code_hash(&toolbox), "trap", &[]),
        ];
        let all: Vec<Came> = (0..40)
            .map(|turn| {
                ask(
                    &mut session,
                    id(1 + turn % 2),
                    &asked[turn as usize % 4],
                    LIMIT,
                )
            })
            .collect();
        (all, session.root().unwrap())
    };
    let alone = run();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

/// P7: a VM whose libraries are not what the protocol lists does not open, and says which and why.
#[test]
fn damaged_and_unfit_libraries_are_refused() {
    let toolbox = toolbox();
    let chain = Chain::with(&[&toolbox]);
    let mut damaged = toolbox.clone();
    damaged[toolbox.len() / 2] ^= 1;
    fs::write(chain.file(&toolbox), &damaged).unwrap();
    let problems = chain.problems();
    assert!(
        matches!(&problems[..], [BinaryError::Mismatch { found, .. }] if *found == code_hash(&damaged))
    );
    fs::remove_file(chain.file(&toolbox)).unwrap();
    assert!(matches!(
        &chain.problems()[..],
        [BinaryError::Missing { .. }]
    ));
    let mut config = chain.config(Backend::default());
    config.binaries.directory = None;
    match VM::ephemeral_with_config(config) {
        Err(OpenVmError::Binaries { problems }) => {
            assert!(matches!(&problems[..], [BinaryError::NoDirectory { .. }]));
        }
        other => panic!("{other:?}"),
    }
    let cells = code(CELLS);
    let unfit = |bytes: &[u8]| match Chain::with(&[bytes]).problems().remove(0) {
        BinaryError::Library { error, .. } => error,
        other => panic!("{other}"),
    };
    assert!(matches!(unfit(b"junk"), LibraryError::Invalid { .. }));
    assert!(matches!(unfit(&cells), LibraryError::Invalid { .. }));
    assert!(matches!(
        unfit(&toolbox[..toolbox.len() - 9]),
        LibraryError::Invalid { .. }
    ));
    assert!(matches!(unfit(&code(NESTED)), LibraryError::Nested { .. }));
    assert_eq!(unfit(&code(NO_FUNCTION)), LibraryError::NoFunction);
    let greedy = unfit(&code(
        r#"(component (import "node:keys/secret@0.2.0" (instance (export "key" (func (result u64)))))
        (core module $m (memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable)
          (func (export "f") (param i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func (export "f") (param "a" (list u8)) (result (list u8))
          (canon lift (core func $i "f") (memory (core memory $i "m")) (realloc (core func $i "r")))))"#,
    ));
    assert!(matches!(greedy, LibraryError::Import { name } if name == "node:keys/secret@0.2.0"));
}

/// P1: limits on libraries are the protocol's, and named.
#[test]
fn limits_are_named() {
    let toolbox = toolbox();
    let mut chain = Chain::with(&[&toolbox]);
    let limits: [Tightened; 5] = [
        ("code_bytes_max", |rules| rules.code_bytes_max = 100),
        ("body_bytes_max", |rules| rules.body_bytes_max = 20),
        ("nesting_max", |rules| rules.nesting_max = 2),
        ("instances_max", |rules| rules.instances_max = 0),
        ("stack_bytes", |rules| rules.stack_bytes = 100),
    ];
    let rules = chain.protocol.libraries.rules.clone();
    for (name, tighten) in limits {
        tighten(&mut chain.protocol.libraries.rules);
        match &chain.problems()[..] {
            [
                BinaryError::Library {
                    error: LibraryError::Limit { limit, .. },
                    ..
                },
            ] => {
                assert_eq!(*limit, name);
            }
            other => panic!("{name}: {other:?}"),
        }
        chain.protocol.libraries.rules = rules.clone();
    }
    chain.protocol.libraries.rules.stack_bytes = 1 << 40;
    let refused = chain.open(Backend::default());
    assert!(matches!(
        refused,
        Err(OpenVmError::Engine(crostata::EngineError::Limit { .. }))
    ));
}

/// P1: the rest of wasi that toolchains import is there and says that nothing is.
#[test]
fn nothing_is_behind_the_rest_of_wasi() {
    let rest = rest();
    let chain = Chain::with(&[&rest]);
    let asked = asking(code_hash(&rest), "ask", &[]);
    let came = everywhere(&chain, |vm| {
        ask(&mut session(vm, Some(block())), id(1), &asked, LIMIT)
    });
    let bytes = came.0.unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!((bytes[0], bytes[4]), (1, 1), "input is closed");
    assert_eq!((bytes[16], long(24)), (0, 4_096), "so much may be written");
    assert_eq!(bytes[32], 0, "flushed");
    assert_eq!(bytes[48], 0, "no terminal");
    assert_eq!(word(60), 0, "no directories");
    assert_eq!(bytes[64], 0, "no working directory");
    assert_ne!(long(80), long(88), "chance");
    assert_eq!((word(112), word(116)), (1, 2), "both are ready");
    assert_eq!(word(120), 1);
    assert_eq!(long(128), 1_000_000);
}

/// P1 and P7: however large frames are, the counter ends recursion before the native stack does, which would be a fault of the host.
#[test]
fn the_counter_ends_before_the_native_stack() {
    for (values, indirect) in [(0, true), (3, false), (40, true), (400, false)] {
        let diver = diver(values, indirect);
        let chain = Chain::with(&[&diver]);
        let dive = |depth| asking(code_hash(&diver), "dive", &words(&[depth]));
        everywhere(&chain, |vm| {
            let mut session = session(vm, None);
            let (few, all) = (dive(20), dive(1_000_000));
            let came = ask(&mut session, id(1), &few, LIMIT);
            assert_eq!(came.0, Ok(vec![0; 8]));
            let deep = ask(&mut session, id(1), &all, LIMIT);
            assert_eq!(deep, (Err(Outcome::HostFunctionMisuse), LIMIT), "{values}");
            came.1
        });
    }
}

/// P7: a query ends at its deadline while a library runs, as it does in a contract; in time, it answers what blocks do, at the same price.
#[test]
fn deadlines_end_libraries() {
    let toolbox = toolbox();
    let chain = Chain::with(&[&toolbox]);
    let hash = code_hash(&toolbox);
    let _same = everywhere(&chain, |vm| {
        let commit = session(vm, None).commit().unwrap();
        let query = |ticks| {
            let data = SessionData::builder().base(commit);
            vm.session(data.interrupted_after(ticks)).unwrap()
        };
        let reverse = asking(hash, "reverse", b"abc");
        let mut ordinary = vm.session(SessionData::builder().base(commit)).unwrap();
        let in_time = ask(&mut query(1_000_000), id(1), &reverse, LIMIT);
        assert_eq!(in_time, ask(&mut ordinary, id(1), &reverse, LIMIT));
        let ended = AtomicBool::new(false);
        let mut session = query(3);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    vm.tick();
                    thread::yield_now();
                }
            });
            // Minutes of work, so that a deadline that is not kept to is seen as out of gas.
            let late = session.call_raw(id(1), "ask", asking(hash, "spin", &[]), 1 << 37);
            ended.store(true, Ordering::Relaxed);
            assert!(matches!(late, Err(Error::Timeout)), "{late:?}");
        });
        assert!(vm.is_healthy());
        in_time
    });
}
