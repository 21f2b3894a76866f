#[crostata_sdk::data]
union Either {
    number: u64,
    letter: char,
}

fn main() {}
