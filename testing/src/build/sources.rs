//! What a contract is built from: its package, the local packages that it depends on, and the hash of all their files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

use super::command::{clean, run};
use super::error::BuildError;
use super::toolchain::Toolchain;

/// Folders that are no source of a contract.
const NO_SOURCES: [&str; 4] = ["target", "tests", "benches", "examples"];

/// A contract's sources.
#[derive(Debug)]
pub struct Sources {
    /// The package's name.
    pub package: String,
    /// The name of its library, which the Wasm file has.
    pub library: String,
    /// Its manifest.
    pub manifest: PathBuf,
    /// The workspace that it is built in.
    pub workspace: PathBuf,
    /// Where that keeps what it builds.
    pub target: PathBuf,
    /// Whether it is for 64-bit memory: `[package.metadata.crostata] memory = 64`.
    pub is_64_bit: bool,
    /// The folders of the package and of the local ones that it depends on.
    pub folders: BTreeSet<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Option<Resolve>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    source: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    metadata: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

impl Sources {
    /// The sources of the contract in this folder.
    pub fn of(folder: &Path, toolchain: &Toolchain) -> Result<Self, BuildError> {
        let manifest = folder.join("Cargo.toml");
        let manifest = manifest
            .canonicalize()
            .map_err(|_| BuildError::NoContract {
                path: folder.to_path_buf(),
            })?;
        let metadata = metadata(&manifest, toolchain)?;
        let mut packages = metadata.packages.iter();
        let Some(package) = packages.find(|package| package.manifest_path == manifest) else {
            let output =
                "it is a workspace without a package; name the contract's folder".to_owned();
            return Err(BuildError::Manifest { manifest, output });
        };
        let mut targets = package.targets.iter();
        let library = targets.find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
        let Some(library) = library else {
            let package = package.name.clone();
            return Err(BuildError::NotCdylib { package, manifest });
        };
        let memory = package.metadata.as_ref();
        let memory = memory.and_then(|metadata| metadata.pointer("/crostata/memory")?.as_u64());
        Ok(Self {
            package: package.name.clone(),
            library: library.name.replace('-', "_"),
            is_64_bit: memory == Some(64),
            folders: folders(&metadata, &package.id),
            workspace: metadata.workspace_root,
            target: metadata.target_directory,
            manifest,
        })
    }

    /// The hash of every file that the contract is built from, with paths relative to their packages, and of `with`.
    pub fn hash(&self, with: &str) -> Result<String, BuildError> {
        let mut hasher = blake3::Hasher::new();
        let mut add = |name: &str, bytes: &[u8]| {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add("toolchain and flags", with.as_bytes());
        for name in ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"] {
            // One that is missing is as one that is empty.
            add(
                name,
                &fs::read(self.workspace.join(name)).unwrap_or_default(),
            );
        }
        for folder in &self.folders {
            for file in files(folder)? {
                let bytes = fs::read(&file).map_err(BuildError::file(&file))?;
                let inside = file.strip_prefix(folder).unwrap_or(&file);
                add(&inside.to_string_lossy(), &bytes);
            }
        }
        Ok(hasher.finalize().to_hex()[..32].to_owned())
    }
}

/// A file of these folders that was changed after `built`, if there is one.
pub fn newer_file<'a>(
    folders: impl IntoIterator<Item = &'a Path>,
    built: SystemTime,
) -> Option<PathBuf> {
    let files = folders.into_iter().filter_map(|folder| files(folder).ok());
    let mut files = files.flatten();
    files.find(|file| {
        let changed = fs::metadata(file).and_then(|metadata| metadata.modified());
        changed.is_ok_and(|changed| changed > built)
    })
}

fn metadata(manifest: &Path, toolchain: &Toolchain) -> Result<Metadata, BuildError> {
    let mut command = clean(&toolchain.cargo);
    command.args(["metadata", "--format-version", "1", "--manifest-path"]);
    command.arg(manifest);
    // Where cargo looks for its settings.
    command.current_dir(manifest.parent().unwrap_or(manifest));
    command.env("RUSTC", &toolchain.rustc);
    let failed = |output| BuildError::Manifest {
        manifest: manifest.to_path_buf(),
        output,
    };
    let text = run(&mut command)?.map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// The folders of a package and of the local ones that it depends on.
fn folders(metadata: &Metadata, package: &str) -> BTreeSet<PathBuf> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: BTreeMap<&str, &Node> = nodes.map(|node| (node.id.as_str(), node)).collect();
    let mut wanted = vec![package];
    let mut seen = BTreeSet::new();
    while let Some(id) = wanted.pop() {
        if seen.insert(id) {
            let dependencies = nodes.get(id).map(|node| &node.dependencies);
            wanted.extend(dependencies.into_iter().flatten().map(String::as_str));
        }
    }
    let packages = metadata.packages.iter();
    let local = packages.filter(|package| package.source.is_none());
    let local = local.filter(|package| seen.contains(package.id.as_str()));
    local
        .filter_map(|package| package.manifest_path.parent().map(Path::to_path_buf))
        .collect()
}

/// The files of a package that it may be built from, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(BuildError::file(&folder))? {
            let path = entry.map_err(BuildError::file(&folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match path.is_dir() {
                _ if name.starts_with('.') => {}
                true if NO_SOURCES.contains(&&*name) => {}
                // A package inside of this one counts where it is depended on.
                true if path.join("Cargo.toml").is_file() => {}
                true => open.push(path),
                false if name.ends_with(".wasm") => {}
                false => found.push(path),
            }
        }
    }
    found.sort();
    Ok(found)
}
