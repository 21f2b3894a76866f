//! What a contract says about itself is what its author wrote: names, types, access, events and errors, as `crostata-schema` reads them.
//! Typed clients take and give the same values as the contract's functions, over any transport.
#![allow(missing_docs)]

use std::cell::Cell;

use crostata_schema::{MethodAccess, Reentry, Schema, Type, shown};
use crostata_sdk::{CallError, ContractError, ContractId, Event, Transport};

/// Somebody's account.
#[crostata_sdk::data]
#[derive(Eq, Copy)]
pub struct Account {
    key: [u8; 32],
    kind: Kind,
}

#[crostata_sdk::data]
#[derive(Eq, Copy)]
pub enum Kind {
    Person,
    Contract(ContractId),
    Shared { threshold: u8 },
}

#[crostata_sdk::event(topic = "transfer")]
pub struct Transfer {
    to: Account,
    amount: u64,
}

#[crostata_sdk::event]
pub struct Closed(u8);

#[crostata_sdk::error]
pub enum TokenError {
    /// The balance is too small.
    TooSmall {
        balance: u64,
    },
    NoSuchAccount(Account),
    #[from]
    Call(ContractError),
}

/// A type that the SDK does not know.
#[derive(
    crostata_sdk::rkyv::Archive, crostata_sdk::rkyv::Serialize, crostata_sdk::rkyv::Deserialize,
)]
#[rkyv(crate = crostata_sdk::rkyv)]
pub struct Foreign(u64, f32);

pub struct Token {
    supply: u64,
}

type Short<T> = Result<T, TokenError>;
type Named = Vec<(Account, u128)>;

#[crostata_sdk::contract(events(Transfer, Closed), library)]
impl Token {
    pub const WIDTH: usize = 3;

    pub const fn new() -> Self {
        Self { supply: 0 }
    }

    /// Gives the first supply to one account.
    ///
    /// More of it, which is not in the schema.
    pub fn init(&mut self, holder: Account, supply: u64) {
        Transfer {
            to: holder,
            amount: supply,
        }
        .emit();
        self.supply = supply;
    }

    /// Moves tokens.
    pub fn transfer(&mut self, to: Account, amount: u64) -> Result<u64, TokenError> {
        if to.key == [0; 32] {
            return Err(TokenError::NoSuchAccount(to));
        }
        let balance = self.supply;
        self.supply = balance
            .checked_sub(amount)
            .ok_or(TokenError::TooSmall { balance })?;
        Ok(self.supply)
    }

    #[returned]
    pub fn find(&self, key: [u8; Self::WIDTH]) -> Result<Option<Account>, String> {
        Err(format!("{key:?}"))
    }

    #[changes]
    pub fn all(&self, mut skipped: usize) -> Named {
        skipped += 1;
        vec![(
            Account {
                key: [1; 32],
                kind: Kind::Person,
            },
            skipped as u128,
        )]
    }

    pub fn foreign(&self, foreign: Foreign, then: Vec<Foreign>, last: bool) {
        let _ = (foreign.0, foreign.1, then, last);
    }

    pub fn version() -> char {
        '1'
    }
}

#[allow(dead_code)]
fn is_result_of_any_arity() -> Short<u64> {
    Ok(1)
}

pub struct Cells {
    value: Cell<u8>,
}

#[crostata_sdk::contract(reentry = "self")]
impl Cells {
    pub const fn new() -> Self {
        Self {
            value: Cell::new(0),
        }
    }

    pub fn value(&self) -> u8 {
        self.value.get()
    }

    #[read_only]
    pub fn twice(&self) -> u8 {
        self.value.get() * 2
    }
}

fn schema() -> Schema {
    Schema::of_section(TokenClient::SCHEMA).unwrap()
}

