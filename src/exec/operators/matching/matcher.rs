//! Finding the matches of one partition, in time that grows with rows times edges of the automaton however the pattern is written.
//!
//! Backward: for every row and state, how long a match that goes on there can still be. This *reach* of one row follows from that
//! of the next. Forward: from a row where state 0 reaches an end, the first edge that keeps the promise is taken, row by row; it
//! is never wrong. Of the reaches only one row in [`Matcher::block_rows`] is kept; the choices of a block are found again from the
//! next kept row when the walk comes there, so that a long partition needs little memory.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use datafusion::execution::memory_pool::MemoryReservation;

use super::MatchRule;
use super::automaton::{Automaton, Edge, Edges};
use crate::error::Result;
use crate::exec::CancelToken;

/// No edge: no match goes on here.
const NONE: u16 = u16::MAX;
/// Choices of one block.
const BLOCK_CHOICES: usize = 256 * 1024;
/// Blocks whose choices are kept: a match that ends in one begins in another.
const BLOCKS: usize = 4;
/// So little memory is needed to go on at all: it is counted, and never refused.
const SMALL: usize = 64 * 1024;
/// Edges looked at between two looks at whether the query is cancelled.
const STEPS: u64 = 1 << 20;

/// Finds the matches of a partition one after the other.
#[derive(Debug)]
pub(super) struct Matcher {
    rule: MatchRule,
    /// For each symbol, the rows for which its condition holds: this partition's are those of `rows`.
    holds: Arc<Vec<BooleanBuffer>>,
    rows: Range<usize>,
    /// The row, from the partition's first, at which the next match may begin.
    next: usize,
    block_rows: usize,
    /// The reaches at the row after each block.
    after_blocks: Vec<Vec<u32>>,
    choices: VecDeque<(usize, Vec<u16>)>,
    cancel: CancelToken,
    /// Edges looked at.
    steps: u64,
    checked: u64,
}

impl Matcher {
    /// What is kept of the partition is counted in `memory` until that is dropped.
    pub(super) fn new(
        rule: &MatchRule,
        holds: &Arc<Vec<BooleanBuffer>>,
        rows: Range<usize>,
        cancel: &CancelToken,
        memory: &MemoryReservation,
    ) -> Result<Self> {
        // With blocks of this many rows, the reaches kept and the choices of a block are about equally many.
        let square = rows.len().isqrt() * rule.automaton.states.len();
        let choices = BLOCK_CHOICES.max(square);
        Self::in_blocks(rule, holds, rows, cancel, memory, choices)
    }

    /// The same with about so many choices in a block.
    pub(super) fn in_blocks(
        rule: &MatchRule,
        holds: &Arc<Vec<BooleanBuffer>>,
        rows: Range<usize>,
        cancel: &CancelToken,
        memory: &MemoryReservation,
        choices: usize,
    ) -> Result<Self> {
        let states = rule.automaton.states.len();
        let block_rows = (choices / states).clamp(1, rows.len().max(1));
        let blocks = rows.len().div_ceil(block_rows);
        let kept = blocks * states * size_of::<u32>();
        let needed = kept + BLOCKS.min(blocks) * block_rows * states * size_of::<u16>();
        match needed <= SMALL {
            true => memory.resize(needed),
            false => memory.try_resize(needed)?,
        }
        let mut matcher = Matcher {
            rule: rule.clone(),
            holds: Arc::clone(holds),
            rows,
            next: 0,
            block_rows,
            after_blocks: Vec::with_capacity(blocks),
            choices: VecDeque::with_capacity(BLOCKS),
            cancel: cancel.clone(),
            steps: 0,
            checked: 0,
        };
        matcher.read_backward(blocks)?;
        Ok(matcher)
    }

    fn read_backward(&mut self, blocks: usize) -> Result<()> {
        let automaton = Arc::clone(&self.rule.automaton);
        let mut reach: Vec<u32> = automaton.ends.iter().map(|end| u32::from(*end)).collect();
        let mut choices = Vec::new();
        for block in (0..blocks).rev() {
            self.after_blocks.push(reach.clone());
            // The walk begins in the first block.
            let keep = block == 0;
            choices = self.block(&automaton, block, &mut reach, keep)?;
        }
        self.after_blocks.reverse();
        self.choices.push_back((0, choices));
        Ok(())
    }

