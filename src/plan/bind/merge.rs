//! MERGE: rows of a source meet the rows of a table, and clauses say what becomes of both.
//!
//! Of the clauses for one kind of rows the first whose condition holds is carried out. A row of the table that a clause is carried
//! out for by two rows of the source is an error, which the count of candidates finds: each row of the table has a number.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::datasource::{MemTable, source_as_provider};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, lit, when};

use super::Binder;
use super::change::{Rewrite, own_values};
use super::durable::column;
use super::flow::Shared;
use super::join::both;
use super::relation::Relation;
use super::scope::{Scope, ScopeColumn, pick};
use super::stage::{Env, Stage};
use super::typed::Typed;
use super::{Step, set};
use crate::catalog::ScanSource;
use crate::catalog::durable::SnapshotTable;
use crate::catalog::functions::row_id;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Ident, Merge, MergeAction, MergeClause, MergeRows, TableFactor, TableKind};
use crate::plan::BoundQuery;
use crate::table::database::DurableTable;

/// The clause of rows that no clause is for.
const NONE: i64 = -1;

impl Binder<'_> {
    pub(super) fn merge(&self, table: DurableTable, merge: &Merge) -> Result<Rewrite> {
        check_clauses(&merge.clauses)?;
        let env = Env::default();
        let mut steps = Vec::new();
        let shared = self.merge_source(&merge.source, &env, &mut steps)?;
        let merging = Merging {
            binder: self,
            table: &table,
            merge,
            shared,
            env,
        };
        let (touched, kept) = match merging.changes_rows() {
            true => (Some(merging.touched()?), Some(merging.kept()?)),
            false => (None, None),
        };
        let added = merging.added()?;
        let shared = steps.pop().and_then(|step| match step {
            Step::Share { rows, query } => Some((rows, query)),
            _ => None,
        });
        Ok(Rewrite {
            operation: "MERGE",
            shared,
            touched,
            kept,
            added,
            table,
        })
    }

    /// The source is read several times: what might not be the same each time is put aside.
    fn merge_source(
        &self,
        source: &TableFactor,
        env: &Env,
        steps: &mut Vec<Step>,
    ) -> Result<Option<Shared>> {
        let relation = self.factor(source, env)?;
        let plain = matches!(source.kind, TableKind::Table(_) | TableKind::TableAt { .. });
        if plain && is_scan(&relation.plan)? {
            return Ok(None);
        }
        self.share(relation, steps).map(Some)
    }
}

/// A MERGE on its way to queries.
struct Merging<'m, 'b> {
    binder: &'m Binder<'b>,
    table: &'m DurableTable,
    merge: &'m Merge,
    shared: Option<Shared>,
    env: Env<'m>,
}

impl Merging<'_, '_> {
    fn changes_rows(&self) -> bool {
        let mut clauses = self.merge.clauses.iter();
        clauses.any(|clause| clause.rows != MergeRows::NotMatched)
    }

    fn clauses(&self, rows: MergeRows) -> impl Iterator<Item = (i64, &MergeClause)> {
        let clauses = (0_i64..).zip(&self.merge.clauses);
        clauses.filter(move |(_, clause)| clause.rows == rows)
    }

    fn has(&self, rows: MergeRows) -> bool {
        self.clauses(rows).next().is_some()
    }

    fn target(&self) -> Result<Relation> {
        self.binder.target(self.table, self.merge.alias.as_ref())
    }

    /// The source under ids of its own.
    fn source(&self) -> Result<Relation> {
        match &self.shared {
            Some(shared) => self.binder.reread(shared),
            None => self.binder.factor(&self.merge.source, &self.env),
        }
    }

