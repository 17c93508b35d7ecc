//! What DEFINE and MEASURES of MATCH_RECOGNIZE have beside other clauses: names of symbols, and functions of their own.
//!
//! A symbol is a range variable that stands for the rows it matched. An aggregate over `a.x` is one over `x` with a FILTER; what may
//! be seen outside of aggregates is for [`match_recognize`](super::match_recognize) to check.

use std::cell::Cell;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{
    Sort as SortKey, WindowFunction, WindowFunctionDefinition, WindowFunctionParams,
};
use datafusion::logical_expr::{AggregateUDF, Case, Expr, WindowFrame, lit};

use super::Binder;
use super::aggregate_call::Arguments;
use super::call::function_name;
use super::row_pattern::Symbols;
use super::scope::{Found, ScopeColumn};
use super::stage::{Calls, Stage, Taken};
use super::typed::Typed;
use super::window::window_type;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ArgumentValue, Call};

/// Aggregates that take the rows of a match in their order.
const IN_ORDER: &[&str] = &[
    "array_agg",
    "string_agg",
    "first_value",
    "last_value",
    "nth_value",
];

/// What the functions of MATCH_RECOGNIZE and the names of symbols stand for.
pub(super) struct Matched {
    pub(super) symbols: Symbols,
    pub(super) clause: MatchClause,
}

pub(super) enum MatchClause {
    Define {
        partition_by: Vec<Expr>,
        order_by: Vec<SortKey>,
    },
    Measures(Box<Measures>),
}

pub(super) struct Measures {
    pub(super) number: ScopeColumn,
    pub(super) row_number: ScopeColumn,
    pub(super) symbol: ScopeColumn,
    /// A row may stand for a match without rows.
    pub(super) can_be_empty: bool,
    /// MATCH_NUMBER() was called outside of aggregates.
    pub(super) needs_number: Cell<bool>,
}

/// Whose rows an aggregate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MatchedRange {
    All,
    Symbol(u16),
}

