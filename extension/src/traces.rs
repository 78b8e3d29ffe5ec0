//! The traces that events came in (W3C Trace Context), on their way to what is told because of them.

use std::collections::BTreeMap;

use deed_core::event::Event;
use deed_core::version::Version;

/// Each by the event's version. Most events have none.
#[derive(Default)]
pub struct Traces(BTreeMap<Version, String>);

impl Traces {
    /// Those of a batch.
    pub fn of(events: &[Event]) -> Self {
        let trace = |event: &Event| Some((event.version.clone(), event.traceparent.clone()?));
        Self(events.iter().filter_map(trace).collect())
    }

    /// Adds one that was kept.
    pub fn add(&mut self, cause: Option<&Version>, trace: Option<String>) {
        if let (Some(cause), Some(trace)) = (cause, trace) {
            self.0.insert(cause.clone(), trace);
        }
    }

    /// The trace of what this event brought about.
    pub fn trace(&self, cause: Option<&Version>) -> Option<String> {
        self.0.get(cause?).cloned()
    }
}
