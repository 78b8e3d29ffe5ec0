//! Thousands of neighbours come and go in the pages that checks read, and pages split and are given
//! back: what is asked about stays as it is, and is always found.

use std::thread;

use postgres::Client;

use super::{Scene, WRONG, WRONGLY_LISTED, one, run, some};
use crate::meanwhile::Meanwhile;

const WRITERS: usize = 2;
const ROUNDS: usize = 2;
/// Of each id that is asked about, in each round.
const NEIGHBOURS: usize = 30;

/// Rows beside those that are asked about, in every index. The ids share all but their last four
/// digits, and nobody asks about them: they hold something on the same documents, belong to the same
/// groups, and are removed and deleted themselves.
fn neighbours(writer: usize) -> String {
    let beside = |id: &str| {
        format!(
            "overlay({id}::text placing lpad(to_hex(n * {WRITERS} + {writer}), 4, '0') from 33)::uuid"
        )
    };
    format!(
        "INSERT INTO deed.permission
           SELECT document_id, {recipient}, '\\x', level, NULL, now(), expires_at, expired
           FROM deed.permission AS p, generate_series(1, {NEIGHBOURS}) AS n
           WHERE hashtext(p::text) % 4 = 0 ON CONFLICT DO NOTHING;
         INSERT INTO deed.listing SELECT {recipient}, level, last_modified, document_id, expires_at
           FROM deed.listing, generate_series(1, {NEIGHBOURS}) AS n ON CONFLICT DO NOTHING;
         INSERT INTO deed.membership SELECT group_id, {member}, '\\x', false, NULL, now()
           FROM deed.membership, generate_series(1, {NEIGHBOURS}) AS n ON CONFLICT DO NOTHING;
         INSERT INTO deed.closure SELECT {member}, group_id
           FROM deed.closure, generate_series(1, {NEIGHBOURS}) AS n ON CONFLICT DO NOTHING;
         INSERT INTO deed.principal (id, kind, removed_at, node)
           SELECT {id}, 'user', now(), true
           FROM deed.principal, generate_series(1, {NEIGHBOURS}) AS n ON CONFLICT DO NOTHING;
         INSERT INTO deed.document (id, created_at, deleted_at) SELECT {id}, now(), now()
           FROM deed.document, generate_series(1, {NEIGHBOURS}) AS n ON CONFLICT DO NOTHING",
        recipient = beside("recipient_id"),
        member = beside("member_id"),
        id = beside("id"),
    )
}

/// What the scene itself has is kept aside: all else goes.
const KEEP: &str = "
    CREATE TABLE app.permission AS SELECT document_id, recipient_id FROM deed.permission;
    CREATE TABLE app.listing AS SELECT recipient_id, document_id FROM deed.listing;
    CREATE TABLE app.membership AS SELECT group_id, member_id FROM deed.membership;
    CREATE TABLE app.closure AS SELECT member_id, group_id FROM deed.closure;
    CREATE TABLE app.principal AS SELECT id FROM deed.principal;
    CREATE TABLE app.document AS SELECT id FROM deed.document";

const FORGET: &str = "
    DELETE FROM deed.permission AS t WHERE NOT EXISTS (SELECT FROM app.permission AS k
      WHERE (k.document_id, k.recipient_id) = (t.document_id, t.recipient_id));
    DELETE FROM deed.listing AS t WHERE NOT EXISTS (SELECT FROM app.listing AS k
      WHERE (k.document_id, k.recipient_id) = (t.document_id, t.recipient_id));
    DELETE FROM deed.membership AS t WHERE NOT EXISTS (SELECT FROM app.membership AS k
      WHERE (k.group_id, k.member_id) = (t.group_id, t.member_id));
    DELETE FROM deed.closure AS t WHERE NOT EXISTS (SELECT FROM app.closure AS k
      WHERE (k.group_id, k.member_id) = (t.group_id, t.member_id));
    DELETE FROM deed.principal AS t WHERE NOT EXISTS (SELECT FROM app.principal AS k WHERE k.id = t.id);
    DELETE FROM deed.document AS t WHERE NOT EXISTS (SELECT FROM app.document AS k WHERE k.id = t.id)";

const VACUUM: &str = "VACUUM deed.permission, deed.listing, deed.membership, deed.closure,
    deed.principal, deed.document";

fn size(client: &mut Client) -> i64 {
    one(
        client,
        "SELECT sum(pg_relation_size(indexrelid))::bigint FROM pg_index
         JOIN pg_class AS c ON c.oid = indrelid WHERE relnamespace = 'deed'::regnamespace",
    )
}

#[test]
fn neighbours_come_and_go_and_nothing_else_changes() {
    let mut scene = Scene::new("churn");
    run(scene.client(), KEEP);
    let before = size(scene.client());
    let meanwhile = Meanwhile::default();
    let connect = |count: usize| -> Vec<Client> { (0..count).map(|_| scene.session()).collect() };
    let (mut asking, mut writing) = (connect(3), connect(WRITERS));
    let mut vacuuming = scene.session();
    let largest = thread::scope(|scope| {
        for (n, session) in asking.iter_mut().enumerate() {
            let meanwhile = &meanwhile;
            scope.spawn(move || {
                let questions = [some(WRONG, 13), some(WRONG, 17), WRONGLY_LISTED.to_owned()];
                meanwhile.ask(|| assert_eq!(one::<i64>(session, &questions[n]), 0));
            });
        }
        let _ends = meanwhile.ends();
        let written: Vec<_> = writing
            .iter_mut()
            .enumerate()
            .map(|(writer, session)| {
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        // Statement by statement, so that pages split between two looks.
                        for statement in neighbours(writer).split(';') {
                            run(session, statement);
                        }
                        for statement in FORGET.split(';') {
                            // Both writers may forget the same row.
                            run(session, statement);
                        }
                    }
                })
            })
            .collect();
        let mut largest = 0;
        while !written.iter().all(|writer| writer.is_finished()) {
            run(&mut vacuuming, VACUUM);
            largest = size(&mut vacuuming).max(largest);
        }
        written
            .into_iter()
            .for_each(|writer| writer.join().expect("written"));
        run(&mut vacuuming, VACUUM);
        largest
    });
    let asked = meanwhile.asked();
    println!("indexes of {before} bytes grew to {largest}; asked {asked} times meanwhile");
    assert!(largest > 2 * before, "{before} bytes, {largest} at most");
    assert!(asked > 10, "asked {asked} times");
    assert_eq!(one::<i64>(scene.client(), WRONG), 0);
}
