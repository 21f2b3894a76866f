//! `completions`: what a shell needs to complete command lines.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Done;
use crate::arguments::Arguments;
use crate::error::CliError;
use crate::screen::Screen;

/// Prints completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata completions bash > ~/.local/share/bash-completion/completions/crostata
  crostata completions zsh > ~/.zfunc/_crostata
  crostata completions fish > ~/.config/fish/completions/crostata.fish")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints them.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let mut bytes = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "crostata",
            &mut bytes,
        );
        screen.script(&bytes)?;
        Ok(Done::Well)
    }
}
