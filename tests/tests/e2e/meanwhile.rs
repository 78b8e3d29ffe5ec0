//! Sessions that do one thing over and over while something else goes on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whether it goes on, and how often was asked. A failure on any side ends it on all.
#[derive(Default)]
pub struct Meanwhile {
    over: AtomicBool,
    asked: AtomicUsize,
}

/// Ends it, also when its holder fails.
pub struct Ends<'a>(&'a Meanwhile);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl Meanwhile {
    /// What is asked while this is held.
    pub fn ends(&self) -> Ends<'_> {
        Ends(self)
    }

    /// Asks until somebody ends it.
    pub fn ask(&self, mut question: impl FnMut()) {
        let _ends = self.ends();
        while !self.is_over() {
            question();
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Works in rounds: so many, and more until that many questions were asked.
    pub fn work(&self, rounds: usize, asked: usize, mut round: impl FnMut()) {
        let _ends = self.ends();
        let mut done = 0;
        while !self.is_over() && (done < rounds || self.asked() < asked) {
            round();
            done += 1;
        }
    }

    /// How often was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether somebody has ended it.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
