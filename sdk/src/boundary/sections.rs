//! The custom section `crostata.stack`: where the shadow stack lies, so that the VM clears it after each call.
//!
//! | bytes | content |
//! |---|---|
//! | 0..8 | address of the first byte, `u64` little-endian |
//! | 8..16 | length in bytes, `u64` little-endian |
//!
//! True for modules linked with `-zstack-size=65536 --stack-first`, as `contracts/build` does: the stack
//! is then the first 64 KiB of the memory, and data begins behind it. With other flags what
//! the stack leaves behind stays in the state, which is untidy but harmless.

// Not `#[used]`, which would keep a second copy among the data.
#[allow(dead_code)]
#[unsafe(link_section = "crostata.stack")]
static STACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
