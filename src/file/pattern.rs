//! Alternatives in the names of files.

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

#[cfg(test)]
mod tests {
    use super::braces;

    #[test]
    fn alternatives() {
        assert_eq!(braces("a{b,c}d{1,2}"), ["abd1", "abd2", "acd1", "acd2"]);
        assert_eq!(braces("a{b"), ["a{b"]);
    }
}
