//! A reservation: a range of address space that is ours, and what the kernel can be asked to do with it.

use std::io;
use std::ptr::{self, NonNull};

use super::Image;

/// Reserved address space, inaccessible at first. It is unmapped when it drops.
///
/// Every method checks that the range it is given lies inside.
#[derive(Debug)]
pub struct Reservation {
    base: NonNull<u8>,
    len_bytes: usize,
}

// SAFETY: the mapping is owned by this value alone and is not tied to a thread.
unsafe impl Send for Reservation {}
// SAFETY: methods only hand ranges of the mapping to the kernel; they read and write no memory.
unsafe impl Sync for Reservation {}

const ACCESSIBLE: libc::c_int = libc::PROT_READ | libc::PROT_WRITE;
const ANONYMOUS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

impl Reservation {
    /// Reserves `len_bytes`.
    ///
    /// # Errors
    /// When the process has no such address space left.
    pub fn new(len_bytes: usize) -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let base = unsafe {
            let anywhere = ptr::null_mut();
            libc::mmap(anywhere, len_bytes, libc::PROT_NONE, ANONYMOUS, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let reservation = Self { base, len_bytes };
        reservation.refuse_huge_pages(0, len_bytes);
        Ok(reservation)
    }

    /// The first byte's address.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Makes `[start, end)` readable and writable. What was never accessible before is zeros.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open(&self, start: usize, end: usize) -> io::Result<()> {
        let len = self.checked(start, end)?;
        // SAFETY: the range lies inside the reservation and holds nothing that Rust refers to.
        succeed(unsafe { libc::mprotect(self.at(start), len, ACCESSIBLE) })
    }

    /// Gives the contents of `[start, end)` back to the system and makes it inaccessible.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn vacate(&self, start: usize, end: usize) -> io::Result<()> {
        self.map_anonymous(start, end, libc::PROT_NONE)
    }

    /// Makes the accessible anonymous bytes of `[start, end)` zeros again, giving back their memory.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn renew(&self, start: usize, end: usize) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        return self.drop_copies(start, end);
        // Elsewhere the advice that does this may leave contents.
        #[cfg(not(target_os = "linux"))]
        self.map_anonymous(start, end, ACCESSIBLE)
    }

    /// Drops the private pages of `[start, end)`, which is then again what is mapped below: an image, or zeros.
    ///
    /// # Errors
    /// When the kernel refuses.
    #[cfg(target_os = "linux")]
    pub fn drop_copies(&self, start: usize, end: usize) -> io::Result<()> {
        let len = self.checked(start, end)?;
        // SAFETY: the range lies inside the reservation, whose pages are private to this process; no Rust
        // reference points into it.
        succeed(unsafe { libc::madvise(self.at(start), len, libc::MADV_DONTNEED) })
    }

    /// Maps the whole of `image` at `start`, copy-on-write and accessible.
    ///
    /// # Errors
    /// When the image does not fit, or the process has no mappings left.
    pub fn map(&self, start: usize, image: &Image) -> io::Result<()> {
        let len = usize::try_from(image.len_bytes()).map_err(io::Error::other)?;
        let end = start.checked_add(len).ok_or(io::ErrorKind::InvalidInput)?;
        self.checked(start, end)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE;
        let (file, offset) = image.place();
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: the range lies inside the reservation and holds nothing that Rust refers to.
        let mapped = unsafe { libc::mmap(self.at(start), len, ACCESSIBLE, flags, file, offset) };
        given(mapped)
    }

    fn map_anonymous(&self, start: usize, end: usize, protection: libc::c_int) -> io::Result<()> {
        let len = self.checked(start, end)?;
        let flags = ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: the range lies inside the reservation and holds nothing that Rust refers to.
        let mapped = unsafe { libc::mmap(self.at(start), len, protection, flags, -1, 0) };
        given(mapped)?;
        self.refuse_huge_pages(start, end);
        Ok(())
    }

    /// Without this one write could take 2 MiB. It is advice, so that nobody looks whether it is followed.
    fn refuse_huge_pages(&self, start: usize, end: usize) {
        #[cfg(target_os = "linux")]
        // SAFETY: the callers checked the range; the advice changes no contents.
        unsafe {
            libc::madvise(self.at(start), end - start, libc::MADV_NOHUGEPAGE);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (start, end);
    }

    fn at(&self, start: usize) -> *mut libc::c_void {
        self.base.as_ptr().wrapping_add(start).cast()
    }

    /// The length of a range that lies inside.
    fn checked(&self, start: usize, end: usize) -> io::Result<usize> {
        match end.checked_sub(start) {
            Some(len) if end <= self.len_bytes => Ok(len),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping made in `new`, and its owner is going away.
        unsafe {
            libc::munmap(self.base.as_ptr().cast(), self.len_bytes);
        }
    }
}

fn succeed(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn given(mapped: *mut libc::c_void) -> io::Result<()> {
    match mapped == libc::MAP_FAILED {
        false => Ok(()),
        true => Err(io::Error::last_os_error()),
    }
}
