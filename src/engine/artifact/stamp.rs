//! What compiled code depends on beside the code: the engine section of an artifact.
//!
//! It is text, a line `name = value` each: the backend, the compiler's own compatibility hash (version, target, CPU
//! features, settings), and those rules of the protocol that change what is compiled.

use std::hash::{Hash, Hasher};

use crostata_proof::hash::{self, KeyedHasher, Kind};

use crate::engine::{Aids, Backend, Protocol};

/// Bytes of a stamp's name.
const NAME_BYTES: usize = 16;

/// What rules about libraries begin with.
const LIBRARY: &str = "library.";

/// What code is compiled by and under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    text: String,
    name: String,
}

impl Stamp {
    /// The stamp of an engine's contracts.
    pub fn new(
        backend: Backend,
        protocol: &Protocol,
        engine: &wasmtime::Engine,
        aids: Aids,
    ) -> Self {
        // The other aids change the compiler's settings, which its hash tells.
        let code = aids.probed.then_some("probed");
        Self::of(backend, protocol, engine, code, |rule| {
            changes_code(rule) && !rule.starts_with(LIBRARY)
        })
    }

    /// The stamp of the engine that runs the protocol's libraries. Their limits are in it: what keeps to others may not be a library.
    #[cfg(feature = "libraries")]
    pub fn of_libraries(backend: Backend, protocol: &Protocol, engine: &wasmtime::Engine) -> Self {
        Self::of(backend, protocol, engine, Some("library"), |rule| {
            changes_code(rule) && !rule.starts_with("library.code.")
        })
    }

    fn of(
        backend: Backend,
        protocol: &Protocol,
        engine: &wasmtime::Engine,
        code: Option<&str>,
        counts: impl Fn(&str) -> bool,
    ) -> Self {
        let backend = match backend {
            Backend::Native => "native",
            Backend::Portable => "portable",
        };
        let mut hasher = Recorder(hash::hasher(Kind::Artifact));
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = hex(&hasher.0.finalize());
        let mut text = format!("backend = {backend}\ncompatibility = {compatibility}\n");
        if let Some(code) = code {
            text.push_str(&format!("code = {code}\n"));
        }
        for rule in protocol.text().lines().filter(|rule| counts(rule)) {
            text.push_str(rule);
            text.push('\n');
        }
        let full = hash::keyed(Kind::Artifact, text.as_bytes());
        Self {
            name: hex(&full[..NAME_BYTES]),
            text,
        }
    }

    /// The engine section of what is compiled now.
    pub fn section(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The stamp's name, for files.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Whether a rule can change what is compiled. A rule that this does not know counts as one that can.
fn changes_code(rule: &str) -> bool {
    let priced_by_host = rule.starts_with("gas.") && !rule.starts_with("gas.operator.");
    let host_only = priced_by_host || rule.starts_with("work.");
    let limit = rule.starts_with("limit.") && !rule.starts_with("limit.code.stack_height_limit ");
    !host_only && !limit && !rule.starts_with("code.allowed ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash of all that is fed to a [`Hasher`]: 64 bits are not enough to tell artifacts apart.
struct Recorder(KeyedHasher);

impl Hasher for Recorder {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks a recorder for 64 bits.
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBED: Aids = Aids {
        interruptible: false,
        located: false,
        probed: true,
    };

    fn stamp(backend: Backend, change: impl FnOnce(&mut Protocol)) -> Stamp {
        aided(backend, Aids::default(), change)
    }

    fn aided(backend: Backend, aids: Aids, change: impl FnOnce(&mut Protocol)) -> Stamp {
        let mut protocol = Protocol::default();
        change(&mut protocol);
        let mut config = wasmtime::Config::new();
        config.cranelift_nan_canonicalization(
            protocol.operators.load == Protocol::default().operators.load,
        );
        let engine = wasmtime::Engine::new(&config).unwrap();
        Stamp::new(backend, &protocol, &engine, aids)
    }

    /// P1: what changes compiled code changes the stamp, and what does not leaves artifacts of use.
    #[test]
    fn a_stamp_is_what_compiled_code_depends_on() {
        let usual = stamp(Backend::Native, |_| ());
        assert_eq!(usual, stamp(Backend::Native, |_| ()));
        let others = [
            stamp(Backend::Portable, |_| ()),
            aided(Backend::Native, PROBED, |_| ()),
            stamp(Backend::Native, |protocol| protocol.operators.call += 1),
            stamp(Backend::Native, |protocol| {
                protocol.code.stack_height_limit += 1;
            }),
            stamp(Backend::Native, |protocol| protocol.operators.load += 1),
        ];
        for other in &others {
            assert_ne!(usual.name(), other.name());
            assert_ne!(usual.section(), other.section());
        }
        let same = stamp(Backend::Native, |protocol| {
            protocol.schedule.call_base += 1;
            protocol.limits.call_depth_max += 1;
            protocol.code.nesting_max += 1;
        });
        assert_eq!(usual, same);
        let compatibility = |stamp: &Stamp| stamp.text.lines().nth(1).unwrap().to_owned();
        assert_eq!(compatibility(&usual), compatibility(&others[1]));
        assert_ne!(compatibility(&usual), compatibility(&others[4]));
    }

    /// The lines that the code depends on are there by name.
    #[test]
    fn the_section_can_be_read() {
        let usual = stamp(Backend::Native, |_| ());
        let names: Vec<&str> = usual
            .text
            .lines()
            .map(|line| line.split_once(" = ").unwrap().0)
            .collect();
        for name in [
            "backend",
            "compatibility",
            "engine",
            "rewriting",
            "nan",
            "gas.operator.call",
            "limit.code.stack_height_limit",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        assert!(!names.contains(&"gas.call_base"));
    }
}
