//! The four services: those that run are taken over, those that are missing are started.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Progress;
use super::state::{CONSUMER, KAFKA, POSTGRES, POSTGREST, State, folder};
use crate::consumer::{self, Membership};
use crate::kafka::{self, Kafka};
use crate::place::Place;
use crate::postgres::{self, Postgres};
use crate::postgrest::{self, PostgRest};
use crate::process::{Lifetime, Process, Signal, wait_until};

/// The database, and the consumer's group.
pub const DATABASE: &str = "deed";
const MAJOR: u32 = 18;
/// The consumer's default topics.
pub const TOPICS: [&str; 3] = ["documents", "principals", "permissions"];
const PARTITIONS: i32 = 4;

pub struct Services {
    // Dropped in this order: what asks before what answers.
    pub postgrest: PostgRest,
    consumer: Process,
    /// Of the consumer's endpoints.
    pub consumer_url: String,
    pub kafka: Kafka,
    pub postgres: Postgres,
}

impl Services {
    /// Starts what does not run.
    pub fn up(
        place: &Place,
        state: &mut State,
        lifetime: Lifetime,
        progress: &mut Progress,
        interrupted: &AtomicBool,
    ) -> Result<Self, String> {
        let go_on = || match interrupted.load(Ordering::Relaxed) {
            true => Err("interrupted".to_owned()),
            false => Ok(()),
        };
        state.save()?;
        let postgres = progress.step("Postgres 18", || start_postgres(place, state, lifetime))?;
        go_on()?;
        let kafka = progress.step("Kafka", || start_kafka(place, state, lifetime))?;
        go_on()?;
        progress.step(
            "the database: extension, roles, schema api; the topics",
            || set_up(&postgres, &kafka),
        )?;
        go_on()?;
        let (consumer, consumer_url) = progress.step("the consumer", || {
            let mut consumer = start_consumer(place, state, lifetime, &postgres, &kafka)?;
            let address = consumer::address(&mut consumer)?;
            Ok((consumer, format!("http://{address}")))
        })?;
        go_on()?;
        let postgrest = progress.step("PostgREST", || {
            start_postgrest(place, state, lifetime, &postgres)
        })?;
        go_on()?;
        Ok(Self {
            postgrest,
            consumer,
            consumer_url,
            kafka,
            postgres,
        })
    }

    /// A service that should run and does not.
    pub fn ended(&mut self) -> Option<&'static str> {
        [
            (POSTGRES, self.postgres.process().lives()),
            (KAFKA, self.kafka.process().lives()),
            (CONSUMER, self.consumer.lives()),
            (POSTGREST, self.postgrest.process().lives()),
        ]
        .into_iter()
        .find_map(|(name, lives)| (!lives).then_some(name))
    }

    /// Stops what this demo started, which dropping does; what ran before goes on.
    pub fn down(self) {}
}

fn taken_over(service: &str) {
    println!("  {service} runs already");
}

/// Ends a process that was started with other ports.
fn end_outdated(state: &State, service: &str) -> Result<(), String> {
    let Some(entry) = state
        .services
        .get(service)
        .filter(|entry| entry.identity.lives())
    else {
        return Ok(());
    };
    println!("  {service} runs with other settings: it is started again");
    entry.identity.signal(Signal::TERM);
    wait_until(service, Duration::from_secs(30), || {
        (!entry.identity.lives()).then_some(())
    })
}

fn start_postgres(
    place: &Place,
    state: &mut State,
    lifetime: Lifetime,
) -> Result<Postgres, String> {
    let running = state.running(POSTGRES, "");
    let spec = postgres::Spec {
        major: MAJOR,
        folder: folder(place).join("postgres"),
        port: state.port(POSTGRES, running.is_some())?,
        password: state.password.clone(),
        fsync: true,
        settings: &[],
        lifetime,
    };
    if let Some(identity) = running {
        taken_over(POSTGRES);
        return Ok(Postgres::adopt(place, spec, identity));
    }
    let postgres = Postgres::start(place, spec)?;
    state.started(POSTGRES, postgres.process().identity(), "")?;
    Ok(postgres)
}

