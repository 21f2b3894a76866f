#[crostata_sdk::data(compact)]
struct Amount(u64);

fn main() {}
