struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn add(&mut self, (one, other): (u64, u64)) {
        self.supply += one + other;
    }
}

fn main() {}
