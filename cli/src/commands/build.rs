//! `build`: a contract crate to what is deployed.

use std::path::PathBuf;

use clap::Args;
use crostata_testing::build::{self, BuildError, Built};
use serde_json::json;

use super::{Done, write};
use crate::error::CliError;
use crate::receipt::number;
use crate::screen::Screen;

/// Builds a contract crate: the same sources, lock file and compiler give the same bytes on every machine. Prints the file that is deployed;
/// names and debug information stay beside it.
///
/// It needs a Rust compiler for WebAssembly: `rustup target add wasm32-unknown-unknown`, or Debian's rustc-web, cargo-web and rust-web-src.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata build
  crostata build contracts/token --out token.wasm
  crostata deploy $(crostata build)")]
pub struct Build {
    /// The folder of the contract's Cargo.toml.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Copies what is deployed into this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Build {
    /// Exit code 1 if it does not compile.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let built = build(&self.folder, screen)?;
        if let Some(out) = &self.out {
            write(out, &built.wasm)?;
        }
        let file = self.out.as_ref().unwrap_or(&built.file);
        if screen.is_json() {
            screen.value(&json!({
                "name": built.name,
                "file": file.display().to_string(),
                "code_hash": built.hash.to_string(),
                "code_bytes": built.wasm.len(),
                "debug_bytes": built.debug_wasm.len(),
                "was_built_before": built.was_built_before,
            }))?;
        } else {
            screen.line(file.display().to_string())?;
            let bytes = number(built.wasm.len() as u64);
            screen.note(format!("{} {bytes} bytes, code {}", built.name, built.hash));
        }
        Ok(Done::Well)
    }
}

/// Builds a contract; notes it if that takes long.
pub fn build(folder: &std::path::Path, screen: &mut Screen) -> Result<Built, CliError> {
    let folder = folder.to_path_buf();
    let absolute = std::path::absolute(&folder).map_err(|source| CliError::Read {
        path: folder.clone(),
        source,
    })?;
    build::build_and_tell(&absolute, |text| screen.note(text)).map_err(|error| match error {
        BuildError::NoContract { .. } => CliError::input(
            format!("{} is no folder with a Cargo.toml", folder.display()),
            "name a contract's folder, or run it in one; `crostata new NAME` makes one",
        ),
        error => CliError::Build {
            folder,
            source: Box::new(error),
        },
    })
}
