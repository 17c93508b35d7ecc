//! Calls of aggregate functions: bound here, computed by an Aggregate node.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment, Sort as SortKey};
use datafusion::logical_expr::{AggregateUDF, Case, Expr, Operator};

use super::Binder;
use super::call::{coerced, function_name, refused};
use super::group::GroupKey;
use super::order::alike;
use super::predicate::conjunction;
use super::signature::usage;
use super::stage::{Calls, Env, Stage};
use super::typed::Typed;
use super::window::check_literals;
use crate::catalog::functions::{QUANTILES_MAX, Sums, placed};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{ArgumentValue, Call};

/// Aggregate functions for which a NULL is a value.
const KEEPS_NULLS: [&str; 4] = ["array_agg", "first_value", "last_value", "nth_value"];

/// What an aggregate function is given.
pub(super) struct Arguments {
    pub(super) args: Vec<Typed>,
    pub(super) filter: Option<Box<Expr>>,
    pub(super) order_by: Vec<SortKey>,
    pub(super) null_treatment: Option<NullTreatment>,
}

impl Binder<'_> {
    pub(super) fn aggregate_call(
        &self,
        function: Arc<AggregateUDF>,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let name = function_name(call);
        if let Some(around) = &stage.inside_aggregate {
            return Err(Error::input(
                "TM0311",
                format!("aggregate function {name} is not allowed inside {around}"),
                span,
            )
            .hint("aggregate in two steps"));
        }
        if let Calls::Refused = stage.aggregates {
            return Err(misplaced(&name, stage.clause, span));
        }
        stage.aggregate_calls += 1;
        let outer_window = std::mem::replace(&mut stage.inside_window, false);
        stage.inside_aggregate = Some(name.clone());
        let arguments = self.aggregate_arguments(&function, call, stage);
        stage.inside_aggregate = None;
        stage.inside_window = outer_window;
        let mut arguments = arguments?;
        self.over_match(&function, &mut arguments, call.distinct, stage);
        if function.name() == "grouping" {
            return self.grouping(function, arguments, span, stage);
        }
        let limit = self.aggregate_limit(call, &function)?;
        let joined = match (&limit, function.name()) {
            (Some(_), "string_agg") => {
                arguments.null_treatment = Some(NullTreatment::IgnoreNulls);
                Some(arguments.args.split_off(1))
            }
            _ => None,
        };
        let function = match joined {
            Some(_) => self.aggregate_named("array_agg")?,
            None => function,
        };
        let value = self.aggregate_value(function, arguments, call.distinct, &name, span)?;
        let Calls::Taken(taken) = &mut stage.aggregates else {
            return Err(Error::bug("aggregates are refused here after all"));
        };
        let column = self.extract(taken, &name.to_lowercase(), value);
        match limit {
            None => Ok(column),
            Some(limit) => {
                let first = Typed::literal(ScalarValue::from(1i64), span);
                let values = self.apply_named("array_slice", vec![column, first, limit], span)?;
                match joined {
                    Some(separator) => self.joined(values, separator, span),
                    None => Ok(values),
                }
            }
        }
    }

    /// The values as one text; NULL where there is none.
    fn joined(&self, values: Typed, separator: Vec<Typed>, span: Span) -> Result<Typed> {
        let count = self.apply_named("cardinality", vec![values.clone()], span)?;
        let none = Typed::literal(ScalarValue::from(0i64), span);
        let is_some = self.operate(count, Operator::Gt, none, span)?;
        let arguments = std::iter::once(values).chain(separator).collect();
        let text = self.apply_named("array_to_string", arguments, span)?;
        let data_type = text.data_type.clone();
        let case = Case {
            expr: None,
            when_then_expr: vec![(Box::new(is_some.expr), Box::new(text.expr))],
            else_expr: None,
        };
        Ok(Typed::new(Expr::Case(case), data_type, span))
    }

    /// A function of our own list.
    pub(super) fn aggregate_named(&self, name: &str) -> Result<Arc<AggregateUDF>> {
        let function = self.catalog.functions().aggregate(name);
        function.ok_or_else(|| Error::bug(format!("{name} is missing")))
    }

    /// Binds everything in the parentheses, and FILTER and WITHIN GROUP behind them.
    pub(super) fn aggregate_arguments(
        &self,
        function: &AggregateUDF,
        call: &Call,
        stage: &mut Stage,
    ) -> Result<Arguments> {
        let counts_rows = function.name() == "count"
            && matches!(
                call.args.as_slice(),
                [argument] if matches!(argument.value, ArgumentValue::Star(_))
            );
        let mut args = if counts_rows {
            if call.distinct {
                return Err(Error::input(
                    "TM0402",
                    "COUNT(DISTINCT *) does not exist",
                    call.function.span,
                )
                .hint("`|> DISTINCT |> AGGREGATE COUNT(*)`"));
            }
            vec![Typed::literal(ScalarValue::from(1i64), call.function.span)]
        } else {
            self.arguments(call, function.signature(), stage)?
        };
        if args.is_empty() && function.name() == "count" {
            return Err(
                Error::input("TM0402", "COUNT needs what it counts", call.function.span)
                    .hint("COUNT(*) counts rows, COUNT(x) those in which x is not NULL"),
            );
        }
        if call.distinct && args.len() > 1 && function.name() == "count" {
            args = vec![self.row_without_nulls(args, call.function.span)?];
        }
        if call.distinct {
            args = args.into_iter().map(alike).collect();
        }
        let filter = match &call.filter {
            None => None,
            Some(filter) => Some(Box::new(self.expr(filter, stage)?.condition("FILTER")?)),
        };
        let mut order_by = self.sort_keys(&call.order_by, stage)?;
        if !call.within_group.is_empty() {
            if !function.supports_within_group_clause() {
                let name = function.name().to_uppercase();
                let message = format!("{name} takes no WITHIN GROUP");
                return Err(
                    Error::input("TM0402", message, call.function.span).hint(format!(
                        "an order stands in the parentheses: {name}(x ORDER BY y)"
                    )),
                );
            }
            let within = self.sort_keys(&call.within_group, stage)?;
            let [key] = within.as_slice() else {
                return Err(Error::input(
                    "TM0402",
                    "WITHIN GROUP takes one expression",
                    call.function.span,
                ));
            };
            let value = self.expr(&call.within_group[0].expr, stage)?;
            let key = SortKey::new(value.expr.clone(), key.asc, key.nulls_first);
            args.insert(0, value);
            order_by = vec![key];
        }
        check_fraction(function, &args)?;
        if function.name() == "approx_quantiles" {
            check_quantiles(&args, call)?;
        }
        if function.name() == "nth_value" {
            check_literals("nth_value", &args)?;
        }
        if call.ignore_nulls == Some(false) && !KEEPS_NULLS.contains(&function.name()) {
            let message = format!("{} leaves NULLs out", function_name(call));
            return Err(Error::input("TM0402", message, call.function.span)
                .hint("RESPECT NULLS is for ARRAY_AGG, FIRST_VALUE, LAST_VALUE and NTH_VALUE"));
        }
        let null_treatment = call.ignore_nulls.map(|ignore| {
            if ignore {
                NullTreatment::IgnoreNulls
            } else {
                NullTreatment::RespectNulls
            }
        });
        Ok(Arguments {
            args,
            filter,
            order_by,
            null_treatment,
        })
    }

    /// `COUNT(DISTINCT a, b)` counts rows, but none with a NULL in it.
    fn row_without_nulls(&self, args: Vec<Typed>, span: Span) -> Result<Typed> {
        let present = args.iter();
        let present = present.map(|arg| Expr::IsNotNull(Box::new(arg.expr.clone())));
        let present = conjunction(present.collect());
        let present = present.ok_or_else(|| Error::bug("a row without fields"))?;
        let fields = args.into_iter().enumerate();
        let fields = fields.map(|(index, arg)| (format!("c{index}"), arg));
        let row = self.named_struct(fields.collect(), span)?;
        let data_type = row.data_type.clone();
        let case = Case {
            expr: None,
            when_then_expr: vec![(Box::new(present), Box::new(row.expr))],
            else_expr: None,
        };
        Ok(Typed::new(Expr::Case(case), data_type, span))
    }

    /// What SUM does with what does not fit.
    pub(super) fn sums(&self) -> Sums {
        match self.session.settings.overflow_wraps {
            true => Sums::Wrapping,
            false => Sums::Checked,
        }
    }

    fn aggregate_value(
        &self,
        function: Arc<AggregateUDF>,
        arguments: Arguments,
        distinct: bool,
        name: &str,
        span: Span,
    ) -> Result<Typed> {
        let returned = aggregate_type(&function, &arguments.args, name, span)?;
        let expr = AggregateFunction::new_udf(
            placed(function, self.in_text(span), self.sums()),
            arguments.args.into_iter().map(|arg| arg.expr).collect(),
            distinct,
            arguments.filter,
            arguments.order_by,
            arguments.null_treatment,
        );
        Ok(Typed {
            nullable: returned.is_nullable(),
            ..Typed::new(
                Expr::AggregateFunction(expr),
                returned.data_type().clone(),
                span,
            )
        })
    }

    /// `GROUPING(k)`: 1 where a row stands for all values of `k`.
    fn grouping(
        &self,
        function: Arc<AggregateUDF>,
        mut arguments: Arguments,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        for argument in &mut arguments.args {
            let key =
                |key: &&GroupKey| key.expr == argument.expr || key.column.expr() == argument.expr;
            let Some(found) = stage.group_keys.iter().find(key) else {
                return Err(Error::input(
                    "TM0402",
                    "GROUPING takes a grouping item",
                    argument.span,
                ));
            };
            argument.expr = found.column.expr();
        }
        let value = self.aggregate_value(function, arguments, false, "GROUPING", span)?;
        let Calls::Taken(taken) = &mut stage.aggregates else {
            return Err(Error::bug("aggregates are refused here after all"));
        };
        Ok(self
            .extract(taken, "grouping", value)
            .cast(&DataType::Int64))
    }

    /// The LIMIT inside of ARRAY_AGG and STRING_AGG.
    fn aggregate_limit(&self, call: &Call, function: &AggregateUDF) -> Result<Option<Typed>> {
        let Some(limit) = &call.limit else {
            return Ok(None);
        };
        if !matches!(function.name(), "array_agg" | "string_agg") || limit.offset.is_some() {
            return Err(Error::not_implemented(
                format!("LIMIT inside {}", function_name(call)),
                call.function.span,
            ));
        }
        match &limit.limit {
            None => Ok(None),
            Some(limit) => {
                let rows = self.row_count(limit, "LIMIT", &Env::default())?;
                let rows = i64::try_from(rows.unwrap_or(usize::MAX)).unwrap_or(i64::MAX);
                Ok(Some(Typed::literal(
                    ScalarValue::from(rows),
                    call.function.span,
                )))
            }
        }
    }
}

