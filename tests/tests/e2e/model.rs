//! What the events mean, told a second time as simply as can be, and compared with every answer, at a
//! size at which each principal has groups, links and pages of documents.

use deed_tests::answers::{self, Subjects};
use deed_tests::derived;
use deed_tests::event::Event;
use deed_tests::load;
use deed_tests::reference;
use deed_tests::stage::Line;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use uuid::Uuid;

const EVENTS: usize = 3_000;
const DOCUMENTS: usize = 150;
/// Asked about; a part, for the model computes everything anew for each answer.
const ASKED: usize = 30;

#[test]
fn every_check_and_list_says_what_the_events_mean() {
    let seed = load::seed();
    let events = load::events(seed, EVENTS, DOCUMENTS);
    let line = Line::shared("model", 3);
    let _consumer = line.consumer("a");
    let mut shuffled: Vec<_> = events.iter().map(Event::binary).collect();
    shuffled.shuffle(&mut StdRng::seed_from_u64(seed));
    line.send(&shuffled);
    line.wait_until_applied();

    let mut client = line.admin();
    derived::assert_follow(&mut client, "model");
    let mut principals: Vec<Uuid> = (0..load::people(DOCUMENTS)).map(load::person).collect();
    principals.extend([Uuid::from_u128(1), Uuid::from_u128(2)]);
    let subjects = Subjects {
        principals,
        documents: (0..ASKED).map(load::document).collect(),
    };
    let now = answers::now(&mut client);
    let expected = answers::expected(&reference::model(&events), &subjects, &now);
    let found = answers::ask(&mut client, &subjects, 7);
    let says_something =
        |answer: &&String| answer.starts_with("level") && !answer.contains(": none");
    let levels = expected.iter().filter(says_something).count();
    println!("{} answers, {levels} levels among them", expected.len());
    assert!(levels > ASKED, "the load says too little");
    if let Err(difference) = answers::compare(&found, &expected) {
        panic!("{difference}");
    }
}
