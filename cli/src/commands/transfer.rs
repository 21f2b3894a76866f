//! `export` and `import`: a commit's whole state, from one store to another.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use clap::Args;
use crostata::{CommitId, CommitRef, Root};
use serde_json::json;

use super::Done;
use crate::arguments::{CommitArguments, StoreArguments};
use crate::error::CliError;
use crate::hex;
use crate::progress::Progress;
use crate::receipt::{self, number};
use crate::screen::Screen;
use crate::store;

/// Writes a commit's whole state into a file, for `crostata import`. Prints the commit's id, which the importer should know from elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata export state.crostata
  crostata export state.crostata --at final")]
pub struct ExportCommand {
    /// The file to write.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    commit: CommitArguments,
}

/// Makes a store from an exported state: every part is verified before it is kept, and the commit is final then. Goes on where an import
/// that was broken off stopped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata import state.crostata --commit 3f9a…07 --store copy
  crostata import state.crostata --root 91c4…be --store copy")]
pub struct ImportCommand {
    /// The file to read.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The id of the commit, from somebody you trust: it binds everything.
    #[arg(long, value_name = "ID", required_unless_present = "root")]
    commit: Option<String>,
    /// The root of the state, from somebody you trust.
    #[arg(long, value_name = "ROOT", conflicts_with = "commit")]
    root: Option<String>,
    #[command(flatten)]
    store: StoreArguments,
}

impl ExportCommand {
    /// Exit code 1 if the state can not be read or the file not written.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let vm = store::open(&self.store)?;
        let commit = store::commit(&vm, &self.commit.commit)?;
        let failed = |error| CliError::Export {
            path: self.file.clone(),
            source: Box::new(error),
        };
        let export = vm.export(commit).map_err(failed)?;
        let progress = Progress::counting(screen, "exporting");
        let written = self.create().and_then(|file| {
            let mut counted = Counted::new(BufWriter::new(file), &progress);
            export.write_to(&mut counted).map_err(failed)?;
            Ok(counted.bytes)
        });
        drop(progress);
        let bytes = written?;
        if screen.is_json() {
            let (commit, file) = (receipt::commit(&commit), self.file.display().to_string());
            screen.value(&json!({"commit": commit, "file": file, "bytes": bytes}))?;
        } else {
            screen.line(commit.id.to_string())?;
            let file = self.file.display();
            screen.note(format!(
                "{} bytes in {file}; root {}",
                number(bytes),
                commit.root
            ));
        }
        Ok(Done::Well)
    }

    fn create(&self) -> Result<File, CliError> {
        File::create(&self.file).map_err(|source| CliError::Write {
            path: self.file.clone(),
            source,
        })
    }
}

impl ImportCommand {
    /// Exit code 1 if the file is not of this commit, damaged, or cut short.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let wanted = self.wanted()?;
        let unread = |source| CliError::Read {
            path: self.file.clone(),
            source,
        };
        let file = File::open(&self.file).map_err(unread)?;
        let bytes_total = file.metadata().map_err(unread)?.len();
        let vm = store::open_or_make(&self.store)?;
        let progress = Progress::of(screen, "importing", bytes_total);
        let input = Counted::new(BufReader::new(file), &progress);
        let imported = vm.import_from(wanted, input);
        drop(progress);
        let commit = imported.map_err(|error| CliError::Import {
            path: self.file.clone(),
            source: Box::new(error),
        })?;
        if screen.is_json() {
            screen.value(&json!({"commit": receipt::commit(&commit), "bytes": bytes_total}))?;
        } else {
            screen.line(commit.id.to_string())?;
            let store = self.store.store.display();
            screen.note(format!(
                "the commit is final in {store}; root {}",
                commit.root
            ));
        }
        Ok(Done::Well)
    }

    fn wanted(&self) -> Result<CommitRef, CliError> {
        if let Some(id) = &self.commit {
            let id = hex::hash(id, "a commit's id")?;
            return Ok(CommitId::from_bytes(id).into());
        }
        let root = self.root.as_deref().unwrap_or_default();
        Ok(Root::from_bytes(hex::hash(root, "a root")?).into())
    }
}

/// A stream whose bytes are counted.
struct Counted<'a, S> {
    stream: S,
    bytes: u64,
    progress: &'a Progress,
}

impl<'a, S> Counted<'a, S> {
    fn new(stream: S, progress: &'a Progress) -> Self {
        Self {
            stream,
            bytes: 0,
            progress,
        }
    }

    fn count(&mut self, len: usize) -> usize {
        self.bytes += len as u64;
        self.progress.advance(len as u64);
        len
    }
}

impl<S: Read> Read for Counted<'_, S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(bytes)?;
        Ok(self.count(len))
    }
}

impl<S: Write> Write for Counted<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.stream.write(bytes)?;
        Ok(self.count(len))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
