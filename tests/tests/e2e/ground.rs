//! A database that one history after the other has for itself, and what must hold of it.

use deed_tests::answers::{self, Subjects};
use deed_tests::derived;
use deed_tests::event::Event;
use deed_tests::owner::Owner;
use deed_tests::process::wait_until;
use deed_tests::reference;
use deed_tests::snapshot;
use deed_tests::stage::{DEADLINE, shared_postgres};
use postgres::Client;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Draws histories from a seed.
pub fn runner(seed: u64, config: Config) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// A time so far ahead of the database's clock, RFC 3339.
pub fn ahead(client: &mut Client, interval: &str) -> String {
    let query = format!(
        "SELECT to_char((clock_timestamp() + interval '{interval}') AT TIME ZONE 'UTC',
           'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    );
    client.query_one(&query, &[]).expect("a time").get(0)
}

/// Waits until that time lies behind the database's clock.
pub fn wait_until_past(client: &mut Client, time: &str) {
    wait_until("the time has come", DEADLINE, || {
        let query = "SELECT clock_timestamp() > $1::text::timestamptz";
        let row = client.query_one(query, &[&time]).expect(query);
        row.get::<_, bool>(0).then_some(())
    })
    .expect("it comes");
}

/// One database.
pub struct Ground {
    name: String,
    client: Client,
}

impl Ground {
    /// Creates it.
    pub fn new(name: &str) -> Self {
        let postgres = shared_postgres();
        postgres.create_database(name).expect("database");
        Self::over(name)
    }

    /// A database that is there.
    pub fn over(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            client: shared_postgres().admin(name).expect("connection"),
        }
    }

    /// A superuser's connection.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The owner of that partition, on a connection of its own.
    pub fn owner(&self, partition: i32) -> Owner {
        Owner::claim(self.session(), partition).expect("claimed")
    }

    /// A superuser's connection of its own.
    pub fn session(&self) -> Client {
        shared_postgres().admin(&self.name).expect("connection")
    }

    /// For the sessions to come.
    pub fn set_max_clock_skew(&mut self, skew: &str) {
        let name = &self.name;
        self.client
            .batch_execute(&format!(
                "ALTER DATABASE {name} SET deed.max_clock_skew = '{skew}'"
            ))
            .expect("set");
    }

    /// Removes what the events left.
    pub fn clear(&mut self) {
        snapshot::clear(&mut self.client);
    }

    /// Whether derived rows follow from the registers, and the answers, by pages of that size, are
    /// what the events mean.
    pub fn judge(
        &mut self,
        events: &[Event],
        subjects: &Subjects,
        page_size: i32,
    ) -> Result<(), String> {
        let differences = derived::differences(&mut self.client);
        let judged = match differences.as_slice() {
            [] => {
                let now = answers::now(&mut self.client);
                let expected = answers::expected(&reference::model(events), subjects, &now);
                let found = answers::ask(&mut self.client, subjects, page_size);
                answers::compare(&found, &expected)
            }
            differences => Err(differences.join("\n")),
        };
        // As events print the ids that are small.
        judged.map_err(|text| text.replace("00000000-0000-0000-0000-0000000000", ""))
    }
}
