//! How reads are spread over copies.

use super::{Candidate, Node, Order, Standing, State, Why};

/// How reads are spread over copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Policy {
    /// Of two copies that chance names, the one with less to do, by what it reads now and how fast it was.
    #[default]
    LeastLoaded,
    /// One after the other.
    RoundRobin,
    /// By weight, evenly: never many in a row from the same.
    Weighted,
    /// The one with the fewest reads under way, by weight.
    LeastConnections,
    /// The same unit from the same copy, whose memory has it then.
    ConsistentHash,
    /// The first that can.
    InOrder,
    /// The table's own directory; copies only where that fails.
    Primary,
}

/// Every policy, under its name.
pub(crate) const POLICIES: &[(&str, Policy)] = &[
    ("least_loaded", Policy::LeastLoaded),
    ("round_robin", Policy::RoundRobin),
    ("weighted", Policy::Weighted),
    ("least_connections", Policy::LeastConnections),
    ("consistent_hash", Policy::ConsistentHash),
    ("in_order", Policy::InOrder),
    ("primary", Policy::Primary),
];

impl Policy {
    pub(crate) fn of_name(name: &str) -> Option<Policy> {
        let mut known = POLICIES.iter();
        let found = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, policy)| *policy)
    }

    pub(crate) fn name(self) -> &'static str {
        let mut known = POLICIES.iter();
        known
            .find(|(_, policy)| *policy == self)
            .map_or("", |(name, _)| name)
    }
}

