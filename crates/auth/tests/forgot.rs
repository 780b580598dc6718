//! A forgotten password, from the question to the first login with the new one, and everything that must not work.

mod sink;
mod world;

use auth::licence::{Installed, Licence, day};
use axum::body::Body;
use axum::extract::ConnectInfo;
use serde_json::{Value, json};
use sink::{Manner, Sink};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use store::{Accounts, BlockReason, Blocked, Store, Way};
use terms::{Role, WallTime};
use world::{Answer, Browser, START, World, world};

const NEW: &str = "Another-Cat7!";
const HOUR: i64 = 3_600_000;

async fn with_mail(manner: Manner) -> (World, Sink) {
    let w = world().await;
    let sink = Sink::open(manner).await;
    w.mailer.change(Some(sink.settings()));
    w.store.set_email(w.ann, Some("Ann@Example.com".into())).await.unwrap();
    w.store.set_email(w.bob, Some("bob@example.com".into())).await.unwrap();
    (w, sink)
}

async fn forgets_from(w: &World, email: &str, from: [u8; 4]) -> Answer {
    let mut request = w
        .request("POST", "/api/forgot", &Browser::default())
        .header("content-type", "application/json")
        .body(Body::from(json!({ "email": email }).to_string()))
        .unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((from, 50_000))));
    w.send(request).await
}

async fn forgets(w: &World, email: &str) -> Answer {
    forgets_from(w, email, [192, 0, 2, 7]).await
}

fn token(letter: &str) -> String {
    let (_, rest) =
        letter.split_once("https://desk.example:8443/reset#").unwrap_or_else(|| panic!("{letter}"));
    rest.split_whitespace().next().unwrap().to_owned()
}

async fn post(w: &World, path: &str, body: Value) -> Answer {
    w.post(path, &Browser::default(), body).await
}

async fn chooses(w: &World, token: &str, new: &str) -> Answer {
    post(w, "/api/reset", json!({ "token": token, "new": new })).await
}

/// Outcomes of the audit log, once one of these words is there.
async fn audited(w: &World, what: &str, outcome: &str) {
    for _ in 0..1000 {
        let lines = w.store.audit_log(500).await.unwrap();
        if lines.iter().any(|line| line.what == what && line.outcome == outcome) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no {what} {outcome} in {:?}", w.store.audit_log(500).await.unwrap());
}

#[tokio::test]
async fn ann_forgets_her_password_and_a_link_from_her_mail_gives_her_another() {
    let (w, sink) = with_mail(Manner::Takes).await;
    let site = w.get("/api/site", &Browser::default()).await.ok();
    assert_eq!(site.body["forgot_password"], "mail");
    let ann = w.sits("ann", "desk-17").await;
    let bob = w.sits("bob", "desk-9").await;
    let block = Blocked { since: WallTime(START), until: None, why: BlockReason::WrongPasswords };
    w.store.block(w.ann, Some(block)).await.unwrap();

    let answer = forgets(&w, " ann@example.COM ").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_object().unwrap().len()), (202, 1), "{answer:?}");
    let letter = sink.wait_for(1).await.remove(0);
    assert!(letter.contains("To: Ann@Example.com\n"), "to the address as she has it\n{letter}");
    assert!(
        letter.contains("ANN Example") && letter.contains("\"ann\"") && letter.contains("192.0.2.7"),
        "{letter}"
    );
    let token = token(&letter);
    audited(&w, "forgot_password", "letter_sent").await;

    // The page, its reload and a scanner that follows links: looking uses nothing up.
    for _ in 0..3 {
        let look = post(&w, "/api/reset/look", json!({ "token": token })).await.ok();
        assert_eq!(look.body, json!({ "expires": START + HOUR }));
    }
    let pokes = w.core.pokes.load(Ordering::SeqCst);
    let done = chooses(&w, &token, NEW).await;
    assert_eq!(done.status, 204, "{done:?}");
    assert!(!done.headers.contains_key("set-cookie"), "nobody is logged in by a link");
    assert!(w.core.pokes.load(Ordering::SeqCst) > pokes, "the core hears that the phone is free");

    let gone = w.get("/api/me", &ann).await;
    gone.is(401, "login_ended");
    assert_eq!(gone.body["why"], "password_reset");
    w.get("/api/me", &bob).await.ok();
    assert_eq!(w.store.logins().await.unwrap().len(), 1, "bob's");
    w.try_login("ann", "right").await.is(401, "wrong_credentials");
    w.try_login("ann", NEW).await.ok();

    for used in [
        chooses(&w, &token, "Third-Cat9!").await,
        post(&w, "/api/reset/look", json!({ "token": token })).await,
    ] {
        used.is(410, "link_expired");
    }
    w.try_login("ann", NEW).await.ok();
    let told = sink.wait_for(2).await.remove(1);
    assert!(told.contains("Subject: Your password was changed") && !told.contains("/reset#"), "{told}");
    audited(&w, "reset_password", "changed").await;
    audited(&w, "tell_password_changed", "letter_sent").await;
    let log = format!("{:?}", w.store.audit_log(500).await.unwrap());
    assert!(!log.contains(&token) && !log.contains(NEW), "{log}");
}

