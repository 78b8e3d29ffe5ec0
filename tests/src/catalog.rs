//! What the extension is made of, as the catalogs tell it: a line each, in no order that depends on
//! how it came to be.

use std::collections::BTreeSet;

use postgres::Client;

/// Access, one by one: the order of its items tells only when they were given.
macro_rules! access {
    ($acl:literal) => {
        concat!(
            "array(SELECT a::text FROM unnest(",
            $acl,
            ") AS a ORDER BY 1)"
        )
    };
}

const QUERIES: [&str; 12] = [
    concat!(
        "SELECT format('relation %s kind %s persistence %s owner %s options %s rls %s/%s identity %s acl %s',
           c.oid::regclass, c.relkind, c.relpersistence, c.relowner::regrole, c.reloptions,
           c.relrowsecurity, c.relforcerowsecurity, c.relreplident, ",
        access!("c.relacl"),
        ") FROM pg_class AS c WHERE c.relnamespace = 'deed'::regnamespace"
    ),
    concat!(
        "SELECT format('column %s %s %s: %s not null %s default %s identity %s generated %s collation %s storage %s statistics %s acl %s',
           a.attrelid::regclass,
           row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attname,
           format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
           a.attidentity, a.attgenerated, a.attcollation, a.attstorage, a.attstattarget, ",
        access!("a.attacl"),
        ") FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
             LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
           WHERE c.relnamespace = 'deed'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped"
    ),
    "SELECT format('index %s unique %s primary %s valid %s ready %s clustered %s',
       pg_get_indexdef(i.indexrelid), i.indisunique, i.indisprimary, i.indisvalid, i.indisready,
       i.indisclustered)
     FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
     WHERE c.relnamespace = 'deed'::regnamespace",
    "SELECT format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
     FROM pg_constraint WHERE connamespace = 'deed'::regnamespace",
    concat!(
        "SELECT format('function %s(%s) returns %s language %s source %s binary %s body %s kind %s '
             'volatility %s strict %s definer %s leakproof %s parallel %s cost %s rows %s support %s '
             'config %s owner %s acl %s',
           p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname,
           p.prosrc, p.probin, pg_get_function_sqlbody(p.oid), p.prokind, p.provolatile,
           p.proisstrict, p.prosecdef, p.proleakproof, p.proparallel, p.procost, p.prorows,
           p.prosupport, p.proconfig, p.proowner::regrole, ",
        access!("p.proacl"),
        ") FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
           WHERE p.pronamespace = 'deed'::regnamespace"
    ),
    concat!(
        "SELECT format('type %s kind %s owner %s labels %s acl %s', t.oid::regtype, t.typtype,
           t.typowner::regrole,
           array(SELECT e.enumlabel FROM pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder), ",
        access!("t.typacl"),
        ") FROM pg_type AS t WHERE t.typnamespace = 'deed'::regnamespace"
    ),
    "SELECT format('view %s: %s', c.oid::regclass, pg_get_viewdef(c.oid))
     FROM pg_class AS c WHERE c.relnamespace = 'deed'::regnamespace AND c.relkind = 'v'",
    "SELECT format('sequence %s of %s from %s by %s in %s to %s cache %s cycle %s', s.seqrelid::regclass,
       s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
     FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid
     WHERE c.relnamespace = 'deed'::regnamespace",
    "SELECT format('trigger %s on %s', t.tgname, t.tgrelid::regclass)
     FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'deed'::regnamespace",
    "SELECT format('comment on %s: %s', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
     FROM pg_description AS d JOIN (
       SELECT 'pg_class'::regclass AS classoid, oid FROM pg_class WHERE relnamespace = 'deed'::regnamespace
       UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'deed'::regnamespace
       UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = 'deed'::regnamespace
       UNION ALL SELECT 'pg_extension'::regclass, oid FROM pg_extension WHERE extname = 'deed'
     ) AS o ON o.classoid = d.classoid AND o.oid = d.objoid",
    concat!(
        "SELECT format('member %s, from the start %s', pg_describe_object(d.classid, d.objid, d.objsubid), ",
        access!("i.initprivs"),
        ") FROM pg_depend AS d
           JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'deed'
           LEFT JOIN pg_init_privs AS i
             ON i.classoid = d.classid AND i.objoid = d.objid AND i.objsubid = d.objsubid
           WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'"
    ),
    "SELECT format('extension %s in %s relocatable %s dumps %s where %s', e.extversion,
       e.extnamespace::regnamespace, e.extrelocatable, c.of::regclass, c.condition)
     FROM pg_extension AS e, ROWS FROM (unnest(e.extconfig), unnest(e.extcondition)) AS c (of, condition)
     WHERE e.extname = 'deed'",
];

/// Everything, a line each.
pub fn describe(client: &mut Client) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for query in QUERIES {
        let rows = client.query(query, &[]).expect(query);
        lines.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    lines
}