impl State {
    pub(super) fn order(
        &mut self,
        policy: Policy,
        table: &str,
        key: u64,
        candidates: &[Candidate],
        now: u64,
    ) -> Order {
        let mut standings = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let node = self.node(candidate.name);
            if node.table != table {
                node.table = table.to_string();
            }
            standings.push(node.breaker.standing(now));
        }
        let (usable, mut alone): (Vec<usize>, Vec<usize>) =
            (0..candidates.len()).partition(|place| standings[*place] == Standing::Closed);
        // Whoever is slow at this moment stands behind the others.
        let is_late = |place: &usize| {
            let node = self.nodes.get(candidates[*place].name);
            node.is_some_and(|node| node.late > 0)
        };
        let (late, on_time): (Vec<usize>, Vec<usize>) = usable.into_iter().partition(is_late);
        let (usable, late) = match on_time.is_empty() {
            true => (late, Vec::new()),
            false => (on_time, late),
        };
        let mut asked = match policy {
            Policy::InOrder | Policy::Primary => usable,
            _ => self.first_of(policy, table, key, candidates, usable, now),
        };
        asked.extend(&late);
        // One that may be well again is asked first, now and then: another one helps if it is not.
        let probe = alone
            .iter()
            .position(|place| self.node(candidates[*place].name).breaker.probe(now));
        let probed = probe.map(|place| alone.remove(place));
        // Whoever is left alone is asked when nobody else is left, the first to come back first.
        alone.sort_by_key(|place| match standings[*place] {
            Standing::Open { until } => until,
            Standing::Closed | Standing::HalfOpen => 0,
        });
        let hopeless = asked.is_empty() && probed.is_none();
        asked.splice(0..0, probed);
        asked.extend(alone);
        let why = (0..candidates.len())
            .map(
                |place| match (asked.first() == Some(&place), standings[place]) {
                    (true, _) if Some(place) == probed => Why::Probed,
                    (true, _) if hopeless => Why::LastHope,
                    (true, _) => Why::Chosen,
                    (false, Standing::Open { until }) => Why::LeftAlone(until),
                    (false, Standing::HalfOpen) => Why::LeftAlone(now),
                    (false, Standing::Closed) if late.contains(&place) => Why::Overdue,
                    (false, Standing::Closed) => Why::NotDue,
                },
            )
            .collect();
        Order { asked, why }
    }

    /// The usable copies with the one in front that is due; the others by what they have to do.
    fn first_of(
        &mut self,
        policy: Policy,
        table: &str,
        key: u64,
        candidates: &[Candidate],
        mut usable: Vec<usize>,
        now: u64,
    ) -> Vec<usize> {
        if usable.is_empty() {
            return usable;
        }
        let fastest = self.fastest(table, "").unwrap_or(1.0);
        let load = |state: &State, place: &usize| match state.nodes.get(candidates[*place].name) {
            Some(node) => node.load(fastest, now),
            None => 0.0,
        };
        let first = match policy {
            Policy::RoundRobin => {
                let turn = self.turns.entry(table.to_string()).or_default();
                let place = *turn % usable.len();
                *turn = turn.wrapping_add(1);
                usable[place]
            }
            Policy::Weighted => self.by_weight(candidates, &usable),
            Policy::LeastConnections => {
                let busy = |place: &usize| {
                    let reading = self.nodes.get(candidates[*place].name);
                    let reading = reading.map_or(0, |node| node.reading);
                    f64::from(reading) / f64::from(candidates[*place].weight.max(1))
                };
                let turn = self.turns.get(table).copied().unwrap_or_default();
                let from = turn % usable.len();
                let in_turn = (0..usable.len()).map(|step| usable[(from + step) % usable.len()]);
                let least = in_turn.min_by(|one, other| busy(one).total_cmp(&busy(other)));
                self.turns.insert(table.to_string(), turn.wrapping_add(1));
                least.unwrap_or(usable[0])
            }
            Policy::ConsistentHash => {
                let score = |place: &usize| rendezvous(key, candidates[*place].name);
                usable
                    .iter()
                    .copied()
                    .max_by_key(score)
                    .unwrap_or(usable[0])
            }
            Policy::LeastLoaded => {
                let one = self.random(usable.len());
                let other = (one + 1 + self.random(usable.len().max(2) - 1)) % usable.len();
                let (one, other) = (usable[one], usable[other]);
                match load(self, &other) < load(self, &one) {
                    true => other,
                    false => one,
                }
            }
            Policy::InOrder | Policy::Primary => usable[0],
        };
        usable.retain(|place| *place != first);
        usable.sort_by(|one, other| load(self, one).total_cmp(&load(self, other)));
        usable.insert(0, first);
        usable
    }

    /// Smooth weighted round robin: everybody is credited with its weight, the one with most is asked and pays for all.
    fn by_weight(&mut self, candidates: &[Candidate], usable: &[usize]) -> usize {
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for place in usable {
            let weight = i64::from(candidates[*place].weight.max(1));
            total += weight;
            let node = self.node(candidates[*place].name);
            node.credit += weight;
            if best.is_none_or(|(_, credit)| node.credit > credit) {
                best = Some((*place, node.credit));
            }
        }
        let first = best.map_or(usable[0], |(place, _)| place);
        self.node(candidates[first].name).credit -= total;
        first
    }

    /// A number below `end` that nobody foresees and every run gives again.
    fn random(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mixed(self.random) % end.max(1) as u64) as usize
    }
}

impl Node {
    /// How long a mebibyte more may take, in microseconds; where nothing is known of it, as the fastest.
    fn load(&self, fastest: f64, now: u64) -> f64 {
        let latency = match self.latency {
            Some((latency, learned)) => {
                let age = now.saturating_sub(learned) as f64;
                let share = 0.5_f64.powf(age / super::HALF_LIFE_MS);
                fastest.min(latency) + (latency - fastest.min(latency)) * share
            }
            None => fastest,
        };
        let waiting = self.reading_bytes as f64 / f64::from(1 << 20);
        latency * (1.0 + waiting)
    }
}

/// How well a copy suits a key. Each key has its own order of copies, so that one more copy takes its share from all others and
/// nothing else moves.
pub(super) fn rendezvous(key: u64, name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    mixed(mixed(hash) ^ key)
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
