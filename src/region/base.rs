//! Going back: making pages of a region what they were when it was mapped.

use std::io;
use std::ptr;

use super::Region;

/// From this length on, dropping the private pages beats copying their old content back, although each of them
/// costs a fault when it is next touched.
const DROP_BYTES: usize = 16 << 20;

/// What is dropped begins and ends at multiples of this: the largest page of any system.
const DROP_ALIGNMENT: usize = 64 << 10;

impl Region {
    /// Gives up all writes to `[start, end)`: its bytes are again those of the image, or zeros.
    ///
    /// Pages of the image there must be filled.
    ///
    /// # Errors
    /// When the range does not lie inside the size, or the kernel refuses.
    pub fn reset(&self, start: usize, end: usize) -> io::Result<()> {
        if start > end || end > self.size_bytes() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (first, last) = droppable(start, end);
        self.copy_back(start, first)?;
        self.drop_copies(first, last)?;
        self.copy_back(last, end)
    }

    fn copy_back(&self, start: usize, end: usize) -> io::Result<()> {
        let middle = self.image_bytes.clamp(start, end);
        self.read_image(start, middle)?;
        // SAFETY: the range lies inside the size, no Rust reference points into it, and no other
        // thread uses the region.
        unsafe { ptr::write_bytes(self.base().add(middle), 0, end - middle) };
        Ok(())
    }

    /// Reads `[start, end)` of the image into the memory.
    fn read_image(&self, start: usize, end: usize) -> io::Result<()> {
        let Some(image) = &self.image else {
            return Ok(());
        };
        let (file, offset) = image.place();
        let mut at = start;
        while at < end {
            let place = libc::off_t::try_from(offset + at as u64).map_err(io::Error::other)?;
            // SAFETY: the range lies inside the size, no Rust reference points into it, and no other thread
            // uses the region. The kernel writes at most `end - at` bytes.
            let read = unsafe {
                let target = self.base().add(at).cast();
                libc::pread(file, target, end - at, place)
            };
            match usize::try_from(read) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => at += len,
                Err(_) => interrupted(io::Error::last_os_error())?,
            }
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn drop_copies(&self, start: usize, end: usize) -> io::Result<()> {
        match start < end {
            true => self.in_place(|place, at| place.drop_copies(at + start, at + end)),
            false => Ok(()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn drop_copies(&self, start: usize, end: usize) -> io::Result<()> {
        self.copy_back(start, end)
    }
}

/// The part of a range whose private pages are dropped: none if it is short.
fn droppable(start: usize, end: usize) -> (usize, usize) {
    let first = start.next_multiple_of(DROP_ALIGNMENT);
    let last = end - end % DROP_ALIGNMENT;
    match first + DROP_BYTES <= last {
        true => (first, last),
        false => (end, end),
    }
}

fn interrupted(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
