struct Token {
    supply: u64,
}

#[crostata_sdk::contract]
impl Token {
    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    pub fn name(&mut self, name: &str) {
        self.supply = name.len() as u64;
    }
}

fn main() {}
