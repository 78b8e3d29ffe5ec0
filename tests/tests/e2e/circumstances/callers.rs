//! Who calls, and with what in their search path.

use postgres::Client;

use super::{Scene, WRONG, WRONGLY_LISTED, code, one, run};

/// Whoever asks here; roles belong to the whole cluster.
const ROLES: &str = "
    SELECT pg_advisory_lock(2);
    DO $$ BEGIN
      IF to_regrole('deed_asker') IS NULL THEN CREATE ROLE deed_asker; CREATE ROLE deed_nobody; END IF;
    END $$;
    SELECT pg_advisory_unlock(2)";

/// One call of each function that checks or lists, of one pair.
const CALLS: [&str; 12] = [
    "SELECT deed.has_permission(P, D, 'viewer')::text",
    "SELECT coalesce(deed.effective_level(P, D)::text, '')",
    "SELECT string_agg(c::text, ' ') FROM deed.check_many(P, ARRAY[D, deed.users(), D], 'editor') AS c",
    "SELECT string_agg(l::text, ' ') FROM deed.list_documents(P) AS l",
    "SELECT string_agg(l::text, ' ') FROM deed.list_documents(P, 'editor', 'id') AS l",
    "SELECT string_agg(l::text, ' ') FROM deed.list_principals(D) AS l",
    "SELECT string_agg(l::text, ' ') FROM deed.list_permissions(D) AS l",
    "SELECT coalesce(string_agg(l::text, ' '), '') FROM deed.list_members(G) AS l",
    "SELECT coalesce(string_agg(l::text, ' '), '') FROM deed.list_deleted(P) AS l",
    "SELECT string_agg(e::text, ' ') FROM deed.explain_permission(P, D) AS e",
    "SELECT deed.has_permission(D, 'viewer')::text",
    "SELECT coalesce(deed.effective_level(D)::text, '')",
];

/// The calls, about who holds most and what most hold, and a group; sessions speak for the same principal.
fn calls(client: &mut Client) -> Vec<String> {
    let most = |column: &str| {
        format!(
            "SELECT {column}::text FROM app.triple WHERE expected GROUP BY {column}
             ORDER BY count(*) DESC LIMIT 1"
        )
    };
    let [principal, document] =
        ["principal", "document"].map(|column| one::<String>(client, &most(column)));
    let group = "SELECT group_id::text FROM deed.membership WHERE NOT removed
         GROUP BY group_id ORDER BY count(*) DESC, group_id LIMIT 1";
    let group: String = one(client, group);
    run(
        client,
        &format!(
            "DO $$ BEGIN
               EXECUTE format('ALTER DATABASE %I SET deed.principal = %L', current_database(), '{principal}');
             END $$;
             SET deed.principal = '{principal}'"
        ),
    );
    let ids = |call: &&str| {
        let call = call.replace("(P", &format!("('{principal}'"));
        let call = call.replace("(G", &format!("('{group}'"));
        // `OPERATOR` and casts would be looked up by the caller's path.
        call.replace(" D", &format!(" uuid '{document}'"))
            .replace("(D", &format!("('{document}'"))
            .replace("[D", &format!("[uuid '{document}'"))
    };
    CALLS.iter().map(ids).collect()
}

fn answers(client: &mut Client, calls: &[String]) -> Vec<String> {
    calls.iter().map(|call| one(client, call)).collect()
}

#[test]
fn execute_is_all_that_a_caller_needs_and_nobody_else_has_it() {
    let mut scene = Scene::new("callers_execute");
    run(scene.client(), ROLES);
    let calls = calls(scene.client());
    let expected = answers(scene.client(), &calls);
    let granted = "
        GRANT USAGE ON SCHEMA deed, app TO deed_asker, deed_nobody;
        GRANT SELECT ON app.triple TO deed_asker;
        GRANT EXECUTE ON FUNCTION deed.has_permission(uuid, uuid, deed.permission_level),
          deed.effective_level(uuid, uuid), deed.users(),
          deed.check_many(uuid, uuid[], deed.permission_level),
          deed.list_documents(uuid, deed.permission_level, deed.document_sort, text, integer),
          deed.list_principals(uuid, deed.permission_level, text, integer),
          deed.list_permissions(uuid, text, integer), deed.list_members(uuid, text, integer),
          deed.list_deleted(uuid, text, integer), deed.explain_permission(uuid, uuid),
          deed.has_permission(uuid, deed.permission_level), deed.effective_level(uuid),
          deed.current_principal() TO deed_asker";
    run(scene.client(), granted);
    let mut client = scene.session();
    run(&mut client, "SET ROLE deed_asker");
    assert_eq!(answers(&mut client, &calls), expected);
    assert_eq!(one::<i64>(&mut client, WRONG), 0);
    assert_eq!(one::<i64>(&mut client, WRONGLY_LISTED), 0);
    let read = client.batch_execute("SELECT FROM deed.permission");
    assert_eq!(code(read), "42501", "no table is the caller's");

    run(&mut client, "RESET ROLE; SET ROLE deed_nobody");
    for call in &calls {
        assert_eq!(code(client.batch_execute(call)), "42501", "{call}");
    }
}

