//! The agent: a contract that interprets scripts which read, write, grow, call others, ask and fail, at addresses that lie where pages meet.

use super::random::Random;

/// How many agents there can be. Their ids are known to each.
pub const AGENTS: u32 = 8;

/// Where the cells are: behind ids, argument buffer and script stack.
pub const CELLS: u32 = 196_608;

/// The size that agents begin with and can grow to, in WebAssembly pages.
const SIZE: (u32, u32) = (4, 9);

/// A step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Writes a word.
    Write(u32, u32),
    /// Adds to a word.
    Add(u32, u32),
    /// Copies a word.
    Copy(u32, u32),
    /// Tells a word, and the size, in an event.
    See(u32),
    /// Grows the memory.
    Grow(u32),
    /// Panics.
    Panic,
    /// Traps.
    Trap,
    /// Calls an agent with a script, and fails with it.
    Call(u32, Vec<Step>),
    /// Calls an agent with a script, and tells of its failure.
    Try(u32, Vec<Step>),
    /// Calls the agent that a word names.
    TryNamed(u32, Vec<Step>),
    /// Puts what a host query says of a word into a word.
    Ask(u32, u32),
    /// Puts the beginning of the datum `who` into a word.
    Who(u32),
    /// Feeds a word.
    Feed(u32),
    /// Puts the length of an agent's owner into a word.
    Owner(u32, u32),
    /// Ends the script if a word is odd.
    EndIfOdd(u32),
    /// Panics if a word is odd.
    PanicIfOdd(u32),
    /// Counts to a number.
    Spin(u32),
}

/// The bytes of a script.
pub fn script(steps: &[Step]) -> Vec<u8> {
    steps.iter().flat_map(encode).collect()
}

fn encode(step: &Step) -> Vec<u8> {
    match step {
        Step::Write(address, value) => plain(0, *address, *value),
        Step::Add(address, value) => plain(1, *address, *value),
        Step::Copy(from, to) => plain(2, *from, *to),
        Step::See(address) => plain(3, *address, 0),
        Step::Grow(pages) => plain(4, *pages, 0),
        Step::Panic => plain(5, 0, 0),
        Step::Trap => plain(6, 0, 0),
        Step::Call(agent, steps) => call(7, *agent, 0, steps),
        Step::Try(agent, steps) => call(7, *agent, 1, steps),
        Step::TryNamed(address, steps) => call(8, *address, 1, steps),
        Step::Ask(from, to) => plain(9, *from, *to),
        Step::Who(to) => plain(10, *to, 0),
        Step::Feed(address) => plain(11, *address, 0),
        Step::Owner(agent, to) => plain(12, *agent, *to),
        Step::EndIfOdd(address) => plain(13, *address, 0),
        Step::PanicIfOdd(address) => plain(14, *address, 0),
        Step::Spin(times) => plain(15, *times, 0),
    }
}

fn plain(operation: u32, a: u32, b: u32) -> Vec<u8> {
    words(&[operation, a, b, 0])
}

