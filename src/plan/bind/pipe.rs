//! Pipe operators: one arm for each, a table in and a table out.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

use super::Binder;
use super::catalog_rows::description;
use super::flow::not_outermost;
use super::project::{no_columns, only_column};
use super::query::one_row;
use super::relation::{NewColumn, Relation};
use super::scope::Scope;
use super::stage::Env;
use super::typed::Typed;
use super::types::type_name;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, Ident, NamedWindow, Pipe, PipeOp, SelectItem};

impl Binder<'_> {
    pub(super) fn pipe(&self, mut relation: Relation, pipe: &Pipe, env: &Env) -> Result<Relation> {
        match &pipe.op {
            PipeOp::Where(condition) => self.filter(relation, condition, "WHERE", env),
            PipeOp::Select {
                distinct,
                shape: _,
                items,
                windows,
            } => {
                let columns =
                    self.with_windows(&mut relation, env, "SELECT", windows, |stage| {
                        self.items(items, stage)
                    })?;
                self.select_columns(&mut relation, columns, pipe.keyword)?;
                if *distinct {
                    relation = self.distinct(relation)?;
                }
                Ok(relation)
            }
            PipeOp::Extend { items, windows } => self.extend(relation, items, windows, env),
            PipeOp::Set(assignments) => self.set_columns(relation, assignments, env),
            PipeOp::Drop(names) => self.drop_columns(relation, names, pipe.keyword),
            PipeOp::Rename(renames) => self.rename(relation, renames, pipe.keyword),
            PipeOp::As(alias) => {
                relation.scope = relation.scope.under(&alias.text);
                Ok(relation)
            }
            PipeOp::Aggregate { items, group_by } => {
                self.aggregate(relation, items, group_by.as_ref(), pipe, env)
            }
            PipeOp::Distinct => {
                let before = relation.scope.clone();
                let mut relation = self.distinct(relation)?;
                relation.scope = relation.scope.after(&before, pipe.keyword);
                Ok(relation)
            }
            PipeOp::Join(join) => self.join(relation, join, env),
            PipeOp::OrderBy(items) => {
                self.order_by(&mut relation, items, env)?;
                Ok(relation)
            }
            PipeOp::Limit(limit) => {
                self.limit(&mut relation, limit, env)?;
                Ok(relation)
            }
            PipeOp::SetOperation { operator, queries } => {
                let mut relations = vec![relation];
                for query in queries {
                    relations.push(self.query(query, env)?);
                }
                self.set_operation(operator, relations, &[operator.span], pipe.keyword)
            }
            PipeOp::With(_) => Err(Error::bug("WITH changes the surroundings, not the table")),
            PipeOp::If {
                branches,
                otherwise,
            } => match self.chosen(branches, otherwise.as_deref(), env)? {
                Some(chosen) => self.pipes(relation, chosen, &mut env.clone()),
                None => Ok(relation),
            },
            PipeOp::Describe => self.describe(&relation, env),
            PipeOp::StaticDescribe => {
                let text = description(&relation, &common_tables(env));
                self.warn(Error::input("TW04", text, pipe.keyword));
                Ok(relation)
            }
            PipeOp::Call {
                function,
                args,
                alias,
            } => {
                let relation = self.call_table(relation, function, args, env)?;
                Ok(match alias {
                    None => relation,
                    Some(alias) => Relation {
                        scope: relation.scope.under(&alias.text),
                        ..relation
                    },
                })
            }
            PipeOp::Sample(sample) => self.sample(relation, sample, env),
            PipeOp::Pivot(pivot) => self.pivot(relation, pivot, env),
            PipeOp::Match(matching) => self.match_recognize(relation, matching, pipe.keyword, env),
            PipeOp::Assert {
                condition,
                payload,
                on_violation,
            } => self.assert_rows(relation, condition, payload, *on_violation, env),
            PipeOp::RecursiveUnion {
                operator,
                body,
                alias,
            } => self.recursive_union(relation, operator, body, alias.as_ref(), pipe, env),
            PipeOp::Window(items) => self.window_items(relation, items, pipe.keyword, env),
            PipeOp::Tee(_)
            | PipeOp::Fork(_)
            | PipeOp::Log(_)
            | PipeOp::CreateTable(_)
            | PipeOp::Insert(_)
            | PipeOp::Export(_) => Err(not_outermost(pipe, &self.source(pipe.keyword))),
        }
    }

    /// The subpipe whose condition is true: its pipes stand in place of the IF.
    pub(super) fn chosen<'p>(
        &self,
        branches: &'p [(ast::Expr, Vec<Pipe>)],
        otherwise: Option<&'p [Pipe]>,
        env: &Env,
    ) -> Result<Option<&'p [Pipe]>> {
        for (condition, pipes) in branches {
            if self.truth(condition, env)? == Some(true) {
                return Ok(Some(pipes));
            }
        }
        Ok(otherwise)
    }

    /// What a condition is that must be known before rows are read; `None` for NULL.
    fn truth(&self, condition: &ast::Expr, env: &Env) -> Result<Option<bool>> {
        if let ast::ExprKind::Unary {
            op: ast::UnaryOp::Not,
            operand,
        } = condition.kind.as_ref()
        {
            return Ok(self.truth(operand, env)?.map(|truth| !truth));
        }
        let value = self.constant_in(condition, "IF", env).map_err(|error| {
            error.hint(
                "only script variables, constants and parameters are known before rows are read",
            )
        })?;
        match value {
            ScalarValue::Boolean(truth) => Ok(truth),
            ScalarValue::Null => Ok(None),
            other => {
                let found = type_name(&other.data_type());
                let message = format!("IF needs a BOOL, this is {found}");
                Err(Error::input("TM0401", message, condition.span))
            }
        }
    }

    /// One row that says what the table is: nothing of it is read.
    fn describe(&self, relation: &Relation, env: &Env) -> Result<Relation> {
        let text = description(relation, &common_tables(env));
        let mut described = one_row();
        let new = NewColumn {
            name: Some("Describe".into()),
            text: "Describe".into(),
            value: Typed::literal(ScalarValue::from(text), Span::default()),
        };
        let columns = self.add_columns(&mut described, vec![new])?;
        described.scope = Scope::new(columns);
        Ok(described)
    }

    /// Deprecated: EXTEND where every item has a window function.
    fn window_items(
        &self,
        relation: Relation,
        items: &[SelectItem],
        keyword: Span,
        env: &Env,
    ) -> Result<Relation> {
        let without = items.iter().find_map(|item| match item {
            SelectItem::Expr { expr, .. } if has_window(expr) => None,
            SelectItem::Expr { expr, .. } => Some(expr.span),
            SelectItem::Star { span, .. } => Some(*span),
        });
        if let Some(span) = without {
            let message = "an item of WINDOW needs a window function";
            return Err(Error::input("TM0315", message, span).hint("write `|> EXTEND …`"));
        }
        let message = "WINDOW is deprecated: EXTEND does the same";
        self.warn(Error::input("TW01", message, keyword).hint("write `|> EXTEND …`"));
        self.extend(relation, items, &[], env)
    }

    /// Keeps the rows for which the condition is TRUE; window functions in it see all rows.
    pub(super) fn filter(
        &self,
        mut relation: Relation,
        condition: &ast::Expr,
        clause: &str,
        env: &Env,
    ) -> Result<Relation> {
        let predicate = self.with_windows(&mut relation, env, clause, &[], |stage| {
            self.filter_condition(condition, stage)
        })?;
        self.keep_rows(&mut relation, predicate)?;
        Ok(relation)
    }

    /// A condition that chance decides is computed for every row of this place: by itself it would move below joins and UNNEST.
    pub(super) fn keep_rows(&self, relation: &mut Relation, predicate: Expr) -> Result<()> {
        if !predicate.is_volatile() {
            return relation.filter(predicate);
        }
        let value = Typed::bool(predicate, Span::default());
        let chosen = self.add_hidden(relation, "chosen", value)?;
        relation.filter(chosen.expr())
    }

    fn extend(
        &self,
        mut relation: Relation,
        items: &[SelectItem],
        windows: &[NamedWindow],
        env: &Env,
    ) -> Result<Relation> {
        for item in items {
            if let SelectItem::Star { of: None, span, .. } = item {
                return Err(Error::input(
                    "TM0301",
                    "EXTEND keeps every column, `*` would repeat them",
                    *span,
                )
                .hint("leave the `*` out"));
            }
        }
        let columns = self.with_windows(&mut relation, env, "EXTEND", windows, |stage| {
            self.items(items, stage)
        })?;
        for column in &columns {
            let Some(name) = &column.name else { continue };
            if relation.scope.columns.iter().any(|own| own.is_called(name)) {
                let message =
                    format!("there is a column named `{name}` already: the name is now ambiguous");
                self.warn(
                    Error::input("TW03", message, column.value.span)
                        .hint(format!("to change the column write `|> SET {name} = …`")),
                );
            }
        }
        let columns = self.add_columns(&mut relation, columns)?;
        relation.scope.columns.extend(columns);
        Ok(relation)
    }

    /// All right sides see the input row; range variables keep it.
    fn set_columns(
        &self,
        mut relation: Relation,
        assignments: &[(Ident, ast::Expr)],
        env: &Env,
    ) -> Result<Relation> {
        let mut positions: Vec<Option<usize>> = Vec::with_capacity(assignments.len());
        for (name, _) in assignments {
            let moment = self.moment();
            let position = match only_column(&relation.scope, name) {
                Ok(position) => Some(position),
                Err(error) => {
                    let is_new = error.code() == "TM0201" && error.suggested_fix().is_none();
                    let error = match is_new {
                        true => error.hint(format!(
                            "SET changes columns that are there; to add one write `|> EXTEND … AS {}`",
                            name.text
                        )),
                        false => error,
                    };
                    self.keep_name(error, name, &relation.scope, moment)?;
                    None
                }
            };
            if position.is_some() && positions.contains(&position) {
                self.keep(twice_in_list(name, "SET"), moment)?;
            }
            positions.push(position);
        }
        let values = self.with_windows(&mut relation, env, "SET", &[], |stage| {
            let values = assignments.iter();
            values
                .map(|(_, expr)| self.expr(expr, stage))
                .collect::<Result<Vec<_>>>()
        })?;
        let known = values.into_iter().zip(positions);
        let known = known.filter_map(|(value, position)| Some((value, position?)));
        let (values, positions): (Vec<Typed>, Vec<usize>) = known.unzip();
        let new = values
            .into_iter()
            .zip(&positions)
            .map(|(value, position)| {
                let old = &relation.scope.columns[*position];
                NewColumn {
                    name: old.name.clone(),
                    text: old.text.clone(),
                    value,
                }
            })
            .collect();
        let columns = self.add_columns(&mut relation, new)?;
        for (position, column) in positions.into_iter().zip(columns) {
            relation.scope.columns[position] = column;
        }
        Ok(relation)
    }
}

