//! Waiting for a future on a thread of one's own, until a moment or without end.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// What becomes of a future.
pub fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = waker();
    loop {
        if let Poll::Ready(output) = poll(future.as_mut(), &waker) {
            return output;
        }
        thread::park();
    }
}

/// What becomes of a future, unless `is_over` says before that it does not matter any more: asked whenever the thread wakes, and at
/// the deadline.
pub fn wait_unless<F: Future + ?Sized>(
    mut future: Pin<&mut F>,
    deadline: Option<Instant>,
    is_over: impl Fn() -> bool,
) -> Option<F::Output> {
    let waker = waker();
    while !is_over() {
        if let Poll::Ready(output) = poll(future.as_mut(), &waker) {
            return Some(output);
        }
        match deadline {
            Some(deadline) => {
                thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
            }
            None => thread::park(),
        }
    }
    None
}

fn waker() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}
