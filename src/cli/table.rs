//! Lays out rows as a table that fits the terminal, or as one record after another.
//!
//! Nothing is truncated: long texts wrap between words. If the columns do not fit then, each row
//! becomes a record with one line for each column, so that ids can always be copied.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::terminal::{HEADING, View, style_of_cell};

/// The space between two columns.
const GAP: usize = 2;

/// The narrowest column that a text of users gets, if it has no spaces at which it could wrap.
const NARROWEST_TEXT: usize = 24;

/// The headings of texts of users. Their words may break; ids, names and times do not.
const TEXTS: [&str; 4] = ["DISPLAY NAME", "DISPLAY VALUE", "REASON", "VALUE"];

/// The lines of a table, or of records where the terminal is too narrow for a table.
pub(super) fn table<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
    view: View,
) -> Vec<String> {
    let Some(widths) = fit(heading, rows, view.width) else {
        return records(heading, rows, view);
    };
    let mut lines = vec![join(&heading.map(|name| (name, view.paint(HEADING, name))), widths)];
    for row in rows {
        let mut columns = [const { Vec::new() }; N];
        for (wrapped, (cell, width)) in columns.iter_mut().zip(row.iter().zip(widths)) {
            *wrapped = wrap(cell, width);
        }
        let height = columns.iter().map(Vec::len).max().unwrap_or_default();
        for line in 0..height {
            let mut cells = [const { ("", String::new()) }; N];
            for ((cell, name), (wrapped, whole)) in
                cells.iter_mut().zip(heading).zip(columns.iter().zip(row))
            {
                let text = wrapped.get(line).map_or("", String::as_str);
                *cell = (text, view.paint(style_of_cell(name, whole), text));
            }
            lines.push(join(&cells, widths));
        }
    }
    lines
}

/// The lines of records, with an empty line between two of them.
pub(super) fn records<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
    view: View,
) -> Vec<String> {
    let width = heading.iter().map(|name| name.width()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for row in rows {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        for (name, text) in heading.iter().zip(row) {
            let cells = [
                (*name, view.paint(HEADING, name)),
                (text.as_str(), view.paint(style_of_cell(name, text), text)),
            ];
            lines.push(join(&cells, [width, 0]));
        }
    }
    lines
}

/// Joins the cells of a line, each with its plain and its painted text, without spaces at the end.
fn join<const N: usize>(cells: &[(&str, String); N], widths: [usize; N]) -> String {
    let (mut line, mut spaces) = (String::new(), 0);
    for ((plain, painted), width) in cells.iter().zip(widths) {
        let used = plain.width();
        if used > 0 {
            line.push_str(&" ".repeat(spaces));
            line.push_str(painted);
            spaces = 0;
        }
        spaces += width.saturating_sub(used) + GAP;
    }
    line
}

/// The widths of the columns; `None` if a table would be wider than the terminal.
fn fit<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
    limit: Option<usize>,
) -> Option<[usize; N]> {
    let mut widths = widest(heading, rows, |_, cell| cell.width());
    let Some(limit) = limit else { return Some(widths) };
    let limit = limit.saturating_sub(GAP * N.saturating_sub(1));
    let narrowest = widest(heading, rows, narrowest);
    if narrowest.iter().sum::<usize>() > limit {
        return None;
    }
    while widths.iter().sum::<usize>() > limit {
        let shrinkable = widths.iter_mut().zip(narrowest).filter(|(width, least)| **width > *least);
        let (widest, _) = shrinkable.max_by_key(|(width, _)| **width)?;
        *widest -= 1;
    }
    Some(widths)
}

/// The greatest measure of the heading and the cells of each column.
fn widest<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
    measure: impl Fn(&str, &str) -> usize,
) -> [usize; N] {
    let mut widths = heading.map(UnicodeWidthStr::width);
    for row in rows {
        for ((width, name), cell) in widths.iter_mut().zip(heading).zip(row) {
            *width = (*width).max(measure(name, cell));
        }
    }
    widths
}

