//! Functions written in the language: a call becomes the function's body, with its arguments in place of the parameters.
//!
//! An argument is bound where the call stands, the body among its own names. An argument that is not the same each time it is
//! computed (`RANDOM()`) and that the body reads more than once is computed once and handed to the body as a lambda's variable.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::{HigherOrderFunction, Lambda, LambdaVariable};

use super::Binder;
use super::call::function_name;
use super::scope::{Scope, ScopeColumn};
use super::script::assign;
use super::stage::{Env, Stage};
use super::typed::Typed;
use super::types::data_type;
use crate::catalog::Macro;
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lang::ast::{self, Argument, ArgumentValue, Call, FunctionParam, ParamKind};

/// Functions inside each other: one that calls itself never ends.
const MAX_MACROS: usize = 32;

/// What a function's parameters stand for while its body is bound.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) values: Vec<BoundArgument>,
    /// The module that the function came from.
    pub(super) module: Option<String>,
}

#[derive(Debug)]
pub(super) struct BoundArgument {
    name: String,
    value: Typed,
    /// The columns of the caller that the value reads.
    columns: Vec<ScopeColumn>,
    uses: Cell<usize>,
}

impl Binder<'_> {
    /// A call of a function of the session, if it is one.
    pub(super) fn macro_call(
        &self,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Option<Typed>> {
        let name = joined(&call.function);
        let in_module = self.in_module(&name, stage.env);
        let found = in_module.and_then(|name| self.session.function(&name));
        let Some(function) = found.or_else(|| self.session.function(&name)) else {
            return Ok(None);
        };
        self.refuse_aggregate_clauses(call, span)?;
        if call.over.is_some() {
            let message = format!("{} is no window function", function_name(call));
            return Err(Error::input("TM0315", message, span));
        }
        let given = by_parameter(&function.name, &function.params, &call.args, span)?;
        let mut values = Vec::with_capacity(function.params.len());
        for (param, given) in function.params.iter().zip(given) {
            let value = match given {
                Some(ArgumentValue::Expr(expr)) => {
                    let value = self.expr(expr, stage)?;
                    self.as_parameter(value, param)?
                }
                Some(_) => return Err(no_value(&function.name, param, span)),
                None => self.default_value(function, param, span)?,
            };
            let columns = columns_read(&value, stage);
            values.push(bound_argument(param, value, columns));
        }
        let function = Arc::clone(function);
        self.inside(&function.name, &function.text, span, || {
            self.expand_body(&function, values)
        })
        .map(|value| Some(Typed { span, ..value }))
    }

    /// The body of a function over these arguments.
    fn expand_body(
        &self,
        function: &Macro<ast::Expr>,
        values: Vec<BoundArgument>,
    ) -> Result<Typed> {
        let arguments = Rc::new(Arguments {
            values,
            module: function.module.clone(),
        });
        let body = self.body_over(function, &arguments)?;
        let repeated =
            |argument: &BoundArgument| argument.uses.get() > 1 && argument.value.expr.is_volatile();
        if !arguments.values.iter().any(repeated) {
            return Ok(body);
        }
        let (mut values, mut once) = (Vec::new(), Vec::new());
        for argument in &arguments.values {
            let mut value = argument.value.clone();
            if repeated(argument) {
                let name = self.fresh(&argument.name);
                let field = Field::new(name.as_ref(), value.data_type.clone(), true);
                let variable = LambdaVariable::new(name.to_string(), Some(Arc::new(field)));
                once.push((name, value.clone()));
                value.expr = Expr::LambdaVariable(variable);
            }
            values.push(BoundArgument {
                name: argument.name.clone(),
                value,
                columns: argument.columns.clone(),
                uses: Cell::new(0),
            });
        }
        let arguments = Rc::new(Arguments {
            values,
            module: function.module.clone(),
        });
        let body = self.body_over(function, &arguments)?;
        once.into_iter().try_fold(body, |body, (name, value)| {
            self.with_variable(&name, value, body)
        })
    }

    fn body_over(&self, function: &Macro<ast::Expr>, arguments: &Rc<Arguments>) -> Result<Typed> {
        let scope = Scope::default();
        let env = Env {
            arguments: Some(Rc::clone(arguments)),
            ..Env::default()
        };
        let mut stage = Stage::plain(&scope, &env, "a function");
        let body = self.expr(&function.body, &mut stage)?;
        match &function.returns {
            None => Ok(body),
            Some(returns) => assign(body, &data_type(returns)?),
        }
    }

    /// `array_transform([value], name -> body)[1]`: the value is computed once, however often the body reads it.
    fn with_variable(&self, name: &str, value: Typed, body: Typed) -> Result<Typed> {
        let transform = self.catalog.functions().higher_order("array_transform");
        let transform = transform.ok_or_else(|| Error::bug("array_transform is missing"))?;
        let (span, item_type) = (body.span, body.data_type.clone());
        let one = self.apply_named("make_array", vec![value], span)?;
        let lambda = Expr::Lambda(Lambda::new(vec![name.to_string()], body.expr));
        let call = HigherOrderFunction::new(transform, vec![one.expr, lambda]);
        let item = Arc::new(Field::new_list_field(item_type, true));
        let list = Typed::new(Expr::HigherOrderFunction(call), DataType::List(item), span);
        let first = Typed::literal(ScalarValue::from(1i64), span);
        self.apply_named("array_element", vec![list, first], span)
    }

    /// TM0204 and the like in the body of a function whose parameters all have types.
    pub(super) fn check_macro(&self, function: &Macro<ast::Expr>) -> Result<()> {
        let mut values = Vec::with_capacity(function.params.len());
        for param in &function.params {
            let ParamKind::Typed(written) = &param.kind else {
                return Ok(());
            };
            let id = self.fresh(&param.name.text);
            let column = ScopeColumn {
                name: None,
                id,
                data_type: data_type(written)?,
                nullable: true,
                text: param.name.text.as_str().into(),
                constant: None,
                unknown: false,
            };
            let value = Typed::column(&column, param.name.span);
            values.push(bound_argument(param, value, vec![column]));
        }
        self.deeper(|| self.expand_body(function, values)).map(drop)
    }

    pub(super) fn as_parameter(&self, value: Typed, param: &FunctionParam) -> Result<Typed> {
        match &param.kind {
            ParamKind::Typed(written) => assign(value, &data_type(written)?),
            ParamKind::AnyType | ParamKind::AnyTable => Ok(value),
        }
    }

    pub(super) fn default_value<Body>(
        &self,
        function: &Macro<Body>,
        param: &FunctionParam,
        span: Span,
    ) -> Result<Typed> {
        let Some(default) = &param.default else {
            return Err(no_value(&function.name, param, span));
        };
        self.inside(&function.name, &function.text, span, || {
            let (scope, env) = (Scope::default(), Env::default());
            let mut stage = Stage::plain(&scope, &env, "DEFAULT");
            let value = self.expr(default, &mut stage)?;
            self.as_parameter(value, param)
        })
    }

    /// Binds in the text of a function. Places in it mean nothing to the caller: errors are about the call.
    pub(super) fn inside<T>(
        &self,
        name: &str,
        text: &Arc<str>,
        span: Span,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let before = self.macro_text.replace(Some(Arc::clone(text)));
        let result = self.deeper(work);
        self.macro_text.replace(before);
        result.map_err(|error| error.inside(&format!("the function `{name}`"), span))
    }

    fn deeper<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let depth = self.macro_depth.get();
        if depth == MAX_MACROS {
            let message = format!("functions call each other more than {MAX_MACROS} deep");
            return Err(Error::new(ErrorKind::Limit, "TM0109", message)
                .hint("a function cannot call itself"));
        }
        self.macro_depth.set(depth + 1);
        let result = work();
        self.macro_depth.set(depth);
        result
    }

    /// A parameter of the function whose body this is, and how many parts of the path name it.
    pub(super) fn argument(
        &self,
        path: &ast::Path,
        stage: &Stage,
    ) -> Result<Option<(Typed, usize)>> {
        let (Some(arguments), Some(first)) = (&stage.env.arguments, path.parts.first()) else {
            return Ok(None);
        };
        let mut values = arguments.values.iter();
        let Some(argument) = values.find(|own| own.name.eq_ignore_ascii_case(&first.text)) else {
            return Ok(None);
        };
        argument.uses.set(argument.uses.get() + 1);
        if argument.value.unknown {
            self.meet_unknown();
        }
        let mut value = Typed {
            span: path.span,
            ..argument.value.clone()
        };
        let levels = std::iter::successors(stage.env.outer, |outer| outer.outer).count();
        if levels == 0 || argument.columns.is_empty() {
            return Ok(Some((value, 1)));
        }
        let has_outer =
            |expr: &Expr| expr.exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(..))));
        if levels > 1 || has_outer(&value.expr)? {
            return Err(Error::input(
                "TM0901",
                format!(
                    "`{}` is read in a subquery of a subquery, which cannot be unnested yet",
                    first.text
                ),
                path.span,
            )
            .hint("rewrite the subquery as a JOIN"));
        }
        let outer = value.expr.transform_up(|part| match &part {
            Expr::Column(column) => {
                let mut columns = argument.columns.iter();
                match columns.find(|own| *own.id == column.name) {
                    Some(own) => {
                        let outer = Expr::OuterReferenceColumn(own.field(), own.column());
                        Ok(Transformed::yes(outer))
                    }
                    None => Ok(Transformed::no(part)),
                }
            }
            _ => Ok(Transformed::no(part)),
        });
        value.expr = outer.data()?;
        Ok(Some((value, 1)))
    }

    /// `name` behind the name of the module that the function or the statement belongs to.
    pub(super) fn in_module(&self, name: &str, env: &Env) -> Option<String> {
        let own = env
            .arguments
            .as_ref()
            .and_then(|arguments| arguments.module.as_ref());
        let module = own.or(self.parameters.module.as_ref())?;
        Some(format!("{module}.{name}"))
    }

    /// A script variable or a constant, and how many parts of the path name it.
    pub(super) fn session_value(&self, path: &ast::Path, env: &Env) -> Option<(Typed, usize)> {
        (1..=path.parts.len().min(3)).find_map(|parts| {
            let names = path.parts[..parts].iter().map(|part| part.text.as_str());
            let name = names.collect::<Vec<_>>().join(".");
            let in_module = self.in_module(&name, env);
            let own = in_module.and_then(|name| self.session.value(&name));
            let value = own.or_else(|| self.session.value(&name))?;
            Some((Typed::literal(value.value.clone(), path.span), parts))
        })
    }
}

