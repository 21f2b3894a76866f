//! Reading a protocol from its canonical text.

use std::collections::BTreeSet;

use super::protocol::Protocol;

/// Why a text is no protocol of this build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolTextError {
    /// A line is not `name = value`.
    #[error("line {line} is not `name = value`")]
    Line {
        /// The line, counted from 1.
        line: usize,
    },
    /// A rule appears a second time.
    #[error("line {line}: the rule `{name}` is there already")]
    Twice {
        /// The line, counted from 1.
        line: usize,
        /// The rule.
        name: String,
    },
    /// A rule's value is no number, or too large for it.
    #[error("line {line}: the rule `{name}` wants a number, not `{value}`")]
    Value {
        /// The line, counted from 1.
        line: usize,
        /// The rule.
        name: String,
        /// Its value.
        value: String,
    },
    /// A rule of another build: one that this build does not know, or knows only with another value.
    #[error("this build can not keep to these rules: {}", differences.join("; "))]
    Differs {
        /// The rules, each with what is there and what is here.
        differences: Vec<String>,
    },
}

impl Protocol {
    /// The protocol with this canonical [`text`](Self::text): all its rules, in any order.
    ///
    /// A list of allowed code can not be read back from its hash: a text that names one is refused.
    ///
    /// ```
    /// use crostata::Protocol;
    ///
    /// let text = Protocol::default().text().replace("limit.call_depth_max = 64", "limit.call_depth_max = 32");
    /// assert_eq!(Protocol::from_text(&text)?.limits.call_depth_max, 32);
    /// # Ok::<(), crostata::ProtocolTextError>(())
    /// ```
    ///
    /// # Errors
    /// [`ProtocolTextError`] names the line, or the rules that this build does not know or have.
    pub fn from_text(text: &str) -> Result<Self, ProtocolTextError> {
        let mut protocol = Self::default();
        let mut seen = BTreeSet::new();
        for (line, rule) in (1..).zip(text.lines()) {
            let rule = rule.split_once(" = ");
            let (name, value) = rule.ok_or(ProtocolTextError::Line { line })?;
            if !seen.insert(name) {
                let name = name.to_owned();
                return Err(ProtocolTextError::Twice { line, name });
            }
            let set = protocol.set(name, value);
            set.ok_or_else(|| ProtocolTextError::Value {
                line,
                name: name.to_owned(),
                value: value.to_owned(),
            })?;
        }
        match protocol.differences(text) {
            differences if differences.is_empty() => Ok(protocol),
            differences => Err(ProtocolTextError::Differs { differences }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P1: a protocol that was written down is the same when it is read.
    #[test]
    fn text_is_read_back() {
        let mut protocol = Protocol::default();
        protocol.schedule.call_base += 1;
        protocol.work.functions += 1;
        protocol.operators.load += 1;
        protocol.limits.instances_max += 1;
        protocol.code.nesting_max += 1;
        protocol.code.stack_height_limit += 1;
        assert_eq!(Protocol::from_text(&protocol.text()), Ok(protocol));
    }

    /// P7: what is wrong with a text is said.
    #[test]
    fn other_texts_are_refused() {
        let text = Protocol::default().text();
        let refused = |text: &str| Protocol::from_text(text).unwrap_err().to_string();
        assert_eq!(refused("gas"), "line 1 is not `name = value`");
        let twice = format!("{text}gas.call_base = 1\n");
        assert!(refused(&twice).contains("is there already"));
        let word = text.replace("gas.call_base = ", "gas.call_base = x");
        assert!(refused(&word).contains("`gas.call_base` wants a number"));
        let large = text.replace("stack_height_limit = ", "stack_height_limit = 9999999999");
        assert!(refused(&large).contains("wants a number"));
        let other = text.replace("nan = canonical", "nan = any");
        assert!(refused(&other).ends_with("nan: any there, canonical here"));
        let more = format!("{text}gas.unheard = 1\n");
        assert!(refused(&more).ends_with("gas.unheard: 1 there, absent here"));
        let less: String = text
            .lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(refused(&less).contains("absent there"));
    }
}
