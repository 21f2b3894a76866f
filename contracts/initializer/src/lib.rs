//! Has an `init` with an argument, which refuses some arguments.
#![cfg_attr(target_family = "wasm", no_std)]

/// A number that `init` sets.
pub struct Initializer {
    value: i64,
}

#[crostata_sdk::contract]
impl Initializer {
    /// The contract as it is deployed, before `init`.
    pub const fn new() -> Self {
        Self { value: -1 }
    }

    /// Sets the number; panics if it is negative.
    pub fn init(&mut self, value: i64) {
        crostata_sdk::emit("initialised", &value);
        if value < 0 {
            panic!("the initial value is negative");
        }
        self.value = value;
    }

    /// The number.
    pub fn read_value(&self) -> i64 {
        self.value
    }

    /// Adds one.
    pub fn increment(&mut self) {
        self.value += 1;
    }
}
