//! Lines of pieces with meanings, and what meanings look like.

use super::super::level::Style;

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Text.
    Plain,
    /// A contract, and its function.
    Name,
    /// What failed, and why.
    Bad,
    /// An event.
    Event,
    /// Gas.
    Gas,
    /// What is beside the point: lines of the tree, libraries, what was undone.
    Faint,
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Name => "\x1b[36m",
            Self::Bad => "\x1b[1;31m",
            Self::Event => "\x1b[33m",
            Self::Gas => "\x1b[35m",
            Self::Faint => "\x1b[2m",
        }
    }
}

const RESET: &str = "\x1b[0m";

/// A line being written.
#[derive(Debug, Default)]
pub struct Line(Vec<(Ink, String)>);

impl Line {
    /// Adds a piece.
    pub fn put(&mut self, ink: Ink, text: &str) -> &mut Self {
        self.0.push((ink, text.to_owned()));
        self
    }
}

/// Lines.
#[derive(Debug, Default)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// Begins another line.
    pub fn line(&mut self) -> &mut Line {
        let at = self.0.len();
        self.0.push(Line::default());
        &mut self.0[at]
    }

    /// The text.
    pub fn finish(self, style: Style) -> String {
        let mut text = String::new();
        for (ink, piece) in self.0.iter().flat_map(|line| {
            let end = (Ink::Plain, "\n".to_owned());
            line.0.iter().cloned().chain([end])
        }) {
            match (style, ink.code()) {
                (Style::Plain, _) | (_, "") => text.push_str(&piece),
                (Style::Ansi, code) => {
                    text.push_str(code);
                    text.push_str(&piece);
                    text.push_str(RESET);
                }
            }
        }
        text
    }
}
