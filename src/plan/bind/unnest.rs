//! UNNEST: a row for each element of an array, beside the row that the array is of.

use arrow::datatypes::DataType;
use datafusion::common::{NullHandling, ScalarValue, UnnestOptions};
use datafusion::logical_expr::{LogicalPlan, Unnest};

use super::nested::element_type;
use super::relation::{Relation, with_plan_type};
use super::scope::{RangeVariable, ScopeColumn};
use super::stage::{Env, Stage};
use super::typed::Typed;
use super::{Binder, shared};
use crate::error::{Error, Result};
use crate::lang::ast::{self, TableFactor};

impl Binder<'_> {
    /// `left, UNNEST(array) AS x WITH OFFSET AS i`; `keep` gives a row of NULLs for an empty array.
    pub(super) fn unnest(
        &self,
        mut left: Relation,
        array: &ast::Expr,
        factor: &TableFactor,
        keep: bool,
        env: &Env,
    ) -> Result<Relation> {
        left.forget_order();
        let scope = left.scope.clone();
        let mut stage = Stage::plain(&scope, env, "UNNEST");
        let array = self.expr(array, &mut stage)?;
        let element = element_type(&array)?;
        let alias = factor.alias.as_ref();
        if let Some(alias) = alias
            && alias.columns.len() > 1
        {
            return Err(Error::input(
                "TM0302",
                "UNNEST gives one column",
                alias.name.span,
            ));
        }
        let name = alias.map(|alias| alias.columns.first().unwrap_or(&alias.name));

        let positions = match &factor.with_offset {
            None => None,
            Some(_) => Some(self.positions(array.clone())?),
        };
        let word = name.map_or("element", |name| &name.text);
        let list = self.list_column(&mut left, word, array)?;
        let offsets = match positions {
            None => None,
            Some(positions) => {
                let named = factor.with_offset.as_ref().and_then(Option::as_ref);
                let word = named.map_or("offset", |name| &name.text);
                Some(self.list_column(&mut left, word, positions)?)
            }
        };
        let lists = std::iter::once(&list).chain(&offsets);
        let options = UnnestOptions {
            null_handling: if keep {
                NullHandling::PreserveAndExpandEmpty
            } else {
                NullHandling::Drop
            },
            ..UnnestOptions::default()
        };
        let columns = lists.map(ScopeColumn::column).collect();
        let unnest = Unnest::try_new(shared(std::mem::take(&mut left.plan)), columns, options)?;
        left.plan = LogicalPlan::Unnest(unnest);

        let element = ScopeColumn {
            name: name.map(|name| name.text.as_str().into()),
            data_type: element.data_type().clone(),
            ..list
        };
        let mut added = vec![with_plan_type(element, &left.plan)];
        if let (Some(offsets), Some(offset_name)) = (offsets, &factor.with_offset) {
            let name = offset_name.as_ref().map_or("offset", |name| &name.text);
            let column = ScopeColumn {
                name: Some(name.into()),
                data_type: DataType::Int64,
                ..offsets
            };
            added.push(with_plan_type(column, &left.plan));
        }
        if let Some(alias) = alias {
            let taken = left.scope.range(&alias.name).is_some();
            if taken {
                return Err(Error::input(
                    "TM0207",
                    format!("two tables are called `{}`", alias.name.text),
                    alias.name.span,
                ));
            }
            left.scope.ranges.push(RangeVariable {
                name: alias.name.text.as_str().into(),
                columns: added[..1].to_vec(),
                pseudo: Vec::new(),
            });
        }
        left.scope.columns.extend(added);
        Ok(left)
    }

    /// `[0, 1, …]`, as long as the array.
    fn positions(&self, array: Typed) -> Result<Typed> {
        let span = array.span;
        let zero = Typed::literal(ScalarValue::from(0i64), span);
        let length = self.apply_named("array_length", vec![array], span)?;
        let length = length.cast(&DataType::Int64);
        self.apply_named("range", vec![zero, length], span)
    }

    /// The array as a column of its own, which unnesting takes the place of.
    pub(super) fn list_column(
        &self,
        relation: &mut Relation,
        name: &str,
        array: Typed,
    ) -> Result<ScopeColumn> {
        let id = self.fresh(name);
        let (data_type, unknown) = (array.data_type.clone(), array.unknown);
        let plan = std::mem::take(&mut relation.plan);
        relation.plan = super::relation::compute(plan, vec![(array.expr, id.clone())])?;
        let column = ScopeColumn {
            name: None,
            id,
            data_type,
            nullable: true,
            text: name.into(),
            constant: None,
            unknown,
        };
        Ok(with_plan_type(column, &relation.plan))
    }
}
