//! What a failed call means, by its SQLSTATE alone.

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes by itself: the same call again, soon.
    Retry,
    /// A person must mend it: the same call again, now and then.
    Park,
    /// Something about the records: fewer of them at a time, until it is known which.
    Divide,
    /// Another process owns the partition.
    Fenced,
    /// Postgres' position is not the one that this process goes on from: start over from it.
    Reclaim,
    /// The topic was deleted and made again: no offset means what it meant.
    Recreated,
}

/// Decides by the five characters of an SQLSTATE; none is an answer that never came.
pub fn verdict(code: Option<&str>) -> Verdict {
    let Some(code) = code else {
        return Verdict::Retry;
    };
    match code {
        "PD010" => Verdict::Fenced,
        "PD011" | "PD013" => Verdict::Reclaim,
        "PD012" => Verdict::Recreated,
        "PD014" => Verdict::Divide,
        // Shutting down, crashed, starting up; idle for longer than the login may be, in a transaction or not.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Verdict::Retry,
        _ if is_contention(Some(code)) => Verdict::Retry,
        // A standby on its way to be primary.
        "25006" => Verdict::Retry,
        // Connection exceptions; insufficient resources.
        code if code.starts_with("08") || code.starts_with("53") => Verdict::Retry,
        // Data, integrity and checks of views; limits of Postgres; what a function raises; a defect that some record meets.
        "XX000" => Verdict::Divide,
        code if ["22", "23", "44", "54", "P0"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Verdict::Divide
        }
        _ => Verdict::Park,
    }
}

/// Whether others were in the way: serialization, deadlock, lock not available.
pub fn is_contention(code: Option<&str>) -> bool {
    matches!(code, Some("40001" | "40P01" | "55P03"))
}

/// The next step for a person, where the code tells it.
pub fn advice(code: Option<&str>) -> &'static str {
    match code.unwrap_or_default() {
        "42883" | "42703" | "3F000" | "42P01" => {
            "is the extension in this database and up to date? CREATE EXTENSION deed, or ALTER EXTENSION deed UPDATE"
        }
        "42501" => {
            "the login lacks a grant: run the scripts in sql/ and make it a member of deed_consumer"
        }
        "3D000" => "the database does not exist: look at database_url",
        code if code.starts_with("28") => {
            "the login was refused: look at database_url and pg_hba.conf"
        }
        "PD002" => "set the login's default_transaction_isolation to read committed",
        "PD020" => {
            "an index of the extension is missing or changed: ALTER EXTENSION deed UPDATE, REINDEX it or create it again"
        }
        "57014" => "the login's statement_timeout is too short for a batch: raise it",
        _ => "look at the message and at the server's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again() {
        assert_eq!(verdict(None), Verdict::Retry);
        for code in [
            "08000", "08006", "57P01", "57P02", "57P03", "57P05", "53100", "53300", "40001",
            "40P01", "55P03", "25006", "25P03",
        ] {
            assert_eq!(verdict(Some(code)), Verdict::Retry, "{code}");
        }
    }

    #[test]
    fn what_a_person_must_mend_waits_for_one() {
        for code in [
            "42883", "3F000", "42P01", "XX001", "42501", "28P01", "57014", "PD002", "PD006",
        ] {
            assert_eq!(verdict(Some(code)), Verdict::Park, "{code}");
            assert!(!advice(Some(code)).is_empty());
        }
    }

    #[test]
    fn what_a_record_brings_about_is_looked_for() {
        for code in [
            "22021", "23502", "44000", "54000", "P0001", "XX000", "PD014",
        ] {
            assert_eq!(verdict(Some(code)), Verdict::Divide, "{code}");
        }
    }

    #[test]
    fn ownership_has_answers_of_its_own() {
        assert_eq!(verdict(Some("PD010")), Verdict::Fenced);
        assert_eq!(verdict(Some("PD011")), Verdict::Reclaim);
        assert_eq!(verdict(Some("PD013")), Verdict::Reclaim);
        assert_eq!(verdict(Some("PD012")), Verdict::Recreated);
    }
}
