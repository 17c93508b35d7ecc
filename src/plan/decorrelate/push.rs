//! The domain's way from the leaves of an inner query to its top, one arm for each kind of node.

use std::sync::Arc;

use datafusion::common::{Column, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Distinct, EmptyRelation, Expr, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator,
    Projection, Union, Unnest, Values, binary_expr,
};

use super::domain::{Beside, Domain, columns_of};
use super::{Decorrelator, impossible};

/// An inner query beside the domain, and the order that its rows were asked for in.
pub(super) struct Pushed {
    pub(super) plan: LogicalPlan,
    pub(super) keys: Vec<Column>,
    /// What a LIMIT above counts by.
    pub(super) order: Vec<SortKey>,
}

impl Pushed {
    fn unordered(plan: LogicalPlan, keys: Vec<Column>) -> Self {
        Pushed {
            plan,
            keys,
            order: Vec::new(),
        }
    }
}

impl Decorrelator {
    /// `plan` for every row of the domain at once.
    pub(super) fn push(&self, domain: &Domain, plan: &LogicalPlan) -> Result<Pushed> {
        if !domain.is_used_by(plan)? {
            return self.leaf(domain, plan);
        }
        match plan {
            LogicalPlan::Projection(node) => self.push_projection(domain, node),
            LogicalPlan::Filter(node) => {
                let input = self.push(domain, &node.input)?;
                let predicate = domain.resolve(node.predicate.clone(), &input.keys)?;
                let filter = Filter::try_new(predicate, Arc::new(input.plan))?;
                Ok(Pushed {
                    plan: LogicalPlan::Filter(filter),
                    ..input
                })
            }
            LogicalPlan::Sort(node) if node.fetch.is_none() => {
                let input = self.push(domain, &node.input)?;
                let mut order = Vec::with_capacity(node.expr.len());
                for key in &node.expr {
                    order.push(SortKey {
                        expr: domain.resolve(key.expr.clone(), &input.keys)?,
                        ..key.clone()
                    });
                }
                Ok(Pushed { order, ..input })
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.push(domain, input)?;
                let plan = LogicalPlan::Distinct(Distinct::All(Arc::new(input.plan)));
                Ok(Pushed::unordered(plan, input.keys))
            }
            LogicalPlan::Unnest(node) => {
                let input = self.push(domain, &node.input)?;
                let columns = node.exec_columns.clone();
                let unnest = Unnest::try_new(Arc::new(input.plan), columns, node.options.clone())?;
                Ok(Pushed::unordered(LogicalPlan::Unnest(unnest), input.keys))
            }
            LogicalPlan::Limit(node) => self.push_limit(domain, node, plan),
            LogicalPlan::Aggregate(node) => self.push_aggregate(domain, node, plan),
            LogicalPlan::Window(node) => self.push_window(domain, node),
            LogicalPlan::Union(node) => self.push_union(domain, node),
            LogicalPlan::Values(node) => self.push_values(domain, node),
            LogicalPlan::Join(node) => self.push_join(domain, node, plan),
            _ => Err(impossible(plan)),
        }
    }

    /// A plan that is the same for every row of the domain, beside each of them.
    fn leaf(&self, domain: &Domain, plan: &LogicalPlan) -> Result<Pushed> {
        let Beside { plan: values, keys } = domain.place(self)?;
        let one_row = EmptyRelation {
            produce_one_row: true,
            schema: Arc::clone(plan.schema()),
        };
        if matches!(plan, LogicalPlan::EmptyRelation(empty) if *empty == one_row) {
            return Ok(Pushed::unordered(values, keys));
        }
        let plan = pairs(values, plan.clone(), JoinType::Inner)?;
        Ok(Pushed::unordered(plan, keys))
    }

    fn push_projection(&self, domain: &Domain, node: &Projection) -> Result<Pushed> {
        let input = self.push(domain, &node.input)?;
        let names = NamePreserver::new_for_projection();
        let mut exprs = Vec::with_capacity(node.expr.len() + input.keys.len());
        for expr in &node.expr {
            let name = names.save(expr);
            exprs.push(name.restore(domain.resolve(expr.clone(), &input.keys)?));
        }
        exprs.extend(input.keys.iter().cloned().map(Expr::Column));
        let plan = Projection::try_new(exprs, Arc::new(input.plan))?;
        let there = |key: &SortKey| {
            let mut columns = key.expr.column_refs().into_iter();
            columns.all(|column| plan.schema.has_column(column))
        };
        // An order by what is no longer there cannot be asked for above.
        let order = match input.order.iter().all(there) {
            true => input.order,
            false => Vec::new(),
        };
        Ok(Pushed {
            plan: LogicalPlan::Projection(plan),
            keys: input.keys,
            order,
        })
    }

