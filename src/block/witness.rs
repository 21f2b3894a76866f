//! The witness: what somebody without the state needs to do what a session did.

use std::collections::BTreeMap;
use std::sync::Arc;

use crostata_proof::{CodeHash, StateProof, hash};

use super::bytes::{Reader, WitnessDecodeError, put_counted, put_len};
use super::context::WitnessContext;
use super::error::NoWitness;
use crate::session::{Recorded, Recording, Session};

/// The version of the encoding of witnesses.
pub const WITNESS_VERSION: u8 = 1;

/// What kind of proof a witness is.
const KIND: u8 = 3;

/// What a session used of its base, and the context that it ran in.
///
/// Its encoding is canonical, and `docs/format.md` states it to the byte.
///
/// ```
/// # use crostata::{contract_bytecode, Config, ContractData, SessionData, VM, Verifier, Witness};
/// let vm = VM::ephemeral()?;
/// # let mut session = vm.session(SessionData::builder())?;
/// # let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
/// # let commit = session.commit()?;
/// let mut session = vm.session(SessionData::builder().base(commit).recording())?;
/// let receipt = session.call::<_, ()>(counter, "increment", &(), 1_000_000)?;
/// let witness = session.witness()?.encode();
///
/// // Elsewhere, without the state:
/// let verifier = Verifier::new(Config::default())?;
/// let verified = verifier.verify_call(&commit.root, Witness::decode(&witness)?)?;
/// assert_eq!(verified.root_after, session.root()?);
/// assert_eq!(verified.receipts[0].digest(), Some(receipt.digest));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    context: WitnessContext,
    state: StateProof,
    /// By hash. Whoever makes a witness has hashed them.
    codes: BTreeMap<CodeHash, Arc<[u8]>>,
}

impl Witness {
    /// A witness of parts that came apart: a block has its calls, say, and only the rest is sent beside it. Costs hashing of the codes.
    pub fn new(
        context: WitnessContext,
        state: StateProof,
        codes: impl IntoIterator<Item = Vec<u8>>,
    ) -> Self {
        let codes = codes.into_iter();
        let codes = codes.map(|code| (hash::code_hash(&code), code.into()));
        Self {
            context,
            state,
            codes: codes.collect(),
        }
    }

    /// What the calls ran under, and the calls.
    pub fn context(&self) -> &WitnessContext {
        &self.context
    }

    /// The part of the state before that was used.
    pub fn state(&self) -> &StateProof {
        &self.state
    }

    /// The codes that ran and were deployed, by ascending hash, as far as they are not left out.
    pub fn codes(&self) -> impl Iterator<Item = (&CodeHash, &[u8])> {
        self.codes.iter().map(|(hash, code)| (hash, &**code))
    }

    /// Context, state and codes.
    pub(super) fn into_parts(self) -> (WitnessContext, StateProof, BTreeMap<CodeHash, Arc<[u8]>>) {
        (self.context, self.state, self.codes)
    }

    /// The same witness without the codes, for verifiers that know them.
    #[must_use]
    pub fn without_code(self) -> Self {
        Self {
            codes: BTreeMap::new(),
            ..self
        }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![WITNESS_VERSION, KIND];
        self.context.write(&mut bytes);
        put_counted(&mut bytes, &self.state.encode());
        put_len(&mut bytes, self.codes.len());
        for code in self.codes.values() {
            put_counted(&mut bytes, code);
        }
        bytes
    }

    /// The witness that `bytes` encodes. Encoding it again gives `bytes`. Costs hashing of the codes.
    ///
    /// Takes memory in proportion to the bytes, whatever they say.
    ///
    /// # Errors
    /// [`WitnessDecodeError`] if the bytes are not exactly one witness of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, WitnessDecodeError> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            WITNESS_VERSION => {}
            found => return Err(WitnessDecodeError::Version { found }),
        }
        match reader.u8()? {
            KIND => {}
            found => return Err(WitnessDecodeError::Kind { found }),
        }
        let witness = Self {
            context: WitnessContext::read(&mut reader)?,
            state: read_state(&mut reader)?,
            codes: read_codes(&mut reader)?,
        };
        reader.end().map(|()| witness)
    }
}

fn read_state(reader: &mut Reader<'_>) -> Result<StateProof, WitnessDecodeError> {
    let at = reader.at();
    let state = StateProof::decode(reader.counted()?);
    state.map_err(|error| WitnessDecodeError::State { at, error })
}

fn read_codes(
    reader: &mut Reader<'_>,
) -> Result<BTreeMap<CodeHash, Arc<[u8]>>, WitnessDecodeError> {
    let mut codes: BTreeMap<CodeHash, Arc<[u8]>> = BTreeMap::new();
    for _ in 0..reader.u32()? {
        let at = reader.at();
        let code = reader.counted()?;
        let hash = hash::code_hash(code);
        if codes
            .last_key_value()
            .is_some_and(|(last, _)| *last >= hash)
        {
            return Err(WitnessDecodeError::Order { at });
        }
        codes.insert(hash, code.into());
    }
    Ok(codes)
}

impl Session {
    /// The witness of what the session did since its base, which it was opened to record
    /// ([`recording`](crate::SessionDataBuilder::recording)): who has the root of the base can do it again without the state.
    ///
    /// Everything is in it in order: calls and deployments, also those that failed or were rejected; session data that was set and
    /// removed; savepoints, and what was rolled back. Of the state it has what was looked up, run, read and written, and nothing else. A
    /// commit or seal ends the recording: the witness stays that of what was before.
    ///
    /// Costs reading of what was used of the base, and hashing of what was written.
    ///
    /// # Errors
    /// [`NoWitness`].
    pub fn witness(&self) -> Result<Witness, NoWitness> {
        let witness = self.recorded(|recorded| of_recorded(&recorded))?;
        witness.ok_or(NoWitness::NotRecorded)?
    }
}

fn of_recorded(recorded: &Recorded<&Recording>) -> Result<Witness, NoWitness> {
    let recording = recorded.recording;
    if let Some(unfit) = recording.unfit {
        return Err(unfit.into());
    }
    if recorded.parts.positions.is_empty() {
        return Err(NoWitness::Nothing);
    }
    let mut codes = recording.deployed.clone();
    for code in recording.codes() {
        codes.insert(*code, recorded.base.code(code)?.into());
    }
    Ok(Witness {
        context: WitnessContext {
            protocol: recorded.protocol,
            data: recording.data.clone(),
            steps: recording.steps.clone(),
            answers: recording.answers.answers(),
        },
        state: recorded.base.show(&recorded.parts)?,
        codes,
    })
}
