//! The grammar's programs, the prefix property and hostile texts.

use super::*;

fn on_big_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    if let Err(panic) = thread.spawn(test).unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

fn grammar_file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path.join("grammar").join(name)).unwrap()
}

fn programs(file: &str) -> Vec<&str> {
    let programs = file.split("\n---\n").map(str::trim);
    programs.filter(|program| !program.is_empty()).collect()
}

/// Places of the `|>` outside parentheses.
fn pipes(text: &str) -> Vec<usize> {
    let (mut depth, mut places) = (0usize, Vec::new());
    let strings = text.starts_with("#!double_quotes=string");
    for token in lex::Lexer::new(text, 0, strings).map_while(Result::ok) {
        match token.kind {
            lex::TokenKind::Open | lex::TokenKind::Hint => depth += 1,
            lex::TokenKind::Close => depth -= 1,
            lex::TokenKind::Pipe if depth == 0 => places.push(token.span.start),
            _ => {}
        }
    }
    places
}

#[test]
fn valid_programs_and_their_prefixes_parse() {
    on_big_stack(|| {
        let file = grammar_file("valid.txt");
        let programs = programs(&file);
        let mut failures = String::new();
        for program in &programs {
            for end in pipes(program).into_iter().chain([program.len()]) {
                if let Err(errors) = parse_with(&program[..end], Options::default()) {
                    failures += &format!(
                        "{}\n{} at {:?}\n\n",
                        &program[..end],
                        errors[0],
                        errors[0].span()
                    );
                }
            }
        }
        assert!(failures.is_empty(), "{failures}");
        assert!(programs.len() >= 150, "{} valid programs", programs.len());
    });
}

/// `=> code: message (label)` for every error, below the program.
fn recorded(program: &str) -> String {
    let mut lines = String::new();
    for error in parse_with(program, Options::default())
        .err()
        .unwrap_or_default()
    {
        lines += &format!("\n=> {}: {}", error.code(), error.message());
        if let Some(span) = error.span() {
            lines += &format!(" | `{}`", program.get(span.start..span.end).unwrap());
        }
        if let Some(label) = error.span_label() {
            lines += &format!(" | {label}");
        }
    }
    lines
}

/// With `TIDEMILL_RECORD=1` in the environment the errors are written into the file instead of compared.
#[test]
fn invalid_programs_have_their_recorded_errors() {
    on_big_stack(|| {
        let file = grammar_file("invalid.txt");
        let (mut now, mut count) = (Vec::new(), 0);
        for program in programs(&file) {
            let text = program.split("\n=> ").next().unwrap();
            let errors = recorded(text);
            assert!(!errors.is_empty(), "this is valid:\n{text}");
            now.push(format!("{text}{errors}"));
            count += 1;
        }
        let now = now.join("\n---\n") + "\n";
        if std::env::var_os("TIDEMILL_RECORD").is_some() {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            std::fs::write(path.join("grammar/invalid.txt"), now).unwrap();
            return;
        }
        for (now, before) in programs(&now).iter().zip(programs(&file)) {
            assert_eq!(*now, before);
        }
        assert!(count >= 80, "{count} invalid programs");
    });
}

fn first_code(text: &str) -> &'static str {
    match parse_with(text, Options::default()) {
        Ok(_) => "",
        Err(errors) => errors[0].code(),
    }
}

