//! An image: the committed pages of one memory, shared by all sessions that map it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crostata_abi::PAGE_BYTES;

/// A sparse anonymous file that images are cut from. It has no name and no disk behind it, so that nobody can
/// truncate it under a mapping. One file holds all images of a VM: images cost no file descriptors.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    end: Mutex<End>,
}

/// Where the next image begins, and the file's length. Places are not used again.
#[derive(Debug, Default)]
struct End {
    used: u64,
    len: u64,
}

/// The file grows by this much at a time, so that most images cost no system call. Holes take no memory.
const GROWTH_BYTES: u64 = 1 << 40;

/// A part of an [`ImageFile`] that holds the committed bytes of one memory, as far as they were filled in.
///
/// A page is filled before anything that maps the image looks at it, and never changes afterwards:
/// writing through it would show in every mapping. Its memory is given back when the last handle drops.
#[derive(Debug)]
pub struct Image {
    file: Arc<ImageFile>,
    start: u64,
    len_bytes: u64,
}

impl ImageFile {
    /// An empty file.
    ///
    /// # Errors
    /// When the system gives no memory file.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            file: memory_file()?,
            end: Mutex::default(),
        })
    }

    /// An image of `len_bytes` zeros, a multiple of the WebAssembly page size.
    ///
    /// # Errors
    /// When the file can not grow by that much; another file may.
    pub fn image(self: &Arc<Self>, len_bytes: u64) -> io::Result<Image> {
        let start = self.reserve(len_bytes)?;
        Ok(Image {
            file: self.clone(),
            start,
            len_bytes,
        })
    }

    fn reserve(&self, len_bytes: u64) -> io::Result<u64> {
        // Whoever panicked under the lock left at worst an unused part.
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let start = end.used;
        let next = start.checked_add(len_bytes);
        let next = next.filter(|next| *next <= i64::MAX as u64 - GROWTH_BYTES);
        let next = next.ok_or(io::ErrorKind::FileTooLarge)?;
        if next > end.len {
            let len = next.next_multiple_of(GROWTH_BYTES);
            self.file.set_len(len)?;
            end.len = len;
        }
        end.used = next;
        Ok(start)
    }
}

impl Image {
    /// Length of the image in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Puts `bytes` at `offset`, in a page that nobody looks at yet.
    ///
    /// # Errors
    /// When the bytes do not lie inside the image, or the system has no memory for them.
    pub fn fill(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check(offset, bytes.len())?;
        self.file.file.write_all_at(bytes, self.start + offset)
    }

    /// Reads bytes of filled pages.
    ///
    /// # Errors
    /// When the bytes do not lie inside the image.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.check(offset, bytes.len())?;
        self.file.file.read_exact_at(bytes, self.start + offset)
    }

    /// Pages that must be filled together: mappings copy whole pages of the system, which may be
    /// larger than the state's, at their first write.
    pub fn pages_per_fill() -> u32 {
        static PAGES: OnceLock<u32> = OnceLock::new();
        *PAGES.get_or_init(|| {
            // SAFETY: the call touches no memory of ours.
            let system = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            u32::try_from(system).map_or(1, |bytes| bytes.div_ceil(PAGE_BYTES as u32).max(1))
        })
    }

    /// The file and the place in it to map.
    pub(super) fn place(&self) -> (RawFd, u64) {
        (self.file.file.as_raw_fd(), self.start)
    }

    fn check(&self, offset: u64, len: usize) -> io::Result<()> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.len_bytes => Ok(()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
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
