//! The exports of the component, as `wit/library.wit` says them.

use alloc::vec::Vec;

use dlmalloc::GlobalDlmalloc;

extern crate alloc;

#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "as the macro writes it")]

    wit_bindgen::generate!();
    export!(Library with_types_in self);

    use super::Library;
}

struct Library;

impl bindings::exports::crostata::signatures::ed25519::Guest for Library {
    fn verify(signed: Vec<u8>) -> Vec<u8> {
        Vec::from([u8::from(crate::verify(&signed))])
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