/// Reading an index passes by a table's row security; what is read by SQL is read as the extension's owner.
#[test]
fn row_security_on_the_extensions_own_tables_hides_nothing_from_checks() {
    let mut scene = Scene::new("callers_rows");
    run(scene.client(), ROLES);
    let calls = calls(scene.client());
    let expected = answers(scene.client(), &calls);
    for table in TABLES {
        run(
            scene.client(),
            &format!("ALTER TABLE deed.{table} ENABLE ROW LEVEL SECURITY"),
        );
    }
    run(
        scene.client(),
        "GRANT USAGE ON SCHEMA deed, app TO deed_asker; GRANT SELECT ON app.triple TO deed_asker;
         GRANT SELECT ON ALL TABLES IN SCHEMA deed TO deed_asker;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA deed TO deed_asker",
    );
    let mut client = scene.session();
    run(&mut client, "SET ROLE deed_asker");
    assert_eq!(
        one::<i64>(&mut client, "SELECT count(*) FROM deed.permission"),
        0,
        "the caller is subject to it"
    );
    assert_eq!(answers(&mut client, &calls), expected);
    assert_eq!(one::<i64>(&mut client, WRONG), 0);
}

/// A function that runs as its owner asks with its owner's rights, whoever calls it; and so does a view.
#[test]
fn a_function_that_runs_as_its_owner_may_ask_for_others() {
    let mut scene = Scene::new("callers_definer");
    run(scene.client(), ROLES);
    let define = "
        GRANT USAGE ON SCHEMA deed, app TO deed_asker;
        GRANT USAGE ON SCHEMA app TO deed_nobody;
        GRANT CREATE ON SCHEMA app TO deed_asker;
        GRANT EXECUTE ON FUNCTION deed.has_permission(uuid, uuid, deed.permission_level) TO deed_asker;
        GRANT SELECT ON app.triple TO deed_asker, deed_nobody;
        SET ROLE deed_asker;
        CREATE FUNCTION app.may(principal uuid, document uuid) RETURNS boolean
          LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
          AS $$ BEGIN RETURN deed.has_permission(principal, document, 'viewer'); END $$;
        CREATE FUNCTION app.may_as_caller(principal uuid, document uuid) RETURNS boolean
          LANGUAGE sql STABLE AS $$ SELECT deed.has_permission(principal, document, 'viewer') $$;
        RESET ROLE";
    run(scene.client(), define);
    let mut client = scene.session();
    run(&mut client, "SET ROLE deed_nobody");
    let wrong = |function: &str| {
        format!(
            "SELECT count(*) FROM app.triple
             WHERE level::text = 'viewer' AND app.{function}(principal, document) <> expected"
        )
    };
    assert_eq!(one::<i64>(&mut client, &wrong("may")), 0);
    assert_eq!(code(client.batch_execute(&wrong("may_as_caller"))), "42501");
    run(
        &mut client,
        "RESET ROLE; SET SESSION AUTHORIZATION deed_asker",
    );
    assert_eq!(one::<i64>(&mut client, &wrong("may_as_caller")), 0);
}

/// Types, tables, functions and operators of the same names, found first; temporary ones too.
const HOSTILE: &str = "
    CREATE SCHEMA hostile;
    CREATE TYPE hostile.permission_level AS ENUM ('owner', 'editor', 'viewer');
    CREATE TYPE hostile.permission_recipient AS ENUM ('group', 'user');
    CREATE TYPE hostile.document_sort AS ENUM ('id', 'last_modified');
    CREATE FUNCTION hostile.equal(uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE
      RETURN pg_catalog.uuid_ne($1, $2);
    CREATE FUNCTION hostile.less(uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE
      RETURN pg_catalog.uuid_gt($1, $2);
    CREATE OPERATOR hostile.= (FUNCTION = hostile.equal, LEFTARG = uuid, RIGHTARG = uuid);
    CREATE OPERATOR hostile.< (FUNCTION = hostile.less, LEFTARG = uuid, RIGHTARG = uuid);
    CREATE OPERATOR hostile.> (FUNCTION = hostile.less, LEFTARG = uuid, RIGHTARG = uuid);
    CREATE FUNCTION hostile.later(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE
      RETURN false;
    CREATE OPERATOR hostile.> (FUNCTION = hostile.later, LEFTARG = timestamptz, RIGHTARG = timestamptz);
    CREATE OPERATOR hostile.<= (FUNCTION = hostile.later, LEFTARG = timestamptz, RIGHTARG = timestamptz);
    CREATE FUNCTION hostile.statement_timestamp() RETURNS timestamptz LANGUAGE sql
      RETURN '-infinity'::timestamptz;
    CREATE FUNCTION hostile.everyone() RETURNS uuid LANGUAGE sql
      RETURN '00000000-0000-0000-0000-00000000dead'::uuid;
    CREATE FUNCTION hostile.unnest(uuid[]) RETURNS SETOF uuid LANGUAGE sql
      BEGIN ATOMIC SELECT NULL::uuid; END";

const TABLES: [&str; 6] = [
    "document",
    "principal",
    "permission",
    "membership",
    "listing",
    "closure",
];

#[test]
fn a_hostile_search_path_changes_no_answer() {
    let mut scene = Scene::new("callers_path");
    let calls = calls(scene.client());
    let expected = answers(scene.client(), &calls);
    run(scene.client(), HOSTILE);
    for table in TABLES {
        run(
            scene.client(),
            &format!("CREATE TABLE hostile.{table} (LIKE deed.{table} INCLUDING ALL)"),
        );
    }
    // A session that has asked before, and one that has not.
    let mut before = scene.session();
    assert_eq!(answers(&mut before, &calls), expected);
    let mut first = scene.session();
    for client in [&mut before, &mut first] {
        for table in TABLES {
            let temporary =
                format!("CREATE TEMPORARY TABLE {table} (LIKE deed.{table} INCLUDING ALL)");
            run(client, &temporary);
        }
        for path in [
            "hostile, pg_catalog",
            "pg_temp, hostile, deed, pg_catalog",
            "''",
            "hostile",
            "nowhere",
        ] {
            run(client, &format!("SET search_path = {path}"));
            assert_eq!(answers(client, &calls), expected, "{path}");
        }
    }
}
