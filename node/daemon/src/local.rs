//! A whole network on one machine: keys, beginning and configuration of every node, and the nodes as child processes.
//!
//! The children end when their standard input does, so that none outlives this process, however it ends.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use commonware_cryptography::Signer as _;
use crostata_machine::{Rules, SecretKey};

use crate::config::{
    BalanceConfig, Config, ConfigError, GenesisConfig, HttpConfig, NetworkConfig, NodeConfig,
    PaceConfig, private_key, public_key_bytes, write_secret,
};
use crate::hex::{Hex32, Secret};
use crate::light::{LightError, TrustedFile};

/// What every client account begins with.
const RICH: u64 = 1_000_000_000_000_000;

/// What a network on one machine is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where everything is written: a folder for each node.
    pub directory: PathBuf,
    /// How many validators.
    pub validators: usize,
    /// How many nodes besides that follow. They are prepared, and not started.
    pub followers: usize,
    /// How many accounts with tokens, whose keys are in `clients/`.
    pub clients: usize,
    /// The first port; each node has two. Free ones if there is none.
    pub first_port: Option<u16>,
    /// How fast blocks follow each other.
    pub pace: PaceConfig,
    /// After how many blocks another state is served to nodes that join.
    pub snapshot_every: u64,
}

/// A node of a network on one machine.
#[derive(Debug, Clone)]
pub struct LocalNode {
    /// Its configuration.
    pub config: PathBuf,
    /// What it writes to standard error goes here.
    pub log: PathBuf,
    /// Where clients ask.
    pub url: String,
    /// Whether it votes.
    pub validator: bool,
}

/// A network on one machine.
#[derive(Debug, Clone)]
pub struct LocalNetwork {
    /// Its nodes, the validators first.
    pub nodes: Vec<LocalNode>,
    /// Files with the keys of accounts that have tokens.
    pub clients: Vec<PathBuf>,
    /// What clients must know to trust no node.
    pub trusted: PathBuf,
}

