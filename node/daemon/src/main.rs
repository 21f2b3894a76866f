//! `crostata-node`: validators, networks on one machine, and commands for clients.

mod contracts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use crostata_chain::{ProvenFinal, Trusted};
use crostata_machine::{Account, BANK, SecretKey, TransactionDigest};
use crostata_node::client::{Client, Terms};
use crostata_node::config::{Config, PaceConfig, write_secret};
use crostata_node::hex::{Hex32, Secret};
use crostata_node::http::answers::{EventAnswer, ProofRequest, VmReceiptAnswer};
use crostata_node::light::{LightClient, TrustedFile, outcome};
use crostata_node::load::Load;
use crostata_node::local::Plan;
use crostata_node::node;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Validators of a crostata chain, and commands for its clients.
#[derive(Parser)]
#[command(version)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a node as its configuration says.
    Validator(ValidatorArguments),
    /// Makes a network on this machine, if there is none in the directory, and runs it until Ctrl-C.
    Local(LocalArguments),
    /// Keys of accounts.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Transfers tokens, and waits until that is final.
    Transfer(TransferArguments),
    /// Deploys a contract, and waits until that is final.
    Deploy(contracts::DeployArguments),
    /// Calls a contract in a transaction, and waits until that is final.
    Call(contracts::CallArguments),
    /// Asks a contract, without a transaction.
    Query(contracts::QueryArguments),
    /// Says what an account has.
    Account(AccountArguments),
    /// Says where a node is.
    Status(NodeArguments),
    /// Says what a contract's state has under a name, and trusts no node about it: the validators' signatures, and proofs.
    Prove(ProveArguments),
    /// Says what became of a transaction, and trusts no node about it.
    Receipt(ReceiptArguments),
    /// Writes what clients must know to trust no node: the chain's id and its validators' keys.
    Trusted(TrustedArguments),
    /// Measures how many transfers a second a network on this machine makes final, and one VM alone.
    Load(LoadArguments),
}

#[derive(Args)]
struct ValidatorArguments {
    /// The node's configuration.
    #[arg(long)]
    config: PathBuf,
    /// Ends the node when its standard input ends, and so no later than whoever started it.
    #[arg(long)]
    until_stdin_ends: bool,
}

#[derive(Args)]
struct LocalArguments {
    /// How many validators.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// How many nodes are prepared that follow, and not started.
    #[arg(long, default_value_t = 1)]
    followers: usize,
    /// How many accounts with tokens.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Where everything is written.
    #[arg(long)]
    directory: PathBuf,
    /// The first port; each node has two. Free ones unless told.
    #[arg(long)]
    first_port: Option<u16>,
    /// The least time between blocks, in milliseconds.
    #[arg(long, default_value_t = PaceConfig::default().block_min_ms)]
    block_min_ms: u64,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Makes a key, and says whose account it is.
    New {
        /// Where it is written. What is there stays.
        file: PathBuf,
    },
    /// Says the account of a key.
    Show {
        /// Where it is.
        file: PathBuf,
    },
}

#[derive(Args)]
struct NodeArguments {
    /// Where the node is.
    #[arg(long, default_value = "http://127.0.0.1:8001")]
    url: String,
}

#[derive(Args)]
struct ProveArguments {
    /// The contract: 64 hexadecimal digits; that of accounts unless told.
    #[arg(long, default_value_t = Hex32(BANK.to_bytes()))]
    contract: Hex32,
    /// What the contract declares: a value, `struct.field`, or a map.
    #[arg(long)]
    name: String,
    /// The key, where it is a map: 64 hexadecimal digits.
    #[arg(long)]
    key: Option<Hex32>,
    #[command(flatten)]
    light: LightArguments,
}

#[derive(Args)]
struct ReceiptArguments {
    /// The transaction.
    transaction: Hex32,
    #[command(flatten)]
    light: LightArguments,
}

#[derive(Args)]
struct LightArguments {
    /// The file with the chain's id and its validators' keys, from somebody who is trusted.
    #[arg(long)]
    trusted: PathBuf,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Args)]
struct TrustedArguments {
    /// The configuration of a node of the chain.
    #[arg(long)]
    config: PathBuf,
}

#[derive(Args)]
struct TransferArguments {
    /// The file with the key of who pays.
    #[arg(long)]
    key: PathBuf,
    /// The account that gets the tokens.
    #[arg(long)]
    to: Hex32,
    /// How many, in the smallest unit.
    #[arg(long)]
    amount: u64,
    /// The most gas that it may spend.
    #[arg(long, default_value_t = 2_000_000)]
    limit_gas: u64,
    /// What is paid for a unit of gas.
    #[arg(long, default_value_t = 1)]
    gas_price: u64,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Args)]
