//! The ladder: what everyone saw, one line a message, readable over the phone and comparable as text.

use sip::{Message, Name};
use std::fmt::Write;
use terms::{Audience, Instant, MediaCommand, MediaEvent, Notice, StoreWrite};

/// Lines kept; a swarm that runs long forgets its beginning.
const LINES_MAX: usize = 20_000;

#[derive(Clone, Debug, Default)]
pub struct Ladder {
    lines: std::collections::VecDeque<String>,
    begin: Instant,
}

impl Ladder {
    /// Forgets what was and counts time from here.
    pub fn restart(&mut self, now: Instant) {
        self.lines.clear();
        self.begin = now;
    }

    pub fn line(&mut self, now: Instant, from: &str, to: &str, what: &str) {
        let ms = now.since(self.begin).as_millis();
        let (s, ms) = (ms / 1000, ms % 1000);
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{s:>5}.{ms:03}  {from:<10} -> {to:<10} {what}"));
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// The last lines, for a failure's message.
    pub fn tail(&self, lines: usize) -> String {
        let skip = self.lines.len().saturating_sub(lines);
        self.lines.iter().skip(skip).fold(String::new(), |text, line| text + line + "\n")
    }
}

/// One line for one SIP message: no tags, branches or ports, so that the ladder tells the story and not the dice.
pub fn sip_line(bytes: &[u8]) -> String {
    let Ok(message) = Message::parse(bytes) else { return "(not SIP)".into() };
    let mut line = if message.is_request() {
        let method = message.method_text();
        // Inside a dialog the URI is the peer's contact and says nothing new.
        if message.to_tag().is_some() { method.to_owned() } else { format!("{method} {}", message.uri()) }
    } else {
        let method = message.cseq().map_or("?", |c| c.method);
        format!("{} {} ({method})", message.status(), message.phrase())
    };
    if !message.body().is_empty() {
        let way = crate::sdp::read(message.body()).map(|s| s.direction);
        match way {
            Some(crate::sdp::Direction::SendRecv) => line.push_str(" [sdp]"),
            Some(other) => {
                let _ = write!(line, " [sdp {}]", format!("{other:?}").to_lowercase());
            }
            None => line.push_str(" [body]"),
        }
    }
    if message.method_text() == "INVITE"
        && message.is_request()
        && message.to_tag().is_none()
        && let Some(from) = message.header(Name::From)
    {
        let _ = write!(line, " from {}", crate::peer::user_of(from));
    }
    if let Some(seconds) = message.header(Name::Expires).filter(|_| message.method_text() == "REGISTER") {
        let _ = write!(line, " expires {seconds}");
    }
    if let Some(reason) = message.header(Name::Reason) {
        let _ = write!(line, " {{{reason}}}");
    }
    line
}

pub fn media_line(command: &MediaCommand) -> String {
    match command {
        MediaCommand::Offer { from, .. } => format!("offer from leg {from:?}"),
        MediaCommand::Answer { from, .. } => format!("answer from leg {from:?}"),
        MediaCommand::Echo { .. } => "echo for leg A".into(),
        MediaCommand::Dtmf { leg, digit, .. } => format!("press {digit} for leg {leg:?}"),
        MediaCommand::Away { leg, .. } => format!("leg {leg:?} is away"),
        MediaCommand::Back { leg, .. } => format!("leg {leg:?} is back"),
        MediaCommand::Release { .. } => "release".into(),
    }
}

pub fn media_event_line(event: &MediaEvent) -> String {
    match event {
        MediaEvent::Sdp { to, .. } => format!("sdp for leg {to:?}"),
        MediaEvent::Flowing { leg, .. } => format!("leg {leg:?} flows"),
        MediaEvent::Silent { leg, .. } => format!("leg {leg:?} is silent"),
        MediaEvent::Dtmf { leg, digit, .. } => format!("leg {leg:?} pressed {digit}"),
        MediaEvent::DtmfByInfo { leg, digit, .. } => format!("{digit} for leg {leg:?} needs an INFO"),
        MediaEvent::Quality { leg, quality, .. } => format!("leg {leg:?} is worth {}", quality.mos_x100),
        MediaEvent::Failed { why, .. } => format!("failed: {why}"),
        MediaEvent::Released { .. } => "released".into(),
    }
}

pub fn notice_line(notice: &Notice) -> String {
    match notice {
        Notice::Phone { state, .. } => format!("phone is {state:?}"),
        Notice::Seat { agent, .. } => match agent {
            Some(_) => "seat is taken".into(),
            None => "seat is free".into(),
        },
        Notice::LoginEnded { sentence, .. } => format!("login ended: {sentence}"),
        Notice::Activity { activity, peer, .. } => match peer {
            Some(peer) => format!("{activity:?} with {peer}"),
            None => format!("{activity:?}"),
        },
        Notice::TabLost { .. } => "another tab has the sound".into(),
        Notice::Quality { quality, .. } => format!("the sound is worth {}", quality.mos_x100),
        Notice::Audio { silent, from_agent, .. } => {
            let whose = if *from_agent { "the agent" } else { "the other" };
            format!("{whose} is {}", if *silent { "silent" } else { "heard again" })
        }
    }
}

pub fn store_line(write: &StoreWrite) -> String {
    match write {
        StoreWrite::Bindings { aor, put, drop } => {
            format!("bindings of {}: {} put, {} dropped", aor.user(), put.len(), drop.len())
        }
        StoreWrite::Record(record) => match record.end {
            None => "record begun".into(),
            Some(end) => format!("record ended: {}", end.code()),
        },
    }
}

pub fn audience(to: Audience, page_of: impl Fn(terms::LoginId) -> Option<String>) -> String {
    match to {
        Audience::Everyone => "everyone".into(),
        Audience::Login(login) => page_of(login).unwrap_or_else(|| "nobody".into()),
    }
}
