//! Where tools and data lie. `dev/env.sh` sets it, every make target reads that first.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders of this clone and of the caches that all clones share.
#[derive(Debug, Clone)]
pub struct Place {
    /// Tools shared by all clones.
    pub cache: PathBuf,
    /// This clone's own installs and data.
    pub private: PathBuf,
    /// Who runs Postgres, which refuses root; `None` is ourselves.
    pub server_user: Option<String>,
    /// The clone itself.
    pub root: PathBuf,
}

impl Place {
    /// Reads the environment; the error says what to run instead.
    pub fn from_env() -> Result<Self, String> {
        let folder = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
                .ok_or_else(|| format!("{name} is not set: run this through `make test` or `make demo`, or `. dev/env.sh` first"))
        };
        let here = env::current_dir().map_err(|error| format!("current folder: {error}"))?;
        let root = here
            .ancestors()
            .find(|folder| folder.join("extension/deed.control").exists())
            .ok_or("run this inside the clone")?;
        Ok(Self {
            cache: folder("DEED_CACHE")?,
            private: folder("DEED_PRIVATE")?,
            server_user: env::var("DEED_SERVER_USER")
                .ok()
                .filter(|user| !user.is_empty()),
            root: root.to_owned(),
        })
    }

    /// The programs of this clone's Postgres of that major.
    pub fn postgres_bin(&self, major: u32) -> PathBuf {
        self.private.join(format!("pg/{major}/bin"))
    }

    /// The consumer: this clone's copy.
    pub fn consumer(&self) -> PathBuf {
        self.private.join("bin/deed-consumer")
    }

    /// The example's proxy: this clone's copy.
    pub fn proxy(&self) -> PathBuf {
        self.private.join("bin/deed-proxy")
    }

    /// PostgREST: the pinned one, or the one that `POSTGREST` names.
    pub fn postgrest(&self) -> PathBuf {
        env::var_os("POSTGREST").map_or_else(
            || self.cache.join("postgrest-12.0.2/postgrest"),
            PathBuf::from,
        )
    }

    /// The published JSON Schema of AsyncAPI 3.0.
    pub fn asyncapi_schema(&self) -> PathBuf {
        self.cache.join("asyncapi-3.0.0/schema.json")
    }

    /// The linter of OpenAPI documents.
    pub fn spectral(&self) -> PathBuf {
        self.cache.join("spectral/node_modules/.bin/spectral")
    }

    /// The checker of Prometheus' rules.
    pub fn promtool(&self) -> PathBuf {
        self.cache.join("prometheus/promtool")
    }

    /// The folder of a package for Python, for `PYTHONPATH`.
    pub fn python(&self, package: &str) -> PathBuf {
        self.cache.join(package)
    }

    /// Java's class path for Kafka.
    pub fn kafka_classes(&self) -> String {
        format!("{}/kafka-4.3.1/libs/*", self.cache.display())
    }

    /// Gives a file or folder to the server user.
    pub fn give_to_server(&self, path: &Path) -> Result<(), String> {
        let Some(user) = &self.server_user else {
            return Ok(());
        };
        let status = Command::new("chown").arg(user).arg(path).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("{}: could not be given to {user}", path.display())),
        }
    }
}

/// The Postgres major to test, from `DEED_PG`.
pub fn major_under_test() -> Result<u32, String> {
    let text = env::var("DEED_PG")
        .map_err(|_| "DEED_PG is not set: give the Postgres major to test, such as DEED_PG=18")?;
    text.parse()
        .map_err(|_| format!("DEED_PG: expected a Postgres major such as 18, found {text}"))
}
