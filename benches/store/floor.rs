//! The physical limit: the same bytes appended to a preallocated file, one `fdatasync`, and hashed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::report::timed;

const FILE_BYTES: u64 = 512 << 20;

/// A file of zeros on the disk that the VM writes to.
pub struct Floor {
    file: File,
    end: u64,
    bytes: Vec<u8>,
}

impl Floor {
    /// Writes of `len_bytes` in the directory.
    pub fn new(directory: &Path, len_bytes: usize) -> Self {
        let file = File::create_new(directory.join("floor")).unwrap();
        let zeros = vec![0; 1 << 20];
        for at in (0..FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at).unwrap();
        }
        file.sync_all().unwrap();
        let bytes = (0..len_bytes).map(|at| ((at * at) >> 7) as u8).collect();
        Self {
            file,
            end: 0,
            bytes,
        }
    }

    /// One round.
    pub fn round(&mut self) -> Duration {
        if self.end + self.bytes.len() as u64 > FILE_BYTES {
            self.end = 0;
        }
        self.bytes[0] = self.bytes[0].wrapping_add(1);
        let (elapsed, _) = timed(|| {
            self.file.write_all_at(&self.bytes, self.end).unwrap();
            self.file.sync_data().unwrap();
            std::hint::black_box(blake3::hash(&self.bytes))
        });
        self.end += (self.bytes.len() as u64).next_multiple_of(4096);
        elapsed
    }
}
