//! Row security on a user's own table: the product's answer against the same rules inlined.

use uuid::Uuid;

use super::draw::Draw;
use super::forms::{self, Form};
use super::report::Report;
use super::session::{Comparison, Fallible, Query, Session};
use super::world::{Document, Principal, World};

const PRODUCT: &str = "bench_product";
const FLOOR: &str = "bench_floor";
/// Point queries in a run, and rows of one query.
const ROWS: usize = 2_000;

/// Makes a query for a role.
type Make<'a> = &'a dyn Fn(&'static str) -> Query;

/// Two roles that see the table through a policy each.
const SETUP: &str = "
  DO $$ BEGIN
    IF to_regrole('bench_product') IS NULL THEN
      CREATE ROLE bench_product;
      CREATE ROLE bench_floor;
    END IF;
  END $$;
  GRANT SELECT ON public.item TO bench_product, bench_floor;
  GRANT USAGE ON SCHEMA deed TO bench_product, bench_floor;
  GRANT EXECUTE ON FUNCTION deed.has_permission(uuid, deed.permission_level),
    deed.has_permission(uuid, uuid, deed.permission_level) TO bench_product;
  GRANT EXECUTE ON FUNCTION deed.current_principal() TO bench_product, bench_floor;
  GRANT SELECT ON ALL TABLES IN SCHEMA deed TO bench_floor;
  ALTER TABLE public.item ENABLE ROW LEVEL SECURITY;
  DROP POLICY IF EXISTS product ON public.item;
  CREATE POLICY product ON public.item TO bench_product
    USING (deed.has_permission(id, 'viewer'));
  DROP POLICY IF EXISTS floor ON public.item;
  CREATE POLICY floor ON public.item TO bench_floor USING (false)";

/// Prepared point queries, each of them a statement of its own. One function a role, for a plan
/// is made for the role that runs it.
fn points_function(role: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION public.points_of_{role}(ids uuid[]) RETURNS bigint
         LANGUAGE plpgsql AS $f$
         DECLARE one uuid; hits bigint; found bigint := 0;
         BEGIN
           FOREACH one IN ARRAY ids LOOP
             SELECT count(*) INTO hits FROM public.item WHERE id = one;
             found := found + hits;
           END LOOP;
           RETURN found;
         END $f$"
    )
}

fn points(role: &'static str, ids: &[Uuid]) -> Query {
    let mut query =
        Query::new(role, format!("SELECT public.points_of_{role}($1)")).with(ids.to_vec());
    query.role = Some(role);
    query
}

fn range(role: &'static str) -> Query {
    let sql = format!(
        "SELECT count(*) FROM public.item WHERE n BETWEEN 1001 AND {}",
        1_000 + ROWS
    );
    let mut query = Query::new(role, sql);
    query.role = Some(role);
    query
}

/// The fastest policy for a query, as a name; it is in force then.
fn fastest_policy(
    session: &Session,
    forms: &[Form],
    query: impl Fn() -> Query,
    counts: i64,
) -> Fallible<String> {
    let mut best: Option<(f64, String, String)> = None;
    for form in forms {
        for principal in [
            "deed.current_principal()",
            "(SELECT deed.current_principal())",
        ] {
            let policy = format!(
                "ALTER POLICY floor ON public.item USING ({})",
                form.over(principal, "item.id", "'viewer'")
            );
            session.execute(&policy)?;
            let least = best.as_ref().map_or(f64::INFINITY, |(least, ..)| *least);
            let seconds = session.first_looks(&query(), counts, least)?;
            if seconds < least {
                best = Some((seconds, format!("{} of {principal}", form.name), policy));
            }
        }
    }
    let (_, name, policy) = best.ok_or("no policy")?;
    session.execute(&policy)?;
    Ok(name)
}

/// Point queries and a query over many rows, for one that sees all and one that sees little.
pub fn measure(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("Row security");
    session.execute(SETUP)?;
    for role in [PRODUCT, FLOOR] {
        session.execute(&points_function(role))?;
    }
    let forms = forms::all();
    let mut draw = Draw::new(world);
    let ids: Vec<Uuid> = (0..ROWS)
        .map(|_| world.document(Document::Plain(draw.plain())))
        .collect();
    for (principal, verdict) in [(Principal::All, "allow"), (draw.loner(), "deny")] {
        let principal = world.principal(principal);
        session.execute(&format!("SET deed.principal = '{principal}'"))?;
        // As docs/RLS.md has them, for few rows and for many.
        let kinds: [(&str, f64, &str, Make<'_>); 2] = [
            (
                "point query, prepared",
                1.0,
                "deed.has_permission(id, 'viewer')",
                &|role| points(role, &ids),
            ),
            (
                "a row of a query over 2,000",
                0.8,
                "deed.has_permission((SELECT deed.current_principal()), id, 'viewer')",
                &range,
            ),
        ];
        for (name, goal, policy, query) in kinds {
            session.execute(&format!(
                "ALTER POLICY product ON public.item USING ({policy})"
            ))?;
            let counts = session.counted(&query(PRODUCT))?;
            let policy = fastest_policy(session, &forms, || query(FLOOR), counts)?;
            let mut floor = query(FLOOR);
            floor.name = policy;
            let comparison = Comparison {
                name: format!("RLS, {name}, {verdict}"),
                unit: "us",
                items: ROWS,
                counts,
                product: query(PRODUCT),
                floor: "policy in SQL: ".to_owned(),
                floors: vec![floor],
                floor_counts: counts,
                goal: Some(goal),
            };
            session.compare(report, comparison)?;
        }
    }
    Ok(())
}
