//! The part of an address behind the question mark: `name=value`, with `&` between any two.
//!
//! Values need no escaping: they are numbers, hex digits and questions.

use thiserror::Error;

/// The parameters of a request.
pub struct Query<'a> {
    parameters: Vec<(&'a str, &'a str)>,
}

/// Why a query is none for this path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// A parameter has no value.
    #[error("the parameter `{0}` has no value; write `{0}=VALUE`")]
    NoValue(String),
    /// A parameter is given twice.
    #[error("the parameter `{0}` is given twice; give it once")]
    Twice(String),
    /// A parameter that the path does not know.
    #[error("there is no parameter `{found}` here; there are: {known}")]
    Unknown {
        /// The parameter.
        found: String,
        /// Those that the path knows.
        known: String,
    },
    /// A parameter is missing.
    #[error("the parameter `{0}` is missing; add `{0}=VALUE`")]
    Missing(&'static str),
}

impl<'a> Query<'a> {
    /// Takes a query apart, on condition that it has only parameters with these names.
    pub fn parse(text: &'a str, known: &[&str]) -> Result<Self, QueryError> {
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let pair = part.split_once('=');
            let (name, value) = pair.ok_or_else(|| QueryError::NoValue(short(part)))?;
            if !known.contains(&name) {
                let known = known.join(", ");
                let found = short(name);
                return Err(QueryError::Unknown { found, known });
            }
            if parameters.iter().any(|parameter| parameter.0 == name) {
                return Err(QueryError::Twice(name.to_owned()));
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// The value of a parameter that may be left out.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut found = self
            .parameters
            .iter()
            .filter(|parameter| parameter.0 == name);
        found.next().map(|parameter| parameter.1)
    }

    /// The value of a parameter that must be there.
    pub fn require(&self, name: &'static str) -> Result<&'a str, QueryError> {
        self.get(name).ok_or(QueryError::Missing(name))
    }
}

/// Enough of a text from outside to be recognised.
pub fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: any query is its parameters or an error that says which is wrong.
    #[test]
    fn queries_are_taken_apart_or_refused() {
        let query = Query::parse("block=9&show=bytes:0:8", &["block", "show"]).unwrap();
        assert_eq!(query.get("block"), Some("9"));
        assert_eq!(query.require("show"), Ok("bytes:0:8"));
        assert_eq!(
            query.require("contract"),
            Err(QueryError::Missing("contract"))
        );
        let refused = |text| Query::parse(text, &["block"]).err();
        assert_eq!(refused("block"), Some(QueryError::NoValue("block".into())));
        assert_eq!(
            refused("block=1&block=1"),
            Some(QueryError::Twice("block".into()))
        );
        assert!(matches!(
            refused("blick=1"),
            Some(QueryError::Unknown { .. })
        ));
    }
}
