//! Which expressions of a plan stand where in the query's text, for the errors that their values cause.
//!
//! The optimizer moves, merges and casts expressions, so that they are known by what they compute from the tables' columns: a
//! fingerprint that sees through names and casts. Two with the same fingerprint fail alike, and either place will do.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Operator, TryCast};

use crate::error::{Error, ErrorKind, Result, Span};
use crate::exec::error::blamed;
use crate::exec::placed::placed;

/// Parts of a noted expression at most: what is longer is found by its parts.
const MAX_PARTS: usize = 64;

/// Expressions that can fail, as they were bound.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    noted: Vec<(Expr, Span)>,
    /// Correlated subqueries, by the columns of the queries around that they use.
    subqueries: Vec<(Vec<String>, Span)>,
    /// Recursions, by their names in the plan.
    recursions: HashMap<Arc<str>, Span>,
}

impl Places {
    /// Notes the place of an expression, if it can fail.
    pub(crate) fn note(&mut self, expr: &Expr, span: Span) {
        if can_fail(expr) && is_small(expr) {
            self.noted.push((expr.clone(), span));
        }
    }

    /// Notes the place of a recursion.
    pub(crate) fn note_recursion(&mut self, name: &Arc<str>, span: Span) {
        self.recursions.insert(Arc::clone(name), span);
    }

    pub(crate) fn recursions(&self) -> &HashMap<Arc<str>, Span> {
        &self.recursions
    }

    /// Notes the place of a subquery that uses columns of the query around.
    pub(crate) fn note_subquery(&mut self, outer: Vec<String>, span: Span) {
        self.subqueries.push((outer, span));
    }

    /// The place of the smallest subquery that uses one of these columns.
    pub(super) fn of_subquery(&self, names: &BTreeSet<String>) -> Option<Span> {
        let uses = |outer: &[String]| outer.iter().any(|name| names.contains(name));
        let using = self.subqueries.iter().filter(|(outer, _)| uses(outer));
        using
            .map(|(_, span)| *span)
            .min_by_key(|span| span.end - span.start)
    }

    /// Gives an error of the optimizer, which computes what is the same on every row, its place.
    pub(crate) fn locate(&self, error: Error, state: &SessionState) -> Error {
        if error.span().is_some() || error.kind() != ErrorKind::Run {
            return error;
        }
        let Some((guilty, span)) = self.that_fails_with(error.message(), state) else {
            return error;
        };
        let error = match guilty {
            Expr::ScalarFunction(call) => {
                let types = call.args.iter().map(|arg| arg.get_type(&DFSchema::empty()));
                let types: Vec<DataType> = types.filter_map(|found| found.ok()).collect();
                blamed(error, call.name(), &types)
            }
            _ => error,
        };
        error.at(*span)
    }

    fn that_fails_with(&self, message: &str, state: &SessionState) -> Option<&(Expr, Span)> {
        let fails = |expr| failure(expr, state).is_some_and(|own| own == message);
        self.noted.iter().find(|(expr, _)| fails(expr))
    }

    /// The optimized plan with every known expression marked. `bound` is the plan before.
    pub(crate) fn mark(
        &self,
        bound: &LogicalPlan,
        optimized: LogicalPlan,
        state: &SessionState,
    ) -> Result<LogicalPlan> {
        if self.noted.is_empty() {
            return Ok(optimized);
        }
        let mut prints = Fingerprints::default();
        prints.define(bound)?;
        prints.define(&optimized)?;
        let mut places: HashMap<u64, Span> = HashMap::new();
        for (expr, span) in &self.noted {
            places.entry(prints.of_place(expr)).or_insert(*span);
        }
        let place_of = |part: &Expr| {
            let known = places.get(&prints.of_place(part)).copied();
            // What is the same on every row may have been computed in part.
            known.or_else(|| {
                let fails = self.that_fails_with(&failure(part, state)?, state)?;
                Some(fails.1)
            })
        };
        let marked = optimized.transform_down(|node| {
            // What a table filters by itself it must understand.
            if matches!(node, LogicalPlan::TableScan(_)) {
                return Ok(Transformed::no(node));
            }
            let names = NamePreserver::new(&node);
            let node = node.map_expressions(|expr| {
                let name = names.save(&expr);
                let marked = expr.transform_up(|part| {
                    if !can_fail(&part) {
                        return Ok(Transformed::no(part));
                    }
                    Ok(match place_of(&part) {
                        Some(span) => Transformed::yes(placed(part, span)),
                        None => Transformed::no(part),
                    })
                })?;
                Ok(marked.update_data(|expr| name.restore(expr)))
            })?;
            Ok(node)
        });
        Ok(marked.data()?)
    }
}

