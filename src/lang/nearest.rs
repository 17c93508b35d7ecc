//! "Did you mean": the known name that a misspelt one is nearest to.

/// The nearest of `known`, if it is near enough to be meant: what errors of the language ask with "did you mean".
///
/// ```
/// assert_eq!(tidemill::nearest("regoin", ["price", "region"]), Some("region"));
/// assert_eq!(tidemill::nearest("customer", ["price", "region"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().take(64).collect();
    let allowed = match wanted.len() {
        0 | 1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .filter(|other| other.len() >= wanted.len().saturating_sub(allowed))
        .map(|other| (distance(&wanted, other), other))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// Letters to insert, remove, replace or swap with the next one.
fn distance(wanted: &[char], other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().take(64).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in wanted.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other_letter) in other.iter().enumerate() {
            let replace = last[column] + usize::from(letter != other_letter);
            let mut best = replace.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0
                && column > 0
                && *letter == other[column - 1]
                && wanted[row - 1] == *other_letter;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(nearest("regoin", ["region", "price"]), Some("region"));
        assert_eq!(nearest("PRIC", ["region", "price"]), Some("price"));
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("customer", ["price"]), None);
    }
}