struct LoadArguments {
    /// The directory of the network, which runs.
    #[arg(long)]
    directory: PathBuf,
    /// How long.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How many validators the network has.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// How many accounts with tokens it has.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Where transfers are brought, in turns; to all validators unless told.
    #[arg(long)]
    url: Vec<String>,
}

#[derive(Args)]
struct AccountArguments {
    /// The account.
    account: Hex32,
    #[command(flatten)]
    node: NodeArguments,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| "warn,crostata_node=info,crostata_chain=info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(Program::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crostata-node: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Validator(arguments) => validator(&arguments),
        Command::Local(arguments) => local(&arguments),
        Command::Key(KeyCommand::New { file }) => new_key(&file),
        Command::Key(KeyCommand::Show { file }) => {
            println!("{}", key(&file)?.account());
            Ok(())
        }
        Command::Transfer(arguments) => transfer(&arguments),
        Command::Deploy(arguments) => contracts::deploy(&arguments),
        Command::Call(arguments) => contracts::call(&arguments),
        Command::Query(arguments) => contracts::query(&arguments),
        Command::Account(arguments) => account(&arguments),
        Command::Load(arguments) => load(&arguments),
        Command::Prove(arguments) => prove(&arguments),
        Command::Receipt(arguments) => receipt(&arguments),
        Command::Trusted(arguments) => {
            let config = Config::read(&arguments.config)?;
            print!("{}", TrustedFile::of_node(&config)?.text()?);
            Ok(())
        }
        Command::Status(arguments) => {
            let status = Client::new(&arguments.url)?.status()?;
            println!("{}", serde_json::to_string_pretty(&status)?);
            Ok(())
        }
    }
}

fn validator(arguments: &ValidatorArguments) -> Result<(), Failure> {
    let config = Config::read(&arguments.config)?;
    let until_stdin_ends = arguments.until_stdin_ends;
    Ok(node::run(config, move || async move {
        tokio::select! {
            () = interrupted() => {}
            () = stdin_ended(), if until_stdin_ends => {}
        }
    })?)
}

/// Waits for Ctrl-C, or for being told to end.
async fn interrupted() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let terminated = async {
        match terminate {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

/// Waits until standard input ends, on a thread that nobody waits for.
async fn stdin_ended() {
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut ignored = std::io::sink();
        let _ = std::io::copy(&mut std::io::stdin(), &mut ignored);
        end.send(())
    });
    let _ = ended.await;
}

fn local(arguments: &LocalArguments) -> Result<(), Failure> {
    let pace = PaceConfig {
        block_min_ms: arguments.block_min_ms,
        ..PaceConfig::default()
    };
    let plan = Plan {
        followers: arguments.followers,
        clients: arguments.clients,
        first_port: arguments.first_port,
        pace,
        ..Plan::new(&arguments.directory, arguments.validators)
    };
    let network = plan.network()?;
    let mut running = Vec::new();
    for node in network.nodes.iter().filter(|node| node.validator) {
        running.push((node.start()?, node));
        println!("validator  {}  {}", node.url, node.config.display());
    }
    for node in network.nodes.iter().filter(|node| !node.validator) {
        println!(
            "follower   {}  {} (start it yourself)",
            node.url,
            node.config.display()
        );
    }
    println!("page       {}", network.page());
    println!("trusted    {}", network.trusted.display());
    for client in &network.clients {
        println!(
            "account    {}  {}",
            key(client)?.account(),
            client.display()
        );
    }
    println!("ready      until Ctrl-C");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            () = interrupted() => Ok(()),
            ended = one_ended(&mut running) => Err(ended),
        }
    })?;
    for (node, _) in running {
        node.stop()?;
    }
    Ok(())
}

