//! ASSERT as a pipe operator.

use std::sync::Arc;

use datafusion::logical_expr::{Extension, LogicalPlan};

use super::Binder;
use super::relation::{Relation, hoist_subqueries};
use super::scope::ScopeColumn;
use super::stage::Env;
use crate::error::Result;
use crate::exec::operators::assert::OnViolation;
use crate::lang::{self, ast};
use crate::plan::assert::{AssertNode, AssertRule};

impl Binder<'_> {
    pub(super) fn assert_rows(
        &self,
        mut relation: Relation,
        condition: &ast::Expr,
        payload: &[ast::Expr],
        on_violation: ast::OnViolation,
        env: &Env,
    ) -> Result<Relation> {
        let order = (relation.order.clone(), relation.sorted.clone());
        let mut exprs = self.with_windows(&mut relation, env, "ASSERT", &[], |stage| {
            let mut exprs = vec![self.condition(condition, stage)?];
            for value in payload {
                exprs.push(self.expr(value, stage)?.expr);
            }
            Ok(exprs)
        })?;
        (relation.order, relation.sorted) = order;
        let plan = std::mem::take(&mut relation.plan);
        let input = hoist_subqueries(plan, exprs.iter_mut(), || self.fresh("subquery"))?;
        // The row's file, if it came from one, stands in the message.
        let mut pseudo = relation.scope.pseudo.iter();
        let file = pseudo.find(|column| column.is_called("_file_name"));
        let names_file = on_violation == ast::OnViolation::Fail && file.is_some();
        exprs.extend(file.filter(|_| names_file).map(ScopeColumn::expr));
        let in_function = self.macro_text.borrow().is_some();
        let rule = AssertRule {
            on_violation: match on_violation {
                ast::OnViolation::Fail => OnViolation::Fail,
                ast::OnViolation::Drop => OnViolation::Drop,
                ast::OnViolation::Warn => OnViolation::Warn,
            },
            text: self.source(condition.span),
            place: (!in_function).then_some(condition.span),
            context: self.part_of_script(condition.span.start),
            names_file,
        };
        let node = Arc::new(AssertNode { input, exprs, rule });
        relation.plan = LogicalPlan::Extension(Extension { node });
        Ok(relation)
    }

    /// `statement 3, step 4 of 7`: counted from 1, the steps of the outermost query.
    fn part_of_script(&self, at: usize) -> String {
        let number = self.statement_number.get().unwrap_or_else(|| {
            let strings = self.session.settings.double_quotes_are_strings;
            let number =
                lang::statements_before(self.text, self.statement_start.get(), strings) + 1;
            self.statement_number.set(Some(number));
            number
        });
        let steps = self.steps.borrow();
        match steps.iter().filter(|start| **start <= at).count() {
            0 => format!("statement {number}"),
            step => format!("statement {number}, step {step} of {}", steps.len()),
        }
    }
}
