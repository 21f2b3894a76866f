//! Settings as text: the example is made of the same declarations that the file is read by.

use super::Settings;
use super::kind::quoted;
use super::protocols::ProtocolSource;
use super::table::{Shown, Table};

const HEAD: &str = "\
# The settings of a node, all of them, with their defaults. What is left out is as it is here.
#
# Everything in this file is policy of one node: nodes with different settings come to the same roots, gas and outcomes. A node may be
# stricter with queries, caches and the number of threads. What the chain decides (prices, limits of calls and code, which code is
# allowed) is the protocol's, which is only named here, by its fingerprint.
";

const PROTOCOLS_HEAD: &str = "\
# The protocols of the chain, each a table of its own: the first is the one of the first commit, the others are for commits made under
# them. Without any: the default protocol of this build. A node that finds other rules than the fingerprint says does not start.
#
#   fingerprint  64 hexadecimal digits: what the chain agreed on
#   file         the protocol's canonical text; without it, this build's default rules
#   allow_list   the only code that may be deployed and called: a code hash in each line; without it, any code
#
";

const PROTOCOLS_SAMPLE: &str = "\
# [[protocols]]
# fingerprint = \"0000000000000000000000000000000000000000000000000000000000000000\"
# file = \"genesis.protocol\"
# allow_list = \"allowed.txt\"
";

impl Settings {
    /// The default settings as a file, with the documentation of each. `docs/settings.toml` is this text.
    pub fn example() -> String {
        Self::default().to_toml()
    }

    /// These settings as a file that reads back as the same, with the documentation of each.
    pub fn to_toml(&self) -> String {
        let mut out = HEAD.to_owned();
        table("store", &self.store, &mut out);
        protocols(&self.protocols, &mut out);
        table("log", &self.log, &mut out);
        table("artifacts", &self.artifacts, &mut out);
        table("queries", &self.queries, &mut out);
        table("warm_up", &self.warm_up, &mut out);
        table("telemetry", &self.telemetry, &mut out);
        out
    }
}

fn table<T: Table>(name: &str, table: &T, out: &mut String) {
    out.push('\n');
    comment(T::DOCS, out);
    *out += &format!("[{name}]\n");
    for shown in table.shown() {
        out.push('\n');
        key(&shown, out);
    }
}

fn key(shown: &Shown, out: &mut String) {
    comment(shown.docs, out);
    *out += &format!("# Allowed: {}.\n", shown.allowed);
    let mark = if shown.is_left_out { "# " } else { "" };
    *out += &format!("{mark}{} = {}\n", shown.key, shown.text);
}

fn comment(lines: &[&str], out: &mut String) {
    for line in lines {
        *out += &format!("#{line}\n");
    }
}

fn protocols(sources: &[ProtocolSource], out: &mut String) {
    out.push('\n');
    *out += PROTOCOLS_HEAD;
    if sources.is_empty() {
        *out += PROTOCOLS_SAMPLE;
    }
    for source in sources {
        *out += &format!("[[protocols]]\nfingerprint = \"{}\"\n", source.fingerprint);
        let paths = [("file", &source.file), ("allow_list", &source.allow_list)];
        for (key, path) in paths {
            if let Some(path) = path {
                *out += &format!("{key} = {}\n", quoted(&path.to_string_lossy()));
            }
        }
    }
}
