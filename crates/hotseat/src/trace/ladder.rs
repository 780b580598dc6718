//! Draws messages as arrows between columns, one column for each address, in the order they first appear.

use std::net::SocketAddr;
use terms::WallTime;

pub struct Arrow {
    pub at: WallTime,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub message: String,
}

/// Addresses with a column of their own; later ones are written out beside the arrow.
const COLUMNS_MAX: usize = 6;
const COLUMN_WIDTH: usize = 26;

#[derive(Default)]
pub struct Ladder {
    columns: Vec<SocketAddr>,
    /// Columns named in the last heading.
    headed: usize,
}

impl Ladder {
    /// The lines for one message: a heading where a column is new, then the arrow.
    pub fn draw(&mut self, arrow: &Arrow) -> Vec<String> {
        let (from, to) = (self.column(arrow.from), self.column(arrow.to));
        let mut lines = Vec::new();
        if self.headed != self.columns.len() {
            self.headed = self.columns.len();
            let names: String =
                self.columns.iter().map(|c| format!("{:<COLUMN_WIDTH$}", c.to_string())).collect();
            lines.push(format!("{:<14}{}", "", names.trim_end()));
        }
        let time = arrow.at.to_string();
        let time = time.get(11..23).unwrap_or(&time).to_owned();
        let label = label(&arrow.message);
        lines.push(match (from, to) {
            (Some(from), Some(to)) if from != to => format!("{time}  {}", self.line(from, to, &label)),
            _ => format!("{time}  {} → {}  {label}", arrow.from, arrow.to),
        });
        lines
    }

    fn column(&mut self, address: SocketAddr) -> Option<usize> {
        if let Some(at) = self.columns.iter().position(|c| *c == address) {
            return Some(at);
        }
        if self.columns.len() == COLUMNS_MAX {
            return None;
        }
        self.columns.push(address);
        Some(self.columns.len() - 1)
    }

    fn line(&self, from: usize, to: usize, label: &str) -> String {
        let (left, right) = (from.min(to), from.max(to));
        let mut line = String::new();
        for _ in 0..left {
            line.push_str(&format!("{:<COLUMN_WIDTH$}", "│"));
        }
        let room = (right - left) * COLUMN_WIDTH - 3;
        let shown: String = label.chars().take(room.saturating_sub(2)).collect();
        let dashes = "─".repeat(room.saturating_sub(shown.chars().count() + 2));
        match from < to {
            true => line.push_str(&format!("├ {shown} {dashes}─▶")),
            false => line.push_str(&format!("◀─ {shown} {dashes}")),
        }
        line.push('┤');
        for _ in right + 1..self.columns.len() {
            line.push_str(&format!("{:<width$}│", "", width = COLUMN_WIDTH - 1));
        }
        line
    }
}

/// What an arrow says: method and target, or status, phrase and the method answered; SDP is marked.
pub fn label(message: &str) -> String {
    let first = message.lines().next().unwrap_or("").trim();
    let sdp = if message.contains("\nm=") { " (SDP)" } else { "" };
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let cseq = header(message, "cseq").and_then(|v| v.split_whitespace().nth(1)).unwrap_or("");
            format!("{status} [{cseq}]{sdp}")
        }
        None => format!("{}{sdp}", first.trim_end_matches(" SIP/2.0")),
    }
}

fn header<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.lines().skip(1).take_while(|l| !l.is_empty()).find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_as_a_ladder() {
        let (a, b): (SocketAddr, SocketAddr) =
            ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        let mut ladder = Ladder::default();
        let there = Arrow {
            at: WallTime(1_000),
            from: a,
            to: b,
            message: "INVITE sip:2001@x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nm=audio 1\r\n".into(),
        };
        let lines = ladder.draw(&there);
        assert!(lines[0].contains("192.0.2.1:5060") && lines[0].contains("192.0.2.2:5060"));
        assert!(
            lines[1].starts_with("00:00:01.000  ├ INVITE sip:2001@x ") && lines[1].ends_with("─▶┤"),
            "{lines:?}"
        );
        let back = Arrow {
            at: WallTime(1_020),
            from: b,
            to: a,
            message: "SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n".into(),
        };
        let lines = ladder.draw(&back);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("◀─ 180 Ringing [INVITE]"), "{lines:?}");
    }
}