/// Texts of nothing but one thing, repeated to `size` bytes.
fn hostile(size: usize) -> Vec<(String, &'static str)> {
    let fill = |head: &str, part: &str| format!("{head}{}", part.repeat(size / part.len()));
    let list = |head: &str, part: &str, tail: &str| fill(head, part) + tail;
    vec![
        (fill("", "("), "TM0109"),
        (fill("SELECT ", "["), "TM0109"),
        (fill("SELECT ", "CASE WHEN "), "TM0109"),
        (fill("SELECT ", "f(x -> "), "TM0109"),
        (fill("SELECT CAST(a AS ", "ARRAY<"), "TM0109"),
        (fill("", ")"), "TM0108"),
        (fill("", "\0"), "TM0103"),
        (fill("", "''"), "TM0102"),
        (fill("SELECT ", "/* "), "TM0101"),
        (fill("SELECT ", "a."), "TM0109"),
        (list("SELECT ", "a.", "a"), "TM0109"),
        (list("SELECT f()", ".a", ""), "TM0109"),
        (list("SELECT a", "[1]", ""), "TM0109"),
        (list("SELECT a", "::INT64", ""), "TM0109"),
        (list("SELECT a", " + a", ""), "TM0109"),
        (list("SELECT a", " IS NULL", ""), "TM0109"),
        (list("SELECT a", " OR a", ""), "TM0110"),
        (list("SELECT a", " AND NOT a", ""), "TM0110"),
        (list("SELECT ", "- ", "1"), "TM0109"),
        (list("SELECT ", "NOT ", "a"), "TM0109"),
        (list("SELECT a", ", a", ""), "TM0110"),
        (list("SELECT x IN (1", ", -1.5", ")"), ""),
        (list("SELECT x IN (1", ", a", ")"), "TM0110"),
        (list("VALUES (1)", ", (1)", ""), ""),
        (list("SELECT 1", " UNION ALL SELECT 1", ""), "TM0110"),
        (
            list("SELECT 1 |> UNION ALL (SELECT 1)", ", (SELECT 1)", ""),
            "TM0110",
        ),
        (list("FROM t", " |> LIMIT 1", ""), "TM0110"),
        (list("FROM t", " JOIN t", ""), "TM0110"),
        (list("SELECT '", "é", "'"), ""),
        (list("SELECT ", "'a' ", ""), ""),
        (fill("SELECT 1 ", "-- a\n"), ""),
        (fill("", ";"), ""),
        (fill("", "a;"), "TM0102"),
        (fill("", "EXPLAIN "), "TM0102"),
        (fill("SELECT ", "INTERVAL "), "TM0102"),
        (fill("SELECT ", "a AS b "), "TM0102"),
    ]
}

