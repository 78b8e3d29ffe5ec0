//! Simple paths in a graph, shortest first, of which there may be more than anybody could wait for.
//!
//! Yen's and Lawler's way: what is open is a set of beginnings, each known to have an end, with the
//! length of the shortest. The first one, continued by each of its edges, gives the next beginnings.
//! As every beginning stands for a path at least, no more of them are kept than paths are wanted, and
//! the work grows with the paths given, their length and the edges, however many paths there are.

use std::collections::{BTreeSet, HashSet, VecDeque};

/// From a node, which is known from where the edge stands, to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// A node's number.
    pub to: usize,
    /// Whether it leads from a user to a link promoted to it, and not from a member to its group.
    pub promotion: bool,
    /// Whether it is there now.
    pub live: bool,
}

/// A path, without the node that it starts at.
pub type Path = Vec<Edge>;

/// The edges that leave each node.
pub type Graph = Vec<Vec<Edge>>;

/// A length, and the path that has it or, where it goes on, the beginning of the shortest that has.
type Open = BTreeSet<(usize, Path, bool)>;

/// The first `most` paths from `start` to any of the targets, which may also lie on the way: shorter
/// ones first, and those of one length in the order of their edges.
pub fn shortest(graph: &Graph, start: usize, target: &[bool], most: usize) -> Vec<Path> {
    let mut search = Search {
        graph,
        target,
        way: Way::towards(graph, target),
        passed: vec![false; graph.len()],
        dead: vec![0; graph.len()],
        step: 1,
    };
    let mut found = Vec::new();
    let mut open = Open::new();
    search.add(&mut open, Path::new(), start);
    while found.len() < most
        && let Some((_, path, goes_on)) = open.pop_first()
    {
        pgrx::check_for_interrupts!();
        match goes_on {
            false => found.push(path),
            true => search.go_on(&mut open, &path, start),
        }
        while open.len() > most - found.len() {
            open.pop_last();
        }
    }
    found
}

struct Search<'a> {
    graph: &'a Graph,
    target: &'a [bool],
    way: Way,
    /// The nodes of the beginning in hand.
    passed: Vec<bool>,
    /// In which step a node was found to lead to no target but over nodes passed.
    dead: Vec<usize>,
    /// Counts the beginnings, from 1.
    step: usize,
}

impl Search<'_> {
    /// The beginning, longer by each edge that meets nothing passed.
    fn go_on(&mut self, open: &mut Open, path: &Path, start: usize) {
        let nodes = || path.iter().map(|edge| edge.to).chain([start]);
        nodes().for_each(|node| self.passed[node] = true);
        self.step += 1;
        let end = path.last().map_or(start, |edge| edge.to);
        for edge in &self.graph[end] {
            pgrx::check_for_interrupts!();
            if !self.passed[edge.to] {
                let mut longer = path.clone();
                longer.push(*edge);
                self.add(open, longer, edge.to);
            }
        }
        nodes().for_each(|node| self.passed[node] = false);
    }

    /// Adds a path where it ends at a target, and where it is the beginning of one that does.
    fn add(&mut self, open: &mut Open, path: Path, end: usize) {
        if self.target[end] {
            open.insert((path.len(), path.clone(), false));
        }
        self.passed[end] = true;
        if let Some(more) = self.more(end) {
            open.insert((path.len() + more, path, true));
        }
        self.passed[end] = false;
    }

    /// How many edges more, at least one, the shortest path has from `end` to a target that meets
    /// nothing passed.
    fn more(&mut self, end: usize) -> Option<usize> {
        let nearest = self.graph[end]
            .iter()
            .filter(|edge| self.is_open(edge.to))
            .filter_map(|edge| Some((self.way.length[edge.to]?, edge.to)))
            .min();
        let (length, mut node) = nearest?;
        // Mostly the shortest way of all is free.
        while !self.passed[node] {
            match self.way.next[node] {
                Some(next) => node = next,
                None => return Some(length + 1),
            }
        }
        self.try_all(end)
    }

    fn try_all(&mut self, end: usize) -> Option<usize> {
        pgrx::check_for_interrupts!();
        let mut seen = HashSet::from([end]);
        let mut queue = VecDeque::from([(end, 0)]);
        while let Some((node, length)) = queue.pop_front() {
            for edge in &self.graph[node] {
                if !self.is_open(edge.to) || self.way.length[edge.to].is_none() {
                    continue;
                }
                if self.target[edge.to] {
                    return Some(length + 1);
                }
                if seen.insert(edge.to) {
                    queue.push_back((edge.to, length + 1));
                }
            }
        }
        // The other edges of the beginning in hand need not come here again, unless this is
        // where they come to a target.
        if !self.target[end] {
            seen.iter().for_each(|node| self.dead[*node] = self.step);
        }
        None
    }

    fn is_open(&self, node: usize) -> bool {
        !self.passed[node] && self.dead[node] != self.step
    }
}

/// A shortest way from each node to a target.
struct Way {
    /// Its edges; none where no target is reached.
    length: Vec<Option<usize>>,
    /// The next node on it; none at its end.
    next: Vec<Option<usize>>,
}

impl Way {
    fn towards(graph: &Graph, target: &[bool]) -> Self {
        let mut backward = vec![Vec::new(); graph.len()];
        for (from, edges) in graph.iter().enumerate() {
            edges.iter().for_each(|edge| backward[edge.to].push(from));
        }
        let mut way = Self {
            length: target.iter().map(|is| is.then_some(0)).collect(),
            next: vec![None; graph.len()],
        };
        let mut queue: VecDeque<usize> = (0..graph.len()).filter(|node| target[*node]).collect();
        while let Some(node) = queue.pop_front() {
            for &from in &backward[node] {
                if way.length[from].is_none() {
                    way.length[from] = way.length[node].map(|length| length + 1);
                    way.next[from] = Some(node);
                    queue.push_back(from);
                }
            }
        }
        way
    }
}
