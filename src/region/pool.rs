//! The pool: address space for the memories of all sessions of the process, used again and again.
//!
//! A [`Slot`] holds one marks table and one memory of up to 4 GiB:
//!
//! | offset | bytes | use |
//! |---|---|---|
//! | 0 | 4 GiB | marks table: its accessible front, the rest faults |
//! | 4 GiB | 32 MiB | guard |
//! | 4 GiB + 32 MiB | 4 GiB | memory: its accessible front, the rest faults |
//! | 8 GiB + 32 MiB | 32 MiB | guard |
//!
//! Compiled code reaches 4 GiB and a guard behind each, so that it can not leave the slot.
//! The pool never blocks: when the bound on live slots is reached it says so, with a typed error.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::reservation::Reservation;
use super::{GUARD_BYTES, Image, RESERVATION_BYTES};

/// Regions that may be live at once.
///
/// A region has at most five mappings in the kernel's sense (marks, the gap behind them, image, growth, the gap
/// behind it), of which a Linux process has 65,530: this leaves it 15,000 for everything else. It
/// also takes 81 of the 128 TiB of address space; the rest is for memories above 4 GiB.
pub const REGIONS_MAX: usize = 10_000;

/// Idle slots that hold nothing. Each keeps some page tables: about 20 KiB.
const EMPTY_MAX: usize = 512;

/// Idle slots that still map an image.
const WARM_MAX: usize = 256;

/// Marks that are accessible in every slot: those of a memory of 4 GiB.
pub(super) const MARKS_BYTES: usize =
    (RESERVATION_BYTES / crostata_abi::PAGE_BYTES as u64) as usize;

/// Where the memory begins in a slot.
pub(super) const MEMORY_START: usize = (RESERVATION_BYTES + GUARD_BYTES) as usize;

/// Of these, slots of zeros, which hold more pages of their own.
const ZEROS_MAX: usize = 16;

const SLOT_BYTES: usize = 2 * MEMORY_START;

/// Every region that the process may have is in use. Other work must end first.
#[derive(Debug, thiserror::Error)]
#[error("all {REGIONS_MAX} memory regions of the process are in use")]
pub struct Exhausted;

/// Address space for one region, with zero marks.
#[derive(Debug)]
pub(super) struct Slot {
    pub reservation: Reservation,
    /// What the memory holds already: nothing, or an image as if just mapped.
    pub warm: Option<Warm>,
    _place: Place,
}

/// What is left in a slot whose region is gone, without a trace of what was written.
#[derive(Debug)]
pub(super) struct Warm {
    pub left: Left,
    /// Accessible marks.
    pub marks_bytes: usize,
    /// The pages, in rising order, that may be private copies of the image's.
    pub private: Vec<u32>,
}

/// What a warm slot has accessible.
#[derive(Debug)]
pub(super) enum Left {
    /// An image. Not kept alive: one that is gone is never asked for again.
    Image(Weak<Image>),
    /// So many bytes of zeros.
    Zeros(usize),
}

/// What a region would like to find in its slot.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    Nothing,
    Image(&'a Arc<Image>),
    Zeros(usize),
}

impl Left {
    fn is(&self, wanted: Wanted<'_>) -> bool {
        match (self, wanted) {
            (Self::Image(left), Wanted::Image(image)) => {
                std::ptr::eq(left.as_ptr(), Arc::as_ptr(image))
            }
            (Self::Zeros(left), Wanted::Zeros(size_bytes)) => *left == size_bytes,
            _ => false,
        }
    }

    /// Whether it can be asked for.
    fn lives(&self) -> bool {
        match self {
            Self::Image(image) => image.strong_count() > 0,
            Self::Zeros(_) => true,
        }
    }
}

/// One of the [`REGIONS_MAX`] places, taken until it drops.
#[derive(Debug)]
struct Place;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static IDLE: Mutex<Idle> = Mutex::new(Idle {
    empty: Vec::new(),
    warm: VecDeque::new(),
});

