//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A poisoned lock is taken all the same: what it guards is changed in single steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
