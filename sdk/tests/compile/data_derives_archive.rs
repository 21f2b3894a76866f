use crostata_sdk::rkyv::{Archive, Deserialize, Serialize};

#[crostata_sdk::data]
#[derive(Archive, Serialize, Deserialize)]
struct Amount(u64);

fn main() {}
