//! libpq's password file: <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// A file of passwords; one that is not there holds none.
#[derive(Default)]
pub struct Passfile(String);

impl Passfile {
    /// Reads the file, which its owner alone may.
    pub fn read(path: &Path) -> Result<Self, String> {
        match fs::read_to_string(path) {
            Ok(text) => {
                private(path, false)?;
                Ok(Passfile(text))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(Passfile::default())
            }
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// The password of the first line that fits. A Unix socket's host is `localhost` there.
    pub fn password(&self, host: &str, port: u16, dbname: &str, user: &str) -> Option<String> {
        let wanted = [host, &port.to_string(), dbname, user];
        self.0.lines().find_map(|line| {
            let fields = fields(line);
            let (password, pattern) = fields.split_last()?;
            let fits = |(pattern, wanted): (&Field, &&str)| pattern.any || pattern.text == **wanted;
            let all = pattern.len() == 4 && pattern.iter().zip(&wanted).all(fits);
            all.then(|| password.text.clone())
        })
    }
}

/// Refuses a file with a secret that others can read; by libpq's rules root's key, and no password file, may be open
/// to a group.
pub fn private(path: &Path, is_key: bool) -> Result<(), String> {
    let describe = |error| format!("{}: {error}", path.display());
    let file = fs::metadata(path).map_err(describe)?;
    let forbidden = if is_key && file.uid() == 0 {
        0o037
    } else {
        0o077
    };
    if file.permissions().mode() & forbidden == 0 {
        return Ok(());
    }
    Err(format!(
        "{}: others can read or write this file, which holds a secret: chmod 600",
        path.display()
    ))
}

struct Field {
    text: String,
    /// It is a bare `*`.
    any: bool,
}

/// The first five fields between colons; `\` takes the meaning from a colon, a backslash and a star. None in a comment.
fn fields(line: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    if line.starts_with('#') {
        return fields;
    }
    let mut letters = line.chars();
    while fields.len() < 5 {
        let mut text = String::new();
        let mut escaped = false;
        let ended = loop {
            match letters.next() {
                Some('\\') => {
                    escaped = true;
                    text.extend(letters.next());
                }
                Some(':') => break false,
                Some(letter) => text.push(letter),
                None => break true,
            }
        };
        let any = text == "*" && !escaped;
        fields.push(Field { text, any });
        if ended {
            break;
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let file = Passfile(
            "# one:5432:app:ingest:comment\n\
             one:5432:app:ingest:p\\:a\\\\ss:ignored\n\
             one:5432:*:ingest:other\n\
             too:few:fields\n\
             *:*:*:fallback:last\n"
                .into(),
        );
        let ask = |host, port, dbname, user| file.password(host, port, dbname, user);
        assert_eq!(
            ask("one", 5432, "app", "ingest").as_deref(),
            Some("p:a\\ss")
        );
        assert_eq!(ask("one", 5432, "b", "ingest").as_deref(), Some("other"));
        assert_eq!(ask("one", 5433, "app", "ingest"), None);
        assert_eq!(ask("two", 1, "x", "fallback").as_deref(), Some("last"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_and_none_is_none() {
        let path = std::env::temp_dir().join(format!("deed-passfile-{}", std::process::id()));
        assert!(Passfile::read(&path).is_ok());
        fs::write(&path, "*:*:*:*:hunter2").expect("written");
        let read = |mode| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("owned");
            Passfile::read(&path).map(|file| file.password("h", 1, "d", "u"))
        };
        assert_eq!(read(0o600), Ok(Some("hunter2".into())));
        let error = read(0o644).expect_err("open to all");
        assert!(error.contains("chmod 600") && !error.contains("hunter2"));
        fs::remove_file(&path).expect("written above");
    }
}
