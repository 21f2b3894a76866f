//! The subcommands, a file each.

pub mod build;
pub mod call;
pub mod check;
pub mod completions;
pub mod deploy;
mod diff;
pub mod doctor;
pub mod finalise;
pub mod gas;
pub mod inspect;
pub mod machine;
pub mod new;
pub mod profile;
pub mod prove;
pub mod replay;
pub mod test;
pub mod transfer;
pub mod verify;
pub mod verify_store;

use crate::arguments::Command;
use crate::error::CliError;
use crate::screen::Screen;

/// How a command ended that could do what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Done {
    /// As it should.
    Well,
    /// What was asked for failed, and the result says so.
    Failed,
}

/// Does what a command line says.
pub fn run(command: Command, screen: &mut Screen) -> Result<Done, CliError> {
    match command {
        Command::New(command) => command.run(screen),
        Command::Build(command) => command.run(screen),
        Command::Test(command) => command.run(screen),
        Command::Trace(command) => command.run(screen),
        Command::Gas(command) => command.run(screen),
        Command::Profile(command) => command.run(screen),
        Command::Replay(command) => command.run(screen),
        Command::Machine(command) => command.run(),
        Command::Check(command) => command.run(screen),
        Command::Deploy(command) => command.run(screen),
        Command::Call(command) => command.run(screen),
        Command::Query(command) => command.run(screen),
        Command::Finalise(command) => command.run(screen),
        Command::Inspect(command) => command.run(screen),
        Command::Prove(command) => command.run(screen),
        Command::Verify(command) => command.run(screen),
        Command::VerifyStore(command) => command.run(screen),
        Command::Doctor(command) => command.run(screen),
        Command::Export(command) => command.run(screen),
        Command::Import(command) => command.run(screen),
        Command::Completions(command) => command.run(screen),
    }
}

/// Bytes of the longest file that is read into memory; a device that never ends is no file of ours.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The bytes of a file.
pub fn read(path: &std::path::Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| {
        std::io::Read::read_to_end(&mut std::io::Read::take(file, FILE_BYTES_MAX), &mut bytes)
    });
    let read = read.and_then(|len| match len as u64 == FILE_BYTES_MAX {
        true => Err(std::io::Error::other("it has more than a gigabyte")),
        false => Ok(()),
    });
    read.map(|()| bytes).map_err(|source| CliError::Read {
        path: path.into(),
        source,
    })
}

/// Writes a file: all of it or nothing.
fn write(path: &std::path::Path, bytes: &[u8]) -> Result<(), CliError> {
    crate::file::replace(path, bytes).map_err(|source| CliError::Write {
        path: path.into(),
        source,
    })
}
