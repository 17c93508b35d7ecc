//! Walks the pairs of rows with equal keys, in pieces, in the order of the probe rows.

use std::ops::Range;

use super::index::Link;
use super::table::JoinTable;

/// Candidates turned away in one piece, after which the caller may look whether the query still runs.
const MOST_TURNED_AWAY: usize = 1 << 20;

/// Pairs of rows: the probe row's number in its batch beside the build row's link (zero: no partner).
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) probe: Vec<u32>,
    pub(super) build: Vec<Link>,
}

impl Pairs {
    pub(super) fn len(&self) -> usize {
        self.probe.len()
    }

    pub(super) fn push(&mut self, probe: usize, build: Link) {
        // A batch has fewer rows than 32 bits can count.
        self.probe.push(probe as u32);
        self.build.push(build);
    }

    /// Each of `rows` with its head; without `lonely` those that have one.
    fn extend_from_heads(&mut self, heads: &[Link], rows: Range<usize>, lonely: bool) {
        let (mut probe, mut build) = (vec![0; rows.len()], vec![0; rows.len()]);
        let mut count = 0;
        for row in rows {
            // Written in any case and counted where wanted: without a branch, hits and misses cost the same.
            probe[count] = row as u32;
            build[count] = heads[row];
            count += usize::from(lonely || heads[row] != 0);
        }
        probe.truncate(count);
        build.truncate(count);
        self.probe.append(&mut probe);
        self.build.append(&mut build);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Link)> + '_ {
        self.probe
            .iter()
            .zip(&self.build)
            .map(|(probe, build)| (*probe as usize, *build))
    }

    /// Keeps the pairs that `keep` says.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut kept = 0;
        for position in 0..self.len() {
            if keep(position) {
                self.probe[kept] = self.probe[position];
                self.build[kept] = self.build[position];
                kept += 1;
            }
        }
        self.probe.truncate(kept);
        self.build.truncate(kept);
    }
}

/// How far the walk through one probe batch is.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The first build row for each probe row.
    heads: Vec<Link>,
    /// The probe row in hand. Those before it are complete.
    row: usize,
    /// Its next build row, where the row was begun already.
    begun: Option<Link>,
}

impl Cursor {
    pub(super) fn new(heads: Vec<Link>) -> Self {
        Cursor {
            heads,
            row: 0,
            begun: None,
        }
    }

    /// Probe rows whose candidates were all given.
    pub(super) fn complete(&self) -> usize {
        self.row
    }

    pub(super) fn is_over(&self) -> bool {
        self.row == self.heads.len()
    }

    /// The next candidates, about `limit` of them. With `lonely`, a probe row without any is given with link zero.
    pub(super) fn next(&mut self, table: &JoinTable, limit: usize, lonely: bool) -> Pairs {
        let mut pairs = Pairs::default();
        if table.index.is_unique() {
            let end = self.heads.len().min(self.row + limit);
            pairs.extend_from_heads(&self.heads, self.row..end, lonely);
            self.row = end;
            return pairs;
        }
        self.walk(table, limit, lonely, &mut pairs, |_, _| Wanted::Yes);
        pairs
    }

    /// Like [`next`](Self::next), without what `wanted` turns away.
    pub(super) fn next_wanted(
        &mut self,
        table: &JoinTable,
        limit: usize,
        wanted: impl Fn(usize, Link) -> Wanted,
    ) -> Pairs {
        let mut pairs = Pairs::default();
        self.walk(table, limit, false, &mut pairs, wanted);
        pairs
    }

    fn walk(
        &mut self,
        table: &JoinTable,
        limit: usize,
        lonely: bool,
        pairs: &mut Pairs,
        wanted: impl Fn(usize, Link) -> Wanted,
    ) {
        let mut turned_away = 0;
        while self.row < self.heads.len() {
            let mut link = match self.begun.take() {
                Some(link) => link,
                None => self.heads[self.row],
            };
            if link == 0 && lonely {
                pairs.push(self.row, 0);
            }
            while link != 0 {
                if pairs.len() >= limit || turned_away >= MOST_TURNED_AWAY {
                    self.begun = Some(link);
                    return;
                }
                match wanted(self.row, link) {
                    Wanted::Yes => pairs.push(self.row, link),
                    Wanted::No => turned_away += 1,
                    Wanted::RowIsDone => break,
                }
                link = table.index.after(link);
            }
            self.row += 1;
            if pairs.len() >= limit {
                return;
            }
        }
    }

    /// The first build row of every probe row.
    pub(super) fn heads(&self) -> &[Link] {
        &self.heads
    }

    /// The candidates do not matter.
    pub(super) fn skip_all(&mut self) {
        self.row = self.heads.len();
    }
}

/// Whether a candidate can still change the answer.
pub(super) enum Wanted {
    Yes,
    No,
    /// Nor can the others of this probe row.
    RowIsDone,
}
