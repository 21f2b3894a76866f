//! The gas schedule: prices as data, in one file, read when this crate is compiled.
//!
//! `schedule.txt` has a line `name = price` per rule and comments that say what each price was measured to be; its rules are part
//! of the protocol and of its fingerprint. A price that is missing, written twice or no number does not compile.

/// The file.
pub const SCHEDULE: &str = include_str!("schedule.txt");

/// The price called `name`.
///
/// # Panics
/// Where the file has no such line, or two, or one without a number: at compile time, since prices are constants.
pub const fn price(name: &str) -> u64 {
    let (text, name) = (SCHEDULE.as_bytes(), name.as_bytes());
    let mut found = None;
    let mut at = 0;
    while at < text.len() {
        if names(text, at, name) {
            assert!(found.is_none(), "a price is written twice in schedule.txt");
            found = Some(number(text, at + name.len() + SEPARATOR.len()));
        }
        at = next_line(text, at);
    }
    match found {
        Some(price) => price,
        None => panic!("a price is missing in schedule.txt"),
    }
}

const SEPARATOR: &[u8] = b" = ";

/// Whether the line at `at` is `name`'s.
const fn names(text: &[u8], at: usize, name: &[u8]) -> bool {
    holds(text, at, name) && holds(text, at + name.len(), SEPARATOR)
}

const fn holds(text: &[u8], at: usize, wanted: &[u8]) -> bool {
    let mut index = 0;
    while index < wanted.len() {
        if at + index >= text.len() || text[at + index] != wanted[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The number from `at` to the end of the line.
const fn number(text: &[u8], mut at: usize) -> u64 {
    let mut number = 0_u64;
    let begin = at;
    while at < text.len() && text[at] != b'\n' {
        assert!(
            text[at].is_ascii_digit(),
            "a price is no number in schedule.txt"
        );
        number = number * 10 + (text[at] - b'0') as u64;
        at += 1;
    }
    assert!(at > begin, "a price is empty in schedule.txt");
    number
}

const fn next_line(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at] != b'\n' {
        at += 1;
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::SCHEDULE;
    use crate::engine::Protocol;

    /// P1: the file says what the protocol has, and nothing that the protocol does not have.
    #[test]
    fn every_line_of_the_file_is_a_rule() {
        let rules = SCHEDULE
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut rules: Vec<&str> = rules.collect();
        rules.sort_unstable();
        let text = Protocol::default().text();
        let prices = text
            .lines()
            .filter(|line| line.starts_with("gas.") || line.starts_with("work."));
        assert_eq!(rules, prices.collect::<Vec<_>>());
    }
}
