//! Writes a pipe query from a list of choices. It knows the columns after each step, so that what it writes always binds.
//!
//! Expressions that can fail (sums and negations of extreme integers) stay out of conditions: how much of an AND is looked at may
//! depend on the batch, so whether it fails would too.

/// What a column holds. `Big` overflows easily.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Big,
    Float,
    Text,
    Decimal,
    Date,
    Bool,
}

use Kind::{Big, Bool, Date, Decimal, Float, Int, Text};

#[derive(Debug, Clone)]
struct Column {
    name: String,
    kind: Kind,
}

/// Each choice is used once; when they are gone, everything is the first.
struct Choices {
    left: std::vec::IntoIter<u16>,
    names: usize,
}

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.left.next().unwrap_or(0)) % n.max(1)
    }

    fn of<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    fn column(&mut self, columns: &[Column]) -> Column {
        columns[self.below(columns.len())].clone()
    }

    /// A column of one of the kinds, if there is one.
    fn column_of(&mut self, columns: &[Column], kinds: &[Kind]) -> Option<String> {
        let fit: Vec<&Column> = columns.iter().filter(|c| kinds.contains(&c.kind)).collect();
        (!fit.is_empty()).then(|| fit[self.below(fit.len())].name.clone())
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("c{}", self.names)
    }
}

/// The text, and whether its rows come in an order that the text fixes.
pub fn write(choices: Vec<u16>) -> (String, bool) {
    let mut choices = Choices {
        left: choices.into_iter(),
        names: 0,
    };
    let mut columns = base("");
    let mut text = "FROM l".to_string();
    for _ in 0..choices.below(5) {
        let step = match choices.below(9) {
            0 => filter(&mut choices, &columns),
            1 => extend(&mut choices, &mut columns),
            2 => select(&mut choices, &mut columns),
            3 => aggregate(&mut choices, &mut columns),
            4 | 5 => join(&mut choices, &mut columns),
            6 => "DISTINCT".to_string(),
            7 => set_operation(&mut choices, &mut columns),
            _ => window(&mut choices, &mut columns),
        };
        text += &format!("\n|> {step}");
    }
    let ordered = choices.below(2) == 1;
    if ordered {
        let order = |c: &Column, choices: &mut Choices| {
            format!(
                "{}{}",
                c.name,
                choices.of(&["", " DESC", " ASC NULLS LAST", " DESC NULLS FIRST"])
            )
        };
        let keys: Vec<String> = columns.iter().map(|c| order(c, &mut choices)).collect();
        text += &format!("\n|> ORDER BY {}", keys.join(", "));
        if choices.below(2) == 1 {
            text += &format!(
                "\n|> LIMIT {} OFFSET {}",
                choices.below(12),
                choices.below(4)
            );
        }
    }
    (text, ordered)
}

/// The columns of `l` and `r`, with an end to their names.
fn base(end: &str) -> Vec<Column> {
    [
        ("i", Int),
        ("g", Big),
        ("f", Float),
        ("s", Text),
        ("d", Decimal),
        ("t", Date),
        ("b", Bool),
    ]
    .map(|(name, kind)| Column {
        name: format!("{name}{end}"),
        kind,
    })
    .into()
}

fn filter(choices: &mut Choices, columns: &[Column]) -> String {
    let first = condition(choices, columns);
    match choices.below(4) {
        0 => format!("WHERE {first} AND {}", condition(choices, columns)),
        1 => format!("WHERE {first} OR {}", condition(choices, columns)),
        2 => format!("WHERE NOT ({first})"),
        _ => format!("WHERE {first}"),
    }
}

