//! A counter: the smallest contract with state.
#![cfg_attr(target_family = "wasm", no_std)]

/// A number that starts at 0xfc.
pub struct Counter {
    value: i64,
}

#[crostata_sdk::contract]
impl Counter {
    /// The counter as it is deployed.
    pub const fn new() -> Self {
        Self { value: 0xfc }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_252() {
        let mut counter = Counter::new();
        counter.increment();
        assert_eq!(counter.read_value(), 0xfd);
    }
}
