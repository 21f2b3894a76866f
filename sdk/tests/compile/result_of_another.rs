struct Result<T>(T);

struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn supply(&self) -> Result<u64> {
        Result(self.supply)
    }
}

fn main() {}
