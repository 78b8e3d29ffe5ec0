//! A dump of 0.1.0 where the files of a newer version are installed: the way of `docs/SQL.md`.

use deed_tests::answers::Subjects;
use deed_tests::event::{Clock, id};
use deed_tests::spawn::run;
use deed_tests::stage::shared_postgres;

use super::{bare, old, update};
use crate::ground::Ground;

#[test]
fn a_dump_of_an_older_version_is_restored_into_that_version() {
    let postgres = shared_postgres();
    let mut clock = Clock::default();
    let (plan, anne, bob) = (id("plan"), id("anne"), id("bob"));
    let events = [
        clock.created(plan, anne, "Plan"),
        clock.granted(plan, bob, "viewer", anne),
    ];
    let mut source = bare(postgres, "older_source", "VERSION '0.1.0'");
    old::write(&mut source, &events);
    let place = std::env::temp_dir();
    let [dump, list] = ["dump", "list"]
        .map(|kind| place.join(format!("deed-older-{}.{kind}", std::process::id())));
    let mut pg_dump = postgres.program("pg_dump");
    pg_dump.args(["--format=custom", "--file"]).arg(&dump);
    run(pg_dump.arg(postgres.admin_url("older_source")), None).expect("dumped");

    let restore = |database: &str, options: &[&str]| {
        let mut pg_restore = postgres.program("pg_restore");
        pg_restore
            .args(["--exit-on-error", "--dbname"])
            .arg(postgres.admin_url(database))
            .args(options)
            .arg(&dump);
        run(&pg_restore, None)
    };
    postgres
        .create_bare_database("older_straight")
        .expect("database");
    let refused = restore("older_straight", &[]).expect_err("not into the newest version");
    assert!(refused.contains("lifecycle_version"), "{refused}");

    let mut target = bare(postgres, "older_restored", "VERSION '0.1.0'");
    let mut contents = postgres.program("pg_restore");
    let contents = run(contents.arg("--list").arg(&dump), None).expect("contents");
    let without_schema: String = contents
        .lines()
        .filter(|line| !line.contains(" SCHEMA - deed "))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&list, without_schema).expect("written");
    restore(
        "older_restored",
        &["--use-list", &list.display().to_string()],
    )
    .expect("restored");
    for file in [&dump, &list] {
        std::fs::remove_file(file).expect("removed");
    }
    update(&mut target);
    let subjects = Subjects {
        principals: vec![anne, bob],
        documents: vec![plan],
    };
    Ground::over("older_restored")
        .judge(&events, &subjects, 1)
        .unwrap_or_else(|difference| panic!("{difference}"));
}
