//! Explanations of more paths than anybody could wait for.

#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::explain::paths::{Edge, Graph, Path, shortest};
    use crate::tests::*;

    fn share_with(name: &str, level: &str) {
        let recipient = answer(&format!("md5('{name}')::uuid"));
        assert_eq!(apply(&granted(&recipient, level, 2)), "applied");
    }

    /// Memberships from a query of member, group and whether it is ended; both by name.
    fn edges(query: &str) {
        Spi::run(&format!(
            "INSERT INTO deed.membership
               SELECT md5(g)::uuid, md5(m)::uuid, '\\x00', ended, NULL, now()
               FROM ({query}) AS e (m, g, ended);
             INSERT INTO deed.principal (id, node)
               SELECT DISTINCT group_id, true FROM deed.membership
               ON CONFLICT (id) DO UPDATE SET node = true"
        ))
        .unwrap();
    }

    /// From `0` to each end, over pairs of groups: twice as many paths with each of the steps.
    fn ladder(steps: u32) {
        edges(&format!(
            "SELECT i::text, i || x, false FROM generate_series(0, {steps} - 1) AS i, unnest('{{a,b}}'::text[]) AS x
             UNION ALL
             SELECT i || x, (i + 1)::text, false FROM generate_series(0, {steps} - 1) AS i, unnest('{{a,b}}'::text[]) AS x"
        ));
    }

    /// How many rows, how many of them count, and which levels they have.
    fn summary(name: &str) -> String {
        answer(&format!(
            "SELECT format('%s rows, %s count, %s', count(*), count(*) FILTER (WHERE counts),
               string_agg(DISTINCT level::text, ' ' ORDER BY level::text DESC))
             FROM deed.explain_permission(md5('{name}')::uuid, '{DOCUMENT}')"
        ))
    }

    #[pg_test]
    fn more_paths_than_anybody_could_wait_for_are_cut_at_a_thousand() {
        apply(&created(1));
        ladder(30);
        share_with("30", "viewer");
        assert_eq!(summary("0"), "1000 rows, 1000 count, viewer");
        share_with("3", "editor");
        assert_eq!(summary("0"), "1000 rows, 1000 count, viewer editor");
        // The greatest level is never cut, be its path the longest.
        edges("SELECT '30'::text, 'far'::text, false");
        share_with("far", "owner");
        assert_eq!(summary("0"), "1000 rows, 1000 count, owner");
    }

    #[pg_test]
    fn paths_that_count_are_never_cut_for_others() {
        apply(&created(1));
        ladder(9);
        share_with("9", "viewer");
        edges(
            "SELECT '0'::text, 'old ' || i, true FROM generate_series(1, 2000) AS i
             UNION ALL SELECT 'old ' || i, '9', false FROM generate_series(1, 2000) AS i",
        );
        assert_eq!(summary("0"), "1000 rows, 512 count, viewer");
        let last = answer(
            &"SELECT string_agg(DISTINCT reason || cardinality(via), ' ')
              FROM deed.explain_permission(md5('0')::uuid, 'DOCUMENT')"
                .replace("DOCUMENT", DOCUMENT),
        );
        assert_eq!(last, "granted17 member_removed1");
    }

    /// Whoever knows the way out is met on the way in: only the first step leads anywhere, and all
    /// ways round the clique are dead ends.
    #[pg_test]
    fn a_clique_behind_the_only_way_is_not_walked() {
        apply(&created(1));
        edges(
            "SELECT i::text, j::text, false FROM generate_series(1, 40) AS i, generate_series(1, 40) AS j
             WHERE i <> j
             UNION ALL SELECT 'asker', '1', false UNION ALL SELECT '1', 'out', false",
        );
        share_with("out", "viewer");
        assert_eq!(summary("asker"), "1 rows, 1 count, viewer");
    }

    #[pg_test]
    fn a_circle_of_fifty_and_a_chain_of_two_hundred_are_walked() {
        apply(&created(1));
        edges(
            "SELECT i::text, (i % 50 + 1)::text, false FROM generate_series(1, 50) AS i
             UNION ALL
             SELECT 'chain ' || i, 'chain ' || i + 1, false FROM generate_series(0, 199) AS i
             UNION ALL SELECT '25', 'chain 0', false",
        );
        share_with("chain 200", "viewer");
        assert_eq!(summary("26"), "1 rows, 1 count, viewer");
        assert_eq!(summary("chain 199"), "1 rows, 1 count, viewer");
    }

    /// Every path by trying all, in order.
    fn all(graph: &Graph, target: &[bool], path: &mut Path, found: &mut Vec<Path>) {
        let end = path.last().map_or(0, |edge| edge.to);
        if target[end] {
            found.push(path.clone());
        }
        for edge in &graph[end] {
            if edge.to != 0 && path.iter().all(|passed| passed.to != edge.to) {
                path.push(*edge);
                all(graph, target, path, found);
                path.pop();
            }
        }
    }

    #[pg_test]
    fn the_shortest_paths_are_those_found_by_trying_all() {
        // Any numbers do; these are the same on each run (Knuth's MMIX).
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut cut = 0;
        for _ in 0..2_000 {
            let nodes = 1 + random(7) as usize;
            let dense = 1 + random(4);
            let mut graph: Graph = vec![Vec::new(); nodes];
            let mut target = vec![false; nodes];
            for from in 0..nodes {
                target[from] = random(4) == 0;
                for to in 0..nodes {
                    for promotion in [false, true] {
                        if random(8) < dense {
                            let live = true;
                            graph[from].push(Edge {
                                to,
                                promotion,
                                live,
                            });
                        }
                    }
                }
            }
            let mut expected = Vec::new();
            all(&graph, &target, &mut Path::new(), &mut expected);
            expected.sort_by_key(|path| (path.len(), path.clone()));
            let most = 1 + random(40) as usize;
            cut += usize::from(expected.len() > most);
            expected.truncate(most);
            assert_eq!(
                shortest(&graph, 0, &target, most),
                expected,
                "{graph:?} {target:?}"
            );
        }
        assert!(cut > 200, "{cut}");
    }
}
