//! The event stream: what changes on the phone list, and what happens to this login, the moment it happens.

use crate::board::Frame;
use crate::refusal::{Reason, Refusal};
use crate::state::{Auth, Inner, ended};
use crate::{Core, request};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::Response;
use http::request::Parts;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, WebSession};
use terms::WallTime;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Both kinds of ping: the protocol's keeps the connection open through proxies, the frame is what a page can see.
const PING: Duration = Duration::from_secs(20);
/// Nothing heard for this long, not even a pong: the page is gone.
const SILENCE: Duration = Duration::from_secs(65);
/// A page that does not read for this long is closed; it comes back with `?after=`.
const SEND: Duration = Duration::from_secs(10);
/// Bytes a page may send at once; it has nothing to say here.
const INCOMING_MAX: usize = 4096;
/// Streams of one session: its tabs.
const STREAMS_PER_SESSION_MAX: usize = 8;
/// The browser must not reconnect: the login is over (RFC 6455 §7.4.2, private use).
const CLOSE_LOGIN_ENDED: u16 = 4001;
/// Policy violation (RFC 6455 §7.4.1): the session ran out.
const CLOSE_EXPIRED: u16 = 1008;

#[derive(Deserialize)]
pub(crate) struct Resume {
    #[serde(alias = "since")]
    after: Option<u64>,
}

/// `GET /api/events?after=SEQ`.
pub(crate) async fn stream<S: Store, C: Core>(
    State(auth): State<Auth<S, C>>,
    parts: Parts,
    resume: Result<Query<Resume>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    if let Err(refusal) = request::require_origin(&parts.uri, &parts.headers, auth.origins()) {
        auth.foreign_page(&parts).await;
        return Err(refusal);
    }
    let session = auth.session(&parts.headers, Reason::NoSession).await?;
    let Query(resume) = resume.map_err(|_| Reason::BadRequest)?;
    let upgrade = upgrade.map_err(|_| Reason::BadRequest)?;
    let all = Arc::clone(&auth.streams).try_acquire_owned().map_err(|_| Reason::Busy)?;
    let tabs = tabs_of(&auth, session.token_sha256).try_acquire_owned().map_err(|_| Reason::Busy)?;
    auth.refresh().await?;
    let upgrade = upgrade.max_message_size(INCOMING_MAX).max_frame_size(INCOMING_MAX);
    Ok(upgrade.on_upgrade(async move |socket| {
        let token = session.token_sha256;
        follow(&auth, socket, session, resume.after).await;
        drop((all, tabs));
        auth.streams_of.remove_if(&token, |_, tabs| tabs.available_permits() == STREAMS_PER_SESSION_MAX);
    }))
}

fn tabs_of<S, C>(auth: &Inner<S, C>, token: [u8; 32]) -> Arc<Semaphore> {
    let fresh = || Arc::new(Semaphore::new(STREAMS_PER_SESSION_MAX));
    Arc::clone(&auth.streams_of.entry(token).or_insert_with(fresh))
}

async fn follow<S: Store, C: Core>(
    auth: &Auth<S, C>,
    mut socket: WebSocket,
    session: WebSession,
    after: Option<u64>,
) {
    // Subscribed before the session is looked at again: an end that falls in between is in the one or the other.
    let (mut frames, first) = {
        let mut board = auth.board();
        let (frames, missed) = board.follow(after);
        let first = missed.unwrap_or_else(|| vec![board.snapshot()]);
        (frames, first)
    };
    match auth.store.session(session.token_sha256, auth.now()).await {
        Ok(Some(_)) => {}
        Ok(None) => return close_dead(auth, socket, &session).await,
        Err(_) => return close(socket, 1013, "try again later").await,
    }
    let mut sent = after.unwrap_or(0);
    for frame in first {
        sent = frame.seq;
        if is_for(&frame, &session) && !send(&mut socket, Message::Text(frame.text)).await {
            return;
        }
    }
    let mut ping = interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    let mut heard = tokio::time::Instant::now();
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Ok(frame) if frame.seq <= sent => {}
                Ok(frame) => {
                    sent = frame.seq;
                    if !is_for(&frame, &session) {
                        continue;
                    }
                    let last = frame.last;
                    if !send(&mut socket, Message::Text(frame.text)).await {
                        return;
                    }
                    if last {
                        return close(socket, CLOSE_LOGIN_ENDED, "login ended").await;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    // What was missed may have been the end of this login.
                    if !matches!(auth.store.session(session.token_sha256, auth.now()).await, Ok(Some(_))) {
                        return close_dead(auth, socket, &session).await;
                    }
                    let snapshot = auth.board().snapshot();
                    sent = snapshot.seq;
                    if !send(&mut socket, Message::Text(snapshot.text)).await {
                        return;
                    }
                }
                Err(RecvError::Closed) => return close(socket, 1001, "going away").await,
            },
            message = socket.recv() => match message {
                // Whatever a page says here, it is only a sign of life.
                Some(Ok(Message::Close(_))) | Some(Err(_)) | None => return,
                Some(Ok(_)) => heard = tokio::time::Instant::now(),
            },
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE {
                    return;
                }
                if !alive(auth, &session).await {
                    return close_dead(auth, socket, &session).await;
                }
                let page = Message::Text(r#"{"type":"ping"}"#.into());
                if !send(&mut socket, page).await || !send(&mut socket, Message::Ping("".into())).await {
                    return;
                }
            }
        }
    }
}

fn is_for(frame: &Frame, session: &WebSession) -> bool {
    frame.to.is_none() || frame.to == session.login
}

/// Still a session, and a page that looks at it is using it. A store that does not answer just now ends nothing.
async fn alive<S: Store, C: Core>(auth: &Auth<S, C>, session: &WebSession) -> bool {
    const TOUCH: Duration = Duration::from_secs(60);
    let now: WallTime = auth.now();
    match auth.store.session(session.token_sha256, now).await {
        Ok(Some(row)) => {
            if now.since(row.seen) >= TOUCH {
                let _ = auth.store.touch_session(session.token_sha256, now).await;
            }
            true
        }
        Ok(None) => false,
        Err(_) => true,
    }
}

/// The session is over. If a login ended with it, its page is told before the door closes.
async fn close_dead<S: Store, C: Core>(auth: &Auth<S, C>, mut socket: WebSocket, session: &WebSession) {
    let Ok(Some(login)) = auth.store.ended_session(session.token_sha256).await else {
        return close(socket, CLOSE_EXPIRED, "session expired").await;
    };
    let Some(end) = &login.ended else { return };
    let body = serde_json::json!({
        "type": "login_ended", "why": end.why, "sentence": end.why.sentence(), "at": end.at, "from": end.from,
    });
    tracing::debug!(login = %login.id, refusal = ended(&login).word(), "event stream of an ended login closed");
    if send(&mut socket, Message::Text(body.to_string().into())).await {
        close(socket, CLOSE_LOGIN_ENDED, "login ended").await;
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(SEND, socket.send(message)).await, Ok(Ok(())))
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let _ = send(&mut socket, Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}
