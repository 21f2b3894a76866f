//! Tests that need to see the state from inside.

mod faults;
mod nodes;