    fn push_union(&self, domain: &Domain, node: &Union) -> Result<Pushed> {
        let mut common: Option<Vec<String>> = None;
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            let own = columns_of(input.schema());
            let pushed = self.push(domain, input)?;
            let common = common.get_or_insert_with(|| {
                pushed
                    .keys
                    .iter()
                    .map(|key| self.fresh(&key.name))
                    .collect()
            });
            let mut exprs: Vec<Expr> = own.into_iter().map(Expr::Column).collect();
            let keys = pushed.keys.into_iter().zip(common.iter());
            exprs.extend(keys.map(|(key, name)| Expr::Column(key).alias(name.as_str())));
            let aligned = Projection::try_new(exprs, Arc::new(pushed.plan))?;
            inputs.push(Arc::new(LogicalPlan::Projection(aligned)));
        }
        let keys = common.unwrap_or_default();
        let keys = keys.into_iter().map(Column::new_unqualified).collect();
        let union = Union::try_new_with_loose_types(inputs)?;
        Ok(Pushed::unordered(LogicalPlan::Union(union), keys))
    }

    /// Each row of VALUES is a projection of the domain.
    fn push_values(&self, domain: &Domain, node: &Values) -> Result<Pushed> {
        let mut common: Option<Vec<String>> = None;
        let mut inputs = Vec::with_capacity(node.values.len());
        for row in &node.values {
            let Beside { plan, keys } = domain.place(self)?;
            let common = common
                .get_or_insert_with(|| keys.iter().map(|key| self.fresh(&key.name)).collect());
            let fields = node.schema.fields();
            let mut exprs = Vec::with_capacity(row.len() + keys.len());
            for (value, field) in row.iter().zip(fields) {
                let value = domain.resolve(value.clone(), &keys)?;
                exprs.push(value.alias(field.name().as_str()));
            }
            let keys = keys.into_iter().zip(common.iter());
            exprs.extend(keys.map(|(key, name)| Expr::Column(key).alias(name.as_str())));
            let projected = Projection::try_new(exprs, Arc::new(plan))?;
            inputs.push(Arc::new(LogicalPlan::Projection(projected)));
        }
        let keys = common.unwrap_or_default();
        let keys = keys.into_iter().map(Column::new_unqualified).collect();
        let plan = match inputs.len() {
            1 => Arc::unwrap_or_clone(inputs.remove(0)),
            _ => LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?),
        };
        Ok(Pushed::unordered(plan, keys))
    }

    /// The side that keeps its rows carries the domain; the other one too where it depends on it.
    fn push_join(&self, domain: &Domain, node: &Join, whole: &LogicalPlan) -> Result<Pushed> {
        let left_depends = domain.is_used_by(&node.left)?;
        let right_depends = domain.is_used_by(&node.right)?;
        let (carry_left, carry_right) = match node.join_type {
            JoinType::Inner => (left_depends || !right_depends, right_depends),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => (true, right_depends),
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => (left_depends, true),
            JoinType::Full => (true, true),
            _ => return Err(impossible(whole)),
        };
        if node.null_aware {
            return Err(impossible(whole));
        }
        let side = |carries: bool, plan: &LogicalPlan| match carries {
            true => self.push(domain, plan),
            false => Ok(Pushed::unordered(plan.clone(), Vec::new())),
        };
        let left = side(carry_left, &node.left)?;
        let right = side(carry_right, &node.right)?;
        let keys = match carry_left {
            true => left.keys.clone(),
            false => right.keys.clone(),
        };
        let filter = match &node.filter {
            None => None,
            Some(filter) => Some(domain.resolve(filter.clone(), &keys)?),
        };
        let mut join = Matching {
            on: node.on.clone(),
            filter,
            nulls: node.null_equality,
        };
        if carry_left && carry_right {
            join.match_keys(domain.has_nulls(), &left.keys, &right.keys);
        }
        let plan = join.join(left.plan, right.plan, node.join_type)?;
        if node.join_type != JoinType::Full {
            return Ok(Pushed::unordered(plan, keys));
        }
        self.one_key_of_two(plan, node, &left.keys, &right.keys)
    }

    /// After a full join the domain's columns are those of the side that has a row.
    fn one_key_of_two(
        &self,
        plan: LogicalPlan,
        node: &Join,
        left: &[Column],
        right: &[Column],
    ) -> Result<Pushed> {
        let mut exprs: Vec<Expr> = (columns_of(&node.schema).into_iter())
            .map(Expr::Column)
            .collect();
        let mut keys = Vec::with_capacity(left.len());
        for (left, right) in left.iter().zip(right) {
            let name = self.fresh(&left.name);
            let sides = vec![Expr::Column(left.clone()), Expr::Column(right.clone())];
            let either = datafusion::functions::core::expr_fn::coalesce(sides);
            exprs.push(either.alias(name.as_str()));
            keys.push(Column::new_unqualified(name));
        }
        let plan = Projection::try_new(exprs, Arc::new(plan))?;
        Ok(Pushed::unordered(LogicalPlan::Projection(plan), keys))
    }
}

/// What two inputs are joined by.
pub(super) struct Matching {
    pub(super) on: Vec<(Expr, Expr)>,
    pub(super) filter: Option<Expr>,
    pub(super) nulls: NullEquality,
}

impl Matching {
    pub(super) fn by(filter: Option<Expr>) -> Self {
        Matching {
            on: Vec::new(),
            filter,
            nulls: NullEquality::NullEqualsNothing,
        }
    }

    /// Rows must belong to the same row of the domain, where NULL is a value as any other.
    pub(super) fn match_keys(&mut self, has_nulls: bool, left: &[Column], right: &[Column]) {
        let pairs = left.iter().zip(right);
        let pairs =
            pairs.map(|(left, right)| (Expr::Column(left.clone()), Expr::Column(right.clone())));
        if has_nulls && self.nulls == NullEquality::NullEqualsNothing {
            // A condition that becomes a key in the end: in one join NULLs match for all keys or for none.
            let same =
                pairs.map(|(left, right)| binary_expr(left, Operator::IsNotDistinctFrom, right));
            self.filter = self.filter.take().into_iter().chain(same).reduce(Expr::and);
        } else {
            self.on.extend(pairs);
        }
    }

    pub(super) fn join(
        self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinType,
    ) -> Result<LogicalPlan> {
        Ok(LogicalPlan::Join(Join::try_new(
            Arc::new(left),
            Arc::new(right),
            self.on,
            self.filter,
            kind,
            JoinConstraint::On,
            self.nulls,
            false,
        )?))
    }
}

/// Every row of the one with every row of the other.
fn pairs(left: LogicalPlan, right: LogicalPlan, kind: JoinType) -> Result<LogicalPlan> {
    Matching::by(None).join(left, right, kind)
}
