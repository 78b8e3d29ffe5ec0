//! Checks against the best of hand-written SQL.

use super::draw::{Draw, PAIRS};
use super::forms::{self, Form};
use super::report::{Report, Row};
use super::session::{Comparison, Fallible, Query, Session};
use super::world::World;

/// Of a pair `q`.
pub const HAS_PERMISSION: &str = "deed.has_permission(q.principal, q.document, q.level)";

/// How many pairs of a table meet the condition.
pub fn counting(table: &str, condition: &str) -> String {
    format!("SELECT count(*) FROM {table} AS q WHERE {condition}")
}

/// Makes every form a function too, inlined by nobody: `form_N` in SQL, `plpgsql_N`.
pub fn create_functions(session: &Session, forms: &[Form]) -> Fallible<()> {
    for (n, form) in forms.iter().enumerate() {
        let body = form.over("$1", "$2", "$3");
        let arguments = "(uuid, uuid, deed.permission_level) RETURNS boolean STABLE PARALLEL SAFE";
        session.execute(&format!(
            "CREATE FUNCTION pg_temp.sql_{n} {arguments} LANGUAGE sql AS $f$ SELECT {body} $f$;
             CREATE FUNCTION pg_temp.plpgsql_{n} {arguments} LANGUAGE plpgsql
               AS $f$ BEGIN RETURN {body}; END $f$"
        ))?;
    }
    Ok(())
}

/// The product and every floor give the same answers, or the run ends here.
pub fn assert_equal(session: &Session, world: &World, forms: &[Form]) -> Fallible<()> {
    let mut draw = Draw::new(world);
    let pairs = draw.pairs(|draw| match draw.below(4) {
        0 => draw.reachable(),
        1 => Some(draw.unrelated()),
        _ => draw.unusual(),
    });
    draw.store(session, "sample", &pairs)?;
    session.execute(
        "CREATE TEMP TABLE asked AS
         SELECT s.principal, s.document, l.level FROM sample AS s,
           unnest(enum_range(NULL::deed.permission_level)) AS l (level);
         ALTER TABLE asked ADD answer boolean;
         UPDATE asked AS q SET answer = deed.has_permission(q.principal, q.document, q.level);
         ANALYZE asked",
    )?;
    let all: i64 = session.count("SELECT count(*) FROM asked")?;
    let allowed = session.count("SELECT count(*) FROM asked WHERE answer")?;
    let mut others = vec![(
        "deed.effective_level".to_owned(),
        "coalesce(deed.effective_level(q.principal, q.document) >= q.level, false)".to_owned(),
    )];
    for (n, form) in forms.iter().enumerate() {
        others.push((form.name.clone(), form.over_pairs()));
        for language in ["sql", "plpgsql"] {
            others.push((
                format!("{}, a function in {language}", form.name),
                format!("pg_temp.{language}_{n}(q.principal, q.document, q.level)"),
            ));
        }
    }
    for (name, expression) in &others {
        let differing = counting(
            "asked",
            &format!("q.answer IS DISTINCT FROM ({expression})"),
        );
        let differing = session.count(&differing)?;
        if differing != 0 {
            return Err(format!(
                "wrong answer: {name} and deed.has_permission differ in {differing} of {all} cases"
            )
            .into());
        }
    }
    println!(
        "equal on {PAIRS} random pairs at 3 levels ({allowed} of {all} allowed): \
         deed.has_permission and {} floors",
        others.len()
    );
    Ok(())
}

/// Random pairs and one hot pair, against hand-written SQL.
pub fn measure(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("Checks");
    let forms = forms::all();
    create_functions(session, &forms)?;
    assert_equal(session, world, &forms)?;
    let mut draw = Draw::new(world);
    let allowed = draw.pairs(|draw| draw.reachable());
    let denied = draw.pairs(|draw| Some(draw.unrelated()));
    for (pairs, answer, verdict) in [(&allowed, true, "allow"), (&denied, false, "deny")] {
        let items = draw.store_answered(session, "pairs", pairs, (&forms[0], answer))?;
        let hot = &pairs[..1];
        draw.store(session, "hot", &[hot[0]; PAIRS])?;
        let counts = |items: usize| if answer { items as i64 } else { 0 };
        let compare = |name: String, table: &str, items, floors, goal| Comparison {
            name,
            unit: "us",
            items,
            counts: counts(items),
            product: Query::new("deed.has_permission", counting(table, HAS_PERMISSION)),
            floor: String::new(),
            floors,
            floor_counts: counts(items),
            goal: Some(goal),
        };
        let inlined = |table: &str| {
            let query = |form: &Form| Query::new(&form.name, counting(table, &form.over_pairs()));
            forms.iter().map(query).collect()
        };
        let called = |language: &str| {
            let query = |(n, form): (usize, &Form)| {
                let call = format!("pg_temp.{language}_{n}(q.principal, q.document, q.level)");
                Query::new(&form.name, counting("pairs", &call))
            };
            forms.iter().enumerate().map(query).collect()
        };
        let rows = [
            (
                "random pairs against SQL",
                "pairs",
                items,
                inlined("pairs"),
                1.0,
            ),
            (
                "random pairs against an SQL function",
                "pairs",
                items,
                called("sql"),
                0.5,
            ),
            (
                "random pairs against a plpgsql function",
                "pairs",
                items,
                called("plpgsql"),
                0.5,
            ),
            ("one hot pair", "hot", PAIRS, inlined("hot"), 1.2),
        ];
        for (name, table, items, floors, goal) in rows {
            let name = format!("check, {name}, {verdict}");
            session.compare(report, compare(name, table, items, floors, goal))?;
        }
        let bare = "EXISTS (SELECT FROM deed.permission AS g WHERE g.document_id = q.document
            AND g.recipient_id = q.principal AND g.level >= q.level)";
        for (name, condition) in [
            ("one-table EXISTS that knows no rules", bare),
            (
                "loop over the table of pairs, not subtracted",
                "q.document IS NOT NULL",
            ),
        ] {
            let sql = counting("pairs", condition);
            let counted = session.count(&sql)?;
            let seconds = session.best_of(&Query::new(name, sql), counted)?;
            let value = seconds * 1e6 / items as f64;
            report.add(Row::alone(format!("{name}, {verdict}"), "us", value));
        }
    }
    Ok(())
}
