//! The mover: a contract that moves bytes about in its memory as a script says, in all the ways that the rewriter tells
//! apart, and calls others with parts of the script.

use crostata::ContractId;

use crate::fixtures::{Narrow, Wide, Width};

/// Where bytes are: from the beginning, or, if negative, from the end that the memory has when the step runs.
pub type Address = i64;

/// Contracts that a script can name, whether they exist or not.
pub const NUMBERS: u8 = 8;

/// Pages of 64 KiB that a mover starts with.
pub const INITIAL_WASM_PAGES: u64 = 4;

/// The argument buffer's beginning, which arguments and reports overwrite.
pub const BUFFER: u64 = 65_536;

/// From here to its end the buffer holds what scripts put there, until the top-level call ends.
pub const SCRATCH: u64 = 98_304;

/// The buffer's end.
pub const BUFFER_END: u64 = 131_072;

/// Ids and names, never written.
pub const DATA: u64 = 131_584;

/// The shadow stack, which holds the scripts of running frames.
pub const STACK: u64 = 135_168;

/// The shadow stack's end. From here on nothing is special.
pub const CELLS: u64 = 196_608;

/// What a call leaves and finds around the callee, in one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// Nothing.
    Nothing,
    /// Stores before it, and after it stores and loads that the check of the first one covers.
    Stores,
    /// A load before it, and after it loads that its check covers and a store that it does not.
    Loads,
}

/// A call of another mover, or the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested {
    /// The callee's number.
    pub target: u8,
    /// Whether the caller goes on if the callee fails.
    pub catch: bool,
    /// The gas it is given, 0 for the default share.
    pub gas: u64,
    /// What surrounds the call.
    pub around: Around,
    /// Where that is.
    pub at: Address,
    /// What is stored there.
    pub value: u64,
    /// What the callee does.
    pub steps: Vec<Step>,
}

/// A step of a script. Whatever is read is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Stores the 1 to 8 lowest bytes of a value.
    Store(Address, u8, u64),
    /// Loads 1, 2, 4 or 8 bytes.
    Load(Address, u8),
    /// Stores at [`BURST`]'s offsets from one pointer, then loads among them.
    Burst(Address, u64),
    /// A load, a store in either branch, a store and a load behind them.
    Branch(Address, u64),
    /// Stores and loads at addresses written in the code.
    Fixed(u64),
    /// Copies so many bytes one by one.
    CopyLoop(Address, Address, u64),
    /// `memory.copy`: target, source, length.
    Copy(Address, Address, u64),
    /// `memory.fill`: address, byte, length.
    Fill(Address, u8, u64),
    /// Stores 8 bytes so many times, so far apart: address, distance, count, value.
    Stripe(Address, i64, u64, u64),
    /// A sum over so many bytes.
    Sum(Address, u64),
    /// Grows by so many pages and reports what that gave.
    Grow(u64),
    /// Adds to the mutable global.
    Keep(u64),
    /// Reports memory size and global.
    See,
    /// Calls.
    Call(Nested),
    /// Panics.
    Panic,
    /// Executes `unreachable`.
    Trap,
    /// Loops for ever.
    Spin,
}

/// Offset, length and factor of the value for each store of [`Step::Burst`].
pub const BURST: [(u64, u64, u64); 7] = [
    (0, 8, 1),
    (96, 4, 1),
    (256, 8, 3),
    (257, 8, 5),
    (4_095, 2, 7),
    (264, 1, 9),
    (300, 8, 11),
];

/// Where [`Step::Burst`] loads.
pub const BURST_LOAD: u64 = 250;

/// Address, length and summand of the value for each store of [`Step::Fixed`].
pub const FIXED: [(u64, u64, u64); 7] = [
    (0, 8, 0),
    (4_094, 4, 1),
    (4_359, 1, 2),
    (4_360, 1, 3),
    (200_700, 8, 4),
    (262_140, 4, 5),
    (BUFFER_END - 1, 2, 6),
];

