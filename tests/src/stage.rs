//! What the tests of one binary share: a Kafka, a Postgres, and a folder for the run.
//!
//! Each test has topics, a consumer group and a database of its own. A test that kills a server
//! starts one of its own.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use postgres::Client;

use crate::consumer::{self, Membership, positions};
use crate::event::Record;
use crate::kafka::{self, Kafka, Security};
use crate::place::{Place, major_under_test};
use crate::postgres::{self as server, Postgres, free_port};
use crate::postgrest::{self, PostgRest};
use crate::process::{Lifetime, Process, wait_until};

/// Longest wait for what ought to take seconds: other tests and builds use the machine too.
pub const DEADLINE: Duration = Duration::from_secs(180);
/// A killed consumer's partitions are free after this long.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
/// Where every relay of a broker puts what it tells.
pub const OUTBOUND: &str = "deed.events";
/// What tokens are signed with.
pub const JWT_SECRET: &str = "a secret of the tests, 32 characters or more";

/// The folders, from the environment.
pub static PLACE: LazyLock<Place> =
    LazyLock::new(|| Place::from_env().unwrap_or_else(|error| panic!("{error}")));

/// This run's folder. Those of runs that have ended are removed, so the last one's logs stay.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let runs = PLACE.private.join("run");
    for run in fs::read_dir(&runs).into_iter().flatten().flatten() {
        let process = PathBuf::from("/proc").join(run.file_name());
        if !process.exists() {
            // Another run may be removing it too.
            let _ = fs::remove_dir_all(run.path());
        }
    }
    let folder = runs.join(std::process::id().to_string());
    fs::create_dir_all(&folder).expect("the run's folder");
    folder
});

static KAFKA: LazyLock<Kafka> = LazyLock::new(|| own_kafka("kafka"));
static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| own_postgres("postgres", false));

/// The shared broker.
pub fn shared_kafka() -> &'static Kafka {
    &KAFKA
}

/// The shared cluster, of the major under test.
pub fn shared_postgres() -> &'static Postgres {
    &POSTGRES
}

/// This run's folder, for logs.
pub fn run_folder() -> &'static std::path::Path {
    &FOLDER
}

/// A broker for one test.
pub fn own_kafka(name: &str) -> Kafka {
    kafka_with(name, None)
}

/// A broker for one test, with more listeners.
pub fn secured_kafka(name: &str, security: Security) -> Kafka {
    kafka_with(name, Some(security))
}

fn kafka_with(name: &str, security: Option<Security>) -> Kafka {
    let spec = kafka::Spec {
        folder: FOLDER.join(name),
        port: 0,
        security,
        detours: Vec::new(),
        lifetime: Lifetime::Bound,
    };
    let kafka = Kafka::start(&PLACE, spec).expect("Kafka");
    kafka.create_topic(OUTBOUND, 4).expect("topic");
    kafka
}

/// A cluster for one test; `fsync` where a crash is tested.
pub fn own_postgres(name: &str, fsync: bool) -> Postgres {
    own_postgres_at(&PLACE, name, fsync)
}

/// The same, of the Postgres that another place holds.
pub fn own_postgres_at(place: &Place, name: &str, fsync: bool) -> Postgres {
    let spec = server::Spec {
        major: major_under_test().unwrap_or_else(|error| panic!("{error}")),
        folder: FOLDER.join(name),
        port: free_port().expect("a port"),
        password: "tests".to_owned(),
        fsync,
        settings: &[],
        lifetime: Lifetime::Bound,
    };
    Postgres::start(place, spec).expect("Postgres")
}

/// A streaming replica of a cluster of one test.
pub fn own_standby(name: &str, primary: &Postgres) -> Postgres {
    primary.standby(FOLDER.join(name)).expect("a standby")
}

/// Topics and a database, and consumers between them.
pub struct Line<'a> {
    /// The broker.
    pub kafka: &'a Kafka,
    /// The cluster.
    pub postgres: &'a Postgres,
    /// The name of the test: of its consumer group and database.
    pub name: String,
    /// The topics, in the order given.
    pub topics: Vec<String>,
}

impl Line<'static> {
    /// A line on the shared servers, with one topic of so many partitions.
    pub fn shared(name: &str, partitions: i32) -> Self {
        Line::new(
            shared_kafka(),
            shared_postgres(),
            name,
            &[("events", partitions)],
        )
    }
}