/// Waits until a validator has ended by itself, which none should.
async fn one_ended(
    running: &mut [(
        crostata_node::local::Running,
        &crostata_node::local::LocalNode,
    )],
) -> Failure {
    loop {
        for (node, at) in &mut *running {
            match node.ended() {
                Ok(None) => {}
                Ok(Some(status)) => {
                    let said = fs::read_to_string(&at.log).unwrap_or_default();
                    let said = said.lines().last().unwrap_or("it said nothing").to_owned();
                    let log = at.log.display();
                    return format!(
                        "{} has ended ({status}): {said}\n{log} has all of it",
                        at.url
                    )
                    .into();
                }
                Err(error) => return error.into(),
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn new_key(file: &Path) -> Result<(), Failure> {
    if file.exists() {
        return Err(format!("{} is there already, and stays", file.display()).into());
    }
    let secret = Secret::random()?;
    write_secret(file, &secret.reveal())?;
    println!("{}", SecretKey::from_bytes(&secret.to_bytes()).account());
    Ok(())
}

fn key(file: &Path) -> Result<SecretKey, Failure> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| said(&error))?;
    let secret: Secret = text.trim().parse().map_err(|error| said(&error))?;
    Ok(SecretKey::from_bytes(&secret.to_bytes()))
}

fn transfer(arguments: &TransferArguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.node.url)?;
    let terms = Terms {
        limit_gas: arguments.limit_gas,
        gas_price: arguments.gas_price,
    };
    let to = Account::from_bytes(arguments.to.0);
    let transaction = client.transfer(&key(&arguments.key)?, to, arguments.amount, terms)?;
    match contracts::wait(&client, &transaction)?.receipt {
        Some(receipt) => contracts::happened(receipt).map(drop),
        None => Ok(()),
    }
}

fn light(arguments: &LightArguments) -> Result<(LightClient, Trusted), Failure> {
    let trusted = TrustedFile::read(&arguments.trusted)?.trusted()?;
    let client = Client::new(&arguments.node.url)?;
    Ok((LightClient::new(client, trusted.clone()), trusted))
}

fn prove(arguments: &ProveArguments) -> Result<(), Failure> {
    let (client, trusted) = light(&arguments.light)?;
    let wanted = ProofRequest {
        contract: arguments.contract,
        name: arguments.name.clone(),
        key: arguments.key,
    };
    let proven = client.value(&wanted)?;
    match &proven.value {
        Some(value) => println!("value      {value}"),
        None => println!("value      none"),
    }
    print_block(&proven.block, &trusted);
    let root = proven.block.header.state_root;
    println!("           state root {root}: the value");
    Ok(())
}

fn receipt(arguments: &ReceiptArguments) -> Result<(), Failure> {
    let (client, trusted) = light(&arguments.light)?;
    let transaction = TransactionDigest::from_bytes(arguments.transaction.0);
    let proven = client.receipt(transaction, contracts::FINAL_WAIT)?;
    let vm = proven.vm.as_ref();
    match vm {
        Some(vm) => print_receipt(vm, &proven.events),
        None => println!("outcome    not shown"),
    }
    print_block(&proven.block, &trusted);
    let (index, count) = (proven.index, proven.count);
    let root = proven.block.header.receipts_root;
    println!("           receipts root {root}: receipt {index} of {count}");
    Ok(())
}

fn print_receipt(vm: &VmReceiptAnswer, events: &[EventAnswer]) {
    if let Some(deployed) = &vm.deployed {
        println!("deployed   contract {}", deployed.contract);
    }
    if let Some(ran) = &vm.ran {
        let outcome = outcome(ran.code).map(|outcome| format!("{outcome:?}"));
        println!("outcome    {}", outcome.unwrap_or_default());
        println!("result     0x{}", ran.result);
        println!("gas        {} of {}", ran.gas_spent, ran.limit_gas);
    }
    for event in events {
        println!(
            "event      {} of {}: 0x{}",
            event.topic, event.source, event.data
        );
    }
}

/// What leads from the validators' keys to the roots of a block.
fn print_block(block: &ProvenFinal, trusted: &Trusted) {
    let header = &block.header;
    println!(
        "block      {} of height {}, {}",
        header.digest(),
        header.height,
        age(header.time_ms)
    );
    let (signers, validators) = (block.signers, trusted.validators().len());
    let chain = trusted.chain();
    println!("verified   signatures of {signers} of {validators} validators of chain {chain}");
    match block.certified.height.saturating_sub(header.height) {
        0 => println!("           the block's header"),
        above => println!("           {above} headers from a later block to this one"),
    }
}

/// How long ago a block was proposed, by this machine's clock.
fn age(time_ms: u64) -> String {
    let then = UNIX_EPOCH + Duration::from_millis(time_ms);
    match SystemTime::now().duration_since(then) {
        Ok(age) => format!("proposed {:.1} s ago", age.as_secs_f64()),
        Err(_) => "proposed in the future".to_owned(),
    }
}

fn load(arguments: &LoadArguments) -> Result<(), Failure> {
    let plan = Plan {
        followers: 0,
        clients: arguments.clients,
        ..Plan::new(&arguments.directory, arguments.validators)
    };
    let network = plan.existing()?;
    let first = network.nodes.first().ok_or("there is no validator")?;
    let genesis = Config::read(&first.config)?.genesis()?;
    let urls = match arguments.url.is_empty() {
        true => network.nodes.iter().map(|node| node.url.clone()).collect(),
        false => arguments.url.clone(),
    };
    let keys = network.clients.iter().map(|client| key(client));
    let load = Load {
        urls,
        keys: keys.collect::<Result<_, _>>()?,
        seconds: arguments.seconds,
    };
    let directory = arguments.directory.join("load-alone");
    println!("{}", load.measure(&genesis, &directory)?);
    Ok(())
}

fn account(arguments: &AccountArguments) -> Result<(), Failure> {
    let account = Account::from_bytes(arguments.account.0);
    let answer = Client::new(&arguments.node.url)?.account(&account)?;
    println!(
        "balance {}, next nonce {}",
        answer.balance, answer.next_nonce
    );
    Ok(())
}
