//! The operator's subcommands: each asks, prints and ends.

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::cli::{Command, Quarantine};
use crate::config::Config;
use crate::database::{CallError, Database};
use crate::verdict::advice;

mod quarantine;
mod reset;
mod status;

/// Why one has no answer.
pub enum Failed {
    /// Postgres refused, or could not be reached.
    Call(CallError),
    /// What was asked for is not there, or can't be.
    Impossible(String),
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Failed::Call(error)
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failed::Call(error) => write!(f, "{error}; {}", advice(error.code())),
            Failed::Impossible(what) => f.write_str(what),
        }
    }
}

/// Runs one of them; those that go on until a signal are none.
pub async fn run(command: &Command, config: &Config, database: &Database) -> Result<(), Failed> {
    match command {
        Command::Status { json } => status::status(config, database, *json).await,
        Command::Quarantine { command } => match command {
            Quarantine::List { after, limit, json } => {
                quarantine::list(database, *after, *limit, *json).await
            }
            Quarantine::Show { id, json } => quarantine::show(database, *id, *json).await,
            Quarantine::Redrive { ids, all, json } => {
                quarantine::redrive(database, ids, *all, *json).await
            }
        },
        Command::Reset(reset) => reset::reset(config, database, reset).await,
        Command::Run | Command::Ingest | Command::Relay => Ok(()),
    }
}

/// Without lines: to be read, and to be cut by other programs.
fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these have JSON")
}

/// What others wrote may have control characters for whoever reads it on a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c.is_control() && c != '\n' && c != '\t' {
            true => c.escape_unicode().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}
