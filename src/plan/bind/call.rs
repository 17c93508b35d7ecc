//! Function calls: which function is meant, and whether its arguments fit. Scalar functions and lambdas are made here.

use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::expr::{HigherOrderFunction, Lambda, ScalarFunction};
use datafusion::logical_expr::type_coercion::functions::{
    UDFCoercionExt, fields_with_udf, value_fields_with_higher_order_udf,
    value_fields_with_higher_order_udf_and_lambdas,
};
use datafusion::logical_expr::{
    Expr, HigherOrderReturnFieldArgs, HigherOrderUDF, LambdaParametersProgress, ReturnFieldArgs,
    ScalarUDF, ValueOrLambda,
};

use super::Binder;
use super::constant;
use super::googlesql::GOOGLESQL;
use super::matched::outside_match;
use super::names;
use super::order::alike;
use super::rewrites::{OTHER_NAMES, REWRITTEN};
use super::signature::{named_arguments, usage};
use super::stage::Stage;
use super::typed::{Typed, agree_on_exactness};
use super::unify::unify;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ArgumentValue, Call};

impl Binder<'_> {
    pub(super) fn call(&self, call: &Call, span: Span, stage: &mut Stage) -> Result<Typed> {
        if let Some(expanded) = self.macro_call(call, span, stage)? {
            return Ok(expanded);
        }
        let [ident] = call.function.parts.as_slice() else {
            return Err(Error::input(
                "TM0204",
                format!(
                    "no function named `{}`",
                    super::macros::joined(&call.function)
                ),
                call.function.span,
            )
            .hint("only functions of imported modules have a name before the dot"));
        };
        let name = ident.text.to_ascii_lowercase();
        if let Some(value) = self.match_call(&name, call, span, stage)? {
            return Ok(value);
        }
        if let Some(rewritten) = self.rewrite_call(&name, call, span, stage)? {
            return Ok(rewritten);
        }
        let functions = self.catalog.functions();
        if call.over.is_some() {
            return self.window_call(&name, call, span, stage);
        }
        if let Some(aggregate) = functions.aggregate(&name) {
            return self.aggregate_call(aggregate, call, span, stage);
        }
        if let Some(function) = functions.scalar(&name) {
            self.refuse_aggregate_clauses(call, span)?;
            let arguments = self.arguments(call, function.signature(), stage)?;
            return self.apply(function, arguments, &name.to_uppercase(), span);
        }
        if let Some(function) = functions.higher_order(&name) {
            self.refuse_aggregate_clauses(call, span)?;
            return self.higher_order_call(function, call, span, stage);
        }
        if functions.window(&name).is_some() {
            return Err(Error::input(
                "TM0315",
                format!("{} needs OVER", name.to_uppercase()),
                span,
            )
            .hint(format!(
                "write {}(…) OVER (ORDER BY …), or OVER () without an order",
                name.to_uppercase()
            )));
        }
        Err(outside_match(&name, span).unwrap_or_else(|| self.unknown_function(ident)))
    }

    pub(super) fn unknown_function(&self, ident: &ast::Ident) -> Error {
        let mut known = self.catalog.functions().names();
        let own = self.session.functions().into_iter();
        known.extend(own.map(|function| function.name.clone()));
        let spelled = REWRITTEN.iter().chain(GOOGLESQL).map(|(name, ..)| *name);
        let others = OTHER_NAMES.iter().map(|(name, _)| *name);
        known.extend(spelled.chain(others).map(str::to_string));
        let error = Error::input(
            "TM0204",
            format!("no function named `{}`", ident.text),
            ident.span,
        );
        match names::nearest(&ident.text, known.iter().map(String::as_str)) {
            // As it was written: in capitals or not.
            Some(near) if ident.text.contains(|c: char| c.is_ascii_uppercase()) => {
                error.did_you_mean(&near.to_uppercase())
            }
            Some(near) => error.did_you_mean(near),
            None => error.hint("SHOW FUNCTIONS lists them all"),
        }
    }

    /// The positional and named arguments of a call, in the function's order.
    pub(super) fn arguments(
        &self,
        call: &Call,
        signature: &datafusion::logical_expr::Signature,
        stage: &mut Stage,
    ) -> Result<Vec<Typed>> {
        let mut arguments = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            let value = match &argument.value {
                ArgumentValue::Expr(expr) => self.expr(expr, stage)?,
                ArgumentValue::Star(span) => {
                    return Err(Error::input("TM0402", "only COUNT takes `*`", *span));
                }
                ArgumentValue::Lambda { body, .. } => {
                    return Err(Error::input(
                        "TM0402",
                        format!("{} takes no lambda", function_name(call)),
                        body.span,
                    ));
                }
                ArgumentValue::Table(_) | ArgumentValue::InputTable(_) => {
                    return Err(no_table(call));
                }
            };
            arguments.push((argument.name.as_ref(), value));
        }
        named_arguments(&function_name(call), arguments, signature)
    }

    /// A function of the catalog by name, for what the language writes otherwise.
    pub(super) fn apply_named(
        &self,
        name: &str,
        arguments: Vec<Typed>,
        span: Span,
    ) -> Result<Typed> {
        let function = self
            .catalog
            .functions()
            .scalar(name)
            .ok_or_else(|| Error::bug(format!("the function {name} is missing")))?;
        self.apply(function, arguments, &name.to_uppercase(), span)
    }

    /// A scalar function over arguments that are bound; TM0402 if it does not take them.
    pub(super) fn apply(
        &self,
        function: Arc<ScalarUDF>,
        mut arguments: Vec<Typed>,
        shown: &str,
        span: Span,
    ) -> Result<Typed> {
        if chooses_a_value(function.name()) {
            agree_on_exactness(&mut arguments);
            // NVL2 only looks at whether its first is NULL.
            let from = usize::from(function.name() == "nvl2").min(arguments.len());
            let what = format!("the arguments of {shown}");
            unify(&mut arguments[from..].to_vec(), &what, span)?;
        }
        if function.name() == "nullif" {
            arguments = arguments.into_iter().map(alike).collect();
        }
        let fields: Vec<FieldRef> = arguments.iter().map(Typed::field).collect();
        let literals: Vec<Option<&ScalarValue>> = arguments
            .iter()
            .map(|argument| match &argument.expr {
                Expr::Literal(value, _) => Some(value),
                _ => None,
            })
            .collect();
        let taken = coerced(&fields, function.as_ref());
        let returned = taken.and_then(|fields| {
            function.return_field_from_args(ReturnFieldArgs {
                arg_fields: &fields,
                scalar_arguments: &literals,
            })
        });
        let returned = returned.map_err(|error| {
            let documentation = function.documentation();
            let known = usage(shown, function.signature(), documentation);
            refused(error, shown, &arguments, known, span)
        })?;
        if let Some(value) = constant::call(&function, &arguments, &returned) {
            return Ok(Typed::literal(value, span));
        }
        if function.name() == "regexp_like"
            && let [_, pattern @ ..] = arguments.as_slice()
            && pattern.iter().all(|part| part.value().is_some())
        {
            // The optimizer reads a written pattern before there is any text to look at.
            let mut call = vec![Expr::Literal("".into(), None)];
            call.extend(pattern.iter().map(|part| part.expr.clone()));
            self.noted(Typed::bool(function.call(call), span));
        }
        if matches!(function.name(), "arrow_cast" | "cast_to_type")
            && let Some(value) = arguments.first().cloned()
            && !value.data_type.is_nested()
        {
            // The optimizer makes this of it, and errors are found by what they come of.
            let value = value.cast(returned.data_type());
            return Ok(self.noted(Typed { span, ..value }));
        }
        let expr = ScalarFunction::new_udf(
            function,
            arguments
                .into_iter()
                .map(|argument| argument.expr)
                .collect(),
        );
        Ok(self.noted(Typed {
            nullable: returned.is_nullable(),
            ..Typed::new(
                Expr::ScalarFunction(expr),
                returned.data_type().clone(),
                span,
            )
        }))
    }

    /// `array_transform(xs, x -> x + 1)`.
    fn higher_order_call(
        &self,
        function: Arc<HigherOrderUDF>,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let shown = function.name().to_uppercase();
        let mut values: Vec<Option<Typed>> = Vec::new();
        for argument in &call.args {
            values.push(match &argument.value {
                ArgumentValue::Expr(expr) => Some(self.expr(expr, stage)?),
                ArgumentValue::Lambda { .. } => None,
                ArgumentValue::Star(span) => {
                    return Err(Error::input("TM0402", "only COUNT takes `*`", *span));
                }
                ArgumentValue::Table(_) | ArgumentValue::InputTable(_) => {
                    return Err(no_table(call));
                }
            });
        }
        let known: Vec<Typed> = values.iter().flatten().cloned().collect();
        let refuse = |error| {
            let form = vec![format!("{shown}(array, x -> …)")];
            refused(error, &shown, &known, form, span)
        };
        let fields: Vec<ValueOrLambda<FieldRef, Option<FieldRef>>> = values
            .iter()
            .map(|value| match value {
                Some(value) => ValueOrLambda::Value(value.field()),
                None => ValueOrLambda::Lambda(None),
            })
            .collect();
        let fields = value_fields_with_higher_order_udf(&fields, &function).map_err(&refuse)?;
        let parameters = match function.lambda_parameters(0, &fields).map_err(&refuse)? {
            LambdaParametersProgress::Complete(parameters) => parameters,
            LambdaParametersProgress::Partial(_) => {
                return Err(Error::not_implemented(
                    format!("{shown} with lambdas that depend on each other"),
                    span,
                ));
            }
        };
        let mut parameters = parameters.into_iter();
        let mut expressions = Vec::with_capacity(call.args.len());
        let mut fields: Vec<ValueOrLambda<FieldRef, FieldRef>> = Vec::new();
        for (argument, value) in call.args.iter().zip(values) {
            match (&argument.value, value) {
                (ArgumentValue::Lambda { params, body }, _) => {
                    let types = parameters.next().unwrap_or_default();
                    let (lambda, result) = self.lambda(params, &types, body, stage)?;
                    fields.push(ValueOrLambda::Lambda(result.field()));
                    expressions.push(lambda);
                }
                (_, Some(value)) => {
                    fields.push(ValueOrLambda::Value(value.field()));
                    expressions.push(value.expr);
                }
                (_, None) => return Err(Error::bug("an argument that is neither")),
            }
        }
        let literals = vec![None; expressions.len()];
        let returned = value_fields_with_higher_order_udf_and_lambdas(&fields, &function)
            .and_then(|fields| {
                function.return_field_from_args(HigherOrderReturnFieldArgs {
                    arg_fields: &fields,
                    scalar_arguments: &literals,
                })
            })
            .map_err(&refuse)?;
        let expr = Expr::HigherOrderFunction(HigherOrderFunction::new(function, expressions));
        Ok(Typed {
            nullable: returned.is_nullable(),
            ..Typed::new(expr, returned.data_type().clone(), span)
        })
    }

    fn lambda(
        &self,
        params: &[ast::Ident],
        types: &[FieldRef],
        body: &ast::Expr,
        stage: &mut Stage,
    ) -> Result<(Expr, Typed)> {
        if params.len() > types.len() {
            return Err(Error::input(
                "TM0402",
                format!(
                    "this lambda names {} values and is given {}",
                    params.len(),
                    types.len()
                ),
                body.span,
            ));
        }
        let before = stage.lambda.len();
        for (param, field) in params.iter().zip(types) {
            let field: Field = field.as_ref().clone().with_name(&param.text);
            stage.lambda.push((param.text.clone(), Arc::new(field)));
        }
        let result = self.expr(body, stage);
        stage.lambda.truncate(before);
        let result = result?;
        let names = params.iter().map(|param| param.text.clone()).collect();
        let lambda = Expr::Lambda(Lambda::new(names, result.expr.clone()));
        Ok((lambda, result))
    }

    /// DISTINCT, FILTER and the like belong to aggregate functions.
    pub(super) fn refuse_aggregate_clauses(&self, call: &Call, span: Span) -> Result<()> {
        let clause = if call.distinct {
            "DISTINCT"
        } else if call.filter.is_some() {
            "FILTER"
        } else if !call.order_by.is_empty() {
            "ORDER BY"
        } else if !call.within_group.is_empty() {
            "WITHIN GROUP"
        } else if call.limit.is_some() {
            "LIMIT"
        } else if call.ignore_nulls.is_some() {
            "IGNORE or RESPECT NULLS"
        } else {
            return Ok(());
        };
        Err(Error::input(
            "TM0402",
            format!(
                "{clause} is for aggregate functions; {} is none",
                function_name(call)
            ),
            span,
        ))
    }
}

