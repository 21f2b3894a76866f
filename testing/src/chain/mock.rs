//! Mocks: contracts and host queries that the test answers.
//!
//! A mocked contract is a stub whose functions put a host query of a name of their own, with the argument they were
//! called with; the test answers it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crostata_abi::ContractId;
use crostata_abi::typed::{Decode, Encode, decode, encode};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, Function, FunctionSection, ImportSection,
    MemArg, TypeSection, ValType,
};

use super::account::{Account, finish};
use super::{Chain, expect};
use crate::machine::{Answers, Deployment, Machine, Price, Request, Response};

/// What a test answers with: bytes, or the message that the contract panics with.
type Answer = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, String> + Send>;

/// Answers of a chain's mocks, by the names of their queries.
#[derive(Clone, Default)]
pub struct Mocks(Arc<Mutex<HashMap<String, Mock>>>);

/// One mocked function or query.
#[derive(Clone)]
struct Mock {
    kind: Kind,
    answer: Arc<Mutex<Answer>>,
    arguments: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// How an answer is brought to the contract that asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As it is. A failure traps in the asking contract.
    Query,
    /// With a last byte that says whether it is a result or the message of a panic.
    Function,
}

/// The last byte of the answer of a mocked function.
const RESULT: u8 = 0;
const PANIC: u8 = 1;

impl Mocks {
    fn insert(&self, name: String, kind: Kind, answer: Answer) -> Asked {
        let arguments = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let mock = Mock {
            kind,
            answer: Arc::new(Mutex::new(answer)),
            arguments: arguments.clone(),
        };
        locked(&self.0).insert(name, mock);
        Asked { arguments }
    }
}

impl Answers for Mocks {
    fn answer(&self, query: &str, argument: &[u8]) -> Result<Vec<u8>, String> {
        let mock = locked(&self.0).get(query).cloned();
        let mock = mock.ok_or_else(|| format!("nobody answers `{query}`"))?;
        locked(&mock.arguments).push(argument.to_vec());
        let answer = (locked(&mock.answer))(argument);
        match (mock.kind, answer) {
            (Kind::Query, answer) => answer,
            (Kind::Function, Ok(bytes)) => Ok(tagged(bytes, RESULT)),
            (Kind::Function, Err(message)) => Ok(tagged(message.into_bytes(), PANIC)),
        }
    }
}

fn tagged(mut bytes: Vec<u8>, tag: u8) -> Vec<u8> {
    bytes.push(tag);
    bytes
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a mock was asked so far. Rolling back does not make it forget.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    arguments: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Asked {
    /// How often.
    pub fn times(&self) -> usize {
        locked(&self.arguments).len()
    }

    /// The arguments' bytes, in order.
    pub fn arguments_raw(&self) -> Vec<Vec<u8>> {
        locked(&self.arguments).clone()
    }

    /// The arguments, in order.
    ///
    /// # Panics
    /// When one is of another type.
    #[track_caller]
    pub fn arguments<A: Decode>(&self) -> Vec<A> {
        let arguments = locked(&self.arguments);
        let decoded = arguments.iter().map(|bytes| match decode(bytes) {
            Ok(argument) => argument,
            Err(error) => panic!("a mock was asked with something else: {error}"),
        });
        decoded.collect()
    }
}

/// A mocked contract that is being put together: [`send`](Self::send) deploys it.
#[must_use = "nothing is deployed before `send`"]
pub struct MockContract<'a, M: Machine> {
    chain: &'a mut Chain<M>,
    name: String,
    contract: ContractId,
    functions: Vec<(String, Answer)>,
}

/// A mocked contract.
#[derive(Debug, Clone)]
pub struct Mocked {
    contract: ContractId,
    functions: HashMap<String, Asked>,
}

impl Mocked {
    /// Its id.
    pub fn id(&self) -> ContractId {
        self.contract
    }

    /// What a function of it was asked.
    ///
    /// # Panics
    /// When the mock has no such function.
    #[track_caller]
    pub fn asked(&self, function: &str) -> Asked {
        match self.functions.get(function) {
            Some(asked) => asked.clone(),
            None => panic!("the mock has no function `{function}`"),
        }
    }
}

impl<M: Machine> fmt::Debug for MockContract<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = self.functions.iter().map(|(name, _)| name);
        f.debug_struct("MockContract")
            .field("name", &self.name)
            .field("functions", &functions.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl<M: Machine + 'static> Chain<M> {
    /// A contract that the test answers for, under the label `name`. Its id follows from the name, unless one is given.
    pub fn mock_contract(&mut self, name: &str) -> MockContract<'_, M> {
        MockContract {
            contract: Account::named(format!("mock {name}")).id(),
            name: name.to_owned(),
            chain: self,
            functions: Vec::new(),
        }
    }

    /// Answers a host query from here on. `price` is a number of gas, or a [`Price`]. A failure's text is what the asking contract traps with.
    #[track_caller]
    pub fn mock_query_raw(
        &mut self,
        name: &str,
        price: impl Into<Price>,
        answer: impl FnMut(&[u8]) -> Result<Vec<u8>, String> + Send + 'static,
    ) -> Asked {
        let name = name.to_owned();
        let asked = self
            .mocks
            .insert(name.clone(), Kind::Query, Box::new(answer));
        let price = price.into();
        expect(self.shared.done(Request::OfferQuery { name, price }));
        asked
    }

    /// Answers a host query with typed argument and result from here on.
    #[track_caller]
    pub fn mock_query<A: Decode, R: Encode>(
        &mut self,
        name: &str,
        price: impl Into<Price>,
        answer: impl FnMut(A) -> Result<R, String> + Send + 'static,
    ) -> Asked {
        self.mock_query_raw(name, price, typed(answer))
    }
}

