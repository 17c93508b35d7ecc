//! The logical node.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::exec::operators::matching::{Labels, MatchRule, label_fields};

/// The rows of all matches: the input's columns, then the labels.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatchNode {
    pub(crate) input: LogicalPlan,
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) order_by: Vec<SortKey>,
    /// The condition of each symbol.
    pub(crate) conditions: Vec<Expr>,
    pub(crate) rule: MatchRule,
    pub(crate) labels: Labels,
    schema: DFSchemaRef,
}

impl MatchNode {
    pub(crate) fn new(
        input: LogicalPlan,
        partition_by: Vec<Expr>,
        order_by: Vec<SortKey>,
        conditions: Vec<Expr>,
        rule: MatchRule,
        labels: Labels,
    ) -> Result<Self> {
        let fields = input.schema().fields().iter().map(|field| field.as_ref());
        let fields: Vec<Field> = fields.cloned().chain(label_fields(&labels)).collect();
        let schema = Arc::new(DFSchema::try_from(Schema::new(fields))?);
        Ok(MatchNode {
            input,
            partition_by,
            order_by,
            conditions,
            rule,
            labels,
            schema,
        })
    }
}

impl PartialOrd for MatchNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.input.partial_cmp(&other.input) {
            Some(Ordering::Equal) => self.labels.partial_cmp(&other.labels),
            order => order,
        }
    }
}

impl UserDefinedLogicalNodeCore for MatchNode {
    fn name(&self) -> &str {
        "Match"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let order_by = self.order_by.iter().map(|key| &key.expr);
        let keys = self.partition_by.iter().chain(order_by);
        keys.chain(&self.conditions).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Match: {}", self.rule.text)
    }

    fn with_exprs_and_inputs(
        &self,
        mut exprs: Vec<Expr>,
        inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        let wrong = || DataFusionError::Internal("a match has one input and its keys".to_string());
        let input = inputs.into_iter().next().ok_or_else(wrong)?;
        let keys = self.partition_by.len() + self.order_by.len();
        if exprs.len() != keys + self.conditions.len() {
            return Err(wrong());
        }
        let conditions = exprs.split_off(keys);
        let order_by = exprs.split_off(self.partition_by.len());
        let order_by = order_by.into_iter().zip(&self.order_by);
        let order_by = order_by
            .map(|(expr, key)| SortKey::new(expr, key.asc, key.nulls_first))
            .collect();
        let (rule, labels) = (self.rule.clone(), self.labels.clone());
        MatchNode::new(input, exprs, order_by, conditions, rule, labels)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        // The columns of the expressions are added by the caller; the labels come after the input's columns.
        let columns = self.input.schema().fields().len();
        let of_input = output_columns.iter().filter(|column| **column < columns);
        Some(vec![of_input.copied().collect()])
    }
}
