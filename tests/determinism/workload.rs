//! One scripted workload, run in many ways.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crostata::{
    Backend, CallReceipt, CallTree, Commit, Config, ContractData, ContractId, Error, Event,
    Outcome, PricedQuery, ProofItem, ReceiptDigest, Root, Session, SessionData, VM,
    contract_bytecode,
};

use crate::fixtures::actor::{
    Call, Grow, Keep, Panic, Recurse, SPIN_GAS, See, Spin, Trap, Try, TryWith, Write, actor, cell,
    script,
};
use crate::fixtures::{BACKENDS, LIMIT, Narrow, Wide, id, owner, probe, reverted, use_argument};

/// What consensus and embedders see of one frame; texts are left out.
type Frame = (ContractId, String, usize, u64, u64, Option<Outcome>, bool);

/// What consensus and embedders see of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    step: &'static str,
    outcome: Option<Outcome>,
    data: Vec<u8>,
    gas: u64,
    events: Vec<Event>,
    reverted_events: Vec<Event>,
    tree: Vec<Frame>,
    digest: Option<ReceiptDigest>,
    root: Root,
}

fn frames(tree: &CallTree) -> Vec<Frame> {
    tree.iter()
        .map(|frame| {
            let failure = frame.failure.as_ref().map(|failure| failure.code);
            let (id, function) = (frame.contract_id, frame.function.clone());
            let (limit, spent) = (frame.gas_limit, frame.gas_spent);
            (
                id,
                function,
                frame.depth,
                limit,
                spent,
                failure,
                frame.reverted,
            )
        })
        .collect()
}

fn seen<T>(
    step: &'static str,
    outcome: Outcome,
    data: Vec<u8>,
    receipt: CallReceipt<T>,
    root: Root,
) -> Seen {
    Seen {
        step,
        outcome: Some(outcome),
        data,
        gas: receipt.gas_spent,
        events: receipt.events,
        reverted_events: receipt.reverted_events,
        tree: frames(&receipt.call_tree),
        digest: Some(receipt.digest),
        root,
    }
}

/// How the workload is run.
#[derive(Clone, Copy, Default)]
struct Way {
    backend: Backend,
    /// Commits after each step, and opens a session over the commit.
    commits: bool,
    /// Listens to debug messages, and looks at everything between steps.
    watches: bool,
    /// Forgets all compiled code between steps.
    forgets: bool,
    /// Has a deadline that does not pass. Such sessions are not committed.
    deadline: bool,
}

/// A run under way.
struct Run<'a> {
    vm: &'a VM,
    way: Way,
    session: Session,
    seen: Vec<Seen>,
    heard: Arc<AtomicU32>,
}

fn session_data() -> crostata::SessionDataBuilder {
    SessionData::builder().insert("height", &8_849u64).unwrap()
}

impl<'a> Run<'a> {
    fn new(vm: &'a VM, way: Way, base: Option<Commit>) -> Self {
        let data = match base {
            Some(base) => session_data().base(base),
            None => session_data(),
        };
        let data = match way.deadline {
            true => data.interrupted_after(1),
            false => data,
        };
        let mut run = Self {
            vm,
            way,
            session: vm.session(data).unwrap(),
            seen: Vec::new(),
            heard: Arc::default(),
        };
        run.listen();
        run
    }

    fn listen(&mut self) {
        if self.way.watches {
            let heard = self.heard.clone();
            self.session.set_debug_sink(move |_, _: &str| {
                heard.fetch_add(1, Ordering::Relaxed);
            });
        }
    }

    fn between(&mut self) {
        if self.way.watches {
            let pages = self.session.memory_pages(id(0));
            pages.into_iter().flatten().for_each(drop);
            let _ = self.session.prove(&[ProofItem::Contract(id(1))]);
        }
        if self.way.forgets {
            for number in 0..8 {
                if let Some(known) = self.session.contract_metadata(&id(number)).unwrap() {
                    self.vm.remove_module(&known.code_hash);
                }
            }
        }
        if self.way.commits {
            let root = self.session.root().unwrap();
            let commit = self.session.commit().unwrap();
            assert_eq!(commit.root, root);
            self.session = self.vm.session(session_data().base(commit)).unwrap();
            assert_eq!(self.session.root().unwrap(), root);
            self.listen();
        }
    }