impl LocalNetwork {
    /// The live page of the first node, with the roots of all.
    pub fn page(&self) -> String {
        let urls = self.nodes.iter().filter(|node| node.validator);
        let mut urls = urls.map(|node| node.url.as_str());
        let first = urls.next().unwrap_or_default();
        let others: Vec<_> = urls.collect();
        format!("{first}/?nodes={}", others.join(","))
    }
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Nobody would vote.
    #[error(
        "a network needs at least one validator, and one machine carries at most {VALIDATORS_MAX}"
    )]
    Validators,
    /// There are too few ports.
    #[error("there are not enough ports from {0} on")]
    Ports(u16),
    /// The machine gives no random numbers.
    #[error("no random numbers for keys: {0}")]
    Random(#[from] getrandom::Error),
    /// A file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What clients must know can not be written.
    #[error(transparent)]
    Trusted(#[from] LightError),
    /// The system.
    #[error("{what}: {source}")]
    System {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// The most validators on one machine.
const VALIDATORS_MAX: usize = 64;

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> LocalError {
    let what = what.into();
    |source| LocalError::System { what, source }
}

impl Plan {
    /// A network of so many validators in a directory, and nothing besides.
    pub fn new(directory: impl Into<PathBuf>, validators: usize) -> Self {
        Self {
            directory: directory.into(),
            validators,
            followers: 1,
            clients: 4,
            first_port: None,
            pace: PaceConfig::default(),
            snapshot_every: 64,
        }
    }

    /// The network in the directory: the one that is there, or a new one.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn network(&self) -> Result<LocalNetwork, LocalError> {
        if self.validators == 0 || self.validators > VALIDATORS_MAX {
            return Err(LocalError::Validators);
        }
        if !self.config_path(0).exists() {
            self.make()?;
        }
        let network = self.existing()?;
        if !network.trusted.exists() {
            self.trust(&network)?;
        }
        Ok(network)
    }

    /// The network that is in the directory.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn existing(&self) -> Result<LocalNetwork, LocalError> {
        let nodes = (0..self.validators + self.followers).map(|number| self.node(number));
        let clients = (0..self.clients).map(|number| self.client_path(number));
        Ok(LocalNetwork {
            nodes: nodes.collect::<Result<_, _>>()?,
            clients: clients.collect(),
            trusted: self.directory.join("trusted.toml"),
        })
    }

    /// Writes what clients must know.
    fn trust(&self, network: &LocalNetwork) -> Result<(), LocalError> {
        let config = Config::read(&self.config_path(0))?;
        let text = TrustedFile::of_node(&config)?.text()?;
        let path = &network.trusted;
        fs::write(path, text).map_err(system(path.display().to_string()))
    }

    fn name(&self, number: usize) -> String {
        match number.checked_sub(self.validators) {
            None => format!("validator-{number}"),
            Some(number) => format!("follower-{number}"),
        }
    }

    fn config_path(&self, number: usize) -> PathBuf {
        let directory = self.directory.join(self.name(number));
        directory.join("node.toml")
    }

    fn client_path(&self, number: usize) -> PathBuf {
        self.directory.join(format!("clients/{number}.key"))
    }

    fn node(&self, number: usize) -> Result<LocalNode, ConfigError> {
        let path = self.config_path(number);
        let config = Config::read(&path)?;
        Ok(LocalNode {
            log: path.with_file_name("log"),
            config: path,
            url: format!("http://{}", config.http.listen),
            validator: number < self.validators,
        })
    }

    /// Makes keys, the chain's beginning and configurations.
    fn make(&self) -> Result<(), LocalError> {
        let genesis = self.genesis()?;
        let count = self.validators + self.followers;
        let ports = self.ports(count * 2)?;
        let secrets: Vec<_> = (0..count)
            .map(|_| Secret::random())
            .collect::<Result<_, _>>()?;
        let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let pairs: Vec<_> = ports
            .chunks_exact(2)
            .map(|pair| (local(pair[0]), local(pair[1])))
            .collect();
        let mut nodes = Vec::new();
        for (number, (secret, (peer, _))) in secrets.iter().zip(&pairs).enumerate() {
            nodes.push(NodeConfig {
                public_key: Hex32(public_key_bytes(&private_key(secret)?.public_key())),
                address: *peer,
                validator: number < self.validators,
            });
        }
        for (number, (secret, (peer, http))) in secrets.into_iter().zip(pairs).enumerate() {
            let config = Config {
                data_directory: "data".into(),
                secret_key: secret,
                network: NetworkConfig {
                    listen: peer,
                    state_sync: true,
                    snapshot_every: self.snapshot_every,
                    nodes: nodes.clone(),
                },
                http: HttpConfig::at(http),
                pace: self.pace,
                genesis: genesis.clone(),
            };
            let path = self.config_path(number);
            make_directory_of(&path)?;
            config.write(&path)?;
        }
        Ok(())
    }

    fn genesis(&self) -> Result<GenesisConfig, LocalError> {
        let mut balances = Vec::new();
        for number in 0..self.clients {
            let secret = Secret::random()?;
            let path = self.client_path(number);
            make_directory_of(&path)?;
            write_secret(&path, &secret.reveal()).map_err(system(path.display().to_string()))?;
            let account = SecretKey::from_bytes(&secret.to_bytes()).account();
            balances.push(BalanceConfig {
                account: Hex32(account.to_bytes()),
                amount: RICH,
            });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |now| now.as_millis());
        Ok(GenesisConfig {
            time_ms: u64::try_from(now_ms).unwrap_or_default(),
            protocol: None,
            rules: Rules {
                chain: "local".to_owned(),
                ..Rules::default()
            },
            balances,
            contracts: Vec::new(),
        })
    }

    fn ports(&self, count: usize) -> Result<Vec<u16>, LocalError> {
        let Some(first) = self.first_port else {
            return free_ports(count).map_err(system("looking for free ports"));
        };
        let ports = (first..=u16::MAX).take(count);
        let ports: Vec<_> = ports.collect();
        match ports.len() == count {
            true => Ok(ports),
            false => Err(LocalError::Ports(first)),
        }
    }
}

fn make_directory_of(path: &Path) -> Result<(), LocalError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(system(directory.display().to_string()))
}

/// Ports that nobody listens at now.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    // All at once, so that none comes twice.
    let held: Vec<_> = (0..count).map(|_| free()).collect::<io::Result<_>>()?;
    let ports = held.iter().map(|held| Ok(held.local_addr()?.port()));
    ports.collect()
}

/// A node that runs as a child process. Dropping this ends it.
#[derive(Debug)]
pub struct Running(Child);

impl LocalNode {
    /// Starts the node, as a process of this program.
    ///
    /// # Errors
    /// [`LocalError::System`].
    pub fn start(&self) -> Result<Running, LocalError> {
        let program = env::current_exe().map_err(system("looking for this program"))?;
        self.start_as(&program)
    }

    /// Starts the node, as a process of another program: a test is none itself.
    ///
    /// # Errors
    /// [`LocalError::System`].
    pub fn start_as(&self, program: &Path) -> Result<Running, LocalError> {
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.log);
        let log = log.map_err(system(self.log.display().to_string()))?;
        let started = Command::new(program)
            .args(["validator", "--until-stdin-ends", "--config"])
            .arg(&self.config)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let started = started.map_err(system(program.display().to_string()))?;
        Ok(Running(started))
    }
}

impl Running {
    /// Whether it has ended by itself, and how.
    ///
    /// # Errors
    /// As the system says.
    pub fn ended(&mut self) -> io::Result<Option<std::process::ExitStatus>> {
        self.0.try_wait()
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// As the system says.
    pub fn kill(mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }

    /// Has it end by itself, and waits for that.
    ///
    /// # Errors
    /// As the system says.
    pub fn stop(mut self) -> io::Result<std::process::ExitStatus> {
        drop(self.0.stdin.take());
        self.0.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After its end neither does anything.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
