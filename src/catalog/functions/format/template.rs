//! Patterns: `%-8.2f` and the text between.

use arrow::datatypes::DataType;

use crate::file::type_name;

/// Characters that a place may ask for.
const MOST: usize = 1 << 20;

pub(super) struct Template {
    pub(super) pieces: Vec<Piece>,
}

pub(super) enum Piece {
    Text(String),
    Field(Field),
}

/// A place for a value.
pub(super) struct Field {
    pub(super) flags: Flags,
    pub(super) width: Amount,
    pub(super) precision: Amount,
    pub(super) kind: Kind,
    letter: char,
}

#[derive(Default)]
pub(super) struct Flags {
    pub(super) left: bool,
    pub(super) plus: bool,
    pub(super) space: bool,
    pub(super) alternate: bool,
    pub(super) zero: bool,
    pub(super) grouped: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Amount {
    None,
    Fixed(usize),
    /// `*`: the next argument.
    Given,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Whole(Base),
    Point(Style),
    Text,
    /// `%t`, and `%T`, which gives a literal of the language.
    Printed {
        literal: bool,
    },
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Base {
    Ten,
    Eight,
    Sixteen { upper: bool },
}

#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) form: Form,
    pub(super) upper: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Fixed,
    Exponent,
    /// Whichever is shorter.
    Either,
}

impl Template {
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some(at) = rest.find('%') {
            push_text(&mut pieces, &rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                push_text(&mut pieces, "%");
                rest = after;
                continue;
            }
            let (field, after) = Field::parse(rest)?;
            pieces.push(Piece::Field(field));
            rest = after;
        }
        push_text(&mut pieces, rest);
        Ok(Template { pieces })
    }

    /// Whether there is a value of a fitting type for every place, and no other.
    pub(super) fn check(&self, types: &[DataType]) -> Result<(), String> {
        let mut given = types.iter();
        let mut wanted = 0;
        for piece in &self.pieces {
            let Piece::Field(field) = piece else { continue };
            for amount in [field.width, field.precision] {
                if amount == Amount::Given {
                    wanted += 1;
                    given.next().map_or(Ok(()), |kind| {
                        fits(kind, kind.is_integer(), '*', "an integer")
                    })?;
                }
            }
            wanted += 1;
            if let Some(kind) = given.next() {
                field.check(kind)?;
            }
        }
        if wanted == types.len() {
            return Ok(());
        }
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        Err(format!(
            "the pattern has {wanted} place{} for {} value{}",
            plural(wanted),
            types.len(),
            plural(types.len())
        ))
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_string())),
    }
}

fn fits(kind: &DataType, does: bool, letter: char, wanted: &str) -> Result<(), String> {
    match does || kind.is_null() {
        true => Ok(()),
        false => Err(format!(
            "`{}` takes {wanted}, not {}",
            if letter == '*' {
                "*".to_string()
            } else {
                format!("%{letter}")
            },
            type_name(kind)
        )),
    }
}

impl Field {
    /// What stands behind the `%`, and the rest.
    fn parse(text: &str) -> Result<(Field, &str), String> {
        let mut flags = Flags::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next() {
            let known = match flag {
                '-' => &mut flags.left,
                '+' => &mut flags.plus,
                ' ' => &mut flags.space,
                '#' => &mut flags.alternate,
                '0' => &mut flags.zero,
                '\'' => &mut flags.grouped,
                _ => break,
            };
            *known = true;
            rest = &rest[1..];
        }
        let (width, after) = amount(rest)?;
        rest = after;
        let mut precision = Amount::None;
        if let Some(after) = rest.strip_prefix('.') {
            (precision, rest) = amount(after)?;
            if precision == Amount::None {
                precision = Amount::Fixed(0);
            }
        }
        let Some(letter) = rest.chars().next() else {
            return Err("the pattern ends inside of a place; for a percent sign write %%".into());
        };
        let point = |form, upper| Kind::Point(Style { form, upper });
        let kind = match letter {
            'd' | 'i' | 'u' => Kind::Whole(Base::Ten),
            'o' => Kind::Whole(Base::Eight),
            'x' | 'X' => Kind::Whole(Base::Sixteen {
                upper: letter == 'X',
            }),
            'f' | 'F' => point(Form::Fixed, letter == 'F'),
            'e' | 'E' => point(Form::Exponent, letter == 'E'),
            'g' | 'G' => point(Form::Either, letter == 'G'),
            's' => Kind::Text,
            't' | 'T' => Kind::Printed {
                literal: letter == 'T',
            },
            _ => {
                return Err(format!(
                    "`%{letter}` is no place for a value; there are %d %i %u %o %x %X %f %F %e %E %g %G %s %t %T, and %% for a percent sign"
                ));
            }
        };
        let field = Field {
            flags,
            width,
            precision,
            kind,
            letter,
        };
        Ok((field, &rest[letter.len_utf8()..]))
    }

    fn check(&self, kind: &DataType) -> Result<(), String> {
        let letter = self.letter;
        match self.kind {
            Kind::Whole(_) => fits(kind, kind.is_integer(), letter, "an integer"),
            Kind::Point(_) => {
                let decimal = matches!(
                    kind,
                    DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..)
                );
                let number = kind.is_integer() || kind.is_floating() || decimal;
                fits(kind, number, letter, "a number")
            }
            Kind::Text => {
                let fault = fits(kind, kind.is_string(), letter, "a STRING");
                fault.map_err(|fault| format!("{fault}; %t takes any value"))
            }
            Kind::Printed { .. } => Ok(()),
        }
    }
}

/// Digits, `*` or nothing, and the rest.
fn amount(text: &str) -> Result<(Amount, &str), String> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((Amount::Given, rest));
    }
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    if digits.is_empty() {
        return Ok((Amount::None, rest));
    }
    let count = bounded(digits.parse().unwrap_or(u64::MAX))?;
    Ok((Amount::Fixed(count), rest))
}

/// A width or precision that a place may have.
pub(super) fn bounded(count: u64) -> Result<usize, String> {
    match usize::try_from(count) {
        Ok(count) if count <= MOST => Ok(count),
        _ => Err(format!("a place is at most {MOST} characters wide")),
    }
}
