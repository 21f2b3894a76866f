//! A network of real processes on loopback: what is final is the same on all, survives a killed validator, and a node that comes late gets it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crostata::{ContractId, ReceiptOpening, ReceiptsRoot, Root, ValueProof};
use crostata_machine::{
    Account, BANK, BlockDigest, ChainId, Header, SecretKey, Transaction, TransactionDigest,
};
use crostata_node::client::{Client, ClientError, Terms, transfer};
use crostata_node::config::PaceConfig;
use crostata_node::hex::{Hex, Hex32, Secret};
use crostata_node::http::answers::{BlockAnswer, ProofRequest, QueryRequest};
use crostata_node::local::{LocalNetwork, Plan, Running};

const TERMS: Terms = Terms {
    limit_gas: 2_000_000,
    gas_price: 1,
};
/// Nothing here takes so long, on a machine that does nothing else.
const LONG: Duration = Duration::from_secs(120);

struct Cluster {
    network: LocalNetwork,
    running: BTreeMap<usize, Running>,
    _directory: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plan = Plan {
            pace: PaceConfig {
                idle_max_ms: 200,
                ..PaceConfig::default()
            },
            snapshot_every: 8,
            ..Plan::new(directory.path(), 4)
        };
        let network = plan.network().unwrap();
        let mut cluster = Self {
            network,
            running: BTreeMap::new(),
            _directory: directory,
        };
        (0..4).for_each(|node| cluster.start_node(node));
        (0..4).for_each(|node| drop(cluster.reach(node, 1)));
        cluster
    }

    fn start_node(&mut self, node: usize) {
        let program = Path::new(env!("CARGO_BIN_EXE_crostata-node"));
        let started = self.network.nodes[node].start_as(program).unwrap();
        self.running.insert(node, started);
    }

    fn client(&self, node: usize) -> Client {
        Client::new(&self.network.nodes[node].url).unwrap()
    }

    fn key(&self, client: usize) -> SecretKey {
        let text = std::fs::read_to_string(&self.network.clients[client]).unwrap();
        SecretKey::from_bytes(&text.parse::<Secret>().unwrap().to_bytes())
    }

    fn chain(&self) -> ChainId {
        ChainId::from_bytes(self.client(0).status().unwrap().chain.0)
    }

    /// Waits until a height is final on a node.
    fn reach(&mut self, node: usize, height: u64) -> BlockAnswer {
        let client = self.client(node);
        let begun = Instant::now();
        while begun.elapsed() < LONG {
            if let Ok(block) = client.block(height) {
                return block;
            }
            let ended = self.running.get_mut(&node).unwrap().ended().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", self.log(node));
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "node {node} does not reach {height}: {:?}\n{}",
            client.status(),
            self.log(node)
        );
    }

    /// Waits until a node that joins has a state; gives its height.
    fn joined(&mut self, node: usize) -> u64 {
        let client = self.client(node);
        let begun = Instant::now();
        loop {
            match client.status() {
                Ok(status) if status.height > 0 => return status.height,
                status => assert!(begun.elapsed() < LONG, "{status:?}: {}", self.log(node)),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self, node: usize) -> String {
        std::fs::read_to_string(&self.network.nodes[node].log).unwrap_or_default()
    }

    fn top(&self, node: usize) -> u64 {
        self.client(node).status().unwrap().height
    }

    /// All these nodes have the same blocks, with the same roots, up to a height.
    fn assert_equal(&mut self, nodes: &[usize], from: u64, to: u64) {
        for height in from..=to {
            let blocks: Vec<_> = nodes.iter().map(|node| self.reach(*node, height)).collect();
            let first = &blocks[0];
            for (node, block) in nodes.iter().zip(&blocks) {
                let roots =
                    |block: &BlockAnswer| (block.digest, block.state_root, block.receipts_root);
                assert_eq!(roots(block), roots(first), "block {height} of node {node}");
                assert_eq!(block.transactions, first.transactions);
            }
        }
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    answer.unwrap_err().code().expect("a refusal").to_owned()
}

/// P1, P3, and what clients rely on: four processes make signed transfers final that are brought over HTTP; blocks, roots and receipts roots are equal
/// on all; a receipt opens to the block's root, a balance is proven against it, and what can not be taken is refused with a reason.
#[test]
fn four_validators_make_transfers_final() {
    let mut cluster = Cluster::start();
    let (alice, bob) = (cluster.key(0), cluster.key(1));
    let chain = cluster.chain();
    let to = bob.account();
    let clients: Vec<_> = (0..4).map(|node| cluster.client(node)).collect();
    let before = clients[0].account(&to).unwrap();
    let mut sent = Vec::new();
    for nonce in 0..12 {
        let signed = transfer(&alice, &chain, nonce, to, 10, TERMS).unwrap();
        // To any of them: they tell each other.
        clients[nonce as usize % 4].submit(&signed).unwrap();
        sent.push(signed);
    }
    for signed in &sent {
        for client in &clients {
            let answer = client.wait(&signed.digest(), LONG).unwrap();
            let receipt = answer.receipt.expect("the node executed it");
            assert!(receipt.success, "{receipt:?}");
            assert_eq!(receipt.sender, Hex32(alice.account().to_bytes()));
            assert!(receipt.calls.unwrap().contains("transfer"));
            let root = ReceiptsRoot::from_bytes(answer.receipts_root.0);
            let opening = ReceiptOpening::decode(&receipt.opening.unwrap().0).unwrap();
            let proven = opening.verify(&root).unwrap();
            assert_eq!(proven.leaf.tag, signed.digest().to_bytes());
        }
    }
    let top = cluster.top(0);
    cluster.assert_equal(&[0, 1, 2, 3], 0, top);
    for client in &clients {
        assert_eq!(client.account(&to).unwrap().balance, before.balance + 120);
        assert_eq!(client.account(&alice.account()).unwrap().nonce, 12);
    }
    a_header_is_the_block(&clients[1].block(top).unwrap());
    queries_and_proofs(&clients[2], to, before.balance + 120);
    refusals(&clients[3], &alice, &chain, &sent[0]);
    for running in std::mem::take(&mut cluster.running).into_values() {
        let status = running.stop().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Who has a header need trust nobody about the roots.
fn a_header_is_the_block(block: &BlockAnswer) {
    let header = Header::decode(&block.header.0).unwrap();
    assert_eq!(header.digest(), BlockDigest::from_bytes(block.digest.0));
    assert_eq!(header.state_root, Root::from_bytes(block.state_root.0));
}

fn queries_and_proofs(client: &Client, account: Account, balance: u64) {
    let argument = crostata_machine::Draft::call(BANK, "balance_of", &account.to_bytes()).unwrap();
    let crostata_machine::Action::Call { argument, .. } = argument.action else {
        panic!("a call");
    };
    let mut query = QueryRequest {
        contract: Hex32(BANK.to_bytes()),
        function: "balance_of".to_owned(),
        argument: Hex(argument),
        limit_gas: None,
    };
    let answer = client.query(&query).unwrap();
    assert_eq!(answer.data.0, balance.to_le_bytes());
    query.function = "nothing".to_owned();
    assert_eq!(code(client.query(&query)), "rejected");
    query.limit_gas = Some(u64::MAX);
    assert_eq!(code(client.query(&query)), "too_much_gas");

    let mut wanted = ProofRequest {
        contract: Hex32(BANK.to_bytes()),
        name: "accounts".to_owned(),
        key: Some(Hex32(account.to_bytes())),
    };
    let answer = client.proof(&wanted).unwrap();
    let root = Root::from_bytes(answer.state_root.0);
    let proof = ValueProof::decode(&answer.proof.0).unwrap();
    let bank = ContractId::from_bytes(BANK.to_bytes());
    let key = crostata::Value::from(account.to_bytes());
    let proven = proof.verify_key(&root, &bank, "accounts", &key).unwrap();
    assert!(
        format!("{proven:?}").contains(&balance.to_string()),
        "{proven:?}"
    );
    wanted.name = "nothing".to_owned();
    assert_eq!(code(client.proof(&wanted)), "no_proof");
}

fn refusals(client: &Client, key: &SecretKey, chain: &ChainId, used: &Transaction) {
    let nobody = SecretKey::from_bytes(&[9; 32]);
    let to = nobody.account();
    assert_eq!(code(client.submit(used)), "nonce_used");
    assert_eq!(code(client.submit_bytes(vec![1, 2, 3])), "malformed");
    // However long it is, its sender sees why it is refused.
    for megabytes in 2..7 {
        let long = vec![0; megabytes << 20];
        assert_eq!(code(client.submit_bytes(long)), "bad_request");
    }
    let other = ChainId::from_bytes([1; 32]);
    let signed = transfer(key, &other, 12, to, 1, TERMS).unwrap();
    assert_eq!(code(client.submit(&signed)), "bad_signature");
    let signed = transfer(&nobody, chain, 0, to, 1, TERMS).unwrap();
    assert_eq!(code(client.submit(&signed)), "balance");
    let terms = Terms {
        gas_price: 0,
        ..TERMS
    };
    let signed = transfer(key, chain, 12, to, 1, terms).unwrap();
    assert_eq!(code(client.submit(&signed)), "underpaid");
    let unknown = TransactionDigest::from_bytes([7; 32]);
    assert_eq!(code(client.transaction(&unknown)), "not_found");
    assert_eq!(code(client.block(u64::MAX)), "not_found");
}

/// P3: a validator that is killed under load and started again, and a node that joins by state sync, have what the others have; nothing that was final is lost.
#[test]
fn a_killed_validator_and_a_late_node_catch_up() {
    let mut cluster = Cluster::start();
    let chain = cluster.chain();
    let keys: Vec<_> = (0..4).map(|client| cluster.key(client)).collect();
    let to = SecretKey::from_bytes(&[9; 32]).account();
    let mut sent = Vec::new();
    let bring = |cluster: &Cluster, nonce: u64, sent: &mut Vec<TransactionDigest>| {
        for key in &keys {
            let signed = transfer(key, &chain, nonce, to, 1, TERMS).unwrap();
            cluster.client(0).submit(&signed).unwrap();
            sent.push(signed.digest());
        }
    };
    for nonce in 0..10 {
        bring(&cluster, nonce, &mut sent);
    }
    let known = cluster.top(3);
    let known: Vec<_> = (0..=known).map(|height| cluster.reach(3, height)).collect();
    cluster.running.remove(&3).unwrap().kill().unwrap();
    for nonce in 10..20 {
        bring(&cluster, nonce, &mut sent);
    }
    let client = cluster.client(0);
    for digest in &sent {
        client.wait(digest, LONG).unwrap();
    }
    cluster.start_node(3);
    for nonce in 20..25 {
        bring(&cluster, nonce, &mut sent);
    }
    for digest in &sent {
        client.wait(digest, LONG).unwrap();
    }
    let top = cluster.top(0);
    for block in &known {
        assert_eq!(
            cluster.reach(3, block.height).digest,
            block.digest,
            "what was final is lost"
        );
    }
    cluster.assert_equal(&[0, 1, 2, 3], 0, top);

    cluster.reach(0, 20);
    cluster.start_node(4);
    // The state that arrives may be that of any later block.
    let joined = cluster.joined(4);
    let top = cluster.top(0).max(joined) + 5;
    cluster.reach(4, top);
    assert_eq!(
        code(cluster.client(4).block(1)),
        "not_found",
        "it executed all blocks"
    );
    cluster.assert_equal(&[0, 1, 2, 3, 4], top, top + 5);
    for node in 0..5 {
        let account = cluster.client(node).account(&to).unwrap();
        assert_eq!(account.balance, sent.len() as u64, "node {node}");
    }
}
