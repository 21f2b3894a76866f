//! The mark of a value that a proof was checked for.

use core::ops::Deref;

/// A value that verification returned: it belongs to the state with the root that was asked for.
///
/// Only this crate's `verify` functions make one, so a function that takes `Verified<T>` can not
/// be handed something that nobody checked.
///
/// ```compile_fail
/// let forged = crostata_proof::Verified(7);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a verified value that nobody looks at proves nothing"]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, without the mark.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
