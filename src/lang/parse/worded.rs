//! Calls with words between their arguments, as standard SQL has them: `POSITION(a IN b)`, `SUBSTRING(x FROM 2 FOR 3)`,
//! `TRIM(LEADING 'x' FROM s)`, `OVERLAY(s PLACING 'x' FROM 2)`. They are the same calls with commas.

use super::operators::new;
use super::{Node, Reader, Rule, has, only};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Argument, ArgumentValue, Call, Expr, ExprKind, Literal};

impl<'t> Reader<'_, 't> {
    /// Puts what stands behind words in the place that it has in the call with commas.
    pub(super) fn with_commas(&mut self, call: &mut Call, worded: Vec<Node<'t>>) -> Result<()> {
        let name = plain_name(call);
        for part in worded {
            let span = self.span(&part);
            match (name.as_str(), part.as_rule()) {
                ("trim", Rule::trim_side) => trims(call, &part),
                ("position", Rule::in_argument) | ("trim", Rule::from_argument) => {
                    let whole = self.expr(only(part)?)?;
                    call.args.insert(0, plain(whole));
                }
                ("substring" | "substr", Rule::from_argument)
                | ("overlay", Rule::placing_argument | Rule::from_argument | Rule::for_argument) => {
                    let next = self.expr(only(part)?)?;
                    call.args.push(plain(next));
                }
                ("substring" | "substr", Rule::for_argument) => {
                    if call.args.len() == 1 {
                        let one = ExprKind::Literal(Literal::Integer("1".to_string()));
                        let here = Span::new(span.start, span.start);
                        call.args.push(plain(new(one, here)));
                    }
                    let length = self.expr(only(part)?)?;
                    call.args.push(plain(length));
                }
                _ => return Err(self.no_separator(&part)),
            }
        }
        Ok(())
    }

    fn no_separator(&self, part: &Node) -> Error {
        let span = self.span(part);
        let written = self.written(part);
        let length = written.find(char::is_whitespace).unwrap_or(written.len());
        let word = written.get(..length).unwrap_or_default();
        let message = format!("{} separates no arguments here", word.to_ascii_uppercase());
        Error::input(
            "TM0102",
            message,
            Span::new(span.start, span.start + length),
        )
        .label("write commas between the arguments")
    }
}

/// `POSITION(a IN (b))` reads as a condition; it has one argument and there is no such call.
pub(super) fn spell_out_position(call: &mut Call) {
    if plain_name(call) != "position" {
        return;
    }
    let args = std::mem::take(&mut call.args);
    call.args = match <[Argument; 1]>::try_from(args) {
        Ok([only]) => place_within(only),
        Err(args) => args,
    };
}

/// The text that is searched, then what is looked for.
fn place_within(only: Argument) -> Vec<Argument> {
    let Argument { name, value } = only;
    let Expr { kind, span } = match value {
        ArgumentValue::Expr(expr) if name.is_none() => expr,
        value => return vec![Argument { name, value }],
    };
    let (part, whole) = match *kind {
        ExprKind::InList {
            operand,
            mut list,
            negated: false,
        } if list.len() == 1 => match list.pop() {
            Some(whole) => (operand, whole),
            None => return Vec::new(),
        },
        ExprKind::InArray {
            operand,
            array,
            negated: false,
        } if matches!(*array.kind, ExprKind::Parameter(_)) => (operand, array),
        ExprKind::InQuery {
            operand,
            query,
            negated: false,
        } => (operand, new(ExprKind::Subquery(query), span)),
        kind => return vec![plain(new(kind, span))],
    };
    vec![plain(whole), plain(part)]
}

/// The function's name in lower case, if it is a plain word.
fn plain_name(call: &Call) -> String {
    match call.function.parts.as_slice() {
        [word] if !word.quoted => word.text.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// One side alone has a function of its own.
fn trims(call: &mut Call, side: &Node) {
    let name = match side {
        side if has(side, Rule::kw_leading) => "ltrim",
        side if has(side, Rule::kw_trailing) => "rtrim",
        _ => return,
    };
    if let [word] = call.function.parts.as_mut_slice() {
        word.text = name.to_string();
    }
}

fn plain(expr: Expr) -> Argument {
    Argument {
        name: None,
        value: ArgumentValue::Expr(expr),
    }
}
