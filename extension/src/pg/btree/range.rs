//! A range of an index that is read no further than needed.

use uuid::Uuid;

use super::key::Key;
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
    /// Where the last look into `loaded` ended.
    passed: usize,
    /// What was looked at last behind `loaded`, and from where on.
    aside: Vec<Entry>,
    aside_from: Uuid,
}

/// Most documents have fewer permissions, and most principals fewer groups.
const FIRST_STRETCH: usize = 16;
const GROWTH: usize = 4;
/// Room for as many is made at once.
const EXPECTED: usize = 8;
/// Enough for an id and the one behind it.
const LOOK: usize = 2;

impl<'r> Range<'r> {
    /// Nothing is read yet.
    pub fn new(reader: &'r Reader, prefix: Key) -> Self {
        Self {
            reader,
            prefix,
            loaded: Vec::new(),
            rest: Some(prefix),
            stretch: FIRST_STRETCH,
            passed: 0,
            aside: Vec::new(),
            aside_from: Uuid::nil(),
        }
    }

    /// Whether all of it is loaded.
    pub fn is_complete(&self) -> bool {
        self.rest.is_none()
    }

    /// Loads a further stretch.
    pub fn load(&mut self) -> Result<(), Failure> {
        if let Some(from) = self.rest {
            let (stretch, loaded) = (self.stretch, &mut self.loaded);
            loaded.reserve(EXPECTED);
            self.rest = self.reader.fetch(&self.prefix, from, stretch, loaded)?;
            self.stretch *= GROWTH;
        }
        Ok(())
    }

    /// Loads all that is left.
    pub fn load_all(&mut self) -> Result<(), Failure> {
        while !self.is_complete() {
            self.load()?;
        }
        Ok(())
    }

    /// What is loaded, with the ids; several of one id are versions of its row.
    pub fn loaded(&self) -> impl ExactSizeIterator<Item = (Uuid, &Entry)> {
        self.loaded.iter().map(|entry| (self.id(entry), entry))
    }

    /// The loaded ids whose rows the snapshot sees.
    pub fn loaded_and_seen(&self) -> impl Iterator<Item = Uuid> {
        let seen = |(_, entry): &(Uuid, &Entry)| self.reader.sees(entry);
        self.loaded().filter(seen).map(|(id, _)| id)
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

    /// The first id at or behind `id`.
    pub fn next_id(&mut self, id: Uuid) -> Result<Option<Uuid>, Failure> {
        self.passed = self.gallop(id);
        if let Some(entry) = self.loaded.get(self.passed) {
            return Ok(Some(self.id(entry)));
        }
        if self.is_complete() {
            return Ok(None);
        }
        // What was found last may answer again.
        if self.aside_from <= id
            && let Some(entry) = self.aside.get(self.position(&self.aside, id))
        {
            return Ok(Some(self.id(entry)));
        }
        let from = self.prefix.id(id);
        self.aside.clear();
        self.aside_from = id;
        self.reader
            .fetch(&self.prefix, from, LOOK, &mut self.aside)?;
        Ok(self.aside.first().map(|entry| self.id(entry)))
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
        if self.is_complete() || self.loaded.last().is_some_and(is_passed) {
            let start = self.position(&self.loaded, id);
            return Ok(seen(&self.loaded[start..]));
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

    /// The place of the first loaded entry at or behind an id. Whoever intersects asks upwards, so it
    /// is looked for from where the last one was, in steps that double.
    fn gallop(&self, id: Uuid) -> usize {
        let is_before = |at: usize| {
            let entry = self.loaded.get(at);
            entry.is_some_and(|entry| self.id(entry).as_u128() < id.as_u128())
        };
        let mut low = match self.passed == 0 || is_before(self.passed - 1) {
            true => self.passed,
            false => 0,
        };
        let mut step = 1;
        while is_before(low + step) {
            low += step;
            step *= 2;
        }
        let high = (low + step).min(self.loaded.len());
        low + self.position(&self.loaded[low..high], id)
    }

    /// Of the first entry at or behind an id.
    fn position(&self, entries: &[Entry], id: Uuid) -> usize {
        entries.partition_point(|entry| self.id(entry).as_u128() < id.as_u128())
    }

    fn id(&self, entry: &Entry) -> Uuid {
        entry.key.id_at(self.prefix.as_bytes().len())
    }
}
