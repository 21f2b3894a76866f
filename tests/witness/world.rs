//! A VM with actors and a probe, sessions that are recorded, and verifiers that have nothing.

use crostata::{
    Backend, CallReceipt, Commit, Config, ContractData, Error, HostQuery, PricedQuery,
    QueryContext, QueryError, Reply, Root, Session, SessionData, SessionDataBuilder, StepReceipt,
    VM, VerifiedCalls, Verifier, Witness, WitnessError,
};

use crate::fixtures::actor::actor;
use crate::fixtures::{BACKENDS, LIMIT, Width, deploy, ephemeral, id, probe};

/// Actors 0 and 1, and a third one of the other width.
pub const ACTORS: u8 = 3;
/// The number of the probe.
pub const PROBE: u8 = 3;

/// What consensus sees of a step.
pub type Digest = Option<crostata::ReceiptDigest>;

/// Doubles its argument; refuses an empty one; costs as much as its argument is long.
struct Double;

impl HostQuery for Double {
    fn price(&self, _: &QueryContext<'_>, argument: &[u8]) -> u64 {
        100 + argument.len() as u64
    }

    fn answer(&self, _: &QueryContext<'_>, argument: &[u8]) -> Result<Vec<u8>, QueryError> {
        match argument {
            [] => Err(QueryError("nothing to double".to_owned())),
            some => Ok([some, some].concat()),
        }
    }
}

/// A VM whose sessions may ask `double` and `dear`, which nobody can pay for.
pub fn vm(backend: Backend) -> VM {
    let mut vm = ephemeral(backend);
    vm.register_host_query("double", Double);
    let dear = PricedQuery::new(u64::MAX, |_: &[u8]| Ok(vec![]));
    vm.register_host_query("dear", dear);
    vm
}

pub fn data() -> SessionDataBuilder {
    let data = SessionData::builder().insert("height", &8_849_u64);
    data.unwrap().insert_raw("name", b"peak".to_vec()).unwrap()
}

/// Deploys the actors, of which the last has the other width, and the probe.
pub fn populate(session: &mut Session, width: Width) {
    deploy(session, 0, &actor(width));
    deploy(session, 1, &actor(width));
    deploy(session, 2, &actor(other(width)));
    deploy(session, PROBE, &probe(width));
}

pub fn other(width: Width) -> Width {
    match width {
        Width::Narrow => Width::Wide,
        Width::Wide => Width::Narrow,
    }
}

/// A VM and a commit with everything in it, and many contracts besides.
pub fn populated(width: Width) -> (VM, Commit) {
    let vm = vm(BACKENDS[0]);
    let mut session = vm.session(data()).unwrap();
    populate(&mut session, width);
    let code = probe(width);
    for number in 100..140 {
        let data = ContractData::builder().contract_id(id(number));
        session.deploy(&code, data, LIMIT).unwrap();
    }
    let commit = session.commit().unwrap();
    (vm, commit)
}

/// A session over a commit whose witness is wanted.
pub fn recorded(vm: &VM, base: Commit) -> Session {
    vm.session(data().base(base).recording()).unwrap()
}

/// A verifier on each backend that never saw anything.
pub fn verifiers() -> Vec<Verifier> {
    BACKENDS.map(verifier).into()
}

pub fn verifier(backend: Backend) -> Verifier {
    let config = Config {
        backend,
        ..Config::default()
    };
    Verifier::new(config).unwrap()
}

/// What a call came to, for consensus.
pub fn digest<T>(result: &Result<CallReceipt<T>, Error>) -> Digest {
    match result {
        Ok(receipt) => Some(receipt.digest),
        Err(error) => error.reverted().map(|reverted| reverted.receipt.digest),
    }
}

pub fn digests(verified: &VerifiedCalls) -> Vec<Digest> {
    verified.receipts.iter().map(StepReceipt::digest).collect()
}

/// The witness of a session, through its bytes.
pub fn witness(session: &Session) -> Witness {
    let witness = session.witness().unwrap();
    let decoded = Witness::decode(&witness.encode()).unwrap();
    assert_eq!(decoded, witness);
    witness
}

/// Verifies on every backend that a session's witness gives its root and these digests.
pub fn verifies(verifiers: &[Verifier], base: &Root, session: &Session, digests_then: &[Digest]) {
    let witness = witness(session);
    let root = session.root().unwrap();
    for verifier in verifiers {
        let verified = verifier.verify_call(base, witness.clone()).unwrap();
        assert_eq!(verified.root_before, *base);
        assert_eq!(verified.root_after, root);
        assert_eq!(digests(&verified), digests_then);
        assert_eq!(verified.context_digest, witness.context().digest());
    }
}

/// The root and the digests, or the error.
pub fn result(
    verifier: &Verifier,
    base: &Root,
    witness: Witness,
) -> Result<(Root, Vec<Digest>), WitnessError> {
    let verified = verifier.verify_call(base, witness)?;
    Ok((verified.root_after, digests(&verified)))
}

/// The replies of host queries in a witness.
pub fn replies(witness: &Witness) -> Vec<Option<Reply>> {
    let answers = witness.context().answers.iter();
    let replies = answers.map(|answer| answer.asked.as_ref().map(|asked| asked.reply.clone()));
    replies.collect()
}

/// The argument of a probe that looks at the owner of a contract.
pub fn owner_of(number: u8) -> (&'static str, Vec<i64>, Vec<u8>) {
    ("owner", vec![65_536], id(number).to_bytes().to_vec())
}
