//! A bar for work that takes long: on a terminal only, and never among results.

use indicatif::{ProgressBar, ProgressStyle};

use crate::screen::Screen;

/// How far some work is.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many bytes; hidden if standard error is no terminal, or results are for programs.
    pub fn bytes(screen: &Screen, what: &'static str, bytes_total: u64) -> Self {
        if screen.is_json() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(bytes_total).with_message(what);
        let style = "{msg} [{bar:32}] {bytes} of {total_bytes}, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    /// So many bytes are done.
    pub fn is_at(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    /// So many more bytes are done.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// So many bytes are to be done in all.
    pub fn has_total(&self, bytes: u64) {
        self.0.set_length(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
