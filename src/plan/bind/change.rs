//! Copy on write: DELETE, UPDATE and what they have in common with MERGE.
//!
//! A change asks three things of the table. Which segments hold rows that change or go ([`Rewrite::touched`]), and what becomes of
//! the rows of those ([`Rewrite::kept`]), which are then written again; and which rows are new ([`Rewrite::added`]).

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::{count, count_distinct};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit, when};

use super::Binder;
use super::durable::column;
use super::relation::{Relation, all_columns, project};
use super::scope::ScopeColumn;
use super::script::assign;
use super::set::union;
use super::stage::{Env, Stage};
use super::typed::Typed;
use crate::catalog::ScanSource;
use crate::catalog::durable::SnapshotTable;
use crate::catalog::shared::SharedRows;
use crate::error::{Error, Result};
use crate::lang::ast::{self, Change, ExprKind, Ident, IsTest, Path};
use crate::plan::{BoundQuery, OutputColumn};
use crate::table::database::DurableTable;

/// Segments that are written again because some of their rows change.
#[derive(Debug)]
pub(crate) struct Rewrite {
    /// As the log names it.
    pub(crate) operation: &'static str,
    pub(crate) table: DurableTable,
    /// Rows to be made once, before the others are.
    pub(crate) shared: Option<(Arc<SharedRows>, BoundQuery)>,
    /// For each segment with such rows: its file, rows that change or go, how many rows these are, how many go.
    pub(crate) touched: Option<BoundQuery>,
    /// The rows of touched segments as they will be.
    pub(crate) kept: Option<BoundQuery>,
    pub(crate) added: Option<BoundQuery>,
}

