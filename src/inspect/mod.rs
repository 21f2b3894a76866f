//! Looking at what contracts did: traces decoded and rendered for people, with the source lines of failures.
//!
//! Everything here is for authors and explorers: it reads traces and code, and takes part in no call. A node's build has none of
//! it (feature `inspect`). Bytes and names in traces are the contracts', and may be hostile: what is rendered has no control
//! characters, and is cut where it is long.

mod coverage;
mod coverage_page;
mod debug;
mod dwarf_work;
mod flame;
mod functions;
mod heat;
mod known;
mod level;
mod markup;
mod path;
mod regions;
mod render;
mod report;
mod safe;
mod size;
mod snapshot;
mod stacks;
mod strip;

pub use coverage::{Coverage, CoverageError, CoveredFile};
pub use debug::{DebugInfo, DebugInfoError, SourceLine};
pub use flame::{FlameError, flame_graph, folded_stacks, hot_functions};
pub use heat::HeatMap;
pub use known::{CodeError, Known, SideFileError};
pub use level::{BadLevel, Level, Style};
pub use regions::{NamedPlaces, Region, regions};
pub use render::render;
pub use report::{GasReport, GasRow, REPORT_ROWS_MAX};
pub use size::{FunctionSize, SectionSize, SizeError, SizeReport};
pub use snapshot::{Change, GasSnapshot, SnapshotError, Tolerance, explain_changes};
pub use strip::{Stripped, strip};

pub use crostata_schema::NotWasm;
