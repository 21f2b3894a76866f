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

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::reservation::Reservation;
use super::{GUARD_BYTES, RESERVATION_BYTES};

/// Regions that may be live at once.
///
/// A region has at most five mappings in the kernel's sense (marks, the gap behind them, image, growth, the gap
/// behind it), of which a Linux process has 65,530: this leaves it 15,000 for everything else. It
/// also takes 81 of the 128 TiB of address space; the rest is for memories above 4 GiB.
pub const REGIONS_MAX: usize = 10_000;

/// Idle slots that are kept. Each keeps some page tables: about 20 KiB.
const IDLE_MAX: usize = 512;

/// Marks that are accessible in every slot: those of a memory of 4 GiB.
pub(super) const MARKS_BYTES: usize =
    (RESERVATION_BYTES / crostata_abi::PAGE_BYTES as u64) as usize;

/// Where the memory begins in a slot.
pub(super) const MEMORY_START: usize = (RESERVATION_BYTES + GUARD_BYTES) as usize;

const SLOT_BYTES: usize = 2 * MEMORY_START;

/// Every region that the process may have is in use. Other work must end first.
#[derive(Debug, thiserror::Error)]
#[error("all {REGIONS_MAX} memory regions of the process are in use")]
pub struct Exhausted;

/// Address space for one region: zero marks of which [`MARKS_BYTES`] are accessible, and no accessible memory.
#[derive(Debug)]
pub(super) struct Slot {
    pub reservation: Reservation,
    _place: Place,
}

/// One of the [`REGIONS_MAX`] places, taken until it drops.
#[derive(Debug)]
struct Place;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static IDLE: Mutex<Vec<Reservation>> = Mutex::new(Vec::new());

impl Slot {
    /// Takes a slot from the pool, or makes one.
    ///
    /// # Errors
    /// [`Exhausted`] inside of an error of the kind `OutOfMemory`, or what the system says.
    pub fn take() -> io::Result<Self> {
        let place = Place::take()?;
        let idle = idle().pop();
        Ok(Self {
            reservation: idle.map_or_else(fresh, Ok)?,
            _place: place,
        })
    }

    /// Gives the slot back for another region. The caller says that it is as good as new.
    pub fn give_back(self) {
        let mut idle = idle();
        if idle.len() < IDLE_MAX {
            idle.push(self.reservation);
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
    let reservation = Reservation::new(SLOT_BYTES)?;
    reservation.open(0, MARKS_BYTES)?;
    Ok(reservation)
}

fn idle() -> std::sync::MutexGuard<'static, Vec<Reservation>> {
    // Pushing and popping leave the list whole, also when they panic.
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}
