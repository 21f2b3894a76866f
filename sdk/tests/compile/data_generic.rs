#[crostata_sdk::data]
struct Pair<T> {
    one: T,
    other: T,
}

fn main() {}
