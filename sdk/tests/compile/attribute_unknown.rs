struct Token {
    supply: u64,
}

#[crostata_sdk::contract(reentrant)]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }
}

fn main() {}
