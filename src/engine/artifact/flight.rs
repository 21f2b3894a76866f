//! A module that is being made, for those who wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::compile::CompileError;

/// How a flight ended.
pub enum Landing<T> {
    /// With the module.
    Landed(Arc<T>),
    /// With an error that everybody would get.
    Failed(CompileError),
    /// With an error of the one who led it: somebody else may do better.
    Abandoned,
}

impl<T> Clone for Landing<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Landed(module) => Self::Landed(module.clone()),
            Self::Failed(error) => Self::Failed(error.clone()),
            Self::Abandoned => Self::Abandoned,
        }
    }
}

/// A module in the making.
pub struct Flight<T> {
    landing: Mutex<Option<Landing<T>>>,
    landed: Condvar,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self {
            landing: Mutex::new(None),
            landed: Condvar::new(),
        }
    }
}

impl<T> Flight<T> {
    /// Waits for the end. The calling thread does nothing else meanwhile.
    pub fn wait(&self) -> Landing<T> {
        let mut landing = self.lock();
        loop {
            if let Some(landing) = &*landing {
                return landing.clone();
            }
            let woken = self.landed.wait(landing);
            landing = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends it, and wakes who waits.
    pub fn land(&self, landing: Landing<T>) {
        *self.lock() = Some(landing);
        self.landed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Landing<T>>> {
        // An option is whole whenever the lock is free.
        self.landing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
