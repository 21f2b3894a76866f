struct Token {
    supply: u64,
}

type Outcome = Result<u64, String>;

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn spend(&mut self, amount: u64) -> Outcome {
        self.supply.checked_sub(amount).ok_or(String::from("too much"))
    }
}

fn main() {}
