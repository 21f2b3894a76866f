//! Where everything is printed: results to standard output, the rest to standard error.
//!
//! Only colours that this file makes reach a terminal: every other control character is shown as what it is.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::error::CliError;

/// What a text means, for its colour.
#[derive(Debug, Clone, Copy)]
pub enum Tone {
    /// A heading, or what matters most.
    Strong,
    /// Beside the point.
    Faint,
    /// As it should be.
    Good,
    /// Failed.
    Bad,
}

/// Both streams.
#[derive(Debug)]
pub struct Screen {
    json: bool,
    colours_out: bool,
    colours_error: bool,
    out: io::BufWriter<io::Stdout>,
}

impl Screen {
    /// The process's streams.
    pub fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let colours = wanted && !dumb;
        Self {
            json,
            colours_out: colours && io::stdout().is_terminal(),
            colours_error: colours && io::stderr().is_terminal(),
            out: io::BufWriter::new(io::stdout()),
        }
    }

    /// Whether results are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether results may have colours.
    pub fn has_colours(&self) -> bool {
        self.colours_out
    }

    /// Whether notes may have colours.
    pub fn notes_have_colours(&self) -> bool {
        self.colours_error
    }

    /// Prints a line of the result, for people.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        let text = harmless(text.as_ref());
        writeln!(self.out, "{text}").map_err(CliError::Output)
    }

    /// Prints the result, for programs.
    pub fn value(&mut self, value: &Value) -> Result<(), CliError> {
        let text = format!("{value:#}");
        writeln!(self.out, "{}", escaped(&text)).map_err(CliError::Output)
    }

    /// Prints a script of our own, as it is.
    pub fn script(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out.write_all(bytes).map_err(CliError::Output)
    }

    /// Prints what completes a result and is no part of it.
    pub fn note(&mut self, text: impl AsRef<str>) {
        if !self.json {
            self.flush_quietly();
            let text = harmless(text.as_ref());
            // Nobody to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Prints an error, and what to do next.
    pub fn error(&mut self, error: &CliError) {
        self.flush_quietly();
        let text = match self.json {
            true => {
                let (name, message, next) = (error.name(), error.text(), error.next());
                let value = json!({"error": {"name": name, "message": message, "next": next}});
                escaped(&value.to_string())
            }
            false => harmless(&self.error_text(error)),
        };
        let _ = writeln!(io::stderr(), "{}", text.trim_end());
    }

    fn error_text(&self, error: &CliError) -> String {
        let mark = painted(self.colours_error, Tone::Bad, "error:");
        // Names of contracts and files are in it: not even colours of theirs may pass, which could hide what follows.
        let mut text = format!("{mark} {}", lines(&error.text()));
        if let Some(next) = error.next() {
            let mark = painted(self.colours_error, Tone::Strong, "next:");
            let _ = write!(text, "\n{mark} {}", lines(&next));
        }
        text
    }

    /// Prints what is still held back.
    pub fn finish(&mut self) -> Result<(), CliError> {
        self.out.flush().map_err(CliError::Output)
    }

    fn flush_quietly(&mut self) {
        // An error shows itself at the end.
        let _ = self.out.flush();
    }

    /// A part of a line of the result in its colour.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        painted(self.colours_out, tone, text)
    }

    /// A part of a note in its colour.
    pub fn paint_note(&self, tone: Tone, text: &str) -> String {
        painted(self.colours_error, tone, text)
    }
}

fn painted(colours: bool, tone: Tone, text: &str) -> String {
    let text = plain(text);
    if !colours {
        return text;
    }
    let style = match tone {
        Tone::Strong => Style::new().bold(),
        Tone::Faint => Style::new().dimmed(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
    };
    format!("{style}{text}{style:#}")
}

/// A text that others chose, for a line of ours: no control character and nothing that turns the direction of writing is in it.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match is_harmful(character) {
            true => shown.extend(character.escape_unicode()),
            false => shown.push(character),
        }
    }
    shown
}

/// A text of several lines that others had a part in: nothing but line ends and tabs is left of what a terminal would obey.
fn lines(text: &str) -> String {
    let text = text.replace('\t', "    ");
    let lines: Vec<String> = text.split('\n').map(plain).collect();
    lines.join("\n")
}

/// A text of ours, with line ends and colours, without anything else that a terminal would obey.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            shown.push_str(colour);
            rest = &rest[colour.len()..];
            continue;
        }
        match is_harmful(character) && character != '\n' {
            true => shown.extend(character.escape_unicode()),
            false => shown.push(character),
        }
        rest = &rest[character.len_utf8()..];
    }
    shown
}

/// The colour that a text begins with: `ESC [ digits and semicolons m`.
fn colour(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|character: char| !(character.is_ascii_digit() || character == ';'))?;
    rest[end..].starts_with('m').then(|| &text[..end + 3])
}

/// JSON with every character escaped that a terminal would obey; what it says stays the same.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match is_harmful(character) && character != '\n' {
            true => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
            false => shown.push(character),
        }
    }
    shown
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name or message that others chose can not move a terminal's cursor, nor end a line of ours (P7).
    #[test]
    fn nothing_but_colours_passes() {
        let hostile = "a\u{61c}\u{200b}\u{1b}[2Jb\u{7}c\rd\u{202e}e\u{9b}31mf\u{1b}]0;title\u{7}";
        for shown in [
            plain(hostile),
            harmless(hostile),
            escaped(hostile),
            lines(hostile),
        ] {
            assert!(!shown.chars().any(is_harmful), "{shown:?}");
        }
        assert_eq!(
            harmless("\u{1b}[1;31mred\u{1b}[0m\n"),
            "\u{1b}[1;31mred\u{1b}[0m\n"
        );
        assert_eq!(plain("t\u{200b}o\u{61c}"), "t\\u{200b}o\\u{61c}");
        assert_eq!(plain("one\ntwo"), "one\\u{a}two");
        assert_eq!(
            lines("one\n\ttwo\u{1b}[8m"),
            "one\n    two\\u{1b}[8m",
            "a colour of somebody else's hides what follows"
        );
    }
}
