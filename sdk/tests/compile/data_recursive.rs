#[crostata_sdk::data]
enum Tree {
    Leaf(u64),
    Node(Box<Tree>, Box<Tree>),
}

fn main() {}
