//! TABLESAMPLE.
//!
//! With REPEATABLE a row's chance hangs on its values, on how many equal rows stand before it, and on the seed: so the same rows
//! come for any number of threads and whatever order they are read in.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, Sort};

use super::flow::every_column;
use super::relation::Relation;
use super::scope::ScopeColumn;
use super::stage::Env;
use super::typed::Typed;
use super::{Binder, shared};
use crate::catalog::functions::{sample_batch, sample_row};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, TableSample};

impl Binder<'_> {
    pub(super) fn sample(
        &self,
        mut relation: Relation,
        sample: &TableSample,
        env: &Env,
    ) -> Result<Relation> {
        relation.forget_order();
        let method = sample.method.text.to_ascii_uppercase();
        match (method.as_str(), sample.percent) {
            ("BERNOULLI" | "SYSTEM", true) => {
                let share = self.share_of(&sample.size, env)?;
                let blocks = method == "SYSTEM" && sample.seed.is_none();
                self.sample_share(relation, share, blocks, sample, env)
            }
            ("RESERVOIR", false) => {
                let rows = self.row_count(&sample.size, "RESERVOIR", env)?;
                let Some(rows) = rows else {
                    let message = "RESERVOIR takes a number of rows, not NULL";
                    return Err(Error::input("TM0404", message, sample.size.span));
                };
                let chance = self.chance(&mut relation, sample, env)?;
                let key = self.add_hidden(&mut relation, "chance", chance)?;
                relation.plan = LogicalPlan::Sort(Sort {
                    expr: vec![SortKey::new(key.expr(), true, true)],
                    input: shared(std::mem::take(&mut relation.plan)),
                    fetch: Some(rows),
                });
                Ok(relation)
            }
            ("BERNOULLI" | "SYSTEM", false) => Err(Error::input(
                "TM0301",
                format!("{method} takes a share of the rows"),
                sample.size.span,
            )
            .hint("write (10 PERCENT), or RESERVOIR (100 ROWS)")),
            ("RESERVOIR", true) => Err(Error::input(
                "TM0301",
                "RESERVOIR takes a number of rows",
                sample.size.span,
            )
            .hint("write (100 ROWS), or BERNOULLI (10 PERCENT)")),
            _ => Err(Error::input(
                "TM0102",
                format!("there is no sample method `{}`", sample.method.text),
                sample.method.span,
            )
            .available("BERNOULLI, SYSTEM, RESERVOIR")),
        }
    }

    fn sample_share(
        &self,
        mut relation: Relation,
        share: f64,
        blocks: bool,
        sample: &TableSample,
        env: &Env,
    ) -> Result<Relation> {
        let share = Typed::literal(ScalarValue::from(share), sample.size.span);
        let predicate = if blocks {
            self.apply(sample_batch(), vec![share], "SYSTEM", sample.span)?
        } else {
            let chance = self.chance(&mut relation, sample, env)?;
            self.operate(chance, Operator::Lt, share, sample.span)?
        };
        self.keep_rows(&mut relation, predicate.expr)?;
        Ok(relation)
    }

    /// From 0 to 100, as a share of 1.
    fn share_of(&self, size: &ast::Expr, env: &Env) -> Result<f64> {
        let value = self.constant_in(size, "TABLESAMPLE", env)?;
        let number = value.cast_to(&arrow::datatypes::DataType::Float64).ok();
        match number {
            Some(ScalarValue::Float64(Some(percent)))
                if value.data_type().is_numeric() && (0.0..=100.0).contains(&percent) =>
            {
                Ok(percent / 100.0)
            }
            _ => Err(Error::input(
                "TM0404",
                "a sample is from 0 to 100 PERCENT of the rows",
                size.span,
            )),
        }
    }

    /// A number from 0 to 1 for each row.
    fn chance(&self, relation: &mut Relation, sample: &TableSample, env: &Env) -> Result<Typed> {
        let Some(seed) = &sample.seed else {
            return self.apply_named("random", Vec::new(), sample.span);
        };
        let value = self.constant_in(seed, "REPEATABLE", env)?;
        if !matches!(value, ScalarValue::Int64(Some(_))) {
            let message = "REPEATABLE takes a whole number";
            return Err(Error::input("TM0404", message, seed.span));
        }
        let seed = Typed::literal(value, seed.span);
        self.repeatable(relation, seed, sample.span)
    }

    fn repeatable(&self, relation: &mut Relation, seed: Typed, span: Span) -> Result<Typed> {
        let mut columns: Vec<ScopeColumn> = Vec::new();
        for column in every_column(&relation.scope) {
            if !columns.iter().any(|other| other.id == column.id) {
                columns.push(column.clone());
            }
        }
        let plan = std::mem::take(&mut relation.plan);
        let (plan, copy) = self.numbered(plan, &columns)?;
        relation.plan = plan;
        let copy: Expr = copy;
        let copy = Typed::new(copy, arrow::datatypes::DataType::UInt64, span);
        let values = columns.iter().map(|column| Typed::column(column, span));
        let arguments = [seed, copy].into_iter().chain(values).collect();
        self.apply(sample_row(), arguments, "REPEATABLE", span)
    }
}
