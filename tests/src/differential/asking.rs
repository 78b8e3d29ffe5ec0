//! Every way to ask. The answers to all triples of a state are one string: by principal, then by
//! document, then by level, `1` or `0`.

use std::collections::BTreeMap;

use deed_model::model::{Level, Settled, Sort};
use postgres::{Client, Row};
use uuid::Uuid;

use super::state::State;

/// Stands where a way has no answer to give: lists of principals leave groups out.
pub const NOT_ASKED: u8 = b'.';

const EVERYONE: Uuid = Uuid::from_u128(1);
const USERS: Uuid = Uuid::from_u128(2);
/// Reads the table below row security, and may do nothing else.
const READER: &str = "deed_differential_reader";

/// `{}` is the answer for principal `p`, document `d` and level `l`.
const EACH: &str = "
    SELECT string_agg(coalesce(({})::integer::text, '?'), '' ORDER BY p.n, d.n, l)
    FROM unnest($1::uuid[]) WITH ORDINALITY AS p (id, n),
      unnest($2::uuid[]) WITH ORDINALITY AS d (id, n),
      unnest(enum_range(NULL::deed.permission_level)) AS l";

const MANY: &str = "
    SELECT string_agg(CASE WHEN c.document_id = ($2::uuid[])[c.n] THEN c.allowed::integer::text
      ELSE '?' END, '' ORDER BY p.n, c.n, l)
    FROM unnest($1::uuid[]) WITH ORDINALITY AS p (id, n),
      unnest(enum_range(NULL::deed.permission_level)) AS l,
      LATERAL deed.check_many(p.id, $2, l) WITH ORDINALITY AS c (document_id, allowed, n)";

/// The user's own table, with a row for each document and level.
const OWN_TABLE: &str = "
    DO $$ BEGIN
      IF to_regrole('deed_differential_reader') IS NULL THEN
        CREATE ROLE deed_differential_reader;
      END IF;
    END $$;
    CREATE SCHEMA IF NOT EXISTS app;
    CREATE TABLE app.note (
      place integer PRIMARY KEY, document_id uuid NOT NULL, needs deed.permission_level NOT NULL);
    ALTER TABLE app.note ENABLE ROW LEVEL SECURITY;
    CREATE POLICY note ON app.note
      USING (deed.has_permission(document_id, needs));
    GRANT USAGE ON SCHEMA app, deed TO deed_differential_reader;
    GRANT SELECT ON app.note TO deed_differential_reader;
    GRANT EXECUTE ON FUNCTION deed.current_principal(),
      deed.has_permission(uuid, deed.permission_level),
      deed.has_permission(uuid, uuid, deed.permission_level) TO deed_differential_reader";

const FILL_OWN_TABLE: &str = "
    INSERT INTO app.note SELECT (d.n - 1) * 3 + l.n - 1, d.id, l.level
    FROM unnest($1::uuid[]) WITH ORDINALITY AS d (id, n),
      unnest(enum_range(NULL::deed.permission_level)) WITH ORDINALITY AS l (level, n)";

/// What one way to ask has answered.
pub struct Way {
    /// What it is called.
    pub name: &'static str,
    /// To all triples.
    pub answers: Vec<u8>,
    /// Lists that hold other rows, or in another order, than the model's.
    pub out_of_order: Vec<String>,
}

impl State {
    fn triples(&self) -> usize {
        self.principals.len() * self.documents.len() * Level::ALL.len()
    }

    fn place(&self, principal: usize, document: usize, level: Level) -> usize {
        (principal * self.documents.len() + document) * Level::ALL.len() + level as usize
    }

    /// What is asked at that place of the string.
    pub fn triple(&self, place: usize) -> String {
        let (pair, level) = (place / Level::ALL.len(), place % Level::ALL.len());
        let (principal, document) = (pair / self.documents.len(), pair % self.documents.len());
        let (principal, document) = (self.principals[principal], self.documents[document]);
        format!(
            "principal {principal}, document {document}, {}",
            Level::ALL[level].word()
        )
    }
}

/// What the model answers.
pub fn expected(settled: &Settled, state: &State, now: &str) -> Vec<u8> {
    let mut all = vec![b'0'; state.triples()];
    for (p, principal) in state.principals.iter().enumerate() {
        for (d, document) in state.documents.iter().enumerate() {
            let held = settled.level(*principal, *document, now);
            for level in Level::ALL.into_iter().filter(|level| Some(*level) <= held) {
                all[state.place(p, d, level)] = b'1';
            }
        }
    }
    all
}

