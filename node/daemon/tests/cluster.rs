//! A network of real processes on loopback: what is final is the same on all, survives a killed validator, and a node that comes late gets it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crostata::{ContractId, ReceiptOpening, ReceiptsRoot, Root, SessionData, VM, ValueProof};
use crostata_chain::FinalityError;
use crostata_machine::{
    Account, BANK, BlockDigest, ChainId, Header, SecretKey, Transaction, TransactionDigest,
};
use crostata_node::client::{Client, ClientError, Terms, transfer};
use crostata_node::config::{Config, PaceConfig};
use crostata_node::hex::{Hex, Hex32, Secret};
use crostata_node::http::answers::{BlockAnswer, ProofRequest, QueryRequest};
use crostata_node::light::{LightClient, LightError, TrustedFile};
use crostata_node::local::{LocalNetwork, Plan, Running};
use serde_json::Value as Json;

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
        Self::idling(200)
    }

    /// A network with a block at least so often.
    fn idling(idle_max_ms: u64) -> Self {
        let mut cluster = Self::planned(|plan| plan.pace.idle_max_ms = idle_max_ms);
        cluster.start_validators();
        cluster
    }

    /// A network that is not started.
    fn planned(change: impl FnOnce(&mut Plan)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut plan = Plan {
            snapshot_every: 8,
            ..Plan::new(directory.path(), 4)
        };
        change(&mut plan);
        let network = plan.network().unwrap();
        Self {
            network,
            running: BTreeMap::new(),
            _directory: directory,
        }
    }

    fn start_validators(&mut self) {
        (0..4).for_each(|node| self.start_node(node));
        (0..4).for_each(|node| drop(self.reach(node, 1)));
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

    /// Waits until a node has ended by itself, and not well; gives what it said.
    fn fails(&mut self, node: usize) -> String {
        let before = self.log(node).len();
        self.start_node(node);
        let mut running = self.running.remove(&node).unwrap();
        let begun = Instant::now();
        loop {
            if let Some(status) = running.ended().unwrap() {
                assert!(!status.success(), "{status}");
                return self.log(node).split_off(before);
            }
            if begun.elapsed() > LONG {
                let logs: Vec<_> = (0..self.running.len()).map(|node| self.log(node)).collect();
                panic!("node {node} goes on: {}\n{logs:#?}", self.log(node));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&mut self, node: usize) {
        let status = self.running.remove(&node).unwrap().stop().unwrap();
        assert!(status.success(), "{status}: {}", self.log(node));
    }

    fn data(&self, node: usize) -> PathBuf {
        self.network.nodes[node].config.with_file_name("data")
    }

    fn trusted(&self) -> TrustedFile {
        TrustedFile::read(&self.network.trusted).unwrap()
    }

    /// A client of a URL that trusts the network's keys.
    fn light(&self, url: &str) -> LightClient {
        let trusted = self.trusted().trusted().unwrap();
        LightClient::new(Client::new(url).unwrap(), trusted)
    }

    /// What the command says on standard output when it is told these, and a node; or on standard error.
    fn said(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(env!("CARGO_BIN_EXE_crostata-node"))
            .args(arguments)
            .args(["--url", &self.network.nodes[1].url])
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        match output.status.success() {
            true => Ok(text(output.stdout)),
            false => Err(text(output.stderr)),
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

/// What a light client relies on: who knows the chain's id and the validators' keys, and nothing else, gets blocks, values and receipts verified from any
/// node; and a node that lies is found out, whatever it lies about.
#[test]
fn a_client_trusts_keys_and_no_node() {
    let cluster = Cluster::start();
    let (alice, to) = (cluster.key(0), cluster.key(1).account());
    let client = cluster.client(0);
    let before = client.account(&to).unwrap().balance;
    let sent: Vec<_> = [(10, TERMS), (u64::MAX, TERMS)]
        .into_iter()
        .map(|(amount, terms)| {
            let sent = client.transfer(&alice, to, amount, terms).unwrap();
            client.wait(&sent, LONG).unwrap();
            sent
        })
        .collect();
    let wanted = ProofRequest {
        contract: Hex32(BANK.to_bytes()),
        name: "accounts".to_owned(),
        key: Some(Hex32(to.to_bytes())),
    };
    for node in &cluster.network.nodes[..4] {
        let light = cluster.light(&node.url);
        // The first block too, which nobody signed: the next one says what it is.
        for height in 0..3 {
            let proven = light.block(height).unwrap();
            assert_eq!(proven.header.height, height);
            assert!(proven.signers >= 3);
        }
        Client::new(&node.url)
            .unwrap()
            .wait(&sent[1], LONG)
            .unwrap();
        let value = light.value(&wanted).unwrap().value.unwrap().to_string();
        assert!(value.contains(&(before + 10).to_string()), "{value}");
        let absent = ProofRequest {
            key: Some(Hex32([9; 32])),
            ..wanted.clone()
        };
        assert!(light.value(&absent).unwrap().value.is_none());
        for (transaction, codes) in [(sent[0], 0..1), (sent[1], 1..u32::MAX)] {
            let proven = light.receipt(transaction, LONG).unwrap();
            let code = proven.vm.unwrap().ran.unwrap().code;
            assert!(codes.contains(&code), "{code}");
            assert_eq!(proven.events.len(), usize::from(code == 0));
        }
        let early = Client::new(&node.url).unwrap().certificate(u64::MAX);
        assert_eq!(code(early), "not_found");
    }
    commands_verify(&cluster, &wanted, sent[0], before + 10);
    other_keys_prove_nothing(&cluster);
    lies_are_found_out(&cluster, &wanted, &sent);
}

fn commands_verify(
    cluster: &Cluster,
    wanted: &ProofRequest,
    transaction: TransactionDigest,
    balance: u64,
) {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_crostata-node"))
            .args(arguments)
            .args(["--trusted", cluster.network.trusted.to_str().unwrap()])
            .args(["--url", &cluster.network.nodes[2].url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let key = wanted.key.unwrap().to_string();
    let said = run(&["prove", "--name", "accounts", "--key", &key]);
    assert!(said.contains(&format!("balance: {balance}")), "{said}");
    assert!(said.contains("of 4 validators"), "{said}");
    print!("{said}");
    let said = run(&["receipt", &transaction.to_string()]);
    assert!(said.contains("outcome    Success"), "{said}");
    assert!(said.contains("event      Transfer"), "{said}");
    print!("{said}");
}

fn other_keys_prove_nothing(cluster: &Cluster) {
    let url = &cluster.network.nodes[1].url;
    let refused = |file: &TrustedFile| {
        let client = Client::new(url).unwrap();
        let light = LightClient::new(client, file.trusted().unwrap());
        light.block(1).unwrap_err()
    };
    let mut other = cluster.trusted();
    other.chain = Hex32([7; 32]);
    let error = refused(&other);
    assert!(
        matches!(error, LightError::Finality(FinalityError::Unsigned { .. })),
        "{error}"
    );
    let mut fewer = cluster.trusted();
    fewer.validators.pop();
    let error = refused(&fewer);
    assert!(
        matches!(
            error,
            LightError::Finality(FinalityError::Certificate { .. })
        ),
        "{error}"
    );
}

fn lies_are_found_out(cluster: &Cluster, wanted: &ProofRequest, sent: &[TransactionDigest]) {
    let url = cluster.network.nodes[0].url.clone();
    let lying = |lie: fn(&str, &mut Json)| cluster.light(&liar(url.clone(), lie));
    // The balance, by a bit of its proof.
    let light = lying(|path, answer| {
        if path.starts_with("/proof") {
            let proof = answer["proof"].as_str().unwrap().to_owned();
            let (start, end) = proof.split_at(proof.len() - 1);
            let other = if end == "0" { "1" } else { "0" };
            answer["proof"] = format!("{start}{other}").into();
        }
    });
    let error = light.value(wanted).unwrap_err();
    assert!(
        matches!(error, LightError::Value(_) | LightError::Proof(_)),
        "{error}"
    );
    // An older block's state for the latest.
    let light = lying(|path, answer| {
        if path.starts_with("/proof") {
            answer["height"] = 1.into();
        }
    });
    let error = light.value(wanted).unwrap_err();
    assert!(
        matches!(error, LightError::Finality(FinalityError::NotAsked { .. })),
        "{error}"
    );
    // That what failed happened.
    let light = lying(|path, answer| {
        if path.starts_with("/transactions") {
            answer["receipt"]["vm"]["ran"]["code"] = 0.into();
        }
    });
    let error = light.receipt(sent[1], LONG).unwrap_err();
    assert!(matches!(error, LightError::OtherReceipt { .. }), "{error}");
    // That nothing was emitted.
    let light = lying(|path, answer| {
        if path.starts_with("/transactions") {
            answer["receipt"]["events"] = Json::Array(Vec::new());
        }
    });
    let error = light.receipt(sent[0], LONG).unwrap_err();
    assert!(matches!(error, LightError::OtherReceipt { .. }), "{error}");
    // A block that nobody signed.
    let light = lying(|path, answer| {
        if path.ends_with("/certificate") {
            let proof = answer["proof"].as_str().unwrap().to_owned();
            let middle = proof.len() / 4;
            let (start, end) = proof.split_at(middle);
            let other = if end.starts_with('0') { "1" } else { "0" };
            answer["proof"] = format!("{start}{other}{}", &end[1..]).into();
        }
    });
    let error = light.block(1).unwrap_err();
    assert!(matches!(error, LightError::Finality(_)), "{error}");
}

/// A node that answers what another one does, but for its lies. It ends with the test's process.
fn liar(truth: String, lie: fn(&str, &mut Json)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut head = BufReader::new(connection.try_clone().unwrap()).lines();
            let first = head.next().unwrap().unwrap();
            let path = first.split(' ').nth(1).unwrap().to_owned();
            while !head.next().unwrap().unwrap().is_empty() {}
            let answer = reqwest::blocking::get(format!("{truth}{path}")).unwrap();
            let status = answer.status().as_u16();
            let mut json: Json = serde_json::from_slice(&answer.bytes().unwrap()).unwrap();
            if status == 200 {
                lie(&path, &mut json);
            }
            let body = json.to_string();
            let len = body.len();
            let _ = write!(
                connection,
                "HTTP/1.1 {status} .\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    url
}

/// P1, and what operators rely on: a validator whose state is silently another than the chain's does not go on. Where it has the block that says so, it does not start;
/// where it has not, it stops as soon as it gets that, and says at which contract and page it differs. The others go on.
#[test]
fn a_validator_with_another_state_stops() {
    // Peers have the latest states only: blocks are to be slower than the restarts.
    let mut cluster = Cluster::idling(1_900);
    cluster.reach(3, 1);
    cluster.stop(3);
    let (engine, older) = (
        cluster.data(3).join("engine"),
        cluster.data(3).join("older"),
    );
    copy(&engine, &older);
    cluster.start_node(3);
    let top = cluster.top(0);
    cluster.reach(3, top + 2);
    cluster.stop(3);
    let bank = tamper(&cluster.data(3).join("state"), cluster.key(0).account());

    // Its operator restores an older copy of the engine's blocks: nothing there says what the state should be. What it voted for it knows, so that it
    // does not vote otherwise.
    let newer = cluster.data(3).join("newer");
    std::fs::rename(&engine, &newer).unwrap();
    std::fs::rename(&older, &engine).unwrap();
    std::fs::remove_dir_all(engine.join(VOTES)).unwrap();
    copy(&newer.join(VOTES), &engine.join(VOTES));
    let said = cluster.fails(3);
    println!("{}", said.lines().last().unwrap_or_default());
    assert!(
        said.contains(&format!("the state differs at contract {bank}, page ")),
        "{said}"
    );

    std::fs::remove_dir_all(&engine).unwrap();
    std::fs::rename(&newer, &engine).unwrap();
    let said = cluster.fails(3);
    println!("{}", said.lines().last().unwrap_or_default());
    assert!(said.contains("and the validators agreed on"), "{said}");

    // As it says: without the state, the blocks that it has are executed again.
    std::fs::remove_dir_all(cluster.data(3).join("state")).unwrap();
    cluster.start_node(3);
    let top = cluster.top(0);
    cluster.assert_equal(&[0, 1, 2, 3], 0, top + 2);
}

/// Where the engine keeps its votes.
const VOTES: &str = "chain-simplex";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(&from, &to).unwrap()),
        }
    }
}

/// Has an account's tokens vanish, in a commit that says it is the final block's. Gives the contract.
fn tamper(state: &Path, account: Account) -> ContractId {
    const QUERY_GAS: u64 = 50_000_000;
    let vm = VM::new(state).unwrap();
    let commits = vm.commits();
    let last = *commits.last().unwrap();
    let mut session = vm.session(SessionData::builder().base(last)).unwrap();
    let nonce: u64 = session
        .call(BANK, "nonce_of", &account.to_bytes(), QUERY_GAS)
        .unwrap()
        .data;
    let charge = (account.to_bytes(), nonce, 1_000u64);
    let charged = session.call::<_, ()>(BANK, "charge", &charge, QUERY_GAS);
    charged.unwrap();
    session.commit_with_tag(last.tag).unwrap();
    BANK
}

/// What authors do first with a network: a contract is deployed, called and asked by the commands, with values as its code declares them; what does not fit says how
/// it is declared, and a call that fails says why.
#[test]
fn contracts_are_deployed_called_and_asked() {
    let cluster = Cluster::start();
    let artifacts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts");
    let path = |name: &str| artifacts.join(name).to_str().unwrap().to_owned();
    let (initializer, counter) = (path("initializer.wasm"), path("counter.wasm"));
    let paid = ["--key", cluster.network.clients[0].to_str().unwrap()];
    let pays = |arguments: &[&str]| cluster.said(&[arguments, &paid].concat());
    let deployed = |arguments: &[&str]| {
        let said = pays(&[&["deploy"], arguments].concat()).unwrap();
        let contract = said.lines().last().unwrap();
        contract.strip_prefix("contract   ").unwrap().to_owned()
    };
    let begun = deployed(&[&initializer, "0x10"]);
    let read = ["query", &begun, "read_value", "--code", &initializer];
    let told = cluster.said(&read).unwrap();
    assert!(told.starts_with("result     16\n"), "{told}");
    let counting = deployed(&[&counter]);
    let before = cluster.said(&["query", &counting, "read_value"]).unwrap();
    assert!(
        before.starts_with("result     0xfc00000000000000\n"),
        "{before}"
    );
    let call = ["call", &counting, "increment", "--code", &counter];
    let told = pays(&call).unwrap();
    assert!(told.ends_with("result     ()\n"), "{told}");
    let after = cluster.said(&["query", &counting, "read_value"]).unwrap();
    assert!(
        after.starts_with("result     0xfd00000000000000\n"),
        "{after}"
    );

    let wrong = |arguments: &[&str], reason: &str| {
        let told = pays(arguments).unwrap_err();
        assert!(told.contains(reason), "{arguments:?}: {told}");
    };
    wrong(&["deploy", &initializer], "init(value: i64)");
    wrong(&["deploy", &initializer, "much"], "init(value: i64)");
    wrong(
        &["deploy", &initializer, "-5"],
        "the initial value is negative",
    );
    wrong(
        &["call", &counting, "nothing", "--code", &counter],
        "increment()",
    );
    wrong(&["call", &counting, "nothing"], "nothing");
    wrong(
        &["call", &counting, "increment", "--limit-gas", "9"],
        "too_little_gas",
    );
}

/// What clients rely on: a node that was stopped, and one that was killed, still say what became of transactions from before, with openings that hold.
#[test]
fn receipts_outlive_their_node() {
    let mut cluster = Cluster::start();
    let (alice, to) = (cluster.key(0), cluster.key(1).account());
    let chain = cluster.chain();
    let sent: Vec<_> = (0..20)
        .map(|nonce| {
            let signed = transfer(&alice, &chain, nonce, to, 1, TERMS).unwrap();
            cluster.client(0).submit(&signed).unwrap();
            signed.digest()
        })
        .collect();
    let told = |cluster: &Cluster, node: usize| -> Vec<_> {
        let client = cluster.client(node);
        let answers = sent.iter().map(|sent| client.wait(sent, LONG).unwrap());
        answers.collect()
    };
    let before = told(&cluster, 2);
    assert!(before.iter().all(|answer| answer.receipt.is_some()));
    cluster.stop(2);
    cluster.start_node(2);
    cluster.reach(2, 1);
    assert_eq!(told(&cluster, 2), before);
    cluster.running.remove(&2).unwrap().kill().unwrap();
    cluster.start_node(2);
    cluster.reach(2, 1);
    assert_eq!(told(&cluster, 2), before);
    let light = cluster.light(&cluster.network.nodes[2].url);
    let proven = light.receipt(sent[7], LONG).unwrap();
    assert_eq!(proven.vm.unwrap().ran.unwrap().code, 0);
}

/// P5, and what operators rely on: a network that keeps its latest blocks alone forgets the others; restarts, and a node that joins, need no more. One that kept all keeps the latest from
/// then on, and does not go back.
#[test]
fn a_network_may_keep_its_latest_blocks_alone() {
    const KEEP: u64 = 256;
    const SECTION: u64 = 128;
    let mut cluster = Cluster::planned(|plan| {
        plan.pace = PaceConfig {
            block_min_ms: 5,
            idle_max_ms: 5,
        };
        plan.storage.keep_blocks = Some(KEEP);
    });
    let keep = |cluster: &Cluster, node: usize, keep_blocks: Option<u64>| {
        let file = &cluster.network.nodes[node].config;
        let mut config = Config::read(file).unwrap();
        config.storage.keep_blocks = keep_blocks;
        config.write(file).unwrap();
    };
    // The last one begins with all.
    keep(&cluster, 3, None);
    cluster.start_validators();
    let enough = KEEP + SECTION + 40;
    cluster.reach(0, enough);
    cluster.reach(3, enough);
    cluster.stop(3);
    keep(&cluster, 3, Some(KEEP));
    let all = cluster.data(3).join("engine/chain-blocks-value");
    assert!(all.exists());
    cluster.start_node(3);
    cluster.reach(3, enough);
    assert!(!all.exists());
    let light = cluster.light(&cluster.network.nodes[3].url);
    for height in [enough - 200, enough - 1] {
        let had = light.block(height).unwrap().header;
        assert_eq!(had.height, height);
    }
    assert_eq!(code(cluster.client(3).certificate(1)), "not_found");
    cluster.stop(1);
    cluster.start_node(1);
    let top = cluster.top(0);
    for node in [0, 1, 3] {
        cluster.reach(node, top + 2 * SECTION);
        let client = cluster.client(node);
        assert_eq!(code(client.certificate(1)), "not_found", "node {node}");
        let light = cluster.light(&cluster.network.nodes[node].url);
        let kept = cluster.top(node) - KEEP;
        assert_eq!(light.block(kept + 1).unwrap().header.height, kept + 1);
    }
    cluster.start_node(4);
    let top = cluster.joined(4).max(cluster.top(0)) + 5;
    cluster.assert_equal(&[0, 1, 2, 3, 4], top, top + 5);
    cluster.stop(3);
    keep(&cluster, 3, None);
    let said = cluster.fails(3);
    assert!(said.contains("this node kept the latest alone"), "{said}");
}
