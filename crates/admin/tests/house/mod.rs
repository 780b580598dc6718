//! The small world of `auth`'s tests with the administrators' door in it: bob looks after everybody.

// Each test file is a program of its own and uses its own share of this.
#![allow(dead_code)]

#[path = "../../../auth/tests/world/mod.rs"]
pub mod world;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::ops::{Deref, DerefMut};
use store::{Accounts, AuditFilter, AuditLine, AuditLog};
use terms::{Right, Rights, Role};
use tokio::sync::watch;
use world::{Answer, Browser, World};

/// A world in which bob is an administrator.
pub struct House {
    world: World,
    pub rights: watch::Sender<Rights>,
}

impl Deref for House {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for House {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

pub async fn house() -> House {
    let mut world = world::world().await;
    let (rights, now) = watch::channel(Rights::default());
    world.app = world.app.merge(admin::router(world.auth.clone(), now));
    world.store.set_role(world.bob, Role::Administrator).await.unwrap();
    House { world, rights }
}

impl House {
    /// Bob, whose session is there without his sitting anywhere.
    pub async fn boss(&self) -> Browser {
        self.shows_password("bob").await.0
    }

    /// From now on an administrator may do exactly this.
    pub fn only(&self, rights: &[Right]) {
        self.rights.send_modify(|all| all.give(Role::Administrator, rights));
    }

    pub async fn does(&self, browser: &Browser, path: &str) -> Answer {
        self.post(path, browser, json!({})).await
    }

    pub async fn audit_lines(&self, what: &str) -> Vec<AuditLine> {
        let filter = AuditFilter { what: Some(what.into()), ..AuditFilter::default() };
        self.store.audit_page(&filter, None, 1000).await.unwrap()
    }

    /// The answer as text, whatever it is.
    pub async fn text(&self, path: &str, browser: &Browser) -> (StatusCode, http::HeaderMap, String) {
        use tower::ServiceExt;
        let request = self.request("GET", path, browser).body(Body::empty()).unwrap();
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    pub async fn login_of(&self, browser: &Browser) -> u64 {
        self.get("/api/me", browser).await.ok().body["login"]["id"].as_u64().unwrap()
    }
}

pub fn request_of(value: &Value) -> Body {
    Body::from(value.to_string())
}

pub type Raw = Request<Body>;
