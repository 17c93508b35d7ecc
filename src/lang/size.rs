//! Amounts of bytes as people write them.

/// Bytes of a text such as `512MiB`, `2GB`, `1.5k` or `1000000`: powers of 1000, of 1024 where the unit has an `i`.
///
/// # Errors
///
/// What is wrong with the text, as a sentence for its author: a unit that is none, no number, less than one byte or more than 1e18.
///
/// ```
/// assert_eq!(tidemill::parse_size("2GB"), Ok(2_000_000_000));
/// assert_eq!(tidemill::parse_size("512 MiB"), Ok(512 << 20));
/// assert!(tidemill::parse_size("2 sheep").is_err());
/// ```
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, unit) = text.split_at(digits);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => f64::from(1 << 10),
        "mib" => f64::from(1 << 20),
        "gib" => f64::from(1 << 30),
        "tib" => f64::from(1 << 30) * 1024.0,
        other => {
            return Err(format!(
                "`{other}` is no unit of bytes; use KB, MB, GB, KiB, MiB or GiB"
            ));
        }
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "a size is a number with a unit, such as 2GB".to_string())?;
    let bytes = number * factor;
    if !(1.0..=1e18).contains(&bytes) {
        return Err("a size must be at least one byte and at most 1e18".to_string());
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("1.5k"), Ok(1500));
        assert_eq!(parse_size("7"), Ok(7));
        assert!(parse_size("0").is_err());
        assert!(parse_size("-1GB").is_err());
        assert!(parse_size("GB").is_err());
    }
}
