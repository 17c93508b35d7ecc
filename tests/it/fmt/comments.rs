//! Comments as a reader finds them who knows only where texts and names end.

use super::shape;

/// The comments of a text, each without blanks at the ends of its lines.
pub fn all(text: &str) -> Vec<String> {
    let strings = text.starts_with("#!double_quotes=string");
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("--") || rest.starts_with('#') {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(inside) = rest.strip_prefix("/*") {
            inside.find("*/").map_or(rest.len(), |end| end + 4)
        } else {
            rest = &rest[token(rest, first, strings)..];
            continue;
        };
        let lines: Vec<&str> = rest[..length].lines().map(str::trim_end).collect();
        found.push(lines.join("\n"));
        rest = &rest[length..];
    }
    found
}

/// The length of a quoted text or name with its prefix, or of one character.
fn token(rest: &str, first: char, strings: bool) -> usize {
    let word = rest.len()
        - rest
            .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_')
            .len();
    let quoted = &rest[word..];
    let prefix = rest[..word].to_ascii_lowercase();
    let Some(quote) = quoted.chars().next().filter(|c| "'\"`".contains(*c)) else {
        return word.max(first.len_utf8());
    };
    if word > 0 && (quote == '`' || !["e", "r", "b", "rb", "br"].contains(&prefix.as_str())) {
        return word;
    }
    let is_text = quote == '\'' || quote == '"' && strings;
    let escapes = is_text && (prefix == "e" || prefix == "b" || strings && prefix.is_empty());
    let run = quoted.chars().take(5).take_while(|c| *c == quote).count();
    let close = quote
        .to_string()
        .repeat(if is_text && (run == 3 || run == 5) {
            3
        } else {
            1
        });
    let mut at = close.len();
    while at < quoted.len() {
        if escapes && quoted[at..].starts_with('\\') {
            at += 1 + quoted[at + 1..].chars().next().map_or(0, char::len_utf8);
        } else if close.len() == 1 && quoted[at..].starts_with(&close.repeat(2)) {
            at += 2;
        } else if quoted[at..].starts_with(&close) {
            return word + at + close.len();
        } else {
            at += quoted[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// A few texts with comments between tokens of `text`, where they change nothing of what it means.
pub fn injected(text: &str, seed: u64) -> Vec<String> {
    let meant = shape(text);
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below.max(1) as u64) as usize
    };
    let mut texts = Vec::new();
    for _ in 0..2 {
        let mut with = text.to_string();
        for number in 0..3 {
            let comment = match next(6) {
                0 => format!(" -- c{number}\n"),
                1 => format!("\n  -- c{number}  \n"),
                2 => format!("/* c{number} */"),
                3 => format!("\n/* c{number} */ "),
                4 => format!(" # c{number}\n\n\n"),
                _ => format!(" /* c{number}\n   more */\n"),
            };
            let at = next(with.len() + 1);
            let at = with.floor_char_boundary(at);
            let tried = format!("{}{comment}{}", &with[..at], &with[at..]);
            let more = all(&tried).len() == all(&with).len() + 1;
            if more && shape(&tried) == meant {
                with = tried;
            }
        }
        if with != text {
            texts.push(with);
        }
    }
    texts
}
