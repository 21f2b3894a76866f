struct Token;

#[crostata_sdk::contract]
impl Clone for Token {
    fn clone(&self) -> Self {
        Self
    }
}

fn main() {}
