//! PIVOT: values of a column become columns. UNPIVOT: columns become rows.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{NullHandling, ScalarValue, UnnestOptions};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, Unnest};

use super::group::Grouping;
use super::project::{no_columns, only_column};
use super::relation::{NewColumn, Relation, with_plan_type};
use super::scope::{Scope, ScopeColumn};
use super::stage::{Env, Extracted, Stage};
use super::typed::Typed;
use super::types::type_name;
use super::unify::{mixes_text_and_number, unify};
use super::{Binder, shared};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ExprKind, Ident, NamedExpr, Pivot, PivotKind, UnpivotSource};

impl Binder<'_> {
    pub(super) fn pivot(&self, relation: Relation, pivot: &Pivot, env: &Env) -> Result<Relation> {
        let mut relation = match &pivot.kind {
            PivotKind::Columns {
                aggregates,
                key,
                values,
            } => self.pivot_columns(relation, aggregates, key, values, pivot.span, env)?,
            PivotKind::Rows {
                include_nulls,
                values,
                name,
                sources,
            } => self.unpivot(
                relation,
                *include_nulls,
                (values, name),
                sources,
                pivot.span,
            )?,
        };
        if let Some(alias) = &pivot.alias {
            relation.scope = relation.scope.under(&alias.text);
        }
        Ok(relation)
    }

    /// Groups by every column that neither the aggregates nor FOR read: an aggregate for each value, of its rows alone.
    fn pivot_columns(
        &self,
        mut relation: Relation,
        aggregates: &[NamedExpr],
        key: &ast::Expr,
        values: &[NamedExpr],
        span: Span,
        env: &Env,
    ) -> Result<Relation> {
        relation.forget_order();
        let before = relation.scope.clone();
        let key = {
            let mut stage = Stage::plain(&before, env, "PIVOT … FOR");
            self.expr(key, &mut stage)?
        };
        let mut used: Vec<String> = key
            .expr
            .column_refs()
            .iter()
            .map(|c| c.name.clone())
            .collect();
        let key_span = key.span;
        let key = self.add_hidden(&mut relation, "key", key)?;
        let (mut taken, mut columns) = (Vec::new(), Vec::new());
        for value in values {
            let constant = self.constant_in(&value.expr, "a value of PIVOT", env)?;
            let value_name = self.value_name(value, &constant)?;
            let own = Typed::column(&key, key_span);
            let literal = Typed::literal(constant, value.expr.span);
            if mixes_text_and_number(&key.data_type, &literal.data_type) {
                let message = format!(
                    "FOR is {}, this value {}",
                    type_name(&key.data_type),
                    literal.type_name()
                );
                return Err(Error::input("TM0403", message, value.expr.span));
            }
            let is_value =
                self.operate(own, Operator::IsNotDistinctFrom, literal, value.expr.span)?;
            for aggregate in aggregates {
                let name = match &aggregate.alias {
                    None if aggregates.len() > 1 => {
                        let message = "each of several aggregates needs a name";
                        return Err(Error::input("TM0301", message, aggregate.expr.span)
                            .hint("write SUM(x) AS total"));
                    }
                    None => value_name.clone(),
                    Some(alias) => format!("{}_{value_name}", alias.text),
                };
                let (column, extracted) = self.pivot_aggregate(aggregate, &before, env)?;
                for mut extracted in extracted {
                    used.extend(extracted.expr.column_refs().iter().map(|c| c.name.clone()));
                    extracted.expr = filtered(extracted.expr, &is_value.expr)?;
                    taken.push(extracted);
                }
                columns.push(NewColumn {
                    name: Some(name.into()),
                    ..column
                });
            }
        }
        let is_used = |column: &&ScopeColumn| !used.iter().any(|id| **id == *column.id);
        let rest: Vec<ScopeColumn> = before.columns.iter().filter(is_used).cloned().collect();
        let mut grouping = Grouping::of_columns(rest);
        let plan = self.grouped(&mut grouping, std::mem::take(&mut relation.plan), taken)?;
        let mut result = Relation::new(plan, Scope::default());
        let pivoted = self.add_columns(&mut result, columns)?;
        let keys = grouping.keys.iter().map(|key| key.column.clone());
        result.scope = Scope::new(keys.chain(pivoted).collect()).after(&before, span);
        Ok(result)
    }

    /// One aggregate function over all rows: the caller restricts it to those of a value.
    fn pivot_aggregate(
        &self,
        aggregate: &NamedExpr,
        scope: &Scope,
        env: &Env,
    ) -> Result<(NewColumn, Vec<Extracted>)> {
        let mut stage = Stage::plain(scope, env, "PIVOT").with_aggregates();
        stage.only_aggregates = true;
        let column = self.item(&aggregate.expr, aggregate.alias.as_ref(), &mut stage)?;
        let is_call = matches!(aggregate.expr.kind.as_ref(), ExprKind::Call(_));
        if stage.aggregate_calls != 1 || !is_call {
            let message = "PIVOT computes aggregate functions, each by itself";
            return Err(Error::input("TM0312", message, aggregate.expr.span)
                .hint("compute with them in an EXTEND after the PIVOT"));
        }
        Ok((column, stage.take_aggregates()))
    }

    /// The name of a value's columns: its alias, or what is made of the value.
    fn value_name(&self, value: &NamedExpr, constant: &ScalarValue) -> Result<String> {
        if let Some(alias) = &value.alias {
            return Ok(alias.text.clone());
        }
        if constant.is_null() {
            return Ok("NULL".to_string());
        }
        let text = constant.to_string();
        let data_type = constant.data_type();
        let number = data_type.is_numeric() || super::typed::is_decimal(&data_type);
        match constant {
            _ if number => {
                let (minus, digits) = match text.strip_prefix('-') {
                    Some(digits) => ("minus_", digits),
                    None => ("_", text.as_str()),
                };
                Ok(format!("{minus}{}", digits.replace('.', "_point_")))
            }
            ScalarValue::Boolean(Some(true)) => Ok("TRUE".to_string()),
            ScalarValue::Boolean(_) => Ok("FALSE".to_string()),
            ScalarValue::Date32(_) => Ok(format!("_{}", text.replace('-', "_"))),
            _ => match constant.try_as_str().flatten() {
                Some(text) => Ok(text.to_string()),
                None => Err(
                    Error::input("TM0305", "this value needs a name", value.expr.span)
                        .hint("write the value AS name"),
                ),
            },
        }
    }

    fn unpivot(
        &self,
        mut relation: Relation,
        include_nulls: bool,
        (values, name): (&[Ident], &Ident),
        sources: &[UnpivotSource],
        span: Span,
    ) -> Result<Relation> {
        relation.forget_order();
        let before = relation.scope.clone();
        let mut cells: Vec<Vec<Typed>> = vec![Vec::with_capacity(sources.len()); values.len()];
        let (mut labels, mut listed) = (Vec::with_capacity(sources.len()), Vec::new());
        for source in sources {
            if source.columns.len() != values.len() {
                let message = format!(
                    "{} columns for {} columns of values",
                    source.columns.len(),
                    values.len()
                );
                return Err(Error::input("TM0302", message, source.span));
            }
            for (cell, column) in cells.iter_mut().zip(&source.columns) {
                let position = only_column(&before, column)?;
                listed.push(position);
                cell.push(Typed::column(&before.columns[position], column.span));
            }
            labels.push(match &source.label {
                Some(label) => {
                    let value = self.constant_value(label, "the label of a column")?;
                    Typed::literal(value, label.span)
                }
                None => {
                    let columns = source.columns.iter();
                    let names: Vec<&str> = columns.map(|column| column.text.as_str()).collect();
                    Typed::literal(ScalarValue::from(names.join("_")), source.span)
                }
            });
        }
        cells.push(labels);
        let mut types = Vec::with_capacity(cells.len());
        let labels = cells.len().saturating_sub(1);
        for (place, cell) in cells.iter_mut().enumerate() {
            let what = match place == labels {
                true => "the names in UNPIVOT",
                false => "the columns of UNPIVOT",
            };
            types.push(unify(cell, what, span)?);
        }
        let rows = (0..sources.len()).map(|row| {
            let fields = cells.iter().zip(&types).enumerate();
            let fields = fields.map(|(index, (cell, data_type))| {
                (format!("v{index}"), cell[row].clone().cast(data_type))
            });
            self.named_struct(fields.collect(), span)
        });
        let list = self.apply_named("make_array", rows.collect::<Result<_>>()?, span)?;
        let element = self.unnested(&mut relation, list)?;
        let row = Typed::column(&element, span);
        let mut columns = Vec::with_capacity(types.len());
        for (index, name) in values.iter().chain([name]).enumerate() {
            let field = Ident {
                text: format!("v{index}"),
                quoted: true,
                span,
            };
            columns.push(NewColumn {
                name: Some(name.text.as_str().into()),
                text: name.text.as_str().into(),
                value: self.field(row.clone(), &field)?,
            });
        }
        let added = self.add_columns(&mut relation, columns)?;
        if !include_nulls {
            let present = added[..values.len()]
                .iter()
                .map(|column| column.expr().is_not_null());
            if let Some(any) = present.reduce(Expr::or) {
                relation.filter(any)?;
            }
        }
        let kept = before.columns.iter().enumerate();
        let kept = kept.filter(|(position, _)| !listed.contains(position));
        let all: Vec<ScopeColumn> = kept
            .map(|(_, column)| column.clone())
            .chain(added)
            .collect();
        if all.is_empty() {
            return Err(no_columns(span));
        }
        relation.scope = Scope::new(all).after(&before, span);
        Ok(relation)
    }

    /// A row for each element of the list: the column of the element.
    fn unnested(&self, relation: &mut Relation, list: Typed) -> Result<ScopeColumn> {
        let element = super::nested::element_type(&list)?;
        let list = self.list_column(relation, "row", list)?;
        let options = UnnestOptions {
            null_handling: NullHandling::Drop,
            ..UnnestOptions::default()
        };
        let input = shared(std::mem::take(&mut relation.plan));
        let unnest = Unnest::try_new(input, vec![list.column()], options)?;
        relation.plan = LogicalPlan::Unnest(unnest);
        let column = ScopeColumn {
            data_type: element.data_type().clone(),
            ..list
        };
        Ok(with_plan_type(column, &relation.plan))
    }
}

/// The aggregate over the rows for which `condition` is true.
fn filtered(expr: Expr, condition: &Expr) -> Result<Expr> {
    let with_condition = |part: Expr| match part {
        Expr::AggregateFunction(mut call) => {
            let filter = match call.params.filter.take() {
                None => condition.clone(),
                Some(filter) => filter.and(condition.clone()),
            };
            call.params.filter = Some(Box::new(filter));
            let call = Expr::AggregateFunction(call);
            Ok(Transformed::new(call, true, TreeNodeRecursion::Jump))
        }
        other => Ok(Transformed::no(other)),
    };
    Ok(expr.transform_down(with_condition).data()?)
}
