//! One connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, interval_at};
use uuid::Uuid;

use crate::Proxy;
use crate::access::{Claims, Known, LEASE, Level, Refusal, Token};
use crate::hub::Notice;

/// What a connection is closed with when its principal has no access any more (4000 to 4999 are for applications).
const NO_ACCESS: u16 = 4403;
/// Between two prolongings of a watch: two may fail.
const PROLONG: Duration = LEASE.checked_div(3).expect("a part of it");

struct Connection {
    proxy: Arc<Proxy>,
    id: Uuid,
    /// The name that it watches by.
    watcher: Uuid,
    claims: Claims,
    document: Uuid,
    known: Known,
}

/// `GET /documents/{id}` with a websocket's headers. Whoever has no access gets 403, and no websocket.
pub async fn connect(
    State(proxy): State<Arc<Proxy>>,
    Path(document): Path<Uuid>,
    Query(token): Query<Token>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let refusal = (StatusCode::FORBIDDEN, "no access to this document");
    let claims = proxy.access.claims(&headers, token)?;
    // Asked first, for a watch leaves a row for any document that it is asked about.
    let level = proxy.access.level_now(claims.sub, document).await?;
    if level.is_none() {
        return Err(refusal);
    }
    let id = Uuid::new_v4();
    // Before it watches, so that a change right behind that finds it.
    let notices = proxy.hub.join(document, claims.sub, id);
    let mut connection = Connection {
        proxy,
        id,
        watcher: id,
        claims,
        document,
        known: Known {
            level: None,
            at: SystemTime::UNIX_EPOCH,
        },
    };
    connection.known = connection.watch().await?;
    match connection.known.level {
        Some(_) => Ok(upgrade.on_upgrade(move |socket| connection.run(socket, notices))),
        None => Err(refusal),
    }
}

/// However a connection ends, also before it began.
impl Drop for Connection {
    fn drop(&mut self) {
        self.proxy.hub.leave(self.document, self.id);
        self.unwatch();
    }
}

impl Connection {
    fn unwatch(&self) {
        let (proxy, watcher) = (self.proxy.clone(), self.watcher.to_string());
        let (principal, document) = (self.claims.sub, self.document);
        tokio::spawn(async move { proxy.access.unwatch(principal, document, &watcher).await });
    }

    /// Prolongs the watch. Where the answer is another level than the known one, the lease had ended meanwhile, and nobody has
    /// told of what happened; or an event is on its way. A watch by a new name tells for certain.
    async fn prolong(&mut self) -> Result<Option<Message>, Refusal> {
        if self.watch().await?.level == self.known.level {
            return Ok(None);
        }
        self.unwatch();
        self.watcher = Uuid::new_v4();
        let now = self.watch().await?;
        Ok(self.learned(now.level, now.at))
    }

    async fn watch(&self) -> Result<Known, Refusal> {
        let watcher = self.watcher.to_string();
        self.proxy
            .access
            .watch(self.claims.sub, self.document, &watcher)
            .await
    }

    async fn run(mut self, mut socket: WebSocket, mut notices: UnboundedReceiver<Notice>) {
        let mut prolong = interval_at(Instant::now() + PROLONG, PROLONG);
        let valid = Duration::from_secs(self.claims.exp)
            .saturating_sub(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
        let expired = tokio::time::sleep(valid);
        tokio::pin!(expired);
        let mut sent = socket.send(self.greeting()).await;
        while sent.is_ok() {
            let answer = tokio::select! {
                // What the level is comes before what is said.
                biased;
                notice = notices.recv() => match notice {
                    Some(Notice::Level(known)) => self.learned(known.level.clone(), known.at),
                    Some(Notice::Message(text)) => Some(Message::text(text)),
                    None => return,
                },
                () = &mut expired => Some(closing("the token has expired")),
                _ = prolong.tick() => match self.prolong().await {
                    Ok(answer) => answer,
                    // It would not be told of what happens from now on.
                    Err(_) => Some(closing("the level is not known any more")),
                },
                said = socket.recv() => match said {
                    Some(Ok(Message::Text(text))) => self.heard(&text),
                    // A client that closes is answered when it is read on.
                    Some(Ok(_)) => None,
                    Some(Err(_)) | None => return,
                },
            };
            let Some(answer) = answer else { continue };
            let is_last = matches!(answer, Message::Close(_));
            sent = socket.send(answer).await;
            if is_last {
                return;
            }
        }
    }

    /// What is not later than what is known was in that already, or comes a second time.
    fn learned(&mut self, level: Level, at: SystemTime) -> Option<Message> {
        if at <= self.known.at {
            return None;
        }
        self.known = Known { level, at };
        match self.known.level {
            Some(_) => Some(self.greeting()),
            None => Some(closing("no access any more")),
        }
    }

    fn heard(&self, text: &str) -> Option<Message> {
        match self.known.level.as_deref() {
            Some("editor" | "owner") => {
                self.proxy.hub.say(self.document, self.id, text);
                None
            }
            _ => Some(Message::text(json!({ "error": "read only" }).to_string())),
        }
    }

    fn greeting(&self) -> Message {
        Message::text(json!({ "level": self.known.level }).to_string())
    }
}

fn closing(reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame {
        code: NO_ACCESS,
        reason: reason.into(),
    }))
}
