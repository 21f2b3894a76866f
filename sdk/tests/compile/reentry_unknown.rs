struct Token {
    supply: u64,
}

#[crostata_sdk::contract(reentry = "always")]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }
}

fn main() {}
