//! Texts inside of HTML and SVG: whatever a contract says of itself, it stays a text.

use super::safe;

/// Characters of a text that are shown.
const TEXT_MAX: usize = 200;

/// A text on one line, cut, with nothing in it that a browser would obey.
pub fn text(text: &str) -> String {
    escaped(&safe::cut(text, TEXT_MAX))
}

/// The same, as long as it is: a line of somebody's source code.
pub fn code(line: &str) -> String {
    escaped(&safe::cut(&line.replace('\t', "    "), usize::MAX))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: no name becomes an element, an attribute or a command.
    #[test]
    fn texts_stay_texts() {
        let hostile = "</title><script>alert(\"'&\u{7}\u{202e}\")</script>";
        let shown = text(hostile);
        assert!(
            !shown.contains(['<', '>', '"', '\'', '\u{7}', '\u{202e}']),
            "{shown}"
        );
        assert!(
            shown.contains("&lt;script&gt;alert(&quot;&#39;&amp;"),
            "{shown}"
        );
        assert!(text(&"<".repeat(1_000)).len() < 1_000);
        assert_eq!(code("\tlet a = b;"), "    let a = b;");
    }
}
