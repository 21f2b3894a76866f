//! What whoever runs a node holds in the hand: settings in a file, a look at the machine before the start, and figures while it runs.
//!
//! | feature | what |
//! |---|---|
//! | `settings` | [`Settings`], read from TOML, and [`doctor`], which holds a machine against them |
//! | `telemetry` | `Telemetry`: spans, and metrics |
//!
//! Nothing here takes part in a call. What a node's operator may set and what the chain decides is said in `docs/operating.md`.

#[cfg(feature = "settings")]
pub mod doctor;
#[cfg(feature = "settings")]
mod settings;
#[cfg(feature = "telemetry")]
mod telemetry;

#[cfg(feature = "settings")]
pub use settings::{
    ArtifactSettings, LogSettings, ProtocolProblem, ProtocolSource, QuerySettings, Settings,
    SettingsError, SettingsProblem, StoreSettings, TelemetrySettings, WarmUpSettings,
};
#[cfg(feature = "telemetry")]
pub use telemetry::{METRICS, Metric, MetricKind, Telemetry};