/// A condition that no value can make fail.
fn condition(choices: &mut Choices, columns: &[Column]) -> String {
    let Column { name, kind } = choices.column(columns);
    let compare = choices.of(&["=", "<>", "<", "<=", ">", ">=", "<=>"]);
    match (kind, choices.below(4)) {
        (_, 0) => format!("{name} IS NULL"),
        (_, 1) => format!("{name} IS NOT NULL"),
        (Int, 2) => format!("{name} IN (1, 2, NULL)"),
        (Int, _) => format!("{name} {compare} {}", choices.below(4)),
        (Big, _) => format!("{name} {compare} 9223372036854775806"),
        (Float, 2) => format!("{name} BETWEEN -3.0 AND 1.5"),
        (Float, _) => format!("{name} {compare} 1.5"),
        (Text, 2) => format!("{name} LIKE '{}'", choices.of(&["a%", "%b", "", "%", "_"])),
        (Text, _) => format!("{name} {compare} 'a'"),
        (Decimal, _) => format!("{name} {compare} 1.25"),
        (Date, _) => format!("{name} {compare} DATE '1994-01-01'"),
        (Bool, _) => name,
    }
}

/// An expression and what it gives.
fn expression(choices: &mut Choices, columns: &[Column]) -> (String, Kind) {
    let Column { name, kind } = choices.column(columns);
    match (kind, choices.below(4)) {
        (_, 0) => (
            format!("CASE WHEN {} THEN {name} END", condition(choices, columns)),
            kind,
        ),
        (Int, 1) => (format!("{name} * 2 - 1"), Int),
        (Int, 2) => (format!("COALESCE({name}, 7)"), Int),
        (Int, _) => (format!("{name} / 2"), Float),
        (Big, 1) => (format!("-{name}"), Big),
        (Big, _) => (format!("{name} % 3"), Int),
        (Float, _) => (format!("{name} + 0.5"), Float),
        (Text, 1) => (format!("{name} || 'x'"), Text),
        (Text, 2) => (format!("LENGTH({name}) * 1"), Int),
        (Text, _) => (format!("UPPER({name})"), Text),
        (Decimal, _) => (format!("{name} + {name}"), Decimal),
        (Date, _) => (format!("EXTRACT(YEAR FROM {name}) * 1"), Int),
        (Bool, _) => (format!("NOT {name}"), Bool),
    }
}

fn extend(choices: &mut Choices, columns: &mut Vec<Column>) -> String {
    let (expression, kind) = expression(choices, columns);
    let name = choices.name();
    columns.push(Column {
        name: name.clone(),
        kind,
    });
    format!("EXTEND {expression} AS {name}")
}

fn select(choices: &mut Choices, columns: &mut Vec<Column>) -> String {
    let mut items = Vec::new();
    let mut chosen = Vec::new();
    for _ in 0..=choices.below(3) {
        let (item, kind) = match choices.below(2) {
            0 => {
                let column = choices.column(columns);
                (column.name, column.kind)
            }
            _ => expression(choices, columns),
        };
        let name = choices.name();
        items.push(format!("{item} AS {name}"));
        chosen.push(Column { name, kind });
    }
    *columns = chosen;
    let distinct = choices.of(&["", "DISTINCT "]);
    format!("SELECT {distinct}{}", items.join(", "))
}

fn aggregate(choices: &mut Choices, columns: &mut Vec<Column>) -> String {
    let mut out = Vec::new();
    let mut keys = Vec::new();
    for _ in 0..choices.below(3) {
        let Column { name: key, kind } = choices.column(columns);
        let name = choices.name();
        keys.push(format!("{key} AS {name}"));
        out.push(Column { name, kind });
    }
    let mut items = Vec::new();
    for _ in 0..=choices.below(3) {
        let (item, kind) = aggregate_item(choices, columns);
        let name = choices.name();
        let filter = match choices.below(4) {
            0 => format!(" FILTER (WHERE {})", condition(choices, columns)),
            _ => String::new(),
        };
        items.push(format!("{item}{filter} AS {name}"));
        out.push(Column { name, kind });
    }
    *columns = out;
    let groups = if keys.is_empty() {
        String::new()
    } else {
        format!(" GROUP BY {}", keys.join(", "))
    };
    format!("AGGREGATE {}{groups}", items.join(", "))
}

