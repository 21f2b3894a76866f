//! The native stack that calls run on: the thread's own if it has room, else one that the runner keeps.
//!
//! Contracts may use up to [`NATIVE_STACK_BYTES`], more than the threads of async runtimes usually have. A stack costs
//! address space at first, and memory as far as it was ever used; it is kept from call to call.

use std::cell::Cell;
use std::hint::black_box;

use corosensei::on_stack;
use corosensei::stack::{DefaultStack, Stack};

use super::backend::NATIVE_STACK_BYTES;
use super::outcome::{Fault, memory_fault};

/// Stack that must be free for a call: what contracts may use, and the host below and above them.
const NEEDED_BYTES: usize = NATIVE_STACK_BYTES + (512 << 10);

/// Size of a kept stack.
const KEPT_BYTES: usize = NEEDED_BYTES + (512 << 10);

thread_local! {
    /// The end of the kept stack that this thread runs on, 0 for its own.
    static KEPT_LIMIT: Cell<usize> = const { Cell::new(0) };
}

/// The stack that a runner keeps, once it needed one.
#[derive(Default)]
pub struct CallStack(Option<DefaultStack>);

impl CallStack {
    /// Runs `call` with enough stack below it.
    ///
    /// # Errors
    /// [`Fault`] when the system gives no stack; the call did not run.
    pub fn run<R>(&mut self, call: impl FnOnce() -> R) -> Result<R, Fault> {
        if remaining_bytes() >= NEEDED_BYTES {
            return Ok(call());
        }
        let stack = match &mut self.0 {
            Some(stack) => stack,
            none => {
                let stack = DefaultStack::new(KEPT_BYTES);
                let stack =
                    stack.map_err(|error| memory_fault("no stack to run a call on", error))?;
                none.insert(stack)
            }
        };
        let limit = stack.limit().get();
        Ok(on_stack(stack, || {
            let _inside = Inside(KEPT_LIMIT.replace(limit));
            call()
        }))
    }
}

/// Puts the limit of the stack around back, also when the call panics.
struct Inside(usize);

impl Drop for Inside {
    fn drop(&mut self) {
        KEPT_LIMIT.set(self.0);
    }
}

/// Stack left to the code that runs now. Threads whose stack nobody knows count as having none left.
fn remaining_bytes() -> usize {
    match KEPT_LIMIT.get() {
        0 => stacker::remaining_stack().unwrap_or(0),
        limit => {
            let here = 0_u8;
            (black_box(&raw const here) as usize).saturating_sub(limit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: a call has the stack it may use on any thread, also inside of a call that was given one.
    #[test]
    fn small_threads_run_calls_on_kept_stacks() {
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let thread = small.spawn(|| {
            let mut stack = CallStack::default();
            assert!(remaining_bytes() < NEEDED_BYTES);
            for _ in 0..3 {
                let inside = stack.run(|| {
                    assert!(remaining_bytes() >= NEEDED_BYTES);
                    eat();
                    let mut inner = CallStack::default();
                    inner.run(remaining_bytes).unwrap()
                });
                assert!(inside.unwrap() >= NEEDED_BYTES);
            }
            assert!(remaining_bytes() < NEEDED_BYTES);
            let panicked = std::panic::catch_unwind(move || stack.run(|| panic!("of the call")));
            assert!(panicked.is_err());
            assert!(remaining_bytes() < NEEDED_BYTES);
        });
        thread.unwrap().join().unwrap();
    }

    /// Uses the stack up, but for the last half mebibyte.
    fn eat() -> u8 {
        let block = black_box([1_u8; 4096]);
        match remaining_bytes() < 512 << 10 {
            true => block[0],
            false => eat().wrapping_add(block[0]),
        }
    }
}
