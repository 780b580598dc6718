//! What administrators, engineers and supervisors do, and what everybody concerned sees of it.

mod house;

use house::house;
use house::world::Browser;
use serde_json::json;
use store::{Accounts, Store};
use terms::{Activity, LoginEndReason, Role, WallTime};

#[tokio::test]
async fn a_supervisor_ends_a_login_and_the_page_is_told_by_whom() {
    let h = house().await;
    let ann = h.sits("ann", "desk-17").await;
    h.store.set_role(h.bob, Role::Supervisor).await.unwrap();
    let boss = h.boss().await;
    let list = h.get("/api/admin/logins", &boss).await.ok();
    let row = &list.body["logins"][0];
    assert_eq!(
        (&row["agent"], &row["phone"], &row["site"]),
        (&json!("ann"), &json!("desk-17"), &json!("Main"))
    );
    let id = row["id"].as_u64().unwrap();
    h.core.activity.lock().unwrap().insert(h.ann, (Activity::InCall, WallTime(1)));

    // Ending a login and freeing a phone are two rights.
    h.does(&boss, "/api/admin/phones/desk-17/free").await.is(403, "right_missing");
    let done = h.does(&boss, &format!("/api/admin/logins/{id}/end")).await.ok();
    assert_eq!(
        done.body["sentence"],
        "The login of ANN Example at Label desk-17 was ended. A call ended with it."
    );
    assert_eq!(
        done.body["effect"],
        json!({ "login": id, "agent": "ann", "phone": "desk-17", "in_call": true })
    );
    let told = h.get("/api/me", &ann).await;
    told.is(401, "login_ended");
    assert_eq!(
        (&told.body["why"], &told.body["sentence"]),
        (&json!("released_by_administrator"), &json!("An administrator ended your login."))
    );
    h.does(&boss, &format!("/api/admin/logins/{id}/end")).await.is(404, "login_unknown");
    let lines = h.audit_lines("login_ended").await;
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!((line.who.reveal(), line.whom.reveal(), line.outcome.as_str()), ("bob", "ann", "done"));
    assert_eq!((line.from.as_str(), &line.detail), ("192.0.2.7", &Some(done.body["effect"].clone())));
}

