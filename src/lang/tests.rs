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
            lex::TokenKind::Open => depth += 1,
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
                if let Err(errors) = parse(&program[..end]) {
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
    for error in parse(program).err().unwrap_or_default() {
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
    match parse(text) {
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
        (fill("SELECT ", "a."), "TM0102"),
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
            for error in parse(&text).err().unwrap_or_default() {
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
