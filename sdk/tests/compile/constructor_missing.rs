struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {

    pub fn supply(&self) -> u64 {
        self.supply
    }
}

fn main() {}