    /// Rows that meet, by the condition of the MERGE and `more`.
    fn joined(
        &self,
        left: Relation,
        right: Relation,
        kind: JoinType,
        more: Option<Expr>,
    ) -> Result<Relation> {
        let span = self.merge.on.span;
        let scope = both(&left.scope, &right.scope, span)?;
        let mut stage = Stage::plain(&scope, &self.env, "ON");
        let on = self.binder.stable(&self.merge.on, &mut stage)?;
        let on = match more {
            Some(more) => on.and(more),
            None => on,
        };
        self.binder
            .join_plans(left, right, kind, Some(on), false, span)
    }

    /// The number of the clause that is carried out for a row.
    fn chosen(&self, rows: MergeRows, scope: &Scope) -> Result<Expr> {
        let mut stage = Stage::plain(scope, &self.env, "WHEN");
        let mut chosen = lit(NONE);
        let clauses: Vec<_> = self.clauses(rows).collect();
        for (number, clause) in clauses.into_iter().rev() {
            let condition = match &clause.condition {
                None => lit(true),
                Some(condition) => self.binder.stable(condition, &mut stage)?,
            };
            chosen = when(condition, lit(number)).otherwise(chosen)?;
        }
        Ok(chosen)
    }

    /// Adds the number of the clause as a column.
    fn with_clause(&self, relation: &mut Relation, rows: MergeRows) -> Result<ScopeColumn> {
        let chosen = self.chosen(rows, &relation.scope)?;
        self.hidden(relation, chosen)
    }

    fn hidden(&self, relation: &mut Relation, chosen: Expr) -> Result<ScopeColumn> {
        let chosen = Typed::new(chosen, DataType::Int64, Span::default());
        self.binder.add_hidden(relation, "clause", chosen)
    }

    fn deletes(&self, rows: MergeRows) -> Vec<Expr> {
        let clauses = self.clauses(rows);
        let deletes = clauses.filter(|(_, clause)| clause.action == MergeAction::Delete);
        deletes.map(|(number, _)| lit(number)).collect()
    }

    fn touched(&self) -> Result<BoundQuery> {
        let mut candidates = Vec::new();
        for (rows, kind) in [
            (MergeRows::Matched, JoinType::Inner),
            (MergeRows::NotMatchedBySource, JoinType::LeftAnti),
        ] {
            if !self.has(rows) {
                continue;
            }
            let mut target = self.target()?;
            let id = Typed::new(row_id().call(Vec::new()), DataType::Int64, Span::default());
            let row = self.binder.add_hidden(&mut target, "row", id)?;
            let mut met = self.joined(target, self.source()?, kind, None)?;
            let clause = self.with_clause(&mut met, rows)?;
            met.filter(clause.expr().gt(lit(NONE)))?;
            let goes = clause.expr().in_list(self.deletes(rows), false);
            let gone = when(goes, lit(1_i64)).end()?;
            candidates.push(self.binder.candidates(&met, Some(&row), gone)?);
        }
        self.binder.by_segment(candidates, true)
    }

    /// Every row of the segments, once: with the row of the source that changes it, if one does.
    fn kept(&self) -> Result<BoundQuery> {
        let by_source = self.has(MergeRows::NotMatchedBySource);
        let mut matched = self.target()?;
        if by_source {
            matched = self.joined(matched, self.source()?, JoinType::LeftSemi, None)?;
        }
        let mut parts = vec![self.kept_matched(matched)?];
        if by_source {
            let rows = MergeRows::NotMatchedBySource;
            let mut alone =
                self.joined(self.target()?, self.source()?, JoinType::LeftAnti, None)?;
            let clause = self.with_clause(&mut alone, rows)?;
            parts.push(self.carried_out(alone, rows, &clause)?);
        }
        let columns = parts[0].columns.clone();
        let plans = parts.into_iter().map(|part| part.plan).collect();
        Ok(BoundQuery {
            plan: set::union(plans, true)?,
            columns,
            places: self.binder.places.borrow().clone(),
            sources: self.binder.sources.borrow().clone(),
            chart: None,
        })
    }