/// The tables of WITH that can be named here.
fn common_tables(env: &Env) -> Vec<String> {
    let chain = std::iter::successors(env.ctes.as_deref(), |cte| cte.before.as_deref());
    let mut names: Vec<String> = chain.map(|cte| cte.name.clone()).collect();
    names.reverse();
    names
}

/// Whether a window function stands somewhere in the expression, outside of subqueries.
fn has_window(expr: &ast::Expr) -> bool {
    match expr.kind.as_ref() {
        ast::ExprKind::Call(call) => {
            call.over.is_some()
                || call.args.iter().any(|argument| match &argument.value {
                    ast::ArgumentValue::Expr(expr) => has_window(expr),
                    _ => false,
                })
        }
        ast::ExprKind::Unary { operand, .. }
        | ast::ExprKind::Cast { operand, .. }
        | ast::ExprKind::Extract { operand, .. }
        | ast::ExprKind::Is { operand, .. } => has_window(operand),
        ast::ExprKind::Binary { left, right, .. }
        | ast::ExprKind::IsDistinctFrom { left, right, .. } => {
            has_window(left) || has_window(right)
        }
        ast::ExprKind::And(operands) | ast::ExprKind::Or(operands) => {
            operands.iter().any(has_window)
        }
        ast::ExprKind::Between {
            operand, low, high, ..
        } => [operand, low, high].into_iter().any(has_window),
        ast::ExprKind::Case {
            operand,
            branches,
            otherwise,
        } => {
            let mut whole = operand.iter().chain(otherwise);
            let mut parts = branches.iter().flat_map(|(when, then)| [when, then]);
            whole.any(has_window) || parts.any(has_window)
        }
        ast::ExprKind::Field { base, .. } | ast::ExprKind::Subscript { base, .. } => {
            has_window(base)
        }
        _ => false,
    }
}

