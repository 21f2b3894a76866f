//! Calibration of the prices of libraries: what everything of them that has a price takes, in time and in the gas it is charged.
//!
//!     cargo bench --bench libraries --features libraries            # all of it
//!     cargo bench --bench libraries --features libraries -- page    # the rules whose names contain this
//!
//! For each rule a contract calls functions of two libraries, or of one with two arguments, that differ in nothing but what is priced; the one is
//! taken off the other. Times are those of the thread on the processor, the least of several rounds that take turns. The columns are those of
//! `calibrate`: nanoseconds for one, gas charged for one, nanoseconds per gas, that over the least time per gas of a fair program, and the
//! gas that it would be charged if it were as dear as the median fair program.

#[path = "common/mod.rs"]
mod common;
#[path = "calibrate/fair.rs"]
mod fair;
#[path = "calibrate/measure.rs"]
#[allow(dead_code, reason = "made for `calibrate`, which uses all of it")]
mod measure;

use crostata::{
    BinariesConfig, BlockContext, CodeHash, Config, ContractData, ContractId, Libraries, Protocol,
    Session, SessionData, VM, code_hash,
};
use measure::{Cost, module, thread_ns};

/// Rounds, of which the fastest counts.
const ROUNDS: usize = 9;

const CONTRACT: ContractId = ContractId::from_bytes([1; 32]);

/// A contract that asks so many times what its argument says: a count, the bytes of the question, a byte with the length of the name, the name.
const ASKER: &str = r#"(module
  (import "env" "hq" (func $hq (param i32 i32 i32) (result i32)))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "ask") (param i32) (result i32)
    (local $times i32) (local $len i32) (local $name i32)
    (local.set $times (i32.load (i32.const 65536)))
    (local.set $len (i32.load (i32.const 65540)))
    (local.set $name (i32.load8_u (i32.const 65544)))
    (memory.copy (i32.const 0) (i32.const 65545) (local.get $name))
    (block (br_if 0 (i32.eqz (local.get $times)))
      (loop
        (drop (call $hq (i32.const 0) (local.get $name) (local.get $len)))
        (br_if 0 (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))
    (i32.const 0)))"#;

/// What a component is made of, besides its functions.
#[derive(Clone, Copy)]
struct Shape {
    /// Core instances, the one with the functions included.
    instances: usize,
    /// Pages of 64 KiB of its memory.
    pages: u32,
    /// Elements of its table.
    elements: u32,
    /// Functions, each in the table, and globals that it has besides.
    functions: u32,
}

const LEAST: Shape = Shape {
    instances: 1,
    pages: 1,
    elements: 0,
    functions: 0,
};

/// What functions of libraries do.
const FUNCTIONS: [(&str, &str); 7] = [
    ("nothing", ""),
    (
        // As many bytes as the argument has.
        "answer",
        "(i32.store (i32.const 20) (local.get 1))",
    ),
    (
        // A byte of each 4 KiB of the memory.
        "touch",
        r#"(local $at i32) (local $end i32)
      (local.set $end (i32.mul (memory.size) (i32.const 65536)))
      (local.set $at (i32.const 4096))
      (loop
        (i32.store8 (local.get $at) (i32.const 1))
        (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (local.get $end))))"#,
    ),
    ("grow", "(drop (memory.grow (i32.const 63)))"),
    (
        "grow-each",
        r#"(local $n i32) (local.set $n (i32.const 63))
      (loop (drop (memory.grow (i32.const 1))) (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"#,
    ),
    (
        "grow-table",
        "(drop (table.grow (ref.null func) (i32.const 60000)))",
    ),
    (
        // An element of each 4 KiB.
        "touch-table",
        r#"(local $at i32)
      (block (br_if 0 (i32.lt_u (table.size) (i32.const 60000)))
        (loop
          (table.set (local.get $at) (table.get (local.get $at)))
          (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 512))) (i32.const 60000)))))"#,
    ),
];

