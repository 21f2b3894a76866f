//! An image: the committed pages of one memory, shared by all sessions that map it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;

/// A sparse anonymous file that holds the committed bytes of one memory.
///
/// It is filled once, before it is first mapped, and never written afterwards: writing through it
/// would show in every mapping. It has no name and no disk behind it, so mapping it can not raise
/// a bus error when somebody truncates a file.
#[derive(Debug)]
pub struct Image {
    file: File,
    len_bytes: u64,
}

/// An image that is being filled.
#[derive(Debug)]
pub struct ImageBuilder(Image);

impl Image {
    /// Starts an image of `len_bytes` zeros.
    ///
    /// # Errors
    /// When the system gives no memory file of that size.
    pub fn build(len_bytes: u64) -> io::Result<ImageBuilder> {
        let file = memory_file()?;
        file.set_len(len_bytes)?;
        Ok(ImageBuilder(Self { file, len_bytes }))
    }

    /// Length of the image in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl ImageBuilder {
    /// Puts `bytes` at `offset`.
    ///
    /// # Errors
    /// When the bytes do not lie inside the image, or the system has no memory for them.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.0.len_bytes) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        self.0.file.write_all_at(bytes, offset)
    }

    /// Ends filling: from here on the image does not change.
    pub fn finish(self) -> Image {
        self.0
    }
}

#[cfg(target_os = "linux")]
fn memory_file() -> io::Result<File> {
    use std::os::fd::FromRawFd;
    // SAFETY: the name is a NUL-terminated constant; the call touches no memory of ours.
    let descriptor = unsafe { libc::memfd_create(c"crostata-image".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `descriptor` was just created and nobody else owns it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

#[cfg(not(target_os = "linux"))]
fn memory_file() -> io::Result<File> {
    tempfile::tempfile()
}
