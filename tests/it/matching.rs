//! MATCH_RECOGNIZE beside a matcher that tries everything, in the order in which a pattern prefers it, on rows and patterns that
//! nobody wrote.

use std::cell::Cell;
use std::fmt::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tidemill::ParamMap;

use crate::answer;

const SYMBOLS: [&str; 3] = ["a", "b", "c"];
/// Steps after which the other matcher gives up: a case that needs more is left out.
const FUEL: usize = 100_000;

#[derive(Debug, Clone)]
enum Pattern {
    Symbol(usize),
    Start,
    End,
    Sequence(Vec<Pattern>),
    Alternatives(Vec<Pattern>),
    Repeated {
        operand: Box<Pattern>,
        at_least: usize,
        at_most: Option<usize>,
        reluctant: bool,
    },
}

impl Pattern {
    fn text(&self) -> String {
        match self {
            Pattern::Symbol(symbol) => SYMBOLS[*symbol].to_string(),
            Pattern::Start => "^".to_string(),
            Pattern::End => "$".to_string(),
            Pattern::Sequence(parts) => {
                let parts: Vec<String> = parts.iter().map(Pattern::text).collect();
                format!("({})", parts.join(" "))
            }
            Pattern::Alternatives(parts) => {
                let parts: Vec<String> = parts.iter().map(Pattern::text).collect();
                format!("({})", parts.join("|"))
            }
            Pattern::Repeated {
                operand,
                at_least,
                at_most,
                reluctant,
            } => {
                let times = match (at_least, at_most) {
                    (0, None) => "*".to_string(),
                    (1, None) => "+".to_string(),
                    (0, Some(1)) => "?".to_string(),
                    (0, Some(most)) => format!("{{,{most}}}"),
                    (least, None) => format!("{{{least},}}"),
                    (least, Some(most)) if least == most && !reluctant => format!("{{{least}}}"),
                    (least, Some(most)) => format!("{{{least},{most}}}"),
                };
                let reluctant = if *reluctant { "?" } else { "" };
                format!("({}){times}{reluctant}", operand.text())
            }
        }
    }
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let leaf = prop_oneof![
        6 => (0..SYMBOLS.len()).prop_map(Pattern::Symbol),
        1 => Just(Pattern::Start),
        1 => Just(Pattern::End),
        1 => Just(Pattern::Sequence(Vec::new())),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 2..4).prop_map(Pattern::Sequence),
            1 => vec(inner.clone(), 2..4).prop_map(Pattern::Alternatives),
            2 => (inner, 0..3usize, prop::option::of(0..3usize), any::<bool>()).prop_map(
                |(operand, at_least, more, reluctant)| Pattern::Repeated {
                    operand: Box::new(operand),
                    at_least,
                    at_most: more.map(|more| at_least + more),
                    reluctant,
                }
            ),
        ]
    })
}

/// Whether each symbol's condition is true, false or NULL for a row.
type Row = [Option<bool>; 3];

/// Tries everything, the preferred first. A way on is told that the match so far ends before a row; its `true` ends the search.
struct Search<'r> {
    rows: &'r [Row],
    symbols: Vec<usize>,
    fuel: usize,
}

type Then<'t> = &'t mut dyn FnMut(&mut Search, usize) -> bool;

