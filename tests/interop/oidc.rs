//! Agents who log in at a provider of OpenID Connect: a real one, configured like Google, and Chromium between it and us.

use crate::desk::PASSWORD;
use crate::lab::web::Web;
use crate::lab::{Hotseat, free_port};
use crate::page::Page;
use crate::samba::certificates;

#[test]
fn the_provider_says_who_somebody_is() {
    let hotseat = Hotseat::start_with("[limits]\nlogins_per_minute = 1000\n");
    let mut web = Web::new(&hotseat, "site");
    assert_eq!(web.get("/api/login/oidc").status, 404, "where it is not enabled there is nothing");
    assert_eq!(web.get("/api/login/oidc/back?code=a&state=b").status, 404);
    certificates(&hotseat.folder);
    let port = free_port();
    let toml = format!(
        "issuer = \"https://127.0.0.1:{port}\"\nclient_id = \"hotseat\"\nclient_secret = \"provider-secret-0123456789\"\n\
         label = \"Log in with Example\"\nhosted_domain = \"example.com\"\nca = \"../ca.pem\"\n"
    );
    std::fs::write(hotseat.config.join("oidc.toml"), toml).expect("a file");
    hotseat.cli(&["reload"], "");
    let site = web.get("/api/site").json;
    assert_eq!(site["oidc_label"], "Log in with Example", "{site}");
    hotseat.add_agent("ann", "2001", PASSWORD);
    let way = hotseat.cli(&["way", "ann", "oidc", "--email", "ann@example.com"], "");
    assert_eq!(way["email"], "ann@example.com");
    assert_eq!(web.login("ann", PASSWORD).status, 401, "an old password of ours opens nothing");
    // The provider does not run yet: said at once, and to the page.
    assert_eq!(web.get("/api/login/oidc").status, 302);
    std::thread::sleep(std::time::Duration::from_secs(6));
    let told = serde_json::json!({
        "base": hotseat.https, "provider": port, "key": hotseat.folder.join("dc.key"), "cert": hotseat.folder.join("dc.pem"),
    });
    eprintln!("{}", Page::run("oidc.mjs", &told).ends_well());
    assert!(!hotseat.log().contains("provider-secret"), "a secret lies in the log");
    assert_eq!(hotseat.cli(&["oidc", "forget", "ann"], "")["was_bound"], true);
}
