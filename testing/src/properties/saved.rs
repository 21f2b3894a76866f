//! Failing sequences that were found, in a file beside the test's source: they are played before any others are made up.

use std::fs;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};

use super::step::Step;

/// Sequences that are kept for a campaign.
const KEPT_MAX: usize = 64;

/// Where the sequences of a campaign are.
#[derive(Debug, Clone)]
pub struct Saved {
    file: PathBuf,
}

/// Why saved sequences can not be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file can not be read or written.
    #[error("{} can not be read or written: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file has no sequences.
    #[error("{} has no saved sequences ({reason}); remove it if they are not wanted", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Saved {
    /// The file of a campaign that is written in a source: `tests/token.rs` has `tests/token.failures/NAME.json`. None if the source is not
    /// there any more.
    pub fn beside(source: &Location<'_>, name: &str) -> Option<Self> {
        let named = Path::new(source.file());
        let here = std::env::current_dir().ok()?;
        // Sources are told from the workspace's folder, tests run in their package's.
        let mut candidates = here.ancestors().map(|folder| folder.join(named));
        let found = candidates.find(|candidate| candidate.is_file())?;
        Some(Self::in_folder(&found.with_extension("failures"), name))
    }

    /// The file of a campaign in this folder.
    pub fn in_folder(folder: &Path, name: &str) -> Self {
        let file = folder.join(format!("{}.json", identifier(name)));
        Self { file }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The sequences that are there, oldest first.
    pub fn load(&self) -> Result<Vec<Vec<Step>>, SavedError> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(source)),
        };
        serde_json::from_str(&text).map_err(|error| SavedError::Format {
            file: self.file.clone(),
            reason: error.to_string(),
        })
    }

    /// Adds a sequence, unless it is there.
    pub fn add(&self, steps: &[Step]) -> Result<(), SavedError> {
        let mut all = self.load()?;
        if all.iter().any(|known| known == steps) {
            return Ok(());
        }
        all.push(steps.to_vec());
        let surplus = all.len().saturating_sub(KEPT_MAX);
        all.drain(..surplus);
        let text = serde_json::to_string_pretty(&all).map_err(|error| SavedError::Format {
            file: self.file.clone(),
            reason: error.to_string(),
        })?;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&self.file, text + "\n"));
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> SavedError {
        let file = self.file.clone();
        SavedError::File { file, source }
    }
}

/// A name as that of a file or function.
pub fn identifier(name: &str) -> String {
    let characters = name.chars().map(|character| match character {
        'a'..='z' | '0'..='9' => character,
        'A'..='Z' => character.to_ascii_lowercase(),
        _ => '_',
    });
    characters.collect()
}
