//! What is deployed of a module: all sections but custom ones, of which those named `crostata.…` stay. Their bytes are not touched.

/// Custom sections with this beginning are deployed.
const KEPT: &[u8] = b"crostata.";

/// A module's magic number and version.
const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";

/// Where bytes stop being a module, and why.
pub type NotWasm = (usize, &'static str);

/// The module without names and debug information.
pub fn strip(wasm: &[u8]) -> Result<Vec<u8>, NotWasm> {
    let Some(mut rest) = wasm.strip_prefix(PREAMBLE) else {
        return Err((0, "there is no magic number and version 1"));
    };
    let mut code = PREAMBLE.to_vec();
    while !rest.is_empty() {
        let at = wasm.len() - rest.len();
        let (section, after) = section(rest).map_err(|reason| (at, reason))?;
        if section.id != 0 || is_kept(section.content) {
            code.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    Ok(code)
}

struct Section<'a> {
    id: u8,
    content: &'a [u8],
}

/// The first section, and what follows it.
fn section(bytes: &[u8]) -> Result<(Section<'_>, &[u8]), &'static str> {
    let (&id, rest) = bytes.split_first().ok_or("there is no section")?;
    let (len, rest) = number(rest)?;
    let content = rest.get(..len).ok_or("a section is longer than the file")?;
    Ok((Section { id, content }, &rest[len..]))
}

fn is_kept(content: &[u8]) -> bool {
    let name = number(content).ok().and_then(|(len, rest)| rest.get(..len));
    name.is_some_and(|name| name.starts_with(KEPT))
}

/// An unsigned LEB128 of at most 32 bits.
fn number(bytes: &[u8]) -> Result<(usize, &[u8]), &'static str> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| "a number has more than 32 bits")?;
            return Ok((value as usize, &bytes[index + 1..]));
        }
    }
    Err("a number does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is deployed has no names, keeps what the VM reads, and damaged bytes are told.
    #[test]
    fn custom_sections_go_but_crostatas() {
        let names = [0, 5, 4, b'n', b'a', b'm', b'e'];
        let own = b"\x00\x0b\x0acrostata.x";
        let memory = [5, 3, 1, 0, 1];
        let module = [PREAMBLE, &names, own, &memory, &names].concat();
        assert_eq!(strip(&module), Ok([PREAMBLE, own, &memory].concat()));
        assert_eq!(
            strip(b"\0asm"),
            Err((0, "there is no magic number and version 1"))
        );
        for cut in PREAMBLE.len() + 1..module.len() {
            let _ = strip(&module[..cut]);
        }
        let long = [PREAMBLE, &[1, 0xff, 0xff, 0xff, 0xff, 0x7f]].concat();
        assert_eq!(strip(&long), Err((8, "a number has more than 32 bits")));
    }
}
