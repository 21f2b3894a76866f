#[crostata_sdk::event(name = "transfer")]
struct Transfer {
    amount: u64,
}

fn main() {}
