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
    /// What was looked at last behind `loaded`, and from where on.
    aside: Vec<Entry>,
    aside_from: Key,
}

/// Most documents have fewer permissions, and most principals fewer groups.
const FIRST_STRETCH: usize = 16;
const GROWTH: usize = 4;
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
            aside: Vec::new(),
            aside_from: prefix,
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
            self.rest = self.reader.fetch(&self.prefix, from, stretch, loaded)?;
            self.stretch *= GROWTH;
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
        let from = self.prefix.id(id);
        if let Some(entry) = first_from(&self.loaded, &from) {
            return Ok(Some(self.id(entry)));
        }
        if self.is_complete() {
            return Ok(None);
        }
        // Whoever intersects asks upwards, so what was found last may answer again.
        if self.aside_from <= from
            && let Some(entry) = first_from(&self.aside, &from)
        {
            return Ok(Some(self.id(entry)));
        }
        self.aside.clear();
        self.aside_from = from;
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
        let key = self.prefix.id(id);
        let seen = |entries: &[Entry]| {
            let rows = entries.iter().take_while(|entry| begins(entry, &key));
            let mut rows = rows.filter(|entry| wanted(entry));
            rows.find(|entry| self.reader.sees(entry)).copied()
        };
        let goes_on = self.loaded.last().is_none_or(|last| begins(last, &key));
        let behind = self.loaded.last().is_some_and(|last| last.key < key);
        if self.is_complete() || !goes_on && !behind {
            let start = position(&self.loaded, &key);
            return Ok(seen(&self.loaded[start..]));
        }
        // Old versions of a row may be many.
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

fn begins(entry: &Entry, key: &Key) -> bool {
    entry.key.begins_with(key)
}

fn position(entries: &[Entry], from: &Key) -> usize {
    entries.partition_point(|entry| entry.key < *from)
}

fn first_from<'e>(entries: &'e [Entry], from: &Key) -> Option<&'e Entry> {
    entries.get(position(entries, from))
}
