//! What the page calls. The bytes that cross are in two buffers of the module's own.
#![allow(unsafe_code)] // the attribute that keeps the names of exports; there is no unsafe block

use std::sync::{Mutex, MutexGuard, PoisonError};

use light_chain::PROOF_BYTES_MAX;

/// The longest request in bytes: a proof in hex with a line of digits to each, and the lines before it.
const REQUEST_BYTES_MAX: usize = 4 * PROOF_BYTES_MAX;

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

struct Buffers {
    request: Vec<u8>,
    answer: String,
}

static BUFFERS: Mutex<Buffers> = Mutex::new(Buffers {
    request: Vec::new(),
    answer: String::new(),
});

// SAFETY: no other module is linked that could have a function of this name.
#[unsafe(no_mangle)]
extern "C" fn input(len: usize) -> *mut u8 {
    if len > REQUEST_BYTES_MAX {
        return core::ptr::null_mut();
    }
    let mut buffers = buffers();
    buffers.request = vec![0; len];
    buffers.request.as_mut_ptr()
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn verify() -> *const u8 {
    let mut buffers = buffers();
    buffers.answer = crate::answer(&buffers.request);
    buffers.answer.as_ptr()
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn answer_len() -> usize {
    buffers().answer.len()
}

fn buffers() -> MutexGuard<'static, Buffers> {
    BUFFERS.lock().unwrap_or_else(PoisonError::into_inner)
}
