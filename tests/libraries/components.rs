//! Libraries of these tests, as text.

/// A contract that asks what its argument says: a byte with the length of a name, the name, an argument.
pub const ASKER: &str = r#"(module
  (import "env" "hq" (func $hq (param i32 i32 i32) (result i32)))
  (import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (data (i32.const 512) "ask")
  (func (export "ask") (param $len i32) (result i32)
    (local $n i32)
    (local.set $n (i32.load8_u (i32.const 65536)))
    (memory.copy (i32.const 0) (i32.const 65537) (local.get $n))
    (local.set $len (i32.sub (i32.sub (local.get $len) (i32.const 1)) (local.get $n)))
    (memory.copy (i32.const 65536) (i32.add (i32.const 65537) (local.get $n)) (local.get $len))
    (call $hq (i32.const 0) (local.get $n) (local.get $len)))
  ;; Has the contract that its argument begins with ask the rest; gives what `c` gave.
  (func (export "relay") (param $len i32) (result i32)
    (memory.copy (i32.const 0) (i32.const 65536) (i32.const 32))
    (local.set $len (i32.sub (local.get $len) (i32.const 32)))
    (memory.copy (i32.const 65536) (i32.const 65568) (local.get $len))
    (i32.store (i32.const 65536)
      (call $c (i32.const 0) (i32.const 512) (i32.const 3) (local.get $len) (i64.const 30000000)))
    (i32.const 4)))"#;

/// What most libraries have: a memory of four pages whose front is handed out, and answers at 16.
const BASE: &str = r#"
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func $give (param $at i32) (param $len i32) (result i32)
      (i32.store (i32.const 16) (local.get $at))
      (i32.store (i32.const 20) (local.get $len))
      (i32.const 16))"#;