/// Where [`Step::Fixed`] loads.
pub const FIXED_LOAD: u64 = 4_356;

/// The bytes of a script: per step six words, then a callee's script.
pub fn script(steps: &[Step]) -> Vec<u8> {
    steps.iter().flat_map(encode).collect()
}

fn encode(step: &Step) -> Vec<u8> {
    use Step::*;
    let word = |address: &Address| *address as u64;
    match step {
        Store(at, len, value) => words(0, [word(at), u64::from(*len), *value, 0]),
        Load(at, len) => words(1, [word(at), u64::from(*len), 0, 0]),
        Burst(at, value) => words(2, [word(at), *value, 0, 0]),
        Branch(at, value) => words(3, [word(at), *value, 0, 0]),
        Fixed(value) => words(4, [*value, 0, 0, 0]),
        CopyLoop(to, from, len) => words(5, [word(to), word(from), *len, 0]),
        Copy(to, from, len) => words(6, [word(to), word(from), *len, 0]),
        Fill(at, byte, len) => words(7, [word(at), u64::from(*byte), *len, 0]),
        Stripe(at, distance, count, value) => words(8, [word(at), word(distance), *count, *value]),
        Sum(at, len) => words(9, [word(at), *len, 0, 0]),
        Grow(pages) => words(10, [*pages, 0, 0, 0]),
        Keep(value) => words(11, [*value, 0, 0, 0]),
        See => words(12, [0; 4]),
        Call(nested) => call(nested),
        Panic => words(16, [0; 4]),
        Trap => words(17, [0; 4]),
        Spin => words(18, [0; 4]),
    }
}

