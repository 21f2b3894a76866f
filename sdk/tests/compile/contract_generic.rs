struct Token<T>(T);

#[crostata_sdk::contract]
impl<T> Token<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

fn main() {}