    fn deploys(&mut self, step: &'static str, number: u8, code: &[u8], init: Option<Vec<u8>>) {
        let data = ContractData::builder()
            .contract_id(id(number))
            .owner(owner(number));
        let data = match init {
            Some(argument) => data.init_arg_raw(argument),
            None => data,
        };
        let deployed = self.session.deploy_with_receipt(code, data, LIMIT);
        let root = self.session.root().unwrap();
        self.seen.push(match deployed {
            Err(error) => Self::failed(step, error, root),
            Ok(deployed) => match deployed.init {
                Some(init) => seen(step, Outcome::Success, init.data.clone(), init, root),
                None => Self::silent(step, root),
            },
        });
        self.between();
    }

    fn silent(step: &'static str, root: Root) -> Seen {
        Seen {
            step,
            outcome: None,
            data: Vec::new(),
            gas: 0,
            events: Vec::new(),
            reverted_events: Vec::new(),
            tree: Vec::new(),
            digest: None,
            root,
        }
    }

    fn failed(step: &'static str, error: Error, root: Root) -> Seen {
        match error {
            Error::Rejected(_) => Self::silent(step, root),
            error => {
                let failed = reverted::<()>(Err(error));
                seen(step, failed.failure.code, Vec::new(), failed.receipt, root)
            }
        }
    }

    fn calls(&mut self, step: &'static str, number: u8, function: &str, argument: &[u8], gas: u64) {
        let called = self.session.call_raw(id(number), function, argument, gas);
        let root = self.session.root().unwrap();
        self.seen.push(match called {
            Ok(receipt) => seen(step, Outcome::Success, receipt.data.clone(), receipt, root),
            Err(error) => Self::failed(step, error, root),
        });
        self.between();
    }

    fn uses(&mut self, step: &'static str, import: &str, parameters: &[i64], buffer: &[u8]) {
        let argument = use_argument(parameters, buffer, 64);
        self.calls(step, 3, &format!("use_{import}"), &argument, LIMIT);
    }

    fn acts(&mut self, step: &'static str, number: u8, steps: &[crate::fixtures::actor::Step]) {
        self.calls(step, number, "run", &script(steps), LIMIT);
    }
}

/// Deployments: wat and Rust, both widths, with a constructor that succeeds, fails, and is absent.
fn deployments(run: &mut Run<'_>) {
    run.deploys("narrow actor", 0, &actor(Narrow), None);
    run.deploys("wide actor", 1, &actor(Wide), None);
    run.deploys("narrow actor again", 2, &actor(Narrow), None);
    run.deploys("probe", 3, &probe(Wide), None);
    run.deploys("taken id", 3, &probe(Wide), None);
    let init = |value: i64| Some(value.to_le_bytes().to_vec());
    let initializer = contract_bytecode!("initializer");
    run.deploys("failing init", 4, initializer, init(-1));
    run.deploys("init", 4, initializer, init(5));
    run.deploys("junk", 5, b"no wasm", None);
    run.deploys(
        "recursion contract",
        5,
        contract_bytecode!("recursion"),
        None,
    );
    run.deploys("grower", 6, contract_bytecode!("grower"), None);
    let ledger = [[7; 32].to_vec(), 1_000u64.to_le_bytes().to_vec()].concat();
    run.deploys("ledger", 7, contract_bytecode!("ledger"), Some(ledger));
}

/// Calls between actors that write, grow and fail in all ways.
fn trees(run: &mut Run<'_>) {
    run.acts("write", 0, &[Write(cell(0), 1), Keep(1), See(cell(0))]);
    let inner = vec![
        Write(cell(1), 2),
        Grow(1),
        Write(4 << 16, 5),
        See(4 << 16),
        Panic,
    ];
    let tree = [
        Try(1, inner.clone()),
        Call(2, vec![Write(cell(3), 3), Try(0, inner), Grow(1)]),
        TryWith(1, SPIN_GAS, vec![Spin]),
        Try(2, vec![Recurse]),
        Grow(9),
        Grow(1),
        See(4 << 16),
    ];
    run.acts("tree", 0, &tree);
    run.acts(
        "trap",
        1,
        &[Write(cell(9), 9), Grow(2), Call(0, tree.to_vec()), Trap],
    );
    run.acts("out of bounds", 0, &[Write((12 << 16) - 3, 1)]);
    run.acts("recursion", 0, &[Write(cell(0), 4), Recurse]);
    run.calls(
        "out of gas",
        0,
        "run",
        &script(&[Write(cell(0), 4), Spin]),
        1_000_000,
    );
    run.calls("little gas", 0, "run", &script(&tree), 300_000);
    run.calls("no gas", 0, "run", &[], 0);
    run.calls("no function", 0, "absent", &[], LIMIT);
    run.acts("zeros again", 0, &[Write(cell(0), 0), Write(4 << 16, 0)]);
}

