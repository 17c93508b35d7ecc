//! One value out of its text.
//!
//! *Strict* is for types that were guessed from a sample: what has a leading zero or a plus sign may be an identifier, so it is
//! not a number there. Where the user named the type, such texts are read as the numbers they are.

use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::{Date32Type, Float64Type};

/// A whole number.
#[inline]
pub(in crate::file) fn integer(text: &str, strict: bool) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] if !strict => (false, rest),
        all => (false, all),
    };
    if digits.is_empty() || strict && has_leading_zero(digits) {
        return None;
    }
    if digits.len() <= 18 {
        // 18 digits cannot overflow.
        let mut value = 0_i64;
        for &digit in digits {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        }
        return Some(if negative {
            value.wrapping_neg()
        } else {
            value
        });
    }
    let mut value = 0_i64;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        let step = i64::from(digit);
        value = value.checked_mul(10)?;
        value = if negative {
            value.checked_sub(step)?
        } else {
            value.checked_add(step)?
        };
    }
    Some(value)
}

/// A whole number without a sign.
pub(in crate::file) fn unsigned(text: &str, strict: bool) -> Option<u64> {
    match integer(text, strict) {
        Some(value) => u64::try_from(value).ok(),
        None if text.starts_with(|first: char| first.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

fn has_leading_zero(digits: &[u8]) -> bool {
    matches!(digits, [b'0', next, ..] if next.is_ascii_digit())
}

/// A number with a point or an exponent, or a whole one. Too large for the type is no number; neither is, strictly, a whole
/// number that only a wider integer could hold.
#[inline]
pub(in crate::file) fn float(text: &str, strict: bool) -> Option<f64> {
    let bytes = text.as_bytes();
    let unsigned = match bytes {
        [b'-', rest @ ..] => rest,
        [b'+', rest @ ..] if !strict => rest,
        all => all,
    };
    if !(strict && has_leading_zero(unsigned))
        && let Some(value) = short_float(bytes)
    {
        return Some(value);
    }
    match unsigned.first()? {
        b'0'..=b'9' | b'.' => {}
        _ => return not_finite(bytes, unsigned),
    }
    if strict {
        if has_leading_zero(unsigned) {
            return None;
        }
        let too_long = unsigned.len() > 18 && unsigned.iter().all(u8::is_ascii_digit);
        if too_long && integer(text, true).is_none() {
            return None;
        }
    }
    Float64Type::parse(text).filter(|value| value.is_finite())
}

/// A number of up to 15 digits, at most 8 of them behind the point, and nothing else: digits and power are exact floats, so that one
/// division gives the nearest float to their quotient.
#[inline]
fn short_float(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 9] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    if unsigned.len() > 16 || unsigned.is_empty() {
        return None;
    }
    let mut digits = 0_u64;
    let mut point = None;
    for (at, &byte) in unsigned.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            return None;
        }
    }
    let places = match point {
        Some(at) => unsigned.len() - at - 1,
        None => 0,
    };
    let has_digit = unsigned.len() > usize::from(point.is_some());
    if !has_digit || digits > 1 << 53 {
        return None;
    }
    let value = digits as f64 / POWERS.get(places)?;
    Some(if negative { -value } else { value })
}

fn not_finite(signed: &[u8], unsigned: &[u8]) -> Option<f64> {
    let value = if unsigned.eq_ignore_ascii_case(b"nan") {
        f64::NAN
    } else if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        f64::INFINITY
    } else {
        return None;
    };
    Some(if signed.first() == Some(&b'-') {
        -value
    } else {
        value
    })
}

/// `true` and `false`; where the user asked for the type also their initials, yes, no, 1 and 0.
#[inline]
pub(in crate::file) fn boolean(text: &str, strict: bool) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Some(false);
    }
    if strict {
        return None;
    }
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["t", "yes", "y", "1"]) {
        Some(true)
    } else if is(&["f", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
#[inline]
pub(in crate::file) fn date(text: &str, strict: bool) -> Option<i32> {
    match iso_date(text.as_bytes()) {
        None if !strict => Date32Type::parse(text),
        days => days,
    }
}

fn iso_date(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
        return None;
    };
    let year = i32::from(two(*y1, *y2)?) * 100 + i32::from(two(*y3, *y4)?);
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // Days from 1 March of year 0, so that a leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, i32::from(month) - 3)
    } else {
        (year - 1, i32::from(month) + 9)
    };
    let in_year = (153 * month + 2) / 5 + i32::from(day) - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468)
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then_some(tens.wrapping_mul(10).wrapping_add(ones))
}

