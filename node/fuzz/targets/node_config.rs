//! P7: any text is a configuration, or an error that says what is wrong. What its values are asked for they answer.
#![no_main]

use std::path::Path;

use crostata_node::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Config::parse(text, Path::new("nowhere/node.toml")) {
        Ok(config) => {
            config.key().unwrap();
            let _ = (config.nodes(), config.http.timeout());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
