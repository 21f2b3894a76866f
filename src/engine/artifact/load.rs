//! Loading compiled code: the one unsafe step of the cache.
//!
//! wasmtime checks nothing of what it loads but that the engine's settings are those that it was compiled with; other bytes are
//! other machine code. So nothing comes here that was not sealed by this node or compiled by this process, and the
//! type [`TrustedCode`] says so.
#![allow(unsafe_code)]

use super::format::TrustedCode;

/// Makes a module of compiled code. The bytes are copied: no file stays mapped.
///
/// # Errors
/// What wasmtime says: other settings, or no memory.
pub fn load(
    engine: &wasmtime::Engine,
    code: TrustedCode<'_>,
) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: the bytes must be those that `Engine::precompile_module` gave. `TrustedCode` is made in two places: of what that
    // function returned in this process (`Compiled` has no other source), and of the code section of an `Artifact`, which is what that function
    // returned to the `Artifact::seal` of who held this node's key, since every byte is under a hash keyed with it. They are
    // in this process's own memory, where nothing changes them between the check and the copy that is made here.
    unsafe { wasmtime::Module::deserialize(engine, code.bytes()) }
}

/// Makes a component of compiled code, as [`load`] makes a module.
///
/// # Errors
/// What wasmtime says: other settings, a module, or no memory.
#[cfg(feature = "libraries")]
pub fn load_component(
    engine: &wasmtime::Engine,
    code: TrustedCode<'_>,
) -> wasmtime::Result<wasmtime::component::Component> {
    // SAFETY: as above, with `Engine::precompile_component`. Compiled code says whether it is that of a module or of a component,
    // and wasmtime refuses the other.
    unsafe { wasmtime::component::Component::deserialize(engine, code.bytes()) }
}
