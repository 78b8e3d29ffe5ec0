use std::process::Command;

use deed_tests::stage::{Line, PLACE, run_folder, shared_kafka};
use postgres::{Client, Error};

use super::documents;
use super::statements::{documents_of, own, wait_for};

/// A small file system in memory, unmounted at the end.
struct Small(std::path::PathBuf);

impl Small {
    /// None where nobody may mount one.
    fn mount(name: &str) -> Option<Self> {
        let folder = run_folder().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(&folder)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Moves the documents' table into a tablespace, which a file fills up, and has it grow.
fn fill_and_free(line: &Line<'_>, small: &Small, admin: &mut Client) -> Result<(), Error> {
    let folder = small.0.display();
    PLACE.give_to_server(&small.0).expect("given");
    admin.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{folder}'"))?;
    admin.batch_execute("ALTER TABLE deed.document SET TABLESPACE small")?;
    let mut consumer = line.consumer("a");
    line.send(&documents("full", 10));
    line.wait_until_applied();
    let filler = small.0.join("filler");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", filler.display()))
        .output()
        .expect("dd");
    assert!(!filled.status.success(), "it fits in");
    line.send(&documents("full later", 2_000));
    wait_for(&mut consumer, "53100");
    std::fs::remove_file(&filler).expect("freed");
    line.wait_until_applied();
    assert!(consumer.lives());
    Ok(())
}

#[test]
fn a_full_disk_is_waited_for() {
    let Some(small) = Small::mount("small") else {
        // Only root may; elsewhere nothing here says anything of a full disk.
        println!("NOT TESTED: a tmpfs can't be mounted here, so no disk is full");
        return;
    };
    let postgres = own("full");
    let line = Line::new(shared_kafka(), &postgres, "full", &[("events", 1)]);
    let mut admin = line.admin();
    fill_and_free(&line, &small, &mut admin).expect("statements");
    assert_eq!(documents_of(&line), 2_010);
    // Its files lie on what is unmounted now.
    postgres.kill();
}