/// Every import, with and without success.
fn imports(run: &mut Run<'_>) {
    let names = [&b"reverse"[..], b"height", b"topic", b"run"];
    for (at, name) in (0u32..).zip(names) {
        let argument = [&(1_000 + 100 * at).to_le_bytes()[..], name].concat();
        run.calls("poke", 3, "poke", &argument, LIMIT);
    }
    let target = [&2_000u32.to_le_bytes()[..], id(1).as_bytes()].concat();
    run.calls("poke", 3, "poke", &target, LIMIT);
    run.uses("hq", "hq", &[1_000, 7, 3], b"abc");
    run.uses("no hq", "hq", &[1_000, 6, 3], b"abc");
    run.uses("hd", "hd", &[1_100, 6], b"");
    run.uses("emit", "emit", &[1_200, 5, 8], b"contents");
    run.uses("bad emit", "emit", &[-1, 5, 8], b"contents");
    run.uses("feed", "feed", &[3], b"abc");
    for import in ["caller", "callstack", "limit", "spent", "self_id"] {
        run.uses("facts", import, &[], b"");
    }
    run.uses("owner", "owner", &[2_000], b"");
    run.uses("panic", "panic", &[3], b"abc");
    run.uses("debug", "hdebug", &[8], b"message!");
    let steps = script(&[Write(cell(7), 7), See(cell(7))]);
    let len = steps.len() as i64;
    run.uses("call", "c", &[2_000, 1_300, 3, len, 0], &steps);
}

/// Calls of contracts built from Rust.
fn rust(run: &mut Run<'_>) {
    run.calls("increment", 4, "increment", &[], LIMIT);
    run.calls("deep", 5, "within", &500u32.to_le_bytes(), LIMIT);
    run.calls("too deep", 5, "within_forever", &[], LIMIT);
    run.calls("by calls", 5, "by_calls", &30u32.to_le_bytes(), LIMIT);
    run.calls("until refused", 5, "by_calls_until_refused", &[], LIMIT);
    let growth = [&2u64.to_le_bytes()[..4], &[0; 4], &9u64.to_le_bytes()].concat();
    for function in [
        "grow_and_fill",
        "catch_grow_then_fail",
        "grow_then_fail",
        "size",
    ] {
        run.calls("growth", 6, function, &growth, LIMIT);
        run.calls(
            "growth",
            6,
            function,
            &[&growth[..4], &growth[8..]].concat(),
            LIMIT,
        );
    }
    let transfer = |amount: u64| {
        [[7; 32], [8; 32]]
            .concat()
            .into_iter()
            .chain(amount.to_le_bytes())
    };
    let argument: Vec<u8> = transfer(40).collect();
    run.calls("transfer", 7, "transfer", &argument, LIMIT);
    let argument: Vec<u8> = transfer(4_000).collect();
    run.calls("too large a transfer", 7, "transfer", &argument, LIMIT);
    let many = [1u64, 300, 5].map(u64::to_le_bytes).concat();
    run.calls("mint", 7, "mint_many", &many, LIMIT);
}

