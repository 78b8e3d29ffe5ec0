//! The whole line for a person to play with: Postgres 18, Kafka, the consumer and PostgREST.
//!
//! - [`state`]: what outlives a start: ports, secrets, and which process is which
//! - [`services`]: starts what is missing of the four
//! - [`story`]: what happens, chapter by chapter; [`telling`]: through Kafka's console producer, with
//!   what follows
//! - [`environment`]: `.demo/env`, for other shells

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::place::Place;
use crate::process::{Lifetime, Signal, wait_until};

mod environment;
mod services;
mod state;
mod story;
mod telling;

pub use environment::{Addresses, variables};
use services::Services;
pub use services::TOPICS;
use state::State;
pub use telling::story;

/// Says which step of how many runs, and how long each took.
struct Progress {
    began: Instant,
    step: u32,
    of: u32,
}

impl Progress {
    fn step<T>(
        &mut self,
        what: &str,
        run: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        self.step += 1;
        println!("step {} of {}: {what}", self.step, self.of);
        let start = Instant::now();
        let done = run()?;
        let (took, all) = (start.elapsed(), self.began.elapsed());
        println!(
            "  done in {:.1} s, {:.1} s in all",
            took.as_secs_f32(),
            all.as_secs_f32()
        );
        Ok(done)
    }
}

/// Starts what is missing, shows the story, and stays until Ctrl-C; with `DETACH=1` it leaves all
/// running instead.
pub fn up() -> Result<(), String> {
    // From here on, so that an early Ctrl-C also stops what was started.
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(|error| format!("signals: {error}"))?;
    }
    let detached = env::var("DETACH").is_ok_and(|value| !value.is_empty() && value != "0");
    let lifetime = if detached {
        Lifetime::Detached
    } else {
        Lifetime::Bound
    };
    let place = Place::from_env()?;
    let mut state = State::load(&place)?;
    let mut progress = Progress {
        began: Instant::now(),
        step: 0,
        of: 5,
    };
    let mut services = Services::up(&place, &mut state, lifetime, &mut progress, &interrupted)?;
    environment::write(&place, &state, &services)?;
    telling::tell(&place, &mut state, &services)?;
    if detached {
        println!("\nIt goes on running; `make demo-down` ends it.");
        return Ok(());
    }
    println!(
        "\nIt stays up until Ctrl-C, which stops what this start brought up; `make demo-down` stops all."
    );
    while !interrupted.load(Ordering::Relaxed) {
        if let Some(name) = services.ended() {
            return Err(format!(
                "{name} has ended, see {}; `make demo` starts anew and keeps the data",
                state::folder(&place).display()
            ));
        }
        thread::sleep(Duration::from_millis(100));
    }
    println!("\nStopping what this demo started.");
    services.down();
    Ok(())
}

/// Ends the processes of a demo that runs, whoever started it.
pub fn down() -> Result<(), String> {
    let place = Place::from_env()?;
    let state = State::load(&place)?;
    let mut ended = 0;
    for service in state::SERVICES.iter().rev() {
        let Some(entry) = state
            .services
            .get(*service)
            .filter(|entry| entry.identity.lives())
        else {
            continue;
        };
        let polite = if *service == state::POSTGRES {
            Signal::INT
        } else {
            Signal::TERM
        };
        entry.identity.signal(polite);
        let gone = wait_until(service, Duration::from_secs(30), || {
            (!entry.identity.lives()).then_some(())
        });
        if gone.is_err() {
            entry.identity.signal(Signal::KILL);
        }
        println!("stopped {service}");
        ended += 1;
    }
    match ended {
        0 => println!(
            "no demo is running; its data is in {}",
            state::folder(&place).display()
        ),
        _ => println!("the data stays in {}", state::folder(&place).display()),
    }
    Ok(())
}
