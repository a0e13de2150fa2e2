//! Columns for people.

use std::fmt::Write as _;

use super::escape::one_line;

/// Characters of one cell.
const CELL: usize = 100;

/// Rows under a heading, with the columns as wide as they have to be and the last one as long as it is. What a terminal
/// would obey is written out.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading = heading.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = std::iter::once(&heading)
        .chain(rows)
        .map(|row| row.iter().map(|cell| one_line(cell, CELL)).collect())
        .collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.pop();
    text
}

/// A time in its largest unit, as far as anybody wants to know.
pub(super) fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cells_are_one_line() {
        let rows = [vec!["a".to_owned(), "x\u{1b}[2J\ny".to_owned()], vec!["long".to_owned(), String::new()]];
        assert_eq!(table(&["A", "B"], &rows), "A     B\na     x\\u{1b}[2J y\nlong");
    }

    #[test]
    fn times_are_short() {
        let times = [0, 119, 120, 7199, 7200, 172_799, 172_800];
        assert_eq!(times.map(ago), ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
