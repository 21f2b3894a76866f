//! Coverage as a page: the sources with how often each line ran beside it, in one HTML file that needs nothing else.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::coverage::{Coverage, CoveredFile};
use super::markup;
use super::safe;

/// Lines of a file that are shown.
const LINES_MAX: u32 = 100_000;

/// What every page looks like; dark where the reader's screen is.
const STYLE: &str = "\
:root{--back:#fff;--text:#24292f;--faint:#8c959f;--rule:#d8dee4;--ran:#dafbe1;--ran-text:#1a7f37;--not:#ffebe9;--not-text:#cf222e}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#d5dbe1;--faint:#6e7681;--rule:#30363d;--ran:#12261e;--ran-text:#56d364;--not:#2d1517;--not-text:#ff7b72}}
body{background:var(--back);color:var(--text);font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font:600 1rem ui-monospace,monospace;margin:0}
table{border-collapse:collapse}.files td,.files th{padding:.2rem .8rem;text-align:right}.files td:first-child,.files th:first-child{text-align:left;font-family:ui-monospace,monospace}
.files tr+tr td{border-top:1px solid var(--rule)}.bar{display:inline-block;width:8rem;height:.6rem;background:var(--not);border-radius:3px;overflow:hidden;vertical-align:middle}
.bar i{display:block;height:100%;background:var(--ran-text)}a{color:inherit}
details{border:1px solid var(--rule);border-radius:6px;margin:1rem 0;overflow:hidden}summary{padding:.5rem .8rem;cursor:pointer}summary h2{display:inline}
pre{margin:0;overflow-x:auto;font:12px/1.45 ui-monospace,monospace;border-top:1px solid var(--rule)}
pre span{display:block;padding-right:1rem;white-space:pre}pre span b{display:inline-block;width:4rem;text-align:right;color:var(--faint);font-weight:400}
pre span u{display:inline-block;width:7rem;text-align:right;margin-right:1rem;text-decoration:none;color:var(--faint)}
.r{background:var(--ran)}.r u{color:var(--ran-text)!important}.n{background:var(--not)}.n u{color:var(--not-text)!important}";

impl Coverage {
    /// The page. `source` gives the text of a file, if it can be had: without it the page has the numbers only.
    pub fn page(&self, title: &str, source: impl Fn(&str) -> Option<String>) -> String {
        let files = self.files();
        let title = markup::text(title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<h1>{title}</h1>\n"
        );
        // Writing to a string does not fail.
        let _ = table(&mut page, &files);
        for (nth, (name, file)) in files.iter().enumerate() {
            let _ = details(&mut page, nth, name, file, source(name).as_deref());
        }
        page.push_str("</html>\n");
        page
    }
}

fn table(page: &mut String, files: &BTreeMap<String, CoveredFile>) -> fmt::Result {
    page.push_str("<table class=\"files\"><tr><th>file<th><th>lines<th><th>functions</tr>\n");
    for (nth, (name, file)) in files.iter().enumerate() {
        let name = format!("<a href=\"#f{nth}\">{}</a>", markup::text(name));
        row(page, &name, file.covered_lines(), file.covered_functions())?;
    }
    let sum = |of: fn(&CoveredFile) -> (usize, usize)| {
        let parts = files.values().map(of);
        parts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    };
    let (lines, functions) = (
        sum(CoveredFile::covered_lines),
        sum(CoveredFile::covered_functions),
    );
    row(page, "<b>all</b>", lines, functions)?;
    page.push_str("</table>\n");
    Ok(())
}

fn row(
    page: &mut String,
    name: &str,
    lines: (usize, usize),
    functions: (usize, usize),
) -> fmt::Result {
    let part = percent(lines);
    writeln!(
        page,
        "<tr><td>{name}<td><span class=\"bar\"><i style=\"width:{part:.0}%\"></i></span>\
         <td>{part:.1} %<td>{} of {}<td>{} of {}</tr>",
        lines.0, lines.1, functions.0, functions.1
    )
}

fn percent((ran, all): (usize, usize)) -> f64 {
    match all {
        0 => 100.0,
        all => ran as f64 * 100.0 / all as f64,
    }
}

fn details(
    page: &mut String,
    nth: usize,
    name: &str,
    file: &CoveredFile,
    source: Option<&str>,
) -> fmt::Result {
    let (ran, all) = file.covered_lines();
    writeln!(
        page,
        "<details id=\"f{nth}\" open><summary><h2>{}</h2> {ran} of {all} lines</summary><pre>",
        markup::text(name)
    )?;
    match source {
        Some(source) => {
            for (number, text) in (1..=LINES_MAX).zip(source.lines()) {
                line(page, number, file.lines.get(&number), &markup::code(text))?;
            }
        }
        None => {
            for (number, count) in &file.lines {
                line(page, *number, Some(count), "")?;
            }
        }
    }
    page.push_str("</pre></details>\n");
    Ok(())
}

fn line(page: &mut String, number: u32, count: Option<&u64>, text: &str) -> fmt::Result {
    let (class, shown) = match count {
        None => ("", String::new()),
        Some(0) => ("n", "not run".to_owned()),
        Some(count) => ("r", format!("{} ×", safe::number(*count))),
    };
    // Each line is a block of its own, and needs no line's end.
    write!(
        page,
        "<span class=\"{class}\"><b>{number}</b><u>{shown}</u>{text}</span>"
    )
}
