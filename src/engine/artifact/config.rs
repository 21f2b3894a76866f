//! How the cache of compiled code is kept.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::store::files::Files;

/// How the cache of compiled code is kept. Nothing of it can change a root, gas or an outcome.
#[derive(Debug, Clone)]
pub struct ArtifactConfig {
    /// Where artifacts are kept on disk.
    pub directory: ArtifactDirectory,
    /// Bytes of artifacts on disk. When more are written, those not used for longest are removed.
    pub disk_bytes_max: u64,
    /// Bytes of compiled code in memory, without what is pinned and what only sessions use any more.
    pub ram_bytes_max: u64,
}

/// Where artifacts are kept on disk. Who can write there can have the node run any machine code.
#[derive(Clone, Default)]
pub enum ArtifactDirectory {
    /// In `artifacts` inside of the VM's directory. A VM in a temporary directory or over files of the embedder's own keeps
    /// none.
    #[default]
    Own,
    /// In a directory that several VMs and processes may share.
    At(PathBuf),
    /// In files of the embedder's own.
    Files(Arc<dyn Files>),
    /// Nowhere: what memory has no room for is compiled again.
    Nowhere,
}

impl Default for ArtifactConfig {
    fn default() -> Self {
        Self {
            directory: ArtifactDirectory::default(),
            disk_bytes_max: 4 << 30,
            ram_bytes_max: 512 << 20,
        }
    }
}

impl ArtifactDirectory {
    /// The name of the directory inside of the VM's.
    pub const OWN_NAME: &str = "artifacts";

    /// With `own` for the VM's own directory.
    pub fn resolved(&self, own: Self) -> Self {
        match self {
            Self::Own => own,
            other => other.clone(),
        }
    }
}

impl fmt::Debug for ArtifactDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("Own"),
            Self::At(path) => f.debug_tuple("At").field(path).finish(),
            Self::Files(files) => f.debug_tuple("Files").field(&files.path()).finish(),
            Self::Nowhere => f.write_str("Nowhere"),
        }
    }
}