/// A component. Its `realloc` gives the same place each time: nothing here is called with more than one list.
fn component(shape: Shape) -> Vec<u8> {
    let Shape {
        instances,
        pages,
        elements,
        functions: more,
    } = shape;
    let elements = elements.max(more);
    let fillers = fillers(more);
    let others: String = (1..instances)
        .map(|_| "(core instance (instantiate $other))".to_owned())
        .collect();
    let functions: String = FUNCTIONS
        .iter()
        .map(|(name, body)| {
            format!(
                "(func (export \"{name}\") (param i32 i32) (result i32) {body}\n(i32.const 16))\n"
            )
        })
        .collect();
    let lifts: String = FUNCTIONS.iter().map(|(name, _)| lift(name, "$i")).collect();
    module(&format!(
        r#"(component
  (core module $other (func))
  (core module $m
    (memory (export "memory") {pages})
    (table {elements} funcref)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    {functions}
    {fillers})
  {others}
  (core instance $i (instantiate $m))
  {lifts})"#
    ))
}

/// Functions, each in the table and exported, and as many globals.
fn fillers(count: u32) -> String {
    let each = |number| format!("(func $f{number} (export \"f{number}\"))\n");
    let functions: String = (0..count).map(each).collect();
    let names: String = (0..count).map(|number| format!("$f{number} ")).collect();
    let globals = "(global (mut i64) (i64.const 1))\n".repeat(count as usize);
    format!("{functions} (elem (i32.const 0) {names}) {globals}")
}

fn lift(name: &str, instance: &str) -> String {
    format!(
        r#"(func (export "{name}") (param "argument" (list u8)) (result (list u8))
    (canon lift (core func {instance} "{name}") (memory (core memory {instance} "memory")) (realloc (core func {instance} "realloc"))))
"#
    )
}

/// A component whose functions call the host as many times as the argument has bytes.
fn caller() -> Vec<u8> {
    let each = [
        ("number", "(drop (call $number))"),
        ("ticks", "(drop (call $ticks))"),
        ("no-bytes", "(call $bytes (i64.const 0) (i32.const 64))"),
        ("bytes", "(call $bytes (i64.const 4000) (i32.const 64))"),
        ("wall", "(call $now (i32.const 64))"),
        ("stdout", "(call $drop (call $out))"),
        (
            "write-none",
            "(call $write (local.get 2) (i32.const 0) (i32.const 0) (i32.const 64))",
        ),
        (
            "write",
            "(call $write (local.get 2) (i32.const 0) (i32.const 4000) (i32.const 64))",
        ),
        ("arguments", "(call $arguments (i32.const 64))"),
        (
            "poll-one",
            "(i32.store (i32.const 512) (local.get 3)) (call $poll (i32.const 512) (i32.const 1) (i32.const 64))",
        ),
        (
            "poll",
            r#"(memory.fill (i32.const 512) (i32.const 0) (i32.const 4000))
            (call $each (local.get 3)) (call $poll (i32.const 512) (i32.const 1000) (i32.const 64))"#,
        ),
        ("each", "(call $each (local.get 3))"),
        (
            // Once, and all memory is touched, whatever the argument.
            "plain",
            "(local.set 1 (i32.const 1)) (memory.fill (i32.const 12288) (i32.const 0) (i32.const 53000))",
        ),
    ];
    let functions: String = each
        .iter()
        .map(|(name, body)| {
            format!(
                r#"(func (export "{name}") (param i32 i32) (result i32) (local i32 i32)
      (local.set 2 (call $out))
      (local.set 3 (call $subscribe (local.get 2)))
      (block (br_if 0 (i32.eqz (local.get 1)))
        (loop {body} (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))))
      (i32.const 16))
"#
            )
        })
        .collect();
    let lifts: String = each
        .iter()
        .map(|(name, _)| {
            lift(name, "$i")
                .replace("memory $i", "memory $libc")
                .replace("func $i \"realloc\"", "func $libc \"realloc\"")
        })
        .collect();
    module(&format!(
        "(component {HOST} {functions})\n{INSTANCE} {lifts})"
    ))
}