impl<M: Machine + 'static> MockContract<'_, M> {
    /// Sets the id.
    pub fn id(mut self, contract: ContractId) -> Self {
        self.contract = contract;
        self
    }

    /// A function that always gives the same.
    ///
    /// # Panics
    /// When the result does not fit the argument buffer.
    #[track_caller]
    pub fn returns<R: Encode>(self, function: &str, result: &R) -> Self {
        match encode(result) {
            Ok(bytes) => self.answers_raw(function, move |_| Ok(bytes.clone())),
            Err(error) => panic!("the result of the mocked `{function}`: {error}"),
        }
    }

    /// A function that panics with this message.
    pub fn fails(self, function: &str, message: &str) -> Self {
        let message = message.to_owned();
        self.answers_raw(function, move |_| Err(message.clone()))
    }

    /// A function that the closure answers; `Err` is the message that the mock panics with.
    pub fn answers<A: Decode, R: Encode>(
        self,
        function: &str,
        answer: impl FnMut(A) -> Result<R, String> + Send + 'static,
    ) -> Self {
        self.answers_raw(function, typed(answer))
    }

    /// A function that the closure answers, in bytes: at most 65,535 of them.
    pub fn answers_raw(
        mut self,
        function: &str,
        answer: impl FnMut(&[u8]) -> Result<Vec<u8>, String> + Send + 'static,
    ) -> Self {
        self.functions.retain(|(known, _)| known != function);
        self.functions.push((function.to_owned(), Box::new(answer)));
        self
    }

    /// Deploys the mock.
    ///
    /// # Panics
    /// When there is a contract with this id.
    #[track_caller]
    pub fn send(self) -> Mocked {
        let Self {
            chain,
            name,
            contract,
            functions,
        } = self;
        let queries = functions
            .iter()
            .map(|(function, _)| query_name(&contract, function));
        let queries: Vec<String> = queries.collect();
        let exported = functions.iter().map(|(function, _)| function.as_str());
        let exported: Vec<&str> = exported.collect();
        let deployment = Deployment {
            code: stub(&exported, &queries),
            contract: Some(contract),
            ..Deployment::default()
        };
        expect(chain.shared.label(contract, name));
        if let Response::Deployed { init, .. } =
            expect(chain.shared.ask(Request::Deploy(deployment)))
        {
            super::Called::new(&chain.shared, contract, "init", init).expect_success();
        }
        let mut asked = HashMap::new();
        for ((function, answer), query) in functions.into_iter().zip(queries) {
            let of_function = chain.mocks.insert(query.clone(), Kind::Function, answer);
            let (name, price) = (query, Price::default());
            expect(chain.shared.done(Request::OfferQuery { name, price }));
            asked.insert(function, of_function);
        }
        Mocked {
            contract,
            functions: asked,
        }
    }
}

/// A closure over bytes of one over values.
fn typed<A: Decode, R: Encode>(
    mut answer: impl FnMut(A) -> Result<R, String> + Send + 'static,
) -> impl FnMut(&[u8]) -> Result<Vec<u8>, String> + Send + 'static {
    move |bytes| {
        let argument = decode(bytes).map_err(|error| format!("the mock's argument: {error}"))?;
        let result = answer(argument)?;
        encode(&result).map_err(|error| format!("the mock's result: {error}"))
    }
}

/// The query that a function of a mock puts. Queries of contracts have names that somebody gave them, not such.
fn query_name(contract: &ContractId, function: &str) -> String {
    format!("mock:{}:{function}", &contract.to_string()[..16])
}

/// Where the names of the queries are: behind the argument buffer at 0.
const NAMES_AT: u32 = 65_536;

/// The code of a mock: each function puts its query, and gives the answer or panics with it.
fn stub(exported: &[&str], queries: &[String]) -> Vec<u8> {
    use ValType::I32;
    let mut types = TypeSection::new();
    types.ty().function([I32, I32, I32], [I32]);
    types.ty().function([I32], []);
    types.ty().function([I32], [I32]);
    let mut imports = ImportSection::new();
    imports.import("env", "hq", EntityType::Function(0));
    imports.import("env", "panic", EntityType::Function(1));
    let (mut functions, mut code, mut names) =
        (FunctionSection::new(), CodeSection::new(), Vec::new());
    for query in queries {
        functions.function(2);
        code.function(&asking(NAMES_AT + names.len() as u32, query.len() as u32));
        names.extend_from_slice(query.as_bytes());
    }
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(NAMES_AT as i32), names);
    finish(&types, &imports, &functions, exported, Some(&data), &code)
}

fn asking(name_at: u32, name_len: u32) -> Function {
    const LEN: u32 = 0;
    const ANSWER_LEN: u32 = 1;
    let last_byte = MemArg {
        offset: 0,
        align: 0,
        memory_index: 0,
    };
    let mut function = Function::new([(1, ValType::I32)]);
    function
        .instructions()
        .i32_const(name_at as i32)
        .i32_const(name_len as i32)
        .local_get(LEN)
        .call(0)
        .i32_const(1)
        .i32_sub()
        .local_tee(ANSWER_LEN)
        .i32_load8_u(last_byte)
        .if_(wasm_encoder::BlockType::Empty)
        .local_get(ANSWER_LEN)
        .call(1)
        .end()
        .local_get(ANSWER_LEN)
        .end();
    function
}
