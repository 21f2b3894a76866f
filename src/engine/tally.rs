//! What a top-level call has used of the limits that hold for its whole tree. Reverts give nothing back: what was used
//! took the host's time and memory.

use super::abort::Abort;
use super::protocol::CallLimits;
use crate::memory::Touch;

/// What the host keeps of an event or a feed beside its bytes, in bytes.
const RECORD_BYTES: u64 = 64;

/// Used so far.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pages: u64,
    event_bytes: u64,
    feed_bytes: u64,
    /// Calls of libraries.
    #[cfg(feature = "libraries")]
    pub library_calls: u64,
}

impl Tally {
    /// Pages read, written or copied so far.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Pages about to be read, written or copied.
    pub fn touch(&mut self, limits: &CallLimits, touch: Touch) -> Result<(), Abort> {
        let pages = touch.reads + touch.writes + touch.copies;
        take(
            &mut self.pages,
            pages,
            limits.call_pages_max,
            "limit.call_pages_max",
        )
    }

    /// An event about to be recorded.
    pub fn event(&mut self, limits: &CallLimits, bytes: usize) -> Result<(), Abort> {
        let bytes = bytes as u64 + RECORD_BYTES;
        let name = "limit.call_event_bytes_max";
        take(
            &mut self.event_bytes,
            bytes,
            limits.call_event_bytes_max,
            name,
        )
    }

    /// Bytes about to be fed.
    pub fn feed(&mut self, limits: &CallLimits, bytes: usize) -> Result<(), Abort> {
        let bytes = bytes as u64 + RECORD_BYTES;
        let name = "limit.call_feed_bytes_max";
        take(
            &mut self.feed_bytes,
            bytes,
            limits.call_feed_bytes_max,
            name,
        )
    }
}

fn take(used: &mut u64, more: u64, max: u64, name: &'static str) -> Result<(), Abort> {
    let total = used.saturating_add(more);
    if total > max {
        return Err(Abort::Limit(name));
    }
    *used = total;
    Ok(())
}