const HOST: &str = r#"
  (import "wasi:clocks/wall-clock@0.2.3" (instance $clock
    (type $dt (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $dt)))
    (export "now" (func (result $datetime)))))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $monotonic
    (export "now" (func (result u64)))))
  (import "wasi:random/random@0.2.3" (instance $random
    (export "get-random-u64" (func (result u64)))
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:cli/environment@0.2.3" (instance $environment
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:io/error@0.2.3" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error-type))
  (import "wasi:io/poll@0.2.3" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (type $borrowed (borrow $p))
    (type $asked (list $borrowed))
    (type $ready (list u32))
    (export "poll" (func (param "in" $asked) (result $ready)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (export "output-stream" (type $os (sub resource)))
    (alias outer 1 $error-type (type $e))
    (export "error" (type $error (eq $e)))
    (alias outer 1 $pollable (type $p0))
    (export "pollable" (type $p (eq $p0)))
    (type $own-error (own $error))
    (type $own-pollable (own $p))
    (type $se (variant (case "last-operation-failed" $own-error) (case "closed")))
    (export "stream-error" (type $stream-error (eq $se)))
    (type $self (borrow $os))
    (type $outcome (result (error $stream-error)))
    (export "[method]output-stream.subscribe" (func (param "self" $self) (result $own-pollable)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" $self) (param "contents" (list u8)) (result $outcome)))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.3" (instance $stdout
    (alias outer 1 $output (type $o))
    (export "output-stream" (type $stream (eq $o)))
    (type $own (own $stream))
    (export "get-stdout" (func (result $own)))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 12288)))
  (core instance $libc (instantiate $libc))
  (core func $now (canon lower (func $clock "now") (memory (core memory $libc "memory"))))
  (core func $ticks (canon lower (func $monotonic "now")))
  (core func $number (canon lower (func $random "get-random-u64")))
  (core func $bytes (canon lower (func $random "get-random-bytes") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $arguments (canon lower (func $environment "get-arguments") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $out (canon lower (func $stdout "get-stdout")))
  (core func $subscribe (canon lower (func $streams "[method]output-stream.subscribe")))
  (core func $poll-all (canon lower (func $poll "poll") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $drop (canon resource.drop $output))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory (core memory $libc "memory"))))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "host" "now" (func $now (param i32)))
    (import "host" "ticks" (func $ticks (result i64)))
    (import "host" "number" (func $number (result i64)))
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (import "host" "arguments" (func $arguments (param i32)))
    (import "host" "out" (func $out (result i32)))
    (import "host" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "host" "poll" (func $poll (param i32 i32 i32)))
    (import "host" "drop" (func $drop (param i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (func $each (param i32) (local $at i32)
      (loop
        (i32.store offset=512 (local.get $at) (local.get 0))
        (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 4000)))))
"#;

const INSTANCE: &str = r#"
  (core instance $i (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "now" (func $now)) (export "ticks" (func $ticks)) (export "number" (func $number)) (export "bytes" (func $bytes))
      (export "arguments" (func $arguments)) (export "out" (func $out)) (export "subscribe" (func $subscribe))
      (export "poll" (func $poll-all)) (export "drop" (func $drop)) (export "write" (func $write))))))
"#;

/// A function of a library with an argument of so many bytes.
#[derive(Clone, Copy)]
struct Asked {
    library: CodeHash,
    function: &'static str,
    bytes: u32,
}

impl Asked {
    /// The argument of the contract that asks it so many times.
    fn argument(&self, times: u32) -> Vec<u8> {
        let name = format!("library:{}:{}", self.library, self.function);
        let mut argument = common::numbers(&[times, self.bytes]);
        argument.push(name.len() as u8);
        argument.extend(name.as_bytes());
        argument
    }
}

/// What is measured: so many of something more in `with` than in `without`.
struct Case {
    rule: &'static str,
    with: Asked,
    without: Option<Asked>,
    count: f64,
}

/// A session whose contract can ask all libraries of the bench.
struct Scene {
    session: Session,
    _vm: VM,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn with(libraries: &[Vec<u8>]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for library in libraries {
            let name = format!("{}.wasm", code_hash(library));
            std::fs::write(directory.path().join(name), library).expect("a file");
        }
        let protocol = Protocol {
            libraries: Libraries::new(libraries.iter().map(|library| code_hash(library))),
            ..Protocol::default()
        };
        let config = Config {
            protocols: vec![protocol],
            binaries: BinariesConfig {
                directory: Some(directory.path().to_path_buf()),
                ..BinariesConfig::default()
            },
            ..Config::default()
        };
        let vm = VM::ephemeral_with_config(config).expect("a VM");
        let block = BlockContext::new(7, 1_774_000_000_123);
        let data = SessionData::builder().block(block).expect("a block");
        let mut session = vm.session(data).expect("a session");
        let data = ContractData::builder().contract_id(CONTRACT);
        session
            .deploy(module(ASKER), data, common::LIMIT)
            .expect("the contract deploys");
        Self {
            session,
            _vm: vm,
            _directory: directory,
        }
    }

    fn ask(&mut self, asked: &Asked, times: u32) -> Cost {
        let argument = asked.argument(times);
        let begin = thread_ns();
        let receipt = self
            .session
            .call_raw(CONTRACT, "ask", argument, common::LIMIT)
            .expect("the library answers");
        Cost {
            ns: thread_ns() - begin,
            gas: receipt.gas_spent as f64,
        }
    }

    /// What one of a case takes.
    fn measure(&mut self, case: &Case) -> Cost {
        const TIMES: u32 = 200;
        let least = |costs: Vec<Cost>| {
            let least = costs.into_iter();
            least.min_by(|one, other| one.ns.total_cmp(&other.ns))
        };
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            with.push(self.ask(&case.with, TIMES));
            without.push(match &case.without {
                Some(other) => self.ask(other, TIMES),
                None => self.ask(&case.with, 0),
            });
        }
        let (with, without) = (least(with), least(without));
        let without = without.expect("some rounds");
        with.expect("some rounds")
            .beyond(without, case.count * f64::from(TIMES))
    }
}

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| filter.as_deref().is_none_or(|filter| name.contains(filter));
    let mut rates: Vec<f64> = fair::programs()
        .iter()
        .map(|(_, cost)| cost.rate())
        .collect();
    rates.sort_by(f64::total_cmp);
    let (cheapest, fair) = (rates[0], rates[rates.len() / 2]);
    println!("fair programs: {cheapest:.3} ns per gas, the median {fair:.3}");
    println!(
        "{:44} {:>10} {:>10} {:>8} {:>7} {:>10}",
        "rule", "ns", "gas", "ns/gas", "x", "fair gas"
    );
    let libraries = Shelf::new();
    let mut scene = Scene::with(&libraries.binaries());
    for case in libraries.cases().iter().filter(|case| wanted(case.rule)) {
        let cost = scene.measure(case);
        println!(
            "{:44} {:10.2} {:10.2} {:8.3} {:7.2} {:10.1}",
            case.rule,
            cost.ns,
            cost.gas,
            cost.rate(),
            cost.rate() / cheapest,
            cost.ns / fair,
        );
    }
    if wanted("ed25519") {
        signatures();
    }
}

