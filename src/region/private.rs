//! Which pages of a region are its own: private copies, or pages that were never mapped from anything.
//!
//! A shortcut only: what is not private holds what is mapped below, so that nobody needs to compare it. Where the
//! system can not tell, everything counts as maybe private.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use super::Region;

const PAGE_BYTES: u64 = crostata_abi::PAGE_BYTES as u64;

impl Region {
    /// The private pages from page `first` to page `last`, as runs (first, one past the last) in rising order, by
    /// asking the kernel (`PAGEMAP_SCAN`, Linux 6.7); `None` where it does not say.
    pub fn private_pages(&self, first: u32, last: u32) -> Option<Vec<(u32, u32)>> {
        self.scan(u64::from(first), u64::from(last) + 1).ok()
    }

    fn scan(&self, first: u64, end: u64) -> io::Result<Vec<(u32, u32)>> {
        let pagemap = pagemap().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
        let base = self.base() as u64;
        let size = self.size_bytes() as u64;
        let end = base + (end * PAGE_BYTES).min(size);
        let mut start = base + first * PAGE_BYTES;
        let mut runs = Vec::new();
        let mut found = [PageRegion::default(); VECTOR_LEN];
        while start < end {
            let count = scan_once(pagemap, start, end, &mut found)?;
            let page = |address: u64| ((address - base) / PAGE_BYTES) as u32;
            runs.extend(
                found[..count]
                    .iter()
                    .map(|run| (page(run.start), page(run.end))),
            );
            // With fewer runs than the vector holds, the walk reached the end. `walk_end` is
            // stale where the vector filled up, so the walk resumes behind the last run instead.
            if count < VECTOR_LEN {
                break;
            }
            start = found[count - 1].end;
        }
        Ok(runs)
    }
}

const VECTOR_LEN: usize = 512;

/// `struct page_region` of `linux/fs.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg` of `linux/fs.h`.
#[repr(C)]
#[derive(Default)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

const IS_FILE: u64 = 1 << 2;
const IS_PRESENT: u64 = 1 << 3;
const IS_SWAPPED: u64 = 1 << 4;
const IS_ZERO_PAGE: u64 = 1 << 5;

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u64 =
    (3 << 30) | ((size_of::<ScanArgument>() as u64) << 16) | ((b'f' as u64) << 8) | 16;

fn pagemap() -> Option<&'static File> {
    static PAGEMAP: OnceLock<Option<File>> = OnceLock::new();
    PAGEMAP
        .get_or_init(|| File::open("/proc/self/pagemap").ok())
        .as_ref()
}

fn scan_once(
    pagemap: &File,
    start: u64,
    end: u64,
    found: &mut [PageRegion; VECTOR_LEN],
) -> io::Result<usize> {
    let mut argument = ScanArgument {
        size: size_of::<ScanArgument>() as u64,
        start,
        end,
        vec: found.as_mut_ptr() as u64,
        vec_len: VECTOR_LEN as u64,
        // Private copies are neither pages of the image nor the shared page of zeros, and they are in memory
        // or in swap.
        category_inverted: IS_FILE | IS_ZERO_PAGE,
        category_mask: IS_FILE | IS_ZERO_PAGE,
        category_anyof_mask: IS_PRESENT | IS_SWAPPED,
        return_mask: IS_PRESENT,
        ..ScanArgument::default()
    };
    // SAFETY: the argument and the vector it names are live and of the lengths stated; the
    // kernel writes at most `vec_len` entries and reads page tables only.
    let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN as _, &mut argument) };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((count as usize).min(VECTOR_LEN))
}

#[cfg(test)]
mod tests {
    use super::super::ImageFile;
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_read_page_is_not_private_and_a_written_page_is() {
        let file = Arc::new(ImageFile::new().unwrap());
        let image = file.image(65_536).unwrap();
        image.fill(0, &[1; 4096]).unwrap();
        let region = Region::over(Arc::new(image), 2 * 65_536).unwrap();
        assert!(region.read(0, &mut [0; 65_536]));
        assert!(region.write(3 * 4096 + 5, &[1]));
        assert!(region.write(20 * 4096 - 1, &[1, 2]));
        region.note_written(3);
        let Some(runs) = region.private_pages(0, 31) else {
            return assert!(pagemap().is_none() || region.scan(0, 32).is_err());
        };
        assert_eq!(runs, [(3, 4), (19, 21)]);
        assert_eq!(region.private_pages(4, 19).unwrap(), [(19, 20)]);
        assert_eq!(region.private_pages(40, 50).unwrap(), []);
    }

    #[test]
    fn more_runs_than_the_vector_holds() {
        let region = Region::zeroed(4096 * 4096).unwrap();
        (0..1500).for_each(|i| assert!(region.write(2 * i * 4096, &[1])));
        if let Some(runs) = region.private_pages(0, 4095) {
            assert_eq!(runs.len(), 1500);
            assert!(
                runs.iter()
                    .enumerate()
                    .all(|(i, run)| run.0 as usize == 2 * i)
            );
        }
    }
}
