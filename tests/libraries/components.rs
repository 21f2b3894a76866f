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
