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
    let answer = answer.map_err(|refused| capitalised(&format!("{refused}.")))?;
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
        Answer::Value(Some(value)) => (format!("The value is {value}."), Vec::new()),
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

/// A sentence of an error, which begins in lower case.
fn capitalised(sentence: &str) -> String {
    let (head, tail) = sentence.split_at(sentence.len().min(1));
    head.to_ascii_uppercase() + tail
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

#[cfg(test)]
mod tests {
    use super::*;
    use light_chain::PROOF_BYTES_MAX;

    const ID: &str = "0101010101010101010101010101010101010101010101010101010101010101";

    fn refused(request: &[u8]) -> String {
        let answer = answer(request);
        let head = r#"{"verified":false,"says":""#;
        let says = answer
            .strip_prefix(head)
            .and_then(|rest| rest.strip_suffix("\"}"));
        says.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// P7: whatever the page sends, there is an answer, and it says what is wrong.
    #[test]
    fn any_request_has_an_answer() {
        assert_eq!(refused(b"\xff"), "The request is not text.");
        assert!(refused(b"").starts_with("The root: a hash is 64 hex digits"));
        assert_eq!(refused(ID.as_bytes()), "The contract id is missing.");
        let request = |rest: &str| refused(format!("{ID}\n{ID}\n{rest}").as_bytes());
        assert!(request("\"").contains(r#"`\"` can not be asked for"#));
        assert_eq!(request("record"), "The proof is missing.");
        assert_eq!(
            request("record\n0"),
            "The proof: 1 hex digits are not whole bytes: one is missing or too many."
        );
        assert_eq!(
            request("record\n"),
            "The bytes are not a proof: the proof ends early."
        );
        assert!(request("value:a:00\n01ff").starts_with("The bytes are not a proof"));
        let long = "00".repeat(PROOF_BYTES_MAX);
        assert!(request(&format!("record\n{long}")).starts_with("The bytes are not a proof"));
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(quoted("a\"\\\n\u{1}ä"), r#""a\"\\\u000a\u0001ä""#);
    }
}
