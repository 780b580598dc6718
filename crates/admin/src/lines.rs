//! Lines of the audit log on their way out of the house: as CSV that no spreadsheet takes for a formula, and filters as
//! people write them.

use store::{AuditFilter, AuditLine};
use terms::WallTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// The first line of an export.
pub const COLUMNS: [&str; 8] = ["number", "at", "who", "from", "what", "outcome", "whom", "detail"];
/// Longest word of a filter.
const WORD_BYTES_MAX: usize = 256;

/// What somebody wrote into a filter; empty fields are none.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    pub who: Option<&'a str>,
    pub what: Option<&'a str>,
    pub outcome: Option<&'a str>,
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
}

/// The filter that was meant, or the name of the field that cannot be read.
pub fn filter(wanted: &Wanted<'_>) -> Result<AuditFilter, &'static str> {
    let word = |name, text: Option<&str>| match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) if text.len() > WORD_BYTES_MAX => Err(name),
        text => Ok(text.map(str::to_owned)),
    };
    let moment = |name, text: Option<&str>| match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => moment(text).map(Some).ok_or(name),
    };
    Ok(AuditFilter {
        who: word("who", wanted.who)?,
        what: word("what", wanted.what)?,
        outcome: word("outcome", wanted.outcome)?,
        from: moment("from", wanted.from)?,
        to: moment("to", wanted.to)?,
    })
}

/// A day (`2026-11-24`, its first moment in UTC), RFC 3339, or milliseconds since 1970.
fn moment(text: &str) -> Option<WallTime> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(WallTime(ms));
    }
    let day = || Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    let at = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(at) => at,
        Err(_) => day()?.midnight().assume_utc(),
    };
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(WallTime)
}

/// The lines as CSV (RFC 4180), without the heading.
pub fn csv(lines: &[AuditLine]) -> Vec<u8> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for line in lines {
        let detail = line.detail.as_ref().map(ToString::to_string).unwrap_or_default();
        let cells = [
            line.id.to_string(),
            line.at.to_string(),
            cell(line.who.reveal()),
            cell(&line.from),
            cell(&line.what),
            cell(&line.outcome),
            cell(line.whom.reveal()),
            cell(&detail),
        ];
        // Writing into memory has nothing that could fail.
        let _ = out.write_record(cells);
    }
    out.into_inner().unwrap_or_default()
}

/// The heading, ready to be sent.
pub fn heading() -> Vec<u8> {
    let mut line = COLUMNS.join(",").into_bytes();
    line.push(b'\n');
    line
}

/// A cell as text and nothing else: programs that calculate take what begins with one of these signs for a formula, so an
/// apostrophe goes before it; signs that move the cursor or turn the reading direction are shown as a box.
fn cell(text: &str) -> String {
    let clean: String = text.chars().map(|c| if is_tricky(c) { '\u{fffd}' } else { c }).collect();
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        true => format!("'{clean}"),
        false => clean,
    }
}

fn is_tricky(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use terms::Pii;

    #[test]
    fn nothing_in_a_cell_is_a_formula_a_line_or_a_direction() {
        for (text, expected) in [
            ("ann", "ann"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+49301234", "'+49301234"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\u{fffd}=1"),
            ("\r\n=1", "'\u{fffd}\u{fffd}=1"),
            ("＝1", "'＝1"),
            ("abc\u{202e}cba", "abc\u{fffd}cba"),
            ("", ""),
            ("a-b", "a-b"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn a_line_reads_back_as_it_was() {
        let line = AuditLine {
            id: 7,
            at: WallTime(1_795_444_325_120),
            who: Pii::new("bo\"ss,"),
            from: "192.0.2.7".into(),
            what: "login_ended".into(),
            outcome: "done".into(),
            whom: Pii::new("=ann"),
            detail: Some(json!({ "phone": "desk-17" })),
        };
        let text = [heading(), csv(&[line])].concat();
        let mut reader = csv::Reader::from_reader(text.as_slice());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let cells: Vec<&str> = rows[0].iter().collect();
        let at = "2026-11-23T14:32:05.120Z";
        let expected =
            ["7", at, "bo\"ss,", "192.0.2.7", "login_ended", "done", "'=ann", "{\"phone\":\"desk-17\"}"];
        assert_eq!(cells, expected);
    }

    #[test]
    fn moments_are_read_as_people_and_programs_write_them() {
        for (text, ms) in [
            ("2026-11-23", Some(1_795_392_000_000)),
            ("2026-11-23T14:32:05.120Z", Some(1_795_444_325_120)),
            ("2026-11-23T15:32:05.120+01:00", Some(1_795_444_325_120)),
            ("1795444325120", Some(1_795_444_325_120)),
            ("yesterday", None),
            ("2026-13-01", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(moment(text), ms.map(WallTime), "{text}");
        }
        let wanted =
            Wanted { who: Some(" ann "), what: Some(""), from: Some("nonsense"), ..Wanted::default() };
        assert_eq!(filter(&wanted), Err("from"));
        let read = filter(&Wanted { from: None, ..wanted }).unwrap();
        assert_eq!((read.who.as_deref(), read.what), (Some("ann"), None));
        let long = "x".repeat(WORD_BYTES_MAX + 1);
        assert_eq!(filter(&Wanted { who: Some(&long), ..Wanted::default() }), Err("who"));
    }
}
