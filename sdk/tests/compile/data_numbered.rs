#[crostata_sdk::data]
enum Level {
    Low = 1,
    High = 9,
}

fn main() {}
