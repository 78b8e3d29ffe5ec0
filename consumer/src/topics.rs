//! Watches the ids of the topics, on a thread and a connection of its own: a poll of the group
//! member never waits for it.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, config::FromClientConfigAndContext};
use tokio::sync::{oneshot, watch};
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::config::Config;
use crate::error::Error;
use crate::health::Health;
use crate::kafka;
use crate::lag;
use crate::log_limit::LogLimit;
use crate::messages::PartitionId;
use crate::topic_id::topic_ids;

/// A re-created topic is recognised after this long at the latest.
const EVERY: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of the topics, and the way to ask for more.
#[derive(Clone)]
pub struct Topics {
    asks: mpsc::Sender<Ask>,
    seen: watch::Receiver<Seen>,
}

struct Seen {
    asked: Instant,
    /// Of each topic that was answered for, the latest: when it was asked for. None for a topic that does not exist.
    ids: HashMap<String, (Instant, Option<Uuid>)>,
}

impl Seen {
    /// The id of a topic that exists, asked for at that moment or later.
    fn id(&self, topic: &str, since: Instant) -> Option<Uuid> {
        self.answer(topic, since).flatten()
    }

    /// The same, when there was an answer: none for a topic that does not exist.
    fn answer(&self, topic: &str, since: Instant) -> Option<Option<Uuid>> {
        let (asked, id) = self.ids.get(topic)?;
        (*asked >= since).then_some(*id)
    }
}

enum Ask {
    /// Ids that are looked up after this moment.
    Ids(Instant),
    Range(PartitionId, oneshot::Sender<(i64, i64)>),
}

impl Topics {
    /// Starts to watch. Brokers that are down are no error.
    pub fn watch(config: &Config, health: Arc<Health>) -> Result<Self, Error> {
        let client = Arc::new(inquirer(config)?);
        lag::watch(client.clone(), health.clone())?;
        let names = config.topics.clone();
        let (asks, asked) = mpsc::channel();
        let (publish, seen) = watch::channel(Seen {
            asked: Instant::now(),
            ids: HashMap::new(),
        });
        std::thread::Builder::new()
            .name("topics".into())
            .spawn(move || answer(&client, &names, &asked, &publish, &health))?;
        Ok(Topics { asks, seen })
    }

    /// Looks at the ids now.
    pub fn look(&self) {
        let _ = self.asks.send(Ask::Ids(Instant::now()));
    }

    /// The topic's id, asked for after this call; waits for brokers, and for a topic to exist.
    pub async fn id(&self, topic: &str) -> Uuid {
        let now = Instant::now();
        self.look();
        self.seen(|seen| seen.id(topic, now)).await
    }

    /// The topic's id when it is another than this one, asked for after this call. When it is not,
    /// all that was fetched before came from the topic with this id, for ids are never used again.
    /// Waits for brokers.
    pub async fn other_than(&self, topic: &str, id: Uuid) -> Option<Uuid> {
        let now = Instant::now();
        self.look();
        // A topic that is gone was not made again.
        let other = |found: Option<Uuid>| found.filter(|now| *now != id);
        self.seen(|seen| seen.answer(topic, now).map(other)).await
    }

    /// Returns once the topic has another id than this one: with it.
    pub async fn recreated(&self, topic: &str, id: Uuid) -> Uuid {
        self.seen(|seen| {
            let (_, found) = seen.ids.get(topic)?;
            found.filter(|now| *now != id)
        })
        .await
    }

    async fn seen<T>(&self, wanted: impl Fn(&Seen) -> Option<T>) -> T {
        let mut seen = self.seen.clone();
        let found = seen.wait_for(|seen| wanted(seen).is_some()).await;
        match found.ok().and_then(|seen| wanted(&seen)) {
            Some(found) => found,
            // The watch is gone, and with it the process.
            None => std::future::pending().await,
        }
    }

    /// The partition's first offset, and the one behind its last; none when no broker says so.
    pub async fn range(&self, of: &PartitionId) -> Option<(i64, i64)> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Range(of.clone(), reply)).ok()?;
        answer.await.ok()
    }
}

fn answer(
    client: &BaseConsumer<Quiet>,
    names: &[String],
    asks: &mpsc::Receiver<Ask>,
    publish: &watch::Sender<Seen>,
    health: &Health,
) {
    let wanted: Vec<CString> = names
        .iter()
        .map(|name| CString::new(name.as_str()).expect("a topic name has no NUL"))
        .collect();
    let mut told = HashMap::new();
    let mut limit = LogLimit::default();
    let mut next = Instant::now();
    loop {
        match asks.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Ask::Range(of, reply)) => {
                match client.fetch_watermarks(&of.topic, of.partition, TIMEOUT) {
                    Ok(range) => drop(reply.send(range)),
                    Err(error) => debug!(%of, %error, "no watermarks"),
                }
                continue;
            }
            // Partitions are assigned, and ask, many at a time.
            Ok(Ask::Ids(moment)) if publish.borrow().asked > moment => continue,
            Ok(Ask::Ids(_)) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        // Errors of the connection wait here; the group member tells of them.
        while client.poll(Duration::ZERO).is_some() {}
        let asked = Instant::now();
        let found = topic_ids(client.client(), &wanted, TIMEOUT);
        health.heard(
            "kafka",
            found
                .as_ref()
                .map(drop)
                .map_err(|code| format!("brokers do not answer: {code}")),
        );
        match found {
            Ok(found) => publish.send_modify(|seen| {
                for (topic, found) in found {
                    let id = match found {
                        Ok(id) => id,
                        Err(code) => {
                            if limit.passes() {
                                warn!(topic, %code, "no topic id: the topic is not read until there \
                                    is one; brokers are Kafka 2.8 or later, and the login may DESCRIBE");
                            }
                            continue;
                        }
                    };
                    health.topic(&topic, id.is_some());
                    if told.insert(topic.clone(), id.is_some()) != Some(id.is_some()) {
                        tell(&topic, id);
                    }
                    seen.ids.insert(topic, (asked, id));
                }
                seen.asked = asked;
            }),
            Err(code) => debug!(%code, "no topic ids"),
        }
        next = Instant::now() + EVERY;
    }
}

fn tell(topic: &str, id: Option<Uuid>) {
    match id {
        Some(id) => info!(topic, %id, "topic found"),
        None => warn!(
            topic,
            "topic does not exist: it is read from the moment that it does"
        ),
    }
}

/// A client for questions about topics.
pub fn inquirer(config: &Config) -> Result<BaseConsumer<Quiet>, Error> {
    Ok(BaseConsumer::from_config_and_context(
        &kafka::inquirer(config),
        Quiet,
    )?)
}

/// Leaves what ails the brokers to the group's member, which tells of it.
pub struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "topic watch");
    }
}

impl ConsumerContext for Quiet {}
