//! The protocol: the rules of execution as a value, with a fingerprint that a chain can agree on.
//!
//! Everything that can change a root, gas or an outcome is in here; nothing else is (no backend, CPU,
//! optimisation level, diagnostics or cache). The canonical form is text, a line `name = value` per rule,
//! sorted by name, so that two protocols that differ can be told apart line by line.

use std::collections::BTreeMap;
use std::fmt;

use crostata_abi::imports::{IMPORTS, Import, QUERY_IMPORTS};
use crostata_proof::hash::{self, Kind};
use crostata_proof::layout::LAYOUT_VERSION;

use super::allow::AllowList;
use super::code::{CodeLimits, Effort, KNOWN_SECTIONS, REWRITING_VERSION};
use super::library::Libraries;
use super::schedule::price;

/// The version of the compiler and runtime. Even a patch release changes fuel and validity.
const ENGINE: &str = "wasmtime 48.0.8";

/// The WebAssembly features that deployed code may use.
const FEATURES: &str = "mvp mutable-globals sign-extension saturating-float-to-int multi-value bulk-memory \
     reference-types extended-const memory64 floats";

macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident, $prefix:literal { $($(#[$field_doc:meta])* $field:ident $(= $default:expr)?,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: u64,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: numbers!(@value concat!($prefix, stringify!($field)) $(, $default)?),)* }
            }
        }

        impl $name {
            const NAMES: [&str; [$(stringify!($field)),*].len()] = [$(concat!($prefix, stringify!($field))),*];

            const fn values(&self) -> [u64; Self::NAMES.len()] {
                [$(self.$field),*]
            }

            pub(super) fn rules(&self) -> impl Iterator<Item = (String, String)> + use<> {
                let rules = Self::NAMES.into_iter().zip(self.values());
                rules.map(|(name, value)| (name.to_owned(), value.to_string()))
            }

            fn rule_mut(&mut self, name: &str) -> Option<&mut u64> {
                match name.strip_prefix($prefix)? {
                    $(stringify!($field) => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
    (@value $name:expr) => { const { price($name) } };
    (@value $name:expr, $default:expr) => { $default };
}

numbers! {
    /// Prices in gas. One gas is about one simple WebAssembly instruction.
    Schedule, "gas." {
        /// Every import, before anything else.
        import_base,
        /// Each byte that an import moves between a contract and the host.
        import_byte,
        /// A contract-to-contract call, on top of the import.
        call_base,
        /// Each mutable global of a callee, which its frame keeps a copy of.
        call_global,
        /// A callee that fails: taken beforehand with the price of the call, given back when it succeeds or does not start.
        failure_base,
        /// Looking for a contract that is not in the call tree.
        lookup_base,
        /// The first use of a contract in a call tree, paid by who calls it.
        instance_base,
        /// Each byte of its code.
        instance_byte,
        /// Each element of its table.
        instance_element,
        /// The first read of a page of 4 KiB in a top-level call.
        page_read,
        /// The first write of a page in a top-level call.
        page_write,
        /// Writing a page again in a frame that began after the page was last written: its content is kept until that frame
        /// ends, which takes memory as a first write does.
        page_copy,
        /// Touching a page that got cold, or writing one again after a nested frame of the same contract.
        page_again,
        /// `memory.grow`, whether it succeeds or not.
        memory_grow_base,
        /// Each page of 64 KiB by which a memory grows, unless the protocol's limits forbid it.
        memory_grow_page,
        /// A `memory.copy` or `memory.fill` for which the host has to look at the pages: of no bytes, of more than 264, or of
        /// pages that are not ready.
        memory_bulk_base,
        /// Each 64 bytes that it moves.
        memory_bulk_line,
        /// An event or a feed, on top of the import.
        event_base,
        /// Each byte of an event's topic and data, and each byte fed.
        event_byte,
        /// A host query, on top of the import and of the query's own price; a session datum; a contract's owner.
        query_base,
        /// A deployment, outside of the gas limit: what compiling the least module takes.
        deploy_base,
        /// Each byte of deployed code, outside of the gas limit: reading it and storing it.
        deploy_byte,
        /// Each unit of [`CompileWork`], outside of the gas limit.
        deploy_work,
    }
}

numbers! {
    /// The work of compiling what a module consists of ([`Effort`] says what each counts). A unit is a nanosecond on the machine where it was
    /// measured: no module known takes longer there than its sum, ordinary ones take half of it to a quarter more (`docs/measurements.md`).
    CompileWork, "work." {
        /// A function.
        functions,
        /// A type, import, export or element of the table.
        entries,
        /// A local.
        locals,
        /// An operator that is not listed apart.
        operators,
        /// Floating-point arithmetic or a conversion.
        floats,
        /// A load or store.
        accesses,
        /// A touch check.
        checks,
        /// A copy or fill of memory, or its growth.
        bulks,
        /// A direct call.
        calls,
        /// An indirect call.
        indirect_calls,
        /// A parameter or result of a call.
        call_values,
        /// A block, loop, if or branch.
        branches,
        /// A value that differs by the branch taken, for each branch.
        joins,
        /// A value at the end of a block.
        spans,
        /// A value at an operator.
        reaches,
        /// A computed value at the end of any block of its function.
        reuses,
        /// An end of a block beside each other one of its function.
        squares,
        /// A page of memory that data segments fill.
        pages,
    }
}

impl CompileWork {
    /// The work of compiling so much.
    fn of(&self, effort: &Effort) -> u64 {
        let parts = self.values().into_iter().zip(effort.values());
        parts
            .map(|(work, count)| work.saturating_mul(count))
            .fold(0, u64::saturating_add)
    }
}

numbers! {
    /// Prices of WebAssembly operators in gas, 255 at most; an operator not named here costs 1,
    /// a structural one (`block`, `loop`, `end`, `else`, `drop`, `return`, `unreachable`) nothing.
    OperatorPrices, "gas.operator." {
        /// What the rewriter puts before each load and store of a 64-bit memory.
        wide_access,
        /// A load from memory.
        load,
        /// A store to memory.
        store,
        /// A direct call.
        call,
        /// An indirect call.
        call_indirect,
        /// `br_table`.
        br_table,
        /// `br_if` and `if`.
        branch,
        /// Integer multiplication.
        multiply,
        /// Integer division and remainder.
        divide,
        /// Floating-point division and square root.
        float_divide,
        /// Any other floating-point arithmetic, comparisons and conversions, NaN canonicalisation included.
        float,
        /// `memory.copy` and `memory.fill`.
        memory_bulk,
        /// `ref.func` and `table.get`.
        reference,
    }
}

numbers! {
    /// Limits on a running call that a contract can observe.
    CallLimits, "limit." {
        /// Frames in a call stack, the first included.
        call_depth_max = 64,
        /// Different contracts in a call tree.
        instances_max = 256,
        /// Bytes of the stack counter that a contract-to-contract call takes.
        call_stack_bytes = 2_048,
        /// Size a memory can grow to, in WebAssembly pages of 64 KiB.
        memory_wasm_pages_max = 4_096,
        /// Sizes of the memories of all contracts in a call tree together, in WebAssembly pages.
        call_memory_wasm_pages_max = 32_768,
        /// Pages of 4 KiB that a top-level call may pay for: first reads, first writes and copies together.
        call_pages_max = 524_288,
        /// Pages of 4 KiB of all contracts together that are warm; touching another one makes one of them cold.
        warm_pages_max = 512,
        /// Bytes of the events of a top-level call, reverted ones included; each counts 64 more than its topic and data.
        call_event_bytes_max = 4_194_304,
        /// Bytes fed in a top-level call; each `feed` counts 64 more than its data.
        call_feed_bytes_max = 67_108_864,
        /// Bytes of an event's topic, a function's, query's or datum's name.
        name_bytes_max = 255,
    }
}

numbers! {
    /// Prices in gas of calling libraries ([`Libraries`](super::Libraries)), and limits on them. They are part of a protocol that lists any.
    ///
    /// Operators cost what they cost contracts. An instance with a memory of 17 pages is 20 to 60 us, a page of 64 KiB 1.5 to 8 us once all of it
    /// was written.
    LibraryRules, "library." {
        /// A call, on top of the import: the stack and store it runs in, and an instance of a component.
        call_base = 300_000,
        /// Each byte of the argument and of the answer, on top of the import's price.
        byte = 2,
        /// Each core instance that the component makes.
        instance = 20_000,
        /// Each page of 64 KiB of a memory, when it is made or grows.
        memory_page = 280_000,
        /// Each element of a table, when it is made or grows.
        table_element = 100,
        /// Each function of the host that the library calls.
        host_call = 3_000,
        /// Each byte of randomness, and each byte that a library writes to a stream, where it is dropped. What it polls for counts for eight.
        host_byte = 200,
        /// Bytes of a library.
        code_bytes_max = 16_777_216,
        /// Bytes of the body of one of its functions.
        body_bytes_max = 262_144,
        /// Nesting of blocks in it.
        nesting_max = 4_096,
        /// Core instances that the component makes.
        instances_max = 8,
        /// Pages of 64 KiB of all memories of a call.
        memory_wasm_pages_max = 512,
        /// Elements of all tables of a call.
        table_elements_max = 65_536,
        /// Bytes of the stack counter that each core instance starts with.
        stack_bytes = 524_288,
    }
}

impl Schedule {
    /// What the first use of a contract in a call tree costs.
    pub fn instance_price(&self, code_bytes: u64) -> u64 {
        self.instance_byte
            .saturating_mul(code_bytes)
            .saturating_add(self.instance_base)
    }
}

/// The rules that a block is executed under.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Protocol {
    /// Prices of what the host does.
    pub schedule: Schedule,
    /// Prices of operators.
    pub operators: OperatorPrices,
    /// The work of compiling.
    pub work: CompileWork,
    /// Limits on a running call.
    pub limits: CallLimits,
    /// Limits on deployed code.
    pub code: CodeLimits,
    /// The only code that may be deployed and called; any code without a list.
    pub allowed: Option<AllowList>,
    /// What contracts may call besides contracts: nothing without a list.
    pub libraries: Libraries,
}

/// What identifies a protocol: the keyed hash of its canonical text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Protocol {
    /// The canonical text: a line `name = value` per rule, sorted by name.
    pub fn text(&self) -> String {
        self.rules()
            .into_iter()
            .map(|(name, value)| format!("{name} = {value}\n"))
            .collect()
    }

    /// The fingerprint of these rules.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_text(self.text().as_bytes())
    }

    /// The rules in which this protocol and the one written as `text` differ, a line each.
    pub fn differences(&self, text: &str) -> Vec<String> {
        let ours = self.rules();
        let theirs = read_rules(text);
        let mut names: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
        names.sort();
        names.dedup();
        let shown = |value: Option<&String>| value.map_or("absent", |value| value).to_owned();
        names
            .into_iter()
            .filter(|name| ours.get(*name) != theirs.get(*name))
            .map(|name| {
                let (there, here) = (shown(theirs.get(name)), shown(ours.get(name)));
                format!("{name}: {there} there, {here} here")
            })
            .collect()
    }

    /// Sets a rule that is a number; one that is none, or unknown, stays. `None` if the value is no such number.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Option<()> {
        if name == "limit.code.stack_height_limit" {
            self.code.stack_height_limit = value.parse().ok()?;
        } else if let Some(rule) = self.rule_mut(name) {
            *rule = value.parse().ok()?;
        } else {
            self.libraries.list(name, value);
        }
        Some(())
    }

    fn rule_mut(&mut self, name: &str) -> Option<&mut u64> {
        let Self {
            schedule,
            work,
            operators,
            limits,
            code,
            libraries,
            ..
        } = self;
        let rule = schedule.rule_mut(name).or_else(|| work.rule_mut(name));
        let rule = rule.or_else(|| operators.rule_mut(name));
        let rule = rule.or_else(|| limits.rule_mut(name));
        let rule = rule.or_else(|| libraries.rules.rule_mut(name));
        rule.or_else(|| code.rule_mut(name))
    }

    fn rules(&self) -> BTreeMap<String, String> {
        let fixed = [
            ("engine", ENGINE.to_owned()),
            ("features", FEATURES.to_owned()),
            ("imports", names(IMPORTS)),
            ("imports.queries", names(QUERY_IMPORTS)),
            ("layout", LAYOUT_VERSION.to_string()),
            ("nan", "canonical".to_owned()),
            ("rewriting", REWRITING_VERSION.to_string()),
            ("sections", KNOWN_SECTIONS.join(" ")),
        ];
        let code = self.code.rules();
        let allowed = self.allowed.as_ref().map(AllowList::rule);
        fixed
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .chain(self.schedule.rules())
            .chain(self.operators.rules())
            .chain(self.work.rules())
            .chain(self.limits.rules())
            .chain(
                code.into_iter()
                    .map(|(name, value)| (format!("limit.code.{name}"), value.to_string())),
            )
            .chain(allowed)
            .chain(self.libraries.text())
            .collect()
    }

    /// The price of deploying code of so many bytes with so much to compile, in gas, outside of the call's gas limit.
    pub fn deploy_price(&self, code_bytes: usize, effort: &Effort) -> u64 {
        let bytes = self.schedule.deploy_byte.saturating_mul(code_bytes as u64);
        let work = self
            .schedule
            .deploy_work
            .saturating_mul(self.work.of(effort));
        let parts = [bytes, work];
        parts
            .into_iter()
            .fold(self.schedule.deploy_base, u64::saturating_add)
    }
}