impl Binder<'_> {
    /// A call of a function that means something in DEFINE or MEASURES alone.
    pub(super) fn match_call(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Option<Typed>> {
        let Some(matched) = stage.matched else {
            return Ok(None);
        };
        let measures = match &matched.clause {
            MatchClause::Define {
                partition_by,
                order_by,
            } => {
                if matches!(name, "prev" | "next") {
                    let keys = (partition_by.as_slice(), order_by.as_slice());
                    return self.neighbour(name, call, span, keys, stage).map(Some);
                }
                if call.over.is_some() {
                    let message = "a window function is not allowed in DEFINE";
                    return Err(Error::input("TM0315", message, span)
                        .hint("PREV(x) and NEXT(x) read other rows; for others EXTEND before"));
                }
                return Ok(None);
            }
            MatchClause::Measures(measures) => measures,
        };
        if let "first" | "last" = name {
            let function = format!("{name}_value");
            return self.end_of_match(&function, call, span, stage).map(Some);
        }
        let outside = stage.inside_aggregate.is_none();
        let value = match name {
            "match_number" => {
                if outside {
                    measures.needs_number.set(true);
                }
                Typed::column(&measures.number, span)
            }
            "match_row_number" | "classifier" if outside => {
                let name = function_name(call);
                let message = format!("{name}() differs from row to row of a match");
                return Err(Error::input("TM0312", message, span)
                    .hint(format!("aggregate it: LAST({name}()), ARRAY_AGG({name}())")));
            }
            "match_row_number" => Typed::column(&measures.row_number, span),
            "classifier" => classifier(&matched.symbols, measures, span),
            _ => return Ok(None),
        };
        self.refuse_aggregate_clauses(call, span)?;
        match call.args.is_empty() && call.over.is_none() {
            true => Ok(Some(value)),
            false => {
                let message = format!("{} takes no arguments", function_name(call));
                Err(Error::input("TM0402", message, span))
            }
        }
    }

    /// `FIRST(x)`, `LAST(x)`: the value in the first or last row, NULL or not.
    fn end_of_match(
        &self,
        function: &str,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let refused = [
            (call.distinct, "DISTINCT"),
            (!call.order_by.is_empty(), "ORDER BY"),
            (call.limit.is_some(), "LIMIT"),
            (!call.within_group.is_empty(), "WITHIN GROUP"),
            (call.over.is_some(), "OVER"),
        ];
        if let Some((_, clause)) = refused.iter().find(|(written, _)| *written) {
            let message = format!("{} takes no {clause}", function_name(call));
            return Err(Error::input("TM0402", message, span)
                .hint("it follows the order of MATCH_RECOGNIZE"));
        }
        let function = self.catalog.functions().aggregate(function);
        let function = function.ok_or_else(|| Error::bug("FIRST and LAST are missing"))?;
        self.aggregate_call(function, call, span, stage)
    }

    /// `PREV(x, n)`, `NEXT(x, n)`: the value some rows away, NULL outside of the partition.
    fn neighbour(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        keys: (&[Expr], &[SortKey]),
        stage: &mut Stage,
    ) -> Result<Typed> {
        let shown = function_name(call);
        self.refuse_aggregate_clauses(call, span)?;
        if call.over.is_some() {
            let message = format!("{shown} takes no OVER");
            return Err(Error::input("TM0402", message, span)
                .hint("it follows PARTITION BY and ORDER BY of MATCH_RECOGNIZE"));
        }
        if stage.inside_window {
            let message = format!("{shown} is not allowed inside PREV or NEXT");
            return Err(Error::input("TM0315", message, span)
                .hint("a second argument says how many rows away: PREV(x, 2)"));
        }
        let args: Vec<&ast::Expr> = call.args.iter().filter_map(plain_argument).collect();
        let (value, distance) = match args.as_slice() {
            [value] if call.args.len() == 1 => (*value, 1),
            [value, distance] if call.args.len() == 2 => {
                (*value, self.distance_of(distance, &shown, stage)?)
            }
            _ => {
                let message = format!("{shown} takes a value and how many rows away it is");
                return Err(Error::input("TM0402", message, span)
                    .hint(format!("it is called as {shown}(x) or {shown}(x, 2)")));
            }
        };
        stage.inside_window = true;
        let value = self.expr(value, stage);
        stage.inside_window = false;
        let args = vec![value?, Typed::literal(ScalarValue::from(distance), span)];
        let function = if name == "prev" { "lag" } else { "lead" };
        let value = self.over_partition(function, args, keys, span)?;
        let Calls::Taken(taken) = &mut stage.windows else {
            return Err(Error::bug("PREV and NEXT are refused here after all"));
        };
        Ok(self.extract(taken, name, value))
    }

    fn distance_of(&self, expr: &ast::Expr, shown: &str, stage: &Stage) -> Result<i64> {
        let what = format!("the distance of {shown}");
        let value = self.constant_in(expr, &what, stage.env)?;
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(rows @ 0..))) if value.data_type().is_integer() => Ok(rows),
            _ => {
                let message = format!("{what} is a number of rows: 0, 1, 2 …");
                Err(Error::input("TM0404", message, expr.span))
            }
        }
    }

    /// A window function over the rows of a partition in their order.
    fn over_partition(
        &self,
        name: &str,
        args: Vec<Typed>,
        (partition_by, order_by): (&[Expr], &[SortKey]),
        span: Span,
    ) -> Result<Typed> {
        let function = self.catalog.functions().window(name);
        let function = function.ok_or_else(|| Error::bug(format!("{name} is missing")))?;
        let returned = window_type(&function, &args, &name.to_uppercase(), span)?;
        let params = WindowFunctionParams {
            args: args.into_iter().map(|arg| arg.expr).collect(),
            partition_by: partition_by.to_vec(),
            order_by: order_by.to_vec(),
            window_frame: WindowFrame::new(Some(false)),
            filter: None,
            null_treatment: None,
            distinct: false,
        };
        let fun = WindowFunctionDefinition::WindowUDF(function);
        let function = WindowFunction { fun, params };
        Ok(Typed {
            nullable: returned.is_nullable(),
            ..Typed::new(
                Expr::WindowFunction(Box::new(function)),
                returned.data_type().clone(),
                span,
            )
        })
    }

    /// The place of a row in its partition, for rows that PREV or NEXT were computed of: rows that the order leaves equal then
    /// keep the order that these saw.
    pub(super) fn place_in_partition(
        &self,
        keys: (&[Expr], &[SortKey]),
        taken: &mut Taken,
        span: Span,
    ) -> Result<Typed> {
        let value = self.over_partition("row_number", Vec::new(), keys, span)?;
        Ok(self.extract(taken, "row", value))
    }

    /// A name that was found in DEFINE or MEASURES: whose rows it reads is noted for the aggregate around it.
    pub(super) fn match_range(
        &self,
        found: &Found,
        path: &ast::Path,
        stage: &mut Stage,
    ) -> Result<()> {
        let Some(matched) = stage.matched else {
            return Ok(());
        };
        let symbol = match found {
            Found::Column(_, 2) => path.parts.first(),
            Found::Row(_) => path.parts.first(),
            Found::Column(..) => None,
        };
        let symbol = symbol.and_then(|name| Some((name, matched.symbols.number(name)?)));
        if let (MatchClause::Define { .. }, Some((name, _))) = (&matched.clause, symbol) {
            let message = format!("`{}` stands for no rows in DEFINE", name.text);
            return Err(Error::input("TM0326", message, name.span).hint(
                "a condition sees its own row by plain names, others by PREV(x) and NEXT(x)",
            ));
        }
        if let (Found::Row(_), Some((name, _))) = (found, symbol) {
            let message = format!("the symbol `{}` is no value", name.text);
            return Err(Error::input("TM0326", message, name.span)
                .hint(format!("name a column: {}.x", name.text)));
        }
        if stage.inside_aggregate.is_none() {
            return match symbol {
                None => Ok(()),
                Some((name, _)) => {
                    let shown = self.source(path.span);
                    let message = format!("`{shown}` stands outside of an aggregate function");
                    Err(Error::input("TM0312", message, path.span).hint(format!(
                        "`{}` may have matched several rows: LAST({shown})",
                        name.text
                    )))
                }
            };
        }
        let range = symbol.map_or(MatchedRange::All, |(_, number)| {
            MatchedRange::Symbol(number)
        });
        match stage.match_range.replace(range) {
            Some(before) if before != range => {
                let of = |range| match range {
                    MatchedRange::All => "all rows of the match".to_string(),
                    MatchedRange::Symbol(number) => {
                        let name = matched.symbols.names().nth(usize::from(number));
                        format!("rows of `{}`", name.map_or("", |name| &name.text))
                    }
                };
                let message = format!(
                    "one aggregate cannot read both {} and {}",
                    of(before),
                    of(range)
                );
                Err(Error::input("TM0326", message, path.span)
                    .hint("use an aggregate for each, and compute with their results"))
            }
            _ => Ok(()),
        }
    }

    /// The same aggregate over the rows that it reads, in their order.
    pub(super) fn over_match(
        &self,
        function: &AggregateUDF,
        arguments: &mut Arguments,
        distinct: bool,
        stage: &mut Stage,
    ) {
        let range = stage.match_range.take();
        let Some(MatchClause::Measures(measures)) = stage.matched.map(|matched| &matched.clause)
        else {
            return;
        };
        let symbol = measures.symbol.expr();
        let read = match range {
            Some(MatchedRange::Symbol(number)) => Some(symbol.eq(lit(i64::from(number)))),
            _ if measures.can_be_empty => Some(symbol.is_not_null()),
            _ => None,
        };
        if let Some(read) = read {
            arguments.filter = Some(Box::new(match arguments.filter.take() {
                None => read,
                Some(filter) => filter.and(read),
            }));
        }
        let row_number = measures.row_number.expr();
        let ordered = IN_ORDER.contains(&function.name()) && arguments.order_by.is_empty();
        let of_row_number = matches!(arguments.args.as_slice(), [only] if only.expr == row_number);
        if ordered && (!distinct || of_row_number) {
            arguments.order_by = vec![SortKey::new(row_number, true, true)];
        }
    }
}