/// What an expression without columns fails with.
fn failure(expr: &Expr, state: &SessionState) -> Option<String> {
    let depends = expr.exists(|part| {
        let depends = matches!(
            part,
            Expr::Column(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::LambdaVariable(_)
        );
        Ok(depends)
    });
    if depends.unwrap_or(true) || expr.is_volatile() {
        return None;
    }
    let physical = state.create_physical_expr(expr.clone(), &DFSchema::empty());
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one_row);
    let outcome = match (physical, row) {
        (Ok(physical), Ok(row)) => physical.evaluate(&row).err(),
        (Err(error), _) => Some(error),
        _ => None,
    };
    outcome.map(|error| Error::from(error).message().to_string())
}

/// Whether some value could make the expression itself fail.
pub(super) fn can_fail(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(binary) => matches!(
            binary.op,
            Operator::Plus
                | Operator::Minus
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo
                | Operator::RegexMatch
                | Operator::RegexNotMatch
                | Operator::RegexIMatch
                | Operator::RegexNotIMatch
        ),
        Expr::Cast(_) | Expr::ScalarFunction(_) => true,
        _ => false,
    }
}

fn is_small(expr: &Expr) -> bool {
    let mut parts = 0;
    let visit = expr.apply(|_| {
        parts += 1;
        Ok(match parts > MAX_PARTS {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    visit.is_ok() && parts <= MAX_PARTS
}

/// What computed columns stand for.
#[derive(Debug, Default)]
struct Fingerprints {
    columns: HashMap<String, u64>,
}

impl Fingerprints {
    /// Learns the computed columns of a plan, inputs first. The first plan to define a name is right.
    fn define(&mut self, plan: &LogicalPlan) -> Result<()> {
        let mut nodes = Vec::new();
        plan.apply_with_subqueries(|node| {
            nodes.push(node.clone());
            Ok(TreeNodeRecursion::Continue)
        })?;
        for node in nodes.iter().rev() {
            node.apply_expressions(|expr| {
                if let Expr::Alias(alias) = expr
                    && !self.columns.contains_key(&alias.name)
                {
                    let print = self.of(&alias.expr);
                    self.columns.insert(alias.name.clone(), print);
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(())
    }

    /// The fingerprint of an expression that may be noted: a cast that was written counts.
    fn of_place(&self, expr: &Expr) -> u64 {
        match expr {
            Expr::Cast(cast) => fingerprint(&("cast", target(cast), self.of(&cast.expr))),
            other => self.of(other),
        }
    }

    fn of(&self, expr: &Expr) -> u64 {
        match expr {
            Expr::Alias(alias) => self.of(&alias.expr),
            Expr::Cast(Cast { expr, .. }) | Expr::TryCast(TryCast { expr, .. }) => self.of(expr),
            Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => {
                match self.columns.get(&column.name) {
                    Some(print) => *print,
                    None => fingerprint(&("column", &column.name)),
                }
            }
            Expr::Literal(value, _) => fingerprint(&("value", plain(value))),
            Expr::BinaryExpr(binary) => {
                let sides = [self.of(&binary.left), self.of(&binary.right)];
                match binary.op {
                    // What the optimizer makes of a call.
                    Operator::RegexMatch => fingerprint(&("function", "regexp_like", &sides[..])),
                    op => fingerprint(&("operator", op, sides)),
                }
            }
            Expr::ScalarFunction(call) if call.name() == "placed" => {
                call.args.first().map_or(0, |marked| self.of(marked))
            }
            Expr::ScalarFunction(call) => {
                let args: Vec<u64> = call.args.iter().map(|arg| self.of(arg)).collect();
                fingerprint(&("function", call.name(), &args[..]))
            }
            other => {
                let mut parts = Vec::new();
                let visit = other.apply_children(|part| {
                    parts.push(self.of(part));
                    Ok(TreeNodeRecursion::Continue)
                });
                debug_assert!(visit.is_ok(), "the closure never fails");
                fingerprint(&(std::mem::discriminant(other), parts))
            }
        }
    }
}

fn target(cast: &Cast) -> DataType {
    cast.field.data_type().clone()
}

/// The value without its type, which a coercion changes.
fn plain(value: &ScalarValue) -> String {
    match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(Some(number))) if value.data_type().is_numeric() => {
            number.to_string()
        }
        _ => value.to_string(),
    }
}

fn fingerprint(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
