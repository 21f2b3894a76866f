struct Amount {
    value: u64,
}

struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn add(&mut self, amount: Amount) {
        self.supply += amount.value;
    }
}

fn main() {}
