//! Calls of window functions: bound here, computed by Window nodes ([`window_plan`](super::window_plan)).

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{
    WindowFunction, WindowFunctionDefinition, WindowFunctionParams,
};
use datafusion::logical_expr::function::WindowUDFFieldArgs;
use datafusion::logical_expr::{Expr, WindowUDF};

use super::Binder;
use super::aggregate_call::{Arguments, aggregate_type};
use super::call::{coerced, function_name, refused};
use super::signature::usage;
use super::stage::{Calls, Stage};
use super::typed::Typed;
use crate::catalog::functions::{placed, sliding};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Call, Over};

impl Binder<'_> {
    pub(super) fn window_call(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let shown = function_name(call);
        let nested = stage.inside_window || stage.inside_aggregate.is_some();
        if let (Calls::Refused, _) | (_, true) = (&stage.windows, nested) {
            return Err(misplaced(&shown, stage, span));
        }
        let Some(over) = &call.over else {
            return Err(Error::bug("a window function without OVER"));
        };
        stage.inside_window = true;
        let value = self.window_value(name, call, over, span, stage);
        stage.inside_window = false;
        let value = value?;
        let Calls::Taken(taken) = &mut stage.windows else {
            return Err(Error::bug("window functions are refused here after all"));
        };
        Ok(self.extract(taken, name, value))
    }

    fn window_value(
        &self,
        name: &str,
        call: &Call,
        over: &Over,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let functions = self.catalog.functions();
        let shown = function_name(call);
        let (definition, arguments, returned) = if let Some(function) = functions.window(name) {
            let arguments = self.window_arguments(&function, call, span, stage)?;
            let returned = window_type(&function, &arguments.args, &shown, span)?;
            let definition = WindowFunctionDefinition::WindowUDF(function);
            (definition, arguments, returned)
        } else if let Some(function) = functions.aggregate(name) {
            if function.name() == "grouping" {
                return Err(Error::input(
                    "TM0315",
                    "GROUPING has no OVER: it tells of the groups of an AGGREGATE",
                    span,
                )
                .hint("compute it in the AGGREGATE, and use its column here"));
            }
            if !call.within_group.is_empty() || call.limit.is_some() {
                return Err(Error::not_implemented(
                    format!("{shown} with WITHIN GROUP or LIMIT and OVER"),
                    span,
                ));
            }
            let arguments = self.aggregate_arguments(&function, call, stage)?;
            let returned = aggregate_type(&function, &arguments.args, &shown, span)?;
            let function = sliding(placed(function, self.in_text(span), self.sums()));
            let definition = WindowFunctionDefinition::AggregateUDF(function);
            (definition, arguments, returned)
        } else if functions.scalar(name).is_some() {
            return Err(Error::input(
                "TM0315",
                format!("{shown} is no window function: it has no OVER"),
                span,
            ));
        } else {
            let ident = call.function.parts.last();
            return Err(ident.map_or_else(
                || Error::bug("a function without a name"),
                |ident| self.unknown_function(ident),
            ));
        };
        let mut specification = self.specification(over, stage)?;
        if !arguments.order_by.is_empty() {
            specification.order_arguments(arguments.order_by, &shown, span)?;
        }
        let nullable = returned.is_nullable();
        let params = WindowFunctionParams {
            args: arguments.args.into_iter().map(|arg| arg.expr).collect(),
            partition_by: specification.partition_by,
            order_by: specification.order_by,
            window_frame: specification.frame,
            filter: arguments.filter,
            null_treatment: arguments.null_treatment,
            distinct: call.distinct,
        };
        let function = WindowFunction {
            fun: definition,
            params,
        };
        Ok(Typed {
            nullable,
            ..Typed::new(
                Expr::WindowFunction(Box::new(function)),
                returned.data_type().clone(),
                span,
            )
        })
    }

    fn window_arguments(
        &self,
        function: &WindowUDF,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Arguments> {
        if call.distinct || call.filter.is_some() || !call.order_by.is_empty() {
            return Err(Error::input(
                "TM0402",
                format!(
                    "{} takes no DISTINCT, FILTER or ORDER BY in its parentheses",
                    function_name(call)
                ),
                span,
            ));
        }
        let args = self.arguments(call, function.signature(), stage)?;
        check_literals(function.name(), &args)?;
        let null_treatment = call.ignore_nulls.map(|ignore| {
            use datafusion::logical_expr::expr::NullTreatment;
            if ignore {
                NullTreatment::IgnoreNulls
            } else {
                NullTreatment::RespectNulls
            }
        });
        Ok(Arguments {
            args,
            filter: None,
            order_by: Vec::new(),
            null_treatment,
        })
    }
}

/// Numbers that a window function must know before it runs.
pub(super) fn check_literals(function: &str, args: &[Typed]) -> Result<()> {
    let first = match function {
        "ntile" => 0,
        "nth_value" | "lag" | "lead" => 1,
        _ => return Ok(()),
    };
    let shown = function.to_uppercase();
    for argument in args.iter().skip(first).take(1) {
        let Some(value) = argument.value() else {
            let message = format!("{shown} needs a literal here");
            return Err(Error::input("TM0407", message, argument.span));
        };
        let count = value.cast_to(&arrow::datatypes::DataType::Int64);
        if count.is_err() {
            let message = format!(
                "{shown} needs a whole number here, this is {}",
                argument.type_name()
            );
            return Err(Error::input("TM0402", message, argument.span));
        }
        let positive = matches!(count, Ok(ScalarValue::Int64(Some(1..))));
        if function == "ntile" && !positive {
            let message = "NTILE needs a number of buckets: 1, 2, 3 …";
            return Err(Error::input("TM0404", message, argument.span));
        }
    }
    Ok(())
}

pub(super) fn window_type(
    function: &Arc<WindowUDF>,
    args: &[Typed],
    name: &str,
    span: Span,
) -> Result<FieldRef> {
    let fields: Vec<FieldRef> = args.iter().map(Typed::field).collect();
    let returned = coerced(&fields, function.as_ref())
        .and_then(|fields| function.field(WindowUDFFieldArgs::new(&fields, name)));
    returned.map_err(|error| {
        let forms = usage(name, function.signature(), function.documentation());
        refused(error, name, args, forms, span)
    })
}

fn misplaced(name: &str, stage: &Stage, span: Span) -> Error {
    let place = match &stage.inside_aggregate {
        Some(around) => format!("inside {around}"),
        None if stage.inside_window => "inside another window function".to_string(),
        None => format!("in {}", stage.clause),
    };
    Error::input(
        "TM0315",
        format!("window function {name} is not allowed {place}"),
        span,
    )
    .hint("compute it in an EXTEND before")
}
