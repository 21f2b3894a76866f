//! P1, P6, P7: the stack counter ends every recursion, inside a contract and across contracts, long before the native stack ends,
//! whatever compiled frames hold: the outcome is the contract's and the same on both backends, never a fault of the host.

mod fixtures;

#[path = "stack/measured.rs"]
mod measured;
#[path = "stack/outcomes.rs"]
mod outcomes;
#[path = "stack/shapes.rs"]
mod shapes;
