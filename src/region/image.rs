//! An image: the committed pages of one memory, shared by all sessions that map it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

/// A sparse anonymous file that images are cut from. It has no name and no disk behind it, so that nobody can
/// truncate it under a mapping. One file holds all images of a VM: images cost no file descriptors.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    /// Where the next image begins. Places are not used again: there are 2^63 bytes of them.
    end: Mutex<u64>,
}

/// A part of an [`ImageFile`] that holds the committed bytes of one memory.
///
/// It is filled once, before it is first mapped, and never written afterwards: writing through it
/// would show in every mapping. Its memory is given back when the last handle drops.
#[derive(Debug)]
pub struct Image {
    file: Arc<ImageFile>,
    start: u64,
    len_bytes: u64,
}

/// An image that is being filled.
#[derive(Debug)]
pub struct ImageBuilder(Image);

impl ImageFile {
    /// An empty file.
    ///
    /// # Errors
    /// When the system gives no memory file.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            file: memory_file()?,
            end: Mutex::new(0),
        })
    }

    /// Starts an image of `len_bytes` zeros, a multiple of the system's page size.
    ///
    /// # Errors
    /// When the file can not grow by that much.
    pub fn build(self: &Arc<Self>, len_bytes: u64) -> io::Result<ImageBuilder> {
        // Whoever panicked under the lock left at worst an unused part.
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let start = *end;
        let next = start.checked_add(len_bytes);
        let next = next.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        self.file.set_len(next)?;
        *end = next;
        Ok(ImageBuilder(Image {
            file: self.clone(),
            start,
            len_bytes,
        }))
    }
}

impl Image {
    /// Length of the image in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The file and the place in it to map.
    pub(super) fn place(&self) -> (RawFd, u64) {
        (self.file.file.as_raw_fd(), self.start)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        // SAFETY: the descriptor is that of a live file; the call touches no memory of ours. No mapping
        // shows the hole: every region that maps the image holds a handle to it.
        unsafe {
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            let (start, len) = (self.start as i64, self.len_bytes as i64);
            libc::fallocate(self.file.file.as_raw_fd(), mode, start, len);
        }
    }
}

impl ImageBuilder {
    /// Puts `bytes` at `offset`.
    ///
    /// # Errors
    /// When the bytes do not lie inside the image, or the system has no memory for them.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let image = &self.0;
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > image.len_bytes) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        image.file.file.write_all_at(bytes, image.start + offset)
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
