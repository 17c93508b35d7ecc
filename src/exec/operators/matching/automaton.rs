//! A pattern as an automaton whose every edge but the last takes a row.
//!
//! Nodes that take no row come first, one for each choice a pattern leaves open, in the order of preference. The states are the
//! places after a row was taken; what can follow there is found by walking the nodes in that order, each once. A node that is
//! reached again took no row in between: whatever follows it has been noted already, so a repetition of nothing ends itself.

use super::Pattern;
use crate::error::{Error, ErrorKind, Result};

/// The largest number in a quantifier.
pub(crate) const TIMES_MAX: usize = 10_000;
/// Nodes while a pattern is compiled, and steps taken to make them.
const NODES_MAX: usize = 50_000;
/// Nodes looked at while edges are found.
const VISITS_MAX: usize = 2_000_000;
/// Edges: a choice is kept in 16 bits.
const EDGES_MAX: usize = 50_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Edge {
    /// Takes a row for which the symbol's condition holds.
    Row { symbol: u16, to: u16 },
    /// The match ends before this row.
    Accept,
}

/// Where the edges of a state lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Edges {
    pub(super) first: u16,
    pub(super) end: u16,
}

/// What can follow where, the preferred first. State 0 is the beginning of a match; no edge leads back to it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Automaton {
    pub(super) edges: Vec<Edge>,
    /// The edges of each state before a row that is not the partition's first.
    pub(super) states: Vec<Edges>,
    /// The edges of state 0 before the partition's first row.
    pub(super) at_start: Edges,
    /// Whether a match in this state can end behind the partition's last row.
    pub(super) ends: Vec<bool>,
}

impl Automaton {
    /// TM0110 where the pattern is too large.
    pub(crate) fn compile(pattern: &Pattern) -> Result<Self> {
        let mut nodes = Nodes::default();
        let accept = nodes.add(Node::Accept)?;
        let entry = nodes.build(pattern, accept)?;
        nodes.states.push(entry);
        let mut edges = Vec::new();
        let mut states = Vec::new();
        let mut ends = Vec::new();
        let at_start = nodes.edges(entry, Place::First, &mut edges)?;
        // Finding edges finds the states that they lead to.
        while let Some(node) = nodes.states.get(states.len()).copied() {
            states.push(nodes.edges(node, Place::Inside, &mut edges)?);
            let mut at_end = Vec::new();
            nodes.edges(node, Place::End, &mut at_end)?;
            ends.push(at_end.contains(&Edge::Accept));
        }
        Ok(Automaton {
            edges,
            states,
            at_start,
            ends,
        })
    }

    /// Whether some match may have no row.
    pub(crate) fn can_be_empty(&self) -> bool {
        let starts = [self.at_start, self.states[0]];
        starts.iter().any(|edges| {
            let edges = usize::from(edges.first)..usize::from(edges.end);
            self.edges[edges].contains(&Edge::Accept)
        })
    }
}

/// Where in a partition a walk over the nodes happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Inside,
    End,
}

#[derive(Debug, Clone)]
enum Node {
    /// Goes on at each of these, the preferred first.
    Choice(Vec<usize>),
    Row {
        symbol: u16,
        next: usize,
    },
    /// Goes on in this place of a partition alone.
    Anchor {
        place: Place,
        next: usize,
    },
    Accept,
}

#[derive(Debug, Default)]
struct Nodes {
    nodes: Vec<Node>,
    /// The node at which each state goes on.
    states: Vec<usize>,
    /// The state of each node, where it has one: but the first, which nothing leads to.
    state_of: Vec<Option<u16>>,
    steps: usize,
    visits: usize,
}

impl Nodes {
    fn add(&mut self, node: Node) -> Result<usize> {
        if self.nodes.len() >= NODES_MAX {
            return Err(too_large());
        }
        self.nodes.push(node);
        self.state_of.push(None);
        Ok(self.nodes.len() - 1)
    }

