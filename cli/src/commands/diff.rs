//! `inspect diff`: what is different between two commits.

use clap::Args;
use crostata::{ContractDiff, PageIndex};
use serde_json::{Value, json};

use super::verify::record_json;
use crate::arguments::StoreArguments;
use crate::error::CliError;
use crate::labels::Labels;
use crate::receipt;
use crate::screen::Screen;
use crate::store;

/// Pages that a line names; more are only counted.
const PAGES_SHOWN: usize = 12;

/// Contracts and pages that differ between two commits.
#[derive(Debug, Args)]
pub struct Diff {
    /// The commit to begin from: `newest`, `final`, or the first digits of an id or root.
    from: String,
    /// The commit to compare with it.
    #[arg(default_value = "newest")]
    to: String,
    #[command(flatten)]
    store: StoreArguments,
}

impl Diff {
    /// Changes nothing.
    pub fn run(&self, screen: &mut Screen) -> Result<(), CliError> {
        let labels = Labels::of(&self.store)?;
        let vm = store::open(&self.store)?;
        let from = store::commit(&vm, &self.from)?;
        let to = store::commit(&vm, &self.to)?;
        let diff = vm.diff(from.id, to.id)?;
        if screen.is_json() {
            let contracts: Value = diff
                .contracts
                .iter()
                .map(|one| value(one, &labels))
                .collect();
            let (from, to) = (receipt::commit(&from), receipt::commit(&to));
            return screen.value(&json!({"from": from, "to": to, "contracts": contracts}));
        }
        for one in &diff.contracts {
            let label = labels.label(&one.contract).unwrap_or("-");
            let (contract, what) = (one.contract, what(one));
            screen.line(format!(
                "{contract}  {label:<16} {what}{}",
                pages(&one.pages)
            ))?;
        }
        let count = diff.contracts.len();
        screen.note(format!(
            "{count} contracts differ from {} to {}",
            from.id, to.id
        ));
        Ok(())
    }
}

fn value(diff: &ContractDiff, labels: &Labels) -> Value {
    let pages = diff.pages.iter().map(|page| page.0);
    json!({
        "contract": diff.contract.to_string(),
        "label": labels.label(&diff.contract),
        "before": diff.before.as_ref().map(record_json),
        "after": diff.after.as_ref().map(record_json),
        "pages": pages.collect::<Vec<_>>(),
    })
}

/// What happened to the contract, but for its pages.
fn what(diff: &ContractDiff) -> String {
    let all = [
        (diff.is_added(), "added"),
        (diff.is_removed(), "removed"),
        (diff.has_other_code(), "code"),
        (diff.has_other_owner(), "owner"),
        (diff.has_other_size(), "size"),
    ];
    let told = all.iter().filter(|(is, _)| *is).map(|(_, name)| *name);
    told.collect::<Vec<_>>().join(", ")
}

fn pages(pages: &[PageIndex]) -> String {
    let shown = pages.iter().take(PAGES_SHOWN).map(PageIndex::to_string);
    let mut shown: Vec<String> = shown.collect();
    if pages.len() > PAGES_SHOWN {
        shown.push("…".into());
    }
    match pages.len() {
        0 => String::new(),
        count => format!("  {count} pages: {}", shown.join(" ")),
    }
}