    fn kept_matched(&self, mut target: Relation) -> Result<BoundQuery> {
        let rows = MergeRows::Matched;
        if !self.has(rows) {
            let clause = self.hidden(&mut target, lit(NONE))?;
            return self.carried_out(target, rows, &clause);
        }
        let mut source = self.source()?;
        let there = Typed::literal(ScalarValue::from(true), Span::default());
        let there = self.binder.add_hidden(&mut source, "there", there)?;
        let scope = both(&target.scope, &source.scope, self.merge.on.span)?;
        let fires = self.chosen(rows, &scope)?.gt(lit(NONE));
        let mut met = self.joined(target, source, JoinType::Left, Some(fires))?;
        let chosen = self.chosen(rows, &met.scope)?;
        let chosen = when(there.expr().is_null(), lit(NONE)).otherwise(chosen)?;
        let clause = self.hidden(&mut met, chosen)?;
        self.carried_out(met, rows, &clause)
    }

    /// The rows of the table after their clauses.
    fn carried_out(
        &self,
        mut relation: Relation,
        rows: MergeRows,
        clause: &ScopeColumn,
    ) -> Result<BoundQuery> {
        let deletes = self.deletes(rows);
        if !deletes.is_empty() {
            relation.filter(clause.expr().in_list(deletes, true))?;
        }
        let scope = relation.scope.clone();
        let mut stage = Stage::plain(&scope, &self.env, "SET");
        let mut values = own_values(&relation, self.table);
        for (number, updating) in self.clauses(rows) {
            let changes = match &updating.action {
                MergeAction::Update(changes) => {
                    let alias = self.merge.alias.as_ref();
                    self.binder
                        .changes(self.table, alias, changes, &mut stage)?
                }
                MergeAction::UpdateAll => {
                    let source = &scope.columns[values.len()..];
                    self.all_by_name(source, updating.span)?
                }
                _ => continue,
            };
            for (position, value) in changes {
                let old = std::mem::take(&mut values[position]);
                values[position] = when(clause.expr().eq(lit(number)), value).otherwise(old)?;
            }
        }
        self.binder.rows_of(relation.plan, self.table, values)
    }

    /// Rows of the source that no row of the table meets.
    fn added(&self) -> Result<Option<BoundQuery>> {
        let rows = MergeRows::NotMatched;
        if !self.has(rows) {
            return Ok(None);
        }
        let name = self.merge.alias.as_ref();
        let name = name.map_or(self.table.name.as_str(), |alias| alias.text.as_str());
        let whole = SnapshotTable::new(self.table.clone(), false);
        let mut whole = self.binder.scan(
            &self.table.name,
            Some(ScanSource::Table(self.table.name.clone())),
            Arc::new(whole),
        )?;
        whole.scope = whole.scope.under(name);
        let mut alone = self.joined(self.source()?, whole, JoinType::LeftAnti, None)?;
        let clause = self.with_clause(&mut alone, rows)?;
        alone.filter(clause.expr().gt(lit(NONE)))?;
        let scope = alone.scope.clone();
        let mut stage = Stage::plain(&scope, &self.env, "INSERT");
        let fields = self.table.snapshot.columns.seen.fields();
        let defaults = self
            .binder
            .kept_defaults(&self.table.snapshot.columns, self.merge.on.span)?;
        let mut values = Vec::with_capacity(fields.len());
        for (field, default) in fields.iter().zip(defaults) {
            values.push(match default {
                Some(default) => default.expr,
                None => lit(ScalarValue::try_from(field.data_type())?),
            });
        }
        for (number, inserting) in self.clauses(rows) {
            for (position, value) in self.inserted(inserting, &scope, &mut stage)? {
                let other = std::mem::take(&mut values[position]);
                values[position] = when(clause.expr().eq(lit(number)), value).otherwise(other)?;
            }
        }
        let added = self.binder.rows_of(alone.plan, self.table, values)?;
        Ok(Some(added))
    }