/// The symbol that a row was matched to.
fn classifier(symbols: &Symbols, measures: &Measures, span: Span) -> Typed {
    let names = symbols.names().enumerate();
    let names = names.map(|(number, name)| {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        (Box::new(lit(number)), Box::new(lit(name.text.as_str())))
    });
    let case = Case {
        expr: Some(Box::new(measures.symbol.expr())),
        when_then_expr: names.collect(),
        else_expr: None,
    };
    Typed::new(Expr::Case(case), DataType::Utf8, span)
}

fn plain_argument(argument: &ast::Argument) -> Option<&ast::Expr> {
    match &argument.value {
        ArgumentValue::Expr(expr) if argument.name.is_none() => Some(expr),
        _ => None,
    }
}

/// TM0315 for a function that has a meaning in MATCH_RECOGNIZE alone.
pub(super) fn outside_match(name: &str, span: Span) -> Option<Error> {
    let clause = match name {
        "prev" | "next" => "DEFINE",
        "first" | "last" | "match_number" | "match_row_number" | "classifier" => "MEASURES",
        _ => return None,
    };
    let shown = name.to_uppercase();
    let message = format!("{shown} belongs directly into {clause} of MATCH_RECOGNIZE");
    let error = Error::input("TM0315", message, span);
    Some(match name {
        "prev" => error.hint("elsewhere it is LAG(x) OVER (ORDER BY …)"),
        "next" => error.hint("elsewhere it is LEAD(x) OVER (ORDER BY …)"),
        "first" | "last" => error.hint(format!("elsewhere it is {shown}_VALUE(x ORDER BY …)")),
        _ => error,
    })
}
