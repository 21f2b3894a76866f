//! The compiler and linker that contracts are built with: those that `contracts/build` of the repository would choose.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::BuildError;

/// What contracts are built with.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// Cargo of the same toolchain.
    pub cargo: PathBuf,
    /// The linker, rust-lld.
    pub linker: PathBuf,
    /// Where the compiler keeps its libraries.
    pub sysroot: PathBuf,
    /// Whether the standard library has to be built, since the target is not installed.
    pub build_std: bool,
    /// What compiler and linker say that they are.
    pub version: String,
}

/// Debian installs its compiler there; `rustc` may be rustup's.
const COMPILERS: [&str; 2] = ["rustc", "/usr/bin/rustc"];

impl Toolchain {
    /// A toolchain that builds for this target: one with the standard library's source is taken first, so that the same is chosen
    /// for 32 and 64 bits.
    pub fn find(target: &str) -> Result<Self, BuildError> {
        let able = [has_source, has_target];
        let mut pairs = able
            .iter()
            .flat_map(|able| COMPILERS.map(|name| (able, name)));
        let chosen = pairs.find_map(|(able, name)| {
            let sysroot = PathBuf::from(said(name, &["--print", "sysroot"])?);
            able(name, &sysroot, target).then_some((name, sysroot))
        });
        let Some((name, sysroot)) = chosen else {
            let target = target.to_owned();
            return Err(BuildError::NoTarget { target });
        };
        let linker = linker(&sysroot).ok_or(BuildError::NoLinker)?;
        let linker_text = linker.to_string_lossy();
        let linker_version = said(&linker_text, &["-flavor", "wasm", "--version"]);
        let version =
            said(name, &["-vV"]).unwrap_or_default() + &linker_version.unwrap_or_default();
        let rustc = in_path(name);
        Ok(Self {
            cargo: beside(&rustc, "cargo"),
            build_std: !has_target(name, &sysroot, target),
            rustc,
            linker,
            sysroot,
            version,
        })
    }
}

fn has_source(_: &str, sysroot: &Path, _: &str) -> bool {
    sysroot
        .join("lib/rustlib/src/rust/library/Cargo.lock")
        .is_file()
}

fn has_target(compiler: &str, _: &Path, target: &str) -> bool {
    let libraries = said(compiler, &["--print", "target-libdir", "--target", target]);
    libraries.is_some_and(|libraries| Path::new(&libraries).is_dir())
}

/// rust-lld of any toolchain here. Debian's lld 14 does not do: it lacks `__heap_end`, which the allocator asks for.
fn linker(sysroot: &Path) -> Option<PathBuf> {
    let others = COMPILERS.iter();
    let others = others.filter_map(|name| said(name, &["--print", "sysroot"]).map(PathBuf::from));
    let mut sysroots = std::iter::once(sysroot.to_path_buf()).chain(others);
    sysroots.find_map(|sysroot| {
        let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
        let mut found: Vec<PathBuf> = hosts
            .flatten()
            .map(|host| host.path().join("bin/rust-lld"))
            .filter(|linker| linker.is_file())
            .collect();
        found.sort();
        found.into_iter().next()
    })
}

/// What a program says, if it can be run and succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("LD_LIBRARY_PATH");
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// Where a program of PATH is.
fn in_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found
        .find(|program| program.is_file())
        .unwrap_or_else(|| name.into())
}

fn beside(program: &Path, name: &str) -> PathBuf {
    match program.parent() {
        Some(folder) if folder != Path::new("") => folder.join(name),
        _ => name.into(),
    }
}
