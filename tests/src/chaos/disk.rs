//! A small disk that can be full: a tmpfs with a tablespace, and a ballast file that takes the rest of it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres::error::SqlState;

use crate::place::Place;
use crate::postgres::Postgres;
use crate::process::wait_until;
use crate::spawn::run;
use crate::stage::DEADLINE;

/// The tablespace's name.
const TABLESPACE: &str = "small";
/// What is told of it in `/proc/mounts`.
const SOURCE: &str = "deed-chaos";

/// A mounted tmpfs; unmounted when it is dropped.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one of so many megabytes. The error says why that is not to be had here.
    pub fn mount(place: &Place, folder: PathBuf, megabytes: u32) -> Result<Self, String> {
        unmount_forgotten();
        let describe = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(describe)?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={megabytes}m"))
            .args([SOURCE.as_ref(), folder.as_os_str()]);
        run(&mount, None)?;
        let disk = Self { folder };
        let data = disk.folder.join("data");
        fs::create_dir(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        place.give_to_server(&data)?;
        Ok(disk)
    }

    /// Moves a table and its indexes here.
    pub fn take(&self, postgres: &Postgres, database: &str, table: &str) -> Result<(), String> {
        let describe = |error: postgres::Error| format!("tablespace {TABLESPACE}: {error}");
        let mut client = postgres.admin(database)?;
        let location = self.folder.join("data");
        client
            .batch_execute(&format!(
                "CREATE TABLESPACE {TABLESPACE} LOCATION '{}'",
                location.display()
            ))
            .map_err(describe)?;
        client
            .batch_execute(&format!("ALTER TABLE {table} SET TABLESPACE {TABLESPACE}"))
            .map_err(describe)?;
        let indexes = client
            .query(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = $1::text::regclass",
                &[&table],
            )
            .map_err(describe)?;
        for row in indexes {
            let index: String = row.get(0);
            client
                .batch_execute(&format!("ALTER INDEX {index} SET TABLESPACE {TABLESPACE}"))
                .map_err(describe)?;
        }
        Ok(())
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Leaves no byte.
    pub fn fill(&self) -> Result<(), String> {
        let describe = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        let mut ballast = File::create(self.ballast()).map_err(describe)?;
        let chunk = vec![0; 4_096];
        // Until the error that is wanted.
        while ballast.write_all(&chunk).is_ok() {}
        Ok(())
    }

    /// Waits until Postgres has met it, with a table of its own there: what the consumers write meanwhile depends on other faults.
    pub fn wait_until_met(&self, postgres: &Postgres, database: &str) -> Result<(), String> {
        let grow = format!(
            "CREATE TABLE public.grows (n integer) TABLESPACE {TABLESPACE}; INSERT INTO public.grows VALUES (1)"
        );
        wait_until("Postgres meets the full disk", DEADLINE, || {
            let refused = postgres.admin(database).ok()?.batch_execute(&grow).err()?;
            (refused.code() == Some(&SqlState::DISK_FULL)).then_some(())
        })
    }

    /// Gives the room back.
    pub fn free(&self) -> Result<(), String> {
        fs::remove_file(self.ballast())
            .map_err(|error| format!("{}: {error}", self.folder.display()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

/// Lazily: what still uses it keeps it until its end.
fn unmount(folder: &Path) {
    let mut umount = Command::new("umount");
    umount.arg("--lazy").arg(folder);
    let _ = run(&umount, None);
}

/// Those of runs that were killed: their folders are gone, or their process is.
fn unmount_forgotten() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in mounts.lines().filter(|line| line.starts_with(SOURCE)) {
        let Some(folder) = line.split(' ').nth(1).map(Path::new) else {
            continue;
        };
        let run = folder
            .ancestors()
            .filter_map(|part| part.file_name()?.to_str()?.parse::<u32>().ok())
            .next();
        if run.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            unmount(folder);
        }
    }
}
