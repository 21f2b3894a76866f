//! A region: reserved address space with an accessible front.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{GUARD_BYTES, Image, RESERVATION_BYTES};

/// The address space of one contract's memory in one session.
///
/// `[0, size)` can be read and written, everything behind it up to the end of the guard faults.
/// The region is unmapped when the last handle to it drops.
///
/// A region is used by one thread at a time: it belongs to one session, whose methods take `&mut`.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    reserved_bytes: usize,
    size_bytes: AtomicUsize,
    image_bytes: usize,
    /// Kept while it is mapped.
    _image: Option<Arc<Image>>,
    #[cfg(test)]
    pub(super) blind: bool,
}

// SAFETY: the mapping is owned by this value alone and is not tied to a thread.
unsafe impl Send for Region {}
// SAFETY: shared access only copies bytes. Two threads never do so at once, because every handle is held by
// one session (directly, or through the wasmtime store of its running call), which is not `Sync`.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves address space for a memory of up to `max_bytes` bytes, none of it accessible.
    ///
    /// At least 4 GiB and the guard are reserved, which is what compiled code assumes.
    ///
    /// # Errors
    /// When the process has no such address space left.
    pub fn new(max_bytes: u64) -> io::Result<Self> {
        let wanted = max_bytes.max(RESERVATION_BYTES);
        let reserved_bytes = usize::try_from(wanted).map_err(|_| out_of_memory())?;
        let total = reserved_bytes
            .checked_add(GUARD_BYTES as usize)
            .ok_or_else(out_of_memory)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let base = unsafe { libc::mmap(ptr::null_mut(), total, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base: NonNull<u8> = NonNull::new(base.cast()).ok_or_else(out_of_memory)?;
        let region = Self {
            base,
            reserved_bytes,
            size_bytes: AtomicUsize::new(0),
            image_bytes: 0,
            _image: None,
            #[cfg(test)]
            blind: false,
        };
        region.refuse_huge_pages();
        Ok(region)
    }

    /// Reserves address space and maps `image` copy-on-write at its beginning.
    ///
    /// The size is that of the image.
    ///
    /// # Errors
    /// When the process has no address space or no mappings left.
    pub fn over(image: Arc<Image>, max_bytes: u64) -> io::Result<Self> {
        let mut region = Self::new(max_bytes.max(image.len_bytes()))?;
        let len = usize::try_from(image.len_bytes()).map_err(|_| out_of_memory())?;
        if len > 0 {
            let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE;
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let (descriptor, start) = image.place();
            let start = libc::off_t::try_from(start).map_err(|_| out_of_memory())?;
            // SAFETY: `[base, base + len)` lies in the reservation made above, which nobody else knows yet.
            let mapped = unsafe {
                let at = region.base.as_ptr().cast();
                libc::mmap(at, len, protection, flags, descriptor, start)
            };
            if mapped == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
        }
        region.refuse_huge_pages();
        region.image_bytes = len;
        region._image = Some(image);
        region.size_bytes = AtomicUsize::new(len);
        Ok(region)
    }

    /// Accessible bytes: the contract's `memory.size` in bytes.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes.load(Ordering::Acquire)
    }

    /// Bytes the memory can grow to without moving.
    pub fn reserved_bytes(&self) -> usize {
        self.reserved_bytes
    }

    pub(super) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Sets the accessible size. New bytes are zeros; bytes given up are gone.
    ///
    /// The size never goes below that of the mapped image.
    ///
    /// # Errors
    /// When `size_bytes` is outside of these bounds, or the kernel refuses.
    pub fn resize(&self, size_bytes: usize) -> io::Result<()> {
        if size_bytes > self.reserved_bytes || size_bytes < self.image_bytes {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let now = self.size_bytes();
        if size_bytes > now {
            self.protect(now, size_bytes, libc::PROT_READ | libc::PROT_WRITE)?;
        } else if size_bytes < now {
            self.discard(size_bytes, now)?;
            self.protect(size_bytes, now, libc::PROT_NONE)?;
        }
        self.size_bytes.store(size_bytes, Ordering::Release);
        Ok(())
    }

    /// Gives up all writes to `[start, end)`: its bytes are again those of the image, or zeros.
    ///
    /// `start` and `end` are multiples of the state's page size.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn discard(&self, start: usize, end: usize) -> io::Result<()> {
        let len = self.checked_range(start, end)?;
        // SAFETY: the range lies inside the reservation, whose pages are private to this region; no
        // Rust reference points into it.
        let result = unsafe {
            let at = self.base.as_ptr().add(start).cast();
            libc::madvise(at, len, libc::MADV_DONTNEED)
        };
        succeed(result)
    }

    /// Copies bytes out of the memory; `false` if they do not lie inside its size.
    #[must_use]
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> bool {
        if !self.contains(offset, bytes.len()) {
            return false;
        }
        // SAFETY: the source lies in the accessible part, the target is a live exclusive slice outside of
        // the region, and no other thread uses the region.
        unsafe {
            let source = self.base.as_ptr().add(offset);
            ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), bytes.len());
        }
        true
    }

    /// Copies bytes into the memory; `false` if they do not fit inside its size.
    #[must_use]
    pub fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        if !self.contains(offset, bytes.len()) {
            return false;
        }
        // SAFETY: the target lies in the accessible part, the source is a live slice outside of the
        // region, and no other thread uses the region.
        unsafe {
            let target = self.base.as_ptr().add(offset);
            ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        }
        true
    }

    /// Without this one write could make 2 MiB of pages look written. It is advice: content decides what changed.
    fn refuse_huge_pages(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: the range is the reservation of this region; the advice changes no contents.
        unsafe {
            let at = self.base.as_ptr().cast();
            libc::madvise(at, self.reserved_bytes, libc::MADV_NOHUGEPAGE);
        }
    }

    /// The same region on a system that can not tell which pages were written.
    #[cfg(test)]
    pub fn blinded(mut self) -> Self {
        self.blind = true;
        self
    }

    fn contains(&self, offset: usize, len: usize) -> bool {
        offset
            .checked_add(len)
            .is_some_and(|end| end <= self.size_bytes())
    }

    fn checked_range(&self, start: usize, end: usize) -> io::Result<usize> {
        if end > self.reserved_bytes || start > end {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        Ok(end - start)
    }

    fn protect(&self, start: usize, end: usize, protection: libc::c_int) -> io::Result<()> {
        let len = self.checked_range(start, end)?;
        // SAFETY: the range lies inside the reservation and holds nothing that Rust refers to.
        let result = unsafe {
            let at = self.base.as_ptr().add(start).cast();
            libc::mprotect(at, len, protection)
        };
        succeed(result)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let total = self.reserved_bytes + GUARD_BYTES as usize;
        // SAFETY: this is the whole mapping made in `new`, and the last handle to it is going away.
        unsafe {
            libc::munmap(self.base.as_ptr().cast(), total);
        }
    }
}