/// Functions of the toolbox.
const TOOLS: &[(&str, &str)] = &[
    (
        "reverse",
        r#"
      (local $i i32)
      (block $done (loop $more
        (br_if $done (i32.ge_u (local.get $i) (local.get 1)))
        (i32.store8 (i32.sub (i32.sub (i32.add (i32.const 200000) (local.get 1)) (local.get $i)) (i32.const 1))
          (i32.load8_u (i32.add (local.get 0) (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $more)))
      (return (call $give (i32.const 200000) (local.get 1)))"#,
    ),
    ("trap", "(unreachable)"),
    (
        "divide",
        r#"(i32.store (i32.const 32) (i32.div_u (i32.const 1000) (i32.load8_u (local.get 0))))
      (call $give (i32.const 32) (i32.const 4))"#,
    ),
    ("outside", "(i32.load (i32.const -4))"),
    ("spin", "(loop $again (br $again)) (unreachable)"),
    (
        "grow",
        r#"(i32.store (i32.const 32) (memory.grow (i32.load (local.get 0))))
      (call $give (i32.const 32) (i32.const 4))"#,
    ),
    (
        "recurse",
        r#"(i32.store (i32.const 32) (call $down (i32.load (local.get 0))))
      (call $give (i32.const 32) (i32.const 4))"#,
    ),
    (
        "pair",
        r#"(local i32 i32) (call $two (i32.load8_u (local.get 0)))
      (local.set 3) (local.set 2)
      (i32.store (i32.const 32) (local.get 2)) (i32.store (i32.const 36) (local.get 3))
      (call $give (i32.const 32) (i32.const 8))"#,
    ),
    ("long", "(call $give (i32.const 0) (i32.const 65537))"),
    ("beyond", "(call $give (i32.const 0) (i32.const 2000000))"),
    (
        "count",
        r#"(i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
      (global.set $kept (i32.add (global.get $kept) (i32.const 1)))
      (i32.store (i32.const 68) (global.get $kept))
      (call $give (i32.const 64) (i32.const 8))"#,
    ),
    (
        "float",
        r#"(f32.store (i32.const 32)
        (f32.add (f32.load (local.get 0)) (f32.load (i32.add (local.get 0) (i32.const 4)))))
      (call $give (i32.const 32) (i32.const 4))"#,
    ),
];

/// A library with a function per tool, `checked` with a result of two kinds, and `tools:test/inner@1.0.0` with `reverse`.
pub fn toolbox() -> Vec<u8> {
    let mut functions = String::new();
    let mut lifts = String::new();
    for (name, body) in TOOLS {
        functions += &format!("(func (export \"{name}\") (param i32 i32) (result i32) {body})\n");
        lifts += &lift(name, "(list u8)");
    }
    let text = format!(
        r#"(component
  (core module $m {BASE}
    (global $kept (mut i32) (i32.const 0))
    (func $down (param i32) (result i32)
      (if (result i32) (i32.eqz (local.get 0))
        (then (return (i32.const 0)))
        (else (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))))
    (func $two (param i32) (result i32 i32)
      (if (local.get 0) (then (return (i32.const 1) (call $down (i32.const 2)))))
      (i32.const 3) (i32.const 4))
    {functions}
    (func (export "checked") (param i32 i32) (result i32)
      (i32.store (i32.const 32) (i32.ne (i32.load8_u (local.get 0)) (i32.const 0)))
      (i32.store (i32.const 36) (local.get 0))
      (i32.store (i32.const 40) (local.get 1))
      (i32.const 32)))
  (core instance $i (instantiate $m))
  {lifts}
  {checked}
  (instance $inner (export "reverse" (func $reverse)))
  (export "tools:test/inner@1.0.0" (instance $inner)))"#,
        checked = lift("checked", "(result (list u8) (error (list u8)))"),
    );
    wat::parse_str(text).unwrap()
}

fn lift(name: &str, result: &str) -> String {
    format!(
        r#"(func ${name} (param "argument" (list u8)) (result {result})
        (canon lift (core func $i "{name}") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
        (export "{name}" (func ${name}))
        "#
    )
}

/// A library that answers what wasi told it: seconds, nanoseconds, a random number, how many arguments, what came of writing, random bytes.
pub fn world() -> Vec<u8> {
    wat::parse_str(WORLD).unwrap()
}

const WORLD: &str = r#"(component
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
  (import "wasi:cli/exit@0.2.3" (instance $exit
    (export "exit" (func (param "status" (result))))))
  (import "wasi:io/error@0.2.3" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error-type))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (export "output-stream" (type $os (sub resource)))
    (alias outer 1 $error-type (type $e))
    (export "error" (type $error (eq $e)))
    (type $own-error (own $error))
    (type $se (variant (case "last-operation-failed" $own-error) (case "closed")))
    (export "stream-error" (type $stream-error (eq $se)))
    (type $self (borrow $os))
    (type $outcome (result (error $stream-error)))
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
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $now (canon lower (func $clock "now") (memory (core memory $libc "memory"))))
  (core func $ticks (canon lower (func $monotonic "now")))
  (core func $number (canon lower (func $random "get-random-u64")))
  (core func $bytes (canon lower (func $random "get-random-bytes") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $arguments (canon lower (func $environment "get-arguments") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $out (canon lower (func $stdout "get-stdout")))
  (core func $drop (canon resource.drop $output))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory (core memory $libc "memory"))))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "host" "now" (func $now (param i32)))
    (import "host" "ticks" (func $ticks (result i64)))
    (import "host" "number" (func $number (result i64)))
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (import "host" "arguments" (func $arguments (param i32)))
    (import "host" "exit" (func $exit (param i32)))
    (import "host" "out" (func $out (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (func $tell (export "tell") (param i32 i32) (result i32)
      (local $out i32)
      (call $now (i32.const 1024))
      (i64.store (i32.const 1040) (call $number))
      (call $arguments (i32.const 1048))
      (i32.store (i32.const 1048) (i32.load (i32.const 1052)))
      (local.set $out (call $out))
      (call $write (local.get $out) (local.get 0) (local.get 1) (i32.const 1052))
      (call $drop (local.get $out))
      (call $bytes (i64.const 8) (i32.const 1064))
      (i64.store (i32.const 1056) (call $ticks))
      (i64.store (i32.const 1064) (i64.load (i32.load (i32.const 1064))))
      (i32.store (i32.const 16) (i32.const 1024))
      (i32.store (i32.const 20) (i32.const 48))
      (i32.const 16))
    (func (export "exit") (param i32 i32) (result i32) (call $exit (i32.const 0)) (unreachable))
    (func (export "ask-much") (param i32 i32) (result i32)
      (call $bytes (i64.const 0x1000000000) (i32.const 64)) (unreachable))
    (func (export "ask-on") (param i32 i32) (result i32)
      (loop $more (drop (call $number)) (br $more)) (unreachable)))
  (core instance $i (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "now" (func $now)) (export "ticks" (func $ticks)) (export "number" (func $number)) (export "bytes" (func $bytes))
      (export "arguments" (func $arguments)) (export "exit" (func $exit)) (export "out" (func $out))
      (export "drop" (func $drop)) (export "write" (func $write))))))
  (func (export "tell") (param "argument" (list u8)) (result (list u8))
    (canon lift (core func $i "tell") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func (export "exit") (param "argument" (list u8)) (result (list u8))
    (canon lift (core func $i "exit") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func (export "ask-much") (param "argument" (list u8)) (result (list u8))
    (canon lift (core func $i "ask-much") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func (export "ask-on") (param "argument" (list u8)) (result (list u8))
    (canon lift (core func $i "ask-on") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))"#;

/// A component whose only function is not of a type that can be called.
pub const NO_FUNCTION: &str = r#"(component
  (core module $m (func (export "f") (result i32) (i32.const 1)))
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))"#;

/// A component with code inside of a component inside of it.
pub const NESTED: &str = "(component (component (core module)))";

/// A library that asks wasi for the rest of what is there, and answers what it got.
pub fn rest() -> Vec<u8> {
    wat::parse_str(REST).unwrap()
}

const REST: &str = r#"(component
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error-type))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (type $borrowed (borrow $p))
    (type $asked (list $borrowed))
    (type $ready (list u32))
    (export "[method]pollable.ready" (func (param "self" $borrowed) (result bool)))
    (export "[method]pollable.block" (func (param "self" $borrowed)))
    (export "poll" (func (param "in" $asked) (result $ready)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error-type (type $e))
    (export "error" (type $error (eq $e)))
    (alias outer 1 $pollable (type $p0))
    (export "pollable" (type $p (eq $p0)))
    (export "output-stream" (type $os (sub resource)))
    (export "input-stream" (type $is (sub resource)))
    (type $own-error (own $error))
    (type $se (variant (case "last-operation-failed" $own-error) (case "closed")))
    (export "stream-error" (type $stream-error (eq $se)))
    (type $out (borrow $os))
    (type $in (borrow $is))
    (type $bytes (list u8))
    (type $read (result $bytes (error $stream-error)))
    (type $may (result u64 (error $stream-error)))
    (type $done (result (error $stream-error)))
    (type $own-pollable (own $p))
    (export "[method]output-stream.check-write" (func (param "self" $out) (result $may)))
    (export "[method]output-stream.flush" (func (param "self" $out) (result $done)))
    (export "[method]output-stream.subscribe" (func (param "self" $out) (result $own-pollable)))
    (export "[method]input-stream.blocking-read" (func (param "self" $in) (param "len" u64) (result $read)))))
  (alias export $streams "output-stream" (type $output))
  (alias export $streams "input-stream" (type $input))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer 1 $output (type $o))
    (export "output-stream" (type $stream (eq $o)))
    (type $own (own $stream))
    (export "get-stderr" (func (result $own)))))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer 1 $input (type $i))
    (export "input-stream" (type $stream (eq $i)))
    (type $own (own $stream))
    (export "get-stdin" (func (result $own)))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "initial-cwd" (func (result (option string))))))
  (import "wasi:cli/terminal-output@0.2.0" (instance $terminal
    (export "terminal-output" (type (sub resource)))))
  (alias export $terminal "terminal-output" (type $terminal-type))
  (import "wasi:cli/terminal-stdout@0.2.0" (instance $terminal-stdout
    (alias outer 1 $terminal-type (type $t))
    (export "terminal-output" (type $terminal (eq $t)))
    (type $own (own $terminal))
    (type $maybe (option $own))
    (export "get-terminal-stdout" (func (result $maybe)))))
  (import "wasi:filesystem/types@0.2.0" (instance $types
    (export "descriptor" (type $d (sub resource)))
    (type $flags (flags "read" "write"))
    (export "descriptor-flags" (type $descriptor-flags (eq $flags)))
    (type $self (borrow $d))
    (export "[method]descriptor.get-flags" (func (param "self" $self) (result $descriptor-flags)))))
  (alias export $types "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $d))
    (export "descriptor" (type $descriptor (eq $d)))
    (type $own (own $descriptor))
    (type $entry (tuple $own string))
    (type $entries (list $entry))
    (export "get-directories" (func (result $entries)))))
  (import "wasi:random/insecure-seed@0.2.0" (instance $seed
    (export "insecure-seed" (func (result (tuple u64 u64))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (export "resolution" (func (result u64)))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192)))
  (core instance $libc (instantiate $libc))
  (core func $ready (canon lower (func $poll "[method]pollable.ready")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $poll-all (canon lower (func $poll "poll") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $check (canon lower (func $streams "[method]output-stream.check-write") (memory (core memory $libc "memory"))))
  (core func $flush (canon lower (func $streams "[method]output-stream.flush") (memory (core memory $libc "memory"))))
  (core func $subscribe (canon lower (func $streams "[method]output-stream.subscribe")))
  (core func $read (canon lower (func $streams "[method]input-stream.blocking-read") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $err (canon lower (func $stderr "get-stderr")))
  (core func $in (canon lower (func $stdin "get-stdin")))
  (core func $cwd (canon lower (func $environment "initial-cwd") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $term (canon lower (func $terminal-stdout "get-terminal-stdout") (memory (core memory $libc "memory"))))
  (core func $dirs (canon lower (func $preopens "get-directories") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $seed (canon lower (func $seed "insecure-seed") (memory (core memory $libc "memory"))))
  (core func $resolution (canon lower (func $clock "resolution")))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "host" "ready" (func $ready (param i32) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "poll" (func $poll (param i32 i32 i32)))
    (import "host" "check" (func $check (param i32 i32)))
    (import "host" "flush" (func $flush (param i32 i32)))
    (import "host" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "host" "read" (func $read (param i32 i64 i32)))
    (import "host" "err" (func $err (result i32)))
    (import "host" "in" (func $in (result i32)))
    (import "host" "cwd" (func $cwd (param i32)))
    (import "host" "term" (func $term (param i32)))
    (import "host" "dirs" (func $dirs (param i32)))
    (import "host" "seed" (func $seed (param i32)))
    (import "host" "resolution" (func $resolution (result i64)))
    (func (export "ask") (param i32 i32) (result i32)
      (local $err i32) (local $one i32)
      (local.set $err (call $err))
      (call $read (call $in) (i64.const 10) (i32.const 1024))
      (call $check (local.get $err) (i32.const 1040))
      (call $flush (local.get $err) (i32.const 1056))
      (call $term (i32.const 1072))
      (call $dirs (i32.const 1080))
      (call $cwd (i32.const 1088))
      (call $seed (i32.const 1104))
      (local.set $one (call $subscribe (local.get $err)))
      (call $block (local.get $one))
      (i32.store (i32.const 512) (local.get $one))
      (i32.store (i32.const 516) (call $subscribe (local.get $err)))
      (call $poll (i32.const 512) (i32.const 2) (i32.const 1136))
      (i32.store (i32.const 1136) (i32.load (i32.add (i32.load (i32.const 1136)) (i32.const 4))))
      (i32.store (i32.const 1144) (call $ready (local.get $one)))
      (i64.store (i32.const 1152) (call $resolution))
      (i32.store (i32.const 16) (i32.const 1024))
      (i32.store (i32.const 20) (i32.const 136))
      (i32.const 16)))
  (core instance $i (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "ready" (func $ready)) (export "block" (func $block)) (export "poll" (func $poll-all)) (export "check" (func $check))
      (export "flush" (func $flush)) (export "subscribe" (func $subscribe)) (export "read" (func $read)) (export "err" (func $err))
      (export "in" (func $in)) (export "cwd" (func $cwd)) (export "term" (func $term)) (export "dirs" (func $dirs))
      (export "seed" (func $seed)) (export "resolution" (func $resolution))))))
  (func (export "ask") (param "argument" (list u8)) (result (list u8))
    (canon lift (core func $i "ask") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))"#;

/// A library whose `dive` recurses with so many values alive across each call, through a table if `indirect`, and whose argument says how deep.
pub fn diver(values: usize, indirect: bool) -> Vec<u8> {
    let locals = "i64 ".repeat(values);
    let many = |each: &dyn Fn(usize) -> String| (0..values).map(each).collect::<String>();
    let load = many(&|k| {
        let (local, place) = (k + 1, 131_072 + 8 * k);
        format!("(local.set {local} (i64.load (i32.const {place})))\n")
    });
    let sum = many(&|k| format!("(i64.add (local.get {}))\n", k + 1));
    let next = "(i32.sub (local.get 0) (i32.const 1))";
    let call = match indirect {
        true => format!("(call_indirect (type $dive) {next} (i32.const 0))"),
        false => format!("(call $dive {next})"),
    };
    let text = format!(
        r#"(component
  (core module $m {BASE}
    (type $dive (func (param i32) (result i64)))
    (table funcref (elem $dive))
    (func $dive (type $dive) (local {locals})
      {load}
      (if (i32.eqz (local.get 0)) (then (return (i64.const 0))))
      {call}
      {sum})
    (func (export "dive") (param i32 i32) (result i32)
      (i64.store (i32.const 32) (call $dive (i32.load (local.get 0))))
      (call $give (i32.const 32) (i32.const 8))))
  (core instance $i (instantiate $m))
  {})"#,
        lift("dive", "(list u8)")
    );
    wat::parse_str(text).unwrap()
}
