//! The argument buffer: 65,536 bytes through which contract and VM exchange everything.
//!
//! The module exports its address as the constant global `A`. Bytes are copied in and out through raw pointers, so no
//! reference to the buffer lives while an import runs; the one exception is [`with`].

use alloc::vec::Vec;

use crostata_abi::ARGBUF_LEN;

/// Aligned to a state page, so that arguments never share one with the contract's state.
#[repr(C, align(4096))]
struct Buffer([u8; ARGBUF_LEN]);

#[cfg(target_family = "wasm")]
fn start() -> *mut u8 {
    #[unsafe(no_mangle)]
    static mut A: Buffer = Buffer([0; ARGBUF_LEN]);
    (&raw mut A).cast()
}

#[cfg(not(target_family = "wasm"))]
fn start() -> *mut u8 {
    use core::cell::UnsafeCell;
    std::thread_local! {
        static A: UnsafeCell<Buffer> = const { UnsafeCell::new(Buffer([0; ARGBUF_LEN])) };
    }
    A.with(|buffer| buffer.get().cast())
}

/// Copies `bytes` into the buffer at `at`. Gives `false`, and copies nothing, if they do not fit.
pub fn write(at: usize, bytes: &[u8]) -> bool {
    if at > ARGBUF_LEN || bytes.len() > ARGBUF_LEN - at {
        return false;
    }
    // SAFETY: the range was checked to lie in the buffer, and no reference to the buffer can be `bytes`
    // other than one of `with`, for which overlap is allowed.
    unsafe { core::ptr::copy(bytes.as_ptr(), start().add(at), bytes.len()) };
    true
}

/// Copies the bytes out that begin at `at`, as many as `into` takes and the buffer has.
fn read_into(at: usize, into: &mut [u8]) {
    let at = at.min(ARGBUF_LEN);
    let len = into.len().min(ARGBUF_LEN - at);
    // SAFETY: both ranges are inside their memory, and `into` can not overlap the buffer, to which no
    // mutable reference is ever given out.
    unsafe { core::ptr::copy_nonoverlapping(start().add(at), into.as_mut_ptr(), len) };
}

/// The `N` bytes of the buffer that begin at `at`.
pub fn read<const N: usize>(at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    read_into(at, &mut bytes);
    bytes
}

/// A copy of the first `len` bytes, of the whole buffer at the most.
pub fn to_vec(len: usize) -> Vec<u8> {
    with(len, <[u8]>::to_vec)
}

/// Lends the first `len` bytes to `reader`, the whole buffer at the most.
///
/// `reader` runs validation and copying of archives only, nothing that calls an import.
pub fn with<R>(len: usize, reader: impl FnOnce(&[u8]) -> R) -> R {
    // SAFETY: the range lies in the buffer, whose bytes are always initialised; the buffer changes only in
    // imports and in `write`, which `reader` does not call (crate documentation).
    reader(unsafe { core::slice::from_raw_parts(start(), len.min(ARGBUF_LEN)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_or_read_out_of_bounds() {
        assert!(write(ARGBUF_LEN - 2, &[1, 2]));
        assert!(!write(ARGBUF_LEN - 1, &[8, 9]));
        assert!(!write(usize::MAX, &[9]));
        assert_eq!(read::<4>(ARGBUF_LEN - 2), [1, 2, 0, 0]);
        assert_eq!(read::<2>(usize::MAX), [0, 0]);
        assert_eq!(to_vec(usize::MAX).len(), ARGBUF_LEN);
    }
}
