//! Calls of window functions: bound here, computed by Window nodes.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{
    Sort as SortKey, WindowFunction, WindowFunctionDefinition, WindowFunctionParams,
};
use datafusion::logical_expr::function::WindowUDFFieldArgs;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    Expr, LogicalPlan, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowUDF,
};

use super::aggregate_call::{Arguments, aggregate_type};
use super::call::{function_name, refused};
use super::relation::{compute, hoist_subqueries};
use super::signature::usage;
use super::stage::{Calls, Extracted, Stage};
use super::typed::Typed;
use super::{Binder, shared};
use crate::catalog::functions::placed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, Call, FrameBound, FrameUnit, Over, WindowSpec};

/// The parts of an OVER clause.
struct Specification {
    partition_by: Vec<Expr>,
    order_by: Vec<SortKey>,
    frame: WindowFrame,
}

impl Specification {
    /// The aggregate takes its rows in an order of its own: that of the window, or of all rows of a partition at once.
    fn order_arguments(&mut self, own: Vec<SortKey>, shown: &str, span: Span) -> Result<()> {
        if self.order_by == own {
            return Ok(());
        }
        let unbounded = ScalarValue::UInt64(None);
        let whole = WindowFrame::new_bounds(
            WindowFrameUnits::Rows,
            WindowFrameBound::Preceding(unbounded.clone()),
            WindowFrameBound::Following(unbounded),
        );
        if !self.order_by.is_empty()
            || (self.frame != WindowFrame::new(None) && self.frame != whole)
        {
            return Err(Error::not_implemented(
                format!("{shown} in another order than that of its OVER"),
                span,
            )
            .hint("write the ORDER BY in OVER (…) alone"));
        }
        self.order_by = own;
        self.frame = whole;
        Ok(())
    }
}

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
            if !call.within_group.is_empty() || call.limit.is_some() {
                return Err(Error::not_implemented(
                    format!("{shown} with WITHIN GROUP or LIMIT and OVER"),
                    span,
                ));
            }
            let arguments = self.aggregate_arguments(&function, call, stage)?;
            let returned = aggregate_type(&function, &arguments.args, &shown, span)?;
            let function = placed(function, self.in_text(span));
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

    fn specification(&self, over: &Over, stage: &mut Stage) -> Result<Specification> {
        let written = match over {
            Over::Name(name) => self.named_window(name, stage, 0)?,
            Over::Spec(spec) => self.with_base(spec, stage, 0)?,
        };
        let mut partition_by = Vec::with_capacity(written.partition_by.len());
        for expr in &written.partition_by {
            partition_by.push(self.expr(expr, stage)?.expr);
        }
        let mut order_by = self.sort_keys(&written.order_by, stage)?;
        let frame = match &written.frame {
            None => WindowFrame::new((!order_by.is_empty()).then_some(false)),
            Some(frame) => self.frame(frame)?,
        };
        let place = written
            .frame
            .as_ref()
            .map_or(written.span, |frame| frame.span);
        if let [key] = written.order_by.as_slice()
            && frame.units == WindowFrameUnits::Range
            && (is_distance(&frame.start_bound) || is_distance(&frame.end_bound))
        {
            check_distance(&self.expr(&key.expr, stage)?, place)?;
        }
        frame.regularize_order_bys(&mut order_by).map_err(|_| {
            let message = match frame.units {
                WindowFrameUnits::Groups => "a GROUPS frame needs ORDER BY",
                _ => "a RANGE frame with a distance needs exactly one ORDER BY expression",
            };
            Error::input("TM0320", message, place)
        })?;
        Ok(Specification {
            partition_by,
            order_by,
            frame,
        })
    }

    fn named_window(&self, name: &ast::Ident, stage: &Stage, depth: usize) -> Result<WindowSpec> {
        let found = stage
            .named_windows
            .iter()
            .find(|window| window.name.text.eq_ignore_ascii_case(&name.text));
        match found {
            Some(window) => self.with_base(&window.spec, stage, depth),
            None => Err(Error::input(
                "TM0208",
                format!("no window named `{}`", name.text),
                name.span,
            )
            .hint("a WINDOW list belongs to one operator; name the window there")),
        }
    }

    /// The specification with what it takes from the window it names.
    fn with_base(&self, spec: &WindowSpec, stage: &Stage, depth: usize) -> Result<WindowSpec> {
        let Some(base) = &spec.base else {
            return Ok(spec.clone());
        };
        if depth > stage.named_windows.len() {
            return Err(Error::input(
                "TM0208",
                format!("the window `{}` names itself", base.text),
                base.span,
            ));
        }
        let base_spec = self.named_window(base, stage, depth + 1)?;
        if !spec.partition_by.is_empty() {
            return Err(Error::input(
                "TM0320",
                "a window that names another cannot have its own PARTITION BY",
                spec.span,
            ));
        }
        Ok(WindowSpec {
            base: None,
            partition_by: base_spec.partition_by,
            order_by: if spec.order_by.is_empty() {
                base_spec.order_by
            } else {
                spec.order_by.clone()
            },
            frame: spec.frame.clone().or(base_spec.frame),
            span: spec.span,
        })
    }

    fn frame(&self, frame: &ast::Frame) -> Result<WindowFrame> {
        let units = match frame.unit {
            FrameUnit::Rows => WindowFrameUnits::Rows,
            FrameUnit::Range => WindowFrameUnits::Range,
            FrameUnit::Groups => WindowFrameUnits::Groups,
        };
        let start = self.frame_bound(&frame.start, units)?;
        let end = match &frame.end {
            Some(end) => self.frame_bound(end, units)?,
            None => WindowFrameBound::CurrentRow,
        };
        let backwards = matches!(frame.start, FrameBound::UnboundedFollowing)
            || matches!(frame.end, Some(FrameBound::UnboundedPreceding))
            || matches!(
                (&start, &end),
                (
                    WindowFrameBound::CurrentRow | WindowFrameBound::Following(_),
                    WindowFrameBound::Preceding(_)
                ) | (WindowFrameBound::Following(_), WindowFrameBound::CurrentRow)
            );
        if backwards {
            return Err(Error::input(
                "TM0320",
                "this frame ends before it starts",
                frame.span,
            ));
        }
        Ok(WindowFrame::new_bounds(units, start, end))
    }

    fn frame_bound(&self, bound: &FrameBound, units: WindowFrameUnits) -> Result<WindowFrameBound> {
        Ok(match bound {
            FrameBound::UnboundedPreceding => {
                WindowFrameBound::Preceding(ScalarValue::UInt64(None))
            }
            FrameBound::UnboundedFollowing => {
                WindowFrameBound::Following(ScalarValue::UInt64(None))
            }
            FrameBound::CurrentRow => WindowFrameBound::CurrentRow,
            FrameBound::Preceding(distance) => {
                WindowFrameBound::Preceding(self.distance(distance, units)?)
            }
            FrameBound::Following(distance) => {
                WindowFrameBound::Following(self.distance(distance, units)?)
            }
        })
    }

    /// Rows and groups are counted; a range's distance takes the type of what it is sorted by, which text can become.
    fn distance(&self, distance: &ast::Expr, units: WindowFrameUnits) -> Result<ScalarValue> {
        let value = self.constant_value(distance, "a window frame")?;
        let invalid = || {
            Error::input(
                "TM0404",
                "a frame's distance is a number that is not negative",
                distance.span,
            )
        };
        if units == WindowFrameUnits::Range {
            return match &value {
                ScalarValue::IntervalMonthDayNano(Some(_)) => Ok(value),
                value if value.data_type().is_numeric() && !value.is_null() => {
                    let text = value.to_string();
                    if text.starts_with('-') {
                        return Err(invalid());
                    }
                    Ok(ScalarValue::from(text))
                }
                _ => Err(invalid()),
            };
        }
        match value {
            ScalarValue::Int64(Some(count)) => u64::try_from(count)
                .map(|count| ScalarValue::UInt64(Some(count)))
                .map_err(|_| invalid()),
            _ => Err(invalid()),
        }
    }
}

