//! Checks through groups, against direct checks.

use super::checks::{HAS_PERMISSION, counting};
use super::draw::{Draw, Pair};
use super::forms;
use super::report::Report;
use super::session::{Comparison, Fallible, Query, Session};
use super::world::{Document, GROUPS, Principal, REACHED, SPECIAL, World};

/// Checks through groups, against direct ones of the same verdict and distribution.
pub fn measure(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("Checks through groups");
    let form = &forms::all()[0];
    let mut draw = Draw::new(world);
    for case in cases(&mut draw, world) {
        let items = draw.store_answered(session, "pairs", &case.pairs, (form, case.answer))?;
        let twins = draw.store_answered(session, "twins", &case.direct, (form, case.answer))?;
        // As many of each.
        let items = items.min(twins);
        for table in ["pairs", "twins"] {
            session.execute(&format!(
                "DELETE FROM {table} WHERE ctid NOT IN (SELECT ctid FROM {table} LIMIT {items});
                 ANALYZE {table}"
            ))?;
        }
        let counts = if case.answer { items as i64 } else { 0 };
        let verdict = if case.answer { "allow" } else { "deny" };
        let comparison = Comparison {
            name: format!("check, {}, {verdict}", case.name),
            unit: "us",
            items,
            counts,
            product: Query::new("deed.has_permission", counting("pairs", HAS_PERMISSION)),
            floor: "direct check".to_owned(),
            floors: vec![Query::new("", counting("twins", HAS_PERMISSION))],
            floor_counts: counts,
            goal: Some(case.goal),
        };
        session.compare(report, comparison)?;
    }
    Ok(())
}

struct Case {
    name: &'static str,
    answer: bool,
    goal: f64,
    pairs: Vec<Pair>,
    /// The same without groups.
    direct: Vec<Pair>,
}

fn cases(draw: &mut Draw<'_>, world: &World) -> Vec<Case> {
    let lone = draw.some_loners(REACHED);
    let plain: Vec<Document> = (0..REACHED)
        .map(|_| Document::Plain(draw.ungrouped()))
        .collect();
    let lone_few = &lone[..SPECIAL as usize];
    let plain_few = &plain[..SPECIAL as usize];
    let mut joined: Vec<Vec<u64>> = vec![Vec::new(); SPECIAL as usize];
    let mut by_group: Vec<Vec<u64>> = vec![Vec::new(); GROUPS as usize];
    for n in (0..world.size.documents).step_by(10) {
        if let Some(Principal::Group(group)) = world.group_of(n) {
            by_group[group as usize].push(n);
        }
    }
    for (joiner, documents) in joined.iter_mut().enumerate() {
        let groups = World::joined(joiner as u64);
        documents.extend(groups.flat_map(|group| by_group[group as usize].clone()));
    }
    let grouped = |draw: &mut Draw<'_>| draw.plain() / 10 * 10;
    let member = |draw: &mut Draw<'_>, group: u64| {
        let members = world.members(group);
        members[draw.below(members.len() as u64) as usize]
    };
    let any = |draw: &mut Draw<'_>, of: &[Document]| of[draw.below(of.len() as u64) as usize];
    let anyone = |draw: &mut Draw<'_>, of: &[Principal]| of[draw.below(of.len() as u64) as usize];
    let view = |who, what| Some((who, what, "viewer"));
    let group_number = |document| match world.group_of(document) {
        Some(Principal::Group(group)) => group,
        _ => unreachable!("a multiple of ten"),
    };

    vec![
        Case {
            name: "through a group",
            answer: true,
            goal: 2.0,
            pairs: draw.pairs(|draw| {
                let document = grouped(draw);
                let group = group_number(document);
                let live = !World::is_removed_group(group);
                live.then(|| (member(draw, group), Document::Plain(document), "viewer"))
            }),
            direct: draw.pairs(Draw::direct),
        },
        Case {
            name: "through a group",
            answer: false,
            goal: 2.0,
            pairs: draw.pairs(|draw| {
                let (document, group) = (grouped(draw), draw.below(GROUPS));
                view(member(draw, group), Document::Plain(document))
            }),
            direct: draw.pairs(|draw| view(draw.loner(), Document::Plain(draw.ungrouped()))),
        },
        Case {
            name: "5 groups deep",
            answer: true,
            goal: 3.0,
            pairs: draw.pairs(|draw| {
                view(
                    Principal::Deep(draw.special()),
                    Document::Deep(draw.reached()),
                )
            }),
            direct: draw.pairs(|draw| {
                view(
                    Principal::Reader(draw.special()),
                    Document::Read(draw.reached()),
                )
            }),
        },
        Case {
            name: "5 groups deep",
            answer: false,
            goal: 3.0,
            pairs: draw.pairs(|draw| {
                view(
                    Principal::Deep(draw.special()),
                    Document::Single(draw.reached()),
                )
            }),
            direct: draw.pairs(|draw| view(anyone(draw, lone_few), any(draw, &plain))),
        },
        Case {
            name: "principal in 100 groups",
            answer: true,
            goal: 3.0,
            pairs: draw.pairs(|draw| {
                let joiner = draw.special();
                let documents = &joined[joiner as usize];
                let n = documents[draw.below(documents.len() as u64) as usize];
                view(Principal::Joiner(joiner), Document::Plain(n))
            }),
            direct: draw.pairs(|draw| {
                view(
                    Principal::Reader(draw.special()),
                    Document::Read(draw.reached()),
                )
            }),
        },
        Case {
            name: "principal in 100 groups",
            answer: false,
            goal: 3.0,
            pairs: draw.pairs(|draw| {
                let (joiner, document) = (draw.special(), grouped(draw));
                let group = group_number(document);
                let inside = World::joined(joiner).any(|own| own == group);
                let pair = (
                    Principal::Joiner(joiner),
                    Document::Plain(document),
                    "viewer",
                );
                (!inside).then_some(pair)
            }),
            direct: draw
                .pairs(|draw| view(anyone(draw, lone_few), Document::Plain(draw.ungrouped()))),
        },
        Case {
            name: "document granted to 1,000 groups, principal in 1",
            answer: false,
            goal: 3.0,
            pairs: draw.pairs(|draw| {
                let group = draw.below(GROUPS);
                view(member(draw, group), Document::Crowded(draw.special()))
            }),
            direct: draw.pairs(|draw| view(anyone(draw, &lone), any(draw, plain_few))),
        },
        Case {
            name: "principal in 1,000 groups, document granted to 1",
            answer: false,
            goal: 3.0,
            pairs: draw.pairs(|draw| {
                view(
                    Principal::Hub(draw.special()),
                    Document::Single(draw.reached()),
                )
            }),
            direct: draw.pairs(|draw| view(anyone(draw, lone_few), any(draw, &plain))),
        },
        Case {
            name: "principal in 1,000 groups, document granted to 1,000",
            answer: false,
            goal: 40.0,
            pairs: draw.pairs(|draw| {
                view(
                    Principal::Hub(draw.special()),
                    Document::Crowded(draw.special()),
                )
            }),
            direct: draw.pairs(|draw| view(anyone(draw, lone_few), any(draw, plain_few))),
        },
    ]
}
