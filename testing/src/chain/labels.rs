//! Names of contracts and accounts, put into texts in place of their ids.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crostata_abi::ContractId;

/// Names by id. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Labels(Arc<Mutex<BTreeMap<ContractId, String>>>);

/// Digits of an id in a text.
const DIGITS: usize = 64;

impl Labels {
    /// Names an id; a name it had is gone.
    pub fn insert(&self, id: ContractId, name: String) {
        self.names_by_id().insert(id, name);
    }

    /// The id with this name.
    pub fn id(&self, name: &str) -> Option<ContractId> {
        let names = self.names_by_id();
        let mut found = names.iter().filter(|(_, known)| *known == name);
        found.next().map(|(id, _)| *id)
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.names_by_id().values().cloned().collect();
        names.sort();
        names
    }

    /// All ids with their names.
    pub fn all(&self) -> Vec<(ContractId, String)> {
        let names = self.names_by_id();
        names.iter().map(|(id, name)| (*id, name.clone())).collect()
    }

    /// The name of an id, or its first digits.
    pub fn of(&self, id: &ContractId) -> String {
        match self.names_by_id().get(id) {
            Some(name) => name.clone(),
            None => format!("0x{}…", &id.to_string()[..8]),
        }
    }

    /// A text with names in place of the ids that have one.
    pub fn put_into(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(is_digit) {
            let (before, run) = rest.split_at(at);
            let len = run.find(|character| !is_digit(character));
            let (digits, after) = run.split_at(len.unwrap_or(run.len()));
            out.push_str(before);
            let id = Some(digits).filter(|digits| digits.len() == DIGITS);
            match id.and_then(|id| id.parse().ok()) {
                Some(id) if self.names_by_id().contains_key(&id) => out.push_str(&self.of(&id)),
                _ => out.push_str(digits),
            }
            rest = after;
        }
        out + rest
    }

    fn names_by_id(&self) -> MutexGuard<'_, BTreeMap<ContractId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_digit(character: char) -> bool {
    character.is_ascii_hexdigit()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user reads names in messages, and ids where there is no name.
    #[test]
    fn names_stand_in_place_of_ids() {
        let labels = Labels::default();
        let (known, other) = (
            ContractId::from_bytes([0xab; 32]),
            ContractId::from_bytes([7; 32]),
        );
        labels.insert(known, "token".to_owned());
        let text = format!("there is no contract {known}, but {other}; decade");
        let expected = format!("there is no contract token, but {other}; decade");
        assert_eq!(labels.put_into(&text), expected);
        assert_eq!(labels.of(&other), "0x07070707…");
        assert_eq!(labels.id("token"), Some(known));
        assert_eq!(labels.id("tokens"), None);
    }
}
