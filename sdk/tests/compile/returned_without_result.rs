struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    #[returned]
    pub fn forget(&mut self) {
        self.supply = 0;
    }
}

fn main() {}
