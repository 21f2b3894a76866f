//! Runs the compiler. The same sources, compiler and linker give the same bytes on every machine: no path of this one gets into them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::command::{clean, run};
use super::error::BuildError;
use super::sources::Sources;
use super::toolchain::Toolchain;

/// Runs the compiler so that its output does not depend on where the repository lies.
const STEADY: &str = include_str!("steady-rustc");

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\x1f";

/// What the compiler is told about every contract. The shadow stack is the first 64 KiB of the memory.
const FLAGS: [&str; 3] = [
    "-Clink-arg=-zstack-size=65536",
    "-Clink-arg=--stack-first",
    "-Clink-arg=--import-undefined",
];

impl Sources {
    /// The target that the contract is built for.
    pub fn target_name(&self) -> &'static str {
        match self.is_64_bit {
            true => "wasm64-unknown-unknown",
            false => "wasm32-unknown-unknown",
        }
    }

    /// The contract's Wasm with names and debug information, built in a folder of its own under `folder`.
    pub fn compile(&self, toolchain: &Toolchain, folder: &Path) -> Result<Vec<u8>, BuildError> {
        let built = folder.join("build");
        let mut command = clean(&toolchain.cargo);
        command.args(["build", "--quiet", "--release", "--lib"]);
        command.args(["--package", &self.package, "--target", self.target_name()]);
        command.arg("--target-dir").arg(&built);
        if toolchain.build_std {
            command
                .args(["-Z", "build-std=core,alloc"])
                .env("RUSTC_BOOTSTRAP", "1");
        }
        command.current_dir(self.manifest.parent().unwrap_or(&self.workspace));
        command
            .env("RUSTC", &toolchain.rustc)
            .env("RUSTC_WRAPPER", steady(folder)?)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(toolchain))
            .env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
                &toolchain.linker,
            )
            .env(
                "CARGO_TARGET_WASM64_UNKNOWN_UNKNOWN_LINKER",
                &toolchain.linker,
            )
            // Stripped afterwards: the code is the same with debug information as without.
            .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")
            .env("CARGO_PROFILE_RELEASE_STRIP", "none")
            .env("CARGO_PROFILE_RELEASE_PANIC", "abort");
        if let Err(output) = run(&mut command)? {
            let package = self.package.clone();
            return Err(BuildError::Compile { package, output });
        }
        let file = format!("{}/release/{}.wasm", self.target_name(), self.library);
        let file = built.join(file);
        fs::read(&file).map_err(BuildError::file(&file))
    }

    /// The flags, of which the last that fits a path decides what becomes of it.
    pub fn flags(&self, toolchain: &Toolchain) -> OsString {
        let mut flags: Vec<OsString> = FLAGS.iter().map(OsString::from).collect();
        for folder in self.folders.iter().map(|folder| repository(folder)) {
            flags.push(remap(&folder, ""));
        }
        flags.push(remap(&self.workspace, ""));
        let library = toolchain.sysroot.join("lib/rustlib/src/rust");
        flags.push(remap(&library, "/rust/"));
        for registry in registries() {
            flags.push(remap(&registry, "/registry/"));
        }
        flags.join(SEPARATOR.as_ref())
    }
}

fn remap(folder: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(folder);
    flag.push("/=");
    flag.push(to);
    flag
}

/// The folder around a package that its paths are told from: its repository's, or that of its workspace.
fn repository(folder: &Path) -> PathBuf {
    let is_root = |folder: &&Path| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        folder.join(".git").exists() || manifest.contains("[workspace]")
    };
    let mut above = folder.ancestors().skip(1);
    let found = above.find(is_root);
    found.or(folder.parent()).unwrap_or(folder).to_path_buf()
}

/// Where cargo keeps the sources of packages.
fn registries() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    let folder = home.unwrap_or_default().join("registry/src");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut registries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    registries.sort();
    registries
}

/// The program that runs the compiler, written where builds are.
fn steady(folder: &Path) -> Result<PathBuf, BuildError> {
    let path = folder.join("steady-rustc");
    if fs::read_to_string(&path).is_ok_and(|there| there == STEADY) {
        return Ok(path);
    }
    let write = || {
        fs::create_dir_all(folder)?;
        fs::write(&path, STEADY)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    write().map_err(BuildError::file(&path))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One way to build: what `contracts/build` runs the compiler with is what this does.
    #[test]
    fn the_steady_compiler_is_the_repositorys() {
        let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/steady-rustc");
        assert_eq!(fs::read_to_string(theirs).unwrap(), STEADY);
    }
}