/// What is asked about, and what is known of it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Whom and what.
    pub state: &'a State,
    /// What the model was told of it.
    pub settled: &'a Settled,
    /// The time of the question, as [`crate::answers::now`] gives it.
    pub now: &'a str,
    /// Draws how large the pages of lists are, which changes from page to page.
    pub sizes: i32,
}

/// A session that asks.
pub struct Asker {
    client: Client,
}

impl Asker {
    /// Asks on this connection, a superuser's.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The connection.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Makes and fills the user's own table, by a session that may write.
    pub fn prepare(&self, writer: &mut Client, state: &State) {
        let there = writer.query_one("SELECT to_regclass('app.note') IS NOT NULL", &[]);
        if !there.expect("a look").get::<_, bool>(0) {
            writer.batch_execute(OWN_TABLE).expect("the own table");
        }
        writer
            .batch_execute("DELETE FROM app.note")
            .expect("emptied");
        writer
            .execute(FILL_OWN_TABLE, &[&state.documents])
            .expect("filled");
    }

    /// Asks in every way.
    pub fn ask(&mut self, question: Question<'_>) -> Vec<Way> {
        let each = |answer| EACH.replace("{}", answer);
        let state = question.state;
        vec![
            self.checks(
                "has_permission",
                &each("deed.has_permission(p.id, d.id, l)"),
                state,
            ),
            self.checks(
                "effective_level",
                &each("coalesce(deed.effective_level(p.id, d.id) >= l, false)"),
                state,
            ),
            self.checks("check_many", MANY, state),
            self.row_security(state),
            self.documents(
                "list_documents by last_modified",
                Sort::LastModified,
                question,
            ),
            self.documents("list_documents by id", Sort::Id, question),
            self.principals(question),
        ]
    }

    fn checks(&mut self, name: &'static str, query: &str, state: &State) -> Way {
        let row = self
            .client
            .query_one(query, &[&state.principals, &state.documents])
            .expect(name);
        Way {
            name,
            answers: row.get::<_, String>(0).into_bytes(),
            out_of_order: Vec::new(),
        }
    }

    fn row_security(&mut self, state: &State) -> Way {
        let mut answers = vec![b'0'; state.triples()];
        let mut transaction = self.client.transaction().expect("begun");
        transaction
            .batch_execute(&format!("SET LOCAL ROLE {READER}"))
            .expect("the role");
        for (p, principal) in state.principals.iter().enumerate() {
            transaction
                .batch_execute(&format!("SET LOCAL deed.principal = '{principal}'"))
                .expect("the principal");
            let rows = transaction.query("SELECT place FROM app.note", &[]);
            for row in rows.expect("notes") {
                let start = state.place(p, 0, Level::Viewer);
                answers[start + row.get::<_, i32>(0) as usize] = b'1';
            }
        }
        Way {
            name: "row security",
            answers,
            out_of_order: Vec::new(),
        }
    }

    fn documents(&mut self, name: &'static str, sort: Sort, question: Question<'_>) -> Way {
        let Question {
            state,
            settled,
            now,
            sizes,
        } = question;
        let word = match sort {
            Sort::Id => "id",
            Sort::LastModified => "last_modified",
        };
        let call = format!("deed.list_documents(q.of, q.level, '{word}', {{cursor}}, {{size}})");
        let lists = self.walk(&call, "document_id", &state.principals, sizes);
        let mut answers = vec![b'0'; state.triples()];
        let mut out_of_order = Vec::new();
        let places = places(&state.documents);
        for (p, principal) in state.principals.iter().enumerate() {
            for level in Level::ALL {
                let found = lists.of(*principal, level);
                for d in found.iter().filter_map(|(id, _)| places.get(id)) {
                    answers[state.place(p, *d, level)] = b'1';
                }
                let expected = settled.documents(*principal, level, sort, now);
                let what = format!("of {principal} from {}", level.word());
                out_of_order.extend(differ(&what, &found, &expected));
            }
        }
        Way {
            name,
            answers,
            out_of_order,
        }
    }

