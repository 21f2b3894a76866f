//! Heat maps: which pages of the contracts' memories calls read and wrote, as a picture.
//!
//! A square is a page of 4,096 bytes. Pages cost gas when they are touched, and keep costing whoever proves and stores them when they are
//! written: the fewer, the better.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};

use super::known::Known;
use super::markup;
use super::regions::{NamedPlaces, Region};
use super::safe;
use crate::memory::Access;
use crate::session::{CallTrace, PageAccesses};

/// Squares in a row.
const ROW: u64 = 64;

/// Squares for which there is room in any picture, for what stands beside shorter rows.
const NARROWEST: u64 = 44;

/// Side of a square with the gap behind it, in pixels.
const STEP: u64 = 13;

/// Rows of one region that are drawn.
const ROWS_MAX: usize = 400;

/// Rows up to which a region is drawn with those that nobody touched.
const WHOLE_ROWS_MAX: u64 = 8;

/// Space around everything.
const MARGIN: u64 = 20;

/// Where squares begin, right of the names.
const SQUARES: u64 = MARGIN + 120;

/// What calls did with the pages of some contracts.
#[derive(Debug, Clone, Default)]
pub struct HeatMap {
    calls: u64,
    contracts: Vec<(ContractId, Memory)>,
}

#[derive(Debug, Clone, Default)]
struct Memory {
    pages: BTreeMap<u64, Touches>,
    regions: Vec<Region>,
    names: NamedPlaces,
}

/// In how many calls a page was used.
#[derive(Debug, Clone, Copy, Default)]
struct Touches {
    read: u64,
    written: u64,
}

impl HeatMap {
    /// Of no calls yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a call, from [`Session::page_accesses`](crate::Session::page_accesses) right after it.
    pub fn add(&mut self, accesses: &[PageAccesses]) {
        self.calls += 1;
        for contract in accesses {
            let memory = self.memory(contract.contract);
            for (page, access) in &contract.pages {
                memory.touch(*page, *access == Access::Write);
            }
        }
    }

    /// Adds a call from its trace.
    pub fn add_trace(&mut self, trace: &CallTrace) {
        self.calls += 1;
        let mut seen = BTreeMap::<(ContractId, PageIndex), bool>::new();
        for frame in &trace.frames {
            let read = frame.pages_read.pages.iter().map(|page| (*page, false));
            let written = frame.pages_written.pages.iter().map(|page| (*page, true));
            // So that contracts stand in the order in which they were entered.
            self.memory(frame.contract);
            for (page, is_written) in read.chain(written) {
                *seen.entry((frame.contract, page)).or_default() |= is_written;
            }
        }
        for ((contract, page), is_written) in seen {
            self.memory(contract).touch(page, is_written);
        }
    }

    /// Says what the parts of a contract's memory are for ([`regions`](super::regions)).
    pub fn set_regions(
        &mut self,
        contract: ContractId,
        (regions, names): (Vec<Region>, NamedPlaces),
    ) {
        let memory = self.memory(contract);
        (memory.regions, memory.names) = (regions, names);
    }

    fn memory(&mut self, contract: ContractId) -> &mut Memory {
        let found = self.contracts.iter().position(|(id, _)| *id == contract);
        let place = found.unwrap_or_else(|| {
            self.contracts.push((contract, Memory::default()));
            self.contracts.len() - 1
        });
        &mut self.contracts[place].1
    }

    /// The picture, as SVG.
    pub fn svg(&self, known: &Known, title: &str) -> String {
        let mut drawing = Drawing {
            body: String::new(),
            y: MARGIN,
            calls: self.calls.max(1),
        };
        // Writing to a string does not fail.
        let _ = drawing.all(self, known, title);
        let widest = self.contracts.iter().map(|(_, memory)| memory.widest());
        let squares = widest.max().unwrap_or(0).max(NARROWEST).min(ROW);
        let (width, height) = (SQUARES + squares * STEP + MARGIN, drawing.y + MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<style>{STYLE}</style>\n\
             <rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n{}</svg>\n",
            drawing.body
        )
    }
}