impl Search<'_> {
    fn go(&mut self, pattern: &Pattern, row: usize, then: Then) -> bool {
        self.fuel = self.fuel.saturating_sub(1);
        if self.fuel == 0 {
            return true;
        }
        match pattern {
            Pattern::Symbol(symbol) => {
                let holds = self
                    .rows
                    .get(row)
                    .is_some_and(|row| row[*symbol] == Some(true));
                if !holds {
                    return false;
                }
                self.symbols.push(*symbol);
                let found = then(self, row + 1);
                if !found {
                    self.symbols.pop();
                }
                found
            }
            Pattern::Start => row == 0 && !self.rows.is_empty() && then(self, row),
            Pattern::End => row == self.rows.len() && then(self, row),
            Pattern::Sequence(parts) => match parts.split_first() {
                None => then(self, row),
                Some((first, rest)) => {
                    let rest = Pattern::Sequence(rest.to_vec());
                    self.go(first, row, &mut |search, row| search.go(&rest, row, then))
                }
            },
            Pattern::Alternatives(parts) => parts.iter().any(|part| self.go(part, row, then)),
            Pattern::Repeated {
                operand,
                at_least,
                at_most,
                reluctant,
            } => match (at_least, at_most) {
                (0, Some(0)) => then(self, row),
                (0, Some(most)) => {
                    let again = once_less(operand, 0, Some(most - 1), *reluctant);
                    self.either(
                        *reluctant,
                        &mut |search, then| {
                            search.go(operand, row, &mut |search, row| {
                                search.go(&again, row, then)
                            })
                        },
                        row,
                        then,
                    )
                }
                (0, None) => self.either(
                    *reluctant,
                    &mut |search, then| {
                        search.go(operand, row, &mut |search, end| {
                            // Once more without a row is no more.
                            end != row && search.go(pattern, end, then)
                        })
                    },
                    row,
                    then,
                ),
                (1, None) => self.last_of_many(operand, *reluctant, row, then),
                (least, most) => {
                    let rest = once_less(operand, least - 1, most.map(|most| most - 1), *reluctant);
                    self.go(operand, row, &mut |search, row| search.go(&rest, row, then))
                }
            },
        }
    }

    /// The last repetition that must come, and then as many as there are.
    fn last_of_many(&mut self, operand: &Pattern, reluctant: bool, row: usize, then: Then) -> bool {
        self.go(operand, row, &mut |search, end| {
            let mut again = |search: &mut Search, then: Then| {
                end != row && search.last_of_many(operand, reluctant, end, then)
            };
            search.either(reluctant, &mut again, end, then)
        })
    }

    /// Once more and then on, or on at once.
    fn either(
        &mut self,
        reluctant: bool,
        again: &mut dyn FnMut(&mut Search, Then) -> bool,
        row: usize,
        then: Then,
    ) -> bool {
        if reluctant && then(self, row) {
            return true;
        }
        again(self, then) || (!reluctant && then(self, row))
    }

    /// The symbols of the match that begins at a row.
    fn at(&mut self, pattern: &Pattern, row: usize, longest: bool) -> Option<Vec<usize>> {
        self.symbols.clear();
        let mut best: Option<Vec<usize>> = None;
        self.go(pattern, row, &mut |search, _| {
            let better = best
                .as_ref()
                .is_none_or(|best| search.symbols.len() > best.len());
            if better {
                best = Some(search.symbols.clone());
            }
            !longest
        });
        best
    }
}

fn once_less(
    operand: &Pattern,
    at_least: usize,
    at_most: Option<usize>,
    reluctant: bool,
) -> Pattern {
    Pattern::Repeated {
        operand: Box::new(operand.clone()),
        at_least,
        at_most,
        reluctant,
    }
}

/// `partition,match,rows,symbols` of each match; `None` where trying everything takes too long.
fn expected(
    pattern: &Pattern,
    partitions: &[Vec<Row>],
    longest: bool,
    skip_to_next: bool,
) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    for (partition, rows) in partitions.iter().enumerate() {
        let (mut row, mut number) = (0, 0);
        while row < rows.len() {
            let mut search = Search {
                rows,
                symbols: Vec::new(),
                fuel: FUEL,
            };
            let found = search.at(pattern, row, longest);
            if search.fuel == 0 {
                return None;
            }
            let Some(symbols) = found else {
                row += 1;
                continue;
            };
            number += 1;
            let ids: Vec<String> = (row..row + symbols.len())
                .map(|id| id.to_string())
                .collect();
            let names: String = symbols.iter().map(|symbol| SYMBOLS[*symbol]).collect();
            let or_null = |text: String| {
                if text.is_empty() {
                    "NULL".to_string()
                } else {
                    text
                }
            };
            let (ids, names) = (or_null(ids.join(" ")), or_null(names));
            let count = symbols.iter().filter(|symbol| **symbol == 1).count();
            lines.push(format!("{partition},{number},{ids},{names},{count}"));
            row += match skip_to_next {
                true => 1,
                false => symbols.len().max(1),
            };
        }
    }
    Some(lines)
}