/// A time of day: seconds, nanoseconds, and what follows it in the text.
fn clock(text: &[u8]) -> Option<(i64, i64, &[u8])> {
    let [h1, h2, b':', m1, m2, rest @ ..] = text else {
        return None;
    };
    let (hour, minute) = (two(*h1, *h2)?, two(*m1, *m2)?);
    let (second, rest) = match rest {
        [b':', s1, s2, rest @ ..] => (two(*s1, *s2)?, rest),
        rest => (0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let [b'.', fraction @ ..] = rest else {
        return Some((seconds, 0, rest));
    };
    let digits = fraction
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == 0 || digits > 9 {
        return None;
    }
    let mut nanos = 0_i64;
    for place in 0..9 {
        let digit = fraction[..digits].get(place).map_or(0, |byte| byte - b'0');
        nanos = nanos * 10 + i64::from(digit);
    }
    Some((seconds, nanos, &fraction[digits..]))
}

/// Nanoseconds since midnight of `HH:MM:SS` with an optional fraction.
pub(in crate::file) fn time_nanos(text: &str, strict: bool) -> Option<i64> {
    let (seconds, nanos, rest) = clock(text.as_bytes())?;
    // `12:30` may as well be minutes and seconds.
    if !rest.is_empty() || strict && text.len() < 8 {
        return None;
    }
    Some(seconds * 1_000_000_000 + nanos)
}

/// A moment as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::file) struct Stamp {
    /// Seconds since 1970 in UTC, or in the unknown zone it was written in.
    pub(in crate::file) seconds: i64,
    pub(in crate::file) nanos: i64,
    /// Whether the text says its distance from UTC.
    pub(in crate::file) zoned: bool,
}

impl Stamp {
    /// Ticks of which a second has `per_second`; `None` if it is out of range or, strictly, between two ticks.
    #[inline]
    pub(in crate::file) fn ticks(self, per_second: i64, strict: bool) -> Option<i64> {
        let nanos_per_tick = 1_000_000_000 / per_second;
        if strict && self.nanos % nanos_per_tick != 0 {
            return None;
        }
        self.seconds
            .checked_mul(per_second)?
            .checked_add(self.nanos / nanos_per_tick)
    }
}

/// `YYYY-MM-DD`, or with `T` or a space and a time, a fraction of up to nine digits, and `Z` or a distance such as `+01:00`.
#[inline]
pub(in crate::file) fn stamp(text: &str) -> Option<Stamp> {
    let (day, rest) = text.as_bytes().split_at_checked(10)?;
    let midnight = i64::from(iso_date(day)?) * 86_400;
    let (seconds, nanos, zone) = match rest {
        [] => (0, 0, rest),
        [b'T' | b't' | b' ', time @ ..] => clock(time)?,
        _ => return None,
    };
    let offset = match zone {
        [] => None,
        [b' ', zone @ ..] | zone => Some(zone_seconds(zone)?),
    };
    Some(Stamp {
        seconds: midnight + seconds - offset.unwrap_or(0),
        nanos,
        zoned: offset.is_some(),
    })
}

fn zone_seconds(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'U', b'T', b'C'] => return Some(0),
        [sign, h1, h2] => (sign, two(*h1, *h2)?, 0),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => {
            (sign, two(*h1, *h2)?, two(*m1, *m2)?)
        }
        _ => return None,
    };
    if hours > 18 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// A decimal as an integer of units of `10^-scale`; digits beyond are rounded half away from zero, as CAST does.
