//! The sections of a module: what its bytes are spent on.

use wasmparser::{Parser, Payload};

/// A section.
#[derive(Debug)]
pub struct Section {
    /// Its kind, or for custom sections its name.
    pub name: String,
    /// Where it begins in the module.
    pub offset: u64,
    /// Length of what is in it in bytes.
    pub bytes: u64,
}

/// The sections of a module, in its order, as far as it can be read.
pub fn of(code: &[u8]) -> Vec<Section> {
    let parsed = Parser::new(0).parse_all(code).map_while(Result::ok);
    parsed.filter_map(|payload| section(&payload)).collect()
}

fn section(payload: &Payload<'_>) -> Option<Section> {
    let name = match payload {
        Payload::CustomSection(section) => section.name().to_owned(),
        Payload::TypeSection(_) => "type".into(),
        Payload::ImportSection(_) => "import".into(),
        Payload::FunctionSection(_) => "function".into(),
        Payload::TableSection(_) => "table".into(),
        Payload::MemorySection(_) => "memory".into(),
        Payload::GlobalSection(_) => "global".into(),
        Payload::ExportSection(_) => "export".into(),
        Payload::StartSection { .. } => "start".into(),
        Payload::ElementSection(_) => "element".into(),
        Payload::DataCountSection { .. } => "data count".into(),
        Payload::CodeSectionStart { .. } => "code".into(),
        Payload::DataSection(_) => "data".into(),
        _ => return None,
    };
    let (_, range) = payload.as_section()?;
    Some(Section {
        name,
        offset: range.start as u64,
        bytes: range.len() as u64,
    })
}