#[tokio::test]
async fn a_link_is_good_for_an_hour_to_the_second_and_a_newer_one_kills_it() {
    let (w, sink) = with_mail(Manner::Takes).await;
    forgets(&w, "ann@example.com").await;
    let first = token(&sink.wait_for(1).await[0]);
    w.passes(59 * 60_000 + 59_000);
    post(&w, "/api/reset/look", json!({ "token": first })).await.ok();
    w.passes(2_000);
    post(&w, "/api/reset/look", json!({ "token": first })).await.is(410, "link_expired");
    chooses(&w, &first, NEW).await.is(410, "link_expired");

    forgets(&w, "ann@example.com").await;
    let second = token(&sink.wait_for(2).await[1]);
    forgets(&w, "ann@example.com").await;
    let third = token(&sink.wait_for(3).await[2]);
    chooses(&w, &second, NEW).await.is(410, "link_expired");
    w.passes(59 * 60_000 + 59_000);
    assert_eq!(chooses(&w, &third, NEW).await.status, 204);
    w.try_login("ann", "right").await.is(401, "wrong_credentials");
}

#[tokio::test]
async fn what_is_answered_says_nothing_about_who_has_an_account() {
    let (w, sink) = with_mail(Manner::Takes).await;
    w.store.enable_agent(w.bob, false, WallTime(START)).await.unwrap();
    let webby = w.store.account("webby").await.unwrap().unwrap().agent.id;
    w.store.set_email(webby, Some("webby@example.com".into())).await.unwrap();
    w.store.set_way(webby, Way::Directory).await.unwrap();
    let known = forgets(&w, "ann@example.com").await;
    for email in ["nobody@example.com", "bob@example.com", "webby@example.com", "ann@example.org"] {
        let answer = forgets(&w, email).await;
        assert_eq!((answer.status, &answer.body), (known.status, &known.body), "{email}");
        assert_eq!(answer.headers, known.headers, "{email}");
    }
    let letters = sink.wait_for(2).await;
    audited(&w, "forgot_password", "unknown_address").await;
    audited(&w, "forgot_password", "disabled").await;
    let webbys = letters.iter().find(|letter| letter.contains("To: webby@")).unwrap();
    assert!(webbys.contains("account of your company") && !webbys.contains("/reset#"), "{webbys}");
    assert_eq!(sink.letters().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_takes_as_long_whether_there_is_an_account_or_not() {
    let (w, _sink) = with_mail(Manner::Takes).await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..200u32 {
        let [_, _, high, low] = n.to_be_bytes();
        for (email, times) in [("ann@example.com", &mut known), ("nobody@example.com", &mut unknown)] {
            let began = Instant::now();
            let answer = forgets_from(&w, email, [198, 51, high, low]).await;
            times.push(began.elapsed());
            assert_eq!(answer.status, 202);
            // What goes on behind the answer is not the answer.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        // An hour later, so that each question finds an account that may have a letter.
        w.passes(HOUR / 3 + 1000);
    }
    known.sort_unstable();
    unknown.sort_unstable();
    let (a, b) = (known[100], unknown[100]);
    let apart = a.abs_diff(b);
    println!("medians over 200 tries: known {a:?}, unknown {b:?}");
    assert!(apart < a.max(b) / 2 + Duration::from_micros(200), "known {a:?}, unknown {b:?}");
}

#[tokio::test]
async fn three_letters_an_hour_for_one_account_and_twenty_questions_from_one_place() {
    let (w, sink) = with_mail(Manner::Takes).await;
    for n in 0..6 {
        // From everywhere: it is the account that is counted.
        assert_eq!(forgets_from(&w, "ann@example.com", [203, 0, 113, n]).await.status, 202);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    audited(&w, "forgot_password", "too_many_letters").await;
    assert_eq!(sink.wait_for(3).await.len(), 3);
    for n in 0..20 {
        assert_eq!(forgets(&w, &format!("nobody{n}@example.com")).await.status, 202, "{n}");
    }
    for email in ["ann@example.com", "nobody@example.com"] {
        let limited = forgets(&w, email).await;
        limited.is(429, "too_many_attempts");
        assert_eq!(limited.body["retry_after_s"], 3600);
    }
    w.passes(HOUR);
    assert_eq!(forgets(&w, "ann@example.com").await.status, 202);
    assert_eq!(sink.wait_for(4).await.len(), 4);
}

#[tokio::test]
async fn the_link_is_of_the_configured_address_whatever_the_request_claims() {
    let (w, sink) = with_mail(Manner::Takes).await;
    let ask = async |host: &str, extra: &str| {
        let request = axum::http::Request::builder()
            .method("POST")
            .uri("/api/forgot")
            .header("content-type", "application/json")
            .header("host", host)
            .header("x-forwarded-host", extra)
            .header("forwarded", format!("host={extra}"))
            .header("referer", format!("https://{extra}/"))
            .body(Body::from(json!({ "email": "ann@example.com" }).to_string()));
        w.send(request.unwrap()).await
    };
    for foreign in [
        "evil.example",
        "desk.example",
        "desk.example:8443.evil.example",
        "desk.example:443",
        "192.0.2.99:8443",
        "",
    ] {
        ask(foreign, "evil.example").await.is(421, "wrong_host");
    }
    for own in ["DESK.example:8443", "127.0.0.1:8443", "localhost:9000"] {
        assert_eq!(ask(own, "evil.example").await.status, 202, "{own}");
    }
    for letter in sink.wait_for(3).await {
        token(&letter);
        assert!(!letter.contains("evil"), "{letter}");
    }
}

#[tokio::test]
async fn nobody_writes_headers_commands_or_lists_into_a_letter() {
    let (w, sink) = with_mail(Manner::Takes).await;
    let injections = [
        "ann@example.com\r\nBcc: all@example.com",
        "ann@example.com\nX: y",
        "ann@example.com%0d%0aBcc:x@y.z\r",
        "ann@example.com,evil@example.org",
        "ann@example.com;evil@example.org",
        "Ann <ann@example.com>",
        "ann@example.com>\r\nRCPT TO:<evil@example.org",
        "\"ann\"@example.com",
        "ann@example.com\u{0}",
        "",
        "@",
        "ann",
        "ann@example.com evil@example.org",
        "ann@[127.0.0.1]",
        "änn@example.com",
        "ann@example.com\u{202e}",
    ];
    for email in injections {
        forgets(&w, email).await.is(422, "email_invalid");
    }
    forgets(&w, &format!("{}@example.com", "a".repeat(5000))).await.is(422, "email_invalid");
    let odd = [
        json!({}),
        json!({ "email": 7 }),
        json!({ "email": null }),
        json!({ "email": ["ann@example.com"] }),
        json!([]),
    ];
    for body in odd {
        post(&w, "/api/forgot", body).await.is(400, "bad_request");
    }
    let huge = json!({ "email": "a".repeat(20_000) });
    post(&w, "/api/forgot", huge).await.is(413, "too_large");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((sink.letters().len(), sink.talks.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn tokens_that_never_were_are_told_nothing() {
    let (w, _) = with_mail(Manner::Takes).await;
    let forty_three = "A".repeat(43);
    for token in ["", "x", forty_three.as_str(), "../../etc/passwd", "' OR 1=1 --", "Ä", &"A".repeat(5000)] {
        post(&w, "/api/reset/look", json!({ "token": token })).await.is(410, "link_expired");
        chooses(&w, token, NEW).await.is(410, "link_expired");
    }
    for body in [
        json!({}),
        json!({ "token": 7, "new": NEW }),
        json!({ "token": forty_three }),
        json!({ "token": null, "new": NEW }),
    ] {
        post(&w, "/api/reset", body).await.is(400, "bad_request");
    }
    let huge = json!({ "token": forty_three, "new": "x".repeat(2000) });
    post(&w, "/api/reset", huge).await.is(400, "bad_request");
    assert_eq!(w.auth.passwords_checked(), 0, "a stranger's token costs no hash");
}

#[tokio::test]
async fn a_password_that_breaks_the_rules_leaves_the_link_as_it_is() {
    let (w, sink) = with_mail(Manner::Takes).await;
    forgets(&w, "ann@example.com").await;
    let token = token(&sink.wait_for(1).await[0]);
    let refused = chooses(&w, &token, "").await;
    assert!(refused.status.is_client_error() && refused.status != 410, "{refused:?}");
    assert_eq!(chooses(&w, &token, NEW).await.status, 204);
    w.try_login("ann", NEW).await.ok();
}

#[tokio::test]
async fn without_any_rules_a_link_does_not_set_a_password_of_one_letter() {
    let (w, sink) = with_mail(Manner::Takes).await;
    let rules = w.get("/api/password/rules", &Browser::default()).await.ok().body;
    let ids: Vec<&str> =
        rules["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!((&rules["profile"], ids), (&json!("off"), vec!["length", "not_common"]));
    forgets(&w, "ann@example.com").await;
    audited(&w, "forgot_password", "letter_sent").await;
    let token = token(&sink.letters()[0]);
    for (new, failed) in
        [("x", &["length", "not_common"][..]), ("xk7wmq2", &["length"]), ("password1", &["not_common"])]
    {
        let refused = chooses(&w, &token, new).await;
        refused.is(422, "password_rules");
        assert_eq!(refused.body["failed"], json!(failed), "{new}");
    }
    assert_eq!(chooses(&w, &token, "xk7wmq2p").await.status, 204);
}

#[tokio::test]
async fn without_a_mail_server_the_page_says_whom_to_ask() {
    let w = world().await;
    w.store.set_email(w.ann, Some("ann@example.com".into())).await.unwrap();
    let site = w.get("/api/site", &Browser::default()).await.ok();
    assert_eq!(site.body["forgot_password"], "ask_administrator");
    for email in ["ann@example.com", "nobody@example.com"] {
        forgets(&w, email).await.is(409, "mail_not_set");
    }
}

#[tokio::test]
async fn nobody_waits_for_a_mail_server_that_hangs() {
    let (w, sink) = with_mail(Manner::Hangs).await;
    let began = Instant::now();
    assert_eq!(forgets(&w, "ann@example.com").await.status, 202);
    w.try_login("bob", "right").await.ok();
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    let error = w.auth.test_mail(&"ann@example.com".parse().unwrap()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the mail server 127.0.0.1:{} did not finish within 1 seconds", sink.port)
    );
    assert!(error.passes());
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_is_away_is_tried_again_and_the_loss_is_written_down() {
    let (w, sink) = with_mail(Manner::Takes).await;
    let away = auth::mail::MailSettings { port: 1, ..sink.settings() };
    w.mailer.change(Some(away.clone()));
    assert_eq!(forgets(&w, "ann@example.com").await.status, 202);
    let error = w.auth.test_mail(&"ann@example.com".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1 cannot be reached: "), "{error}");
    tokio::time::sleep(Duration::from_secs(300)).await;
    audited(&w, "forgot_password", "mail_server_unreachable").await;
    // Another letter finds it back in time.
    assert_eq!(forgets(&w, "bob@example.com").await.status, 202);
    tokio::time::sleep(Duration::from_secs(1)).await;
    w.mailer.change(Some(sink.settings()));
    // What goes over a real socket takes real time.
    tokio::time::sleep(Duration::from_secs(13)).await;
    tokio::time::resume();
    audited(&w, "forgot_password", "letter_sent").await;
    assert_eq!(sink.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_waits_when_the_service_stops_is_lost_and_the_audit_log_says_so() {
    let (w, sink) = with_mail(Manner::Takes).await;
    w.mailer.change(Some(auth::mail::MailSettings { port: 1, ..sink.settings() }));
    assert_eq!(forgets(&w, "ann@example.com").await.status, 202);
    // The server is away, and the letter waits for its second try.
    tokio::time::sleep(Duration::from_secs(5)).await;
    w.mailer.change(Some(sink.settings()));
    assert_eq!(w.mailer.close().await, 0, "everything is settled when it returns");
    let log = w.store.audit_log(10).await.unwrap();
    let line = log.iter().find(|line| line.what == "forgot_password").expect("a line");
    assert_eq!((line.who.reveal(), line.outcome.as_str()), ("ann", "lost_at_stop"));
    assert!(sink.letters().is_empty());
    // Nothing new is taken.
    assert_eq!(forgets(&w, "bob@example.com").await.status, 202);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let now = w.store.audit_log(10).await.unwrap();
    assert_eq!(now.iter().filter(|line| line.outcome == "lost_at_stop").count(), 2);
}

#[tokio::test]
async fn a_refusal_of_the_mail_server_is_told_in_its_own_words() {
    let (w, _sink) = with_mail(Manner::Refuses).await;
    let error = w.auth.test_mail(&"ann@example.com".parse().unwrap()).await.unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.contains("refused the letter: 550 5.1.1 nobody  here"), "{sentence}");
    assert!(!error.passes());
    forgets(&w, "ann@example.com").await;
    audited(&w, "forgot_password", "mail_refused").await;
}

#[tokio::test]
async fn the_end_of_the_licence_is_told_at_login_and_certificates_to_who_renews_them() {
    let w = world().await;
    let (_, answer) = w.shows_password("ann").await;
    assert_eq!(answer["notices"], json!([]));
    // START is 2026-11-23.
    w.standing.licence(Installed::Licensed(Licence {
        customer: "Example GmbH".into(),
        seats: 5,
        from: day("2026-01-01").unwrap(),
        until: day("2026-12-01").unwrap(),
        contact: "sales@example.com".into(),
        notice_days: 30,
    }));
    w.standing.certificate("these pages", WallTime(START + 5 * 86_400_000));
    let (_, answer) = w.shows_password("ann").await;
    let notice = &answer["notices"][0];
    assert_eq!(
        (&notice["kind"], &notice["severity"], &notice["days"]),
        (&json!("licence"), &json!("warning"), &json!(8))
    );
    assert!(notice["sentence"].as_str().unwrap().contains("sales@example.com"), "{notice}");
    assert_eq!(answer["notices"].as_array().unwrap().len(), 1, "{answer}");
    w.store.set_role(w.ann, Role::Engineer).await.unwrap();
    let (_, answer) = w.shows_password("ann").await;
    let kinds: Vec<&str> =
        answer["notices"].as_array().unwrap().iter().filter_map(|n| n["kind"].as_str()).collect();
    assert_eq!(kinds, ["certificate", "licence"]);
    let described = w.auth.describe_licence().await.unwrap();
    assert_eq!(
        (&described["status"], &described["licence"]["until"]),
        (&json!("ending"), &json!("2026-12-01"))
    );
    assert_eq!(described["seats_used"], 4);
}
