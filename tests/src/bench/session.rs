//! Measuring statements against each other: in one session, in turn, the best of several rounds.

use std::cell::RefCell;
use std::error::Error;
use std::time::{Duration, Instant};

use postgres::types::ToSql;
use postgres::{Client, Statement};

use super::report::{Report, Row};
use crate::postgres::connect;

/// What can go wrong ends the run: wrong answers, and a database that does not answer.
pub type Fallible<T> = Result<T, Box<dyn Error>>;

/// In each round every contestant has one turn. There are so many at least, ...
const LEAST_ROUNDS: usize = 7;
/// ... and more until this is over, ...
const ENOUGH: Duration = Duration::from_secs(1);
/// ... but no more than these.
const MOST_ROUNDS: usize = 200;
/// Of more floors than this only the fastest ones of a first look stay.
const FLOORS: usize = 3;

/// So many times slower than the best, a floor is looked at no further.
const HOPELESS: f64 = 4.0;
/// Seconds after which a floor is given up whatever the best; the planner can get one quite wrong.
const PATIENCE: f64 = 60.0;
/// Seconds that each has.
const LEAST_PATIENCE: f64 = 2.0;

/// A statement whose first column in its one row is a count.
pub struct Query {
    /// What it is called in the table.
    pub name: String,
    /// Its text.
    pub sql: String,
    /// Its parameters.
    pub parameters: Vec<Box<dyn ToSql + Sync>>,
    /// The role that asks; none is the superuser.
    pub role: Option<&'static str>,
}

impl Query {
    /// Without parameters.
    pub fn new(name: impl Into<String>, sql: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sql: sql.into(),
            parameters: Vec::new(),
            role: None,
        }
    }

    /// With one more.
    pub fn with(mut self, parameter: impl ToSql + Sync + 'static) -> Self {
        self.parameters.push(Box::new(parameter));
        self
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(AsRef::as_ref).collect()
    }
}

/// The product and its floors.
pub struct Comparison {
    /// Name of the row.
    pub name: String,
    /// `us` or `ms`, each for one item.
    pub unit: &'static str,
    /// How many items one run is about.
    pub items: usize,
    /// What the product's statement must count.
    pub counts: i64,
    /// The product.
    pub product: Query,
    /// What the fastest floor is, in words.
    pub floor: String,
    /// The floors, of which the fastest counts.
    pub floors: Vec<Query>,
    /// What the floors must count.
    pub floor_counts: i64,
    /// The ratio to reach.
    pub goal: Option<f64>,
}

/// One connection.
pub struct Session {
    client: RefCell<Client>,
}

impl Session {
    /// Opens it.
    pub fn open(url: &str) -> Fallible<Self> {
        let mut client = connect(url)?;
        client.batch_execute("SET client_min_messages = warning")?;
        Ok(Self {
            client: RefCell::new(client),
        })
    }

