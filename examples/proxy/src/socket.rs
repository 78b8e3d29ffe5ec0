//! One connection.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, interval_at};
use uuid::Uuid;

use crate::Proxy;
use crate::access::{LEASE, Level, Refusal, Token};
use crate::hub::Notice;

/// What a connection is closed with when its principal has no access any more (4000 to 4999 are for applications).
const NO_ACCESS: u16 = 4403;

struct Connection {
    proxy: Arc<Proxy>,
    id: Uuid,
    principal: Uuid,
    document: Uuid,
    level: Level,
}

/// `GET /documents/{id}` with a websocket's headers. Whoever has no access gets 403, and no websocket.
pub async fn connect(
    State(proxy): State<Arc<Proxy>>,
    Path(document): Path<Uuid>,
    Query(token): Query<Token>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let principal = proxy.access.principal(&headers, token)?;
    let id = Uuid::new_v4();
    // First, so that a change right behind the watch finds it.
    let notices = proxy.hub.join(document, principal, id);
    let mut connection = Connection {
        proxy,
        id,
        principal,
        document,
        level: None,
    };
    connection.level = connection.watch().await?;
    if connection.level.is_none() {
        return Err((StatusCode::FORBIDDEN, "no access to this document"));
    }
    Ok(upgrade.on_upgrade(move |socket| connection.run(socket, notices)))
}

/// However a connection ends, also before it began.
impl Drop for Connection {
    fn drop(&mut self) {
        self.proxy.hub.leave(self.document, self.id);
        let (proxy, id) = (self.proxy.clone(), self.id.to_string());
        let (principal, document) = (self.principal, self.document);
        tokio::spawn(async move { proxy.access.unwatch(principal, document, &id).await });
    }
}

impl Connection {
    async fn watch(&self) -> Result<Level, Refusal> {
        let watcher = self.id.to_string();
        self.proxy
            .access
            .watch(self.principal, self.document, &watcher)
            .await
    }

    async fn run(mut self, mut socket: WebSocket, mut notices: UnboundedReceiver<Notice>) {
        let mut prolong = interval_at(Instant::now() + LEASE / 3, LEASE / 3);
        let mut sent = socket.send(self.greeting()).await;
        while sent.is_ok() {
            let answer = tokio::select! {
                // What the level is comes before what is said.
                biased;
                notice = notices.recv() => match notice {
                    Some(notice) => self.noticed(notice),
                    None => return,
                },
                _ = prolong.tick() => {
                    // A watch that is not prolonged would leave this connection open for ever.
                    match self.watch().await {
                        Ok(_) => None,
                        Err(_) => Some(closing("the level is not known any more")),
                    }
                }
                said = socket.recv() => match said {
                    Some(Ok(Message::Text(text))) => self.heard(&text),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => None,
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

    /// Follows the chain of levels: what does not begin at the level that is known was seen by the watch already.
    fn noticed(&mut self, notice: Notice) -> Option<Message> {
        match notice {
            Notice::Message(text) => Some(Message::text(text)),
            Notice::Level { old, new } if old == self.level => {
                self.level = new;
                match self.level {
                    Some(_) => Some(self.greeting()),
                    None => Some(closing("no access any more")),
                }
            }
            Notice::Level { .. } => None,
        }
    }

    fn heard(&self, text: &str) -> Option<Message> {
        match self.level.as_deref() {
            Some("editor" | "owner") => {
                self.proxy.hub.say(self.document, self.id, text);
                None
            }
            _ => Some(Message::text(json!({ "error": "read only" }).to_string())),
        }
    }

    fn greeting(&self) -> Message {
        Message::text(json!({ "level": self.level }).to_string())
    }
}

fn closing(reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame {
        code: NO_ACCESS,
        reason: reason.into(),
    }))
}