fn call(operation: u32, a: u32, catch: u32, steps: &[Step]) -> Vec<u8> {
    let inner = script(steps);
    let mut bytes = words(&[operation, a, catch, inner.len() as u32]);
    bytes.extend(inner);
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The id of an agent: its number, then zeros.
pub fn id_bytes(agent: u32) -> [u8; 32] {
    let mut id = [0; 32];
    id[0] = agent as u8;
    id
}

/// The agent's code.
pub fn code() -> Vec<u8> {
    assembled(AGENT)
}

/// The same with argument buffer and script stack where no page begins or ends, left as they are when a call ends: the host clears them.
pub fn askew() -> Vec<u8> {
    let stack = r#"(@custom "crostata.stack" "\24\20\02\00\00\00\00\00\51\c3\00\00\00\00\00\00")"#;
    let text = AGENT
        .replace("65536", "66000")
        .replace("65540", "66004")
        .replace("(i32.const 131072)", "(i32.const 139300)")
        .replace(
            "(memory.fill (local.get $base) (i32.const 0) (local.get $len))",
            "",
        )
        .replacen("(module", &format!("(module {stack}"), 1);
    assembled(&text)
}

fn assembled(text: &str) -> Vec<u8> {
    let ids: String = (0..AGENTS)
        .flat_map(id_bytes)
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let text = text
        .replace("IDS", &ids)
        .replace("SIZE", &format!("{} {}", SIZE.0, SIZE.1));
    wat::parse_str(text).unwrap()
}

const AGENT: &str = r#"(module
  (import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))
  (import "env" "hq" (func $hq (param i32 i32 i32) (result i32)))
  (import "env" "hd" (func $hd (param i32 i32) (result i32)))
  (import "env" "emit" (func $emit (param i32 i32 i32)))
  (import "env" "feed" (func $feed (param i32)))
  (import "env" "owner" (func $owner (param i32) (result i32)))
  (import "env" "panic" (func $panic (param i32)))
  (memory (export "memory") SIZE)
  (global (export "A") i32 (i32.const 65536))
  (data (i32.const 0) "IDS")
  (data (i32.const 1024) "seenrunaskwho")
  (global $stack (mut i32) (i32.const 131072))
  (func $tell (param $value i32)
    (i32.store (i32.const 65536) (local.get $value))
    (i32.store (i32.const 65540) (memory.size))
    (call $emit (i32.const 1024) (i32.const 4) (i32.const 8)))
  (func $fail (call $panic (i32.const 0)) (unreachable))
  (func $delegate (param $agent i32) (param $at i32) (local $len i32) (local $code i32)
    (local.set $len (i32.load offset=12 (local.get $at)))
    (memory.copy (i32.const 65536) (i32.add (local.get $at) (i32.const 16)) (local.get $len))
    (local.set $code (call $c (i32.shl (i32.and (local.get $agent) (i32.const 7)) (i32.const 5))
      (i32.const 1028) (i32.const 3) (local.get $len) (i64.const 0)))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then
      (if (i32.eqz (i32.load offset=8 (local.get $at))) (then (unreachable)))
      (call $tell (local.get $code)))))
  (func $ask (param $from i32) (param $to i32)
    (i32.store (i32.const 65536) (i32.load (local.get $from)))
    (drop (call $hq (i32.const 1031) (i32.const 3) (i32.const 4)))
    (i32.store (local.get $to) (i32.load (i32.const 65536))))
  (func $who (param $to i32)
    (i32.store (i32.const 65536) (i32.const 0))
    (drop (call $hd (i32.const 1034) (i32.const 3)))
    (i32.store (local.get $to) (i32.load (i32.const 65536))))
  ;; Nothing if the script goes on.
  (func $step (param $at i32) (result i32) (local $a i32) (local $b i32)
    (local.set $a (i32.load offset=4 (local.get $at)))
    (local.set $b (i32.load offset=8 (local.get $at)))
    (block $spin (block $panic_odd (block $end_odd (block $owner (block $feed (block $who (block $ask (block $named (block $call (block $trap (block $panic
    (block $grow (block $see (block $copy (block $add (block $write
      (br_table $write $add $copy $see $grow $panic $trap $call $named $ask $who $feed $owner $end_odd $panic_odd $spin
        (i32.load (local.get $at))))
      (i32.store (local.get $a) (local.get $b)) (return (i32.const 0)))
      (i32.store (local.get $a) (i32.add (i32.load (local.get $a)) (local.get $b))) (return (i32.const 0)))
      (i32.store (local.get $b) (i32.load (local.get $a))) (return (i32.const 0)))
      (call $tell (i32.load (local.get $a))) (return (i32.const 0)))
      (call $tell (memory.grow (local.get $a))) (return (i32.const 0)))
      (call $fail) (return (i32.const 0)))
      (unreachable))
      (call $delegate (local.get $a) (local.get $at)) (return (i32.const 0)))
      (call $delegate (i32.load (local.get $a)) (local.get $at)) (return (i32.const 0)))
      (call $ask (local.get $a) (local.get $b)) (return (i32.const 0)))
      (call $who (local.get $a)) (return (i32.const 0)))
      (i32.store (i32.const 65536) (i32.load (local.get $a))) (call $feed (i32.const 4)) (return (i32.const 0)))
      (i32.store (local.get $b) (call $owner (i32.shl (local.get $a) (i32.const 5)))) (return (i32.const 0)))
      (return (i32.and (i32.load (local.get $a)) (i32.const 1))))
      (if (i32.and (i32.load (local.get $a)) (i32.const 1)) (then (call $fail))) (return (i32.const 0)))
    (loop $again
      (local.set $a (i32.sub (local.get $a) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $a) (i32.const 0))))
    (i32.const 0))
  (func (export "run") (param $len i32) (result i32)
    (local $base i32) (local $at i32) (local $end i32)
    (local.set $base (global.get $stack))
    (local.set $at (local.get $base))
    (local.set $end (i32.add (local.get $base) (local.get $len)))
    (global.set $stack (local.get $end))
    (memory.copy (local.get $base) (i32.const 65536) (local.get $len))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (br_if $done (call $step (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.add (i32.const 16) (i32.load offset=12 (local.get $at)))))
      (br $next)))
    (memory.fill (local.get $base) (i32.const 0) (local.get $len))
    (global.set $stack (local.get $base))
    (i32.const 0))
)"#;

/// Makes scripts.
pub struct Scripts {
    pub random: Random,
    /// Cells that scripts reach: few make for conflicts.
    pub cells: u32,
    /// Agents that scripts reach.
    pub agents: u32,
}

impl Scripts {
    /// A script of a few steps.
    pub fn script(&mut self, depth: u32) -> Vec<Step> {
        let steps = 1 + self.random.below(4);
        (0..steps).map(|_| self.step(depth)).collect()
    }

    fn step(&mut self, depth: u32) -> Step {
        let (one, other) = (self.cell(), self.cell());
        let value = self.random.below(5) as u32;
        match self.random.below(40) {
            0..5 => Step::Write(one, value),
            5..13 => Step::Add(one, value),
            13..17 => Step::Copy(one, other),
            17..23 => Step::See(one),
            23 => Step::Grow(value % 3),
            24 if self.random.once_in(3) => Step::Panic,
            25 if self.random.once_in(3) => Step::Trap,
            24..30 if depth > 0 => Step::Call(self.agent(), self.script(depth - 1)),
            30..33 if depth > 0 => Step::Try(self.agent(), self.script(depth - 1)),
            33 if depth > 0 => Step::TryNamed(one, self.script(depth - 1)),
            34 => Step::Ask(one, other),
            35 => Step::Who(one),
            36 => Step::Feed(one),
            37 => Step::Owner(self.agent(), one),
            38 => Step::EndIfOdd(one),
            39 => Step::PanicIfOdd(one),
            _ => Step::Spin(value * 500),
        }
    }

    /// The number of an agent, which need not exist.
    pub fn agent(&mut self) -> u32 {
        self.random.below(self.agents.into()) as u32
    }

    /// A word in a head, in a rest, or across the end of a page; in one of a few pages, or where there may be memory.
    fn cell(&mut self) -> u32 {
        let cell = self.random.below(self.cells.into()) as u32;
        let (page, place) = (cell / 5, cell % 5);
        let start = match self.random.once_in(30) {
            true => CELLS + 65_536 + page * 4_096,
            false => CELLS + page * 4_096,
        };
        start + [0, 260, 2_000, 4_092, 4_094][place as usize]
    }
}
