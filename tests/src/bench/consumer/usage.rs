//! What the system says that processes have used: proc_pid_stat(5), proc_pid_status(5).

use std::fs;

use crate::bench::session::Fallible;
use crate::process::Identity;

/// Ticks of a second in proc_pid_stat: `USER_HZ`, which is 100 on every architecture of ours.
const TICKS: f64 = 100.0;

/// Seconds of the processor, in user mode and the system's together, of a process and all that it ever started, if those
/// that have ended were waited for.
pub fn seconds(of: Identity) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", of.pid())).unwrap_or_default();
    // The program's name may hold spaces; the fields behind it may not.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(4);
    let own: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    own / TICKS + of.children().into_iter().map(seconds).sum::<f64>()
}

/// Memory of a process.
pub struct Memory {
    /// In use now, MiB.
    pub resident: f64,
    /// At most so far, MiB.
    pub peak: f64,
}

/// What a process that runs has in use.
pub fn memory(of: Identity) -> Fallible<Memory> {
    let status = fs::read_to_string(format!("/proc/{}/status", of.pid()))?;
    let mebibytes = |name: &str| -> Fallible<f64> {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
        let kibibytes: f64 = kibibytes.ok_or("no such line in status")?.parse()?;
        Ok(kibibytes / 1024.0)
    };
    Ok(Memory {
        resident: mebibytes("VmRSS")?,
        peak: mebibytes("VmHWM")?,
    })
}