fn start_kafka(place: &Place, state: &mut State, lifetime: Lifetime) -> Result<Kafka, String> {
    let running = state.running(KAFKA, "");
    let spec = kafka::Spec {
        folder: folder(place).join("kafka"),
        port: state.port(KAFKA, running.is_some())?,
        security: None,
        detours: Vec::new(),
        lifetime,
    };
    if let Some(identity) = running {
        taken_over(KAFKA);
        return Ok(Kafka::adopt(place, spec, identity));
    }
    let kafka = Kafka::start(place, spec)?;
    state.started(KAFKA, kafka.process().identity(), "")?;
    Ok(kafka)
}

fn set_up(postgres: &Postgres, kafka: &Kafka) -> Result<(), String> {
    let there = postgres
        .admin("postgres")?
        .query_opt("SELECT FROM pg_database WHERE datname = $1", &[&DATABASE])
        .map_err(|error| format!("databases: {error}"))?;
    if there.is_none() {
        postgres.create_bare_database(DATABASE)?;
    }
    // Also after a start that was cut short, and for an extension that has since been upgraded.
    let extension = "CREATE EXTENSION IF NOT EXISTS deed; ALTER EXTENSION deed UPDATE";
    let quietly = format!("SET client_min_messages = warning; {extension}");
    postgres.psql(DATABASE, &["--command", &quietly])?;
    postgres.apply_scripts(DATABASE)?;
    for topic in TOPICS.into_iter().chain(["deed.events"]) {
        if !kafka.has_topic(topic)? {
            kafka.create_topic(topic, PARTITIONS)?;
        }
    }
    Ok(())
}

fn start_consumer(
    place: &Place,
    state: &mut State,
    lifetime: Lifetime,
    postgres: &Postgres,
    kafka: &Kafka,
) -> Result<Process, String> {
    let spec = consumer::Spec {
        name: CONSUMER.to_owned(),
        folder: folder(place),
        command: "run",
        database_url: postgres.consumer_url(DATABASE),
        kafka_bootstrap: kafka.bootstrap(),
        group: DATABASE.to_owned(),
        topics: TOPICS.map(str::to_owned).to_vec(),
        settings: String::new(),
        membership: Membership::Classic {
            session_timeout: Duration::from_secs(6),
        },
        kafka: vec![],
        environment: vec![],
        lifetime,
    };
    let with = format!("{} {}", spec.database_url, spec.kafka_bootstrap);
    if let Some(identity) = state.running(CONSUMER, &with) {
        taken_over(CONSUMER);
        return Ok(spec.adopt(identity));
    }
    end_outdated(state, CONSUMER)?;
    let process = spec.start(place)?;
    state.started(CONSUMER, process.identity(), &with)?;
    Ok(process)
}

fn start_postgrest(
    place: &Place,
    state: &mut State,
    lifetime: Lifetime,
    postgres: &Postgres,
) -> Result<PostgRest, String> {
    let database_url = postgres.api_url(DATABASE);
    let running = state.running(POSTGREST, &database_url);
    let spec = postgrest::Spec {
        log: folder(place).join("postgrest.log"),
        database_url,
        jwt_secret: state.jwt_secret.clone(),
        environment: &[],
        port: state.port(POSTGREST, running.is_some())?,
        admin_port: state.port("PostgREST admin", running.is_some())?,
        lifetime,
    };
    if let Some(identity) = running {
        taken_over(POSTGREST);
        return Ok(PostgRest::adopt(spec, identity));
    }
    end_outdated(state, POSTGREST)?;
    let with = spec.database_url.clone();
    let mut postgrest = PostgRest::start(place, spec)?;
    state.started(POSTGREST, postgrest.process().identity(), &with)?;
    Ok(postgrest)
}
