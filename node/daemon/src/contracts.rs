//! Commands for contracts of a chain: deploying, calling, asking. What a contract's functions take and give, its code says in its schema.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use crostata_machine::{Action, TransactionDigest};
use crostata_node::client::{Client, Terms};
use crostata_node::hex::{Hex, Hex32};
use crostata_node::http::answers::{EventAnswer, FinalAnswer, QueryRequest, ReceiptAnswer};
use crostata_schema::{Method, Schema, Type, shown};

use crate::{Failure, NodeArguments, key};

/// How long a transaction is waited for.
pub const FINAL_WAIT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct DeployArguments {
    /// The contract's code, compiled to WebAssembly.
    code: PathBuf,
    /// What its `init` takes, one value for each argument.
    #[arg(allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// What its `init` takes, as hexadecimal digits.
    #[arg(long, conflicts_with = "arguments")]
    hex: Option<Hex>,
    #[command(flatten)]
    pays: PaysArguments,
}

#[derive(Args)]
pub struct CallArguments {
    #[command(flatten)]
    what: FunctionArguments,
    #[command(flatten)]
    pays: PaysArguments,
}

#[derive(Args)]
pub struct QueryArguments {
    #[command(flatten)]
    what: FunctionArguments,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Args)]
struct FunctionArguments {
    /// The contract: 64 hexadecimal digits.
    contract: Hex32,
    /// The function.
    function: String,
    /// What it takes, one value for each argument, as the contract's code declares them.
    #[arg(requires = "code", allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// The contract's code, which says what its functions take and give.
    #[arg(long)]
    code: Option<PathBuf>,
    /// What it takes, as hexadecimal digits.
    #[arg(long, conflicts_with = "arguments")]
    hex: Option<Hex>,
}

#[derive(Args)]
struct PaysArguments {
    /// The file with the key of who signs and pays.
    #[arg(long)]
    key: PathBuf,
    /// The most gas that it may spend.
    #[arg(long, default_value_t = 200_000_000)]
    limit_gas: u64,
    /// What is paid for a unit of gas.
    #[arg(long, default_value_t = 1)]
    gas_price: u64,
    #[command(flatten)]
    node: NodeArguments,
}

/// What a contract's functions take and give, as far as its code says it.
struct Interface(Option<Schema>);

impl Interface {
    fn of(code: &[u8]) -> Result<Self, Failure> {
        Ok(Self(Schema::of_code(code)?))
    }

    fn read(code: Option<&Path>) -> Result<Self, Failure> {
        match code {
            Some(path) => Self::of(&read(path)?),
            None => Ok(Self(None)),
        }
    }

    fn method(&self, function: &str) -> Option<&Method> {
        self.0.as_ref()?.method(function)
    }

    /// The bytes that a function takes.
    fn argument(
        &self,
        function: &str,
        words: &[String],
        hex: Option<&Hex>,
    ) -> Result<Vec<u8>, Failure> {
        if let Some(Hex(bytes)) = hex {
            return Ok(bytes.clone());
        }
        match (&self.0, self.method(function)) {
            (_, Some(method)) => encoded(method, words),
            (None, None) if words.is_empty() => Ok(Vec::new()),
            (None, None) => {
                let reason = "the code does not say what its functions take; give --hex instead";
                Err(reason.into())
            }
            (Some(schema), None) => {
                let known = schema.methods.iter().map(Method::signature);
                let known: Vec<_> = known.collect();
                let reason = format!("it has no function `{function}`: {}", known.join("; "));
                Err(reason.into())
            }
        }
    }

    /// A function's result, or an event, for people.
    fn told(value_type: Option<&Type>, bytes: &Hex) -> String {
        let decoded = value_type.and_then(|value_type| {
            let value = value_type.decode(&bytes.0).ok()?;
            Some(shown(&value, value_type))
        });
        decoded.unwrap_or_else(|| format!("0x{bytes}"))
    }

    fn print(&self, function: &str, data: &Hex, events: &[EventAnswer]) {
        let result = self.method(function).map(|method| &method.result);
        println!("result     {}", Self::told(result, data));
        for event in events {
            let declared = self
                .0
                .as_ref()
                .and_then(|schema| schema.event(&event.topic));
            let told = Self::told(declared.map(|event| &event.data), &event.data);
            println!("event      {} of {}: {told}", event.topic, event.source);
        }
    }
}