impl Binder<'_> {
    /// Every column of a name goes.
    fn drop_columns(
        &self,
        mut relation: Relation,
        names: &[Ident],
        keyword: Span,
    ) -> Result<Relation> {
        let before = relation.scope.clone();
        let mut dropped: Vec<&str> = Vec::with_capacity(names.len());
        for name in names {
            let moment = self.moment();
            if dropped
                .iter()
                .any(|other| other.eq_ignore_ascii_case(&name.text))
            {
                self.keep(twice_in_list(name, "DROP"), moment)?;
                continue;
            }
            dropped.push(&name.text);
            let known = before
                .columns
                .iter()
                .any(|column| column.is_called(&name.text));
            if !known {
                let error = before.unknown(std::slice::from_ref(name));
                self.keep_name(error, name, &before, moment)?;
                continue;
            }
            let columns = &mut relation.scope.columns;
            columns.retain(|column| !column.is_called(&name.text));
        }
        if relation.scope.columns.is_empty() {
            return Err(no_columns(keyword).hint("keep at least one column"));
        }
        relation.scope = relation.scope.after(&before, keyword);
        Ok(relation)
    }

    /// All renames happen at once, so that names can be swapped.
    fn rename(
        &self,
        mut relation: Relation,
        renames: &[(Ident, Ident)],
        keyword: Span,
    ) -> Result<Relation> {
        let before = relation.scope.clone();
        let mut changed: Vec<usize> = Vec::with_capacity(renames.len());
        for (old, new) in renames {
            let moment = self.moment();
            let position = match only_column(&before, old) {
                Ok(position) => position,
                Err(error) => {
                    self.keep_name(error, old, &before, moment)?;
                    continue;
                }
            };
            if changed.contains(&position) {
                self.keep(twice_in_list(old, "RENAME"), moment)?;
                continue;
            }
            changed.push(position);
            relation.scope.columns[position].name = Some(new.text.as_str().into());
        }
        relation.scope = relation.scope.after(&before, keyword);
        Ok(relation)
    }
}

fn twice_in_list(name: &Ident, clause: &str) -> Error {
    Error::input(
        "TM0301",
        format!("`{}` stands twice in this {clause}", name.text),
        name.span,
    )
}
