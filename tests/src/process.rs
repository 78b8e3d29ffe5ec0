//! A child process in a session of its own, with a log file, that never outlives its use.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde::{Deserialize, Serialize};

use crate::spawn::{spawn, wrapped};

/// How often a condition is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(20);

/// Waits until `condition` gives a value; fails, with `what`, once the deadline has passed.
pub fn wait_until<T>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if start.elapsed() > deadline {
            return Err(format!("not within {deadline:?}: {what}"));
        }
        thread::sleep(POLL);
    }
}

/// How long a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Ends with its handle, and when this process dies in whatever way.
    Bound,
    /// Goes on when this process ends.
    Detached,
}

/// A process id that is told from a later process with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pid: i32,
    /// Clock ticks from boot to its start.
    start: u64,
}

impl Identity {
    /// The running process of that number.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name may hold spaces; the fields behind it may not. A zombie has ended.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let start = fields.nth(18)?.parse().ok()?;
        (state != "Z").then_some(Self { pid, start })
    }

    /// Its number.
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Whether the process is there still.
    pub fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.lives()) {
            // It may end between the look and the signal.
            let _ = kill_process(pid, signal);
        }
    }

    /// The processes that it has started.
    pub(crate) fn children(self) -> Vec<Self> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let listed = fs::read_to_string(path).unwrap_or_default();
        let pids = listed.split_whitespace().filter_map(|pid| pid.parse().ok());
        pids.filter_map(Self::of).collect()
    }
}

/// What to start, and how.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Its name in messages.
    pub name: &'a str,
    /// Where its output goes, appended.
    pub log: &'a Path,
    /// Who runs it; `None` is ourselves.
    pub user: Option<&'a str>,
    /// The signal that asks it to end.
    pub polite: Signal,
    /// How long it lives.
    pub lifetime: Lifetime,
}

/// One running process.
#[derive(Debug)]
pub struct Process {
    name: String,
    identity: Identity,
    /// `None` for one that an earlier run started.
    child: Option<Child>,
    log: PathBuf,
    /// Where its own lines begin in the log.
    log_start: usize,
    polite: Signal,
    lifetime: Lifetime,
}

impl Process {
    /// Starts `program`, which is given with all its arguments and environment.
    pub fn start(launch: Launch<'_>, program: &Command) -> Result<Self, String> {
        let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", launch.name);
        let log = File::options()
            .create(true)
            .append(true)
            .open(launch.log)
            .map_err(|error| format!("{}: {error}", launch.log.display()))?;
        let log_start = fs::metadata(launch.log).map_or(0, |file| file.len() as usize);
        let mut command = wrapped(program, launch.user, Some(launch.lifetime), launch.polite);
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(|error| describe(&error))?)
            .stdout(log);
        let child = spawn(command).map_err(|error| describe(&error))?;
        let identity = Identity::of(child.id() as i32).ok_or_else(|| {
            format!(
                "{}: ended at once, see {}",
                launch.name,
                launch.log.display()
            )
        })?;
        Ok(Self {
            name: launch.name.to_owned(),
            identity,
            child: Some(child),
            log: launch.log.to_owned(),
            log_start,
            polite: launch.polite,
            lifetime: launch.lifetime,
        })
    }

    /// Takes over a detached process that an earlier run started.
    pub fn adopt(launch: Launch<'_>, identity: Identity) -> Self {
        Self {
            name: launch.name.to_owned(),
            identity,
            child: None,
            log: launch.log.to_owned(),
            log_start: 0,
            polite: launch.polite,
            lifetime: Lifetime::Detached,
        }
    }

    /// Its id and start.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.identity.signal(signal);
    }

    /// Sends a signal to it and to all that it started.
    pub fn signal_all(&self, signal: Signal) {
        self.signal(signal);
        for child in self.identity.children() {
            child.signal(signal);
        }
    }

    /// Whether it runs (or is stopped by a signal, and can go on).
    pub fn lives(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => self.identity.lives(),
        }
    }

    /// Ends it and all that it started, without a chance to clean up.
    pub fn kill(&mut self) {
        let children = self.identity.children();
        self.signal(Signal::KILL);
        for child in &children {
            child.signal(Signal::KILL);
        }
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
        let _ = wait_until("killed children end", Duration::from_secs(10), || {
            let gone = !self.identity.lives() && children.iter().all(|child| !child.lives());
            gone.then_some(())
        });
    }

    /// Asks it to end, and waits; killed and an error when the deadline passes. `None` when the
    /// status is unknown, for it was started by an earlier run.
    pub fn stop(&mut self, deadline: Duration) -> Result<Option<ExitStatus>, String> {
        self.signal(self.polite);
        let ended = self.wait(deadline);
        if ended.is_err() {
            self.kill();
        }
        ended
    }

    /// Waits for its end.
    pub fn wait(&mut self, deadline: Duration) -> Result<Option<ExitStatus>, String> {
        let what = format!("{} ends, see {}", self.name, self.log.display());
        wait_until(&what, deadline, || match &mut self.child {
            Some(child) => child.try_wait().ok().flatten().map(Some),
            None => (!self.identity.lives()).then_some(None),
        })
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.log_start..).unwrap_or_default()).into_owned()
    }

    /// Waits until `ready`, given the log so far, finds what it looks for.
    pub fn wait_for_log<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut ready: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, String> {
        let what = format!("{}: {what}, see {}", self.name, self.log.display());
        let mut ended = None;
        let found = wait_until(&what, deadline, || {
            // Looked at first: the last lines of one that ends are read all the same.
            let lives = self.lives();
            let found = ready(&self.log());
            if found.is_none() && !lives {
                ended = Some(format!("{} ended, see {}", self.name, self.log.display()));
                return Some(None);
            }
            found.map(Some)
        })?;
        found.ok_or_else(|| ended.unwrap_or(what))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Bound && self.lives() {
            // One stopped by SIGSTOP ends only once it goes on.
            self.signal(Signal::CONT);
            let _ = self.stop(Duration::from_secs(10));
        }
    }
}
