//! A plan and the names over it, and the few ways to change both together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{Expr, ExprSchemable, Filter, LogicalPlan, Projection, Sort};

use super::scope::{Scope, ScopeColumn};
use super::typed::Typed;
use super::{Binder, shared};
use crate::error::Result;

/// Columns of a plan that no name stands for: so many may stay.
const IDLE_COLUMNS: usize = 64;

/// A table under construction. The plan may have more columns than the scope names: the optimizer drops them, and
/// [`narrow`](Relation::narrow) does where they are many.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) plan: LogicalPlan,
    pub(super) scope: Scope,
    /// An order that was asked for and that nothing has needed yet. Who can be seen to depend on it applies it.
    pub(super) order: Vec<SortKey>,
    /// The order that the rows of the plan have.
    pub(super) sorted: Vec<SortKey>,
}

/// A column to add.
pub(super) struct NewColumn {
    pub(super) name: Option<Arc<str>>,
    pub(super) text: Arc<str>,
    pub(super) value: Typed,
}

impl NewColumn {
    /// One that only the plan knows.
    pub(super) fn hidden(name: &str, value: Typed) -> Self {
        NewColumn {
            name: Some(name.into()),
            text: name.into(),
            value,
        }
    }
}

/// A plan with exactly the columns of its query, each once.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) plan: LogicalPlan,
    pub(super) columns: Vec<ScopeColumn>,
}

impl Relation {
    pub(super) fn new(plan: LogicalPlan, scope: Scope) -> Self {
        Relation {
            plan,
            scope,
            order: Vec::new(),
            sorted: Vec::new(),
        }
    }

    pub(super) fn filter(&mut self, predicate: Expr) -> Result<()> {
        let input = shared(std::mem::take(&mut self.plan));
        self.plan = LogicalPlan::Filter(Filter::try_new(predicate, input)?);
        Ok(())
    }

    /// Sorts, where an order was asked for.
    pub(super) fn apply_order(&mut self) {
        if self.order.is_empty() {
            return;
        }
        let expr = std::mem::take(&mut self.order);
        self.sorted = expr.clone();
        self.plan = LogicalPlan::Sort(Sort {
            expr,
            input: shared(std::mem::take(&mut self.plan)),
            fetch: None,
        });
    }

    /// Takes columns out of the plan that no name stands for any more, where they are many: planning looks at each of them at every
    /// later step.
    pub(super) fn narrow(&mut self) -> Result<()> {
        let width = self.plan.schema().fields().len();
        if width <= IDLE_COLUMNS {
            return Ok(());
        }
        let scope = &self.scope;
        let ranged = scope.ranges.iter();
        let ranged = ranged.flat_map(|range| range.columns.iter().chain(&range.pseudo));
        let named = scope.columns.iter().chain(&scope.pseudo).chain(ranged);
        let mut needed: HashSet<&str> = named.map(|column| column.id.as_ref()).collect();
        let keys = self.order.iter().chain(&self.sorted);
        let keys = keys.flat_map(|key| key.expr.column_refs());
        needed.extend(keys.map(|column| column.name.as_str()));
        let mut kept = self.plan.schema().columns();
        kept.retain(|column| needed.contains(column.name.as_str()));
        if kept.is_empty() || width <= 2 * kept.len() + IDLE_COLUMNS {
            return Ok(());
        }
        let kept = kept.into_iter().map(Expr::Column).collect();
        self.plan = project(std::mem::take(&mut self.plan), kept)?;
        Ok(())
    }

    /// The operator that follows gives its rows in no order.
    pub(super) fn forget_order(&mut self) {
        self.order.clear();
        self.sorted.clear();
    }
}