#[tokio::test]
async fn an_engineer_frees_a_phone_and_cannot_end_a_login() {
    let h = house().await;
    let ann = h.sits("ann", "desk-17").await;
    h.store.set_role(h.bob, Role::Engineer).await.unwrap();
    let boss = h.boss().await;
    let id = h.login_of(&ann).await;
    h.does(&boss, &format!("/api/admin/logins/{id}/end")).await.is(403, "right_missing");
    let phones = h.get("/api/admin/phones", &boss).await.ok();
    let names: Vec<_> = phones.body["phones"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert_eq!(names, ["desk-9", "desk-10", "desk-17", "desk-18", "desk-19"].map(|name| json!(name)));
    assert_eq!(phones.body["phones"][2]["login"]["agent"], "ann");
    assert_eq!(phones.body["phones"][0]["login"], json!(null));

    h.does(&boss, "/api/admin/phones/desk-9/free").await.is(409, "phone_free");
    let done = h.does(&boss, "/api/admin/phones/desk-17/free").await.ok();
    assert_eq!(done.body["sentence"], "Label desk-17 is free again; the login of ANN Example was ended.");
    let told = h.get("/api/me", &ann).await;
    told.is(401, "login_ended");
    assert_eq!(told.body["why"], "phone_freed");
    assert_eq!(told.body["sentence"], LoginEndReason::PhoneFreed.sentence());
    h.does(&boss, "/api/admin/phones/desk-17/free").await.is(409, "phone_free");
    assert_eq!(h.audit_lines("phone_freed").await.len(), 1);
}

#[tokio::test]
async fn a_site_is_logged_out_as_it_was_shown() {
    let h = house().await;
    let ann = h.sits("ann", "desk-17").await;
    let boss = h.boss().await;
    let path = "/api/admin/sites/Main/logout";
    h.core.activity.lock().unwrap().insert(h.ann, (Activity::InCall, WallTime(1)));
    let sites = h.get("/api/admin/sites", &boss).await.ok();
    assert_eq!(
        (&sites.body["sites"][0]["name"], &sites.body["sites"][0]["phones"]),
        (&json!("Main"), &json!(5))
    );
    let shown = h.post(path, &boss, json!({ "dry_run": true })).await.ok();
    assert_eq!(
        (
            &shown.body["logins"],
            &shown.body["in_call"],
            &shown.body["stay"],
            &shown.body["agents"][0]["name"]
        ),
        (&json!(1), &json!(1), &json!(0), &json!("ann"))
    );
    assert_eq!(shown.body["sentence"], "1 would be logged out at Main; 1 calls would end.");
    h.get("/api/me", &ann).await.ok();
    let confirm = shown.body["confirm"].as_str().unwrap();

    h.post(path, &boss, json!({ "confirm": "made-up" })).await.is(410, "confirm_expired");
    h.post("/api/admin/sites/Nowhere/logout", &boss, json!({ "confirm": confirm }))
        .await
        .is(404, "site_unknown");
    let done = h.post(path, &boss, json!({ "confirm": confirm })).await.ok();
    assert_eq!(done.body["sentence"], "One login was ended at Main.");
    assert_eq!(done.body["effect"], json!({ "site": "Main", "logins": 1, "calls": 1, "stayed": 0 }));
    let told = h.get("/api/me", &ann).await;
    assert_eq!(told.body["why"], "site_logout", "{told:?}");
    h.post(path, &boss, json!({ "confirm": confirm })).await.is(410, "confirm_expired");
    let lines = h.audit_lines("login_ended").await;
    assert_eq!((lines[0].whom.reveal(), lines[0].outcome.as_str()), ("ann", "site_logout"));
    let outcomes: Vec<_> = h.audit_lines("site_logout").await.into_iter().map(|line| line.outcome).collect();
    assert_eq!(outcomes, ["confirm_expired", "done", "confirm_expired"]);
}

#[tokio::test]
async fn who_was_not_shown_is_not_logged_out_and_who_left_is_no_matter() {
    let h = house().await;
    let ann = h.sits("ann", "desk-17").await;
    let boss = h.boss().await;
    let path = "/api/admin/sites/Main/logout";
    let shown = async || h.post(path, &boss, json!({ "dry_run": true })).await.ok().body["confirm"].clone();
    let old = shown().await;
    h.does(&boss, &format!("/api/admin/logins/{}/end", h.login_of(&ann).await)).await.ok();
    let again = h.sits("ann", "desk-9").await;
    let changed = h.post(path, &boss, json!({ "confirm": old })).await;
    changed.is(409, "changed_since");
    assert_eq!(changed.body["new"], 1);
    h.get("/api/me", &again).await.ok();

    let confirm = shown().await;
    h.does(&boss, &format!("/api/admin/logins/{}/end", h.login_of(&again).await)).await.ok();
    let done = h.post(path, &boss, json!({ "confirm": confirm })).await.ok();
    assert_eq!(done.body["sentence"], "Nobody was logged out at Main.");

    // Two minutes, and only the one who was shown it.
    h.sits("ann", "desk-9").await;
    let confirm = shown().await;
    h.store.set_role(h.ann, Role::Administrator).await.unwrap();
    let other = h.shows_password("ann").await.0;
    h.post(path, &other, json!({ "confirm": confirm })).await.is(410, "confirm_expired");
    h.passes(120_000);
    h.post(path, &boss, json!({ "confirm": confirm })).await.is(410, "confirm_expired");
    assert_eq!(h.store.logins().await.unwrap().len(), 1);
}

#[tokio::test]
async fn where_calls_are_not_ended_those_in_a_call_stay() {
    let h = house().await;
    h.core.refuse.store(true, std::sync::atomic::Ordering::SeqCst);
    let ann = h.sits("ann", "desk-17").await;
    h.core.activity.lock().unwrap().insert(h.ann, (Activity::InCall, WallTime(1)));
    let boss = h.boss().await;
    let path = "/api/admin/sites/Main/logout";
    let shown = h.post(path, &boss, json!({ "dry_run": true })).await.ok();
    assert_eq!((&shown.body["stay"], &shown.body["agents"][0]["stays"]), (&json!(1), &json!(true)));
    let done = h.post(path, &boss, json!({ "confirm": shown.body["confirm"] })).await.ok();
    assert_eq!(done.body["sentence"], "Nobody was logged out at Main. One is in a call and stays.");
    h.get("/api/me", &ann).await.ok();
}

#[tokio::test]
async fn agents_are_found_a_page_at_a_time() {
    let h = house().await;
    h.sits("ann", "desk-17").await;
    let boss = h.boss().await;
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = h.get(&format!("/api/admin/agents?limit=2&after={after}"), &boss).await.ok();
        let rows = page.body["agents"].as_array().unwrap().clone();
        assert!(rows.len() <= 2);
        names.extend(rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        match page.body["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(&names[..2], ["ann", "bob"]);
    let mut sorted = names.clone();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "each once");
    let found = |query: &str| {
        let path = format!("/api/admin/agents?find={query}");
        let (h, boss) = (&h, &boss);
        async move {
            let list = h.get(&path, boss).await.ok().body["agents"].as_array().unwrap().clone();
            list.into_iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(found("ANN").await, ["ann"]);
    assert_eq!(found("2002").await, ["bob"]);
    assert_eq!(found("bob%20ex").await, ["bob"]);
    assert_eq!(found("%25").await, Vec::<String>::new(), "no sign means anything but itself");
    assert_eq!(found("_").await, Vec::<String>::new());
    let all = h.get("/api/admin/agents", &boss).await.ok();
    let ann = &all.body["agents"][0];
    assert_eq!(
        (&ann["role"], &ann["way"], &ann["enabled"]),
        (&json!("agent"), &json!("local"), &json!(true))
    );
    assert_eq!(
        (&ann["login"]["phone"], &ann["last_login"]),
        (&json!("desk-17"), &json!(house::world::START))
    );
    assert_eq!(all.body["agents"][1]["role"], "administrator");
}

#[tokio::test]
async fn an_administrator_keeps_somebody_out_and_lets_them_in_again() {
    let h = house().await;
    let ann = h.sits("ann", "desk-17").await;
    let boss = h.boss().await;
    let done = h.does(&boss, "/api/admin/agents/ann/disable").await.ok();
    assert_eq!(done.body["effect"], json!({ "agent": "ann", "enabled": false, "login_ended": true }));
    h.get("/api/me", &ann).await.is(401, "login_ended");
    h.try_login("ann", "right").await.is(401, "wrong_credentials");
    h.does(&boss, "/api/admin/agents/ANN/enable").await.ok();
    h.try_login("ann", "right").await.ok();
    h.does(&boss, "/api/admin/agents/bob/disable").await.is(409, "own_account");
    h.does(&boss, "/api/admin/agents/nobody/disable").await.is(404, "agent_unknown");
    let whats: Vec<_> = h.audit_lines("agent_disabled").await.into_iter().map(|l| l.outcome).collect();
    assert_eq!(whats, ["own_account", "done"]);
}

#[tokio::test]
async fn no_lesser_role_becomes_a_greater_one() {
    let h = house().await;
    use terms::Right::*;
    h.rights.send_modify(|all| all.give(Role::Supervisor, &[SeeLogins, EndLogins, ManageAgents]));
    h.store.set_role(h.ann, Role::Supervisor).await.unwrap();
    let (lesser, _) = h.shows_password("ann").await;
    let role = async |who: &Browser, name: &str, role: &str| {
        h.post(&format!("/api/admin/agents/{name}/role"), who, json!({ "role": role })).await
    };
    role(&lesser, "ann", "administrator").await.is(409, "own_account");
    role(&lesser, "bob", "agent").await.is(403, "rights_exceeded");
    role(&lesser, "webby", "administrator").await.is(403, "rights_exceeded");
    role(&lesser, "webby", "engineer").await.is(403, "rights_exceeded");
    h.does(&lesser, "/api/admin/agents/bob/disable").await.is(403, "rights_exceeded");
    h.post("/api/admin/agents/bob/password", &lesser, json!({})).await.is(403, "rights_exceeded");
    let mail = json!({ "email": "eve@evil.example" });
    h.post("/api/admin/agents/bob/email", &lesser, mail).await.is(403, "rights_exceeded");
    h.does(&lesser, "/api/admin/agents/bob/factors/reset").await.is(403, "rights_exceeded");
    let done = role(&lesser, "webby", "supervisor").await.ok();
    assert_eq!(done.body["effect"], json!({ "agent": "webby", "role": "supervisor", "was": "agent" }));
    assert_eq!(done.body["sentence"], "WEBBY Example is a supervisor now.");
    role(&lesser, "webby", "agent").await.ok();
    let refused = h.audit_lines("role_changed").await;
    assert_eq!(refused.iter().filter(|line| line.outcome == "rights_exceeded").count(), 3);
    assert_eq!(refused.iter().filter(|line| line.outcome == "own_account").count(), 1);
}

#[tokio::test]
async fn a_password_given_by_an_administrator_is_good_for_changing_it() {
    let h = house().await;
    let boss = h.boss().await;
    let done = h.post("/api/admin/agents/ann/password", &boss, json!({})).await.ok();
    let made = done.body["effect"]["password"].as_str().unwrap().to_owned();
    assert_eq!(made.len(), 19);
    h.try_login("ann", "right").await.is(401, "wrong_credentials");
    let told = h.try_login("ann", &made).await.ok();
    assert_eq!(told.body["state"], "change_password", "{told:?}");
    let lines = h.audit_lines("password_set").await;
    assert!(!format!("{:?}", lines[0].detail).contains(&made), "no secret in the log");
    let typed =
        h.post("/api/admin/agents/ann/password", &boss, json!({ "password": "Typed-by-boss-77" })).await.ok();
    assert_eq!(typed.body["effect"].get("password"), None);
    assert_eq!(h.try_login("ann", "Typed-by-boss-77").await.ok().body["state"], "change_password");
}

#[tokio::test]
async fn an_address_is_set_checked_and_taken_away() {
    let h = house().await;
    let boss = h.boss().await;
    let set =
        async |email: &str| h.post("/api/admin/agents/ann/email", &boss, json!({ "email": email })).await;
    set("ann@example.com\r\nBcc: eve@evil.example").await.is(422, "email_invalid");
    set("ann@example.com, eve@evil.example").await.is(422, "email_invalid");
    let done = set(" ann@example.com ").await.ok();
    assert_eq!(done.body["effect"]["email"], "ann@example.com");
    let list = h.get("/api/admin/agents?find=example.com", &boss).await.ok();
    assert_eq!(list.body["agents"][0]["email"], "ann@example.com");
    assert_eq!(set("").await.ok().body["effect"]["email"], json!(null));
}

#[tokio::test]
async fn the_audit_log_is_read_filtered_and_taken_home() {
    let h = house().await;
    h.try_login("=cmd()", "wrong").await;
    h.try_login("ann", "wrong").await;
    let boss = h.boss().await;
    let page = h.get("/api/admin/audit?outcome=wrong_credentials", &boss).await.ok();
    let names: Vec<_> = page.body["lines"].as_array().unwrap().iter().map(|l| l["who"].clone()).collect();
    assert_eq!(names, [json!("ann"), json!("=cmd()")]);
    assert_eq!(page.body["next"], json!(null));
    let one = h.get("/api/admin/audit?limit=1", &boss).await.ok();
    let next = one.body["next"].as_u64().unwrap();
    let rest = h.get(&format!("/api/admin/audit?before={next}"), &boss).await.ok();
    assert!(rest.body["lines"].as_array().unwrap().iter().all(|line| line["id"].as_u64().unwrap() < next));
    let none = h.get("/api/admin/audit?to=2001-01-01", &boss).await.ok();
    assert_eq!(none.body["lines"], json!([]));

    let (status, headers, text) = h.text("/api/admin/audit.csv?outcome=wrong_credentials", &boss).await;
    assert_eq!(status, 200, "{text}");
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(headers["cache-control"], "no-store");
    assert!(headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "number,at,who,from,what,outcome,whom,detail");
    assert_eq!(rows.len(), 3);
    assert!(rows[2].contains(",'=cmd(),"), "{text}");
    let export = h.audit_lines("audit_export").await;
    assert_eq!((export.len(), export[0].who.reveal()), (1, "bob"));
}

#[tokio::test]
async fn an_export_of_many_lines_is_whole_and_no_more_than_two_run() {
    let h = house().await;
    for n in 0..2500 {
        let who = terms::Pii::new(format!("n{n}"));
        h.store.audit(WallTime(n), &who, "192.0.2.1", "bulk", "done").await.unwrap();
    }
    let boss = h.boss().await;
    let (_, _, text) = h.text("/api/admin/audit.csv?what=bulk", &boss).await;
    assert_eq!(text.lines().count(), 2501);
    assert!(
        text.lines().nth(1).unwrap().contains(",n2499,") && text.lines().last().unwrap().contains(",n0,")
    );

    use axum::body::Body;
    use tower::ServiceExt;
    let ask = async || {
        let request = h.request("GET", "/api/admin/audit.csv", &boss).body(Body::empty()).unwrap();
        h.app.clone().oneshot(request).await.unwrap()
    };
    let (one, two) = (ask().await, ask().await);
    assert_eq!(ask().await.status(), 503, "a third waits");
    drop((one, two));
    assert_eq!(ask().await.status(), 200);
}

#[tokio::test]
async fn a_password_chosen_for_somebody_keeps_the_rules_too_and_the_sentence_says_which() {
    let h = house().await;
    let boss = h.boss().await;
    let gives = async |password: &str| {
        h.post("/api/admin/agents/ann/password", &boss, json!({ "password": password })).await
    };
    for (password, failed) in [("x", &["length", "not_common"][..]), ("password1", &["not_common"])] {
        let refused = gives(password).await;
        refused.is(422, "password_rules");
        assert_eq!(refused.body["failed"], json!(failed));
        assert!(refused.body["sentence"].as_str().unwrap().contains("not a common password"), "{refused:?}");
    }
    h.core.policies.lock().unwrap().passwords.profile = auth::suite::Profile::Suite;
    let refused = gives("xk7wmq2p").await;
    assert_eq!(refused.body["failed"], json!(["upper", "special"]));
    h.try_login("ann", "right").await.ok();
    gives("Kx7#mQ2p").await.ok();
    let asked = h.try_login("ann", "Kx7#mQ2p").await.ok();
    assert_eq!(
        (&asked.body["state"], &asked.body["why"]),
        (&json!("change_password"), &json!("administrator"))
    );
    // Made by chance it is never refused.
    h.does(&boss, "/api/admin/agents/ann/password").await.ok();
    let outcomes: Vec<String> =
        h.audit_lines("password_set").await.into_iter().map(|line| line.outcome).collect();
    assert_eq!(outcomes, ["done", "done", "password_rules", "password_rules", "password_rules"]);
}

#[tokio::test]
async fn what_went_on_at_the_door_is_counted() {
    let h = house().await;
    h.try_login("ann", "wrong").await;
    let boss = h.boss().await;
    let seen = h.get("/api/admin/security", &boss).await.ok();
    let counts = seen.body["counts"].as_array().unwrap();
    assert!(
        counts.contains(&json!({ "what": "login", "outcome": "wrong_credentials", "count": 1 })),
        "{seen:?}"
    );
    assert_eq!((&seen.body["takeover"], &seen.body["blocked_count"]), (&json!("end"), &json!(0)));
    let settings = &seen.body["settings"];
    assert_eq!(
        (&settings["session"]["hours"], &settings["factors"]),
        (&json!(12), &json!({ "required": [] }))
    );
    for part in ["mail", "directory", "oidc"] {
        assert_eq!(settings.get(part), Some(&json!(null)), "{part} is not set up, and said so");
    }
}

#[tokio::test]
async fn a_store_in_trouble_is_said_so_and_nothing_is_half_done() {
    let h = house().await;
    let ann = h.sits("ann", "desk-17").await;
    let boss = h.boss().await;
    let id = h.login_of(&ann).await;
    h.store.refuse_writes(Some(terms::StoreError::Busy("held".into())));
    h.does(&boss, &format!("/api/admin/logins/{id}/end")).await.is(503, "busy");
    h.does(&boss, "/api/admin/agents/ann/disable").await.is(503, "busy");
    h.store.refuse_writes(None);
    h.get("/api/me", &ann).await.ok();
}
