//! A picture in text of a contract's memory: which pages are in use, and what lies where.

/// A named range of addresses.
#[derive(Debug)]
pub struct Range {
    /// What lies there.
    pub name: String,
    /// The mark that its pages have in the picture.
    pub mark: char,
    /// Its first address.
    pub start: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

const PAGE_BYTES: u64 = crostata::PAGE_BYTES as u64;
const COLUMNS: u64 = 64;

/// Rows of 64 pages of 4 KiB: `.` for zeros, `#` for others, a range's mark where it lies and has something; rows that have nothing
/// are counted.
pub fn of_memory(pages_total: u64, in_use: &[u32], ranges: &[Range]) -> Vec<String> {
    let rows = pages_total.div_ceil(COLUMNS);
    let mut lines = Vec::new();
    let mut next = 0;
    while next < rows {
        let used = used_from(next, in_use);
        let empty = used.unwrap_or(rows).min(rows) - next;
        if empty > 1 {
            lines.push(format!("{}  {empty} rows of zeros", address(next)));
        } else if empty == 1 {
            lines.push(row(next, pages_total, in_use, ranges));
        }
        next += empty;
        if next < rows && used == Some(next) {
            lines.push(row(next, pages_total, in_use, ranges));
            next += 1;
        }
    }
    lines
}

/// The first row from here on that has a page in use.
fn used_from(row: u64, in_use: &[u32]) -> Option<u64> {
    let first = in_use.partition_point(|page| u64::from(*page) / COLUMNS < row);
    in_use.get(first).map(|page| u64::from(*page) / COLUMNS)
}

fn address(row: u64) -> String {
    format!("{:#012x}", row * COLUMNS * PAGE_BYTES)
}

fn row(row: u64, pages_total: u64, in_use: &[u32], ranges: &[Range]) -> String {
    let pages = row * COLUMNS..((row + 1) * COLUMNS).min(pages_total);
    let marks: String = pages.map(|page| mark(page, in_use, ranges)).collect();
    format!("{}  {marks}", address(row))
}

fn mark(page: u64, in_use: &[u32], ranges: &[Range]) -> char {
    let is_used = u32::try_from(page).is_ok_and(|page| in_use.binary_search(&page).is_ok());
    let (start, end) = (page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    let touches = |range: &&Range| range.start < end && start < range.start + range.bytes;
    match (is_used, ranges.iter().find(touches)) {
        (false, Some(range)) => range.mark.to_ascii_lowercase(),
        (true, Some(range)) => range.mark.to_ascii_uppercase(),
        (true, None) => '#',
        (false, None) => '.',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every page that is in use shows, whatever rows are left out, and a large memory makes a small picture.
    #[test]
    fn every_page_in_use_is_in_the_picture() {
        let in_use = [0, 63, 64, 1_000, 1_048_575];
        let stack = Range {
            name: "stack".into(),
            mark: 's',
            start: 0,
            bytes: 2 * PAGE_BYTES,
        };
        let lines = of_memory(1 << 20, &in_use, &[stack]);
        let marks: usize = lines
            .iter()
            .map(|line| line.matches(['#', 'S']).count())
            .sum();
        assert_eq!(marks, in_use.len(), "{lines:#?}");
        assert!(
            lines[0].ends_with('#') && lines[0].contains("Ss."),
            "{lines:#?}"
        );
        assert!(lines.len() < 12, "{lines:#?}");
    }
}
