//! The names of files: alternatives in them, and characters that are escaped.

/// `a{b,c}d` as `abd` and `acd`; braces without a partner stay.
pub(crate) fn braces(pattern: &str) -> Vec<String> {
    let split = pattern.find('{').and_then(|open| {
        let close = open + pattern[open..].find('}')?;
        Some((
            &pattern[..open],
            &pattern[open + 1..close],
            &pattern[close + 1..],
        ))
    });
    let Some((before, choices, after)) = split else {
        return vec![pattern.to_string()];
    };
    choices
        .split(',')
        .flat_map(|choice| braces(&format!("{before}{choice}{after}")))
        .collect()
}

/// `%20` and the like as the bytes they stand for, where they make text.
pub(crate) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let hex = others.get(..2).filter(|_| *first == b'%').and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok()?;
            u8::from_str_radix(hex, 16).ok()
        });
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &others[2..] } else { others };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::{braces, unescaped};

    #[test]
    fn alternatives() {
        assert_eq!(braces("a{b,c}d{1,2}"), ["abd1", "abd2", "acd1", "acd2"]);
        assert_eq!(braces("a{b"), ["a{b"]);
    }

    #[test]
    fn escapes() {
        assert_eq!(unescaped("a%20b%2Fc%C3%A9"), "a b/cé");
        assert_eq!(unescaped("100%, %zz, %F"), "100%, %zz, %F");
        assert_eq!(unescaped("%ff"), "%ff");
    }
}
