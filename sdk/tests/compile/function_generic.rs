struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn show<T>(&self, value: T) {
        drop(value);
    }
}

fn main() {}
