//! The symbols of MATCH_RECOGNIZE and its pattern.

use std::sync::Arc;

use datafusion::common::ScalarValue;

use super::Binder;
use super::stage::Env;
use crate::error::{Error, Result, Span};
use crate::exec::operators::matching::{Automaton, MatchRule, Pattern, TIMES_MAX};
use crate::lang::ast::{self, Ident, MatchRecognize, OptionSetting, RowPattern, RowPatternKind};

/// The names of DEFINE; a symbol's number is its place there.
#[derive(Debug)]
pub(super) struct Symbols(Vec<Ident>);

impl Symbols {
    fn new(define: &[(Ident, ast::Expr)]) -> Result<Self> {
        let mut symbols = Symbols(Vec::with_capacity(define.len()));
        for (name, _) in define {
            if let Some(first) = symbols.number(name) {
                let message = format!("the symbol `{}` is defined twice", name.text);
                let first = symbols.0[usize::from(first)].span;
                return Err(Error::input("TM0301", message, name.span).also(first, "first here"));
            }
            symbols.0.push(name.clone());
        }
        Ok(symbols)
    }

    pub(super) fn number(&self, name: &Ident) -> Option<u16> {
        self.named(&name.text)
    }

    pub(super) fn named(&self, name: &str) -> Option<u16> {
        let same = |own: &Ident| own.text.eq_ignore_ascii_case(name);
        let number = self.0.iter().position(same)?;
        u16::try_from(number).ok()
    }

    /// In the order of their numbers.
    pub(super) fn names(&self) -> impl Iterator<Item = &Ident> {
        self.0.iter()
    }

    fn list(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|name| name.text.as_str()).collect();
        super::names::shorten(names.into_iter().map(str::to_string).collect())
    }
}

impl Binder<'_> {
    /// The symbols, and what is looked for.
    pub(super) fn match_rule(
        &self,
        matching: &MatchRecognize,
        env: &Env,
    ) -> Result<(Symbols, MatchRule)> {
        let symbols = Symbols::new(&matching.define)?;
        let mut used = vec![false; matching.define.len()];
        let pattern = self.row_pattern(&matching.pattern, &symbols, &mut used, env)?;
        let unused = symbols.names().zip(used).find(|(_, used)| !used);
        if let Some((name, _)) = unused {
            let message = format!("the symbol `{}` does not stand in PATTERN", name.text);
            return Err(Error::input("TM0326", message, name.span)
                .hint("write it into the pattern, or leave its condition out"));
        }
        let span = matching.pattern.span;
        let automaton = Automaton::compile(&pattern)
            .map_err(|error| error.at(span).hint("make the numbers in `{…}` smaller"))?;
        let rule = MatchRule {
            automaton: Arc::new(automaton),
            longest: self.use_longest_match(&matching.options, env)?,
            skip_to_next: matching.skip_to_next,
            text: self.source(span),
        };
        Ok((symbols, rule))
    }

    fn row_pattern(
        &self,
        pattern: &RowPattern,
        symbols: &Symbols,
        used: &mut [bool],
        env: &Env,
    ) -> Result<Pattern> {
        let mut all = |parts: &[RowPattern]| {
            let parts = parts.iter();
            parts
                .map(|part| self.row_pattern(part, symbols, used, env))
                .collect::<Result<Vec<_>>>()
        };
        Ok(match &pattern.kind {
            RowPatternKind::PartitionStart => Pattern::PartitionStart,
            RowPatternKind::PartitionEnd => Pattern::PartitionEnd,
            RowPatternKind::Sequence(parts) => Pattern::Sequence(all(parts)?),
            RowPatternKind::Alternatives(parts) => Pattern::Alternatives(all(parts)?),
            RowPatternKind::Symbol(name) => {
                let number = symbols.number(name).ok_or_else(|| {
                    let message = format!("the symbol `{}` is not in DEFINE", name.text);
                    Error::input("TM0326", message, name.span)
                        .available(symbols.list())
                        .hint(format!(
                            "for a symbol that every row can be write `{} AS TRUE` in DEFINE",
                            name.text
                        ))
                })?;
                used[usize::from(number)] = true;
                Pattern::Symbol(number)
            }
            RowPatternKind::Repeated { operand, times } => {
                let operand = Box::new(self.row_pattern(operand, symbols, used, env)?);
                let (at_least, at_most) = self.times(times, env)?;
                Pattern::Repeated {
                    operand,
                    at_least,
                    at_most,
                    reluctant: times.reluctant,
                }
            }
        })
    }

    fn times(&self, times: &ast::Times, env: &Env) -> Result<(usize, Option<usize>)> {
        let count = |expr: &ast::Expr| {
            let value = self.constant_in(expr, "a quantifier", env)?;
            let number = match value.cast_to(&arrow::datatypes::DataType::Int64) {
                Ok(ScalarValue::Int64(Some(number))) if value.data_type().is_integer() => {
                    usize::try_from(number).ok()
                }
                _ => None,
            };
            number.filter(|number| *number <= TIMES_MAX).ok_or_else(|| {
                let message = format!("a quantifier takes a number from 0 to {TIMES_MAX}");
                Error::input("TM0404", message, expr.span)
            })
        };
        let at_least = times.at_least.as_ref().map(count).transpose()?.unwrap_or(0);
        let at_most = times.at_most.as_ref().map(count).transpose()?;
        match at_most {
            Some(at_most) if at_most < at_least => {
                let message = format!("at most {at_most} times is less than at least {at_least}");
                Err(Error::input("TM0404", message, times.span))
            }
            at_most => Ok((at_least, at_most)),
        }
    }

    fn use_longest_match(&self, options: &[OptionSetting], env: &Env) -> Result<bool> {
        let mut known: Option<(bool, Span)> = None;
        for OptionSetting { name, value } in options {
            if !name.text.eq_ignore_ascii_case("use_longest_match") {
                let message = format!("MATCH_RECOGNIZE has no option `{}`", name.text);
                return Err(
                    Error::input("TM0703", message, name.span).available("use_longest_match")
                );
            }
            if let Some((_, first)) = known {
                let message = "the option `use_longest_match` is given twice";
                return Err(Error::input("TM0703", message, name.span).also(first, "first here"));
            }
            let ScalarValue::Boolean(Some(longest)) =
                self.constant_in(value, "use_longest_match", env)?
            else {
                let message = "the option `use_longest_match` takes TRUE or FALSE";
                return Err(Error::input("TM0703", message, value.span));
            };
            known = Some((longest, name.span));
        }
        Ok(known.is_some_and(|(longest, _)| longest))
    }
}