fn encoded(method: &Method, words: &[String]) -> Result<Vec<u8>, Failure> {
    let pairs = method.arguments.iter().zip(words);
    let values = pairs.map(|(field, word)| field.value_type.parse(word));
    let values = values.collect::<Result<Vec<_>, _>>();
    let mut values =
        values.map_err(|error| format!("{error}; it is declared as {}", method.signature()))?;
    // One too many is for the method to refuse.
    values.extend(
        words
            .iter()
            .skip(values.len())
            .map(|word| word.as_str().into()),
    );
    Ok(method.encode(&values)?)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

impl PaysArguments {
    /// Signs, brings, waits.
    fn send(&self, action: Action) -> Result<FinalAnswer, Failure> {
        let client = Client::new(&self.node.url)?;
        let terms = Terms {
            limit_gas: self.limit_gas,
            gas_price: self.gas_price,
        };
        let transaction = client.send(&key(&self.key)?, action, terms)?;
        wait(&client, &transaction)
    }
}

/// Waits until a transaction is final, and says where.
pub fn wait(client: &Client, transaction: &TransactionDigest) -> Result<FinalAnswer, Failure> {
    let answer = client.wait(transaction, FINAL_WAIT)?;
    println!(
        "transaction {transaction} is final in block {}",
        answer.height
    );
    Ok(answer)
}

/// What a transaction cost, and why it did not happen.
pub fn happened(receipt: ReceiptAnswer) -> Result<ReceiptAnswer, Failure> {
    println!("{} gas, fee {}", receipt.gas_spent, receipt.fee);
    match receipt.success {
        true => Ok(receipt),
        false => Err(receipt.reason.unwrap_or_default().into()),
    }
}

fn known(answer: FinalAnswer) -> Result<ReceiptAnswer, Failure> {
    let receipt = answer.receipt;
    Ok(receipt.ok_or("this node does not have the receipt: ask another")?)
}

pub fn deploy(arguments: &DeployArguments) -> Result<(), Failure> {
    let code = read(&arguments.code)?;
    let interface = Interface::of(&code)?;
    let given = arguments.hex.is_some() || !arguments.arguments.is_empty();
    let argument = match given || interface.method("init").is_some() {
        true => Some(interface.argument("init", &arguments.arguments, arguments.hex.as_ref())?),
        false => None,
    };
    let action = Action::Deploy {
        code: code.into(),
        argument,
    };
    let receipt = happened(known(arguments.pays.send(action)?)?)?;
    println!("contract   {}", receipt.data);
    Ok(())
}

pub fn call(arguments: &CallArguments) -> Result<(), Failure> {
    let (interface, action) = arguments.what.call()?;
    let receipt = happened(known(arguments.pays.send(action)?)?)?;
    interface.print(&arguments.what.function, &receipt.data, &receipt.events);
    Ok(())
}

pub fn query(arguments: &QueryArguments) -> Result<(), Failure> {
    let what = &arguments.what;
    let interface = Interface::read(what.code.as_deref())?;
    let request = QueryRequest {
        contract: what.contract,
        function: what.function.clone(),
        argument: Hex(interface.argument(&what.function, &what.arguments, what.hex.as_ref())?),
        limit_gas: None,
    };
    let answer = Client::new(&arguments.node.url)?.query(&request)?;
    interface.print(&what.function, &answer.data, &answer.events);
    println!("gas        {}", answer.gas_spent);
    println!(
        "block      {}, as the node says: `prove` trusts none",
        answer.block
    );
    Ok(())
}

impl FunctionArguments {
    fn call(&self) -> Result<(Interface, Action), Failure> {
        let interface = Interface::read(self.code.as_deref())?;
        let argument = interface.argument(&self.function, &self.arguments, self.hex.as_ref())?;
        let action = Action::Call {
            contract: crostata::ContractId::from_bytes(self.contract.0),
            function: self.function.clone(),
            argument,
        };
        Ok((interface, action))
    }
}
