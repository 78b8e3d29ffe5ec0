//! Ordered ranges, merged into one no further than asked for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

use deed_core::Level;

use crate::failure::Failure;
use crate::pg::btree::key::Key;
use crate::pg::btree::{Carried, Entry, Reader};
use crate::pg::catalog::{self, Catalog};
use crate::pg::session;

/// The entries of an index that begin with a key.
pub struct Feed<'i> {
    /// The index.
    pub reader: &'i Reader,
    /// What they begin with. What follows it is where a row stands in the list.
    pub prefix: Key,
    /// The level that all of them stand for; none where each carries its own.
    pub level: Option<Level>,
    /// Where to begin among them.
    pub from: Key,
}

/// A feed of which a stretch has been read.
struct Reading<'i> {
    feed: Feed<'i>,
    entries: VecDeque<Entry>,
    /// Where to go on; none at the end.
    rest: Option<Key>,
    stretch: usize,
}

/// Many feeds as one, and some rows that are known already. Feeds of one index lie side by side, their
/// prefixes ascending.
pub struct Merge<'i> {
    readings: Vec<Reading<'i>>,
    /// The next of each feed, and all that is known already.
    next: BinaryHeap<Reverse<(Key, Next)>>,
    now: i64,
    catalog: Rc<Catalog>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    OfFeed(usize),
    Known(Level),
}

/// Of all feeds together: a page takes few entries of each where they are many.
const FIRST_ENTRIES: usize = 64;
const FEWEST: usize = 2;
const FIRST_STRETCH: usize = 8;
const GROWTH: usize = 2;
const LONGEST_STRETCH: usize = 1_024;

impl<'i> Merge<'i> {
    /// Begins.
    pub fn new(feeds: Vec<Feed<'i>>, known: Vec<(Key, Level)>) -> Result<Self, Failure> {
        let stretch = FIRST_ENTRIES / feeds.len().max(1);
        let stretch = stretch.clamp(FEWEST, FIRST_STRETCH);
        let reading = |feed| Reading {
            feed,
            entries: VecDeque::new(),
            rest: None,
            stretch,
        };
        let known = known.into_iter();
        let mut merge = Self {
            readings: feeds.into_iter().map(reading).collect(),
            next: known
                .map(|(at, level)| Reverse((at, Next::Known(level))))
                .collect(),
            now: session::statement_start(),
            catalog: catalog::current()?,
        };
        let readings = merge.readings.as_mut_slice();
        for of_reader in readings.chunk_by_mut(|a, b| std::ptr::eq(a.feed.reader, b.feed.reader)) {
            begin(of_reader)?;
        }
        for feed in 0..merge.readings.len() {
            merge.look(feed)?;
        }
        Ok(merge)
    }

    /// The next row: where it stands, and the greatest level of its entries that live.
    pub fn next(&mut self) -> Result<Option<(Key, Level)>, Failure> {
        while let Some(Reverse((at, _))) = self.next.peek().copied() {
            let mut greatest = None;
            while let Some(Reverse((of, next))) = self.next.peek().copied()
                && of == at
            {
                self.next.pop();
                let level = match next {
                    Next::Known(level) => Some(level),
                    Next::OfFeed(feed) => self.take(feed)?,
                };
                greatest = greatest.max(level);
            }
            if let Some(level) = greatest {
                return Ok(Some((at, level)));
            }
        }
        Ok(None)
    }

    /// Takes the feed's next entry and gives its level, if it is neither revoked, removed nor expired,
    /// and is seen.
    fn take(&mut self, feed: usize) -> Result<Option<Level>, Failure> {
        let Reading {
            feed: of, entries, ..
        } = &mut self.readings[feed];
        let level = entries.pop_front().and_then(|entry| {
            let Carried {
                label,
                instant,
                flag,
            } = entry.carried;
            let level = of.level.or_else(|| self.catalog.level(label))?;
            let lives = !flag && instant > self.now;
            (lives && of.reader.sees(&entry)).then_some(level)
        });
        self.look(feed)?;
        Ok(level)
    }

    /// Puts the feed's next entry into its place among those of the others.
    fn look(&mut self, feed: usize) -> Result<(), Failure> {
        if let Some(at) = self.readings[feed].next()? {
            self.next.push(Reverse((at, Next::OfFeed(feed))));
        }
        Ok(())
    }
}

/// Reads the first stretch of each, all from one index, in one walk.
fn begin(readings: &mut [Reading<'_>]) -> Result<(), Failure> {
    let Some(first) = readings.first() else {
        return Ok(());
    };
    let mut entries = Vec::new();
    first.feed.reader.meet_behind(
        readings,
        &|reading| reading.feed.prefix,
        &|reading| reading.feed.from,
        first.stretch,
        &mut entries,
    )?;
    let mut entries = entries.into_iter().peekable();
    for reading in readings {
        let of_feed = |entry: &Entry| entry.key.begins_with(&reading.feed.prefix);
        while let Some(entry) = entries.next_if(of_feed) {
            reading.entries.push_back(entry);
        }
        let is_full = reading.entries.len() == reading.stretch;
        let last = reading.entries.back().filter(|_| is_full);
        reading.rest = last.map(|entry| entry.key.next());
        reading.stretch *= GROWTH;
    }
    Ok(())
}

impl Reading<'_> {
    fn next(&mut self) -> Result<Option<Key>, Failure> {
        if self.entries.is_empty()
            && let Some(from) = self.rest
        {
            let mut read = Vec::from(std::mem::take(&mut self.entries));
            let Feed { reader, prefix, .. } = &self.feed;
            self.rest = reader.fetch(prefix, from, self.stretch, &mut read)?;
            self.entries = read.into();
            self.stretch = (self.stretch * GROWTH).min(LONGEST_STRETCH);
        }
        let next = self.entries.front();
        Ok(next.map(|entry| entry.key.columns_behind(&self.feed.prefix)))
    }
}
