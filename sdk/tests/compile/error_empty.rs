#[crostata_sdk::error]
enum Never {}

fn main() {}
