//! A bar for work that takes long: on a terminal only, and never among results.

use indicatif::{ProgressBar, ProgressStyle};

use crate::screen::Screen;

/// How far some work is.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many bytes; hidden if standard error is no terminal, or results are for programs.
    pub fn of(screen: &Screen, what: &'static str, bytes_total: u64) -> Self {
        let style = "{msg} {bytes} of {total_bytes}, {eta} to go {wide_bar}";
        let bar = ProgressBar::new(bytes_total);
        Self::styled(screen, what, bar, style)
    }

    /// A count of bytes where nobody knows how many they will be; hidden as a bar is.
    pub fn counting(screen: &Screen, what: &'static str) -> Self {
        let bar = ProgressBar::no_length();
        Self::styled(screen, what, bar, "{msg}: {bytes}, {bytes_per_sec}")
    }

    fn styled(screen: &Screen, what: &'static str, bar: ProgressBar, style: &str) -> Self {
        if screen.is_json() {
            return Self(ProgressBar::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar.with_message(what))
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