/// What a signature of Ed25519 takes, verified by a library and by a contract.
fn signatures() {
    const VERIFIER: &[u8] = include_bytes!("../libraries/artifacts/verify_ed25519.wasm");
    const NOTARY: &[u8] = include_bytes!("../libraries/artifacts/notary.wasm");
    let mut scene = Scene::with(&[VERIFIER.to_vec()]);
    let id = ContractId::from_bytes([2; 32]);
    let data = ContractData::builder().contract_id(id);
    let deployed = scene.session.deploy(NOTARY, data, common::LIMIT);
    deployed.expect("the contract deploys");
    let signed = signed();
    let encode = |argument| crostata_abi::typed::encode(&argument).expect("it fits");
    let library = code_hash(VERIFIER).to_string();
    let by_library = encode((library, signed.clone()));
    let alone = crostata_abi::typed::encode(&signed).expect("it fits");
    for (rule, function, argument) in [
        ("ed25519: by a library", "see", &by_library),
        ("ed25519: by the contract", "see_alone", &alone),
    ] {
        let cost = measure::call(&mut scene.session, id, function, argument);
        println!(
            "{rule:44} {:10.0} {:10.0} {:8.3}",
            cost.ns,
            cost.gas,
            cost.rate()
        );
    }
}

/// The third example of RFC 8032: a key, a signature, a message.
fn signed() -> Vec<u8> {
    let text = concat!(
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        "af82"
    );
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(pair, 16).expect("digits")
        })
        .collect()
}

/// The libraries that are compared.
struct Shelf {
    least: Vec<u8>,
    instances: Vec<u8>,
    pages: Vec<u8>,
    elements: Vec<u8>,
    large: Vec<u8>,
    caller: Vec<u8>,
}