    fn principals(&mut self, question: Question<'_>) -> Way {
        let Question {
            state,
            settled,
            now,
            sizes,
        } = question;
        let call = "deed.list_principals(q.of, q.level, {cursor}, {size})";
        let lists = self.walk(call, "principal_id", &state.documents, sizes);
        let mut answers = vec![b'0'; state.triples()];
        let mut out_of_order = Vec::new();
        for (d, document) in state.documents.iter().enumerate() {
            for level in Level::ALL {
                let found = lists.of(*document, level);
                let listed: BTreeMap<Uuid, &str> = found
                    .iter()
                    .map(|(id, level)| (*id, level.as_str()))
                    .collect();
                let lists = |id| listed.contains_key(&id);
                for (p, principal) in state.principals.iter().enumerate() {
                    let holds = lists(*principal)
                        || lists(EVERYONE) && settled.is_anyone(*principal)
                        || lists(USERS) && settled.is_user(*principal);
                    answers[state.place(p, d, level)] = match settled.is_group(*principal) {
                        true => NOT_ASKED,
                        false => b'0' + u8::from(holds),
                    };
                }
                let expected = settled.principals(*document, level, now);
                let what = format!("on {document} from {}", level.word());
                out_of_order.extend(differ(&what, &found, &expected));
            }
        }
        Way {
            name: "list_principals",
            answers,
            out_of_order,
        }
    }

    /// A list of each of these and from each level, walked to its end. `call` has `{cursor}` and
    /// `{size}` of a page, for a question `q`.
    fn walk(&mut self, call: &str, id: &str, of: &[Uuid], sizes: i32) -> Lists {
        let page = |cursor: &str, n: &str| {
            let size = format!("(1 + ($2 + 7 * {n}) % 13)");
            let call = call.replace("{cursor}", cursor).replace("{size}", &size);
            format!(
                "(SELECT array_agg(r.{id} ORDER BY r.ordinality) AS ids,
                    array_agg(r.level::text ORDER BY r.ordinality) AS levels,
                    (array_agg(r.cursor ORDER BY r.ordinality))[{size}] AS next
                  FROM {call} WITH ORDINALITY AS r) AS page"
            )
        };
        // A list that never ends would be longer than any of ours.
        let query = format!(
            "WITH RECURSIVE walk AS (
               SELECT q.*, 1 AS n, page.*
               FROM (SELECT * FROM unnest($1::uuid[]) AS a (of),
                 unnest(enum_range(NULL::deed.permission_level)) AS b (level)) AS q,
                 LATERAL {}
               UNION ALL
               SELECT q.of, q.level, q.n + 1, page.* FROM walk AS q, LATERAL {}
               WHERE q.next IS NOT NULL AND q.n < 10000)
             SELECT of, level::text, ids, levels FROM walk WHERE ids IS NOT NULL ORDER BY n",
            page("NULL", "1"),
            page("q.next", "(q.n + 1)")
        );
        let mut lists = Lists::default();
        let rows = self.client.query(&query, &[&of, &sizes]).expect(&query);
        rows.iter().for_each(|row| lists.add(row));
        lists
    }
}

#[derive(Default)]
struct Lists(BTreeMap<(Uuid, String), Vec<(Uuid, String)>>);

impl Lists {
    fn add(&mut self, page: &Row) {
        let (ids, levels): (Vec<Uuid>, Vec<String>) = (page.get(2), page.get(3));
        let list = self.0.entry((page.get(0), page.get(1))).or_default();
        list.extend(ids.into_iter().zip(levels));
    }

    fn of(&self, of: Uuid, level: Level) -> Vec<(Uuid, String)> {
        let list = self.0.get(&(of, level.word().to_owned()));
        list.cloned().unwrap_or_default()
    }
}

fn places(ids: &[Uuid]) -> BTreeMap<Uuid, usize> {
    ids.iter().enumerate().map(|(n, id)| (*id, n)).collect()
}

fn differ(what: &str, found: &[(Uuid, String)], expected: &[(Uuid, Level)]) -> Option<String> {
    let words = |(id, level): &(Uuid, Level)| (*id, level.word().to_owned());
    let expected: Vec<_> = expected.iter().map(words).collect();
    (found != expected).then(|| format!("{what}: lists {found:?}, the model {expected:?}"))
}
