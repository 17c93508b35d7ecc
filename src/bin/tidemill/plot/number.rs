//! Numbers on axes: few digits, round steps.

/// A number as short as its reader needs it: six digits.
pub(super) fn short(number: f64) -> String {
    if number == 0.0 {
        return "0".to_string();
    }
    let size = number.abs();
    if !(1e-4..1e15).contains(&size) {
        return format!("{number:.3e}");
    }
    let whole_digits = size.log10().floor() as i32 + 1;
    let decimals = usize::try_from(6 - whole_digits).unwrap_or(0);
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// The range from the least to the largest of the numbers, widened to something that can be drawn: steps that numbers of this
/// size cannot take are none.
pub(super) fn range(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    widened(numbers, 1e-9)
}

/// The same for times, which are far from zero and close to one another.
pub(super) fn range_of_times(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    widened(numbers, 0.0)
}

fn widened(numbers: impl Iterator<Item = f64>, finest: f64) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
        (low.min(number), high.max(number))
    });
    if !(low.is_finite() && high.is_finite()) {
        return (0.0, 1.0);
    }
    let size = low.abs().max(high.abs());
    if high / 2.0 - low / 2.0 > size * finest {
        return (low, high);
    }
    let margin = if size * finest == 0.0 {
        0.5
    } else {
        size * 0.25
    };
    ((low - margin).max(f64::MIN), (high + margin).min(f64::MAX))
}

/// What numbers of a range are divided by where they are so large or so small that steps between them would be lost.
pub(super) fn unit((low, high): (f64, f64)) -> f64 {
    let size = low.abs().max(high.abs());
    match (1e-9..1e15).contains(&size) {
        true => 1.0,
        false => size,
    }
}

/// Where a number lies in a range, from 0 to 1. Halves are taken so that no difference overflows.
pub(super) fn place(number: f64, (low, high): (f64, f64)) -> f64 {
    let (number, low, high) = (number / 2.0, low / 2.0, high / 2.0);
    ((number - low) / (high - low)).clamp(0.0, 1.0)
}
