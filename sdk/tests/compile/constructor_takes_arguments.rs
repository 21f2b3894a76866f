struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new(supply: u64) -> Self {
        Self { supply }
    }
}

fn main() {}