    fn inserted(
        &self,
        clause: &MergeClause,
        scope: &Scope,
        stage: &mut Stage,
    ) -> Result<Vec<(usize, Expr)>> {
        let MergeAction::Insert {
            columns,
            values,
            span,
        } = &clause.action
        else {
            return self.all_by_name(&scope.columns, clause.span);
        };
        let all = self.table.snapshot.columns.seen.fields().len();
        let wanted = if columns.is_empty() {
            all
        } else {
            columns.len()
        };
        if values.len() != wanted {
            let message = format!("{wanted} values are wanted, {} are given", values.len());
            return Err(Error::input("TM0302", message, *span));
        }
        let mut found: Vec<(usize, Expr)> = Vec::with_capacity(wanted);
        for (place, value) in values.iter().enumerate() {
            let position = match columns.get(place) {
                None => place,
                Some(name) => column(&self.table.snapshot.columns.seen, name)?,
            };
            if let (true, Some(name)) = (
                found.iter().any(|(other, _)| *other == position),
                columns.get(place),
            ) {
                let message = format!("`{}` is listed twice", name.text);
                return Err(Error::input("TM0301", message, name.span));
            }
            let table = self.table;
            let value = self
                .binder
                .value_or_default(table, position, value, stage)?;
            found.push((
                position,
                self.binder.stored_value(self.table, position, value)?,
            ));
        }
        Ok(found)
    }

    /// `*`: a column of the source for each of the table's.
    fn all_by_name(&self, source: &[ScopeColumn], span: Span) -> Result<Vec<(usize, Expr)>> {
        let fields = self.table.snapshot.columns.seen.fields().iter();
        let values = fields.enumerate().map(|(position, field)| {
            let name = Ident {
                text: field.name().clone(),
                quoted: true,
                span,
            };
            let Some(column) = pick(source, &name)? else {
                let message = format!("the source has no column named `{}`", field.name());
                return Err(Error::input("TM0303", message, span)
                    .hint("`*` needs every column of the table; write out the others"));
            };
            let value = Typed::column(column, span);
            let value = self.binder.stored_value(self.table, position, value)?;
            Ok((position, value))
        });
        values.collect()
    }
}

/// The plan reads a table that stays the same while the statement runs, and does nothing else.
fn is_scan(plan: &LogicalPlan) -> Result<bool> {
    let LogicalPlan::Projection(projection) = plan else {
        return Ok(false);
    };
    let LogicalPlan::TableScan(scan) = projection.input.as_ref() else {
        return Ok(false);
    };
    let provider = source_as_provider(&scan.source)?;
    let stays = provider.is::<SnapshotTable>() || provider.is::<MemTable>();
    Ok(stays)
}

/// Each kind of rows has its own actions, and nothing comes after a clause that is for all of them.
fn check_clauses(clauses: &[MergeClause]) -> Result<()> {
    for (place, clause) in clauses.iter().enumerate() {
        let insert = matches!(
            clause.action,
            MergeAction::Insert { .. } | MergeAction::InsertAll
        );
        let (fits, what) = match clause.rows {
            MergeRows::Matched => (!insert, "WHEN MATCHED takes UPDATE or DELETE"),
            MergeRows::NotMatched => (insert, "WHEN NOT MATCHED takes INSERT"),
            MergeRows::NotMatchedBySource => (
                !insert && clause.action != MergeAction::UpdateAll,
                "WHEN NOT MATCHED BY SOURCE takes UPDATE SET column = … or DELETE",
            ),
        };
        if !fits {
            return Err(Error::input("TM0327", what, clause.span));
        }
        let mut before = clauses[..place].iter();
        let all = before.find(|other| other.rows == clause.rows && other.condition.is_none());
        if let Some(all) = all {
            let message = "no row is left for this clause";
            return Err(Error::input("TM0327", message, clause.span)
                .also(all.span, "this one takes all of them"));
        }
    }
    Ok(())
}