fn no_table(call: &Call) -> Error {
    let message = format!("{} takes values, not tables", function_name(call));
    Error::input("TM0402", message, call.function.span)
}

/// The function's name as messages show it.
pub(super) fn function_name(call: &Call) -> String {
    let name = call.function.parts.last();
    name.map(|name| name.text.to_uppercase())
        .unwrap_or_default()
}

/// What the function takes for values of these types; an error where one cannot become what it takes.
pub(super) fn coerced<F: UDFCoercionExt>(
    fields: &[FieldRef],
    function: &F,
) -> DataFusionResult<Vec<FieldRef>> {
    let taken = fields_with_udf(fields, function)?;
    for (given, taken) in fields.iter().zip(&taken) {
        let (given, taken) = (given.data_type(), taken.data_type());
        if given != taken && !can_cast_types(given, taken) {
            return Err(DataFusionError::Plan(format!("{given} is no {taken}")));
        }
    }
    Ok(taken)
}

/// TM0402: the function does not take these arguments.
pub(super) fn refused(
    error: DataFusionError,
    shown: &str,
    arguments: &[Typed],
    forms: Vec<String>,
    span: Span,
) -> Error {
    if let DataFusionError::External(inner) = &error
        && inner.is::<Error>()
    {
        return Error::from(error).at(span);
    }
    let types: Vec<String> = arguments.iter().map(Typed::type_name).collect();
    let message = if types.is_empty() {
        format!("{shown} needs arguments")
    } else {
        format!("{shown} does not take ({})", types.join(", "))
    };
    let error = Error::input("TM0402", message, span);
    if forms.is_empty() {
        return error;
    }
    error.hint(format!("it is called as {}", forms.join(" or ")))
}

/// Functions that give back one of their arguments, which therefore must have one type.
fn chooses_a_value(name: &str) -> bool {
    matches!(
        name,
        "coalesce" | "nvl" | "nvl2" | "nullif" | "greatest" | "least"
    )
}