/// A percentile is asked for by a number from 0 to 1.
fn check_fraction(function: &AggregateUDF, args: &[Typed]) -> Result<()> {
    let fraction = match function.name() {
        "percentile_cont" | "approx_percentile_cont" => args.get(1),
        "approx_percentile_cont_with_weight" => args.get(2),
        _ => None,
    };
    let Some(fraction) = fraction else {
        return Ok(());
    };
    let number = fraction
        .value()
        .map(|value| value.cast_to(&DataType::Float64));
    match number {
        Some(Ok(ScalarValue::Float64(Some(number)))) if !(0.0..=1.0).contains(&number) => {
            let message = format!("a percentile is a number from 0 to 1, not {number}");
            Err(Error::input("TM0404", message, fraction.span))
        }
        _ => Ok(()),
    }
}

/// The number of parts is known before rows are.
fn check_quantiles(args: &[Typed], call: &Call) -> Result<()> {
    if call.distinct {
        let what = "DISTINCT in APPROX_QUANTILES";
        return Err(Error::not_implemented(what, call.function.span)
            .hint("`|> SELECT DISTINCT x |> AGGREGATE APPROX_QUANTILES(x, n)`"));
    }
    let Some(parts) = args.get(1) else {
        return Ok(());
    };
    let number = parts.value().map(|value| value.cast_to(&DataType::Int64));
    match number {
        Some(Ok(ScalarValue::Int64(Some(number)))) if (1..=QUANTILES_MAX).contains(&number) => {
            Ok(())
        }
        _ => {
            let message = format!(
                "APPROX_QUANTILES cuts into a constant number of parts, 1 to {QUANTILES_MAX}"
            );
            Err(Error::input("TM0404", message, parts.span))
        }
    }
}

