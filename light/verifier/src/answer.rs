//! A request's answer, as JSON:
//!
//! ```json
//! {"verified": true, "says": "…", "details": [["code hash", "…"], …]}
//! {"verified": false, "says": "why it is refused"}
//! ```

use std::fmt::Write;

use crostata_abi::ContractId;
use crostata_proof::{ContractRecord, Root};
use light_chain::{Answer, Question, hex};

/// What the page shows.
struct Shown {
    says: String,
    details: Vec<(&'static str, String)>,
}

/// The answer to a request of four lines: root, contract id, question, proof in hex. Whatever the bytes are, there is an answer.
pub fn answer(request: &[u8]) -> String {
    match verify(request) {
        Ok(shown) => verified(&shown),
        Err(reason) => format!("{{\"verified\":false,\"says\":{}}}", quoted(&reason)),
    }
}

fn verify(request: &[u8]) -> Result<Shown, String> {
    let text = std::str::from_utf8(request).map_err(|_| "The request is not text.")?;
    let mut lines = text.splitn(4, '\n').map(str::trim_ascii);
    let mut line = |name| lines.next().ok_or(format!("The {name} is missing."));
    let root: Root = parsed("root", line("root")?)?;
    let contract: ContractId = parsed("contract id", line("contract id")?)?;
    let question: Question = parsed("question", line("question")?)?;
    let proof = hex::decode(line("proof")?).map_err(|error| format!("The proof: {error}."))?;
    let answer = question.verify(&proof, &root, &contract);
    let answer = answer.map_err(|refused| format!("Refused: {refused}."))?;
    Ok(shown(answer, &question, proof.len()))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, String> {
    text.parse()
        .map_err(|error| format!("The {name}: {error}."))
}

fn shown(answer: Answer, question: &Question, proof_bytes: usize) -> Shown {
    let (says, mut details) = match answer {
        Answer::NoContract => ("There is no such contract.".into(), Vec::new()),
        Answer::Record(record) => (
            "The contract’s record is proven.".into(),
            of_record(&record),
        ),
        Answer::Bytes(bytes) => of_bytes("memory", &bytes),
        Answer::Code(bytes) => of_bytes("code", &bytes),
        Answer::Value(Some(value)) => (
            "The value is proven.".into(),
            vec![("value", value.to_string())],
        ),
        Answer::Value(None) => ("There is nothing under this key.".into(), Vec::new()),
    };
    details.push(("asked", question.to_string()));
    details.push(("proof", format!("{proof_bytes} bytes")));
    Shown { says, details }
}

fn of_record(record: &ContractRecord) -> Vec<(&'static str, String)> {
    vec![
        ("code hash", record.code_hash.to_string()),
        ("code", format!("{} bytes", record.code_len_bytes)),
        ("owner", hex::encode(record.owner.as_bytes())),
        (
            "memory",
            format!("{} pages of 64 KiB", record.memory_wasm_pages),
        ),
        ("word size", format!("{} bits", record.word_size.bits())),
    ]
}

fn of_bytes(place: &str, bytes: &[u8]) -> (String, Vec<(&'static str, String)>) {
    let says = format!(
        "{} bytes of the contract’s {place} are proven.",
        bytes.len()
    );
    let mut details = vec![("bytes", hex::encode(bytes))];
    if let Ok(word) = <[u8; 8]>::try_from(bytes) {
        details.push(("as a number", u64::from_le_bytes(word).to_string()));
    }
    (says, details)
}

fn verified(shown: &Shown) -> String {
    let mut json = format!(
        "{{\"verified\":true,\"says\":{},\"details\":[",
        quoted(&shown.says)
    );
    for (at, (name, value)) in shown.details.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a string can not fail.
        let _ = write!(json, "{comma}[{},{}]", quoted(name), quoted(value));
    }
    json + "]}"
}

/// A JSON string. Texts from outside are quoted in errors, so they are escaped to the letter.
fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", control as u32);
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}
