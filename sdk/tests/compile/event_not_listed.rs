#[crostata_sdk::event]
struct Transfer {
    amount: u64,
}

struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn spend(&mut self, amount: u64) {
        self.supply -= amount;
        Transfer { amount }.emit();
    }
}

fn main() {}
