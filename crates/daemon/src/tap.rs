//! A tap on the SIP that passes: nothing while nobody listens, and never a secret.

use serde::{Deserialize, Serialize};
use terms::{Flow, Now, WallTime};
use tokio::sync::broadcast;

/// Messages a slow listener may be behind; it is told how many it missed.
const LISTENER_QUEUE_MAX: usize = 4_096;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    In,
    Out,
}

/// One message as it passed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Passed {
    pub at: WallTime,
    pub way: Way,
    pub flow: Flow,
    pub message: String,
}

#[derive(Clone)]
pub struct Tap {
    live: broadcast::Sender<Passed>,
}

impl Default for Tap {
    fn default() -> Tap {
        Tap { live: broadcast::channel(LISTENER_QUEUE_MAX).0 }
    }
}

impl Tap {
    pub fn message(&self, now: Now, way: Way, flow: Flow, bytes: &[u8]) {
        if self.live.receiver_count() == 0 {
            return;
        }
        let message = redacted(&String::from_utf8_lossy(bytes));
        // The last listener may have left this instant.
        let _ = self.live.send(Passed { at: now.wall, way, flow, message });
    }

    pub fn listen(&self) -> broadcast::Receiver<Passed> {
        self.live.subscribe()
    }
}

/// The message without what could be used by who reads it: answers to challenges, bearer tickets, SRTP keys.
pub fn redacted(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut hiding = false;
    for line in message.split_inclusive('\n') {
        // A folded line (RFC 3261 §7.3.1) continues the header before it, secret or not.
        let folded = line.starts_with([' ', '\t']);
        let name = line.split(':').next().unwrap_or("").trim().to_ascii_lowercase();
        hiding = (folded && hiding) || name == "authorization" || name == "proxy-authorization";
        let secret_sdp = line.starts_with("a=crypto:") || line.starts_with("a=ice-pwd:");
        if (hiding && !folded) || secret_sdp {
            out.push_str(line.split(':').next().unwrap_or(""));
            out.push_str(": (hidden)\r\n");
        } else if !hiding {
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_challenges_do_not_leave_the_house() {
        let text = "REGISTER sip:x SIP/2.0\r\nAuthorization: Digest username=\"a\",\r\n response=\"c0ffee\"\r\nCSeq: 1 REGISTER\r\n\r\na=crypto:1 AES inline:k\r\nm=x\r\n";
        let shown = redacted(text);
        assert!(!shown.contains("c0ffee") && !shown.contains("inline"), "{shown}");
        assert!(shown.contains("CSeq: 1 REGISTER") && shown.ends_with("m=x\r\n"), "{shown}");
    }
}
