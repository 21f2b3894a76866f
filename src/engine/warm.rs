//! The warm pages of a call tree: those touched latest, whichever contract they are of.
//!
//! An access to memory that no cache of the processor holds takes a hundred times as long as one that the first cache
//! holds, and no operator's price can be right for both. So a top-level call has so many warm pages; who touches another one pays, and the
//! one that was made warm first gets cold, to be paid again when it is next touched. Which pages are warm follows from the
//! contracts' accesses alone.

use std::collections::VecDeque;

use super::contracts::Place;

/// Warm pages, the first one to get cold in front.
#[derive(Debug, Default)]
pub struct WarmPages(VecDeque<(Place, u32)>);

impl WarmPages {
    /// Adds a page; gives the one that gets cold for it.
    pub fn push(&mut self, place: Place, page: u32, pages_max: u64) -> Option<(Place, u32)> {
        self.0.push_back((place, page));
        match self.0.len() as u64 > pages_max {
            true => self.0.pop_front(),
            false => None,
        }
    }

    /// Ends the call.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