impl Binder<'_> {
    /// Computes window functions.
    pub(super) fn window_plan(
        &self,
        plan: LogicalPlan,
        mut windows: Vec<Extracted>,
    ) -> Result<LogicalPlan> {
        let exprs = windows.iter_mut().map(|window| &mut window.expr);
        let plan = hoist_subqueries(plan, exprs, || self.fresh("subquery"))?;
        let plan = self.compute_arguments(plan, &mut windows)?;
        window_nodes(plan, windows)
    }
}

impl Binder<'_> {
    /// What the window of an aggregate function takes, as columns: its node evaluates without our checks.
    fn compute_arguments(
        &self,
        plan: LogicalPlan,
        windows: &mut [Extracted],
    ) -> Result<LogicalPlan> {
        let mut computed = Vec::new();
        for window in windows {
            let Expr::WindowFunction(function) = &mut window.expr else {
                continue;
            };
            if !matches!(function.fun, WindowFunctionDefinition::AggregateUDF(_)) {
                continue;
            }
            let filter = function.params.filter.as_deref_mut();
            for expr in function.params.args.iter_mut().chain(filter) {
                if matches!(expr, Expr::Column(_) | Expr::Literal(..)) {
                    continue;
                }
                let id = self.fresh("argument");
                let column = Expr::Column(Column::new_unqualified(id.as_ref()));
                computed.push((std::mem::replace(expr, column), id));
            }
        }
        match computed.is_empty() {
            true => Ok(plan),
            false => compute(plan, computed),
        }
    }
}