impl Binder<'_> {
    /// Adds columns to the plan; those that are columns already keep their ids. The scope is for the caller to change.
    pub(super) fn add_columns(
        &self,
        relation: &mut Relation,
        new: Vec<NewColumn>,
    ) -> Result<Vec<ScopeColumn>> {
        let mut computed = Vec::new();
        let columns: Vec<ScopeColumn> = new
            .into_iter()
            .map(|new| {
                let id = match &new.value.expr {
                    Expr::Column(column) => Arc::from(column.name.as_str()),
                    _ => {
                        let id = self.fresh(new.name.as_deref().unwrap_or("expr"));
                        computed.push((new.value.expr, Arc::clone(&id)));
                        id
                    }
                };
                ScopeColumn {
                    name: new.name,
                    id,
                    data_type: new.value.data_type,
                    nullable: new.value.nullable,
                    text: new.text,
                    constant: new.value.constant,
                    unknown: new.value.unknown,
                }
            })
            .collect();
        if computed.is_empty() {
            return Ok(columns);
        }
        relation.plan = compute(std::mem::take(&mut relation.plan), computed)?;
        let types = PlanTypes::of(&relation.plan);
        let columns = columns.into_iter();
        Ok(columns.map(|column| types.give(column)).collect())
    }

    /// Adds one column that only the plan knows.
    pub(super) fn add_hidden(
        &self,
        relation: &mut Relation,
        name: &str,
        value: Typed,
    ) -> Result<ScopeColumn> {
        let mut added = self.add_columns(relation, vec![NewColumn::hidden(name, value)])?;
        added
            .pop()
            .ok_or_else(|| crate::error::Error::bug("a column was added and is not there"))
    }

    /// Takes the columns of the scope, in order, each under an id of its own; sorted if `ordered` and it was asked for.
    pub(super) fn finish(&self, mut relation: Relation, ordered: bool) -> Result<Finished> {
        if ordered {
            relation.apply_order();
        }
        let mut seen = HashSet::new();
        let mut exprs = Vec::with_capacity(relation.scope.columns.len());
        let mut columns = Vec::with_capacity(relation.scope.columns.len());
        for column in &relation.scope.columns {
            let mut column = column.clone();
            if seen.insert(Arc::clone(&column.id)) {
                exprs.push(column.expr());
            } else {
                let id = self.fresh(column.display());
                exprs.push(column.expr().alias(id.as_ref()));
                column.id = id;
            }
            columns.push(column);
        }
        let same = relation.plan.schema().fields().len() == columns.len()
            && (relation.plan.schema().fields().iter())
                .zip(&columns)
                .all(|(field, column)| field.name().as_str() == column.id.as_ref());
        let plan = if same {
            relation.plan
        } else {
            project(relation.plan, exprs)?
        };
        let types = PlanTypes::of(&plan);
        let columns = columns.into_iter();
        let columns = columns.map(|column| types.give(column)).collect();
        Ok(Finished { plan, columns })
    }

    /// The columns of a finished plan under new ids: the same plan can stand in two places.
    pub(super) fn renew(
        &self,
        plan: LogicalPlan,
        columns: &[ScopeColumn],
    ) -> Result<(LogicalPlan, Vec<ScopeColumn>)> {
        let mut exprs = Vec::with_capacity(columns.len());
        let mut renewed = Vec::with_capacity(columns.len());
        for column in columns {
            let id = self.fresh(column.display());
            exprs.push(column.expr().alias(id.as_ref()));
            renewed.push(ScopeColumn {
                id,
                ..column.clone()
            });
        }
        Ok((project(plan, exprs)?, renewed))
    }
}

/// A projection to exactly these expressions.
pub(super) fn project(plan: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(
        exprs,
        shared(plan),
    )?))
}

/// A projection that keeps every column and adds some. Where these read only what the projection at the top hands on, they join it,
/// so that a long row of steps is one node.
pub(super) fn compute(plan: LogicalPlan, new: Vec<(Expr, Arc<str>)>) -> Result<LogicalPlan> {
    let new = new.into_iter().map(|(expr, id)| expr.alias(id.as_ref()));
    let mut new: Vec<Expr> = new.collect();
    match plan {
        LogicalPlan::Projection(top) if reads_below(&top, &new)? => widened(top, new),
        plan => {
            let mut exprs = all_columns(&plan);
            exprs.append(&mut new);
            project(plan, exprs)
        }
    }
}

