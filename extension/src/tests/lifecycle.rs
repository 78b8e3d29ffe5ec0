//! Purges, wide documents and records that are applied once more.

#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    fn purged(second: u32) -> String {
        event(
            "purged",
            "document.purged",
            DOCUMENT,
            second,
            r#"{"by":null}"#,
        )
    }

    /// Everything that is kept of documents.
    fn kept() -> String {
        answer(
            "SELECT concat_ws(' / ', (SELECT string_agg(d::text, ' ') FROM deed.document AS d),
               (SELECT count(*) FROM deed.permission), (SELECT count(*) FROM deed.listing))",
        )
    }

    #[pg_test]
    fn a_purge_leaves_the_id_and_ends_everything() {
        let left = format!("({DOCUMENT},,,,,,,,,,,,,,,t) / 0 / 0");
        apply(&created(1));
        apply(&granted(ANNE, "viewer", 9));
        assert_eq!(apply(&purged(2)), "applied");
        assert_eq!(kept(), left);
        for late in [
            &created(20),
            &granted(ANNE, "owner", 21),
            &deleted(22),
            &purged(2),
            &purged(23),
        ] {
            assert_eq!(apply(late), "stale");
        }
        let nothing = event(
            "u",
            "document.updated",
            DOCUMENT,
            24,
            &format!(r#"{{"updated_by":"{ANNE}"}}"#),
        );
        assert_eq!(apply(&nothing), "stale");
        assert_eq!(kept(), left);
        assert_eq!((level(OWNER), level(ANNE)), ("-".into(), "-".into()));
    }

    #[pg_test]
    fn a_purge_before_everything_else_ends_it_too() {
        assert_eq!(apply(&purged(1)), "applied");
        assert_eq!(apply(&created(2)), "stale");
        assert_eq!(apply(&granted(ANNE, "owner", 3)), "stale");
        assert_eq!(kept(), format!("({DOCUMENT},,,,,,,,,,,,,,,t) / 0 / 0"));
    }

    /// The list table of the document: rows, and those without a sort key.
    fn listing() -> String {
        answer(
            "SELECT count(*) || ' ' || count(*) FILTER (WHERE last_modified = 'infinity') FROM deed.listing",
        )
    }

    #[pg_test]
    fn a_wide_document_keeps_no_sort_key_and_is_listed_all_the_same() {
        let recipient = |n: u32| format!("b0000000-0000-4000-8000-{n:012}");
        let update = |second: u32| {
            let data = format!(r#"{{"updated_by":"{OWNER}","title":"{second}"}}"#);
            event(
                &format!("u{second}"),
                "document.updated",
                DOCUMENT,
                second,
                &data,
            )
        };
        apply(&created(1));
        for n in 1..100 {
            apply(&granted(&recipient(n), "viewer", 2));
        }
        assert_eq!(listing(), "100 0");
        apply(&revoked(&recipient(1), 3));
        assert_eq!(listing(), "99 0");
        // The tombstone counts: this is the 101st.
        apply(&granted(ANNE, "editor", 4));
        assert_eq!(listing(), "100 100");
        let newest =
            "SELECT (l).last_modified FROM (SELECT deed.list_documents('{ANNE}') AS l) AS l";
        for second in [5, 6] {
            apply(&update(second));
            let modified = answer(&format!(
                "extract(second FROM ({}))::int",
                newest.replace("{ANNE}", ANNE)
            ));
            assert_eq!(modified, second.to_string());
        }
        apply(&revoked(ANNE, 7));
        assert_eq!(listing(), "99 99");
        apply(&deleted(8));
        assert_eq!(listing(), "99 99", "too many to move");
        let list = format!("SELECT count(*) FROM deed.list_documents('{OWNER}')");
        assert_eq!(answer(&list), "0");
        apply(&purged(9));
        assert_eq!(listing(), "0 0");
    }

    #[pg_test]
    fn a_redriven_record_leaves_quarantine_when_it_can_be_read() {
        let quarantine = |event: &str| {
            Spi::get_one_with_args::<i64>(
                "INSERT INTO deed.quarantine (topic, topic_id, partition, record_offset,
                   record_timestamp, headers, payload, reason)
                 VALUES ('t', deed.users(), 0, (SELECT count(*) FROM deed.quarantine), -1,
                   '[{\"name\": \"content-type\",
                      \"value_base64\": \"YXBwbGljYXRpb24vY2xvdWRldmVudHMranNvbg==\"}]',
                   convert_to($1, 'UTF8'), 'type: unknown') RETURNING id",
                &[event.to_owned().into()],
            )
            .unwrap()
            .unwrap()
        };
        among_others();
        let (grant, poison) = (quarantine(&granted(ANNE, "viewer", 2)), quarantine("{}"));
        let create = quarantine(&created(1));
        let redriven = answer(&format!(
            "SELECT string_agg(concat_ws(' ', id - {grant}, outcome, reason), ', ')
             FROM deed.redrive(ARRAY[{create}, {poison}, {grant}, {grant}, 0, NULL])"
        ));
        assert_eq!(redriven, "0 applied, 1 rejected data: missing, 2 applied");
        assert_eq!(level(ANNE), "viewer");
        let left = answer("SELECT string_agg(id || ' ' || reason, ', ') FROM deed.quarantine");
        assert_eq!(left, format!("{poison} data: missing"));
        assert_eq!(answer("SELECT count(*) FROM deed.redrive('{}')"), "0");
    }
}
