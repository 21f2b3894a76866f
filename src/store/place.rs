//! Where bytes lie: a segment's number and an offset in it; and the names of the segments' files.
//!
//! | bits | field |
//! |---|---|
//! | 0 to 31 | offset from the beginning of the segment's file, in units of 16 bytes |
//! | 32 to 63 | number of the segment, from 1 |
//!
//! So a place fits a `u64`, and 0 is the place of nothing.

use std::fmt;

/// What offsets are multiples of.
const UNIT_BYTES: u64 = 16;

/// No segment is longer: an offset in it would not fit a place.
pub const SEGMENT_BYTES_MAX: u64 = UNIT_BYTES << 32;

/// Where bytes lie in the log: segment number and offset, a multiple of 16.
///
/// Places are ordered as the bytes were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

impl Place {
    /// The place of nothing: no segment has the number 0.
    pub(super) const NONE: Self = Self(0);

    /// The place at this offset of this segment, if the offset is a multiple of 16 below 64 GiB.
    pub const fn new(segment: u32, offset: u64) -> Option<Self> {
        let units = offset / UNIT_BYTES;
        if !offset.is_multiple_of(UNIT_BYTES) || units > u32::MAX as u64 {
            return None;
        }
        Some(Self((segment as u64) << 32 | units))
    }

    /// The number of the segment.
    pub const fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The offset in bytes from the beginning of the segment's file.
    pub const fn offset(self) -> u64 {
        (self.0 & u32::MAX as u64) * UNIT_BYTES
    }

    /// The place this many bytes further on, if that is a multiple of 16 and in the same segment's
    /// range.
    pub const fn plus(self, len_bytes: u64) -> Option<Self> {
        match self.offset().checked_add(len_bytes) {
            Some(offset) => Self::new(self.segment(), offset),
            None => None,
        }
    }

    /// The place as a number, to be stored.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The place that [`to_u64`](Self::to_u64) made this number of. Every number is one; whether
    /// something is there is another matter.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of {}", self.offset(), file_name(self.segment()))
    }
}

/// The name of a segment's file.
pub(super) fn file_name(segment: u32) -> String {
    format!("log-{segment:016x}")
}

/// The name of a segment that is being made.
pub(super) fn new_name(segment: u32) -> String {
    format!("{}.new", file_name(segment))
}

/// The number of the segment with this file name, if it is one.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let number = u32::from_str_radix(name.strip_prefix("log-")?, 16).ok()?;
    (number > 0 && file_name(number) == name).then_some(number)
}

/// The name of a segment that was given up and whose space the next one takes.
pub(super) fn spare_name(segment: u32) -> String {
    format!("spare-{segment:016x}")
}

/// Whether this is the name of a spare file.
pub(super) fn is_spare_name(name: &str) -> bool {
    let digits = name.strip_prefix("spare-");
    digits.is_some_and(|digits| {
        u32::from_str_radix(digits, 16).is_ok_and(|number| spare_name(number) == name)
    })
}

/// Whether this is the name of a segment that was being made.
pub(super) fn is_new_name(name: &str) -> bool {
    name.strip_suffix(".new").and_then(number_of).is_some()
}
