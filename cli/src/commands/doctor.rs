//! `doctor`: a machine, held against the settings of the node that is to run on it.

use std::path::PathBuf;

use clap::Args;
use crostata::operate::Settings;
use crostata::operate::doctor::{self, Finding, Level, Report};
use serde_json::{Value, json};

use super::Done;
use crate::error::CliError;
use crate::screen::{Screen, Tone, plain};

/// Looks at what the kernel offers and limits, at memory and disk, and whether contracts run; writes and removes a small file where the store is
/// or will be, and changes nothing else.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 if the node can start (read the warnings), 1 if there is an error, 2 if the settings are not in order.

Examples:
  crostata doctor --settings node.toml
  crostata doctor /var/lib/node/state
  crostata doctor --example > node.toml
  crostata doctor --settings node.toml --json")]
pub struct Doctor {
    /// The directory of the store, in place of the settings' one; it need not exist.
    #[arg(value_name = "DIR", conflicts_with = "example")]
    directory: Option<PathBuf>,
    /// The node's settings; without them, the defaults.
    #[arg(long, value_name = "FILE", conflicts_with = "example")]
    settings: Option<PathBuf>,
    /// Prints settings to begin with: every one, with its default.
    #[arg(long)]
    example: bool,
}

impl Doctor {
    /// Exit code 1 if something keeps a node from running.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        if self.example {
            return example(screen);
        }
        let mut settings = match &self.settings {
            Some(path) => Settings::read(path)?,
            None => Settings::default(),
        };
        if let Some(directory) = &self.directory {
            settings.store.directory.clone_from(directory);
        }
        let report = doctor::check(&settings);
        match screen.is_json() {
            true => screen.value(&value(&report))?,
            false => show(&report, screen)?,
        }
        Ok(match report.worst() {
            Level::Error => Done::Failed,
            _ => Done::Well,
        })
    }
}

fn example(screen: &mut Screen) -> Result<Done, CliError> {
    let example = Settings::example();
    match screen.is_json() {
        true => screen.value(&json!({"settings": example}))?,
        false => screen.script(example.as_bytes())?,
    }
    Ok(Done::Well)
}

fn value(report: &Report) -> Value {
    let findings: Value = report.findings.iter().map(finding).collect();
    json!({"level": report.worst().to_string(), "findings": findings})
}

fn finding(finding: &Finding) -> Value {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "level": finding.level.to_string(),
        "subject": finding.subject,
        "found": finding.found,
        "why": some(&finding.why),
        "todo": some(&finding.todo),
    })
}

fn show(report: &Report, screen: &mut Screen) -> Result<(), CliError> {
    for finding in &report.findings {
        let (mark, tone) = match finding.level {
            Level::Ok => ("ok     ", Tone::Good),
            Level::Warning => ("warning", Tone::Strong),
            Level::Error => ("error  ", Tone::Bad),
        };
        let mark = screen.paint(tone, mark);
        let subject = format!("{:<15}", finding.subject);
        screen.line(format!("{mark}  {subject}  {}", plain(&finding.found)))?;
        for (name, more) in [("why", &finding.why), ("do ", &finding.todo)] {
            if !more.is_empty() {
                screen.line(format!("         {:<15}  {name}: {}", "", plain(more)))?;
            }
        }
    }
    let count = |level| {
        report
            .findings
            .iter()
            .filter(|one| one.level == level)
            .count()
    };
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    let said = match errors {
        0 => "a node with these settings can run here",
        _ => "a node with these settings should not start here",
    };
    screen.line(format!("{said}: {errors} errors, {warnings} warnings"))
}