fn succeed(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn out_of_memory() -> io::Error {
    io::Error::from(io::ErrorKind::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::super::ImageFile;
    use super::*;

    const PAGE: usize = 4096;

    fn image() -> Arc<Image> {
        let file = Arc::new(ImageFile::new().unwrap());
        file.build(4096).unwrap();
        let image = file.build(65_536).unwrap();
        image.write(PAGE as u64, &[7; PAGE]).unwrap();
        assert!(image.write(65_536, &[1]).is_err());
        Arc::new(image.finish())
    }

    #[test]
    fn writes_stay_in_their_region_and_can_be_discarded() {
        let image = image();
        let (one, two) = (
            Region::over(image.clone(), 0).unwrap(),
            Region::over(image, 0).unwrap(),
        );
        assert!(one.write(PAGE, &[9; 10]));
        let mut bytes = [0; 10];
        assert!(two.read(PAGE, &mut bytes));
        assert_eq!(bytes, [7; 10]);
        one.discard(PAGE, 2 * PAGE).unwrap();
        assert!(one.read(PAGE, &mut bytes));
        assert_eq!(bytes, [7; 10]);
    }

    #[test]
    fn growth_taken_back_is_zero_when_it_returns() {
        let region = Region::over(image(), 0).unwrap();
        region.resize(2 * 65_536).unwrap();
        assert!(region.write(70_000, b"gone"));
        region.resize(65_536).unwrap();
        assert!(!region.write(70_000, b"out"));
        region.resize(2 * 65_536).unwrap();
        let mut bytes = [1; 4];
        assert!(region.read(70_000, &mut bytes));
        assert_eq!(bytes, [0; 4]);
    }

    #[test]
    fn sizes_and_accesses_out_of_bounds_are_refused() {
        let region = Region::over(image(), 0).unwrap();
        assert!(region.resize(0).is_err());
        assert!(region.resize(RESERVATION_BYTES as usize + 65_536).is_err());
        assert!(!region.read(65_530, &mut [0; 7]));
        assert!(!region.read(usize::MAX, &mut [0; 2]));
        assert!(Region::new(u64::MAX).is_err());
    }
}
