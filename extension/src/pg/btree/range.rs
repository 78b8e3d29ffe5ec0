//! A range of an index that is read no further than needed.

use uuid::Uuid;

use super::key::Key;
use super::meet::gallop;
use super::{Entry, Reader};
use crate::failure::Failure;

/// The entries that begin with a key and go on with an id, in order.
///
/// Read from the beginning by stretches that grow, or looked into by that id: so two ranges are
/// intersected at the cost of the smaller one, however long the other is.
pub struct Range<'r> {
    reader: &'r Reader,
    prefix: Key,
    /// From the beginning on.
    loaded: Vec<Entry>,
    /// Where loading goes on; none when all is loaded.
    rest: Option<Key>,
    stretch: usize,
    /// What was met last behind `loaded`: all entries of those ids that have any.
    met: Vec<Entry>,
}

/// Most documents have fewer permissions, and most principals fewer groups.
const FIRST_STRETCH: usize = 16;
const GROWTH: usize = 4;
/// Interrupts are taken behind each.
const LONGEST_STRETCH: usize = 4_096;
/// Room for as many is made at once.
const EXPECTED: usize = 8;

impl<'r> Range<'r> {
    /// Nothing is read yet.
    pub fn new(reader: &'r Reader, prefix: Key) -> Self {
        Self {
            reader,
            prefix,
            loaded: Vec::new(),
            rest: Some(prefix),
            stretch: FIRST_STRETCH,
            met: Vec::new(),
        }
    }

    /// Whether all of it is loaded.
    pub fn is_complete(&self) -> bool {
        self.rest.is_none()
    }

    /// Loads a further stretch.
    pub fn load(&mut self) -> Result<(), Failure> {
        self.load_at_most(self.stretch)
    }

    /// Loads no more than so many.
    pub fn load_at_most(&mut self, entries: usize) -> Result<(), Failure> {
        if let Some(from) = self.rest {
            let loaded = &mut self.loaded;
            loaded.reserve(EXPECTED);
            self.rest = self.reader.fetch(&self.prefix, from, entries, loaded)?;
            self.stretch = (self.stretch * GROWTH).min(LONGEST_STRETCH);
        }
        Ok(())
    }

    /// The loaded ids, each once.
    pub fn ids(&self) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = self.loaded().map(|(id, _)| id).collect();
        ids.dedup();
        ids
    }

    /// What is loaded, with the ids; several of one id are versions of its row.
    pub fn loaded(&self) -> impl ExactSizeIterator<Item = (Uuid, &Entry)> {
        self.loaded.iter().map(|entry| (self.id(entry), entry))
    }

    /// Whether the snapshot sees a loaded row that is `wanted`.
    pub fn has_seen(&self, wanted: impl Fn(&Entry) -> bool) -> bool {
        let mut wanted = self.loaded.iter().filter(|entry| wanted(entry));
        wanted.any(|entry| self.reader.sees(entry))
    }

    /// Whether there is nothing in it; [`load`](Self::load) first.
    pub fn is_empty(&self) -> bool {
        self.loaded.is_empty()
    }

    /// Whether all of it is loaded and is less than what is loaded of the other, or than all of that.
    pub fn is_smaller_than(&self, other: &Self) -> bool {
        let (few, many) = (self.loaded.len(), other.loaded.len());
        self.is_complete() && (!other.is_complete() || few <= many)
    }

    /// Those of the ids, which ascend, that it has too, at the cost of whichever is shorter.
    pub fn meet(&mut self, ids: &[Uuid]) -> Result<Vec<Uuid>, Failure> {
        // To read as many entries costs less than to look for one where these lie close, and little
        // beside it where they don't.
        while !self.is_complete() && self.loaded.len() < ids.len() {
            self.load_at_most(self.stretch.min(ids.len() - self.loaded.len()))?;
        }
        let mut common = Vec::new();
        let mut rest = ids;
        let mut loaded = self.loaded.as_slice();
        while let Some(id) = rest.first() {
            loaded = &loaded[gallop(loaded, |entry| self.id(entry) < *id)..];
            let Some(found) = loaded.first().map(|entry| self.id(entry)) else {
                break;
            };
            rest = &rest[gallop(rest, |id| *id < found)..];
            if rest.first() == Some(&found) {
                common.push(found);
                rest = &rest[1..];
            }
        }
        if !self.is_complete() && !rest.is_empty() {
            self.met.clear();
            let key = |id: &Uuid| self.prefix.id(*id);
            self.reader.meet(rest, key, usize::MAX, &mut self.met)?;
            common.extend(self.met.iter().map(|entry| self.id(entry)));
            common.dedup();
        }
        Ok(common)
    }

    /// The row with this id that the snapshot sees, if it is among those that `wanted` finds worth a
    /// look.
    pub fn seen(
        &self,
        id: Uuid,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Option<Entry>, Failure> {
        let own = |entry: &&Entry| self.id(entry).as_u128() == id.as_u128();
        let seen = |entries: &[Entry]| {
            let mut rows = entries.iter().take_while(own).filter(|entry| wanted(entry));
            rows.find(|entry| self.reader.sees(entry)).copied()
        };
        let is_passed = |last: &Entry| self.id(last).as_u128() > id.as_u128();
        let find = |entries: &[Entry]| {
            let start = entries.partition_point(|entry| self.id(entry).as_u128() < id.as_u128());
            seen(&entries[start..])
        };
        if self.is_complete() || self.loaded.last().is_some_and(is_passed) {
            return Ok(find(&self.loaded));
        }
        if self
            .met
            .binary_search_by_key(&id, |entry| self.id(entry))
            .is_ok()
        {
            return Ok(find(&self.met));
        }
        // Old versions of a row may be many.
        let key = self.prefix.id(id);
        let mut entries = Vec::new();
        let mut from = Some(key);
        while let Some(start) = from {
            entries.clear();
            from = self
                .reader
                .fetch(&key, start, FIRST_STRETCH, &mut entries)?;
            if let Some(entry) = seen(&entries) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn id(&self, entry: &Entry) -> Uuid {
        entry.key.id_at(self.prefix.as_bytes().len())
    }
}

/// The ids that both ranges have, at the cost of the shorter.
pub fn common(one: &mut Range<'_>, other: &mut Range<'_>) -> Result<Vec<Uuid>, Failure> {
    while !one.is_complete() && !other.is_complete() {
        one.load()?;
        if !one.is_complete() {
            other.load()?;
        }
    }
    match one.is_smaller_than(other) {
        true => other.meet(&one.ids()),
        false => one.meet(&other.ids()),
    }
}