    /// Turns the reaches at the row after a block into those at its first row; gives its choices, row by row, if they are to
    /// be kept.
    fn block(
        &mut self,
        automaton: &Automaton,
        block: usize,
        reach: &mut Vec<u32>,
        keep: bool,
    ) -> Result<Vec<u16>> {
        let states = automaton.states.len();
        let first = block * self.block_rows;
        let rows = first..(first + self.block_rows).min(self.rows.len());
        let mut choices = vec![NONE; if keep { rows.len() * states } else { 0 }];
        let mut before = vec![0; states];
        for row in rows.rev() {
            let chosen = match keep {
                true => {
                    let start = (row - first) * states;
                    &mut choices[start..start + states]
                }
                false => &mut [],
            };
            self.steps += self.step(automaton, row, reach, &mut before, chosen);
            std::mem::swap(reach, &mut before);
            self.check()?;
        }
        Ok(choices)
    }

    /// The reaches at a row from those at the next, and the edges that keep them. Gives the number of edges looked at.
    fn step(
        &self,
        automaton: &Automaton,
        row: usize,
        after: &[u32],
        reach: &mut [u32],
        chosen: &mut [u16],
    ) -> u64 {
        let mut steps = 0;
        for (state, edges) in automaton.states.iter().enumerate() {
            let edges = match (row, state) {
                (0, 0) => &automaton.at_start,
                _ => edges,
            };
            let (best, edge) = self.best(automaton, row, edges, after, &mut steps);
            reach[state] = best;
            if let Some(chosen) = chosen.get_mut(state) {
                *chosen = edge;
            }
        }
        steps
    }

    /// The first edge with the longest reach, where the longest match is asked for, else the first with any.
    fn best(
        &self,
        automaton: &Automaton,
        row: usize,
        edges: &Edges,
        after: &[u32],
        steps: &mut u64,
    ) -> (u32, u16) {
        let mut best = (0, NONE);
        for edge in edges.first..edges.end {
            *steps += 1;
            let reach = match automaton.edges[usize::from(edge)] {
                Edge::Accept => 1,
                Edge::Row { symbol, to } => match after[usize::from(to)] {
                    0 => 0,
                    _ if !self.holds(symbol, row) => 0,
                    further => further.saturating_add(1),
                },
            };
            if reach > best.0 {
                best = (reach, edge);
                if !self.rule.longest {
                    break;
                }
            }
        }
        best
    }

    fn holds(&self, symbol: u16, row: usize) -> bool {
        self.holds[usize::from(symbol)].value(self.rows.start + row)
    }

    /// The edge to take from a state at a row.
    fn choice(&mut self, row: usize, state: u16) -> Result<u16> {
        let block = row / self.block_rows;
        let known = self.choices.iter().position(|(known, _)| *known == block);
        let known = match known {
            Some(known) => known,
            None => {
                let automaton = Arc::clone(&self.rule.automaton);
                let mut reach = self.after_blocks[block].clone();
                let choices = self.block(&automaton, block, &mut reach, true)?;
                if self.choices.len() == BLOCKS {
                    self.choices.pop_front();
                }
                self.choices.push_back((block, choices));
                self.choices.len() - 1
            }
        };
        let states = self.rule.automaton.states.len();
        let place = (row - block * self.block_rows) * states + usize::from(state);
        Ok(self.choices[known].1[place])
    }

    /// The next match: its first row, from the partition's first, while its rows' symbols come into `symbols`.
    pub(super) fn next_match(&mut self, symbols: &mut Vec<u16>) -> Result<Option<usize>> {
        symbols.clear();
        while self.next < self.rows.len() {
            let first = self.next;
            self.steps += 1;
            self.check()?;
            let edge = self.choice(first, 0)?;
            if edge == NONE {
                self.next += 1;
                continue;
            }
            self.walk(first, edge, symbols)?;
            self.next += match self.rule.skip_to_next {
                true => 1,
                false => symbols.len().max(1),
            };
            return Ok(Some(first));
        }
        Ok(None)
    }

    fn walk(&mut self, first: usize, mut edge: u16, symbols: &mut Vec<u16>) -> Result<()> {
        let mut row = first;
        while edge != NONE {
            let Edge::Row { symbol, to } = self.rule.automaton.edges[usize::from(edge)] else {
                break;
            };
            symbols.push(symbol);
            row += 1;
            self.steps += 1;
            self.check()?;
            if row == self.rows.len() {
                break;
            }
            edge = self.choice(row, to)?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        if self.steps - self.checked >= STEPS {
            self.checked = self.steps;
            self.cancel.check()?;
        }
        Ok(())
    }

    /// Edges looked at so far.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }
}