impl Shelf {
    fn new() -> Self {
        Self {
            least: component(LEAST),
            instances: component(Shape {
                instances: 8,
                ..LEAST
            }),
            pages: component(Shape { pages: 64, ..LEAST }),
            elements: component(Shape {
                elements: 60_000,
                ..LEAST
            }),
            large: component(Shape {
                functions: 2_000,
                ..LEAST
            }),
            caller: caller(),
        }
    }

    fn binaries(&self) -> Vec<Vec<u8>> {
        let all = [
            &self.least,
            &self.instances,
            &self.pages,
            &self.elements,
            &self.large,
            &self.caller,
        ];
        all.into_iter().cloned().collect()
    }

    fn cases(&self) -> Vec<Case> {
        let asked = |library: &[u8], function, bytes| Asked {
            library: code_hash(library),
            function,
            bytes,
        };
        let least = |function, bytes| asked(&self.least, function, bytes);
        let host = |function, times| asked(&self.caller, function, times);
        let case = |rule, with, without, count| Case {
            rule,
            with,
            without: Some(without),
            count,
        };
        let nothing = least("nothing", 0);
        let mut cases = vec![
            Case {
                rule: "library.call_base: 1 instance, 1 page",
                with: nothing,
                without: None,
                count: 1.0,
            },
            Case {
                rule: "library.call_base: the page touched",
                with: least("touch", 0),
                without: None,
                count: 1.0,
            },
            case(
                "library.instance",
                asked(&self.instances, "nothing", 0),
                nothing,
                7.0,
            ),
            case(
                "library.byte: of 1,000 in",
                least("touch", 1_000),
                least("touch", 0),
                1e3,
            ),
            case(
                "library.byte: of 60,000 in",
                least("touch", 60_000),
                least("touch", 0),
                6e4,
            ),
            case(
                "library.byte: of 50,000 in, with chance",
                host("plain", 50_000),
                host("plain", 1),
                5e4,
            ),
            case(
                "library.byte: of 1,000 out",
                least("answer", 1_000),
                least("nothing", 1_000),
                1e3,
            ),
            case(
                "library.byte: of 60,000 out",
                least("answer", 60_000),
                least("nothing", 60_000),
                6e4,
            ),
            case(
                "library.instance: of 2,000 functions, 2,000 globals",
                asked(&self.large, "nothing", 0),
                least("nothing", 0),
                1.0,
            ),
            case(
                "library.memory_page: at first",
                asked(&self.pages, "nothing", 0),
                nothing,
                63.0,
            ),
            case(
                "library.memory_page: at first, touched",
                asked(&self.pages, "touch", 0),
                least("touch", 0),
                63.0,
            ),
            case(
                "library.memory_page: grown at once",
                least("grow", 0),
                nothing,
                63.0,
            ),
            case(
                "library.memory_page: grown one by one",
                least("grow-each", 0),
                nothing,
                63.0,
            ),
            case(
                "library.table_element: at first",
                asked(&self.elements, "nothing", 0),
                nothing,
                6e4,
            ),
            case(
                "library.table_element: at first, touched",
                asked(&self.elements, "touch-table", 0),
                nothing,
                6e4,
            ),
            case(
                "library.table_element: grown",
                least("grow-table", 0),
                nothing,
                6e4,
            ),
        ];
        let calls = [
            ("library.host_call: get-random-u64", "number"),
            ("library.host_call: monotonic now", "ticks"),
            ("library.host_call: wall now", "wall"),
            ("library.host_call: get-random-bytes of 0", "no-bytes"),
            ("library.host_call: stdout, and drop", "stdout"),
            ("library.host_call: write of 0", "write-none"),
            ("library.host_call: get-arguments", "arguments"),
            ("library.host_call: poll of 1", "poll-one"),
        ];
        for (rule, function) in calls {
            cases.push(case(rule, host(function, 101), host(function, 1), 100.0));
        }
        let bytes = [
            (
                "library.host_byte: get-random-bytes",
                "bytes",
                "no-bytes",
                4e3,
            ),
            ("library.host_byte: write", "write", "write-none", 4e3),
            ("library.host_byte: item of poll", "poll", "each", 1e3),
        ];
        for (rule, with, without, count) in bytes {
            cases.push(case(rule, host(with, 20), host(without, 20), 20.0 * count));
        }
        cases
    }
}
