//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a poisoned lock, too: the data under each lock changes in single steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
