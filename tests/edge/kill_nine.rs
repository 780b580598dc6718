//! The process is killed again and again while phones register: what was acknowledged is there afterwards, every time.

use crate::client::{Client, DOMAIN, Reply};
use crate::lab::Hotseat;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SECRET: &str = "a-long-random-secret-0001";
const PHONES: usize = 64;
const AT_ONCE: usize = 4;
/// Deaths in an everyday run; `HOTSEAT_KILLS=1000` for a night.
const KILLS: u32 = 20;

/// A phone that moves to a new contact with each REGISTER, so that the row tells which of them was kept.
struct Phone {
    name: String,
    client: Client,
    call_id: String,
    cseq: u32,
    /// The contact of the last 200.
    kept: Option<u32>,
    /// Contacts asked for since then: each may have been written without our hearing of it.
    asked: Vec<u32>,
    last: u32,
}

impl Phone {
    fn new(at: usize, gateway: SocketAddr) -> Phone {
        Phone {
            name: format!("desk-{at}"),
            client: Client::new(gateway),
            call_id: format!("kill-{at}-{}", std::process::id()),
            cseq: 0,
            kept: None,
            asked: Vec::new(),
            last: 0,
        }
    }

    fn ask(&mut self, more: &str) -> Option<Reply> {
        self.cseq += 1;
        let me = self.client.address();
        let contact = |n: u32, expires: u32| format!("<sip:{}@{me};n={n}>;expires={expires}", self.name);
        let old = self.kept.iter().chain(self.asked.iter().filter(|n| **n != self.last));
        let contacts: Vec<String> =
            std::iter::once(contact(self.last, 300)).chain(old.map(|n| contact(*n, 0))).collect();
        let text = self
            .client
            .register(&self.name, &self.call_id, self.cseq, more)
            .replace(&format!("<sip:{}@{me}>;expires=300", self.name), &contacts.join(", "));
        while self.client.receive(Duration::ZERO).is_some() {}
        self.client.send(&text);
        let until = Instant::now() + Duration::from_millis(1500);
        let cseq = format!("{} REGISTER", self.cseq);
        while Instant::now() < until {
            match self.client.receive(Duration::from_millis(100)).map(Reply) {
                Some(reply) if reply.header("CSeq") == Some(&cseq) => return Some(reply),
                _ => {}
            }
        }
        None
    }

    /// One REGISTER with a new contact; what is heard of it is remembered.
    fn registers(&mut self) {
        self.last += 1;
        self.asked.push(self.last);
        let Some(challenge) = self.ask("").filter(|reply| reply.status() == 401) else { return };
        let uri = format!("sip:{DOMAIN}");
        let Some(credentials) = challenge.credentials(&self.name, SECRET, "REGISTER", &uri, 1) else {
            return;
        };
        if self.ask(&credentials).is_some_and(|reply| reply.status() == 200) {
            self.kept = Some(self.last);
            self.asked.clear();
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_however_often_the_process_dies() {
    let kills = std::env::var("HOTSEAT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut hotseat = Hotseat::start();
    let mut csv = String::from("name,secret\n");
    (0..PHONES).for_each(|n| csv.push_str(&format!("desk-{n},{SECRET}\n")));
    let file = hotseat.folder.join("phones.csv");
    std::fs::write(&file, csv).unwrap();
    hotseat.cli(&["phones", "import", &file.to_string_lossy()], "");
    let mut phones: Vec<Phone> = (0..PHONES).map(|n| Phone::new(n, hotseat.sip)).collect();
    let mut acknowledged = 0;
    for kill in 0..kills {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for group in phones.chunks_mut(PHONES / AT_ONCE) {
                let stop = &stop;
                scope.spawn(move || {
                    let first = kill as usize * 5 % group.len();
                    for at in first.. {
                        if stop.load(Ordering::Acquire) {
                            return;
                        }
                        let at = at % group.len();
                        group[at].registers();
                    }
                });
            }
            // At another point of the work each time: between datagrams, in the middle of a commit, after an answer.
            std::thread::sleep(Duration::from_millis(150 + u64::from(kill) * 37 % 211));
            hotseat.kill();
            stop.store(true, Ordering::Release);
        });
        hotseat.run();
        let list = hotseat.cli(&["phones", "list"], "");
        let rows = list.as_array().expect("a list");
        for phone in &phones {
            let Some(kept) = phone.kept else { continue };
            let row = rows.iter().find(|row| row["name"] == *phone.name).expect("the phone is there");
            let contact = row["contact"].as_str().unwrap_or("");
            let is = |n: &u32| contact.ends_with(&format!(";n={n}"));
            assert!(
                is(&kept) || phone.asked.iter().any(is),
                "death {kill}: {} was promised contact {kept} and has {row}; asked since: {:?}",
                phone.name,
                phone.asked
            );
        }
        acknowledged = phones.iter().filter(|phone| phone.kept.is_some()).count();
    }
    assert!(
        acknowledged > PHONES / 2,
        "only {acknowledged} phones were ever acknowledged\n{}",
        hotseat.log()
    );
}
