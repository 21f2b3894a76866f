//! Spreading work over the threads of the pool, the calling one included: it does not wait for others to wake up, and
//! does everything itself if they do not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What `work` gives for each number below `count`, in order.
pub fn spread<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(count));
    let take = || {
        let mut own = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            own.push((number, work(number)));
        }
        done.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(&mut own);
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..rayon::current_num_threads().min(count) {
            scope.spawn(|_| take());
        }
        take();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P1: the same on any number of threads.
    #[test]
    fn results_come_in_order() {
        for count in [0, 1, 2, 1_000] {
            let expected: Vec<usize> = (0..count).map(|number| number * number).collect();
            assert_eq!(spread(count, |number| number * number), expected);
        }
        let nested = spread(10, |one| spread(10, move |other| one * other));
        assert_eq!(nested[7][8], 56);
    }
}
