//! Files of the author's project: replaced as a whole or not at all, and readable by whom the author's other files are.

use std::io::{self, Write};
use std::path::Path;

/// Writes a file: all of it or nothing.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let what = format!("there is no folder {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    let mut file = beside(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(unix)]
fn beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;

    // Less what the process's mask takes away. Temporary files are the owner's alone otherwise.
    let permissions = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new()
        .permissions(permissions)
        .tempfile_in(folder)
}

#[cfg(not(unix))]
fn beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::NamedTempFile::new_in(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Who may read the author's other files may read ours: a snapshot in a repository that several work on, say.
    #[test]
    fn files_have_the_permissions_of_ordinary_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (folder.path().join("ours"), folder.path().join("ordinary"));
        fs::write(&ordinary, "text").unwrap();
        for text in ["longer text", "text"] {
            replace(&ours, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&ours).unwrap(), text);
        }
        let permissions = |path| fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions(&ours), permissions(&ordinary));
    }
}
