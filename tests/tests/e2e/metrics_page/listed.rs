//! What docs/METRICS.md lists.

use std::collections::{BTreeMap, BTreeSet};

use super::read;

/// What only the process collector and Prometheus itself tell of.
const PROCESS: [(&str, Kind); 3] = [
    ("process_resident_memory_bytes", Kind::Gauge),
    ("process_open_fds", Kind::Gauge),
    ("process_cpu_seconds_total", Kind::Counter),
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Gauge,
    Counter,
    Histogram,
}

/// What Prometheus stores under one name.
#[derive(Clone, Debug)]
pub struct Series {
    /// The metric that it belongs to.
    pub metric: String,
    /// Only a rate of it says something.
    pub counts: bool,
    pub labels: BTreeSet<String>,
}

/// The page's table: name, type and labels.
pub fn metrics() -> BTreeMap<String, (Kind, BTreeSet<String>)> {
    let mut metrics = BTreeMap::new();
    for line in read("docs/METRICS.md").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", name, kind, labels, _, meaning, ""] = cells[..] else {
            continue;
        };
        let Some(name) = name.strip_prefix("`deed_") else {
            continue;
        };
        let kind = match kind {
            "gauge" => Kind::Gauge,
            "counter" => Kind::Counter,
            "histogram" => Kind::Histogram,
            other => panic!("{other} is no type"),
        };
        assert!(!meaning.is_empty(), "{line}");
        let labels = labels.split(", ").map(|label| label.trim_matches('`'));
        let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned);
        let name = format!("deed_{}", name.trim_end_matches('`'));
        assert_eq!(
            name.ends_with("_total"),
            kind == Kind::Counter,
            "{name} is a {kind:?}"
        );
        let twice = metrics.insert(name.clone(), (kind, labels.collect()));
        assert!(twice.is_none(), "{name} is listed twice");
    }
    assert!(metrics.len() > 15, "the page has a table");
    metrics
}

/// What each name of a series stands for.
pub fn series() -> BTreeMap<String, Series> {
    let mut all = metrics();
    for (name, kind) in PROCESS {
        assert!(read("docs/METRICS.md").contains(name), "{name}");
        all.insert(name.to_owned(), (kind, BTreeSet::new()));
    }
    let mut series = BTreeMap::new();
    for (metric, (kind, labels)) in all {
        let one = Series {
            metric: metric.clone(),
            counts: kind != Kind::Gauge,
            labels,
        };
        if kind == Kind::Histogram {
            let mut bucket = one.clone();
            bucket.labels.insert("le".to_owned());
            series.insert(format!("{metric}_bucket"), bucket);
            series.insert(format!("{metric}_sum"), one.clone());
            series.insert(format!("{metric}_count"), one);
        } else {
            series.insert(metric, one);
        }
    }
    series
}
