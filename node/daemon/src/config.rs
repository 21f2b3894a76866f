//! All that a validator is told, in one file of TOML. `docs/cluster.md` shows one.
//!
//! A name that is not known is an error which says what is allowed, and where. Paths in the file are relative to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use commonware_codec::DecodeExt as _;
use commonware_cryptography::Signer as _;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use crostata::{ContractId, Protocol};
use crostata_machine::{Account, BANK_CODE, Deployment, Genesis, Rules};
use serde::{Deserialize, Serialize};

use crate::hex::{Hex, Hex32, Secret};

/// What one node is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the node keeps everything: the VM's state, and what the engine has decided.
    pub data_directory: PathBuf,
    /// The node's ed25519 key: what it signs votes with, and who others know it as. Keep the file from others.
    pub secret_key: Secret,
    /// Who the others are.
    pub network: NetworkConfig,
    /// Where clients ask.
    pub http: HttpConfig,
    /// How fast blocks follow each other.
    #[serde(default)]
    pub pace: PaceConfig,
    /// How the chain begins. The same on every node.
    pub genesis: GenesisConfig,
}

/// Who the nodes of the chain are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Where this node listens for the others.
    pub listen: SocketAddr,
    /// Whether a node without a state gets one from the others, instead of executing every block from the first on.
    #[serde(default = "yes")]
    pub state_sync: bool,
    /// After how many blocks another state is served to nodes that join.
    #[serde(default = "snapshot_every")]
    pub snapshot_every: u64,
    /// All nodes of the chain, this one too.
    pub nodes: Vec<NodeConfig>,
}

/// A node of the chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Its key.
    pub public_key: Hex32,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it votes. One that does not follows the others. The same on every node.
    #[serde(default = "yes")]
    pub validator: bool,
}

/// Where clients ask, and how much they may.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where this node listens for clients.
    pub listen: SocketAddr,
    /// The longest body of a request.
    #[serde(default = "HttpConfig::body_bytes_max")]
    pub body_bytes_max: usize,
    /// The longest that a request may take, in milliseconds.
    #[serde(default = "HttpConfig::timeout_ms")]
    pub timeout_ms: u64,
    /// So many connections at once; others wait.
    #[serde(default = "HttpConfig::connections_max")]
    pub connections_max: usize,
    /// The most gas that a query may spend.
    #[serde(default = "HttpConfig::query_gas_max")]
    pub query_gas_max: u64,
    /// The longest that a query may run, in milliseconds.
    #[serde(default = "HttpConfig::query_timeout_ms")]
    pub query_timeout_ms: u64,
    /// Of so many of the latest blocks transactions are found, and receipts kept, in memory and on the disk.
    #[serde(default = "HttpConfig::recent_blocks_max")]
    pub recent_blocks_max: usize,
    /// So many bytes of receipts are kept on the disk, or those of the latest 64 blocks if they are more.
    #[serde(default = "HttpConfig::receipts_bytes_max")]
    pub receipts_bytes_max: u64,
}

fn snapshot_every() -> u64 {
    64
}

fn yes() -> bool {
    true
}

impl HttpConfig {
    /// With the limits that nodes have unless told otherwise.
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            body_bytes_max: Self::body_bytes_max(),
            timeout_ms: Self::timeout_ms(),
            connections_max: Self::connections_max(),
            query_gas_max: Self::query_gas_max(),
            query_timeout_ms: Self::query_timeout_ms(),
            recent_blocks_max: Self::recent_blocks_max(),
            receipts_bytes_max: Self::receipts_bytes_max(),
        }
    }

    fn body_bytes_max() -> usize {
        1 << 20
    }

    fn timeout_ms() -> u64 {
        10_000
    }

    fn connections_max() -> usize {
        1_024
    }

    fn query_gas_max() -> u64 {
        1_000_000_000
    }

    fn query_timeout_ms() -> u64 {
        2_000
    }

    fn recent_blocks_max() -> usize {
        4_096
    }

    fn receipts_bytes_max() -> u64 {
        1 << 30
    }

    /// The longest that a request may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// How fast blocks follow each other, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaceConfig {
    /// The least time between blocks.
    pub block_min_ms: u64,
    /// The time after which a block is proposed although there is nothing to put into it. Less than the two seconds that leaders are waited for.
    pub idle_max_ms: u64,
}

