//! Tests that need to see the state from inside.

mod nodes;