/// Puts Window nodes over the plan, one for each partitioning and order, the longest order first.
fn window_nodes(mut plan: LogicalPlan, windows: Vec<Extracted>) -> Result<LogicalPlan> {
    type Key = (Vec<Expr>, Vec<SortKey>);
    let mut groups: Vec<(Key, Vec<Expr>)> = Vec::new();
    for window in windows {
        let Expr::WindowFunction(function) = &window.expr else {
            return Err(Error::bug("an extracted window function is none"));
        };
        let params = &function.params;
        let key = (params.partition_by.clone(), params.order_by.clone());
        let expr = window.expr.alias(window.column.id.as_ref());
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, exprs)) => exprs.push(expr),
            None => groups.push((key, vec![expr])),
        }
    }
    groups.sort_by_key(|((partition, order), _)| std::cmp::Reverse(partition.len() + order.len()));
    for (_, exprs) in groups {
        plan = LogicalPlan::Window(Window::try_new(exprs, shared(plan))?);
    }
    Ok(plan)
}

/// Numbers that a window function must know before it runs.
fn check_literals(function: &str, args: &[Typed]) -> Result<()> {
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
        let positive = matches!(count, Ok(ScalarValue::Int64(Some(1..))));
        if function == "ntile" && !positive {
            let message = "NTILE needs a number of buckets: 1, 2, 3 …";
            return Err(Error::input("TM0404", message, argument.span));
        }
    }
    Ok(())
}

fn is_distance(bound: &WindowFrameBound) -> bool {
    match bound {
        WindowFrameBound::CurrentRow => false,
        WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) => !value.is_null(),
    }
}

/// A RANGE frame adds to what it is sorted by.
fn check_distance(key: &Typed, place: Span) -> Result<()> {
    let adds = key.data_type.is_numeric() || key.data_type.is_temporal() || key.is_null();
    if adds {
        return Ok(());
    }
    let message = format!(
        "a RANGE frame with a distance needs numbers or times, this is {}",
        key.type_name()
    );
    Err(Error::input("TM0320", message, place)
        .hint("count rows with ROWS, or equal values with GROUPS"))
}

fn window_type(
    function: &Arc<WindowUDF>,
    args: &[Typed],
    name: &str,
    span: Span,
) -> Result<FieldRef> {
    let fields: Vec<FieldRef> = args.iter().map(Typed::field).collect();
    let returned = fields_with_udf(&fields, function.as_ref())
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
