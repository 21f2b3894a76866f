//! Makes a component of a core module that was built with `wit-bindgen`, as `wasm-tools component new` does: `component CORE.wasm COMPONENT.wasm`.

use std::fs;

use anyhow::{Context, bail};
use wit_component::ComponentEncoder;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &arguments[..] else {
        bail!("usage: component CORE.wasm COMPONENT.wasm");
    };
    let module = fs::read(from).with_context(|| format!("{from} can not be read"))?;
    let mut encoder = ComponentEncoder::default();
    let component = encoder.validate(true).module(&module);
    let component = component.and_then(|encoder| encoder.encode());
    let component = component.with_context(|| format!("{from} can not become a component"))?;
    fs::write(to, component).with_context(|| format!("{to} can not be written"))
}
