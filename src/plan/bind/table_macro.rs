//! Table functions written in the language, by name and by CALL.

use std::rc::Rc;

use super::Binder;
use super::macros::{Arguments, bound_argument, by_parameter, no_value};
use super::relation::Relation;
use super::scope::Scope;
use super::stage::{Env, Stage};
use super::typed::Typed;
use crate::catalog::Macro;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Argument, ArgumentValue, ExprKind, FunctionParam, ParamKind, Query};

impl Binder<'_> {
    /// A table function of the session over its arguments and the input of a CALL.
    pub(super) fn table_macro(
        &self,
        function: &Macro<Query>,
        args: &[Argument],
        input: Option<Relation>,
        span: Span,
        env: &Env,
    ) -> Result<Relation> {
        let given = match &input {
            None => by_parameter(&function.name, &function.params, args, span)?,
            Some(_) => with_input(function, args, span)?,
        };
        let mut input = input;
        let (mut ctes, mut values) = (None, Vec::new());
        for (param, given) in function.params.iter().zip(given) {
            if param.kind == ParamKind::AnyTable {
                let table = self.table_argument(function, param, given, &mut input, span, env)?;
                let finished = self.finish(table, false)?;
                let argument = self.table_of(&param.name, finished, &ctes, env)?;
                ctes = Some(Rc::new(argument));
                continue;
            }
            let value = match given {
                Some(ArgumentValue::Expr(expr)) => {
                    let (scope, closed) = (
                        Scope::default(),
                        Env {
                            // LATERAL sees the rows on its left.
                            outer: env.outer,
                            arguments: env.arguments.clone(),
                            ..Env::default()
                        },
                    );
                    let mut stage = Stage::plain(&scope, &closed, "a table function's argument");
                    let value = self.expr(expr, &mut stage)?;
                    self.as_parameter(value, param)?
                }
                Some(_) => return Err(no_value(&function.name, param, span)),
                None => self.default_value(function, param, span)?,
            };
            values.push(bound_argument(param, value, Vec::new()));
        }
        if input.is_some() {
            let message = format!(
                "{} takes no table, so that it cannot be called on one",
                function.name
            );
            return Err(Error::input("TM0402", message, span));
        }
        let env = Env {
            ctes,
            outer: None,
            arguments: Some(Rc::new(Arguments {
                values,
                module: function.module.clone(),
            })),
            recursion: env.recursion.clone(),
        };
        self.inside(&function.name, &function.text, span, || {
            let relation = self.query(&function.body, &env)?;
            let finished = self.finish(relation, false)?;
            Ok(Relation::new(finished.plan, Scope::new(finished.columns)))
        })
    }

    /// Binds the body over tables of any columns and values of any type.
    pub(super) fn check_table_macro(&self, function: &Macro<Query>) -> Result<()> {
        let (mut ctes, mut values) = (None, Vec::new());
        for param in &function.params {
            if param.kind == ParamKind::AnyTable {
                let table = self.finish(self.any_table()?, false)?;
                let argument = self.table_of(&param.name, table, &ctes, &Env::default())?;
                ctes = Some(Rc::new(argument));
            } else {
                let value = Typed::unknown(param.name.span);
                values.push(bound_argument(param, value, Vec::new()));
            }
        }
        let env = Env {
            ctes,
            arguments: Some(Rc::new(Arguments {
                values,
                module: function.module.clone(),
            })),
            ..Env::default()
        };
        self.query(&function.body, &env).map(drop)
    }

    fn table_argument(
        &self,
        function: &Macro<Query>,
        param: &FunctionParam,
        given: Option<&ArgumentValue>,
        input: &mut Option<Relation>,
        span: Span,
        env: &Env,
    ) -> Result<Relation> {
        let env = Env {
            outer: None,
            ..env.clone()
        };
        match given {
            Some(ArgumentValue::Table(path)) => self.table(path, &env),
            Some(ArgumentValue::Expr(expr)) if matches!(*expr.kind, ExprKind::Subquery(_)) => {
                match expr.kind.as_ref() {
                    ExprKind::Subquery(query) => self.query(query, &env),
                    _ => Err(Error::bug("a query that is none")),
                }
            }
            Some(ArgumentValue::InputTable(at)) => input.take().ok_or_else(|| {
                Error::input("TM0402", "INPUT TABLE is the input of a `|> CALL`", *at)
                    .hint("name the table: TABLE t")
            }),
            _ => Err(Error::input(
                "TM0402",
                format!("{} needs a table for `{}`", function.name, param.name.text),
                span,
            )
            .hint("write TABLE t or (query)")),
        }
    }
}

/// The arguments of a CALL: its input is for the first table parameter, if none says INPUT TABLE.
fn with_input<'c>(
    function: &Macro<Query>,
    args: &'c [Argument],
    span: Span,
) -> Result<Vec<Option<&'c ArgumentValue>>> {
    const INPUT: ArgumentValue = ArgumentValue::InputTable(Span { start: 0, end: 0 });
    let says_where = args
        .iter()
        .any(|argument| matches!(argument.value, ArgumentValue::InputTable(_)));
    let table = function
        .params
        .iter()
        .position(|param| param.kind == ParamKind::AnyTable);
    let (false, Some(table)) = (says_where, table) else {
        return by_parameter(&function.name, &function.params, args, span);
    };
    let mut others = function.params.clone();
    others.remove(table);
    let mut given = by_parameter(&function.name, &others, args, span)?;
    given.insert(table, Some(&INPUT));
    Ok(given)
}