/// Parts of the workload, in order.
const PARTS: [fn(&mut Run<'_>); 4] = [deployments, trees, imports, rust];

fn with_queries(mut vm: VM) -> VM {
    let reverse = |argument: &[u8]| Ok(argument.iter().rev().copied().collect());
    vm.register_host_query("reverse", PricedQuery::new(500, reverse));
    vm
}

fn open(path: &Path, backend: Backend) -> VM {
    let config = Config {
        backend,
        ..Config::default()
    };
    with_queries(VM::with_config(path, config).unwrap())
}

fn run(vm: &VM, way: Way) -> Vec<Seen> {
    let mut run = Run::new(vm, way, None);
    for part in PARTS {
        part(&mut run);
    }
    assert_eq!(run.heard.load(Ordering::Relaxed) > 0, way.watches);
    run.seen
}

fn run_fresh(way: Way) -> Vec<Seen> {
    let config = Config {
        backend: way.backend,
        ..Config::default()
    };
    run(
        &with_queries(VM::ephemeral_with_config(config).unwrap()),
        way,
    )
}

/// The run that all others are held against.
fn plain() -> Vec<Seen> {
    run_fresh(Way::default())
}

fn hold(expected: &[Seen], got: &[Seen]) {
    for (expected, got) in expected.iter().zip(got) {
        assert_eq!(expected, got);
    }
    assert_eq!(expected.len(), got.len());
}

/// The workload does what it is meant to: it has successes and failures of many kinds, and changes the root.
#[test]
fn the_workload_is_rich() {
    let seen = plain();
    let of = |step: &str| seen.iter().find(|seen| seen.step == step).unwrap().outcome;
    for step in [
        "init",
        "write",
        "tree",
        "zeros again",
        "hq",
        "hd",
        "emit",
        "owner",
        "debug",
        "call",
        "increment",
        "deep",
        "by calls",
        "until refused",
        "transfer",
        "mint",
        "ledger",
    ] {
        assert_eq!(of(step), Some(Outcome::Success), "{step}");
    }
    assert_eq!(of("failing init"), Some(Outcome::Panic));
    assert_eq!(of("trap"), Some(Outcome::Unreachable));
    assert_eq!(of("out of bounds"), Some(Outcome::MemoryOutOfBounds));
    assert_eq!(of("recursion"), Some(Outcome::StackExhausted));
    assert_eq!(of("too deep"), Some(Outcome::StackExhausted));
    assert_eq!(of("no gas"), Some(Outcome::OutOfGas));
    assert_eq!(of("too large a transfer"), Some(Outcome::Panic));
    assert_eq!((of("taken id"), of("junk")), (None, None));
    assert!(seen.iter().any(|seen| seen.reverted_events.len() > 2));
    let growths = seen.iter().filter(|seen| seen.step == "growth");
    assert!(
        growths
            .filter(|seen| seen.outcome == Some(Outcome::Success))
            .count()
            >= 3
    );
    let roots: std::collections::BTreeSet<_> = seen.iter().map(|seen| seen.root).collect();
    assert!(roots.len() > 15, "{}", roots.len());
}

/// Both backends give the same, and one backend gives the same twice.
#[test]
fn backends_agree() {
    let expected = plain();
    for backend in BACKENDS {
        let way = Way {
            backend,
            ..Way::default()
        };
        hold(&expected, &run_fresh(way));
    }
}

/// Committing after each step and going on in a new session changes nothing.
#[test]
fn committing_between_steps_changes_nothing() {
    let way = Way {
        commits: true,
        ..Way::default()
    };
    hold(&plain(), &run_fresh(way));
}

/// Listening to debug messages and looking at pages and proofs between steps changes nothing.
#[test]
fn watching_changes_nothing() {
    let way = Way {
        watches: true,
        ..Way::default()
    };
    hold(&plain(), &run_fresh(way));
}

/// Forgetting compiled code between steps changes nothing, with and without commits between.
#[test]
fn forgetting_modules_changes_nothing() {
    let expected = plain();
    for commits in [false, true] {
        let way = Way {
            forgets: true,
            commits,
            ..Way::default()
        };
        hold(&expected, &run_fresh(way));
    }
}

/// A deadline that does not pass changes nothing.
#[test]
fn deadlines_change_nothing() {
    let expected = plain();
    for backend in BACKENDS {
        let way = Way {
            backend,
            deadline: true,
            ..Way::default()
        };
        hold(&expected, &run_fresh(way));
    }
}

/// A VM that is opened anew for each part, every time under the other backend, gives the same.
#[test]
fn reopening_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut seen, mut base) = (Vec::new(), None);
    for (part, backend) in PARTS.iter().zip(BACKENDS.iter().cycle()) {
        let vm = open(directory.path(), *backend);
        let mut run = Run::new(&vm, Way::default(), base);
        part(&mut run);
        seen.append(&mut run.seen);
        base = Some(run.session.commit().unwrap());
    }
    hold(&plain(), &seen);
}

/// A VM that has run everything before, in sessions dropped and committed, gives the same in a fresh session.
#[test]
fn a_used_vm_gives_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let vm = open(directory.path(), Backend::default());
    let first = run(&vm, Way::default());
    run(
        &vm,
        Way {
            commits: true,
            ..Way::default()
        },
    );
    hold(&first, &run(&vm, Way::default()));
}

/// Sessions on several threads at once over one VM give the same, committing or not.
#[test]
fn threads_agree() {
    let expected = plain();
    for backend in BACKENDS {
        let config = Config {
            backend,
            ..Config::default()
        };
        let vm = with_queries(VM::ephemeral_with_config(config).unwrap());
        std::thread::scope(|scope| {
            let ways = [(false, true), (true, false), (false, false), (true, true)];
            let running = ways.map(|(commits, forgets)| {
                let way = Way {
                    commits,
                    forgets,
                    backend,
                    watches: forgets,
                    deadline: false,
                };
                let vm = &vm;
                scope.spawn(move || run(vm, way))
            });
            for thread in running {
                hold(&expected, &thread.join().unwrap());
            }
        });
    }
}