fn words(operation: u64, parts: [u64; 4]) -> Vec<u8> {
    let all = [operation, parts[0], parts[1], parts[2], parts[3], 0];
    all.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn call(nested: &Nested) -> Vec<u8> {
    let operation = 13 + nested.around as u64;
    let inner = script(&nested.steps);
    let whom = u64::from(nested.target) | u64::from(nested.catch) << 8;
    let mut bytes = words(
        operation,
        [nested.at as u64, whom, nested.gas, nested.value],
    );
    bytes[40..].copy_from_slice(&(inner.len() as u64).to_le_bytes());
    bytes.extend(inner);
    bytes
}

/// The id of the mover with this number.
pub fn id(number: u8) -> ContractId {
    let mut bytes = [0; 32];
    bytes[0] = number;
    bytes[31] = 0x4d;
    ContractId::from_bytes(bytes)
}

/// The bytes at [`DATA`]: ids, the topic of reports, the name of the function.
pub fn data() -> Vec<u8> {
    let ids = (0..NUMBERS).flat_map(|number| id(number).to_bytes());
    ids.chain(*b"seenrun").collect()
}

/// A mover that can grow to `max_wasm_pages`.
pub fn mover(width: Width, max_wasm_pages: u64) -> Vec<u8> {
    let data: String = data().iter().map(|byte| format!("\\{byte:02x}")).collect();
    let (memory, widen, narrow, sized, grown) = match width {
        Narrow => (
            "",
            "",
            "(i32.wrap_i64)",
            "(i64.extend_i32_u)",
            "(i64.extend_i32_s)",
        ),
        Wide => ("i64", "(i64.extend_i32_u)", "", "", ""),
    };
    let text = MOVER
        .replace("DATA", &data)
        .replace("SECTION", &stack_section())
        .replace("MEMORY", memory)
        .replace("MAX", &max_wasm_pages.to_string())
        .replace("WIDEN", widen)
        .replace("NARROW", narrow)
        .replace("SIZED", sized)
        .replace("GROWN", grown)
        .replace("BURST", &burst())
        .replace("FIXED", &fixed())
        .replace("PTR", width.pointer());
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn stack_section() -> String {
    let parts = [STACK, CELLS - STACK];
    let bytes = parts.iter().flat_map(|part| part.to_le_bytes());
    bytes.map(|byte| format!("\\{byte:02x}")).collect()
}

fn store_of(len: u64) -> &'static str {
    match len {
        1 => "i64.store8",
        2 => "i64.store16",
        4 => "i64.store32",
        _ => "i64.store",
    }
}

fn burst() -> String {
    let stores = BURST.iter().map(|(offset, len, factor)| {
        let store = store_of(*len);
        format!(
            "({store} offset={offset} (local.get 0) (i64.mul (local.get 1) (i64.const {factor})))\n"
        )
    });
    let stores: String = stores.collect();
    format!("{stores} (call $report (i64.load offset={BURST_LOAD} (local.get 0)))")
}

fn fixed() -> String {
    let stores = FIXED.iter().map(|(at, len, summand)| {
        let store = store_of(*len);
        format!("({store} (PTR.const {at}) (i64.add (local.get 0) (i64.const {summand})))\n")
    });
    let stores: String = stores.collect();
    format!("{stores} (call $report (i64.load (PTR.const {FIXED_LOAD})))")
}

/// `poke` (address as `u64`, bytes) puts bytes into the memory, `nothing` does nothing.
const MOVER: &str = r#"(module
  (import "env" "c" (func $c (param PTR PTR i32 i32 i64) (result i32)))
  (import "env" "emit" (func $emit (param PTR i32 i32)))
  (import "env" "panic" (func $panic (param i32)))
  (memory (export "memory") MEMORY 4 MAX)
  (global (export "A") PTR (PTR.const 65536))
  (data (PTR.const 131584) "DATA")
  (@custom "crostata.stack" "SECTION")
  (global $stack (mut i32) (i32.const 135168))
  (global $kept (mut i64) (i64.const 0))

  (func $ptr (param i32) (result PTR) (local.get 0) WIDEN)
  (func $narrow (param i64) (result PTR) (local.get 0) NARROW)
  (func $size (result i64) (memory.size) SIZED)
  (func $place (param i64) (result PTR)
    (if (i64.lt_s (local.get 0) (i64.const 0)) (then
      (local.set 0 (i64.add (local.get 0) (i64.shl (call $size) (i64.const 16))))))
    (call $narrow (local.get 0)))
  (func $a (param i32) (result i64) (i64.load offset=8 (call $ptr (local.get 0))))
  (func $b (param i32) (result i64) (i64.load offset=16 (call $ptr (local.get 0))))
  (func $third (param i32) (result i64) (i64.load offset=24 (call $ptr (local.get 0))))
  (func $fourth (param i32) (result i64) (i64.load offset=32 (call $ptr (local.get 0))))
  (func $inner (param i32) (result i32) (i32.load offset=40 (call $ptr (local.get 0))))
  (func $first (param i32) (result PTR) (call $place (call $a (local.get 0))))
  (func $second (param i32) (result PTR) (call $place (call $b (local.get 0))))
  (func $report (param i64)
    (i64.store (PTR.const 65536) (local.get 0))
    (call $emit (PTR.const 131840) (i32.const 4) (i32.const 8)))

  (func $store (param $p PTR) (param $len i32) (param $v i64)
    (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1
      (br_table $1 $1 $2 $3 $4 $5 $6 $7 $8 (local.get $len)))
      (i64.store8 (local.get $p) (local.get $v)) (return))
      (i64.store16 (local.get $p) (local.get $v)) (return))
      (i64.store16 (local.get $p) (local.get $v))
      (i64.store8 offset=2 (local.get $p) (i64.shr_u (local.get $v) (i64.const 16))) (return))
      (i64.store32 (local.get $p) (local.get $v)) (return))
      (i64.store8 offset=4 (local.get $p) (i64.shr_u (local.get $v) (i64.const 32)))
      (i64.store32 (local.get $p) (local.get $v)) (return))
      (i64.store32 (local.get $p) (local.get $v))
      (i64.store16 offset=4 (local.get $p) (i64.shr_u (local.get $v) (i64.const 32))) (return))
      (i64.store32 offset=3 (local.get $p) (i64.shr_u (local.get $v) (i64.const 24)))
      (i64.store32 (local.get $p) (local.get $v)) (return))
    (i64.store (local.get $p) (local.get $v)))
  (func $load (param $p PTR) (param $len i32) (result i64)
    (block $8 (block $4 (block $2 (block $1
      (br_table $1 $1 $2 $4 $4 $8 (local.get $len)))
      (return (i64.load8_u (local.get $p))))
      (return (i64.load16_u (local.get $p))))
      (return (i64.load32_u (local.get $p))))
    (i64.load (local.get $p)))
  (func $burst (param PTR i64) BURST)
  (func $branch (param $p PTR) (param $v i64)
    (if (i32.and (i32.load8_u (local.get $p)) (i32.const 1))
      (then (i64.store offset=16 (local.get $p) (local.get $v)))
      (else (i64.store32 offset=8 (local.get $p) (local.get $v))))
    (i64.store16 offset=20 (local.get $p) (local.get $v))
    (call $report (i64.load offset=12 (local.get $p))))
  (func $fixed (param i64) FIXED)
  (func $copy_loop (param $to PTR) (param $from PTR) (param $len i64)
    (block $done (loop $next
      (br_if $done (i64.eqz (local.get $len)))
      (i32.store8 (local.get $to) (i32.load8_u (local.get $from)))
      (local.set $to (PTR.add (local.get $to) (PTR.const 1)))
      (local.set $from (PTR.add (local.get $from) (PTR.const 1)))
      (local.set $len (i64.sub (local.get $len) (i64.const 1)))
      (br $next))))
  (func $stripe (param $p PTR) (param $distance PTR) (param $count i64) (param $v i64)
    (block $done (loop $next
      (br_if $done (i64.eqz (local.get $count)))
      (i64.store (local.get $p) (i64.add (local.get $v) (local.get $count)))
      (local.set $p (PTR.add (local.get $p) (local.get $distance)))
      (local.set $count (i64.sub (local.get $count) (i64.const 1)))
      (br $next))))
  (func $sum (param $p PTR) (param $len i64) (local $sum i64)
    (block $done (loop $next
      (br_if $done (i64.eqz (local.get $len)))
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.load8_u (local.get $p))))
      (local.set $p (PTR.add (local.get $p) (PTR.const 1)))
      (local.set $len (i64.sub (local.get $len) (i64.const 1)))
      (br $next)))
    (call $report (local.get $sum)))
  (func $grow (param i64)
    (memory.grow (call $narrow (local.get 0))) GROWN
    (call $report))

  (func $delegate (param $at i32) (local $whom i32) (local $code i32)
    (local.set $whom (i32.wrap_i64 (call $b (local.get $at))))
    (memory.copy (PTR.const 65536) (call $ptr (i32.add (local.get $at) (i32.const 48))) (call $ptr (call $inner (local.get $at))))
    (local.set $code (call $c
      (call $ptr (i32.add (i32.const 131584) (i32.shl (i32.and (local.get $whom) (i32.const 7)) (i32.const 5))))
      (PTR.const 131844) (i32.const 3) (call $inner (local.get $at)) (call $third (local.get $at))))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then
      (if (i32.lt_u (local.get $whom) (i32.const 256)) (then (unreachable)))
      (call $report (i64.extend_i32_s (local.get $code))))))
  (func $call_in_stores (param $at i32) (local $p PTR) (local $v i64)
    (local.set $p (call $first (local.get $at)))
    (local.set $v (call $fourth (local.get $at)))
    (i64.store (local.get $p) (local.get $v))
    (call $delegate (local.get $at))
    (i64.store offset=200 (local.get $p) (local.get $v))
    (i64.store32 offset=8 (local.get $p) (local.get $v))
    (call $report (i64.load offset=4 (local.get $p)))
    (call $report (i64.load offset=256 (local.get $p))))
  (func $call_in_loads (param $at i32) (local $p PTR) (local $before i64)
    (local.set $p (call $first (local.get $at)))
    (local.set $before (i64.load (local.get $p)))
    (call $delegate (local.get $at))
    (call $report (i64.add (i64.load offset=8 (local.get $p)) (local.get $before)))
    (i64.store offset=120 (local.get $p) (call $fourth (local.get $at)))
    (call $report (i64.load offset=116 (local.get $p))))
  (func $fail (call $panic (i32.const 0)) (unreachable))

  (func $step (param $at i32)
    (block $spin (block $trap (block $panic (block $loads (block $stores (block $call (block $see (block $keep (block $grow
    (block $sum (block $stripe (block $fill (block $copy (block $copy_loop (block $fixed (block $branch (block $burst
    (block $load (block $store
      (br_table $store $load $burst $branch $fixed $copy_loop $copy $fill $stripe $sum $grow $keep $see $call $stores
        $loads $panic $trap $spin (i32.load (call $ptr (local.get $at)))))
      (call $store (call $first (local.get $at)) (i32.wrap_i64 (call $b (local.get $at))) (call $third (local.get $at))) (return))
      (call $report (call $load (call $first (local.get $at)) (i32.wrap_i64 (call $b (local.get $at))))) (return))
      (call $burst (call $first (local.get $at)) (call $b (local.get $at))) (return))
      (call $branch (call $first (local.get $at)) (call $b (local.get $at))) (return))
      (call $fixed (call $a (local.get $at))) (return))
      (call $copy_loop (call $first (local.get $at)) (call $second (local.get $at)) (call $third (local.get $at))) (return))
      (memory.copy (call $first (local.get $at)) (call $second (local.get $at)) (call $narrow (call $third (local.get $at)))) (return))
      (memory.fill (call $first (local.get $at)) (i32.wrap_i64 (call $b (local.get $at))) (call $narrow (call $third (local.get $at)))) (return))
      (call $stripe (call $first (local.get $at)) (call $narrow (call $b (local.get $at))) (call $third (local.get $at)) (call $fourth (local.get $at))) (return))
      (call $sum (call $first (local.get $at)) (call $b (local.get $at))) (return))
      (call $grow (call $a (local.get $at))) (return))
      (global.set $kept (i64.add (global.get $kept) (call $a (local.get $at)))) (return))
      (call $report (call $size)) (call $report (global.get $kept)) (return))
      (call $delegate (local.get $at)) (return))
      (call $call_in_stores (local.get $at)) (return))
      (call $call_in_loads (local.get $at)) (return))
      (call $fail) (return))
      (unreachable))
      (loop $for_ever (br $for_ever)))
  (func (export "run") (param $len i32) (result i32)
    (local $base i32) (local $at i32) (local $end i32)
    (local.set $base (global.get $stack))
    (local.set $at (local.get $base))
    (local.set $end (i32.add (local.get $base) (local.get $len)))
    (global.set $stack (local.get $end))
    (memory.copy (call $ptr (local.get $base)) (PTR.const 65536) (call $ptr (local.get $len)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (call $step (local.get $at))
      (local.set $at (i32.add (i32.add (local.get $at) (i32.const 48)) (call $inner (local.get $at))))
      (br $next)))
    (global.set $stack (local.get $base))
    (i32.const 0))
  (func (export "poke") (param $len i32) (result i32)
    (memory.copy (call $narrow (i64.load (PTR.const 65536))) (PTR.const 65544)
                 (call $ptr (i32.sub (local.get $len) (i32.const 8))))
    (i32.const 0))
  (func (export "nothing") (param i32) (result i32) (i32.const 0))
)"#;
