//! P7: bytes that are a schema show any other bytes as values of its types, or say why not; a value that can be written is read back as it was.
#![no_main]

use crostata_schema::{Schema, Type, shown};
use libfuzzer_sys::fuzz_target;

/// Bytes that say how long the schema is; values follow it.
const HEAD: usize = 2;

fn look(schema: &Schema, bytes: &[u8]) {
    for method in &schema.methods {
        let _ = (method.signature(), method.shown_call(bytes));
        look_at(&method.argument(), bytes);
        look_at(&method.result, bytes);
    }
    for event in &schema.events {
        look_at(&event.data, bytes);
    }
    for error in &schema.errors {
        look_at(&error.value, bytes);
    }
    let _ = schema.raised(bytes);
}

fn look_at(value_type: &Type, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = (value_type.to_string(), value_type.parse(&text));
    let Ok(value) = value_type.decode(bytes) else {
        return;
    };
    let _ = shown(&value, value_type);
    let Ok(written) = value_type.encode(&value) else {
        return;
    };
    match value_type.decode(&written) {
        Ok(again) => assert_eq!(again, value),
        // A list of values without bytes: as many as the longer archive allowed, which had bytes beside them.
        Err(error) => assert!(error.reason.contains("more than its length"), "{error}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let _ = Schema::of_code(data);
    let Some((head, rest)) = data.split_first_chunk::<HEAD>() else {
        return;
    };
    let len = usize::from(u16::from_le_bytes(*head)).min(rest.len());
    let (section, bytes) = rest.split_at(len);
    if let Ok(schema) = Schema::of_section(section) {
        look(&schema, bytes);
    }
});