impl Default for PaceConfig {
    fn default() -> Self {
        let pace = crostata_chain::Pace::default();
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            block_min_ms: ms(pace.block_min),
            idle_max_ms: ms(pace.idle_max),
        }
    }
}

/// How the chain begins. All of it names the chain: nodes with another beginning are of another chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisConfig {
    /// When the chain began: milliseconds of Unix time.
    pub time_ms: u64,
    /// A file with the text of the VM's protocol; the VM's default unless there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<PathBuf>,
    /// The rules of the chain.
    #[serde(default)]
    pub rules: Rules,
    /// Who has tokens at first.
    #[serde(default)]
    pub balances: Vec<BalanceConfig>,
    /// What contracts are there besides the bank.
    #[serde(default)]
    pub contracts: Vec<ContractConfig>,
}

/// Tokens of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceConfig {
    /// The account.
    pub account: Hex32,
    /// How many, in the smallest unit.
    pub amount: u64,
}

/// A contract of the first block.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractConfig {
    /// Its id.
    pub id: Hex32,
    /// The file with its code.
    pub code: PathBuf,
    /// Its owner.
    #[serde(default)]
    pub owner: Hex,
    /// The argument of `init`, if it gets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<Hex>,
}

/// Why a file does not say what a node needs.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can not be read, or not be written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML, a name is not known or missing, or a value is of another type.
    #[error("{path}: {source}", path = path.display())]
    Text {
        /// Which.
        path: PathBuf,
        /// What, where, and what is allowed.
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("`{name}` {reason}")]
    Value {
        /// The value's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConfigError {
    fn value(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Value {
            name: name.into(),
            reason: reason.into(),
        }
    }

    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(ConfigError::file(path))?;
        Self::parse(&text, path)
    }

    /// Reads the text of a file, which nobody looks at.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|source| ConfigError::Text {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        config.rebase(path.parent().unwrap_or(Path::new("")));
        config.check()?;
        Ok(config)
    }

    /// Makes paths in the file relative to where the file is.
    fn rebase(&mut self, directory: &Path) {
        let genesis = &mut self.genesis;
        let paths = [&mut self.data_directory].into_iter();
        let paths = paths.chain(&mut genesis.protocol);
        let paths = paths.chain(genesis.contracts.iter_mut().map(|one| &mut one.code));
        for path in paths {
            *path = directory.join(&*path);
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let nodes = &self.network.nodes;
        let keys: BTreeSet<_> = nodes.iter().map(|node| node.public_key).collect();
        let me = Hex32(public_key_bytes(&self.key()?.public_key()));
        if keys.len() != nodes.len() {
            return Err(ConfigError::value("network.nodes", "has a key twice"));
        }
        if !keys.contains(&me) {
            let reason = format!("do not have this node, whose public key is {me}");
            return Err(ConfigError::value("network.nodes", reason));
        }
        if !nodes.iter().any(|node| node.validator) {
            return Err(ConfigError::value("network.nodes", "have no validator"));
        }
        self.check_bounds()
    }

    fn check_bounds(&self) -> Result<(), ConfigError> {
        let positive = [
            ("http.body_bytes_max", self.http.body_bytes_max as u64),
            ("http.timeout_ms", self.http.timeout_ms),
            ("http.connections_max", self.http.connections_max as u64),
            ("http.query_gas_max", self.http.query_gas_max),
            ("http.query_timeout_ms", self.http.query_timeout_ms),
            ("network.snapshot_every", self.network.snapshot_every),
            ("http.recent_blocks_max", self.http.recent_blocks_max as u64),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::value(*name, "must be at least 1"));
        }
        if self.http.connections_max > tokio::sync::Semaphore::MAX_PERMITS {
            return Err(ConfigError::value("http.connections_max", "is too large"));
        }
        let pace = self.pace;
        if pace.idle_max_ms >= LEADER_TIMEOUT_MS || pace.block_min_ms > pace.idle_max_ms {
            let reason =
                format!("must be below {LEADER_TIMEOUT_MS}, and not below `pace.block_min_ms`");
            return Err(ConfigError::value("pace.idle_max_ms", reason));
        }
        Ok(())
    }

    /// The node's key.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn key(&self) -> Result<PrivateKey, ConfigError> {
        private_key(&self.secret_key)
    }

    /// All nodes and where they listen.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for a key that is none.
    pub fn nodes(&self) -> Result<Vec<(PublicKey, SocketAddr, bool)>, ConfigError> {
        let nodes = self.network.nodes.iter().map(|node| {
            let key = PublicKey::decode(Bytes::copy_from_slice(&node.public_key.0));
            let key = key.map_err(|_| {
                let reason = format!("has {}, which is no ed25519 key", node.public_key);
                ConfigError::value("network.nodes.public_key", reason)
            })?;
            Ok((key, node.address, node.validator))
        });
        nodes.collect()
    }

    /// How the chain begins.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn genesis(&self) -> Result<Genesis, ConfigError> {
        let genesis = &self.genesis;
        let contracts = genesis.contracts.iter().map(deployment);
        let mut seen = BTreeSet::new();
        for balance in &genesis.balances {
            if !seen.insert(balance.account) {
                let reason = format!("have the account {} twice", balance.account);
                return Err(ConfigError::value("genesis.balances", reason));
            }
        }
        let balances = genesis.balances.iter();
        let balances =
            balances.map(|balance| (Account::from_bytes(balance.account.0), balance.amount));
        Ok(Genesis {
            time_ms: genesis.time_ms,
            rules: genesis.rules.clone(),
            protocol: protocol(genesis.protocol.as_deref())?,
            bank: BANK_CODE.into(),
            balances: balances.collect(),
            contracts: contracts.collect::<Result<_, _>>()?,
        })
    }

    /// Writes the file, readable for its owner alone.
    ///
    /// # Errors
    /// [`ConfigError::File`].
    pub fn write(&self, path: &Path) -> Result<(), ConfigError> {
        let text = toml::to_string(self);
        let text = text.map_err(|error| ConfigError::value("config", error.to_string()))?;
        write_secret(path, &text).map_err(ConfigError::file(path))
    }
}

