#[pgrx::pg_schema]
mod tests {
    use pgrx::datum::DatumWithOid;
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    const TOPIC: &str = "70000000-0000-4000-8000-000000000001";

    fn claim() -> String {
        one_at_a_time();
        answer(&format!(
            "SELECT (c) FROM deed.claim('group', 'documents', 0, '{TOPIC}') AS c"
        ))
    }

    /// Applies structured events at consecutive offsets; gives `type outcome events` lines.
    fn batch(epoch: i64, from: Option<i64>, first: i64, payloads: &[Option<&str>]) -> String {
        let count = payloads.len();
        let offsets: Vec<i64> = (first..).take(count).collect();
        let payloads: Vec<Option<Vec<u8>>> = payloads
            .iter()
            .map(|payload| payload.map(|text| text.as_bytes().to_vec()))
            .collect();
        let name = b"content-type".to_vec();
        let value = b"application/cloudevents+json".to_vec();
        let arguments: Vec<DatumWithOid<'_>> = vec![
            epoch.into(),
            from.into(),
            (first + count as i64).into(),
            offsets.clone().into(),
            offsets.into(),
            vec![None::<Vec<u8>>; count].into(),
            vec![1_i32; count].into(),
            vec![name; count].into(),
            vec![value; count].into(),
            payloads.into(),
        ];
        Spi::get_one_with_args(
            "SELECT coalesce(string_agg(concat_ws(' ', type, outcome, events), ', '), '') \
             FROM deed.apply_batch('group', 'documents', 0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            &arguments,
        )
        .unwrap()
        .unwrap()
    }

    #[pg_test]
    fn a_batch_moves_its_position_and_quarantines_poison() {
        assert_eq!(claim(), "(1,)");
        let (create, grant) = (created(1), granted(ANNE, "editor", 2));
        let events = [Some(create.as_str()), None, Some("{"), Some(&grant)];
        assert_eq!(
            batch(1, None, 10, &events),
            "rejected 2, document.created applied 1, permission.granted applied 1"
        );
        assert_eq!(level(ANNE), "editor");
        assert_eq!(claim(), "(2,14)");
        let kept = "SELECT string_agg(record_offset || ' ' || split_part(reason, ':', 1), ', ' \
                    ORDER BY record_offset) FROM deed.quarantine";
        assert_eq!(answer(kept), "11 value, 12 value");
        let headers = "SELECT headers->0->>'value' FROM deed.quarantine LIMIT 1";
        assert_eq!(answer(headers), "application/cloudevents+json");
    }

    #[pg_test]
    fn what_was_applied_is_skipped() {
        claim();
        let (create, grant) = (created(1), granted(ANNE, "editor", 2));
        batch(1, None, 0, &[Some(&create)]);
        let again = [Some(create.as_str()), Some(&grant)];
        assert_eq!(batch(1, None, 0, &again), "permission.granted applied 1");
        assert_eq!(batch(1, Some(0), 0, &again), "");
        assert_eq!(claim(), "(2,2)");
    }

    #[pg_test]
    fn one_batch_gives_the_outcomes_of_one_by_one() {
        claim();
        let events = [
            granted(ANNE, "viewer", 2),
            granted(ANNE, "editor", 3),
            granted(ANNE, "owner", 1),
        ];
        let events: Vec<Option<&str>> = events.iter().map(|event| Some(event.as_str())).collect();
        assert_eq!(
            batch(1, None, 0, &events),
            "permission.granted applied 2, permission.granted stale 1"
        );
    }

    #[pg_test(
        error = "partition 0 of topic documents for group group is no longer owned with epoch 1: it was claimed again, or reset"
    )]
    fn an_earlier_owner_is_fenced() {
        claim();
        claim();
        batch(1, None, 0, &[Some(&created(1))]);
    }

    #[pg_test(
        error = "partition 0 of topic documents for group group stands before the batch: a batch was lost on the way"
    )]
    fn a_gap_behind_the_position_is_refused() {
        claim();
        batch(1, None, 0, &[Some(&created(1))]);
        batch(1, Some(5), 5, &[Some(&created(1))]);
    }

    #[pg_test]
    fn refusals_have_their_own_sqlstates() {
        let call = |arguments: &str| {
            failure(&format!(
                "SELECT deed.apply_batch('group', 'documents', 0, 1, NULL, {arguments})"
            ))
        };
        let empty = "9, '{}', '{}', '{}', '{}', '{}', '{}', '{}'";
        assert!(call(empty).starts_with("PD013"), "{}", call(empty));
        claim();
        for malformed in [
            "9, '{1,2}', '{1}', '{a,b}', '{0,0}', '{}', '{}', '{a,b}'",
            "9, '{2,1}', '{1,1}', '{a,b}', '{0,0}', '{}', '{}', '{a,b}'",
            "9, '{1}', '{1}', '{a}', '{2}', '{n}', '{v}', '{a}'",
            "9, '{1}', '{1}', '{a}', '{0}', '{n}', '{v}', '{a}'",
            "9, '{9}', '{1}', '{a}', '{0}', '{}', '{}', '{a}'",
            "-1, '{}', '{}', '{}', '{}', '{}', '{}', '{}'",
            "NULL, '{}', '{}', '{}', '{}', '{}', '{}', '{}'",
            "9, '{}', NULL, '{}', '{}', '{}', '{}', '{}'",
            "9, '{NULL}', '{1}', '{a}', '{0}', '{}', '{}', '{a}'",
        ] {
            assert!(
                call(malformed).starts_with("PD006"),
                "{malformed}: {}",
                call(malformed)
            );
        }
        claim();
        assert!(call(empty).starts_with("PD010"));
        let nil = "SELECT deed.claim('group', 'other', 0, '00000000-0000-0000-0000-000000000000')";
        assert!(failure(nil).starts_with("PD006"));
        let other = "SELECT deed.claim('group', 'documents', 0, gen_random_uuid())";
        assert!(failure(other).starts_with("PD012"));
    }

    #[pg_test]
    fn a_reset_lets_a_recreated_topic_in_and_fences() {
        claim();
        batch(1, None, 0, &[Some(&created(1))]);
        assert_eq!(
            answer("deed.reset_position('group', 'documents', 0)"),
            "true"
        );
        assert_eq!(
            answer("deed.reset_position('group', 'documents', 1)"),
            "false"
        );
        let claimed = "SELECT (c) FROM deed.claim('group', 'documents', 0, gen_random_uuid()) AS c";
        assert_eq!(answer(claimed), "(3,)");
    }
}
