//! An image: the committed pages of one memory, shared by all sessions that map it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
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
    view: OnceLock<Option<View>>,
    /// How often filled pages were read so far.
    reads: AtomicU32,
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
            view: OnceLock::new(),
            reads: AtomicU32::new(0),
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
        match self.view() {
            Some(view) => {
                // SAFETY: the range lies inside the image (checked above), whose filled pages do not change; the
                // target is a live exclusive slice.
                unsafe { view.copy(offset, bytes.as_mut_ptr(), bytes.len()) };
                Ok(())
            }
            None => self.file.file.read_exact_at(bytes, self.start + offset),
        }
    }

    /// The image's own mapping: none for one that is seldom read, where a system call per read costs less.
    pub(super) fn view(&self) -> Option<&View> {
        if self.reads.load(Ordering::Relaxed) < VIEW_AFTER_READS {
            self.reads.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.view.get_or_init(|| View::new(self)).as_ref()
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

/// From this many reads on an image has a view.
const VIEW_AFTER_READS: u32 = 32;

/// Views that may exist at once: each takes a mapping, of which a process has few.
const VIEWS_MAX: usize = 4_096;

/// The largest image that gets a view: a larger one would take too much address space.
const VIEW_BYTES_MAX: u64 = 4 << 30;

static VIEWS: AtomicUsize = AtomicUsize::new(0);

/// A mapping of a whole image for reading.
#[derive(Debug)]
pub(super) struct View {
    base: NonNull<u8>,
    len_bytes: usize,
}

// SAFETY: the mapping is owned by this value alone and is not tied to a thread.
unsafe impl Send for View {}
// SAFETY: the mapping is only read, and what is read of it does not change.
unsafe impl Sync for View {}

impl View {
    /// Maps an image; `None` when it is too large, or mappings are short.
    fn new(image: &Image) -> Option<Self> {
        let len_bytes = usize::try_from(image.len_bytes).ok()?;
        if image.len_bytes == 0 || image.len_bytes > VIEW_BYTES_MAX {
            return None;
        }
        if VIEWS.fetch_add(1, Ordering::Relaxed) >= VIEWS_MAX {
            VIEWS.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let view = Self::map(image, len_bytes);
        if view.is_none() {
            VIEWS.fetch_sub(1, Ordering::Relaxed);
        }
        view
    }

    fn map(image: &Image, len_bytes: usize) -> Option<Self> {
        let (file, start) = image.place();
        let start = libc::off_t::try_from(start).ok()?;
        let (anywhere, flags) = (ptr::null_mut(), libc::MAP_SHARED);
        // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing.
        let base = unsafe { libc::mmap(anywhere, len_bytes, libc::PROT_READ, flags, file, start) };
        let base = (base != libc::MAP_FAILED).then_some(base)?;
        let base = NonNull::new(base.cast())?;
        Some(Self { base, len_bytes })
    }

    /// Copies `len` bytes from `offset` of the image.
    ///
    /// # Safety
    /// The range lies inside the image, in filled pages; `target` is writable for `len` bytes.
    pub(super) unsafe fn copy(&self, offset: u64, target: *mut u8, len: usize) {
        // SAFETY: the caller vouches for both ranges; they are of different mappings.
        unsafe {
            let source = self.base.as_ptr().add(offset as usize);
            ptr::copy_nonoverlapping(source, target, len);
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping made in `map`, which goes with its only owner.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len_bytes) };
        VIEWS.fetch_sub(1, Ordering::Relaxed);
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
