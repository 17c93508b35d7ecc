//! Expressions: one arm for each kind, and what a name in an expression stands for.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::LambdaVariable;
use datafusion::logical_expr::{Expr, Operator};

use super::Binder;
use super::predicate::conjunction;
use super::scope::{Found, RangeVariable, Scope, ScopeColumn};
use super::stage::{Env, Stage, Use};
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ExprKind};

impl Binder<'_> {
    /// The value, or an unknown one after an error that was kept.
    pub(super) fn expr(&self, expr: &ast::Expr, stage: &mut Stage) -> Result<Typed> {
        self.value_or_unknown(expr.span, || self.known(expr, stage))
    }

    fn known(&self, expr: &ast::Expr, stage: &mut Stage) -> Result<Typed> {
        let span = expr.span;
        let is_conjunct = std::mem::take(&mut stage.is_conjunct);
        match expr.kind.as_ref() {
            ExprKind::Literal(literal) => self.literal(literal, span),
            ExprKind::Parameter(parameter) => self.parameter(parameter, span),
            ExprKind::Setting(name) => self.setting(name),
            ExprKind::Default => {
                let message = "DEFAULT stands in place of a value that is stored";
                Err(Error::input("TM0330", message, span)
                    .hint("it is a whole value of INSERT … VALUES, of MERGE's INSERT or of SET in UPDATE and MERGE"))
            }
            ExprKind::Path(path) => self.path(path, stage),
            ExprKind::Unary { op, operand } => self.unary(*op, operand, span, stage),
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, span, stage),
            ExprKind::And(operands) => self.chain(Operator::And, operands, span, stage),
            ExprKind::Or(operands) => self.chain(Operator::Or, operands, span, stage),
            ExprKind::Is {
                operand,
                test,
                negated,
            } => self.is(operand, *test, *negated, span, stage),
            ExprKind::IsDistinctFrom {
                left,
                right,
                negated,
            } => {
                let operator = if *negated {
                    Operator::IsNotDistinctFrom
                } else {
                    Operator::IsDistinctFrom
                };
                let left = self.expr(left, stage)?;
                let right = self.expr(right, stage)?;
                self.operate(left, operator, right, span)
            }
            ExprKind::Between {
                operand,
                low,
                high,
                negated,
            } => self.between(operand, [low, high], *negated, span, stage),
            ExprKind::Like { .. } => self.like(expr, stage),
            ExprKind::InList {
                operand,
                list,
                negated,
            } => self.in_list(operand, list, *negated, span, stage),
            ExprKind::InQuery {
                operand,
                query,
                negated,
            } if is_conjunct => self.in_query(operand, query, *negated, span, stage),
            ExprKind::InQuery {
                operand,
                query,
                negated,
            } => self.in_query_value(operand, query, *negated, span, stage),
            ExprKind::InArray {
                operand,
                array,
                negated: false,
            } if is_conjunct => self.has_element(operand, array, span, stage),
            ExprKind::InArray {
                operand,
                array,
                negated,
            } => self.in_array(operand, array, *negated, span, stage),
            ExprKind::Quantified {
                operand,
                op,
                all,
                query,
            } => self.quantified(operand, *op, *all, query, span, stage),
            ExprKind::Case {
                operand,
                branches,
                otherwise,
            } => self.case(operand.as_ref(), branches, otherwise.as_ref(), span, stage),
            ExprKind::Cast {
                operand,
                data_type,
                try_,
            } => self.cast(operand, data_type, *try_, span, stage),
            ExprKind::Extract { part, operand } => self.extract_part(part, operand, span, stage),
            ExprKind::Exists(query) => self.exists(query, false, span, stage),
            ExprKind::Subquery(query) => self.scalar_query(query, span, stage),
            ExprKind::ArrayQuery(query) => self.array_query(query, span, stage),
            ExprKind::Array {
                element_type,
                items,
            } => self.array(element_type.as_ref(), items, span, stage),
            ExprKind::Struct { fields, types } => self.struct_(fields, types, span, stage),
            ExprKind::Interval { value, part } => self.interval(value, part.as_ref(), span, stage),
            ExprKind::Call(call) => self.call(call, span, stage),
            ExprKind::Field { base, name } => {
                let base = self.expr(base, stage)?;
                self.field(base, name)
            }
            ExprKind::Subscript { base, index } => self.subscript(base, index, span, stage),
        }
    }

    /// A condition: BOOL or TM0401.
    pub(super) fn condition(&self, expr: &ast::Expr, stage: &mut Stage) -> Result<Expr> {
        let clause = stage.clause.to_string();
        self.expr(expr, stage)?.condition(&clause)
    }

    /// The condition of a filter, whose subqueries may become joins.
    pub(super) fn filter_condition(&self, expr: &ast::Expr, stage: &mut Stage) -> Result<Expr> {
        stage.is_filter = true;
        let mut conjuncts = Vec::new();
        if let ExprKind::And(operands) = expr.kind.as_ref() {
            for operand in operands {
                stage.is_conjunct = true;
                conjuncts.push(self.expr(operand, stage)?.condition("AND")?);
            }
        } else {
            stage.is_conjunct = true;
            conjuncts.push(self.condition(expr, stage)?);
        }
        stage.is_filter = false;
        conjunction(conjuncts).ok_or_else(|| Error::bug("a condition without conjuncts"))
    }

    fn path(&self, path: &ast::Path, stage: &mut Stage) -> Result<Typed> {
        if let Some(variable) = self.lambda_variable(path, stage) {
            return self.fields(variable, &path.parts[1..]);
        }
        if let Some(found) = stage.scope.find(&path.parts)? {
            return self.here(found, path, stage);
        }
        if let Some((value, parts)) = self.argument(path, stage)? {
            return self.fields(value, &path.parts[parts..]);
        }
        if let Some((value, parts)) = self.session_value(path, stage.env) {
            return self.fields(value, &path.parts[parts..]);
        }
        let mut outer = stage.env.outer;
        while let Some(around) = outer {
            if let Some(found) = around.scope.find(&path.parts)? {
                return self.outside(found, path);
            }
            outer = around.outer;
        }
        let around = std::iter::successors(stage.env.outer, |around| around.outer);
        let mut scopes = around.map(|around| around.scope).chain([stage.scope]);
        if scopes.any(|scope| self.may_be_unknown(&path.parts, scope)) {
            self.meet_unknown();
            return Ok(Typed::unknown(path.span));
        }
        match path.parts.as_slice() {
            [word] if !word.quoted && is_function_without_parentheses(&word.text) => {
                self.apply_named(&word.text.to_lowercase(), Vec::new(), path.span)
            }
            _ => Err(self.unknown_column(path, stage)),
        }
    }

    fn unknown_column(&self, path: &ast::Path, stage: &Stage) -> Error {
        let sibling = path.parts.first().filter(|first| {
            let mut siblings = stage.siblings.iter();
            siblings.any(|sibling| sibling.eq_ignore_ascii_case(&first.text))
        });
        if let Some(name) = sibling {
            let message = format!("no column named `{}` here", name.text);
            return Error::input("TM0201", message, path.span)
                .label("it is made in this same list")
                .hint("items of one list do not see each other: split into two EXTEND steps");
        }
        let columnless = match stage.clause {
            "DEFAULT" => Some(
                "a DEFAULT is a value for every row: it knows no columns, variables or parameters",
            ),
            "a table function's argument" => Some(
                "a table function is called once, so that its arguments know no columns; for each row write JOIN LATERAL",
            ),
            _ => None,
        };
        if let (Some(hint), Some(first)) = (columnless, path.parts.first()) {
            let message = format!(
                "no column can be read here, and `{}` is no variable",
                first.text
            );
            return Error::input("TM0201", message, path.span).hint(hint);
        }
        let error = stage.scope.unknown(&path.parts);
        match path.parts.first() {
            Some(name) if error.suggested_fix().is_none() => self.way_back(error, name, stage),
            _ => error,
        }
    }

    /// What to do about a name that an earlier step took away.
    fn way_back(&self, error: Error, name: &ast::Ident, stage: &Stage) -> Error {
        let Some(lost) = stage.scope.last_seen(&name.text) else {
            return error;
        };
        let operator = match stage.clause {
            "ON" => "JOIN",
            clause @ ("WHERE" | "EXTEND" | "SET" | "ORDER BY" | "AGGREGATE" | "SELECT") => clause,
            _ => return error,
        };
        let step = self.source(lost.keyword).to_ascii_uppercase();
        let line = |at: usize| {
            self.text
                .get(..at)
                .map(|text| text.matches('\n').count() + 1)
        };
        let (here, there) = (line(name.span.start), line(lost.keyword.start));
        let way = match there {
            Some(there) if here > Some(there) => format!("move the {operator} above line {there}"),
            _ if operator == step => format!("write it into the {step} before"),
            _ => format!("move the {operator} before the {step}"),
        };
        let verb = match operator {
            "WHERE" => "filter on",
            "ORDER BY" => "sort by",
            _ => "use",
        };
        let mut columns = stage.scope.columns.iter();
        let made_of_it = columns.find(|column| {
            let mut words = column
                .text
                .split(|c: char| !(c.is_alphanumeric() || c == '_'));
            words.any(|word| word.eq_ignore_ascii_case(&name.text))
        });
        let made_of_it = made_of_it.and_then(|column| column.name.as_deref());
        error.hint(match (made_of_it, step.as_str()) {
            (Some(column), _) => format!("{way}, or {verb} `{column}`"),
            (None, "SELECT") => format!("{way}, or keep `{}` in that SELECT", name.text),
            (None, "AGGREGATE") => format!("{way}, or group by `{}` there", name.text),
            (None, _) => way,
        })
    }

    /// A name of this query.
    fn here(&self, found: Found, path: &ast::Path, stage: &mut Stage) -> Result<Typed> {
        if stage.only_aggregates && stage.inside_aggregate.is_none() {
            return Err(outside_aggregate(path, stage.scope));
        }
        self.match_range(&found, path, stage)?;
        match found {
            Found::Column(column, parts) => {
                if column.unknown {
                    self.meet_unknown();
                }
                note_use(&column, path.span, stage);
                let value = Typed::column(&column, path.span);
                self.fields(value, &path.parts[parts..])
            }
            Found::Row(range) => {
                for column in &range.columns {
                    note_use(column, path.span, stage);
                }
                self.row(&range, path.span, Typed::column)
            }
        }
    }

    /// A name of an enclosing query.
    fn outside(&self, found: Found, path: &ast::Path) -> Result<Typed> {
        match found {
            Found::Column(column, parts) => {
                if column.unknown {
                    self.meet_unknown();
                }
                self.fields(outer_column(&column, path.span), &path.parts[parts..])
            }
            Found::Row(range) => self.row(&range, path.span, outer_column),
        }
    }

    /// A bare range variable is its row.
    fn row(
        &self,
        range: &RangeVariable,
        span: Span,
        value: fn(&ScopeColumn, Span) -> Typed,
    ) -> Result<Typed> {
        let fields = range
            .columns
            .iter()
            .map(|column| (column.display().to_string(), value(column, span)))
            .collect();
        self.named_struct(fields, span)
    }

    /// The fields of a path after its column.
    fn fields(&self, mut value: Typed, names: &[ast::Ident]) -> Result<Typed> {
        for name in names {
            value = self.field(value, name)?;
        }
        Ok(value)
    }

    fn lambda_variable(&self, path: &ast::Path, stage: &Stage) -> Option<Typed> {
        let first = path.parts.first()?;
        let (name, field) = stage
            .lambda
            .iter()
            .rev()
            .find(|(name, _)| name.eq_ignore_ascii_case(&first.text))?;
        let variable = LambdaVariable::new(name.clone(), Some(Arc::clone(field)));
        Some(Typed::new(
            Expr::LambdaVariable(variable),
            field.data_type().clone(),
            path.span,
        ))
    }

    /// A value that must be known before the query runs, such as a table function's option.
    pub(super) fn constant_value(&self, expr: &ast::Expr, clause: &str) -> Result<ScalarValue> {
        self.constant_in(expr, clause, &Env::default())
    }

    /// The same inside a function, whose arguments may be such values too.
    pub(super) fn constant_in(
        &self,
        expr: &ast::Expr,
        clause: &str,
        env: &Env,
    ) -> Result<ScalarValue> {
        let scope = Scope::default();
        let env = Env {
            arguments: env.arguments.clone(),
            ..Env::default()
        };
        let mut stage = Stage::plain(&scope, &env, clause);
        let typed = self
            .whole(|| self.expr(expr, &mut stage))
            .map_err(|error| {
                if error.code() != "TM0201" {
                    return error;
                }
                let message = format!("{clause} needs a literal or a parameter, not a column");
                Error::input("TM0407", message, expr.span).hint("it is the same for all rows")
            })?;
        typed
            .value()
            .cloned()
            .ok_or_else(|| Error::input("TM0407", format!("{clause} needs a literal"), expr.span))
    }
}

/// Standard SQL calls these without parentheses; a column of that name comes first.
fn is_function_without_parentheses(word: &str) -> bool {
    const WORDS: [&str; 3] = ["current_date", "current_time", "current_timestamp"];
    WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn outer_column(column: &ScopeColumn, span: Span) -> Typed {
    Typed {
        nullable: column.nullable,
        ..Typed::new(
            Expr::OuterReferenceColumn(column.field(), column.column()),
            column.data_type.clone(),
            span,
        )
    }
}

fn note_use(column: &ScopeColumn, span: Span, stage: &mut Stage) {
    if stage.inside_aggregate.is_none() {
        stage.uses.push(Use {
            id: Arc::clone(&column.id),
            span,
        });
    }
}

fn outside_aggregate(path: &ast::Path, scope: &Scope) -> Error {
    let name = path.parts.last().map_or("", |part| part.text.as_str());
    let known = matches!(scope.find(&path.parts), Ok(Some(_)));
    debug_assert!(known, "only known columns are refused here");
    Error::input(
        "TM0312",
        format!("`{name}` stands outside of an aggregate function"),
        path.span,
    )
    .hint("aggregate it, or group by it and compute with it in an EXTEND after the AGGREGATE")
}
