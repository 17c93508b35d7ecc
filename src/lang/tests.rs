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
