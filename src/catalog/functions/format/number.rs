//! Numbers as C's `printf` writes them.

use arrow::datatypes::DataType;

use super::Written;
use super::template::{Base, Field, Flags, Form, Kind, Style};

/// Digits behind the point where the pattern says nothing.
const PRECISION: usize = 6;

pub(super) enum Number {
    Whole(i128),
    Float(f64),
    /// Digits, and how many of them stand behind the point.
    Decimal(i128, i8),
}

/// Precision and scale of a decimal type.
pub(super) fn digits_of(kind: &DataType) -> (u8, i8) {
    match kind {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => (*precision, *scale),
        _ => (38, 0),
    }
}

impl Number {
    pub(super) fn written(self, field: &Field, precision: Option<usize>) -> Written {
        let flags = &field.flags;
        let (negative, text, takes_zeros) = match (field.kind, self) {
            (Kind::Whole(base), Number::Whole(value)) => {
                let text = whole(value.unsigned_abs(), base, flags, precision);
                (value < 0, text, precision.is_none())
            }
            (
                Kind::Point(Style {
                    form: Form::Fixed, ..
                }),
                Number::Decimal(digits, scale),
            ) => {
                let text = fixed(digits.unsigned_abs(), scale, precision.unwrap_or(PRECISION));
                (digits < 0, grouped(text, flags), true)
            }
            (
                Kind::Point(Style {
                    form: Form::Fixed, ..
                }),
                Number::Whole(value),
            ) => {
                let text = fixed(value.unsigned_abs(), 0, precision.unwrap_or(PRECISION));
                (value < 0, grouped(text, flags), true)
            }
            (Kind::Point(style), number) => {
                let value = number.as_float();
                let text = point(value.abs(), style, flags, precision);
                let negative = value.is_sign_negative() && !value.is_nan();
                (negative, text, value.is_finite())
            }
            // The pattern was checked against the types.
            (_, number) => {
                let value = number.as_float();
                (value < 0.0, value.abs().to_string(), true)
            }
        };
        let sign = match negative {
            true => "-",
            false if flags.plus => "+",
            false if flags.space => " ",
            false => "",
        };
        Written {
            sign,
            text,
            takes_zeros,
        }
    }

    fn as_float(&self) -> f64 {
        match self {
            Number::Whole(value) => *value as f64,
            Number::Float(value) => *value,
            // The nearest float to the decimal that is written so.
            Number::Decimal(digits, scale) => {
                let exponent = -i32::from(*scale);
                format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN)
            }
        }
    }
}

fn whole(value: u128, base: Base, flags: &Flags, precision: Option<usize>) -> String {
    let digits = match base {
        Base::Ten => value.to_string(),
        Base::Eight => format!("{value:o}"),
        Base::Sixteen { upper: false } => format!("{value:x}"),
        Base::Sixteen { upper: true } => format!("{value:X}"),
    };
    let least = precision.unwrap_or(1);
    let digits = format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len())));
    let digits = match (flags.grouped, base) {
        (false, _) => digits,
        (true, Base::Ten) => in_groups(&digits, 3, ','),
        (true, Base::Eight) => in_groups(&digits, 4, '\''),
        (true, Base::Sixteen { .. }) => in_groups(&digits, 4, ':'),
    };
    match base {
        Base::Eight if flags.alternate && value != 0 => format!("0{digits}"),
        Base::Sixteen { upper } if flags.alternate && value != 0 => {
            format!("{}{digits}", if upper { "0X" } else { "0x" })
        }
        _ => digits,
    }
}

/// A decimal with so many digits behind the point, halves away from zero.
fn fixed(digits: u128, scale: i8, precision: usize) -> String {
    let scale_digits = usize::from(scale.unsigned_abs());
    let mut text = digits.to_string();
    if scale < 0 {
        text += &"0".repeat(scale_digits);
    }
    let behind = if scale > 0 { scale_digits } else { 0 };
    if text.len() <= behind {
        text = format!("{}{text}", "0".repeat(behind + 1 - text.len()));
    }
    let (before, after) = text.split_at(text.len() - behind);
    if precision >= after.len() {
        let zeros = "0".repeat(precision - after.len());
        return match precision {
            0 => before.to_string(),
            _ => format!("{before}.{after}{zeros}"),
        };
    }
    let up = after
        .as_bytes()
        .get(precision)
        .is_some_and(|digit| *digit >= b'5');
    let kept = format!("{before}{}", &after[..precision]);
    let kept: u128 = kept.parse().unwrap_or_default();
    let kept = (kept + u128::from(up)).to_string();
    let kept = format!(
        "{}{kept}",
        "0".repeat((precision + 1).saturating_sub(kept.len()))
    );
    let (before, after) = kept.split_at(kept.len() - precision);
    match precision {
        0 => before.to_string(),
        _ => format!("{before}.{after}"),
    }
}

fn point(value: f64, style: Style, flags: &Flags, precision: Option<usize>) -> String {
    let text = if value.is_nan() {
        "nan".to_string()
    } else if value.is_infinite() {
        "inf".to_string()
    } else {
        let precision = precision.unwrap_or(PRECISION);
        match style.form {
            Form::Fixed => grouped(format!("{value:.precision$}"), flags),
            Form::Exponent => exponent(value, precision),
            Form::Either => either(value, precision.max(1), flags),
        }
    };
    let no_point = flags.alternate && value.is_finite() && !text.contains('.');
    let text = match (no_point, text.find('e')) {
        (false, _) => text,
        (true, None) => format!("{text}."),
        (true, Some(at)) => format!("{}.{}", &text[..at], &text[at..]),
    };
    match style.upper {
        true => text.to_uppercase(),
        false => text,
    }
}

/// `1.500000e+02`
fn exponent(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let Some((digits, power)) = text.split_once('e') else {
        return text;
    };
    let power: i32 = power.parse().unwrap_or_default();
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.unsigned_abs())
}

/// So many digits that count, without zeros at the end.
fn either(value: f64, precision: usize, flags: &Flags) -> String {
    let text = exponent(value, precision - 1);
    let power = text
        .split_once('e')
        .and_then(|(_, power)| power.parse::<i64>().ok());
    let power = power.unwrap_or_default();
    let (digits, suffix) = match (-4..precision as i64).contains(&power) {
        true => {
            let behind = (precision as i64 - 1 - power).max(0) as usize;
            (format!("{value:.behind$}"), String::new())
        }
        false => match text.split_once('e') {
            Some((digits, power)) => (digits.to_string(), format!("e{power}")),
            None => (text, String::new()),
        },
    };
    let digits = match flags.alternate || !digits.contains('.') {
        true => digits,
        false => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_string(),
    };
    format!("{}{suffix}", grouped(digits, flags))
}

/// The digits before the point in groups of three, where that is asked for.
fn grouped(text: String, flags: &Flags) -> String {
    if !flags.grouped {
        return text;
    }
    match text.split_once('.') {
        Some((before, after)) => format!("{}.{after}", in_groups(before, 3, ',')),
        None => in_groups(&text, 3, ','),
    }
}

fn in_groups(digits: &str, size: usize, between: char) -> String {
    let mut out = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(size) {
            out.push(between);
        }
        out.push(digit);
    }
    out
}
