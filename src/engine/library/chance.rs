//! What chance is for libraries: bytes that everybody who executes the call gets.
//!
//! They come of the session's data, which say what block and transaction it is, who calls what with what, and how many calls of libraries there were
//! before in the call tree. A witness has all of this, and threads that run ahead have it too; the place of a transaction in its block they do not.

use super::call::Call;

/// The bytes of a call.
pub fn chance(call: &Call<'_>) -> blake3::OutputReader {
    let mut hasher = blake3::Hasher::new_derive_key("crostata: randomness of libraries, version 1");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(&(call.data.len() as u64).to_le_bytes());
    for (name, bytes) in call.data {
        add(name.as_bytes());
        add(bytes);
    }
    add(call.contract.as_bytes());
    add(call.name.code.as_bytes());
    add(call.name.function.as_bytes());
    add(&call.number.to_le_bytes());
    add(call.argument);
    hasher.finalize_xof()
}
