//! The cell that holds a contract's state in its memory.

use core::cell::UnsafeCell;

/// The state of a contract: a static that calls can change.
pub struct State<T>(UnsafeCell<T>);

// SAFETY: a contract has one thread.
unsafe impl<T> Sync for State<T> {}

impl<T> State<T> {
    /// The state a contract is deployed with.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The state, to read, or to change through its own cells.
    ///
    /// # Safety
    /// No result of [`exclusive`](Self::exclusive) is alive.
    pub unsafe fn shared(&self) -> &T {
        // SAFETY: the caller promises that nobody holds it exclusively.
        unsafe { &*self.0.get() }
    }

    /// The state, to change.
    ///
    /// # Safety
    /// No other reference to the state is alive.
    #[expect(clippy::mut_from_ref, reason = "a cell, as `UnsafeCell` is")]
    pub unsafe fn exclusive(&self) -> &mut T {
        // SAFETY: the caller promises that nobody else holds it.
        unsafe { &mut *self.0.get() }
    }
}
