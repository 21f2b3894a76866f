//! The list of code that may be deployed and called: a set of code hashes, part of the protocol.
//!
//! As a file it is text: a hash of 64 hexadecimal digits per line; `#` begins a comment, blank lines are nothing. What decides is the
//! set: two files with the same hashes are the same list.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crostata_proof::CodeHash;
use crostata_proof::hash::{self, Kind};

/// The longest part of a bad line that is shown.
const SHOWN_CHARS: usize = 80;

/// The only code that may be deployed and called under a protocol.
///
/// ```
/// use crostata::{AllowList, Protocol, code_hash, contract_bytecode};
///
/// let counter = code_hash(contract_bytecode!("counter"));
/// let list = AllowList::parse(format!("# what this chain runs\n{counter}  # counts\n").as_bytes()).unwrap();
/// assert!(list.contains(&counter));
/// let protocol = Protocol { allowed: Some(list), ..Protocol::default() };
/// assert!(protocol.text().contains("code.allowed = "));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList {
    /// Sorted, each once.
    codes: Arc<[CodeHash]>,
}

/// Why a file is no list of code. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum AllowListError {
    /// The file can not be read.
    #[error("the list can not be read")]
    Read(#[source] io::Error),
    /// A line is not UTF-8.
    #[error("line {line} is not UTF-8")]
    NotUtf8 {
        /// The line.
        line: usize,
    },
    /// A line is no hash.
    #[error("line {line}, `{text}`, is not a hash of 64 hexadecimal digits")]
    BadLine {
        /// The line.
        line: usize,
        /// What it says, cut.
        text: String,
    },
    /// A hash is there twice.
    #[error("line {line} has the hash of line {first_line} again")]
    Duplicate {
        /// The line.
        line: usize,
        /// Where it was before.
        first_line: usize,
    },
}

impl AllowList {
    /// The list of these codes.
    pub fn new(codes: impl IntoIterator<Item = CodeHash>) -> Self {
        let mut codes: Vec<CodeHash> = codes.into_iter().collect();
        codes.sort_unstable();
        codes.dedup();
        Self {
            codes: codes.into(),
        }
    }

    /// The list in a file.
    ///
    /// # Errors
    /// [`AllowListError`] names the first line that is wrong.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, AllowListError> {
        Self::parse(&fs::read(path).map_err(AllowListError::Read)?)
    }

    /// The list that a file says.
    ///
    /// # Errors
    /// [`AllowListError`] names the first line that is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, AllowListError> {
        let mut found: Vec<(CodeHash, usize)> = Vec::new();
        for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if let Some(code) = line_code(line, text)? {
                found.push((code, line));
            }
        }
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let twice = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        // The first in the file, not the one that sorts first.
        if let Some(pair) = twice.min_by_key(|pair| pair[1].1) {
            let (first_line, line) = (pair[0].1, pair[1].1);
            return Err(AllowListError::Duplicate { line, first_line });
        }
        Ok(Self::new(sorted.into_iter().map(|(code, _)| code)))
    }

    /// Whether this code is on the list.
    pub fn contains(&self, code: &CodeHash) -> bool {
        self.codes.binary_search(code).is_ok()
    }

    /// The codes, sorted.
    pub fn codes(&self) -> &[CodeHash] {
        &self.codes
    }

    /// The hash of the list: of its hashes, sorted, one behind the other.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = hash::hasher(Kind::AllowList);
        for code in self.codes() {
            hasher.update(code.as_bytes());
        }
        hasher.finalize()
    }

    /// The protocol's rule.
    pub(super) fn rule(&self) -> (String, String) {
        let hash = CodeHash::from_bytes(self.hash());
        ("code.allowed".to_owned(), hash.to_string())
    }
}

/// The hash in a line, if there is anything in it.
fn line_code(line: usize, bytes: &[u8]) -> Result<Option<CodeHash>, AllowListError> {
    let text = str::from_utf8(bytes).map_err(|_| AllowListError::NotUtf8 { line })?;
    let hash = text.split_once('#').map_or(text, |(hash, _)| hash).trim();
    if hash.is_empty() {
        return Ok(None);
    }
    let bad = |_| AllowListError::BadLine {
        line,
        text: hash.chars().take(SHOWN_CHARS).collect(),
    };
    hash.parse().map(Some).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Protocol;

    fn code(byte: u8) -> CodeHash {
        CodeHash::from_bytes([byte; 32])
    }

    fn error(text: &[u8]) -> AllowListError {
        AllowList::parse(text).unwrap_err()
    }

    /// P1: the set decides, not how the file says it.
    #[test]
    fn files_with_the_same_hashes_are_one_list() {
        let list = AllowList::new([code(1), code(2), code(0xab)]);
        let (one, two) = (code(1), code(2));
        let other = code(0xab).to_string().to_uppercase();
        let text = format!("# codes\r\n\n  {other}\t# the first\r\n{two}\n#{two}\n \n{one}");
        let read = AllowList::parse(text.as_bytes()).unwrap();
        assert_eq!(read, list);
        assert_eq!(read.hash(), list.hash());
        assert_eq!(list.codes(), [one, two, code(0xab)]);
        assert!(list.contains(&one) && !list.contains(&code(3)));
        assert_eq!(AllowList::parse(b"").unwrap(), AllowList::default());
    }

    /// P7: what is wrong with a file is said with its line.
    #[test]
    fn errors_name_the_line() {
        let one = code(1).to_string();
        let short = format!("{one}\n\n{}\n{one}", &one[1..]);
        assert!(matches!(
            error(short.as_bytes()),
            AllowListError::BadLine { line: 3, text } if text == one[1..]
        ));
        let digit = format!("# x\n{}g", &one[1..]);
        assert!(matches!(
            error(digit.as_bytes()),
            AllowListError::BadLine { line: 2, .. }
        ));
        let two_in_one = format!("{one} {one}");
        assert!(matches!(
            error(two_in_one.as_bytes()),
            AllowListError::BadLine { line: 1, .. }
        ));
        let twice = format!("{nine}\n{one}\n#\n{one}\n{nine}", nine = code(9));
        assert!(matches!(
            error(twice.as_bytes()),
            AllowListError::Duplicate {
                line: 4,
                first_line: 2
            }
        ));
        let not_utf8 = [one.as_bytes(), b"\n\xff\n"].concat();
        assert!(matches!(
            error(&not_utf8),
            AllowListError::NotUtf8 { line: 2 }
        ));
        let gone = AllowList::read("no/such/list");
        assert!(matches!(gone, Err(AllowListError::Read(_))));
    }

    /// P1: the list is in the fingerprint, under a name; without a list nothing is.
    #[test]
    fn the_list_is_part_of_the_protocol() {
        let with = |codes: &[CodeHash]| Protocol {
            allowed: Some(AllowList::new(codes.iter().copied())),
            ..Protocol::default()
        };
        let (none, empty) = (Protocol::default(), with(&[]));
        let (one, two) = (with(&[code(1)]), with(&[code(1), code(2)]));
        let all = [&none, &empty, &one, &two];
        for (at, protocol) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(protocol.fingerprint(), other.fingerprint());
                let differences = protocol.differences(&other.text());
                assert_eq!(differences.len(), 1);
                assert!(differences[0].starts_with("code.allowed: "));
            }
        }
        assert!(!none.text().contains("allowed"));
        assert_eq!(with(&[code(2), code(1), code(2)]), two);
    }
}