#[test]
fn a_schema_says_what_its_author_wrote() {
    let schema = schema();
    assert_eq!(
        (schema.contract.as_str(), schema.reentry),
        ("Token", Reentry::Never)
    );
    let signatures: Vec<_> = schema
        .methods
        .iter()
        .map(|method| (method.signature(), method.access, method.docs.as_str()))
        .collect();
    use MethodAccess::{Changes, ReadOnly};
    let expected = [
        (
            "init(holder: Account, supply: u64)",
            Changes,
            "Gives the first supply to one account.",
        ),
        (
            "transfer(to: Account, amount: u64) -> Result<u64, TokenError>",
            Changes,
            "Moves tokens.",
        ),
        (
            "find(key: [u8; 3]) -> Result<Option<Account>, String>",
            ReadOnly,
            "",
        ),
        ("all(skipped: u32) -> Vec<(Account, u128)>", Changes, ""),
        (
            "foreign(foreign: Foreign, then: Vec<Foreign>, last: bool)",
            ReadOnly,
            "",
        ),
        ("version() -> char", ReadOnly, ""),
    ];
    let expected = expected.map(|(signature, access, docs)| (signature.to_owned(), access, docs));
    assert_eq!(signatures, expected);
    let topics: Vec<_> = schema
        .events
        .iter()
        .map(|event| (event.topic.as_str(), event.data.to_string()))
        .collect();
    assert_eq!(
        topics,
        [
            ("transfer", "Transfer".to_owned()),
            ("Closed", "Closed".to_owned())
        ]
    );
    let errors: Vec<_> = schema
        .errors
        .iter()
        .map(|error| error.name.as_str())
        .collect();
    assert_eq!(errors, ["TokenError"]);
    let Type::Enum { variants, .. } = &schema.errors[0].value else {
        panic!("an enum")
    };
    let names: Vec<_> = variants
        .iter()
        .map(|variant| variant.name.as_str())
        .collect();
    assert_eq!(names, ["TooSmall", "NoSuchAccount", "Call"]);
    // Each struct and enum once: the bytes say how many there are behind the contract's name.
    assert_eq!(TokenClient::SCHEMA[2 + 1 + 5], 6);
}

#[test]
fn cells_are_seen_and_marks_overrule() {
    let schema = Schema::of_section(CellsClient::SCHEMA).unwrap();
    assert_eq!(schema.reentry, Reentry::OnlySelf);
    assert_eq!(
        schema.method("value").unwrap().access,
        MethodAccess::Changes
    );
    assert_eq!(
        schema.method("twice").unwrap().access,
        MethodAccess::ReadOnly
    );
}

/// A contract in this process, called through bytes as a chain would call it.
struct Chain {
    token: Token,
    calls: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum ChainError {
    Panic(Vec<u8>),
    NoContract,
}

impl Transport for Chain {
    type Error = ChainError;

    fn call(
        &mut self,
        contract: ContractId,
        function: &'static str,
        argument: Vec<u8>,
    ) -> Result<Vec<u8>, ChainError> {
        use crostata_abi::typed::{decode, encode};
        if contract != ID {
            return Err(ChainError::NoContract);
        }
        let schema = schema();
        let method = schema.method(function).unwrap();
        self.calls.push(method.shown_call(&argument));
        match function {
            "transfer" => {
                let (to, amount) = decode(&argument).unwrap();
                let moved = self.token.transfer(to, amount);
                moved
                    .map(|rest| encode(&rest).unwrap())
                    .map_err(|error| ChainError::Panic(message(&error)))
            }
            "version" => Ok(vec![]),
            _ => Ok(encode(&self.token.all(decode::<u32>(&argument).unwrap() as usize)).unwrap()),
        }
    }