fn aggregate_item(choices: &mut Choices, columns: &[Column]) -> (String, Kind) {
    let Column { name, kind } = choices.column(columns);
    match (kind, choices.below(6)) {
        (_, 0) => ("COUNT(*)".to_string(), Int),
        (_, 1) => (format!("COUNT({name})"), Int),
        (Int | Text | Date | Decimal, 2) => (format!("COUNT(DISTINCT {name})"), Int),
        (Bool, _) => (format!("BOOL_OR({name})"), Bool),
        (Int | Big, 3) => (format!("SUM({name})"), Big),
        (Decimal | Float, 3) => (format!("SUM({name})"), kind),
        (Int | Float, 4) => (format!("AVG({name})"), Float),
        (_, 5) => (format!("MIN({name})"), kind),
        _ => (format!("MAX({name})"), kind),
    }
}

fn join(choices: &mut Choices, columns: &mut Vec<Column>) -> String {
    let end = format!("_{}", choices.name());
    let right = base(&end);
    let renames: Vec<String> = base("")
        .iter()
        .map(|c| format!("{0} AS {0}{end}", c.name))
        .collect();
    let table = format!("(FROM r |> RENAME {}) AS r{end}", renames.join(", "));
    let kind = choices.of(&[
        "JOIN",
        "LEFT JOIN",
        "RIGHT JOIN",
        "FULL JOIN",
        "LEFT SEMI JOIN",
        "LEFT ANTI JOIN",
        "CROSS JOIN",
    ]);
    let keys = [(Int, "i"), (Text, "s"), (Date, "t"), (Decimal, "d")];
    let equal: Vec<String> = keys
        .iter()
        .filter_map(|(kind, name)| {
            let left = choices.column_of(columns, &[*kind])?;
            Some(format!(
                "{left} {} {name}{end}",
                choices.of(&["=", "=", "<=>"])
            ))
        })
        .collect();
    let mut on = match choices.below(5) {
        0 => "TRUE".to_string(),
        1 => condition(choices, &right),
        _ if equal.is_empty() => condition(choices, columns),
        _ => equal[choices.below(equal.len())].clone(),
    };
    if choices.below(3) == 0 {
        on += &format!(" AND {}", condition(choices, &right));
    }
    if !kind.contains("SEMI") && !kind.contains("ANTI") {
        columns.extend(right);
    }
    match kind {
        "CROSS JOIN" => format!("CROSS JOIN {table}"),
        _ => format!("{kind} {table} ON {on}"),
    }
}

fn set_operation(choices: &mut Choices, columns: &mut Vec<Column>) -> String {
    let kinds = [(Int, "i"), (Text, "s"), (Float, "f"), (Bool, "b")];
    let found = kinds.iter().find_map(|(kind, other)| {
        let column = choices.column_of(columns, &[*kind])?;
        Some((column, *kind, *other))
    });
    let Some((column, kind, other)) = found else {
        return "DISTINCT".to_string();
    };
    let name = choices.name();
    *columns = vec![Column {
        name: name.clone(),
        kind,
    }];
    let operator = choices.of(&["UNION", "INTERSECT", "EXCEPT"]);
    let all = choices.of(&["ALL", "DISTINCT"]);
    format!("SELECT {column} AS {name}\n|> {operator} {all} (FROM r |> SELECT {other})")
}

fn window(choices: &mut Choices, columns: &mut Vec<Column>) -> String {
    let partition = choices.column(columns).name;
    let order = choices.column(columns).name;
    let number = choices.column_of(columns, &[Int]);
    let function = match (choices.below(5), number) {
        (0, Some(number)) => format!("SUM({number}) OVER (PARTITION BY {partition})"),
        (1, Some(number)) => {
            format!("MAX({number}) OVER (PARTITION BY {partition} ORDER BY {order})")
        }
        (2, _) => format!("RANK() OVER (ORDER BY {order} DESC)"),
        (3, _) => format!("DENSE_RANK() OVER (PARTITION BY {partition} ORDER BY {order})"),
        _ => format!("COUNT(*) OVER (PARTITION BY {partition} ORDER BY {order})"),
    };
    let name = choices.name();
    columns.push(Column {
        name: name.clone(),
        kind: Int,
    });
    format!("EXTEND {function} AS {name}")
}

#[test]
fn the_same_choices_write_the_same_text() {
    let choices: Vec<u16> = (0..60).map(|i| i * 7 + 1).collect();
    assert_eq!(write(choices.clone()), write(choices));
}