/// Whether expressions over a projection mean the same over its input.
fn reads_below(top: &Projection, exprs: &[Expr]) -> Result<bool> {
    let handed_on: HashSet<&Column> = (top.expr.iter())
        .filter_map(|expr| match expr {
            Expr::Column(column) => Some(column),
            _ => None,
        })
        .collect();
    for expr in exprs {
        let is_plain = !expr.exists(|part| Ok(reads_elsewhere(part)))?;
        if !is_plain || !expr.column_refs().is_subset(&handed_on) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn reads_elsewhere(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..)
    )
}

/// The projection with more columns. Those that it has are not looked at again.
fn widened(top: Projection, new: Vec<Expr>) -> Result<LogicalPlan> {
    let Projection {
        mut expr,
        input,
        schema,
        ..
    } = top;
    let mut fields: Vec<_> = schema
        .iter()
        .map(|(table, field)| (table.cloned(), Arc::clone(field)))
        .collect();
    for added in &new {
        fields.push(added.to_field(input.schema())?);
    }
    let known = schema.functional_dependencies().clone();
    let schema = DFSchema::new_with_metadata(fields, schema.metadata().clone())?;
    let schema = Arc::new(schema.with_functional_dependencies(known)?);
    expr.extend(new);
    let widened = Projection::try_new_with_schema(expr, input, schema)?;
    Ok(LogicalPlan::Projection(widened))
}

/// Computes the subqueries in expressions as columns of the plan: aggregate and window nodes cannot hold any.
pub(super) fn hoist_subqueries<'e>(
    plan: LogicalPlan,
    exprs: impl IntoIterator<Item = &'e mut Expr>,
    fresh: impl Fn() -> Arc<str>,
) -> Result<LogicalPlan> {
    let mut hoisted = Vec::new();
    for expr in exprs {
        let taken = std::mem::take(expr);
        *expr = taken
            .transform_down(|part| {
                if !matches!(part, Expr::ScalarSubquery(_)) {
                    return Ok(Transformed::no(part));
                }
                let id = fresh();
                let column = Expr::Column(Column::new_unqualified(id.as_ref()));
                hoisted.push((part, id));
                Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
            })
            .data()?;
    }
    if hoisted.is_empty() {
        return Ok(plan);
    }
    compute(plan, hoisted)
}

/// Every column of a plan.
pub(super) fn all_columns(plan: &LogicalPlan) -> Vec<Expr> {
    let fields = plan.schema().fields();
    fields
        .iter()
        .map(|field| Expr::Column(Column::new_unqualified(field.name())))
        .collect()
}

/// The type that the plan gives the column is the one it has.
pub(super) fn with_plan_type(column: ScopeColumn, plan: &LogicalPlan) -> ScopeColumn {
    let field = plan.schema().field_with_unqualified_name(&column.id);
    typed_as(column, field.ok().map(Arc::as_ref))
}

/// The same for many columns of one plan, whose names are looked through once.
pub(super) struct PlanTypes<'p>(HashMap<&'p str, &'p Field>);

impl<'p> PlanTypes<'p> {
    pub(super) fn of(plan: &'p LogicalPlan) -> Self {
        let fields = plan.schema().fields().iter();
        // Of two with one name the first is meant.
        let named = fields
            .rev()
            .map(|field| (field.name().as_str(), field.as_ref()));
        PlanTypes(named.collect())
    }

    pub(super) fn give(&self, column: ScopeColumn) -> ScopeColumn {
        let field = self.0.get(column.id.as_ref()).copied();
        typed_as(column, field)
    }
}

fn typed_as(mut column: ScopeColumn, field: Option<&Field>) -> ScopeColumn {
    if let Some(field) = field {
        column.data_type = field.data_type().clone();
        column.nullable = field.is_nullable();
    }
    column
}
