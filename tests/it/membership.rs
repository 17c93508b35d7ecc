//! IN, NOT IN and comparisons with ANY and ALL of a query's rows, beside SQL's definition: an OR or AND of comparisons that may be
//! unknown.

use crate::answer::{Answer, Cell, engine, rows};

type Number = Option<i64>;

const OPERATORS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

/// Rows of `t` are numbered from 1; those of `u` belong to the rows of `t` from `k` on.
struct Tables {
    t: Vec<Number>,
    u: Vec<(i64, Number)>,
}

fn compare(left: Number, operator: &str, right: Number) -> Option<bool> {
    let (left, right) = (left?, right?);
    Some(match operator {
        "=" => left == right,
        "<>" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    })
}

/// `decisive` if one of the outcomes is that, else NULL if one is unknown, else the opposite.
fn all_together(outcomes: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut verdict = Some(!decisive);
    for outcome in outcomes {
        match outcome {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => verdict = None,
        }
    }
    verdict
}

impl Tables {
    /// Another one for each seed, with NULLs on both sides.
    fn of(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % below) as i64
        };
        let number = |next: &mut dyn FnMut(u64) -> i64| match next(4) {
            0 => None,
            value => Some(value),
        };
        let t = (0..5).map(|_| number(&mut next)).collect();
        let count = next(5);
        let u = (0..count)
            .map(|_| (next(6) + 1, number(&mut next)))
            .collect();
        Tables { t, u }
    }

    fn text(&self) -> (String, String) {
        let shown = |number: Number| match number {
            Some(number) => number.to_string(),
            None => "CAST(NULL AS INT64)".to_string(),
        };
        let t = self.t.iter().enumerate();
        let t: Vec<String> = t
            .map(|(row, v)| format!("({}, {})", row + 1, shown(*v)))
            .collect();
        // One row that no query asks for: VALUES has one at least.
        let u = self.u.iter().chain([&(99, None)]);
        let u: Vec<String> = u.map(|(k, w)| format!("({k}, {})", shown(*w))).collect();
        (
            format!("(VALUES {}) AS t (id, v)", t.join(", ")),
            format!("(VALUES {}) AS u (k, w)", u.join(", ")),
        )
    }

    /// The rows that the subquery gives for row `id` of `t`.
    fn seen(&self, id: i64, correlated: bool) -> impl Iterator<Item = Number> {
        let seen = self.u.iter().filter(move |(k, _)| !correlated || *k <= id);
        seen.map(|(_, w)| *w)
    }
}

/// What a condition is for a row's value, by the rows of the subquery.
type Meaning = Box<dyn Fn(Number, &mut dyn Iterator<Item = Number>) -> Option<bool>>;

fn conditions(query: &str) -> Vec<(String, Meaning)> {
    let mut conditions: Vec<(String, Meaning)> = Vec::new();
    for operator in OPERATORS {
        for (word, decisive) in [("ANY", true), ("ALL", false)] {
            conditions.push((
                format!("v {operator} {word} ({query})"),
                Box::new(move |v, seen| {
                    all_together(seen.map(|w| compare(v, operator, w)), decisive)
                }),
            ));
        }
    }
    conditions.push((
        format!("v IN ({query})"),
        Box::new(|v, seen| all_together(seen.map(|w| compare(v, "=", w)), true)),
    ));
    conditions.push((
        format!("v NOT IN ({query})"),
        Box::new(|v, seen| all_together(seen.map(|w| compare(v, "<>", w)), false)),
    ));
    conditions
}

fn texts(answer: &Answer) -> Vec<Vec<String>> {
    let shown = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Float(number) => number.to_string(),
    };
    let rows = answer.rows.iter();
    rows.map(|row| row.iter().map(shown).collect()).collect()
}

#[test]
fn a_comparison_with_a_querys_rows_is_what_sql_says() {
    let engine = engine(2, None);
    for seed in 0..8 {
        let tables = Tables::of(seed);
        let (t, u) = tables.text();
        for correlated in [false, true] {
            let bound = if correlated { "t.id" } else { "50" };
            let conditions = conditions(&format!("SELECT w FROM {u} WHERE k <= {bound}"));
            let items: Vec<&str> = conditions.iter().map(|(text, _)| text.as_str()).collect();
            let query = format!("FROM {t} |> SELECT id, {} |> ORDER BY id", items.join(", "));
            let answered = texts(&rows(&engine, &query).expect("rows"));
            for (row, v) in tables.t.iter().enumerate() {
                let id = row as i64 + 1;
                for (column, (text, meaning)) in conditions.iter().enumerate() {
                    let verdict = meaning(*v, &mut tables.seen(id, correlated));
                    let expected = verdict.map_or("NULL".to_string(), |value| value.to_string());
                    assert_eq!(
                        answered[row][column + 1],
                        expected,
                        "row {id}, {v:?}, of {t}: {text}"
                    );
                }
            }
            for (text, meaning) in &conditions {
                let kept = texts(
                    &rows(
                        &engine,
                        &format!("FROM {t} |> WHERE {text} |> SELECT id |> ORDER BY id"),
                    )
                    .expect("rows"),
                );
                let numbered = tables.t.iter().zip(1_i64..);
                let expected: Vec<Vec<String>> = numbered
                    .filter(|(v, id)| meaning(**v, &mut tables.seen(*id, correlated)) == Some(true))
                    .map(|(_, id)| vec![id.to_string()])
                    .collect();
                assert_eq!(kept, expected, "FROM {t} |> WHERE {text}");
            }
        }
    }
}
