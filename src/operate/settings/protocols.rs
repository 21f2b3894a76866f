//! The chain's protocols, as settings name them: by fingerprint, with what their rules can be read from.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{ProtocolProblem, SettingsError};
use crate::engine::{AllowList, Fingerprint, Protocol, ProtocolTextError};

/// The rule that names a list of allowed code by its hash.
const ALLOWED: &str = "code.allowed = ";

/// A protocol that a node keeps to: the fingerprint is what the chain agreed on, the rest where its rules are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolSource {
    /// The protocol's fingerprint. Rules with another one are refused.
    pub fingerprint: Fingerprint,
    /// The file with its canonical text ([`Protocol::text`]); without one, the rules are this build's default ones.
    pub file: Option<PathBuf>,
    /// The file with the list of the only code that may be deployed and called, if it has one.
    pub allow_list: Option<PathBuf>,
}

impl ProtocolSource {
    /// The protocol.
    ///
    /// # Errors
    /// [`SettingsError::Protocol`] when a file can not be read, is none, or has other rules.
    pub fn protocol(&self) -> Result<Protocol, SettingsError> {
        let made = self.made().and_then(|protocol| self.held(protocol));
        made.map_err(|problem| SettingsError::Protocol {
            fingerprint: self.fingerprint,
            problem: Box::new(problem),
        })
    }

    fn made(&self) -> Result<Protocol, ProtocolProblem> {
        let protocol = match &self.file {
            Some(path) => rules(path)?,
            None => Protocol::default(),
        };
        let allowed = self.allow_list.as_deref().map(allowed).transpose()?;
        Ok(Protocol {
            allowed,
            ..protocol
        })
    }

    fn held(&self, protocol: Protocol) -> Result<Protocol, ProtocolProblem> {
        let found = protocol.fingerprint();
        match found == self.fingerprint {
            true => Ok(protocol),
            false => Err(ProtocolProblem::Fingerprint { found }),
        }
    }
}

/// The rules in a file. The list that they may name is read by itself: the fingerprint tells whether it is that one.
fn rules(path: &Path) -> Result<Protocol, ProtocolProblem> {
    let path = path.to_path_buf();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(ProtocolProblem::Read { path, source }),
    };
    let without_list = text.split_inclusive('\n');
    let without_list: String = without_list
        .filter(|line| !line.starts_with(ALLOWED))
        .collect();
    let read: Result<Protocol, ProtocolTextError> = Protocol::from_text(&without_list);
    read.map_err(|source| ProtocolProblem::Text { path, source })
}

fn allowed(path: &Path) -> Result<AllowList, ProtocolProblem> {
    AllowList::read(path).map_err(|source| ProtocolProblem::AllowList {
        path: path.to_path_buf(),
        source,
    })
}
