//! Libraries as the protocol says them: which, at what prices, within what limits, and by what names contracts call them.

use std::collections::BTreeSet;

use crostata_proof::CodeHash;

use crate::engine::protocol::LibraryRules;

/// What the name of a rule that lists a library begins with; its hash follows.
const LISTED: &str = "library.code.";

/// The value of such a rule.
const ALLOWED: &str = "allowed";

/// What names of library functions begin with. Under a protocol that lists libraries no host query has such a name.
#[cfg(feature = "libraries")]
const RESERVED: &str = "library:";

/// The libraries of a protocol: none unless it lists some, and then it has rules about them.
///
/// ```
/// use crostata::{Libraries, Protocol, code_hash};
///
/// let verifier = code_hash(b"the bytes of a component");
/// let protocol = Protocol { libraries: Libraries::new([verifier]), ..Protocol::default() };
/// assert!(protocol.text().contains(&format!("library.code.{verifier} = allowed")));
/// assert!(!Protocol::default().text().contains("library"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Libraries {
    codes: BTreeSet<CodeHash>,
    /// Prices and limits. They count only where there are libraries.
    pub rules: LibraryRules,
}

impl Libraries {
    /// These libraries, by the [`code_hash`](crate::code_hash) of their binaries, at the default prices.
    pub fn new(codes: impl IntoIterator<Item = CodeHash>) -> Self {
        Self {
            codes: codes.into_iter().collect(),
            rules: LibraryRules::default(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether a library is listed.
    pub fn contains(&self, code: &CodeHash) -> bool {
        self.codes.contains(code)
    }

    /// Their hashes, sorted.
    pub fn codes(&self) -> impl Iterator<Item = &CodeHash> {
        self.codes.iter()
    }

    /// The protocol's rules: a line for each library, then prices and limits. None without libraries, so that such a protocol is what it was.
    pub(in crate::engine) fn text(&self) -> impl Iterator<Item = (String, String)> {
        let listed = self.codes.iter();
        let listed = listed.map(|code| (format!("{LISTED}{code}"), ALLOWED.to_owned()));
        let rules = self.rules.rules().filter(|_| !self.is_empty());
        listed.chain(rules)
    }

    /// Lists what a rule lists, if it is one that does. A rule with another value lists nothing, and is then one that differs.
    pub(in crate::engine) fn list(&mut self, name: &str, value: &str) {
        let code = name.strip_prefix(LISTED).filter(|_| value == ALLOWED);
        if let Some(code) = code.and_then(|code| code.parse().ok()) {
            self.codes.insert(code);
        }
    }
}

/// A function of a library, as a contract names it.
#[cfg(feature = "libraries")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionName<'a> {
    /// The library.
    pub code: CodeHash,
    /// The function: its name, or that of its interface, a slash, and its name.
    pub function: &'a str,
}

#[cfg(feature = "libraries")]
impl<'a> FunctionName<'a> {
    /// Whether this can be nothing but a function of a library.
    pub fn is_reserved(name: &str) -> bool {
        name.starts_with(RESERVED)
    }

    /// The function with this name: `library:`, 64 lower-case hexadecimal digits, a colon and the function, and nothing else.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (hash, function) = name.strip_prefix(RESERVED)?.split_once(':')?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_hash = hash.len() == 64 && hash.bytes().all(is_digit);
        let code = hash.parse().ok().filter(|_| is_hash)?;
        Some(Self { code, function }).filter(|_| !function.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Protocol, ProtocolTextError};

    fn code(byte: u8) -> CodeHash {
        CodeHash::from_bytes([byte; 32])
    }

    fn with(codes: &[CodeHash]) -> Protocol {
        Protocol {
            libraries: Libraries::new(codes.iter().copied()),
            ..Protocol::default()
        }
    }

    /// P1: the set, its prices and its limits are in the fingerprint, each under a name; without libraries nothing is.
    #[test]
    fn libraries_are_part_of_the_protocol() {
        let (one, two) = (with(&[code(1)]), with(&[code(1), code(2)]));
        assert_eq!(with(&[]).text(), Protocol::default().text());
        let differences = one.differences(&two.text());
        assert_eq!(differences.len(), 1);
        assert!(differences[0].starts_with(&format!("library.code.{}: ", code(2))));
        assert_eq!(with(&[code(2), code(1), code(2)]), two);
        let mut dear = one.clone();
        dear.libraries.rules.call_base += 1;
        assert_ne!(dear.fingerprint(), one.fingerprint());
        assert!(dear.differences(&one.text())[0].starts_with("library.call_base: "));
    }

    /// P1: a protocol with libraries that was written down is the same when it is read; what is not canonical is refused.
    #[test]
    fn text_is_read_back() {
        let mut protocol = with(&[code(0xab), code(2)]);
        protocol.libraries.rules.memory_wasm_pages_max += 1;
        assert_eq!(Protocol::from_text(&protocol.text()), Ok(protocol.clone()));
        let hash = code(0xab).to_string();
        let texts = [
            protocol.text().replace("= allowed", "= 1"),
            protocol.text().replace(&hash, &hash.to_uppercase()),
            protocol.text().replace(&hash, &hash[1..]),
            Protocol::default().text() + "library.call_base = 1\n",
        ];
        for text in texts {
            let refused = Protocol::from_text(&text);
            assert!(matches!(refused, Err(ProtocolTextError::Differs { .. })));
        }
    }

    /// P1: of each function there is one name.
    #[cfg(feature = "libraries")]
    #[test]
    fn names_are_strict() {
        let hash = code(0xab).to_string();
        let name = format!("library:{hash}:a:b/c@1.0.0/check");
        let parsed = FunctionName::parse(&name).unwrap();
        assert_eq!(
            (parsed.code, parsed.function),
            (code(0xab), "a:b/c@1.0.0/check")
        );
        for bad in [
            format!("library:{hash}:"),
            format!("library:{hash}"),
            format!("library:{}:f", &hash[1..]),
            format!("library:{}:f", hash.to_uppercase()),
            format!("library: {hash}:f"),
            format!("Library:{hash}:f"),
            "library:".to_owned(),
        ] {
            assert_eq!(FunctionName::parse(&bad), None, "{bad}");
        }
    }
}
