use super::*;

fn read(text: &str) -> Result<Settings, String> {
    Settings::read(text, |_| None)
}

fn hosts(settings: &Settings) -> Vec<&str> {
    settings
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect()
}

#[test]
fn hosts_have_their_ports_and_addresses() {
    let settings = read("postgres://u@one:1,two,[::1]:3/d").expect("read");
    assert_eq!(hosts(&settings), ["one:1", "two:5432", "::1:3"]);
    let settings = read("user=u host=one,two port=7").expect("read");
    assert_eq!(hosts(&settings), ["one:7", "two:7"]);
    let settings = read("user=u hostaddr=127.0.0.1").expect("read");
    assert_eq!(hosts(&settings), ["127.0.0.1:5432"]);
    assert!(settings.hosts[0].to_be_looked_up().is_none());
    let settings = read("user=u host=db hostaddr=127.0.0.1").expect("read");
    assert_eq!(
        settings.hosts[0].config.get_hosts(),
        [Host::Tcp("db".into())]
    );
    let settings = read("user=u host=/var/run sslmode=require").expect("read");
    assert_eq!(settings.hosts[0].config.get_ssl_mode(), SslMode::Disable);
}

#[test]
fn one_of_several_hosts_must_take_writes() {
    let wanted = |text| {
        let settings = read(text).expect("read");
        settings.hosts[0].config.get_target_session_attrs()
    };
    assert_eq!(wanted("postgres://u@one/d"), TargetSessionAttrs::Any);
    assert_eq!(
        wanted("postgres://u@one,two/d"),
        TargetSessionAttrs::ReadWrite
    );
    let any = "postgres://u@one,two/d?target_session_attrs=any";
    assert_eq!(wanted(any), TargetSessionAttrs::Any);
    let primary = "postgres://u@one/d?target_session_attrs=primary";
    assert_eq!(wanted(primary), TargetSessionAttrs::ReadWrite);
}

#[test]
fn every_mode_that_demands_tls_verifies_it() {
    for (mode, wanted) in [
        ("disable", SslMode::Disable),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::Require),
        ("verify-full", SslMode::Require),
    ] {
        let settings = read(&format!("postgres://u@h/d?sslmode={mode}")).expect(mode);
        assert_eq!(settings.hosts[0].config.get_ssl_mode(), wanted);
        assert_eq!(settings.tls.is_some(), mode != "disable");
    }
}

#[test]
fn passwords_come_from_a_file_by_host_and_are_not_shown() {
    let path = std::env::temp_dir().join(format!("deed-passfile-of-{}", std::process::id()));
    std::fs::write(&path, "two:5432:d:u:hunter2").expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode).expect("owned");
    let text = format!("postgres://u@one,two/d?passfile={}", path.display());
    let settings = read(&text).expect("read");
    std::fs::remove_file(&path).expect("written above");
    let password = |at: usize| settings.hosts[at].config.get_password();
    assert_eq!(password(0), None);
    assert_eq!(password(1), Some(b"hunter2".as_slice()));
    let shown = format!("{settings} {settings:?}");
    assert!(shown.contains("u@one:5432,two:5432/d") && !shown.contains("hunter2"));
}

#[test]
fn what_is_wrong_is_named_without_its_value() {
    for (text, name) in [
        ("postgres://h/d", "PGUSER"),
        ("postgres://u@h:hunter2/d", "port"),
        ("postgres://u@h:1,i:2,j/d?hostaddr=1.1.1.1", "hostaddr"),
        ("user=u hostaddr=hunter2", "hostaddr"),
        ("postgres://u@h,/d", "host"),
        ("postgres://u@h/d?sslmode=hunter2", "sslmode"),
        (
            "postgres://u@h/d?target_session_attrs=standby",
            "target_session_attrs",
        ),
        (
            "postgres://u@h/d?connect_timeout=hunter2",
            "connect_timeout",
        ),
        (
            "postgres://u@h/d?channel_binding=hunter2",
            "channel_binding",
        ),
        (
            "postgres://u@h/d?keepalives_count=hunter2",
            "keepalives_count",
        ),
        ("postgres://u@h/d?sslrootcert=/nowhere", "sslrootcert"),
        ("postgres://u@h/d?sslcert=/a", "sslkey"),
    ] {
        let error = read(text).expect_err(text);
        assert!(
            error.contains(name) && !error.contains("hunter2"),
            "{text}: {error}"
        );
    }
}