/// How long the engine waits for a leader.
const LEADER_TIMEOUT_MS: u64 = 2_000;

/// Writes a file that only its owner can read.
///
/// # Errors
/// As the file system says.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// The key that a secret is.
///
/// # Errors
/// [`ConfigError::Value`].
pub fn private_key(secret: &Secret) -> Result<PrivateKey, ConfigError> {
    let key = PrivateKey::decode(Bytes::copy_from_slice(&secret.to_bytes()));
    key.map_err(|_| ConfigError::value("secret_key", "is no ed25519 key"))
}

/// The bytes of a key.
pub fn public_key_bytes(key: &PublicKey) -> [u8; 32] {
    let bytes: &[u8] = key.as_ref();
    // INVARIANT: keys of ed25519 have 32 bytes.
    bytes.try_into().unwrap_or_default()
}

fn protocol(path: Option<&Path>) -> Result<Protocol, ConfigError> {
    let Some(path) = path else {
        return Ok(Protocol::default());
    };
    let text = fs::read_to_string(path).map_err(ConfigError::file(path))?;
    let protocol = Protocol::from_text(&text);
    protocol.map_err(|error| ConfigError::value("genesis.protocol", error.to_string()))
}

fn deployment(contract: &ContractConfig) -> Result<Deployment, ConfigError> {
    let code = fs::read(&contract.code).map_err(ConfigError::file(&contract.code))?;
    Ok(Deployment {
        contract: ContractId::from_bytes(contract.id.0),
        code: Arc::from(code),
        owner: contract.owner.0.clone(),
        argument: contract
            .argument
            .as_ref()
            .map(|argument| argument.0.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let secret: Secret = "07".repeat(32).parse().unwrap();
        let me = Hex32(public_key_bytes(
            &private_key(&secret).unwrap().public_key(),
        ));
        format!(
            "data_directory = \"data\"\nsecret_key = \"{}\"\n[network]\nlisten = \"127.0.0.1:1\"\n\
             [[network.nodes]]\npublic_key = \"{me}\"\naddress = \"127.0.0.1:1\"\n\
             [http]\nlisten = \"127.0.0.1:2\"\n[genesis]\ntime_ms = 5\n",
            secret.reveal()
        )
    }

    fn read(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.toml");
        fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    fn refused(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    /// A file is read, and written again it says the same.
    #[test]
    fn a_file_is_read_as_it_was_written() {
        let config = read(&text()).unwrap();
        assert!(config.data_directory.ends_with("data"));
        assert!(config.data_directory.is_absolute());
        assert!(config.network.state_sync);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("again.toml");
        config.write(&path).unwrap();
        let again = Config::read(&path).unwrap();
        assert_eq!(
            again.genesis().unwrap().chain(),
            config.genesis().unwrap().chain()
        );
        assert_eq!(
            toml::to_string(&again).unwrap(),
            toml::to_string(&config).unwrap()
        );
    }

    /// The file that the guide shows is one that a node reads.
    #[test]
    fn the_guides_file_is_read() {
        let guide = include_str!("../../../docs/cluster.md");
        let shown = guide.split("```toml\n").nth(1).unwrap();
        let shown = shown.split("```").next().unwrap();
        let secret: Secret = "07".repeat(32).parse().unwrap();
        let me = Hex32(public_key_bytes(
            &private_key(&secret).unwrap().public_key(),
        ));
        let shown = shown.replacen("64 hexadecimal digits", &secret.reveal(), 1);
        let shown = shown.replace("64 hexadecimal digits", &me.to_string());
        let config = read(&shown.replace("hexadecimal digits", "0a")).unwrap();
        assert_eq!(config.genesis.contracts.len(), 1);
        let written = |value: &Rules| toml::to_string(value).unwrap();
        let defaults = Rules {
            chain: "local".to_owned(),
            ..Rules::default()
        };
        assert_eq!(written(&config.genesis.rules), written(&defaults));
        let http = HttpConfig::at(config.http.listen);
        assert_eq!(
            toml::to_string(&config.http).unwrap(),
            toml::to_string(&http).unwrap()
        );
    }

    /// A name that is not known is refused, with its place and what is allowed there.
    #[test]
    fn unknown_names_are_refused_with_what_is_allowed() {
        let error = refused(&text().replace("listen = \"127.0.0.1:2\"", "lisen = \"127.0.0.1:2\""));
        assert!(error.contains("line 9"), "{error}");
        assert!(error.contains("unknown field `lisen`"), "{error}");
        assert!(error.contains("`body_bytes_max`"), "{error}");
    }

    /// Values that make no sense are refused by name.
    #[test]
    fn values_that_make_no_sense_are_refused() {
        let me = "public_key = \"";
        let at = text().find(me).unwrap() + me.len();
        let mut other = text();
        other.replace_range(at..at + 64, &"0b".repeat(32));
        assert!(refused(&other).contains("`network.nodes` do not have this node"));
        assert!(
            refused(&text().replace("127.0.0.1:2\"\n", "127.0.0.1:2\"\ntimeout_ms = 0\n"))
                .contains("`http.timeout_ms`")
        );
        let idle = format!("{}[pace]\nidle_max_ms = 2000\n", text());
        assert!(refused(&idle).contains("`pace.idle_max_ms`"));
        let nobody = text().replace(
            "address = \"127.0.0.1:1\"",
            "address = \"127.0.0.1:1\"\nvalidator = false",
        );
        assert!(refused(&nobody).contains("have no validator"));
        let short = text().replace(&"07".repeat(32), "07");
        assert!(refused(&short).contains("64 hexadecimal digits"));
    }
}