pub(in crate::file) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let exponent_at = memchr::memchr2(b'e', b'E', unsigned);
    let (mantissa, exponent) = match exponent_at {
        Some(at) => {
            let exponent = std::str::from_utf8(&unsigned[at + 1..]).ok()?;
            (&unsigned[..at], exponent.parse::<i16>().ok()?)
        }
        None => (unsigned, 0),
    };
    let point = memchr::memchr(b'.', mantissa).unwrap_or(mantissa.len());
    // Digits kept: those up to this many behind the point.
    let kept = i64::from(scale) + i64::from(exponent);
    let mut value = 0_i128;
    let (mut digits, mut round_up) = (0_i64, false);
    for (at, &byte) in mantissa.iter().enumerate() {
        if at == point {
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        digits += 1;
        let place = place_of(at, point);
        if place <= kept {
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        } else if place == kept + 1 {
            round_up = digit >= 5;
        }
    }
    if digits == 0 {
        return None;
    }
    // Places that the text does not have.
    let last = place_of(mantissa.len().max(1) - 1, point);
    let missing = kept - last;
    if value != 0 && missing > 0 {
        value = value.checked_mul(10_i128.checked_pow(u32::try_from(missing).ok()?)?)?;
    }
    value += i128::from(round_up);
    if value >= 10_i128.checked_pow(u32::from(precision))? {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// The place of a digit: 0 for ones, -1 for tens, 1 for tenths.
fn place_of(at: usize, point: usize) -> i64 {
    if at < point {
        at as i64 - (point as i64 - 1)
    } else {
        at as i64 - point as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_what_may_be_an_identifier() {
        assert_eq!(integer("-42", true), Some(-42));
        assert_eq!(integer("007", true), None);
        assert_eq!(integer("007", false), Some(7));
        assert_eq!(integer("+1", true), None);
        assert_eq!(integer("9223372036854775807", true), Some(i64::MAX));
        assert_eq!(integer("-9223372036854775808", true), Some(i64::MIN));
        assert_eq!(integer("9223372036854775808", true), None);
        assert_eq!(integer("-", true), None);
        assert_eq!(integer("1 2", true), None);
        assert_eq!(unsigned("18446744073709551615", false), Some(u64::MAX));
        assert_eq!(unsigned("-1", false), None);
    }

    #[test]
    fn floats_do_not_swallow_long_integers() {
        assert_eq!(float("1.5e3", true), Some(1500.0));
        assert_eq!(float("-.5", true), Some(-0.5));
        assert_eq!(float("12345678901234567890", true), None);
        assert_eq!(float("1e999", true), None);
        assert_eq!(float("00.5", true), None);
        assert_eq!(float("-inf", true), Some(f64::NEG_INFINITY));
        assert_eq!(float("info", true), None);
        assert_eq!(float("1.2.3", true), None);
    }

    #[test]
    fn short_floats_are_the_nearest() {
        let mut seed = 1_u64;
        for round in 0..20_000_u64 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(round);
            let digits = (seed >> 20) % 10_u64.pow((round % 15) as u32 + 1);
            let places = (round % 10) as usize;
            let text = format!("{:0>width$}", digits, width = places + 1);
            let (whole, rest) = text.split_at(text.len() - places);
            for text in [
                format!("{whole}.{rest}"),
                format!("-{whole}.{rest}"),
                whole.to_string(),
            ] {
                if let Some(value) = short_float(text.as_bytes()) {
                    assert_eq!(
                        value.to_bits(),
                        text.parse::<f64>().unwrap().to_bits(),
                        "{text}"
                    );
                }
            }
        }
        for none in ["", ".", "-", "-.", "1e5", "1..2", "12345678901234567"] {
            assert_eq!(short_float(none.as_bytes()), None, "{none}");
        }
        assert_eq!(short_float(b"5."), Some(5.0));
        assert_eq!(
            short_float(b"-0.0").map(f64::to_bits),
            Some((-0.0_f64).to_bits())
        );
    }

    #[test]
    fn dates_are_checked() {
        assert_eq!(date("1970-01-01", true), Some(0));
        assert_eq!(date("2000-02-29", true), Some(11_016));
        assert_eq!(date("1900-02-29", true), None);
        assert_eq!(date("2024-13-01", true), None);
        assert_eq!(date("0001-01-01", true), Some(-719_162));
        assert_eq!(date("9999-12-31", true), Some(2_932_896));
    }

    #[test]
    fn stamps_know_their_zone() {
        let plain = stamp("1970-01-02 00:00:01.5").unwrap();
        assert_eq!(plain.ticks(1_000_000, true), Some(86_401_500_000));
        assert!(!plain.zoned);
        let zoned = stamp("1970-01-01T01:00:00+01:00").unwrap();
        assert_eq!((zoned.seconds, zoned.zoned), (0, true));
        assert_eq!(stamp("1970-01-01T00:00:00Z").unwrap().seconds, 0);
        assert_eq!(stamp("1970-01-01T24:00:00"), None);
        assert_eq!(stamp("1970-01-01Z"), None);
        let fine = stamp("1970-01-01 00:00:00.000000001").unwrap();
        assert_eq!(fine.ticks(1_000_000, true), None);
        assert_eq!(fine.ticks(1_000_000, false), Some(0));
        assert_eq!(time_nanos("01:00:00", true), Some(3_600_000_000_000));
        assert_eq!(time_nanos("01:00", true), None);
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("12.34", 10, 2), Some(1234));
        assert_eq!(decimal("-12.345", 10, 2), Some(-1235));
        assert_eq!(decimal("12", 10, 2), Some(1200));
        assert_eq!(decimal(".5", 10, 2), Some(50));
        assert_eq!(decimal("1.2e3", 10, 2), Some(120_000));
        assert_eq!(decimal("125e-2", 10, 1), Some(13));
        assert_eq!(decimal("99.995", 4, 2), None);
        assert_eq!(decimal("", 4, 2), None);
        assert_eq!(decimal(".", 4, 2), None);
        assert_eq!(decimal("1x", 4, 2), None);
        assert_eq!(decimal("1234", 4, -2), Some(12));
    }
}
