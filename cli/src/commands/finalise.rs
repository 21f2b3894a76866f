//! `finalise`: one commit stays, with what descends from it.

use clap::Args;
use serde_json::json;

use super::Done;
use crate::arguments::StoreArguments;
use crate::error::CliError;
use crate::receipt;
use crate::screen::Screen;
use crate::store;

/// Makes a commit final: all that neither is it nor descends from it is dropped, durably and at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata finalise
  crostata finalise 3f9a07b1")]
pub struct Finalise {
    /// The commit: `newest`, or the id or root, or the first digits of either.
    #[arg(value_name = "COMMIT", default_value = "newest")]
    commit: String,
    #[command(flatten)]
    store: StoreArguments,
}

impl Finalise {
    /// Exit code 1 if the disk fails.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let vm = store::open(&self.store)?;
        let commit = store::commit(&vm, &self.commit)?;
        let before = vm.commits().len();
        vm.finalize_commit(commit)?;
        let dropped = before - vm.commits().len();
        if screen.is_json() {
            let commit = receipt::commit(&commit);
            screen.value(&json!({"commit": commit, "dropped": dropped}))?;
        } else {
            screen.line(commit.id.to_string())?;
            screen.note(format!("{dropped} commits were dropped"));
        }
        Ok(Done::Well)
    }
}