fn query(pattern: &Pattern, partitions: &[Vec<Row>], longest: bool, skip_to_next: bool) -> String {
    let mut rows = Vec::new();
    for (partition, of_partition) in partitions.iter().enumerate() {
        for (id, row) in of_partition.iter().enumerate() {
            let [a, b, c] = row.map(|holds| match holds {
                None => "CAST(NULL AS BOOL)",
                Some(true) => "TRUE",
                Some(false) => "FALSE",
            });
            // Rows come in no order.
            rows.insert(
                (id * 7 + partition) % (rows.len() + 1),
                format!("({partition}, {id}, {a}, {b}, {c})"),
            );
        }
    }
    let skip = if skip_to_next {
        "TO NEXT ROW"
    } else {
        "PAST LAST ROW"
    };
    let mut text = String::new();
    write!(
        text,
        "FROM (VALUES {}) AS t (p, id, x, y, z)
        |> MATCH_RECOGNIZE (
          PARTITION BY p ORDER BY id
          MEASURES MATCH_NUMBER() AS n, STRING_AGG(CAST(id AS STRING), ' ') AS ids,
            STRING_AGG(CLASSIFIER(), '') AS names, COUNT(b.id) AS bs
          AFTER MATCH SKIP {skip}
          PATTERN ({} (a|b|c){{0}})
          DEFINE a AS x, b AS y, c AS z
          OPTIONS (use_longest_match = {longest})
        )
        |> ORDER BY p, n",
        rows.join(", "),
        pattern.text(),
    )
    .expect("a text");
    text
}

#[test]
fn matches_are_those_of_a_matcher_that_tries_everything() {
    let cases = std::env::var("TIDEMILL_RANDOM_CASES").ok();
    let config = Config {
        cases: cases.and_then(|cases| cases.parse().ok()).unwrap_or(200),
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let engines = [(1, None), (2, Some(3))].map(|(threads, rows)| answer::engine(threads, rows));
    let holds = prop_oneof![4 => Just(Some(true)), 3 => Just(Some(false)), 1 => Just(None)];
    let row = [holds.clone(), holds.clone(), holds];
    let inputs = (
        pattern(),
        vec(vec(row, 1..9), 1..4),
        any::<bool>(),
        any::<bool>(),
    );
    let (compared, found) = (Cell::new(0), Cell::new(0));
    runner
        .run(&inputs, |(pattern, partitions, longest, skip_to_next)| {
            let Some(lines) = expected(&pattern, &partitions, longest, skip_to_next) else {
                return Ok(());
            };
            compared.set(compared.get() + 1);
            found.set(found.get() + lines.len());
            let text = query(&pattern, &partitions, longest, skip_to_next);
            for engine in &engines {
                let answer = answer::run(engine, &text, &ParamMap::new())
                    .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?
                    .expect("rows");
                let rows = answer.rows.iter().map(|row| {
                    let cells = row.iter().map(|cell| match cell {
                        answer::Cell::Text(text) => text.clone(),
                        answer::Cell::Float(number) => number.to_string(),
                    });
                    cells.collect::<Vec<_>>().join(",")
                });
                let rows: Vec<String> = rows.collect();
                prop_assert_eq!(&rows, &lines, "{}", text);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let (compared, found) = (compared.get(), found.get());
    assert!(
        compared > 100 && found > compared,
        "{compared} cases with {found} matches"
    );
}
