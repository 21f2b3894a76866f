//! What calls ran under, and the calls: all that the result depends on besides the state.

use std::collections::BTreeMap;

use crostata_abi::ContractId;
use crostata_proof::hash::{Kind, keyed};
use crostata_proof::{CodeHash, ContextDigest};

use super::bytes::{Reader, WitnessDecodeError, put_counted, put_len, put_optional};
use crate::engine::Fingerprint;
use crate::session::{Answer, Asked, CallStep, DeployStep, Reply, Step};

/// The context that a witness holds under.
///
/// Two blocks with one state before and one context have one state after and the same receipts. Whoever verifies a witness compares it, or
/// its [`digest`](Self::digest), with what he means: a witness of other calls is a valid witness of other calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessContext {
    /// The protocol.
    pub protocol: Fingerprint,
    /// The session data at the beginning, by name.
    pub data: BTreeMap<String, Vec<u8>>,
    /// What the session was asked to do, in order.
    pub steps: Vec<Step>,
    /// What came of the uses of host queries, in order.
    pub answers: Vec<Answer>,
}

const CALL: u8 = 0;
const DEPLOY: u8 = 1;
const DATUM: u8 = 2;
const SAVEPOINT: u8 = 3;
const ROLLBACK: u8 = 4;
const RELEASE: u8 = 5;

const NO_QUERY: u8 = 0;
const UNPAID: u8 = 1;
const ANSWERED: u8 = 2;
const REFUSED: u8 = 3;

impl WitnessContext {
    /// The digest: the keyed hash of the context as it is encoded in a witness.
    pub fn digest(&self) -> ContextDigest {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        ContextDigest::from_bytes(keyed(Kind::Context, &bytes))
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.protocol.0);
        put_len(bytes, self.data.len());
        for (name, datum) in &self.data {
            put_counted(bytes, name.as_bytes());
            put_counted(bytes, datum);
        }
        put_len(bytes, self.steps.len());
        self.steps.iter().for_each(|step| write_step(step, bytes));
        put_len(bytes, self.answers.len());
        for answer in &self.answers {
            write_answer(answer, bytes);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WitnessDecodeError> {
        Ok(Self {
            protocol: Fingerprint(reader.array()?),
            data: read_data(reader)?,
            steps: reader.list(read_step)?,
            answers: reader.list(read_answer)?,
        })
    }
}

fn read_data(reader: &mut Reader<'_>) -> Result<BTreeMap<String, Vec<u8>>, WitnessDecodeError> {
    let mut data: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for _ in 0..reader.u32()? {
        let at = reader.at();
        let name = reader.text()?;
        if data.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(WitnessDecodeError::Order { at });
        }
        data.insert(name, reader.counted()?.to_vec());
    }
    Ok(data)
}

fn write_step(step: &Step, bytes: &mut Vec<u8>) {
    match step {
        Step::Call(call) => {
            bytes.extend_from_slice(&[CALL, u8::from(call.feeder)]);
            bytes.extend_from_slice(call.contract.as_bytes());
            put_counted(bytes, call.function.as_bytes());
            put_counted(bytes, &call.argument);
            bytes.extend_from_slice(&call.gas_limit.to_le_bytes());
        }
        Step::Deploy(deploy) => {
            bytes.push(DEPLOY);
            bytes.extend_from_slice(deploy.contract.as_bytes());
            bytes.extend_from_slice(deploy.code.as_bytes());
            put_counted(bytes, &deploy.owner);
            put_optional(bytes, deploy.init_argument.as_deref());
            bytes.extend_from_slice(&deploy.gas_limit.to_le_bytes());
        }
        Step::Datum { name, bytes: datum } => {
            bytes.push(DATUM);
            put_counted(bytes, name.as_bytes());
            put_optional(bytes, datum.as_deref());
        }
        Step::Savepoint => bytes.push(SAVEPOINT),
        Step::Rollback { open } => {
            bytes.push(ROLLBACK);
            bytes.extend_from_slice(&open.to_le_bytes());
        }
        Step::Release { open } => {
            bytes.push(RELEASE);
            bytes.extend_from_slice(&open.to_le_bytes());
        }
    }
}

fn read_step(reader: &mut Reader<'_>) -> Result<Step, WitnessDecodeError> {
    let at = reader.at();
    Ok(match reader.u8()? {
        CALL => Step::Call(CallStep {
            feeder: reader.flag()?,
            contract: ContractId::from_bytes(reader.array()?),
            function: reader.text()?,
            argument: reader.counted()?.to_vec(),
            gas_limit: reader.u64()?,
        }),
        DEPLOY => Step::Deploy(DeployStep {
            contract: ContractId::from_bytes(reader.array()?),
            code: CodeHash::from_bytes(reader.array()?),
            owner: reader.counted()?.to_vec(),
            init_argument: reader.optional()?,
            gas_limit: reader.u64()?,
        }),
        DATUM => Step::Datum {
            name: reader.text()?,
            bytes: reader.optional()?,
        },
        SAVEPOINT => Step::Savepoint,
        ROLLBACK => Step::Rollback {
            open: reader.u32()?,
        },
        RELEASE => Step::Release {
            open: reader.u32()?,
        },
        found => return Err(WitnessDecodeError::Mark { at, found }),
    })
}

fn write_answer(answer: &Answer, bytes: &mut Vec<u8>) {
    put_counted(bytes, answer.query.as_bytes());
    let Some(asked) = &answer.asked else {
        return bytes.push(NO_QUERY);
    };
    bytes.push(match asked.reply {
        Reply::Unpaid => UNPAID,
        Reply::Answered(_) => ANSWERED,
        Reply::Refused => REFUSED,
    });
    put_counted(bytes, &asked.argument);
    bytes.extend_from_slice(&asked.price_gas.to_le_bytes());
    if let Reply::Answered(answer) = &asked.reply {
        put_counted(bytes, answer);
    }
}

fn read_answer(reader: &mut Reader<'_>) -> Result<Answer, WitnessDecodeError> {
    let query = reader.text()?;
    let at = reader.at();
    let mark = reader.u8()?;
    let asked = match mark {
        NO_QUERY => None,
        UNPAID | ANSWERED | REFUSED => Some(Asked {
            argument: reader.counted()?.to_vec(),
            price_gas: reader.u64()?,
            reply: match mark {
                UNPAID => Reply::Unpaid,
                ANSWERED => Reply::Answered(reader.counted()?.to_vec()),
                _ => Reply::Refused,
            },
        }),
        found => return Err(WitnessDecodeError::Mark { at, found }),
    };
    Ok(Answer { query, asked })
}