/// The width of the longest word of a cell, which is not broken unless it is a text of users.
fn narrowest(heading: &str, cell: &str) -> usize {
    let word = cell.split_whitespace().map(UnicodeWidthStr::width).max().unwrap_or_default();
    if TEXTS.contains(&heading) { word.min(NARROWEST_TEXT) } else { word }
}

/// The lines of a cell. A text that fits is one line, with its spaces.
fn wrap(cell: &str, width: usize) -> Vec<String> {
    if cell.width() <= width {
        return vec![cell.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in cell.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(pieces(word, width)),
        }
    }
    lines
}

/// Breaks a word into pieces of this width.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for character in word.chars() {
        let needed = character.width().unwrap_or_default();
        if used > 0 && used + needed > width {
            pieces.push(String::new());
            used = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
        used += needed;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["ID", "DISPLAY NAME", "NEXT STEP"];

    fn rows(rows: &[[&str; 3]]) -> Vec<[String; 3]> {
        rows.iter().map(|row| row.map(str::to_owned)).collect()
    }

    fn of_width(width: usize) -> View {
        View { width: Some(width), has_colors: false }
    }

    #[test]
    fn columns_are_aligned_by_the_width_on_the_terminal() {
        let rows = rows(&[["7", "中村", "x"], ["1000", "e\u{301}", ""], ["", "", "y"]]);
        let lines = table(NAMES, &rows, View::default());
        assert_eq!(
            lines,
            [
                "ID    DISPLAY NAME  NEXT STEP",
                "7     中村          x",
                "1000  e\u{301}",
                "                    y",
            ]
        );
    }

    #[test]
    fn without_a_terminal_a_row_is_one_line() {
        let long = "word ".repeat(100);
        let lines = table(NAMES, &rows(&[["7", &long, &long]]), View::default());
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn long_texts_wrap_between_words_and_lose_nothing() {
        let next = "set http.listen and start again; then run doctor";
        let rows = rows(&[["123456789", "Anna  Berg", next]]);
        for width in 44..90 {
            let lines = table(NAMES, &rows, of_width(width));
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
            assert!(lines[1].starts_with("123456789  "), "{lines:?}");
            let text = lines[1..].iter().flat_map(|line| line.split_whitespace());
            let text: Vec<_> = text.collect();
            for word in next.split(' ').chain(["Anna", "Berg"]) {
                assert!(text.contains(&word), "{width}: {word} is not in {lines:?}");
            }
        }
    }

    #[test]
    fn words_break_in_texts_of_users_only() {
        let word = "x".repeat(60);
        let lines = table(NAMES, &rows(&[["7", &word, ""]]), of_width(50));
        assert!(lines.len() > 2 && lines.iter().all(|line| line.width() <= 50), "{lines:?}");
        let id = "7".repeat(60);
        let lines = table(NAMES, &rows(&[[&id, "Anna", ""], ["8", "Ben", "y"]]), of_width(50));
        let expected = format!("ID            {id}");
        assert_eq!(lines[0], expected);
        assert_eq!(
            lines[2..],
            ["NEXT STEP", "", "ID            8", "DISPLAY NAME  Ben", "NEXT STEP     y"]
        );
    }

    #[test]
    fn colors_are_around_the_text_and_do_not_change_the_layout() {
        let rows = [["FAIL".to_owned(), "12".to_owned()], ["pass".to_owned(), String::new()]];
        let heading = ["VERDICT", "CLAUSE"];
        let plain = table(heading, &rows, View::default());
        let colored = table(heading, &rows, View { width: None, has_colors: true });
        assert!(colored[1].starts_with("\u{1b}["), "{colored:?}");
        let strip = |line: &String| anstream::adapter::strip_str(line).to_string();
        assert_eq!(colored.iter().map(strip).collect::<Vec<_>>(), plain);
    }
}