#[derive(Debug)]
struct Idle {
    empty: Vec<Reservation>,
    /// The latest last.
    warm: VecDeque<(Warm, Reservation)>,
}

impl Slot {
    /// Takes a slot from the pool, one that has what is wanted if there is one, or makes one.
    ///
    /// # Errors
    /// [`Exhausted`] inside of an error of the kind `OutOfMemory`, or what the system says.
    pub fn take(wanted: Wanted<'_>) -> io::Result<Self> {
        let place = Place::take()?;
        // Not within the match: a fresh one may need all idle ones, under the same lock.
        let found = idle().take(wanted);
        let (warm, reservation) = match found {
            (warm, Some(reservation)) => (warm, reservation),
            (_, None) => (None, fresh()?),
        };
        Ok(Self {
            reservation,
            warm,
            _place: place,
        })
    }

    /// Gives the slot back for another region. The caller says that it holds what `warm` says and nothing else.
    pub fn give_back(self, warm: Option<Warm>) {
        // What there is no room for is unmapped when the lock is free again.
        let _surplus = idle().put(warm, self.reservation);
    }
}

/// Regions that are live now, in the whole process.
pub fn live_regions() -> u64 {
    LIVE.load(Ordering::Relaxed) as u64
}

impl Idle {
    fn take(&mut self, wanted: Wanted<'_>) -> (Option<Warm>, Option<Reservation>) {
        let found = match wanted {
            Wanted::Nothing => None,
            wanted => self.warm.iter().rposition(|(warm, _)| warm.left.is(wanted)),
        };
        match found.and_then(|at| self.warm.remove(at)) {
            Some((warm, reservation)) => (Some(warm), Some(reservation)),
            None => (None, self.empty.pop()),
        }
    }

    /// The oldest warm slot of zeros, if there are too many.
    fn surplus_zeros(&self) -> Option<usize> {
        let is_zeros = |entry: &(Warm, Reservation)| matches!(entry.0.left, Left::Zeros(_));
        let many = self.warm.iter().filter(|entry| is_zeros(entry)).count() > ZEROS_MAX;
        many.then(|| self.warm.iter().position(is_zeros))?
    }

    fn put(&mut self, warm: Option<Warm>, reservation: Reservation) -> Option<Reservation> {
        match warm {
            Some(warm) => {
                self.warm.push_back((warm, reservation));
                if let Some(at) = self.surplus_zeros() {
                    return self.warm.remove(at).map(|(_, slot)| slot);
                }
                let (oldest, _) = self.warm.front()?;
                let surplus = self.warm.len() > WARM_MAX || !oldest.left.lives();
                surplus
                    .then(|| self.warm.pop_front())?
                    .map(|(_, slot)| slot)
            }
            None if self.empty.len() < EMPTY_MAX => {
                self.empty.push(reservation);
                None
            }
            None => Some(reservation),
        }
    }
}

impl Place {
    fn take() -> io::Result<Self> {
        let taken = Self;
        match LIVE.fetch_add(1, Ordering::Relaxed) < REGIONS_MAX {
            true => Ok(taken),
            false => Err(io::Error::new(io::ErrorKind::OutOfMemory, Exhausted)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

fn fresh() -> io::Result<Reservation> {
    let reservation = reserve(SLOT_BYTES)?;
    reservation.open(0, MARKS_BYTES)?;
    Ok(reservation)
}

/// Reserves address space, giving up all idle slots if there is not enough.
///
/// # Errors
/// When the process has no such address space left.
pub(super) fn reserve(len_bytes: usize) -> io::Result<Reservation> {
    Reservation::new(len_bytes).or_else(|_| {
        let (empty, warm) = {
            let mut idle = idle();
            (
                std::mem::take(&mut idle.empty),
                std::mem::take(&mut idle.warm),
            )
        };
        drop((empty, warm));
        Reservation::new(len_bytes)
    })
}

fn idle() -> MutexGuard<'static, Idle> {
    // What panics under the lock leaves the lists whole.
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}
