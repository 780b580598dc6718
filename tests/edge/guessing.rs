//! Guessing passwords at the running program: from everywhere at one account, from one place at everybody, and with a made-up
//! word about where one comes from. Whoever works meanwhile goes on working.

use crate::lab::Hotseat;
use crate::lab::web::{Answer, Web};
use crate::talk::{PASSWORD, Talk};

/// A browser at this address that was never here before.
fn stranger(hotseat: &Hotseat, from: &str) -> Web {
    let mut web = Web::new(hotseat, &format!("stranger-{}", crate::client::unique()));
    web.from = Some(from.to_owned());
    web
}

fn reason(answer: &Answer) -> &str {
    answer.json["reason"].as_str().unwrap_or_default()
}

#[test]
fn a_botnet_blocks_the_account_for_itself_and_not_the_agent_nor_her_call() {
    let mut talk = Talk::start("[lockout]\nattempts = 5\nminutes = 0\n");
    let mut up = talk.up(|_| {});
    talk.hear_each_other(&mut up, 0..10);
    // Each bot tries once, says it comes from where ann sits, and all of them together are one stranger.
    let told: Vec<String> = (1..=12)
        .map(|n| {
            let mut bot = stranger(&talk.hotseat, &format!("127.0.{n}.9"));
            bot.headers.push("X-Forwarded-For: 127.0.0.1".into());
            reason(&bot.login("ann", &format!("Guess-{n}"))).to_owned()
        })
        .collect();
    assert!(told[..4].iter().all(|r| r == "wrong_credentials"), "{told:?}");
    assert!(told[4..].iter().all(|r| r == "blocked"), "{told:?}");
    // The right one too, from a place that has tried nothing yet.
    let lucky = stranger(&talk.hotseat, "127.0.77.9").login("ann", PASSWORD);
    assert_eq!((lucky.status, reason(&lucky)), (403, "blocked"), "{lucky:?}");

    assert_eq!(talk.web.get("/api/me").status, 200, "her session goes on");
    talk.hear_each_other(&mut up, 10..30);
    talk.hangs_up(&up);
    talk.web.logout();
    let again = talk.web.login("ann", PASSWORD);
    assert_eq!(again.status, 200, "her browser lets her in: {again:?}");
    assert_eq!(talk.web.choose("desk-1", None).status, 200);
    let mut next = talk.up(|_| {});
    talk.hear_each_other(&mut next, 30..40);
}

#[test]
fn one_stranger_cannot_lock_a_whole_shift_out() {
    let hotseat =
        Hotseat::start_with("[lockout]\nattempts = 3\nminutes = 0\n[limits]\nlogins_per_minute = 1000\n");
    let shift: Vec<String> = (0..6).map(|n| format!("agent-{n}")).collect();
    let mut browsers: Vec<Web> = Vec::new();
    for (n, name) in shift.iter().enumerate() {
        hotseat.add_agent(name, &format!("30{n:02}"), PASSWORD);
        let mut web = Web::new(&hotseat, name);
        let known = crate::lab::eventually(std::time::Duration::from_secs(5), || {
            web.login(name, PASSWORD).status == 200
        });
        assert!(known, "{name}: {}", hotseat.log());
        web.logout();
        browsers.push(web);
    }
    // One of their own house among them, behind the same address.
    for from in ["127.0.9.9", "127.0.10.9", "127.0.11.9", "127.0.0.1"] {
        for name in &shift {
            stranger(&hotseat, from).login(name, "Guess-1");
        }
    }
    for name in &shift {
        let refused = stranger(&hotseat, "127.0.12.9").login(name, PASSWORD);
        assert_eq!((refused.status, reason(&refused)), (403, "blocked"), "{name}: {refused:?}");
    }
    for (name, web) in shift.iter().zip(&mut browsers) {
        let answer = web.login(name, PASSWORD);
        assert_eq!(answer.status, 200, "{name} comes to work: {answer:?}");
    }
}

/// Wrong passwords for one name after the other, each with a word of its own about where it comes from.
fn guesses(hotseat: &Hotseat, from: &str, mut word: impl FnMut(usize) -> String) -> Vec<String> {
    (0..6)
        .map(|n| {
            let mut web = stranger(hotseat, from);
            web.headers.push(format!("X-Forwarded-For: {}", word(n)));
            reason(&web.login(&format!("nobody-{}", crate::client::unique()), "Guess-1")).to_owned()
        })
        .collect()
}

#[test]
fn where_somebody_comes_from_is_believed_of_our_own_proxies_only() {
    // Three a minute and place: six at once from one place run into it, from six places they do not.
    let limits = "[lockout]\nattempts = 0\n[limits]\nlogins_per_minute = 3\n";
    let (wrong, many) = ("wrong_credentials", "too_many_attempts");
    let third = [wrong, wrong, wrong, many, many, many];
    let elsewhere = |n: usize| format!("203.0.{n}.7");

    let hotseat = Hotseat::start_with(limits);
    assert_eq!(guesses(&hotseat, "127.0.0.1", elsewhere), third, "nobody is believed");

    let hotseat = Hotseat::start_with(&format!("{limits}proxies = [\"127.0.20.0/24\"]\n"));
    assert_eq!(guesses(&hotseat, "127.0.0.1", elsewhere), third, "this is no proxy of ours");
    assert_eq!(guesses(&hotseat, "127.0.20.5", elsewhere), [wrong; 6], "six people behind our proxy");
    // What stands left of the proxy's own word is what a stranger wrote.
    let forged = |n: usize| format!("198.51.{n}.1, 203.0.113.9");
    assert_eq!(guesses(&hotseat, "127.0.20.5", forged), third, "one person, whatever they write");
}