impl Binder<'_> {
    /// The table that the statement changes, under its name.
    pub(super) fn target(&self, table: &DurableTable, alias: Option<&Ident>) -> Result<Relation> {
        let provider = SnapshotTable::target(table.clone());
        let mut relation = self.scan(
            &table.name,
            Some(ScanSource::Table(table.name.clone())),
            Arc::new(provider),
        )?;
        let name = alias.map_or(table.name.as_str(), |alias| alias.text.as_str());
        relation.scope = relation.scope.under(name);
        Ok(relation)
    }

    pub(super) fn delete(&self, table: DurableTable, condition: &ast::Expr) -> Result<Rewrite> {
        let env = Env::default();
        let target = self.target(&table, None)?;
        self.stable_condition(&target, condition, &env)?;
        let hit = self.filter(target, condition, "WHERE", &env)?;
        let found = self.candidates(&hit, None, lit(1_i64))?;
        let kept = self.target(&table, None)?;
        let kept = self.filter(kept, &is_not_true(condition.clone()), "WHERE", &env)?;
        let values = own_values(&kept, &table);
        Ok(Rewrite {
            operation: "DELETE",
            shared: None,
            touched: Some(self.by_segment(vec![found], false)?),
            kept: Some(self.rows_of(kept.plan, &table, values)?),
            added: None,
            table,
        })
    }

    pub(super) fn update(&self, table: DurableTable, update: &ast::Update) -> Result<Rewrite> {
        let (env, alias) = (Env::default(), update.alias.as_ref());
        let target = self.target(&table, alias)?;
        let found = self.filter(target, &update.condition, "WHERE", &env)?;
        let stays = lit(ScalarValue::Int64(None));
        let found = self.candidates(&found, None, stays)?;

        let mut kept = self.target(&table, alias)?;
        let hit = self.stable_condition(&kept, &update.condition, &env)?;
        let scope = kept.scope.clone();
        let mut stage = Stage::plain(&scope, &env, "SET");
        let changes = self.changes(&table, alias, &update.changes, &mut stage)?;
        let hit = Typed::bool(hit.is_true(), update.condition.span);
        let hit = self.add_hidden(&mut kept, "hit", hit)?;
        let mut values = own_values(&kept, &table);
        for (position, value) in changes {
            let old = std::mem::take(&mut values[position]);
            values[position] = when(hit.expr(), value).otherwise(old)?;
        }
        Ok(Rewrite {
            operation: "UPDATE",
            shared: None,
            touched: Some(self.by_segment(vec![found], false)?),
            kept: Some(self.rows_of(kept.plan, &table, values)?),
            added: None,
            table,
        })
    }

    /// A condition that is asked more than once must say the same each time, and of one row at a time.
    pub(super) fn stable_condition(
        &self,
        target: &Relation,
        condition: &ast::Expr,
        env: &Env,
    ) -> Result<Expr> {
        let mut stage = Stage::plain(&target.scope, env, "WHERE");
        self.stable(condition, &mut stage)
    }

    pub(super) fn stable(&self, condition: &ast::Expr, stage: &mut Stage) -> Result<Expr> {
        let bound = self.condition(condition, stage)?;
        if bound.is_volatile() {
            let message = "the condition of a change must not depend on chance";
            return Err(Error::input("TM0329", message, condition.span)
                .hint("compute the rows first: CREATE TEMP TABLE chosen AS …"));
        }
        Ok(bound)
    }

    /// Assignments: positions of the table's columns and their new values.
    pub(super) fn changes(
        &self,
        table: &DurableTable,
        alias: Option<&Ident>,
        changes: &[Change],
        stage: &mut Stage,
    ) -> Result<Vec<(usize, Expr)>> {
        let mut found: Vec<(usize, Expr)> = Vec::with_capacity(changes.len());
        for change in changes {
            let name = changed_column(table, alias, &change.column)?;
            let position = column(&table.snapshot.columns.seen, name)?;
            if found.iter().any(|(other, _)| *other == position) {
                let message = format!("`{}` is set twice", name.text);
                return Err(Error::input("TM0301", message, name.span));
            }
            let value = self.value_or_default(table, position, &change.value, stage)?;
            found.push((position, self.stored_value(table, position, value)?));
        }
        Ok(found)
    }

    /// A value for a column of the table, or what the column has without one.
    pub(super) fn value_or_default(
        &self,
        table: &DurableTable,
        position: usize,
        value: &ast::Expr,
        stage: &mut Stage,
    ) -> Result<Typed> {
        if *value.kind != ast::ExprKind::Default {
            return self.expr(value, stage);
        }
        let mut defaults = self.kept_defaults(&table.snapshot.columns, value.span)?;
        let null = || Typed::literal(ScalarValue::Null, value.span);
        Ok(defaults.swap_remove(position).unwrap_or_else(null))
    }

    /// The value as a column of the table takes it.
    pub(super) fn stored_value(
        &self,
        table: &DurableTable,
        position: usize,
        value: Typed,
    ) -> Result<Expr> {
        let field = table.snapshot.columns.seen.field(position);
        let span = value.span;
        let value = assign(value, field.data_type())
            .map_err(|error| error.inside(&format!("the column `{}`", field.name()), span))?;
        Ok(self.noted(value).expr)
    }

    /// Rows that change or go: the segment of each, `row` that tells them apart where one stands here twice, and `gone`, which is
    /// NULL for those that stay.
    pub(super) fn candidates(
        &self,
        relation: &Relation,
        row: Option<&ScopeColumn>,
        gone: Expr,
    ) -> Result<LogicalPlan> {
        let row = row.map_or_else(|| lit(1_i64), ScopeColumn::expr);
        let columns = [
            (file_column(relation)?.expr(), "file"),
            (row, "row"),
            (gone, "gone"),
        ];
        let columns = columns.map(|(value, name)| value.alias(self.fresh(name).as_ref()));
        project(relation.plan.clone(), columns.to_vec())
    }

    /// Candidates counted by segment. Rows that may be there twice are counted apart as well.
    pub(super) fn by_segment(
        &self,
        candidates: Vec<LogicalPlan>,
        twice: bool,
    ) -> Result<BoundQuery> {
        let plan = union(candidates, true)?;
        let all = all_columns(&plan);
        let [file, row, gone] = all.as_slice() else {
            return Err(Error::bug("candidates have three columns"));
        };
        let different = match twice {
            true => count_distinct(row.clone()),
            false => count(lit(1_i64)),
        };
        let counts = [count(lit(1_i64)), different, count(gone.clone())];
        let counts = counts.map(|count| count.alias(self.fresh("count").as_ref()));
        let plan = LogicalPlanBuilder::from(plan)
            .aggregate([file.clone()], counts)?
            .build()?;
        Ok(self.hidden_query(plan, ["file", "rows", "different", "gone"]))
    }

    /// The rows that a table stores: a value for each of its columns.
    pub(super) fn rows_of(
        &self,
        plan: LogicalPlan,
        table: &DurableTable,
        values: Vec<Expr>,
    ) -> Result<BoundQuery> {
        let fields = table.snapshot.columns.seen.fields();
        self.rows_named(
            plan,
            values,
            fields.iter().map(|field| field.name().as_str()),
        )
    }

    pub(super) fn rows_named<'n>(
        &self,
        plan: LogicalPlan,
        values: Vec<Expr>,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<BoundQuery> {
        let values = values.into_iter().zip(names.clone());
        let values = values.map(|(value, name)| value.alias(self.fresh(name).as_ref()));
        let plan = project(plan, values.collect())?;
        Ok(self.hidden_query(plan, names))
    }

    /// A query whose rows no user sees.
    fn hidden_query<'n>(
        &self,
        plan: LogicalPlan,
        names: impl IntoIterator<Item = &'n str>,
    ) -> BoundQuery {
        let columns = names.into_iter().map(|name| OutputColumn {
            name: name.to_string(),
            anonymous: false,
        });
        BoundQuery {
            plan,
            columns: columns.collect(),
            places: self.places.borrow().clone(),
            sources: self.sources.borrow().clone(),
            chart: None,
        }
    }
}

/// The columns of the table as they are.
pub(super) fn own_values(target: &Relation, table: &DurableTable) -> Vec<Expr> {
    let count = table.snapshot.columns.seen.fields().len();
    let columns = target.scope.columns.iter().take(count);
    columns.map(ScopeColumn::expr).collect()
}

/// The column that tells each row's segment.
fn file_column(target: &Relation) -> Result<&ScopeColumn> {
    let column = target.scope.pseudo.first();
    column.ok_or_else(|| Error::bug("the table that is changed has no files"))
}

/// `c` or `t.c`.
fn changed_column<'p>(
    table: &DurableTable,
    alias: Option<&Ident>,
    path: &'p Path,
) -> Result<&'p Ident> {
    let own = alias.map_or(table.name.as_str(), |alias| alias.text.as_str());
    match path.parts.as_slice() {
        [name] => Ok(name),
        [range, name] if range.text.eq_ignore_ascii_case(own) => Ok(name),
        _ => {
            let message = format!("a column of `{own}` is set here");
            Err(Error::input("TM0201", message, path.span)
                .hint("to change a field of a STRUCT set the whole column"))
        }
    }
}

fn is_not_true(condition: ast::Expr) -> ast::Expr {
    ast::Expr {
        span: condition.span,
        kind: Box::new(ExprKind::Is {
            operand: condition,
            test: IsTest::True,
            negated: true,
        }),
    }
}
