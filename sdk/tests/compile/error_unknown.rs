struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn spend(&mut self, amount: u64) -> Result<u64, String> {
        self.supply.checked_sub(amount).ok_or(String::from("too much"))
    }
}

fn main() {}
