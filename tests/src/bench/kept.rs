//! The loaded cluster, kept between runs.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::loading;
use super::world::World;
use crate::place::{Place, major_under_test};
use crate::postgres::{Postgres, Spec, free_port};
use crate::process::Lifetime;

/// The loaded database.
pub const DATABASE: &str = "bench";

/// Everything is in memory at full scale; nothing runs beside what is measured.
pub const SETTINGS: &[&str] = &[
    "shared_buffers=6GB",
    "max_wal_size=16GB",
    "checkpoint_timeout=1h",
    "autovacuum=off",
    "jit=off",
    "max_parallel_workers_per_gather=0",
    "work_mem=64MB",
    "track_functions=none",
];

/// A cluster that is this process's alone.
pub struct Kept {
    /// The cluster.
    pub postgres: Postgres,
    _lock: File,
}

/// Keeps other runs of that size away until the file is closed.
fn claim(clusters: &Path, world: &World) -> Result<File, String> {
    let path = clusters.join(format!("{}.lock", world.size.name));
    let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    fs::create_dir_all(clusters).map_err(|error| describe(&error))?;
    let file = File::create(&path).map_err(|error| describe(&error))?;
    file.try_lock()
        .map_err(|_| format!("another bench of that scale runs ({})", path.display()))?;
    Ok(file)
}

/// Starts the cluster that holds the world, loading it first where no earlier run has.
pub fn start(place: &Place, world: &World) -> Result<Kept, String> {
    let clusters = place.private.join("bench");
    let name = format!("{}-{}", world.size.name, digest(place, world)?);
    let folder = clusters.join(&name);
    let complete = folder.join("complete");
    let lock = claim(&clusters, world)?;
    for entry in fs::read_dir(&clusters).into_iter().flatten().flatten() {
        let other = entry.file_name().to_string_lossy().into_owned();
        let unfinished = !entry.path().join("complete").exists();
        let same_size = other.starts_with(&format!("{}-", world.size.name));
        if same_size && (unfinished || other != name) {
            println!(
                "removing {other}, which nobody finished or another version or seed has loaded"
            );
            fs::remove_dir_all(entry.path()).map_err(|error| format!("{other}: {error}"))?;
        }
    }
    let is_loaded = complete.exists();
    let postgres = Postgres::start(
        place,
        Spec {
            major: major_under_test()?,
            folder,
            port: free_port()?,
            password: "bench".to_owned(),
            fsync: true,
            settings: SETTINGS,
            lifetime: Lifetime::Bound,
        },
    )?;
    if is_loaded {
        println!("database {name}: loaded by an earlier run");
        return Ok(Kept {
            postgres,
            _lock: lock,
        });
    }
    println!("database {name}: loading");
    let began = Instant::now();
    postgres.create_database(DATABASE)?;
    let events = loading::load(&postgres, DATABASE, world)?;
    let mut client = postgres.admin(DATABASE)?;
    loading::settle(&mut client)?;
    let seconds = began.elapsed().as_secs_f64();
    let told = format!("{events} events in {seconds:.0} s, VACUUM (ANALYZE) included");
    println!("loaded: {told}");
    fs::write(&complete, told).map_err(|error| format!("{}: {error}", complete.display()))?;
    Ok(Kept {
        postgres,
        _lock: lock,
    })
}

/// Of all that decides what is loaded: the extension's version and SQL, the generator, the seed.
fn digest(place: &Place, world: &World) -> Result<String, String> {
    let mut digest = Sha256::new();
    digest.update(format!("{} {}", world.seed, major_under_test()?));
    digest.update(env!("CARGO_PKG_VERSION"));
    for source in [
        include_str!("world.rs"),
        include_str!("plan.rs"),
        include_str!("events.rs"),
        loading::ITEM,
    ] {
        digest.update(source);
    }
    let scripts = place.root.join("extension/sql");
    let describe = |error: std::io::Error| format!("{}: {error}", scripts.display());
    let mut files: Vec<_> = fs::read_dir(&scripts)
        .map_err(describe)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    for file in files {
        digest.update(fs::read(&file).map_err(describe)?);
    }
    let digest = digest.finalize();
    Ok(digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
