//! Reading and writing the bytes of frames and nodes: counted fields, nothing read that is not there.

use crate::store::SEGMENT_BYTES_MAX;

/// Bytes not yet decoded.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// At the beginning of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next bytes.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next bytes, as many as the array has.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// The next four bytes as a number.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes as a number.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// A length of something that a segment holds: no sum or alignment of such lengths overflows.
    pub fn len_in_segment(&mut self) -> Option<u64> {
        self.u64()
            .filter(|len_bytes| *len_bytes <= SEGMENT_BYTES_MAX)
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    /// A counted list whose members take at least `member_len_min` bytes each, so that no count makes room for
    /// members that are not there.
    pub fn list<T>(
        &mut self,
        member_len_min: usize,
        mut member: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.u32()? as usize;
        if count > self.0.len() / member_len_min.max(1) {
            return None;
        }
        (0..count).map(|_| member(self)).collect()
    }

    /// The value, if nothing is left.
    pub fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// Writes a length or count. Lengths above `u32` are cut short here, and refused where frames are written: no list
/// is that long.
pub fn put_len(out: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
}

/// Writes bytes behind their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}
