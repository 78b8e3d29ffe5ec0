#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    const TOPIC: &str = "70000000-0000-4000-8000-000000000001";

    fn claimed() {
        one_at_a_time();
        answer(&format!(
            "SELECT (c) FROM deed.claim('group', 'documents', 0, '{TOPIC}', 'worker 1') AS c"
        ));
    }

    /// A call with the record at offset 5 between two that can be read, under this policy.
    fn call(policy: &str) -> String {
        let [first, last] = [created(1), granted(ANNE, "editor", 2)];
        format!(
            "SELECT string_agg(concat_ws(' ', type, outcome, events), ', ') \
             FROM deed.apply_batch('group', 'documents', 0, 1, NULL, 7, '{{4,5,6}}', '{{1,1,1}}', \
               ARRAY['k', '\\xff', NULL]::bytea[], '{{1,3,1}}', \
               ARRAY['content-type', 'trace', '\\xfe', 'trace', 'content-type']::bytea[], \
               ARRAY['application/cloudevents+json', 'a', '\\xfd', NULL, 'application/cloudevents+json']::bytea[], \
               ARRAY[convert_to($${first}$$, 'UTF8'), '\\x00ff', convert_to($${last}$$, 'UTF8')], {policy})"
        )
    }

    const ALL: &str = "document.created applied 1, permission.granted applied 1";

    #[pg_test]
    fn what_cannot_be_read_goes_to_the_dead_letter_topic_as_it_was() {
        claimed();
        assert_eq!(
            answer(&call("true, 'dead', NULL")),
            format!("rejected 1, {ALL}")
        );
        let letter = "SELECT concat_ws(' ', destination, encode(record_key, 'hex'), header_names, header_values, \
             encode(payload, 'hex'), consumer_group, topic, partition, record_offset, split_part(reason, ':', 1)) \
             FROM deed.next_letters('{}', '{}', 0, 10)";
        assert_eq!(
            answer(letter),
            "dead ff {\"\\\\x7472616365\",\"\\\\xfe\",\"\\\\x7472616365\"} {\"\\\\x61\",\"\\\\xfd\",NULL} \
             00ff group documents 0 5 value"
        );
        let gone = "SELECT count(*) FROM deed.next_letters(ARRAY(SELECT seq FROM deed.dead_letter), ARRAY(SELECT id FROM deed.dead_letter), 0, 10)";
        assert_eq!(answer(gone), "0");
    }

    #[pg_test]
    fn what_is_in_quarantine_already_is_no_dead_letter_again() {
        claimed();
        answer(&call("true, NULL, NULL"));
        assert_eq!(answer("SELECT count(*) FROM deed.dead_letter"), "0");
        answer("deed.reset_position('group', 'documents', 0, 4)");
        answer(&format!(
            "SELECT (c) FROM deed.claim('group', 'documents', 0, '{TOPIC}', '') AS c"
        ));
        let again = call("true, 'dead', NULL").replace("0, 1, NULL, 7", "0, 3, 4, 7");
        assert!(
            answer(&again).starts_with("rejected 1"),
            "{}",
            answer(&again)
        );
        assert_eq!(answer("SELECT count(*) FROM deed.dead_letter"), "0");
    }

    #[pg_test]
    fn few_large_dead_letters_are_given_at_a_time() {
        let fill = "INSERT INTO deed.dead_letter (destination, consumer_group, topic, partition, record_offset, \
               headers, payload, reason) \
             SELECT 'dead', 'group', 'documents', 0, n, '[]', convert_to(repeat('x', 3000000), 'UTF8'), 'r' \
             FROM generate_series(1, 3) AS n";
        one_at_a_time();
        Spi::run(fill).unwrap();
        let given = "SELECT string_agg(record_offset::text, ' ') FROM deed.next_letters(\
             ARRAY(SELECT seq FROM deed.dead_letter ORDER BY seq LIMIT $), \
             ARRAY(SELECT id FROM deed.dead_letter ORDER BY seq LIMIT $), 0, 2)";
        assert_eq!(answer(&given.replace('$', "0")), "1");
        assert_eq!(answer(&given.replace('$', "1")), "2");
        assert_eq!(answer(&given.replace('$', "1")), "3");
    }

    #[pg_test]
    fn many_without_a_value_are_given_at_once_and_those_behind_a_place_alone() {
        let fill = "INSERT INTO deed.dead_letter (destination, consumer_group, topic, partition, record_offset, \
               headers, reason) \
             SELECT 'dead', 'group', 'documents', 0, n, '[]', 'r' FROM generate_series(1, 5) AS n";
        one_at_a_time();
        Spi::run(fill).unwrap();
        let given =
            "SELECT string_agg(record_offset::text, ' ') FROM deed.next_letters('{}', '{}', $, 4)";
        assert_eq!(answer(&given.replace('$', "0")), "1 2 3 4");
        let third = "(SELECT seq FROM deed.dead_letter WHERE record_offset = 3)";
        assert_eq!(answer(&given.replace('$', third)), "4 5");
        // Another one that has the same place is no published one.
        let taken = "SELECT count(*) FROM deed.next_letters(ARRAY(SELECT seq FROM deed.dead_letter), ARRAY(SELECT gen_random_uuid() FROM deed.dead_letter), 0, 9)";
        assert_eq!(answer(taken), "5");
        // As a relay of 0.6.0 calls it.
        let by_offset = "SELECT string_agg(record_offset::text, ' ') \
             FROM deed.next_dead_letters(ARRAY(SELECT seq FROM deed.dead_letter), '{1,2,9,4,9}', 0, 9)";
        assert_eq!(answer(by_offset), "3 5");
    }

    #[pg_test]
    fn an_intolerant_batch_writes_nothing() {
        claimed();
        let failed = failure(&call("false, 'dead', NULL"));
        assert!(
            failed.starts_with("PD014") && failed.contains("offset 5") && failed.contains("value"),
            "{failed}"
        );
        let rows = "SELECT (SELECT count(*) FROM deed.quarantine) || ' ' || (SELECT count(*) FROM deed.document) \
             || ' ' || (SELECT coalesce(max(next_offset), -1) FROM deed.stream_position)";
        assert_eq!(answer(rows), "0 0 -1");
        assert!(failure(&call("NULL, NULL, NULL")).starts_with("PD006"));
    }

    #[pg_test]
    fn what_postgres_refused_is_quarantined_unread() {
        claimed();
        assert_eq!(answer(&call("true, 'dead', '22023: no'")), "rejected 3");
        let kept = "SELECT count(*) || ' ' || min(reason) FROM deed.quarantine";
        assert_eq!(answer(kept), "3 22023: no");
        let [first, last] = [created(1), granted(ANNE, "editor", 2)];
        assert!(first != last);
        let redriven = "SELECT string_agg(outcome::text, ' ' ORDER BY id) \
             FROM deed.redrive(ARRAY(SELECT id FROM deed.quarantine))";
        assert_eq!(answer(redriven), "applied rejected applied");
    }

    #[pg_test]
    fn a_batch_without_records_moves_the_position() {
        claimed();
        let empty = "SELECT count(*) FROM deed.apply_batch('group', 'documents', 0, 1, NULL, 9, \
             '{}', '{}', '{}', '{}', '{}', '{}', '{}', true, NULL, NULL)";
        assert_eq!(answer(empty), "0");
        assert_eq!(answer("SELECT next_offset FROM deed.stream_position"), "9");
    }

    #[pg_test]
    fn a_position_is_an_offset_or_the_beginning() {
        claimed();
        let reset = |to: &str| format!("deed.reset_position('group', 'documents', 0, {to})");
        assert!(failure(&format!("SELECT {}", reset("-1"))).starts_with("23514"));
        assert_eq!(answer(&reset("0")), "true");
        assert_eq!(answer(&reset("NULL")), "true");
        let unknown = "coalesce(deed.reset_position('group', 'documents', NULL, 0), deed.reset_position('group', 'documents', NULL)) IS NULL";
        assert_eq!(answer(unknown), "true");
    }

    #[pg_test]
    fn a_stop_is_noted_by_its_owner_until_somebody_goes_on() {
        claimed();
        let state = "SELECT concat_ws(' ', owner, stopped_for, claimed_at <= clock_timestamp(), stopped_at IS NULL) \
             FROM deed.stream_position";
        assert_eq!(answer(state), "worker 1 t t");
        let stop = |epoch: &str| {
            format!("deed.stop_partition('group', 'documents', 0, {epoch}, 'log cut')")
        };
        assert_eq!(answer(&stop("2")), "false");
        assert_eq!(answer(&stop("1")), "true");
        assert_eq!(answer(state), "worker 1 log cut t f");
        claimed();
        assert_eq!(answer(state), "worker 1 t t");
        assert_eq!(answer(&stop("2")), "true");
        answer("deed.reset_position('group', 'documents', 0, 12)");
        assert_eq!(answer(state), "worker 1 t t");
        assert_eq!(answer("SELECT next_offset FROM deed.stream_position"), "12");
    }

    #[pg_test]
    fn a_trace_goes_from_the_record_to_what_is_told() {
        claimed();
        let trace = format!("00-{}-{}-01", "1".repeat(32), "2".repeat(16));
        let traced = |event: String| {
            event.replace("\"id\":", &format!("\"traceparent\":\"{trace}\",\"id\":"))
        };
        apply(&created(1));
        answer(&format!(
            "deed.watch('{ANNE}', '{DOCUMENT}', now() + interval '1 hour')"
        ));
        answer("deed.settle(gen_random_uuid())");
        answer(
            "SELECT count(*) FROM deed.next_outbox_events(ARRAY(SELECT seq FROM deed.outbox), ARRAY(SELECT id FROM deed.outbox), 10)",
        );
        apply(&traced(granted(ANNE, "editor", 2)));
        answer("deed.settle((SELECT relay FROM deed.relay))");
        let told = "SELECT string_agg(type || ' ' || coalesce(traceparent, ''), ', ' ORDER BY seq) \
             FROM deed.next_outbox_events('{}', '{}', 10)";
        assert_eq!(
            answer(told),
            format!("deed.permission.updated {trace}, deed.access.changed {trace}")
        );
        let backlog = "SELECT concat_ws(' ', outbox_events, outbox_since <= clock_timestamp(), dead_letters, marks, \
             quarantined) FROM deed.backlog()";
        assert_eq!(answer(backlog), "2 t 0 0 0");
    }
}
