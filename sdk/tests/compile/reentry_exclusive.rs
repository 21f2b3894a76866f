struct Token {
    supply: u64,
}

#[crostata_sdk::contract(reentry = "self")]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn add(&mut self, amount: u64) {
        self.supply += amount;
    }
}

fn main() {}
