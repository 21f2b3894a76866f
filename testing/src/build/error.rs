//! Why a contract was not built.

use std::io;
use std::path::PathBuf;

use crostata_schema::NotWasm;

/// Why a contract was not built. Each text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is nothing to build there.
    #[error(
        "{} is neither a folder with a Cargo.toml nor a .wasm file; name the contract's folder, relative to the Cargo.toml of the test",
        path.display()
    )]
    NoContract {
        /// The path that was given.
        path: PathBuf,
    },
    /// Cargo does not understand the manifest.
    #[error("cargo can not read {}:\n{output}", manifest.display())]
    Manifest {
        /// The manifest.
        manifest: PathBuf,
        /// What cargo said.
        output: String,
    },
    /// The crate is no contract.
    #[error(
        "`{package}` does not build to WebAssembly: write under [lib] of {}: crate-type = [\"cdylib\", \"rlib\"]",
        manifest.display()
    )]
    NotCdylib {
        /// The package.
        package: String,
        /// Its manifest.
        manifest: PathBuf,
    },
    /// No compiler here can build for WebAssembly.
    #[error(
        "no Rust compiler here can build for {target}. One of these helps:\n  rustup target add wasm32-unknown-unknown\n      where rustup can download (32-bit contracts only)\n  apt-get install --no-install-recommends rustc-web cargo-web rust-web-src\n      Debian's compiler with the standard library's source; or `rustup component add rust-src`"
    )]
    NoTarget {
        /// The target that is missing.
        target: String,
    },
    /// There is no linker.
    #[error("no linker for WebAssembly here: install any rustup toolchain, which brings rust-lld")]
    NoLinker,
    /// The contract does not compile.
    #[error("`{package}` does not compile:\n{output}")]
    Compile {
        /// The package.
        package: String,
        /// What cargo said.
        output: String,
    },
    /// What was built is no WebAssembly module.
    #[error("{}: {source}", path.display())]
    NotWasm {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong there.
        source: NotWasm,
    },
    /// A program could not be run.
    #[error("`{program}` can not be run: is it installed, and in PATH?")]
    Run {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("{} can not be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BuildError {
    /// For `map_err` on what was done with a file.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}
