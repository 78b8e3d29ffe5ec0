//! Histories of up to 6 events, written by hand, each about one thing. They stand in the order of
//! their times; whoever uses them tells them in every order.

mod documents;
mod groups;
mod permissions;
mod principals;
mod ties;

use uuid::Uuid;

use crate::event::{Event, FUTURE, PAST, small};

const PLAN: Uuid = small(0xd1);
const ANNE: Uuid = small(0xa1);
const BOB: Uuid = small(0xa2);
const LINK: Uuid = small(0xa3);
const TEAM: Uuid = small(0xa4);
const UNIT: Uuid = small(0xa5);
const FIRM: Uuid = small(0xa6);
const EVERYONE: Uuid = small(1);
const USERS: Uuid = small(2);

/// Every history with its name.
pub fn all() -> Vec<(&'static str, Vec<Event>)> {
    let histories = [
        documents::all(),
        permissions::all(),
        principals::all(),
        groups::all(),
        ties::all(),
    ];
    histories.into_iter().flatten().collect()
}

type History = (&'static str, Vec<Event>);
