//! What can be asked for over HTTP, and what is answered. Nothing here knows of sockets.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | this table, and the names of contracts and accounts |
//! | `GET /headers?from=HEIGHT` | headers from this height on, one a line, at most 1,000 |
//! | `GET /proof?block=HEIGHT&contract=ID&show=QUESTION` | a proof; as hex with `&as=hex` |
//! | `GET /forged-headers?from=HEIGHT&block=HEIGHT&how=WAY` | the headers, one of them forged |
//! | `GET /forged-proof?...&how=WAY` | as `/proof`, forged |
//! | `POST /blocks` | the header of a new block |

use std::str::FromStr;

use crostata::{ContractId, ProofError, ProveValueError};
use light_chain::{Header, Question, QuestionError, hex, names};
use thiserror::Error;

use crate::chain::{BlockError, Chain};
use crate::forge::{self, ForgedHeader, ForgedProof, UnknownWay};
use crate::query::{Query, QueryError, short};

/// The most headers of one answer.
const HEADERS_MAX: usize = 1_000;

/// The body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// For people and for lines of headers.
    Text(String),
    /// A proof.
    Bytes(Vec<u8>),
}

/// Why a request is not answered with what it asks for.
#[derive(Debug, Error)]
pub enum RequestError {
    /// Neither GET nor POST where that is asked for.
    #[error("this address takes {allowed} requests only")]
    Method {
        /// What it takes.
        allowed: &'static str,
    },
    /// Nothing is there.
    #[error("there is nothing at {path}; GET / lists what there is")]
    Path {
        /// What was asked for.
        path: String,
    },
    /// A parameter is wrong.
    #[error("{0}")]
    Query(#[from] QueryError),
    /// A number is not one.
    #[error("`{parameter}` must be a number in decimal digits, and `{found}` is not")]
    Number {
        /// Which parameter.
        parameter: &'static str,
        /// Its value.
        found: String,
    },
    /// There is no such block.
    #[error("there is no block {height}; the newest one is block {newest}")]
    Block {
        /// The height asked for.
        height: u64,
        /// The greatest height.
        newest: u64,
    },
    /// The contract id is not one.
    #[error("`contract`: {0}; GET / lists the ids of this chain")]
    Contract(crostata_abi::ParseIdError),
    /// The question is not one.
    #[error("`show`: {0}")]
    Question(#[from] QuestionError),
    /// The form of the answer is unknown.
    #[error("`as` can be hex, or be left out for bytes")]
    Form,
    /// The way to forge is unknown.
    #[error("`how`: {0}")]
    Way(#[from] UnknownWay),
    /// Nothing to prove.
    #[error("there is no proof of that: {0}")]
    Proof(#[from] ProveValueError),
    /// No block was made.
    #[error("no block was made: {0}")]
    Making(#[from] BlockError),
}

impl RequestError {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Method { .. } => 405,
            Self::Path { .. } | Self::Block { .. } => 404,
            Self::Proof(ProveValueError::Proof(error)) => match error {
                ProofError::Opening(_) => 404,
                _ => 500,
            },
            Self::Proof(_) => 404,
            Self::Making(BlockError::Full) => 409,
            Self::Making(_) => 500,
            _ => 400,
        }
    }
}

/// Answers a request: its method, and its address from the slash on.
pub fn answer(chain: &Chain, method: &str, address: &str) -> Result<Body, RequestError> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    match path {
        "/blocks" => post(method).and_then(|()| blocks(chain, query)),
        "/" => get(method).and_then(|()| index(query)),
        "/headers" => get(method).and_then(|()| headers(chain, query)),
        "/forged-headers" => get(method).and_then(|()| forged_headers(chain, query)),
        "/proof" => get(method).and_then(|()| proof(chain, query)),
        "/forged-proof" => get(method).and_then(|()| forged_proof(chain, query)),
        path => Err(RequestError::Path { path: short(path) }),
    }
}

fn get(method: &str) -> Result<(), RequestError> {
    match method {
        "GET" => Ok(()),
        _ => Err(RequestError::Method { allowed: "GET" }),
    }
}

fn post(method: &str) -> Result<(), RequestError> {
    match method {
        "POST" => Ok(()),
        _ => Err(RequestError::Method { allowed: "POST" }),
    }
}

fn index(query: &str) -> Result<Body, RequestError> {
    Query::parse(query, &[])?;
    let named = [
        ("the token", names::TOKEN.to_string()),
        (
            "another contract with its code",
            names::OTHER_TOKEN.to_string(),
        ),
        ("the counter", names::COUNTER.to_string()),
        ("alice, an account of the token", hex::encode(&names::ALICE)),
        ("bob, another", hex::encode(&names::BOB)),
    ];
    let mut text = String::from(include_str!("index.txt"));
    for (what, id) in named {
        text += &format!("  {id}  {what}\n");
    }
    Ok(Body::Text(text))
}

fn blocks(chain: &Chain, query: &str) -> Result<Body, RequestError> {
    Query::parse(query, &[])?;
    Ok(Body::Text(lines(&[chain.make_block()?])))
}

fn headers(chain: &Chain, query: &str) -> Result<Body, RequestError> {
    let query = Query::parse(query, &["from"])?;
    Ok(Body::Text(lines(&headers_from(chain, &query)?)))
}

fn forged_headers(chain: &Chain, query: &str) -> Result<Body, RequestError> {
    let query = Query::parse(query, &["from", "block", "how"])?;
    let forged = block(chain, number("block", query.require("block")?)?)?;
    let way: ForgedHeader = query.require("how")?.parse()?;
    let mut headers = headers_from(chain, &query)?;
    for header in headers.iter_mut().filter(|header| **header == forged) {
        *header = way.forge(header);
    }
    Ok(Body::Text(lines(&headers)))
}

fn headers_from(chain: &Chain, query: &Query<'_>) -> Result<Vec<Header>, RequestError> {
    let height = number("from", query.get("from").unwrap_or("0"))?;
    block(chain, height)?;
    Ok(chain.headers(height, HEADERS_MAX))
}

fn lines(headers: &[Header]) -> String {
    headers.iter().map(|header| format!("{header}\n")).collect()
}

/// What a proof is asked of.
struct Asked {
    block: Header,
    contract: ContractId,
    question: Question,
    as_hex: bool,
}

fn proof(chain: &Chain, query: &str) -> Result<Body, RequestError> {
    let query = Query::parse(query, &["block", "contract", "show", "as"])?;
    let asked = asked(chain, &query)?;
    let proof = chain.prove(&asked.block, asked.contract, &asked.question)?;
    Ok(body(proof, asked.as_hex))
}

fn forged_proof(chain: &Chain, query: &str) -> Result<Body, RequestError> {
    let query = Query::parse(query, &["block", "contract", "show", "as", "how"])?;
    let way: ForgedProof = query.require("how")?.parse()?;
    let asked = asked(chain, &query)?;
    let proof = forge::proof(chain, &asked.block, asked.contract, &asked.question, way)?;
    Ok(body(proof, asked.as_hex))
}

fn asked(chain: &Chain, query: &Query<'_>) -> Result<Asked, RequestError> {
    let contract = ContractId::from_str(query.require("contract")?);
    Ok(Asked {
        block: block(chain, number("block", query.require("block")?)?)?,
        contract: contract.map_err(RequestError::Contract)?,
        question: query.require("show")?.parse()?,
        as_hex: match query.get("as") {
            None => false,
            Some("hex") => true,
            Some(_) => return Err(RequestError::Form),
        },
    })
}

fn body(proof: Vec<u8>, as_hex: bool) -> Body {
    match as_hex {
        true => Body::Text(hex::encode(&proof) + "\n"),
        false => Body::Bytes(proof),
    }
}

fn number(parameter: &'static str, text: &str) -> Result<u64, RequestError> {
    text.parse().map_err(|_| RequestError::Number {
        parameter,
        found: short(text),
    })
}

fn block(chain: &Chain, height: u64) -> Result<Header, RequestError> {
    let newest = chain.len().saturating_sub(1);
    let header = chain.header(height);
    header.ok_or(RequestError::Block { height, newest })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: every bad request gets a status of its kind and a sentence that says what to do.
    #[test]
    fn bad_requests_are_told_what_is_wrong() {
        let chain = Chain::with_blocks(2).unwrap();
        let token = names::TOKEN;
        let cases = [
            ("GET", "/nothing".to_owned(), 404, "GET / lists"),
            ("POST", "/headers".into(), 405, "GET requests only"),
            ("GET", "/blocks".into(), 405, "POST requests only"),
            (
                "GET",
                "/headers?from=2".into(),
                404,
                "newest one is block 1",
            ),
            ("GET", "/headers?from=x".into(), 400, "must be a number"),
            ("GET", "/headers?until=2".into(), 400, "there are: from"),
            ("GET", "/headers?from".into(), 400, "has no value"),
            ("GET", "/proof".into(), 400, "`contract` is missing"),
            (
                "GET",
                "/proof?contract=12&block=1&show=record".into(),
                400,
                "64 hex digits",
            ),
            (
                "GET",
                format!("/proof?contract={token}&block=1"),
                400,
                "`show` is missing",
            ),
            (
                "GET",
                format!("/proof?contract={token}&block=1&show=all"),
                400,
                "can not be asked for",
            ),
            (
                "GET",
                format!("/proof?contract={token}&block=1&show=bytes:0:0"),
                400,
                "1 to 65536 bytes",
            ),
            (
                "GET",
                format!("/proof?contract={token}&block=1&show=record&as=xml"),
                400,
                "hex",
            ),
            ("GET", "/forged-headers".into(), 400, "`block` is missing"),
            (
                "GET",
                "/forged-headers?block=1".into(),
                400,
                "`how` is missing",
            ),
            (
                "GET",
                "/forged-headers?block=1&how=well".into(),
                400,
                "renamed",
            ),
        ];
        for (method, address, status, says) in cases {
            let error = answer(&chain, method, &address).unwrap_err();
            assert_eq!(error.status(), status, "{address}: {error}");
            assert!(error.to_string().contains(says), "{address}: {error}");
        }
    }

    /// P7: a memory ends somewhere, and nothing is proven beyond.
    #[test]
    fn what_does_not_exist_is_not_proven() {
        let chain = Chain::with_blocks(1).unwrap();
        let beyond = format!(
            "/proof?contract={}&block=0&show=bytes:4294967296:1",
            names::TOKEN
        );
        let nothing = format!(
            "/proof?contract={}&block=0&show=value:nothing",
            names::TOKEN
        );
        let nameless = format!(
            "/proof?contract={}&block=0&show=value:value",
            names::COUNTER
        );
        let no_key = format!(
            "/proof?contract={}&block=0&show=value:balances:00",
            names::TOKEN
        );
        for address in [beyond, nothing, nameless, no_key] {
            let error = answer(&chain, "GET", &address).unwrap_err();
            assert_eq!(error.status(), 404, "{address}: {error}");
        }
    }

    #[test]
    fn new_blocks_have_headers() {
        let chain = Chain::with_blocks(1).unwrap();
        let Body::Text(new) = answer(&chain, "POST", "/blocks").unwrap() else {
            panic!("a header is text");
        };
        let Body::Text(all) = answer(&chain, "GET", "/headers").unwrap() else {
            panic!("headers are text");
        };
        assert_eq!(all.lines().last(), new.lines().last());
        assert_eq!(all.lines().count(), 2);
    }
}
