//! `hotseat trace`: SIP as a ladder, live from the running service or out of a capture file.

mod ladder;
mod pcap;

use crate::cli::Place;
use crate::place;
use anyhow::Context;
use daemon::tap::{Passed, Way, redacted};
use ladder::{Arrow, Ladder};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

pub struct Wish {
    pub only: Option<String>,
    pub full: bool,
    pub json: bool,
}

/// Out of a capture file.
pub fn file(path: &Path, wish: &Wish) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let packets = pcap::read(&bytes).with_context(|| format!("reading {}", path.display()))?;
    let mut printer = Printer { ladder: Ladder::default(), wish };
    for packet in packets {
        let message = redacted(&String::from_utf8_lossy(&packet.payload));
        printer.print(Arrow { at: packet.at, from: packet.from, to: packet.to, message })?;
    }
    Ok(())
}

/// Live, until the service ends or the reader has seen enough.
pub fn live(place: &Place, wish: &Wish) -> anyhow::Result<()> {
    let found = place::find(place)?;
    let socket = daemon::control::path(&found.data_dir);
    let mut stream = std::os::unix::net::UnixStream::connect(&socket)
        .with_context(|| format!("no service runs on {}", found.data_dir.display()))?;
    stream.write_all(b"trace\n")?;
    eprintln!("listening; Ctrl-C ends");
    let mut printer = Printer { ladder: Ladder::default(), wish };
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let Ok(passed) = serde_json::from_str::<Passed>(&line) else {
            eprintln!("{line}");
            continue;
        };
        let (us, peer) = (passed.flow.local, passed.flow.peer);
        let (from, to) = if passed.way == Way::In { (peer, us) } else { (us, peer) };
        printer.print(Arrow { at: passed.at, from, to, message: passed.message })?;
    }
    Ok(())
}

struct Printer<'w> {
    ladder: Ladder,
    wish: &'w Wish,
}

impl Printer<'_> {
    fn print(&mut self, arrow: Arrow) -> std::io::Result<()> {
        if self.wish.only.as_ref().is_some_and(|only| !arrow.message.contains(only.as_str())) {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        if self.wish.json {
            let value = serde_json::json!({
                "at": arrow.at.to_string(), "from": arrow.from.to_string(), "to": arrow.to.to_string(),
                "line": ladder::label(&arrow.message), "message": arrow.message,
            });
            return writeln!(out, "{value}");
        }
        for line in self.ladder.draw(&arrow) {
            writeln!(out, "{}", crate::out::clean(&line))?;
        }
        if self.wish.full {
            for line in arrow.message.lines() {
                writeln!(out, "    {}", crate::out::clean(line))?;
            }
        }
        out.flush()
    }
}
