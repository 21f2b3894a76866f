#[crostata_sdk::error]
enum PoolError {
    #[from]
    Token { code: u32 },
}

fn main() {}