    /// The node at which `pattern`, followed by `next`, begins.
    fn build(&mut self, pattern: &Pattern, next: usize) -> Result<usize> {
        // A repetition of nothing makes no nodes.
        self.steps += 1;
        if self.steps > NODES_MAX {
            return Err(too_large());
        }
        match pattern {
            Pattern::Symbol(symbol) => self.add(Node::Row {
                symbol: *symbol,
                next,
            }),
            Pattern::PartitionStart => self.anchor(Place::First, next),
            Pattern::PartitionEnd => self.anchor(Place::End, next),
            Pattern::Sequence(parts) => {
                let parts = parts.iter().rev();
                parts
                    .into_iter()
                    .try_fold(next, |next, part| self.build(part, next))
            }
            Pattern::Alternatives(parts) => {
                let parts = parts.iter().map(|part| self.build(part, next));
                let parts = parts.collect::<Result<_>>()?;
                self.add(Node::Choice(parts))
            }
            Pattern::Repeated {
                operand,
                at_least,
                at_most,
                reluctant,
            } => {
                let (mut entry, copies) = match at_most {
                    Some(at_most) => {
                        let mut entry = next;
                        for _ in *at_least..*at_most {
                            let again = self.build(operand, entry)?;
                            entry = self.add(choice(again, next, *reluctant))?;
                        }
                        (entry, *at_least)
                    }
                    None => self.endless(operand, *at_least, next, *reluctant)?,
                };
                for _ in 0..copies {
                    entry = self.build(operand, entry)?;
                }
                Ok(entry)
            }
        }
    }

    /// Repetitions without a last one: its beginning, and how many more must come before. The last that must come is the one
    /// that is repeated.
    fn endless(
        &mut self,
        operand: &Pattern,
        at_least: usize,
        next: usize,
        reluctant: bool,
    ) -> Result<(usize, usize)> {
        let after = self.add(Node::Choice(Vec::new()))?;
        let again = self.build(operand, after)?;
        self.nodes[after] = choice(again, next, reluctant);
        Ok(match at_least.checked_sub(1) {
            Some(copies) => (again, copies),
            None => (after, 0),
        })
    }

    fn anchor(&mut self, place: Place, next: usize) -> Result<usize> {
        self.add(Node::Anchor { place, next })
    }

    /// Adds what can follow at `node` to `edges`.
    fn edges(&mut self, node: usize, place: Place, edges: &mut Vec<Edge>) -> Result<Edges> {
        let first = edges.len();
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if !seen.insert(node) {
                continue;
            }
            self.visits += 1;
            if self.visits > VISITS_MAX || edges.len() > EDGES_MAX {
                return Err(too_large());
            }
            match &self.nodes[node] {
                Node::Choice(parts) => open.extend(parts.iter().rev()),
                Node::Anchor { place: own, next } if *own == place => open.push(*next),
                Node::Anchor { .. } => {}
                Node::Row { .. } if place == Place::End => {}
                Node::Row { symbol, next } => {
                    let (symbol, next) = (*symbol, *next);
                    let to = self.state(next)?;
                    edges.push(Edge::Row { symbol, to });
                }
                Node::Accept => edges.push(Edge::Accept),
            }
        }
        let place = |at: usize| u16::try_from(at).map_err(|_| too_large());
        Ok(Edges {
            first: place(first)?,
            end: place(edges.len())?,
        })
    }

    fn state(&mut self, node: usize) -> Result<u16> {
        if let Some(state) = self.state_of[node] {
            return Ok(state);
        }
        let state = u16::try_from(self.states.len()).map_err(|_| too_large())?;
        self.states.push(node);
        self.state_of[node] = Some(state);
        Ok(state)
    }
}

/// Once more, or on.
fn choice(again: usize, on: usize, reluctant: bool) -> Node {
    Node::Choice(match reluctant {
        true => vec![on, again],
        false => vec![again, on],
    })
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::Limit,
        "TM0110",
        "the pattern is too large when its quantifiers are written out",
    )
}