pub(super) fn bound_argument(
    param: &FunctionParam,
    value: Typed,
    columns: Vec<ScopeColumn>,
) -> BoundArgument {
    BoundArgument {
        name: param.name.text.clone(),
        value,
        columns,
        uses: Cell::new(0),
    }
}

pub(super) fn joined(path: &ast::Path) -> String {
    let parts: Vec<&str> = path.parts.iter().map(|part| part.text.as_str()).collect();
    parts.join(".")
}

/// The argument of each parameter, by position and by name.
pub(super) fn by_parameter<'c>(
    name: &str,
    params: &[FunctionParam],
    args: &'c [Argument],
    span: Span,
) -> Result<Vec<Option<&'c ArgumentValue>>> {
    let mut given: Vec<Option<&ArgumentValue>> = vec![None; params.len()];
    for (index, argument) in args.iter().enumerate() {
        let position = match &argument.name {
            None => index,
            Some(written) => {
                let mut names = params.iter();
                let found =
                    names.position(|param| param.name.text.eq_ignore_ascii_case(&written.text));
                found.ok_or_else(|| {
                    let known: Vec<&str> = params
                        .iter()
                        .map(|param| param.name.text.as_str())
                        .collect();
                    let message = format!("{name} has no argument named `{}`", written.text);
                    let error = Error::input("TM0402", message, written.span);
                    match super::names::nearest(&written.text, known.iter().copied()) {
                        Some(near) => error.did_you_mean(near),
                        None => error.available(known.join(", ")),
                    }
                })?
            }
        };
        let Some(slot) = given.get_mut(position) else {
            let message = format!(
                "{name} takes {} argument{}",
                params.len(),
                if params.len() == 1 { "" } else { "s" }
            );
            return Err(Error::input("TM0402", message, span));
        };
        if slot.replace(&argument.value).is_some() {
            let message = format!("an argument of {name} is given twice");
            return Err(Error::input("TM0402", message, span));
        }
    }
    Ok(given)
}

pub(super) fn no_value(name: &str, param: &FunctionParam, span: Span) -> Error {
    let message = format!("{name} needs a value for `{}`", param.name.text);
    Error::input("TM0402", message, span)
}

/// The columns that an argument reads, of the caller or of the function around it.
fn columns_read(value: &Typed, stage: &Stage) -> Vec<ScopeColumn> {
    let scope = stage.scope;
    let ranges = scope.ranges.iter();
    let ranged = ranges.flat_map(|range| range.columns.iter().chain(&range.pseudo));
    let around = stage.env.arguments.iter();
    let around = around.flat_map(|arguments| arguments.values.iter());
    let known = (scope.columns.iter().chain(&scope.pseudo))
        .chain(ranged)
        .chain(stage.extracted())
        .chain(around.flat_map(|argument| &argument.columns));
    let mut read: Vec<ScopeColumn> = Vec::new();
    let used = value.expr.column_refs();
    for column in known {
        let is_new = !read.iter().any(|other| other.id == column.id);
        if is_new && used.iter().any(|used| *used.name == *column.id) {
            read.push(column.clone());
        }
    }
    read
}
