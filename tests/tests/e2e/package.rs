//! A package, put into a Postgres without build tools: it installs, goes to work, and updates what is older.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use deed_tests::catalog;
use deed_tests::event::{Clock, id};
use deed_tests::place::{Place, major_under_test};
use deed_tests::postgres::{Postgres, connect};
use deed_tests::process::wait_until;
use deed_tests::spawn::run;
use deed_tests::stage::{DEADLINE, Line, PLACE, own_postgres_at, run_folder, shared_kafka};

/// All that installing takes: a shell and coreutils.
const TOOLS: [&str; 6] = ["basename", "chmod", "cp", "dirname", "mv", "sh"];

/// The unpacked package, and a Postgres that has its files and nothing that builds any.
struct Installed {
    place: Place,
    postgres: Postgres,
}

static INSTALLED: LazyLock<Installed> = LazyLock::new(|| {
    let folder = run_folder().join("package");
    let major = major_under_test().expect("DEED_PG");
    let root = unpack(&pack(major), &folder);
    // Its Postgres, its programs and its scripts are what the tests find there.
    symlink(root.join("bin"), folder.join("bin")).expect("a link");
    copy_without_build_tools(major, &folder.join(format!("pg/{major}")));
    let place = Place {
        private: folder.clone(),
        root,
        ..PLACE.clone()
    };
    let postgres = own_postgres_at(&place, "package/cluster", false);
    let [libraries, shared] = ["PKGLIBDIR", "SHAREDIR"].map(|name| folder_of(&postgres, name));
    run(
        install(&folder, &place.root).arg(&libraries).arg(&shared),
        None,
    )
    .expect("installed");
    Installed { place, postgres }
});

/// The tarball of what this clone has built, whose digest lies beside it.
fn pack(major: u32) -> PathBuf {
    let mut package = Command::new(PLACE.root.join("dev/package"));
    package.arg("--built").arg(major.to_string());
    let told = run(&package, None).expect("packed");
    let tarball = PathBuf::from(told.trim());
    let name = format!(
        "deed-{}-pg{major}-linux-x86_64.tar.gz",
        env!("CARGO_PKG_VERSION")
    );
    assert!(tarball.ends_with(&name), "{told}");
    let mut check = Command::new("sha256sum");
    check
        .current_dir(tarball.parent().expect("a folder"))
        .args(["--check", "--status"])
        .arg(format!("{name}.sha256"));
    run(&check, None).expect("the digest is the tarball's");
    tarball
}

fn unpack(tarball: &Path, folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).expect("the folder");
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(tarball).arg("-C").arg(folder);
    run(&tar, None).expect("unpacked");
    let name = tarball.file_name().expect("a name").to_string_lossy();
    folder.join(name.trim_end_matches(".tar.gz"))
}