impl Memory {
    fn touch(&mut self, page: PageIndex, is_written: bool) {
        let touches = self.pages.entry(u64::from(page.0)).or_default();
        match is_written {
            true => touches.written += 1,
            false => touches.read += 1,
        }
    }

    /// The regions, or one of everything that was touched.
    fn shown_regions(&self) -> Vec<Region> {
        let end = self.pages.keys().next_back().map_or(0, |page| page + 1);
        let end = end * PAGE_BYTES as u64;
        let known = self.regions.last().map_or(0, |region| region.end);
        let mut regions = self.regions.clone();
        if known < end {
            // A memory that grew in a call that failed is as small again.
            let name = if known == 0 { "memory" } else { "given back" };
            regions.push(Region {
                name: name.to_owned(),
                start: known,
                end,
            });
        }
        regions
    }

    /// Squares of the longest row.
    fn widest(&self) -> u64 {
        let regions = self.shown_regions();
        let pages = regions.iter().map(|region| region.pages());
        pages
            .map(|pages| pages.end - pages.start)
            .max()
            .unwrap_or(0)
    }

    fn count(&self, pages: std::ops::Range<u64>) -> (u64, u64) {
        let touches = self.pages.range(pages).map(|(_, touches)| touches);
        touches.fold((0, 0), |(read, written), one| match one.written {
            0 => (read + 1, written),
            _ => (read, written + 1),
        })
    }
}

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-size:17px;font-weight:600}.c{font-size:14px;font-weight:600}\
.f{fill:#6e7781}.back{fill:#fff}.u{fill:#eceff2}.r{fill:#4f8fd0}.w{fill:#dd5a2b}\
@media(prefers-color-scheme:dark){text{fill:#d5dbe1}.f{fill:#8b949e}.back{fill:#0d1117}.u{fill:#21262d}}";

/// What was touched, before what it is a part of.
fn told(written: u64, read: u64) -> String {
    let parts = [(written, "written"), (read, "read")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, how)| format!("{} {how}", safe::number(count)))
        .collect();
    match parts.is_empty() {
        true => "none of ".to_owned(),
        false => format!("{} of ", parts.join(", ")),
    }
}

/// A picture under way: what is drawn, and how far down.
struct Drawing {
    body: String,
    y: u64,
    calls: u64,
}

impl Drawing {
    fn all(&mut self, map: &HeatMap, known: &Known, title: &str) -> fmt::Result {
        self.y += 8;
        self.text(MARGIN, "t", &markup::text(title))?;
        self.y += 24;
        self.legend(map)?;
        for (contract, memory) in &map.contracts {
            self.contract(&known.name(contract), memory)?;
        }
        Ok(())
    }

    fn legend(&mut self, map: &HeatMap) -> fmt::Result {
        let calls = match map.calls {
            1 => "1 call".to_owned(),
            calls => format!("{} calls", safe::number(calls)),
        };
        let mut x = MARGIN;
        for (class, text, width) in [
            ("w", "written", 75),
            ("r", "read", 60),
            ("u", "untouched", 90),
        ] {
            let y = self.y - 10;
            writeln!(
                self.body,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"11\" height=\"11\" rx=\"2\"/>"
            )?;
            self.text(x + 16, "f", text)?;
            x += width;
        }
        self.text(
            x,
            "f",
            &format!("A square is a page of 4,096 bytes; {calls}."),
        )?;
        self.y += 12;
        Ok(())
    }

    fn contract(&mut self, name: &str, memory: &Memory) -> fmt::Result {
        self.y += 24;
        let (read, written) = memory.count(0..u64::MAX);
        let name = markup::text(name);
        let all = told(written, read);
        self.text(
            MARGIN,
            "c",
            &format!("{name}: {}", all.trim_end_matches(" of ")),
        )?;
        self.y += 5;
        for region in memory.shown_regions() {
            self.region(&region, memory)?;
        }
        Ok(())
    }

    /// A region: its name on the left, its squares beside it, and behind a short row what they are.
    fn region(&mut self, region: &Region, memory: &Memory) -> fmt::Result {
        let pages = region.pages();
        if pages.is_empty() {
            return Ok(());
        }
        let count = pages.end - pages.start;
        let (read, written) = memory.count(pages.clone());
        let told = format!(
            "{}{} from 0x{:x}",
            told(written, read),
            match count {
                1 => "1 page".to_owned(),
                count => format!("{} pages", safe::number(count)),
            },
            region.start
        );
        self.y += 16;
        writeln!(
            self.body,
            "<text class=\"f\" x=\"{MARGIN}\" y=\"{}\">{}<title>{told}</title></text>",
            self.y,
            markup::text(&region.name)
        )?;
        if count <= ROW / 2 {
            self.text(SQUARES + count * STEP + 8, "f", &told)?;
        }
        // Squares stand on the line of the text.
        self.y -= 10;
        self.rows(pages, memory)
    }

    fn rows(&mut self, pages: std::ops::Range<u64>, memory: &Memory) -> fmt::Result {
        let is_short = (pages.end - pages.start).div_ceil(ROW) <= WHOLE_ROWS_MAX;
        let row = |page: u64| (page - pages.start) / ROW;
        let rows: Vec<u64> = match is_short {
            true => (0..row(pages.end - 1) + 1).collect(),
            false => {
                let mut rows: Vec<u64> = memory
                    .pages
                    .range(pages.clone())
                    .map(|(page, _)| row(*page))
                    .collect();
                rows.dedup();
                rows
            }
        };
        let (mut next, count) = (0, rows.len());
        for row in rows.into_iter().take(ROWS_MAX) {
            self.untouched(row - next)?;
            let start = pages.start + row * ROW;
            self.row(start..(start + ROW).min(pages.end), memory)?;
            next = row + 1;
        }
        if count > ROWS_MAX {
            let more = format!("… and {} more rows with touched pages", count - ROWS_MAX);
            return self.note(&more);
        }
        self.untouched((pages.end - pages.start).div_ceil(ROW) - next)
    }

    /// A note in place of rows that nobody touched.
    fn untouched(&mut self, rows: u64) -> fmt::Result {
        match rows {
            0 => Ok(()),
            rows => self.note(&format!(
                "… about {} pages untouched",
                safe::number(rows * ROW)
            )),
        }
    }

    fn note(&mut self, text: &str) -> fmt::Result {
        self.y += 12;
        self.text(SQUARES, "f", text)?;
        self.y += 5;
        Ok(())
    }

    fn row(&mut self, pages: std::ops::Range<u64>, memory: &Memory) -> fmt::Result {
        for (nth, page) in (0..).zip(pages) {
            self.square(SQUARES + nth * STEP, page, memory)?;
        }
        self.y += STEP;
        Ok(())
    }

    fn square(&mut self, x: u64, page: u64, memory: &Memory) -> fmt::Result {
        let touches = memory.pages.get(&page).copied().unwrap_or_default();
        let (class, count) = match touches {
            Touches {
                written: 0,
                read: 0,
            } => ("u", self.calls),
            Touches { written: 0, read } => ("r", read),
            Touches { written, .. } => ("w", written),
        };
        // What few of the calls touch is paler.
        let opacity = 0.35 + 0.65 * (count as f64 / self.calls as f64).min(1.0);
        let start = page * PAGE_BYTES as u64;
        let end = start + PAGE_BYTES as u64;
        write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"11\" height=\"11\" rx=\"2\" opacity=\"{opacity:.2}\">\
             <title>page {page}, 0x{start:x} to 0x{end:x}: ",
            self.y
        )?;
        match class {
            "u" => self.body.push_str("untouched"),
            "r" if self.calls == 1 => self.body.push_str("read"),
            "w" if self.calls == 1 => self.body.push_str("written"),
            _ => write!(
                self.body,
                "written in {}, read in {} of {} calls",
                touches.written, touches.read, self.calls
            )?,
        }
        let named = memory.names.iter();
        let named = named.filter(|(_, place)| (start..end).contains(place));
        for (name, _) in named.take(10) {
            write!(self.body, "; begins here: {}", markup::text(name))?;
        }
        self.body.push_str("</title></rect>\n");
        Ok(())
    }

    fn text(&mut self, x: u64, class: &str, text: &str) -> fmt::Result {
        let y = self.y;
        writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
        )
    }
}
