//! How a program is started: in a session of its own, as another user, tied to our own life.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;

use crate::process::{Lifetime, Signal};

/// Runs a program to its end and gives its output; the error holds what it printed.
pub fn run(program: &Command, user: Option<&str>) -> Result<String, String> {
    let mut command = wrapped(program, user, None, Signal::TERM);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{:?}: {error}", program.get_program()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{:?} failed ({}): {}{}",
        program.get_program(),
        output.status.code().map_or_else(
            || format!("signal {:?}", output.status.signal()),
            |code| code.to_string()
        ),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// `program` behind util-linux' `setsid` and `setpriv`, which do what Rust can only do with
/// `unsafe` between fork and exec: a session, another user, a signal at the parent's death.
pub(crate) fn wrapped(
    program: &Command,
    user: Option<&str>,
    lifetime: Option<Lifetime>,
    polite: Signal,
) -> Command {
    let mut command = match lifetime {
        Some(_) => {
            let mut command = Command::new("setsid");
            command.arg("setpriv");
            command
        }
        None => Command::new("setpriv"),
    };
    if let Some(user) = user {
        command.args([
            format!("--reuid={user}"),
            format!("--regid={user}"),
            "--init-groups".to_owned(),
        ]);
    }
    if lifetime != Some(Lifetime::Detached) {
        // Postgres, asked by SIGINT, clears its shared memory; nothing else would, when a run is
        // aborted. A consumer that a test has stopped would never see any signal but SIGKILL.
        let death = if polite == Signal::INT { "INT" } else { "KILL" };
        command.args(["--pdeathsig", death]);
    }
    // A server that has it puts stack traces into the DETAIL of its errors, as no real one should.
    command.env_remove("RUST_BACKTRACE");
    command
        .arg("--")
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

type Request = (Command, Sender<std::io::Result<Child>>);

/// The parent's death signal comes when the *thread* that forked ends, and tests are threads: so
/// one thread, which lives as long as the process, starts every child.
static SPAWNER: LazyLock<Mutex<Sender<Request>>> = LazyLock::new(|| {
    let (requests, inbox) = channel::<Request>();
    thread::spawn(move || {
        for (mut command, reply) in inbox {
            // Whoever asked waits for the answer.
            let _ = reply.send(command.spawn());
        }
    });
    Mutex::new(requests)
});

pub(crate) fn spawn(command: Command) -> std::io::Result<Child> {
    let (reply, answer) = channel();
    let requests = SPAWNER
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let gone = |_| std::io::Error::other("the spawning thread has ended");
    requests.send((command, reply)).map_err(|_| gone(()))?;
    drop(requests);
    answer.recv().map_err(|_| gone(()))?
}