fn copy_without_build_tools(major: u32, to: &Path) {
    let from = PLACE.cache.join(format!("postgres/{major}"));
    fs::create_dir_all(to).expect("the folder");
    run(
        Command::new("cp").arg("-a").arg(from.join(".")).arg(to),
        None,
    )
    .expect("copied");
    let mut find = Command::new("find");
    find.arg(to)
        .args(["-name", "pg_config", "-o", "-name", "pgxs"])
        .args(["-o", "-name", "include", "-o", "-name", "deed*"]);
    let found = run(&find, None).expect("found");
    let tools: Vec<&str> = found.lines().collect();
    assert!(tools.len() >= 3, "{found}");
    assert!(
        !tools.iter().any(|path| file_name(path).starts_with("deed")),
        "nothing is installed yet: {found}"
    );
    run(Command::new("rm").arg("-r").args(&tools), None).expect("removed");
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// As INSTALL says it.
fn folder_of(postgres: &Postgres, name: &str) -> PathBuf {
    let query = format!("SELECT setting FROM pg_config WHERE name = '{name}'");
    let told = postgres.psql("postgres", &["-XAtc", &query]);
    PathBuf::from(told.expect("told").trim())
}

/// The package's script, which finds [`TOOLS`] and no other program.
fn install(folder: &Path, package: &Path) -> Command {
    let tools = folder.join("tools");
    if !tools.exists() {
        fs::create_dir(&tools).expect("the folder");
        for tool in TOOLS {
            symlink(Path::new("/usr/bin").join(tool), tools.join(tool)).expect("a link");
        }
    }
    // `env -i` and not `env_clear`, for what starts it is found by our own PATH.
    let mut command = Command::new("env");
    command
        .arg("-i")
        .arg(format!("PATH={}", tools.display()))
        .arg(package.join("install-extension.sh"));
    command
}

#[test]
fn it_goes_to_work() {
    let Installed { place, postgres } = &*INSTALLED;
    let line = Line::new(shared_kafka(), postgres, "packaged", &[("events", 1)]);
    let spec = line.consumer_spec("a");
    let mut consumer = spec.start(place).expect("consumer");
    let (document, anne, bob) = (id("packaged"), id("anne"), id("bob"));
    let mut clock = Clock::default();
    line.send(&[
        clock.created(document, anne, "Packaged").structured(),
        clock.granted(document, bob, "editor", anne).binary(),
    ]);
    line.wait_until_applied();
    let url = postgres.login_url("packaged_service", "deed_service", &line.name);
    let mut service = connect(&url.expect("login")).expect("connection");
    service
        .batch_execute("SET ROLE deed_service")
        .expect("role");
    let ask = "SELECT deed.has_permission($1, $2, 'editor'), deed.has_permission($1, $2, 'owner')";
    let row = service.query_one(ask, &[&bob, &document]).expect(ask);
    assert_eq!((row.get(0), row.get(1)), (true, false));
    // What it told goes out, too.
    let waiting = "SELECT count(*) FROM deed.outbox";
    let mut admin = line.admin();
    wait_until("the outbox is empty", DEADLINE, || {
        let row = admin.query_one(waiting, &[]).ok()?;
        (row.get::<_, i64>(0) == 0).then_some(())
    })
    .expect("carried out");
    consumer.stop(DEADLINE).expect("stops");
}

#[test]
fn its_scripts_update_every_older_version() {
    let postgres = &INSTALLED.postgres;
    postgres.create_database("newest").expect("database");
    let mut newest = postgres.admin("newest").expect("connection");
    let expected = catalog::describe(&mut newest);
    let versions = "SELECT version FROM pg_available_extension_versions
         WHERE name = 'deed' AND version <> $1 ORDER BY version";
    let rows = newest
        .query(versions, &[&env!("CARGO_PKG_VERSION")])
        .expect(versions);
    let versions: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(versions.len() >= 4, "{versions:?}");
    for version in &versions {
        let name = format!("packaged_{version}");
        postgres.create_bare_database(&name).expect("database");
        let mut older = postgres.admin(&name).expect("connection");
        older
            .batch_execute(&format!("CREATE EXTENSION deed VERSION '{version}'"))
            .expect("the older version");
        older
            .batch_execute("ALTER EXTENSION deed UPDATE")
            .expect("updated");
        postgres.apply_scripts(&name).expect("set up");
        assert!(
            catalog::describe(&mut older) == expected,
            "{version} became another one than the newest"
        );
    }
    println!("updated from {versions:?}");
}

#[test]
fn the_same_commit_gives_the_same_package() {
    let Installed { place, .. } = &*INSTALLED;
    let major = major_under_test().expect("DEED_PG");
    let first = fs::read(pack(major)).expect("the package");
    let second = fs::read(pack(major)).expect("the package");
    assert!(second == first, "two packages of one commit differ");
    let terms = fs::read_to_string(place.root.join("licences/INDEX")).expect("the terms");
    for name in ["pgrx 0.", "rdkafka-sys ", "tokio-postgres "] {
        assert!(terms.contains(&format!("\n{name}")), "{name} in {terms}");
    }
    assert!(place.root.join("LICENSE").exists());
}

#[test]
fn wrong_folders_are_refused_by_name() {
    let Installed { place, postgres } = &*INSTALLED;
    let [libraries, shared] = ["PKGLIBDIR", "SHAREDIR"].map(|name| folder_of(postgres, name));
    for (arguments, told) in [
        (vec![], "got 0 arguments"),
        (vec![&shared, &shared], "plpgsql.so is not there"),
        (vec![&libraries, &libraries], "plpgsql.control is not there"),
    ] {
        let mut command = install(&place.private, &place.root);
        let error = run(command.args(&arguments), None).expect_err("refused");
        assert!(error.contains(told) && error.contains("next:"), "{error}");
    }
}

/// What the dynamic linker looks for is what docs/OPERATIONS.md says; no part of it is for building.
#[test]
fn it_needs_no_library_that_the_docs_do_not_name() {
    let root = &INSTALLED.place.root;
    let page = fs::read_to_string(root.join("docs/OPERATIONS.md")).expect("the page");
    for file in ["bin/deed-consumer", "lib/deed.so"] {
        let needed = run(Command::new("ldd").arg(root.join(file)), None).expect("ldd");
        assert!(needed.contains("libc.so.6"), "{needed}");
        for line in needed.lines() {
            let name = line.split_whitespace().next().expect("a name");
            // The kernel's own, and the linker itself.
            if !name.starts_with("linux-vdso") && !name.contains("/ld-linux") {
                assert!(page.contains(&format!("`{name}`")), "{file} needs {name}");
            }
            assert!(!line.contains("not found"), "{file}: {line}");
        }
    }
}
