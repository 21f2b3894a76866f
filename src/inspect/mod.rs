//! Looking at what contracts did: traces decoded and rendered for people, with the source lines of failures.
//!
//! Everything here is for authors and explorers: it reads traces and code, and takes part in no call. A node's build has none of
//! it (feature `inspect`). Bytes and names in traces are the contracts', and may be hostile: what is rendered has no control
//! characters, and is cut where it is long.

mod debug;
mod known;
mod level;
mod path;
mod render;
mod safe;
mod strip;

pub use debug::{DebugInfo, DebugInfoError, SourceLine};
pub use known::{CodeError, Known, SideFileError};
pub use level::{BadLevel, Level, Style};
pub use render::render;
pub use strip::{NotWasm, Stripped, strip};
