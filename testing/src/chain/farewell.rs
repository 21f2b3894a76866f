//! What a chain still says when its test has failed: what no message could.

use std::thread;

use super::Chain;
use crate::machine::Machine;
use crate::properties::is_quiet;

impl<M: Machine> Drop for Chain<M> {
    fn drop(&mut self) {
        if thread::panicking() && !is_quiet() {
            self.tell_raised();
            self.save();
        }
    }
}

impl<M: Machine> Chain<M> {
    /// An error that a method returned is a value of its author's type, which knows nothing of the call: `.unwrap()` shows no trace.
    fn tell_raised(&self) {
        if let Some(called) = self.last_call.as_ref().filter(|_| self.is_raised) {
            eprintln!("\nthe last call of the test:\n\n{}", called.trace(None));
        }
    }

    /// The capsule of a test that failed elsewhere than in an expectation of a call.
    fn save(&self) {
        if self.last_call.is_some() && !self.shared.recording.is_saved() {
            eprint!("{}", self.shared.save_capsule());
        }
    }
}