    fn panic_message(error: &ChainError) -> Option<&[u8]> {
        match error {
            ChainError::Panic(message) => Some(message),
            ChainError::NoContract => None,
        }
    }
}

const ID: ContractId = ContractId::from_bytes([9; 32]);

/// What the export of a contract makes of an error.
fn message(error: &TokenError) -> Vec<u8> {
    let (text, archive) = (
        error.to_string(),
        crostata_abi::typed::encode(error).unwrap(),
    );
    let trailer = crostata_abi::raised::trailer(10, archive.len() as u16);
    [text.as_bytes(), b"TokenError", &archive, &trailer].concat()
}

#[test]
fn clients_carry_values_and_errors() {
    let mut chain = Chain {
        token: Token::new(),
        calls: vec![],
    };
    let to = Account {
        key: [7; 32],
        kind: Kind::Contract(ID),
    };
    assert_eq!(TokenClient::init(to, 5), (to, 5));
    chain.token.init(to, 5);
    let mut client = TokenClient::over(&mut chain, ID);
    assert_eq!(client.transfer(to, 3), Ok(2));
    let too_small = TokenError::TooSmall { balance: 2 };
    assert_eq!(client.transfer(to, 3), Err(CallError::Contract(too_small)));
    let nobody = Account {
        key: [0; 32],
        kind: Kind::Shared { threshold: 2 },
    };
    let error = client.transfer(nobody, 3).unwrap_err();
    assert!(matches!(&error, CallError::Contract(error) if error.to_string() == "no such account"));
    assert_eq!(
        error,
        CallError::Contract(TokenError::NoSuchAccount(nobody))
    );
    assert_eq!(client.all(6).unwrap()[0].1, 7);
    assert_eq!(
        client.version(),
        Err(CallError::Unreadable {
            function: "version"
        })
    );
    let stranger = ContractId::from_bytes([1; 32]);
    let mut client = TokenClient::over(&mut chain, stranger);
    assert_eq!(
        client.version(),
        Err(CallError::Failed(ChainError::NoContract))
    );
    assert_eq!(
        chain.calls[..3],
        [
            "transfer(to: Account { key: 0x07070707…, kind: Contract(0x09090909…) }, amount: 3)",
            "transfer(to: Account { key: 0x07070707…, kind: Contract(0x09090909…) }, amount: 3)",
            "transfer(to: Account { key: 0x00000000…, kind: Shared { threshold: 2 } }, amount: 3)",
        ]
    );
}

/// `?` in a method makes the method's error of a failed call.
#[test]
fn failures_become_the_errors_of_the_caller() {
    let failed: TokenError = CallError::Failed(ContractError::OutOfGas).into();
    assert_eq!(failed, TokenError::Call(ContractError::OutOfGas));
    let failed: TokenError = ContractError::Unknown.into();
    assert_eq!(failed.to_string(), "call");
    #[crostata_sdk::error]
    enum PoolError {
        #[from]
        Token(TokenError),
    }
    let failed: PoolError = CallError::Contract(failed).into();
    assert_eq!(
        failed,
        PoolError::Token(TokenError::Call(ContractError::Unknown))
    );
    let panics = || PoolError::from(CallError::<TokenError>::Failed(ContractError::DoesNotExist));
    assert!(std::panic::catch_unwind(panics).is_err());
}

#[test]
fn values_are_written_and_shown_by_the_schema() {
    let schema = schema();
    assert_eq!(Transfer::TOPIC, "transfer");
    let event = Transfer {
        to: Account {
            key: [1; 32],
            kind: Kind::Person,
        },
        amount: 4,
    };
    let data = &schema.event("transfer").unwrap().data;
    let value = data
        .decode(&crostata_abi::typed::encode(&event).unwrap())
        .unwrap();
    assert_eq!(
        shown(&value, data),
        "Transfer { to: Account { key: 0x01010101…, kind: Person }, amount: 4 }"
    );
    let raised = schema
        .raised(&message(&TokenError::TooSmall { balance: 3 }))
        .unwrap();
    assert_eq!(raised, "TokenError::TooSmall { balance: 3 }");
    assert_eq!(schema.raised(b"a panic"), None);
    // Types that nobody knows keep their place, so that what stands behind them is read.
    let foreign = schema.method("foreign").unwrap();
    let argument = (Foreign(1, 0.0), vec![Foreign(2, 0.0)], true);
    let arguments = foreign
        .decode_arguments(&crostata_abi::typed::encode(&argument).unwrap())
        .unwrap();
    assert_eq!(arguments[0].1, "0x010000000000000000000000");
    assert_eq!(arguments[2].1, true);
    let arguments: Vec<_> = arguments.into_iter().map(|(_, value)| value).collect();
    let error = foreign.encode(&arguments).unwrap_err().to_string();
    assert!(
        error.contains("`Foreign`, which the schema does not describe"),
        "{error}"
    );
}

/// P7: a section is anybody's bytes.
#[test]
fn damaged_sections_are_errors_or_other_schemas() {
    let whole = TokenClient::SCHEMA;
    for len in 0..whole.len() {
        assert!(Schema::of_section(&whole[..len]).is_err(), "{len}");
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(schema) = Schema::of_section(&bytes) {
            for method in &schema.methods {
                let _ = method.shown_call(&bytes);
            }
        }
    }
    let twice = [whole, whole].concat();
    let error = Schema::of_section(&twice).unwrap_err().to_string();
    assert!(error.contains("two contracts"), "{error}");
}

/// P7: types that double each other, in few bytes.
#[test]
fn types_without_end_are_refused() {
    let mut section = vec![1, 2, 1, b'C', 100, 1, b'T', 0, 4, 16, 16];
    for index in 0..99 {
        section.extend([1, b'T', 0, 4, 64 + index, 64 + index]);
    }
    let error = Schema::of_section(&section).unwrap_err().to_string();
    assert!(
        error.contains("too deep") || error.contains("too many"),
        "{error}"
    );
    let mut wide = vec![1, 2, 1, b'C', 3, 1, b'T', 0, 126];
    wide.extend([16; 63]);
    for index in 0..2 {
        wide.extend([1, b'T', 0, 127 - 1]);
        wide.extend([64 + index; 63]);
    }
    wide.extend([0, 0]);
    let error = Schema::of_section(&wide).unwrap_err().to_string();
    assert!(error.contains("too many"), "{error}");
}
