struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn supply(&self) -> &u64 {
        &self.supply
    }
}

fn main() {}