impl<'a> Line<'a> {
    /// Creates the topics, each with so many partitions, and the database.
    pub fn new(
        kafka: &'a Kafka,
        postgres: &'a Postgres,
        name: &str,
        topics: &[(&str, i32)],
    ) -> Self {
        let create = |&(topic, partitions): &(&str, i32)| {
            let topic = format!("{name}.{topic}");
            kafka.create_topic(&topic, partitions).expect("topic");
            topic
        };
        let topics = topics.iter().map(create).collect();
        postgres.create_database(name).expect("database");
        Self {
            kafka,
            postgres,
            name: name.to_owned(),
            topics,
        }
    }

    /// The same topics into another database, for a consumer group of its own.
    pub fn replayed_into(&self, database: &str) -> Self {
        self.postgres.create_database(database).expect("database");
        Self {
            kafka: self.kafka,
            postgres: self.postgres,
            name: database.to_owned(),
            topics: self.topics.clone(),
        }
    }

    /// How a consumer of this line is set up; `name` tells it from its like.
    pub fn consumer_spec(&self, name: &str) -> consumer::Spec {
        consumer::Spec {
            name: format!("{}-{name}", self.name),
            folder: FOLDER.join("consumers"),
            command: "run",
            database_url: self.postgres.consumer_url(&self.name),
            kafka_bootstrap: self.kafka.bootstrap(),
            group: self.name.clone(),
            topics: self.topics.clone(),
            membership: Membership::Classic {
                session_timeout: SESSION_TIMEOUT,
            },
            settings: String::new(),
            kafka: vec![],
            environment: vec![],
            lifetime: Lifetime::Bound,
        }
    }

    /// Starts a consumer.
    pub fn consumer(&self, name: &str) -> Process {
        self.consumer_spec(name).start(&PLACE).expect("consumer")
    }

    /// Starts a PostgREST for the database.
    pub fn postgrest(&self) -> PostgRest {
        self.postgrest_trusting(JWT_SECRET)
    }

    /// Starts a PostgREST that trusts tokens signed with this secret, or with a key of this JWKS.
    pub fn postgrest_trusting(&self, jwt_secret: &str) -> PostgRest {
        let spec = postgrest::Spec {
            log: FOLDER.join(format!("{}-postgrest.log", self.name)),
            database_url: self.postgres.api_url(&self.name),
            jwt_secret: jwt_secret.to_owned(),
            environment: &[],
            port: free_port().expect("a port"),
            admin_port: free_port().expect("a port"),
            lifetime: Lifetime::Bound,
        };
        PostgRest::start(&PLACE, spec).expect("PostgREST")
    }

    /// A superuser's connection to the database.
    pub fn admin(&self) -> Client {
        self.postgres.admin(&self.name).expect("connection")
    }

    /// Sends records to the first topic.
    pub fn send<'r>(&self, records: impl IntoIterator<Item = &'r Record>) {
        self.kafka.send(&self.topics[0], records).expect("sending");
    }

    /// Waits until this line's group has applied all that its topics hold.
    pub fn wait_until_applied(&self) {
        self.wait_until_applied_by(&self.name);
    }

    /// Waits until another group has.
    pub fn wait_until_applied_by(&self, group: &str) {
        let ends: Vec<Vec<i64>> = self
            .topics
            .iter()
            .map(|topic| self.kafka.ends(topic).expect("ends"))
            .collect();
        wait_until(
            &format!("{group} has applied up to {ends:?}"),
            DEADLINE,
            || {
                // Postgres may be on its way up again.
                let mut client = self.postgres.admin(&self.name).ok()?;
                let reached = self.topics.iter().zip(&ends).all(|(topic, ends)| {
                    positions(&mut client, group, topic).is_some_and(|next| next == *ends)
                });
                reached.then_some(())
            },
        )
        .expect("all is applied");
    }

    /// Waits until a consumer of this line's group has claimed every partition of a topic.
    pub fn wait_until_claimed(&self, topic: &str) {
        let partitions = self.kafka.ends(topic).expect("ends").len();
        let mut client = self.admin();
        wait_until(&format!("{topic} is claimed"), DEADLINE, || {
            let claimed = positions(&mut client, &self.name, topic)?;
            (claimed.len() == partitions).then_some(())
        })
        .expect("all is claimed");
    }
}