#[test]
fn hostile_texts_end_soon() {
    on_big_stack(|| {
        let size = match std::env::var("TIDEMILL_HOSTILE_BYTES") {
            Ok(size) => size.parse().unwrap(),
            Err(_) => 120_000,
        };
        let mut wrong = Vec::new();
        for (text, code) in hostile(size) {
            let begin = std::time::Instant::now();
            let shown: String = text.chars().take(40).collect();
            let found = first_code(&text);
            let took = begin.elapsed();
            println!("{:>6} ms {found:6} {shown:?}", took.as_millis());
            if found != code {
                wrong.push(format!("{shown}: {found}, not {code}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn the_deepest_nesting_parses() {
    let small = std::thread::Builder::new().stack_size(16 << 20);
    let test = || {
        let sum = " + 1".repeat(900);
        for (open, middle, close, count) in [
            ("(", "1", ")", 127),
            ("(SELECT ", "1", ")", 127),
            ("f(x -> ", "1", ")", 63),
            ("CASE WHEN a THEN ", "1", " END", 127),
            ("ARRAY(FROM t |> WHERE x IN (SELECT ", "1", "))", 63),
            ("[STRUCT(", "1", " AS a)]", 63),
            ("(SELECT SUM(x) OVER (PARTITION BY ", "1", ") FROM t)", 42),
            (
                "EXISTS (FROM (((SELECT 1 AS a) UNION ALL (SELECT ",
                "1",
                ")) AS q))",
                31,
            ),
            ("- (", sum.as_str(), ")", 1),
        ] {
            let middle = format!("1{}", middle.trim_start_matches('1'));
            let text = format!(
                "SELECT {}{middle}{}",
                open.repeat(count),
                close.repeat(count)
            );
            if let Err(errors) = parse_with(&text, Options::default()) {
                panic!("{open}: {} {:?}", errors[0], errors[0].span());
            }
        }
    };
    small.spawn(test).unwrap().join().unwrap();
}

#[test]
fn a_long_statement_tells_every_error() {
    let rows = (0..40_000)
        .map(|row| format!("({row})"))
        .collect::<Vec<_>>();
    let text = format!(
        "FROM (VALUES {}) AS t (x) |> WHRE x > 1 |> SELECT x |> LIMT 3",
        rows.join(", ")
    );
    assert!(text.len() > 300 << 10);
    on_big_stack(move || {
        let errors = parse_with(&text, Options::default()).unwrap_err();
        let words: Vec<&str> = errors
            .iter()
            .map(|error| {
                let span = error.span().unwrap();
                &text[span.start..span.end]
            })
            .collect();
        assert_eq!(words, ["WHRE", "LIMT"]);
    });
}

#[test]
fn random_tokens_never_panic() {
    let tokens = [
        "FROM",
        "SELECT",
        "WHERE",
        "t",
        "a",
        ".",
        ",",
        "(",
        ")",
        "[",
        "]",
        "|>",
        "+",
        "-",
        "*",
        "1",
        "'x'",
        "\"q\"",
        "AS",
        "JOIN",
        "ON",
        "USING",
        "AGGREGATE",
        "GROUP",
        "BY",
        "ORDER",
        "LIMIT",
        "UNION",
        "ALL",
        "WITH",
        "IN",
        "NOT",
        "AND",
        "OR",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "CAST",
        "INT64",
        "->",
        "=>",
        "::",
        "@p",
        "?",
        "=",
        "<",
        ">",
        "ARRAY",
        "STRUCT",
        "OVER",
        "BETWEEN",
        "IS",
        "NULL",
        "LEFT",
        "EXTEND",
        "SET",
        "é",
        ";",
        "@{",
        "}",
        "EXISTS",
        "INTERVAL",
        "DAY",
        "VALUES",
        "TABLE",
        "CREATE",
        "EXPLAIN",
        "LATERAL",
        "UNNEST",
        "DISTINCT",
        "#",
        "\n",
        "'",
        "E'\\",
        "@@x",
    ];
    on_big_stack(move || {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut next = |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % bound as u64).unwrap()
        };
        for _ in 0..4000 {
            let length = 1 + next(24);
            let mut text = String::from(["FROM t |> ", "SELECT ", "", "FROM "][next(4)]);
            for _ in 0..length {
                text += tokens[next(tokens.len())];
                text += ["", " ", " "][next(3)];
            }
            for error in parse_with(&text, Options::default())
                .err()
                .unwrap_or_default()
            {
                assert_ne!(error.code(), "TM0999", "{text}");
                let message = error.to_string();
                assert!(
                    !message.contains("kw_") && !message.contains("Rule"),
                    "{text}\n{message}"
                );
                if let Some(span) = error.span() {
                    assert!(text.get(span.start..span.end).is_some(), "{text}\n{span:?}");
                }
            }
        }
    });
}

/// The one expression of `SELECT text`, in a short notation.
fn shape(text: &str) -> String {
    let script = parse_with(&format!("SELECT {text}"), Options::default()).unwrap();
    let ast::StatementKind::Query(query) = &script.statements[0].kind else {
        panic!("{text} is no query");
    };
    let ast::QueryBody::Standard { set, .. } = &query.body else {
        panic!("{text} is no SELECT");
    };
    let ast::SetExpr::Select(select) = set else {
        panic!("{text} is no SELECT");
    };
    match &select.items[0] {
        ast::SelectItem::Expr { expr, .. } => notation(expr),
        star => format!("{star:?}"),
    }
}

fn notation(expr: &ast::Expr) -> String {
    use ast::{ExprKind, Literal};
    let all = |exprs: &[ast::Expr]| exprs.iter().map(notation).collect::<Vec<_>>().join(" ");
    match expr.kind.as_ref() {
        ExprKind::Literal(Literal::Integer(text)) => text.clone(),
        ExprKind::Path(path) => {
            let parts: Vec<_> = path.parts.iter().map(|part| part.text.as_str()).collect();
            parts.join(".")
        }
        ExprKind::Unary { op, operand } => format!("({op:?} {})", notation(operand)),
        ExprKind::Binary { op, left, right } => {
            format!("({op:?} {} {})", notation(left), notation(right))
        }
        ExprKind::And(terms) => format!("(And {})", all(terms)),
        ExprKind::Or(terms) => format!("(Or {})", all(terms)),
        ExprKind::Between {
            operand, low, high, ..
        } => format!(
            "(Between {} {} {})",
            notation(operand),
            notation(low),
            notation(high)
        ),
        ExprKind::Is { operand, .. } => format!("(Is {})", notation(operand)),
        ExprKind::InQuery { operand, .. } => format!("(InQuery {})", notation(operand)),
        ExprKind::InList { operand, list, .. } => {
            format!("(InList {}: {})", notation(operand), all(list))
        }
        ExprKind::Field { base, name } => format!("{}.{}", notation(base), name.text),
        ExprKind::Subscript { base, index } => format!("{}[{}]", notation(base), notation(index)),
        ExprKind::Cast { operand, .. } => format!("(Cast {})", notation(operand)),
        ExprKind::Call(call) => format!("{}(…)", call.function.parts[0].text),
        ExprKind::Subquery(_) => "(Query)".to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn operators_bind_as_specified() {
    for (text, expected) in [
        ("a + b * c - d", "(Subtract (Add a (Multiply b c)) d)"),
        ("a || b || c", "(Concat (Concat a b) c)"),
        ("-a::INT64", "(Minus (Cast a))"),
        ("- a * b", "(Multiply (Minus a) b)"),
        (
            "a << 1 + 2 & 3 | 4 ^ 5",
            "(BitOr (BitAnd (ShiftLeft a (Add 1 2)) 3) (BitXor 4 5))",
        ),
        (
            "a = 1 AND b = 2 AND c OR d",
            "(Or (And (Equal a 1) (Equal b 2) c) d)",
        ),
        ("NOT a = b AND c", "(And (Not (Equal a b)) c)"),
        ("NOT NOT a", "(Not (Not a))"),
        (
            "a BETWEEN 1 + 1 AND 3 AND b",
            "(And (Between a (Add 1 1) 3) b)",
        ),
        ("a + 1 IS NULL OR b", "(Or (Is (Add a 1)) b)"),
        ("(a + b) * c", "(Multiply (Add a b) c)"),
        ("a[1].b.c", "a[1].b.c"),
        ("f(x).y[2]", "f(…).y[2]"),
        ("x IN (-1, 2)", "(InList x: (Minus 1) 2)"),
        ("x IN ((SELECT 1))", "(InQuery x)"),
        ("((SELECT 1) + 1)", "(Add (Query) 1)"),
        ("((SELECT 1) UNION ALL (SELECT 2))", "(Query)"),
        ("a | b", "(BitOr a b)"),
    ] {
        assert_eq!(shape(text), expected, "{text}");
    }
}

#[test]
fn places_are_bytes_of_the_whole_script() {
    let text = "FROM a; /* é */ FROM t |> ORDER BY x /* c */ |> LEFT JOIN u USING (k) -- end\n;";
    let script = parse_with(text, Options::default()).unwrap();
    let statement = &script.statements[1];
    let at = |span: Span| &text[span.start..span.end];
    let ast::StatementKind::Query(query) = &statement.kind else {
        panic!("no query");
    };
    assert!(at(statement.span).ends_with("USING (k)"));
    let pipes: Vec<_> = query
        .pipes
        .iter()
        .map(|pipe| (at(pipe.span), at(pipe.keyword)))
        .collect();
    assert_eq!(
        pipes,
        [
            ("|> ORDER BY x", "ORDER BY"),
            ("|> LEFT JOIN u USING (k)", "LEFT JOIN"),
        ]
    );
}

#[test]
fn double_quotes_hold_names_or_texts() {
    let options = Options {
        double_quotes_are_strings: true,
    };
    let as_text = parse_with("SELECT \"a\\n\"", options).unwrap();
    let by_line = parse_with(
        "#!double_quotes=string\nSELECT \"a\\n\"",
        Options::default(),
    )
    .unwrap();
    assert!(format!("{as_text:?}").contains("String(\"a\\n\")"));
    assert!(format!("{by_line:?}").contains("String(\"a\\n\")"));
    let as_name = parse_with("SELECT \"a\\n\"", Options::default()).unwrap();
    assert!(format!("{as_name:?}").contains("quoted: true"));
    let file = parse_with("FROM \"x.csv\", `y.csv`", Options::default()).unwrap();
    let file = format!("{file:?}");
    assert!(file.contains("File(") && file.contains("Table("));
}

#[test]
fn questions_are_taken_out_and_nothing_moves() {
    let options = Options::default();
    let kept = |text: &str| {
        let kept = without_questions(text, options).into_owned();
        assert_eq!(kept.len(), text.len());
        kept.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        kept(
            "FROM t |> WHERE a = ';'; SET x = 1; select CASE a WHEN 1 THEN 2 END FROM t; VALUES (1)"
        ),
        "; SET x = 1; ;"
    );
    let fork = "FROM t |> FORK (|> LIMIT 1)";
    assert_eq!(kept(fork), fork);
    let create = "FROM t |> CREATE TABLE u; FROM u";
    assert_eq!(kept(create), "FROM t |> CREATE TABLE u;");
    let block = "IF a THEN FROM t; END IF; FROM u";
    assert_eq!(kept(block), block);
    let commented_block = "/* why */ IF a THEN FROM t; FROM v; END IF; FROM u";
    assert_eq!(kept(commented_block), commented_block);
    let quotes = "SET @@double_quotes = 'string'; FROM t";
    assert_eq!(kept(quotes), quotes);
    let commented = "-- first\nFROM t; FROM u";
    assert_eq!(kept(commented), "-- first FROM t;");
}
