//! Settings from the environment: the seed, and how many sequences.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The seed of a run: `CROSTATA_TEST_SEED`, or one that follows from the campaign's name, so that a suite that passed goes on to pass.
pub const SEED: &str = "CROSTATA_TEST_SEED";

/// How many sequences: `CROSTATA_TEST_CASES`.
pub const CASES: &str = "CROSTATA_TEST_CASES";

/// A setting of the environment that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value:?} is {wanted}")]
pub struct SettingError {
    variable: &'static str,
    value: String,
    wanted: &'static str,
}

/// The seed that the environment wants, or that of the name.
pub fn seed(name: &str) -> Result<u64, SettingError> {
    match std::env::var(SEED) {
        Err(_) => Ok(of_name(name)),
        Ok(value) => parse_seed(&value),
    }
}

/// `random`, or a number, with `0x` in hexadecimal digits.
fn parse_seed(value: &str) -> Result<u64, SettingError> {
    if value == "random" {
        return Ok(random());
    }
    let number = match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => value.parse(),
    };
    number.map_err(|_| SettingError {
        variable: SEED,
        value: value.to_owned(),
        wanted: "no seed: it is a number, as the message of a failure prints it, or `random`",
    })
}

/// How many sequences the environment wants.
pub fn cases() -> Result<Option<u32>, SettingError> {
    let Ok(value) = std::env::var(CASES) else {
        return Ok(None);
    };
    let number = value.parse().ok().filter(|number| *number > 0);
    number.map(Some).ok_or(SettingError {
        variable: CASES,
        value,
        wanted: "no number of sequences: it is a number from 1",
    })
}

/// Random choices that follow from a seed and the number of the sequence.
pub fn runner(seed: u64, case: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&case.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

fn of_name(name: &str) -> u64 {
    let hash = blake3::hash(name.as_bytes());
    hash.as_bytes()
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A number like no other, from what the standard library seeds its tables with.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed that was printed is one that can be given; nonsense is told.
    #[test]
    fn printed_seeds_are_seeds() {
        let printed = format!("0x{:016x}", 0xfeed_u64);
        assert_eq!(parse_seed(&printed), Ok(0xfeed));
        assert_eq!(parse_seed("12"), Ok(12));
        let error = parse_seed("many").unwrap_err();
        assert!(
            error.to_string().contains("CROSTATA_TEST_SEED=\"many\""),
            "{error}"
        );
        assert_ne!(of_name("a"), of_name("b"));
    }
}
