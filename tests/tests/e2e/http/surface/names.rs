//! What no answer may name, for it lies outside schema `api`.

use std::collections::BTreeSet;

use deed_tests::postgrest::Answer;

use crate::http::{Findings, Scene};

/// Names and words.
pub struct Names {
    forbidden: BTreeSet<String>,
}

impl Names {
    pub fn of(scene: &Scene) -> Self {
        // A plain word may be in any sentence; so only names that are no words.
        let sql = "SELECT DISTINCT name FROM (
              SELECT relname::text AS name, relnamespace AS schema FROM pg_class
              UNION ALL SELECT proname, pronamespace FROM pg_proc
              UNION ALL SELECT attname, relnamespace FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid) AS o
            WHERE schema IN ('deed'::regnamespace, 'deed_http'::regnamespace) AND name LIKE '%\\_%'
              AND name NOT IN (SELECT proname FROM pg_proc WHERE pronamespace = 'api'::regnamespace)
              AND name NOT IN (SELECT attname FROM pg_attribute WHERE attrelid = 'api.documents'::regclass)
              AND name NOT IN (SELECT unnest(proargnames) FROM pg_proc WHERE pronamespace = 'api'::regnamespace)";
        let rows = scene.line.admin().query(sql, &[]).expect("names");
        let mut forbidden: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(forbidden.contains("stream_position") && forbidden.len() > 50);
        for word in ["deed.", "deed_http", "pg_", "PL/pgSQL", "SELECT ", "pgrst_"] {
            forbidden.insert(word.to_owned());
        }
        Self { forbidden }
    }

    /// An error must not name any of them, but for what the request said itself.
    pub fn unnamed(&self, asked: &str, answer: &Answer, findings: &mut Findings) {
        if answer.status >= 400 {
            let named = |word: &&String| {
                answer.body.contains(*word) && !asked.contains(word.trim_end_matches(['.', ' ']))
            };
            let named: Vec<&String> = self.forbidden.iter().filter(named).collect();
            findings.expect(
                &format!("{asked} names {named:?}: {}", answer.body),
                named.is_empty(),
            );
        }
    }
}
