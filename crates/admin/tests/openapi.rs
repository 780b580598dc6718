//! The description of the API is the API: every route is in it, everything in it is there, and the words are the same.

mod house;

use auth::Reason;
use axum::body::Body;
use house::house;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn document() -> Value {
    serde_json::to_value(admin::openapi::document()).unwrap()
}

/// `get /api/me` and so on, as described.
fn described() -> BTreeSet<String> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let lines = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
    });
    lines.collect()
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, ends: &[&str], found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, ends, found);
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The routes as the source mounts them: axum does not tell, so what is written is read.
fn mounted() -> BTreeSet<String> {
    let mut files = Vec::new();
    for name in ["auth", "admin"] {
        sources(&crates().join(name).join("src"), &[".rs"], &mut files);
    }
    let mut routes = BTreeSet::new();
    for (_, text) in files {
        for piece in text.split(".route(").skip(1) {
            let Some(path) = piece.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            // Up to the parenthesis that closes `.route(`.
            let mut depth = 1;
            let end = piece.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            let handlers = &piece[..end.unwrap_or(piece.len())];
            for method in ["get", "post", "put", "delete", "patch"] {
                let called = |(at, _): (usize, &str)| {
                    !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                };
                if handlers.match_indices(&format!("{method}(")).any(called) {
                    routes.insert(format!("{method} {path}"));
                }
            }
        }
    }
    routes
}

#[test]
fn every_route_is_described() {
    let (mounted, described) = (mounted(), described());
    assert!(mounted.len() > 20, "the reader of routes reads: {mounted:?}");
    let missing: Vec<_> = mounted.difference(&described).collect();
    assert!(missing.is_empty(), "mounted and not described (crates/admin/src/operations.rs): {missing:?}");
}

#[tokio::test]
async fn everything_described_is_there() {
    use tower::ServiceExt;
    let h = house().await;
    // There only where a provider is configured; this world has none.
    const WHERE_ENABLED: &[&str] = &["get /api/login/oidc", "get /api/login/oidc/back"];
    let mut missing = Vec::new();
    for line in described() {
        if WHERE_ENABLED.contains(&line.as_str()) {
            continue;
        }
        let (method, path) = line.split_once(' ').unwrap();
        let request = http::Request::builder()
            .method(method.to_uppercase().as_str())
            .uri(path.replace(['{', '}'], ""))
            .header("content-type", "application/json");
        let answer = h.app.clone().oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 16 << 20).await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status == 405 || (status == 404 && body["reason"] == "not_found") {
            missing.push(line);
        }
    }
    assert!(missing.is_empty(), "described and not there: {missing:?}");
}

#[tokio::test]
async fn the_description_is_served_to_anybody_and_its_references_lead_somewhere() {
    let h = house().await;
    let (status, headers, text) = h.text("/api/openapi.json", &house::world::Browser::default()).await;
    assert_eq!((status.as_u16(), headers["content-type"].to_str().unwrap()), (200, "application/json"));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut ids = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            assert!(operation["responses"]["default"].is_object(), "refusals are described: {operation}");
        }
    }
    let known = document["components"]["schemas"].as_object().unwrap();
    for piece in text.split("\"$ref\":\"").skip(1) {
        let target = piece.split('"').next().unwrap();
        let name = target.strip_prefix("#/components/schemas/").unwrap();
        assert!(known.contains_key(name), "{target} leads nowhere");
    }
}

#[test]
fn the_closed_list_of_reasons_is_in_it() {
    let document = document();
    let listed: Vec<_> = document["components"]["schemas"]["Reason"]["enum"].as_array().unwrap().clone();
    let words: Vec<_> = Reason::ALL.iter().map(|reason| Value::from(reason.word())).collect();
    assert_eq!(listed, words);
}

/// What a page compares a refusal with must be a word that can come.
#[test]
fn the_pages_know_no_reason_that_does_not_exist() {
    // Made by the page itself, when no answer came.
    const OF_THE_PAGE: &[&str] = &["no_connection"];
    // What JavaScript says of any text.
    const TYPES: &[&str] = &["string", "object", "undefined"];
    let mut files = Vec::new();
    sources(&crates().join("desktop/web/src"), &[".ts", ".tsx"], &mut files);
    let mut seen = 0;
    for (file, text) in &files {
        for piece in text.split("reason === '").skip(1) {
            let word = piece.split('\'').next().unwrap();
            if TYPES.contains(&word) {
                continue;
            }
            seen += 1;
            let known = Reason::ALL.iter().any(|reason| reason.word() == word) || OF_THE_PAGE.contains(&word);
            assert!(known, "{}: no refusal says {word}", file.display());
        }
    }
    assert!(seen > 0, "the pages compare reasons somewhere");
}
