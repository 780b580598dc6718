//! What commands print: a table for people, JSON for programs.

use serde::Serialize;

/// A list: JSON as one array, or a table with these columns. Empty columns stay, so that lines can be cut by machine.
pub fn list<T: Serialize>(json: bool, items: &[T], columns: &[&str], row: impl Fn(&T) -> Vec<String>) {
    if json {
        println!("{}", serde_json::to_string(items).unwrap_or_default());
        return;
    }
    if items.is_empty() {
        eprintln!("none");
        return;
    }
    let rows: Vec<Vec<String>> =
        items.iter().map(|i| row(i).into_iter().map(|c| clean(&c)).collect()).collect();
    let mut widths: Vec<usize> = columns.iter().map(|c| c.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    print_row(columns.iter().copied(), &widths);
    for row in &rows {
        print_row(row.iter().map(String::as_str), &widths);
    }
}

fn print_row<'c>(cells: impl Iterator<Item = &'c str>, widths: &[usize]) {
    let cells: Vec<String> = cells.zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    println!("{}", cells.join("  ").trim_end());
}

/// One thing: JSON, or the sentence.
pub fn one<T: Serialize>(json: bool, value: &T, sentence: impl FnOnce() -> String) {
    match json {
        true => println!("{}", serde_json::to_string(value).unwrap_or_default()),
        false => println!("{}", sentence()),
    }
}

/// A cell cannot move the cursor or pretend to be another line, whoever filled it.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
