#[crostata_sdk::data]
struct Amount {
    #[rkyv(with = Skip)]
    value: u64,
}

fn main() {}
