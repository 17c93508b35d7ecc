//! What a grouped SELECT may still read: values of its groups, and no single row's.

use std::collections::{HashMap, HashSet};

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;

use super::group::GroupKey;
use super::scope::Scope;
use super::select::{Parts, Target};
use super::stage::{Extracted, Use};
use super::typed::Typed;
use crate::error::{Error, Result, Span};

/// Puts grouped values in the place of what they were computed from, and finds what is neither grouped nor aggregated.
pub(super) struct Regroup<'r> {
    /// By their expressions, and the ids of their columns.
    keys: HashMap<&'r Expr, &'r GroupKey>,
    ids: HashSet<&'r str>,
    scope: &'r Scope,
    uses: &'r [Use],
}

impl<'r> Regroup<'r> {
    pub(super) fn new(keys: &'r [GroupKey], scope: &'r Scope, uses: &'r [Use]) -> Self {
        let mut by_expr = HashMap::with_capacity(keys.len());
        for key in keys {
            by_expr.entry(&key.expr).or_insert(key);
        }
        Regroup {
            keys: by_expr,
            ids: keys.iter().map(|key| key.column.id.as_ref()).collect(),
            scope,
            uses,
        }
    }

    pub(super) fn parts(&self, parts: &mut Parts, windows: &mut [Extracted]) -> Result<()> {
        for column in &mut parts.columns {
            self.typed(&mut column.value)?;
        }
        for condition in [&mut parts.having, &mut parts.qualify]
            .into_iter()
            .flatten()
        {
            *condition = self.expr(std::mem::take(condition))?;
        }
        for target in &mut parts.order {
            if let Target::Input(value) = target {
                self.typed(value)?;
            }
        }
        for window in windows {
            window.expr = self.expr(std::mem::take(&mut window.expr))?;
        }
        Ok(())
    }

    fn typed(&self, value: &mut Typed) -> Result<()> {
        value.expr = self.expr(std::mem::take(&mut value.expr))?;
        Ok(())
    }

    fn expr(&self, expr: Expr) -> Result<Expr> {
        let replaced = expr
            .transform_down(|part| {
                Ok(match self.keys.get(&part) {
                    Some(key) => Transformed::new(key.column.expr(), true, TreeNodeRecursion::Jump),
                    None => Transformed::no(part),
                })
            })
            .data()?;
        let mut ungrouped: Option<String> = None;
        replaced.apply(|part| {
            let names: Vec<&str> = match part {
                Expr::Column(column) => vec![&column.name],
                Expr::ScalarSubquery(query) => outer_names(&query.outer_ref_columns),
                Expr::Exists(exists) => outer_names(&exists.subquery.outer_ref_columns),
                Expr::InSubquery(query) => outer_names(&query.subquery.outer_ref_columns),
                _ => Vec::new(),
            };
            let found = names.into_iter().find(|name| self.is_ungrouped(name));
            if let Some(found) = found {
                ungrouped = Some(found.to_string());
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        match ungrouped {
            None => Ok(replaced),
            Some(id) => Err(self.refusal(&id)),
        }
    }

    /// A column of the input that is no key.
    fn is_ungrouped(&self, id: &str) -> bool {
        !self.ids.contains(id) && self.input_name(id).is_some()
    }

    fn input_name(&self, id: &str) -> Option<&str> {
        let ranges = self.scope.ranges.iter();
        let ranged = ranges.flat_map(|range| range.columns.iter().chain(&range.pseudo));
        let mut columns = self
            .scope
            .columns
            .iter()
            .chain(&self.scope.pseudo)
            .chain(ranged);
        columns
            .find(|column| *column.id == *id)
            .map(|column| column.display())
    }

    fn refusal(&self, id: &str) -> Error {
        let place = self.uses.iter().find(|used| *used.id == *id);
        let span = place.map_or(Span::default(), |used| used.span);
        let name = self.input_name(id).unwrap_or_default();
        Error::input(
            "TM0318",
            format!("`{name}` is neither grouped nor aggregated"),
            span,
        )
        .hint(format!(
            "add `{name}` to GROUP BY, or wrap it: ANY_VALUE({name})"
        ))
    }
}

fn outer_names(references: &[Expr]) -> Vec<&str> {
    references
        .iter()
        .filter_map(|reference| match reference {
            Expr::OuterReferenceColumn(_, column) => Some(column.name.as_str()),
            _ => None,
        })
        .collect()
}
