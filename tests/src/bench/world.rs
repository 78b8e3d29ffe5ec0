//! Who and what there is in the loaded database, and how much of it.

use deed_core::EVERYONE;
use uuid::{Builder, Uuid};

/// Groups, at any scale: what a check costs depends on their number. Their members scale.
pub const GROUPS: u64 = 1_000;
/// Groups deep is the chain.
pub const CHAIN: u64 = 5;
/// How many principals and documents of each special kind there are.
pub const SPECIAL: u64 = 16;
/// How many documents a special kind of grant reaches.
pub const REACHED: u64 = 1_000;
/// The groups of one joiner.
pub const JOINED: u64 = 100;
/// More permissions than this make a document wide: `WIDE` in `extension/src/apply/listing.rs`.
pub const WIDE: u64 = 100;

/// What scales.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Its name.
    pub name: &'static str,
    /// Documents that live, each with five direct recipients.
    pub documents: u64,
    /// Registered users.
    pub users: u64,
    /// Members of each group.
    pub members: u64,
    /// Documents that [`Principal::Medium`] sees.
    pub medium: u64,
    /// Direct recipients of [`Document::Famous`].
    pub famous: u64,
    /// Documents of [`Principal::Collector`].
    pub collected: u64,
}

impl Size {
    /// What the goals are about.
    pub const FULL: Self = Self {
        name: "full",
        documents: 1_000_000,
        users: 200_000,
        members: 100,
        medium: 10_000,
        famous: 100_000,
        collected: 1_000,
    };

    /// A hundredth, to see that all works.
    pub const SMALL: Self = Self {
        name: "small",
        documents: 10_000,
        users: 2_000,
        members: 1,
        medium: 1_000,
        famous: 1_000,
        collected: 10,
    };

    /// The one that `SCALE` asks for.
    pub fn from_env() -> Result<Self, String> {
        match std::env::var("SCALE").as_deref() {
            Err(_) | Ok("" | "full") => Ok(Self::FULL),
            Ok("small") => Ok(Self::SMALL),
            Ok(other) => Err(format!("SCALE is {other}, expected small or full")),
        }
    }

    /// Whether the goals are about it.
    pub fn is_full(&self) -> bool {
        self.name == Self::FULL.name
    }

    /// Share links.
    pub fn links(&self) -> u64 {
        self.users / 100
    }

    /// Numbers of [`Document::Plain`], those that don't live included.
    pub fn plain(&self) -> u64 {
        self.documents + self.documents / 50
    }
}

/// Every principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The built-in recipient.
    Everyone,
    /// The built-in recipient.
    Users,
    /// One of many.
    User(u64),
    /// A share link; every second is promoted.
    Link(u64),
    /// A group with members.
    Group(u64),
    /// Another group, of one visitor.
    Guests(u64),
    /// The member of the guests of the same number.
    Visitor(u64),
    /// A group in the chain; 0 is what the others are in.
    Chain(u64),
    /// A member of the chain's last group.
    Deep(u64),
    /// Has direct grants where a [`Principal::Deep`] has access through the chain.
    Reader(u64),
    /// A member of [`JOINED`] groups.
    Joiner(u64),
    /// A member of all [`GROUPS`].
    Hub(u64),
    /// Sees every document that lives, by direct grants.
    All,
    /// Sees `medium` documents by direct grants.
    Medium,
    /// Sees 50 documents by direct grants.
    Few,
    /// Sees wide documents by direct grants.
    Collector,
    /// No event was ever about it.
    Stranger(u64),
}

/// Every document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Document {
    /// One of many; numbers from `documents` on are deleted, purged, restored or never created.
    Plain(u64),
    /// Granted to the chain's first group.
    Deep(u64),
    /// Granted to each reader.
    Read(u64),
    /// Granted to [`Principal::Guests`] of the same number.
    Single(u64),
    /// Granted to all guests.
    Crowded(u64),
    /// A wide document of the collector's.
    Collected(u64),
    /// Has as many permissions as one can have without being wide.
    Hundred(u64),
    /// Has very many direct recipients.
    Famous,
    /// No event was ever about it.
    Unknown(u64),
}

/// All ids and numbers follow from the seed.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Another seed is another world.
    pub seed: u64,
    /// How large it is.
    pub size: Size,
}

impl World {
    /// The principal's id.
    pub fn principal(&self, principal: Principal) -> Uuid {
        use Principal::*;
        match principal {
            Everyone => EVERYONE,
            Users => deed_core::USERS,
            User(n) => self.id(1, n),
            Link(n) => self.id(2, n),
            Group(n) => self.id(3, n),
            Guests(n) => self.id(4, n),
            Chain(n) => self.id(5, n),
            Deep(n) => self.id(6, n),
            Reader(n) => self.id(7, n),
            Joiner(n) => self.id(8, n),
            Hub(n) => self.id(9, n),
            All => self.id(10, 0),
            Medium => self.id(10, 1),
            Few => self.id(10, 2),
            Collector => self.id(10, 3),
            Stranger(n) => self.id(11, n),
            Visitor(n) => self.id(12, n),
        }
    }

    /// The document's id.
    pub fn document(&self, document: Document) -> Uuid {
        use Document::*;
        match document {
            Plain(n) => self.id(32, n),
            Deep(n) => self.id(33, n),
            Read(n) => self.id(34, n),
            Single(n) => self.id(35, n),
            Crowded(n) => self.id(36, n),
            Collected(n) => self.id(37, n),
            Hundred(n) => self.id(38, n),
            Famous => self.id(39, 0),
            Unknown(n) => self.id(40, n),
        }
    }

    /// A number that follows from the seed and these.
    pub fn number(&self, what: u64, n: u64) -> u64 {
        mixed(self.seed ^ mixed(what << 48 ^ n))
    }

    fn id(&self, what: u64, n: u64) -> Uuid {
        let (high, low) = (self.number(what, n), self.number(what | 1 << 8, n));
        Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
            .into_uuid()
    }
}

/// SplitMix64: a bijection without visible pattern. Steele, Lea, Flood, "Fast splittable
/// pseudorandom number generators", 2014.
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}