fn names(imports: &[Import]) -> String {
    let names: Vec<&str> = imports.iter().map(|import| import.name).collect();
    names.join(" ")
}

impl Fingerprint {
    /// The fingerprint of a protocol given by its canonical text.
    pub fn of_text(text: &[u8]) -> Self {
        Self(hash::keyed(Kind::Protocol, text))
    }
}

macro_rules! code_limits {
    ($($field:ident)*) => {
        impl CodeLimits {
            fn rules(&self) -> [(&'static str, u64); [$(stringify!($field)),*].len() + 1] {
                [$((stringify!($field), self.$field),)* ("stack_height_limit", u64::from(self.stack_height_limit))]
            }

            fn rule_mut(&mut self, name: &str) -> Option<&mut u64> {
                match name.strip_prefix("limit.code.")? {
                    $(stringify!($field) => Some(&mut self.$field),)*
                    _ => None,
                }
            }

            /// The limits for code that was accepted earlier: none that could refuse it. What changes
            /// execution, the stack height, stays.
            pub(super) fn lifted(&self) -> Self {
                Self {
                    $($field: u64::MAX,)*
                    stack_height_limit: self.stack_height_limit,
                }
            }
        }
    };
}

code_limits! {
    code_bytes_max body_bytes_max nesting_max br_table_max loop_locals_max loop_locals_total_max access_locals_max places_max joins_max operands_max
    br_table_targets_max blocks_max loops_max block_locals_max nested_locals_max nested_locals_total_max types_max params_max results_max imports_max functions_max locals_max globals_max mutable_globals_max
    exports_max export_name_bytes_max table_elements_max element_segments_max data_segments_max
    memory_wasm_pages_max stack_section_bytes_max
}

fn read_rules(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P6: each count has its work.
    #[test]
    fn what_there_is_to_compile_is_work() {
        let names = CompileWork::NAMES.map(|name| name.strip_prefix("work.").unwrap());
        assert_eq!(names, Effort::NAMES);
    }

    /// P1: what changes a rule changes the fingerprint, and the difference has a name.
    #[test]
    fn every_rule_is_in_the_fingerprint() {
        let base = Protocol::default();
        let mut dear = base.clone();
        dear.schedule.call_base += 1;
        let mut deep = base.clone();
        deep.limits.call_depth_max += 1;
        let mut wide = base.clone();
        wide.code.nesting_max += 1;
        for other in [&dear, &deep, &wide] {
            assert_ne!(base.fingerprint(), other.fingerprint());
            assert_eq!(base.differences(&other.text()).len(), 1);
        }
        assert_eq!(
            base.differences(&dear.text()),
            [format!(
                "gas.call_base: {} there, {} here",
                dear.schedule.call_base, base.schedule.call_base
            )]
        );
        assert_eq!(base.fingerprint(), Protocol::default().fingerprint());
    }
}