/// Types that a function's signature takes and its code does not.
fn cannot_take(function: &AggregateUDF, data_type: &DataType) -> bool {
    match function.name() {
        "approx_distinct" => data_type.is_floating(),
        "min" | "max" => match data_type {
            DataType::List(element) | DataType::LargeList(element) => {
                element.data_type().is_nested()
            }
            _ => false,
        },
        _ => false,
    }
}

/// The type of an aggregate's result; TM0402 if it does not take the arguments.
pub(super) fn aggregate_type(
    function: &Arc<AggregateUDF>,
    args: &[Typed],
    name: &str,
    span: Span,
) -> Result<FieldRef> {
    let fields: Vec<FieldRef> = args.iter().map(Typed::field).collect();
    if let Some(argument) = args
        .iter()
        .find(|arg| cannot_take(function, &arg.data_type))
    {
        let message = format!("{name} does not take ({})", argument.type_name());
        return Err(Error::input("TM0402", message, span));
    }
    let returned =
        coerced(&fields, function.as_ref()).and_then(|fields| function.return_field(&fields));
    returned.map_err(|error| {
        let forms = usage(name, function.signature(), function.documentation());
        refused(error, name, args, forms, span)
    })
}

fn misplaced(name: &str, clause: &str, span: Span) -> Error {
    let error = Error::input(
        "TM0311",
        format!("aggregate function {name} is not allowed in {clause}"),
        span,
    );
    match clause {
        "WHERE" => error.hint("AGGREGATE first, then WHERE"),
        "SELECT" | "EXTEND" | "SET" => error.hint(format!(
            "`|> AGGREGATE {name}(x)` for one row, or `{name}(x) OVER ()` for a value on every row"
        )),
        _ => error.hint("compute it in an AGGREGATE before, and name its column here"),
    }
}
