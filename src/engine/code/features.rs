//! The Wasm features a contract may use. An allow-list: what is not named here is off.

use wasmparser::WasmFeatures;

/// The features of the protocol, for the validator here and for the engine's configuration.
///
/// `GC_TYPES` is no proposal: without it wasmparser has no `funcref`, which tables need.
pub const fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        .union(WasmFeatures::SIGN_EXTENSION)
        .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
        .union(WasmFeatures::MULTI_VALUE)
        .union(WasmFeatures::BULK_MEMORY)
        .union(WasmFeatures::REFERENCE_TYPES)
        .union(WasmFeatures::EXTENDED_CONST)
        .union(WasmFeatures::MEMORY64)
        .union(WasmFeatures::FLOATS)
        .union(WasmFeatures::GC_TYPES)
}
