#[crostata_sdk::data]
struct Name {
    text: &'static str,
}

fn main() {}