    /// The connection itself.
    pub fn client(&self) -> std::cell::RefMut<'_, Client> {
        self.client.borrow_mut()
    }

    /// Measures, adds the row, and says where the time goes if it misses its goal. Gives the
    /// product's value.
    pub fn compare(&self, report: &mut Report, mut comparison: Comparison) -> Fallible<f64> {
        let Comparison {
            counts,
            floor_counts,
            ..
        } = comparison;
        let product = self.prepared(&comparison.product)?;
        let mut floors = Vec::new();
        let mut least = f64::INFINITY;
        for floor in std::mem::take(&mut comparison.floors) {
            let statement = self.prepared(&floor)?;
            match self.first_look(&floor, &statement, floor_counts, least)? {
                Some(seconds) => {
                    least = least.min(seconds);
                    floors.push((seconds, floor, statement));
                }
                None => println!("  ({}: given up)", floor.name),
            }
        }
        floors.sort_by(|a, b| a.0.total_cmp(&b.0));
        floors.truncate(FLOORS);
        let mut best = f64::INFINITY;
        let mut floor_best = vec![f64::INFINITY; floors.len()];
        let began = Instant::now();
        for round in 0..MOST_ROUNDS {
            if round >= LEAST_ROUNDS && began.elapsed() > ENOUGH {
                break;
            }
            best = best.min(self.run(&comparison.product, &product, counts)?);
            for ((_, floor, statement), best) in floors.iter().zip(&mut floor_best) {
                *best = best.min(self.run(floor, statement, floor_counts)?);
            }
        }
        let winner = (0..floors.len())
            .min_by(|a, b| floor_best[*a].total_cmp(&floor_best[*b]))
            .ok_or_else(|| format!("{}: no floor ends in time", comparison.name))?;
        let factor = if comparison.unit == "ms" { 1e3 } else { 1e6 } / comparison.items as f64;
        let floor = &floors[winner].1;
        let row = Row::against(
            comparison.name,
            comparison.unit,
            best * factor,
            (
                format!("{}{}", comparison.floor, floor.name),
                floor_best[winner] * factor,
            ),
            comparison.goal,
        );
        let is_missed = row.is_missed();
        report.add(row);
        if is_missed {
            let items = comparison.items as f64;
            println!(
                "  (pages touched an item: product {:.1}, floor {:.1})",
                self.pages(&comparison.product)? / items,
                self.pages(floor)? / items
            );
        }
        self.execute("RESET ROLE")?;
        Ok(best * factor)
    }

    /// The count that a statement gives.
    pub fn counted(&self, query: &Query) -> Fallible<i64> {
        let statement = self.prepared(query)?;
        let row = self.client().query_one(&statement, &query.parameters())?;
        self.execute("RESET ROLE")?;
        Ok(row.get(0))
    }

    /// A first look at a floor, in seconds; infinite where it does not end in time.
    pub fn first_looks(&self, query: &Query, counts: i64, best: f64) -> Fallible<f64> {
        let statement = self.prepared(query)?;
        let seconds = self.first_look(query, &statement, counts, best)?;
        self.execute("RESET ROLE")?;
        Ok(seconds.unwrap_or(f64::INFINITY))
    }

    /// The best of as many rounds, in seconds.
    pub fn best_of(&self, query: &Query, counts: i64) -> Fallible<f64> {
        let statement = self.prepared(query)?;
        let mut best = f64::INFINITY;
        for _ in 0..LEAST_ROUNDS {
            best = best.min(self.run(query, &statement, counts)?);
        }
        self.execute("RESET ROLE")?;
        Ok(best)
    }

    /// Runs a statement once and gives its count.
    pub fn count(&self, sql: &str) -> Fallible<i64> {
        Ok(self.client().query_one(sql, &[])?.get(0))
    }

    /// Runs statements whose rows nobody reads.
    pub fn execute(&self, sql: &str) -> Fallible<()> {
        Ok(self.client().batch_execute(sql)?)
    }

    fn take_role(&self, query: &Query) -> Fallible<()> {
        match query.role {
            Some(role) => self.execute(&format!("SET ROLE {role}")),
            None => self.execute("RESET ROLE"),
        }
    }

    fn prepared(&self, query: &Query) -> Fallible<Statement> {
        self.take_role(query)?;
        let prepared = self.client().prepare(&query.sql);
        Ok(prepared.map_err(|error| format!("{}: {error:?}\n{}", query.name, query.sql))?)
    }

    /// Seconds of a second run, for the first one plans; or of the first, where that is hopeless
    /// beside the best so far. None where it does not end in time.
    fn first_look(
        &self,
        query: &Query,
        statement: &Statement,
        counts: i64,
        best: f64,
    ) -> Fallible<Option<f64>> {
        let patience = (HOPELESS * best).clamp(LEAST_PATIENCE, PATIENCE);
        self.execute(&format!("SET statement_timeout = '{patience:.0}s'"))?;
        let look = match self.run(query, statement, counts) {
            Ok(seconds) if seconds > HOPELESS * best => Ok(Some(seconds)),
            Ok(_) => self.run(query, statement, counts).map(Some),
            Err(error) if is_timeout(&*error) => Ok(None),
            Err(error) => Err(error),
        };
        self.execute("SET statement_timeout = 0")?;
        look
    }

    fn run(&self, query: &Query, statement: &Statement, counts: i64) -> Fallible<f64> {
        self.take_role(query)?;
        let parameters = query.parameters();
        let mut client = self.client();
        let began = Instant::now();
        let row = client.query_one(statement, &parameters)?;
        let seconds = began.elapsed().as_secs_f64();
        match row.get::<_, i64>(0) {
            found if found == counts => Ok(seconds),
            found => Err(format!(
                "wrong answer: {} counts {found}, expected {counts}\n{}",
                query.name, query.sql
            )
            .into()),
        }
    }

    /// Pages that the statement finds in memory or reads.
    fn pages(&self, query: &Query) -> Fallible<f64> {
        self.take_role(query)?;
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {}", query.sql);
        let rows = self.client().query(&explain, &query.parameters())?;
        let lines = rows.iter().map(|row| row.get::<_, String>(0));
        let buffers = lines
            .into_iter()
            .find(|line| line.trim().starts_with("Buffers:"));
        let numbers = buffers.unwrap_or_default();
        let pages = numbers.split_whitespace().filter_map(|word| {
            let (what, number) = word.split_once('=')?;
            matches!(what, "hit" | "read")
                .then(|| number.trim_end_matches(',').parse::<f64>().ok())?
        });
        Ok(pages.sum())
    }
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let code = error
        .downcast_ref::<postgres::Error>()
        .and_then(postgres::Error::code);
    code == Some(&postgres::error::SqlState::QUERY_CANCELED)
}
