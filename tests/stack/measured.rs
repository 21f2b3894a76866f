//! How much native stack calls take, seen by where the host's own variables are.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crostata::Session;

/// The native stack that contracts, and the host functions they call, may use.
pub const NATIVE_BYTES: usize = 6 << 20;

/// First value of the counter.
pub const COUNTER_BYTES: usize = 524_288;

/// What the counter may stand for at most.
pub const QUARTER_BYTES: usize = NATIVE_BYTES / 4;

/// The highest and the lowest place of the host's stack pointer in debug messages, and how many there were.
#[derive(Default)]
pub struct Depths {
    highest: AtomicUsize,
    lowest: AtomicUsize,
    seen: AtomicUsize,
}

impl Depths {
    /// Has a session's debug messages tell.
    pub fn of(session: &mut Session) -> Arc<Self> {
        let depths = Arc::new(Self::default());
        depths.restart();
        let told = depths.clone();
        session.set_debug_sink(move |_, _: &str| {
            let here = 0_u8;
            let here = black_box(&raw const here) as usize;
            told.highest.fetch_max(here, Ordering::Relaxed);
            told.lowest.fetch_min(here, Ordering::Relaxed);
            told.seen.fetch_add(1, Ordering::Relaxed);
        });
        depths
    }

    /// Forgets everything.
    pub fn restart(&self) {
        self.highest.store(0, Ordering::Relaxed);
        self.lowest.store(usize::MAX, Ordering::Relaxed);
        self.seen.store(0, Ordering::Relaxed);
    }

    /// Bytes between them.
    pub fn bytes(&self) -> usize {
        let highest = self.highest.load(Ordering::Relaxed);
        highest.saturating_sub(self.lowest.load(Ordering::Relaxed))
    }

    /// Messages.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }
}
