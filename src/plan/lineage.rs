//! Where the columns of a query come from: which columns of which tables, and by which steps.
//!
//! A value's way is followed, not a row's: the condition of a WHERE or of a join decides which rows there are and is no source.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::BoundQuery;
use crate::catalog::{ScanSource, Sources};
use crate::error::Result;

/// Where a column of a query comes from. See [`Engine::lineage`](crate::Engine::lineage).
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let lineage = engine.lineage("FROM (VALUES (1)) AS t (a) |> EXTEND a + 1 AS b", ())?;
/// assert_eq!((lineage[1].column.as_str(), lineage[1].steps.last()), ("b", Some(&2)));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ColumnLineage {
    /// Its name, or for an anonymous column its source text.
    pub column: String,
    /// Its type.
    pub data_type: DataType,
    /// What it is computed from, each once; nothing for a constant.
    pub sources: Vec<SourceColumn>,
    /// The steps that made, changed or renamed it or what it is computed from, by number: 1 is what stands before the first
    /// `|>`, 2 the first pipe operator.
    pub steps: Vec<usize>,
}

/// A column of a table or file.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// engine.execute("CREATE TABLE t AS SELECT 1 AS a", ())?;
/// let lineage = engine.lineage("FROM t |> SELECT a + 1 AS b", ())?;
/// let source = &lineage[0].sources[0];
/// assert_eq!((source.table.as_str(), source.column.as_str()), ("t", "a"));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SourceColumn {
    /// The table's name, or the path as the query has it.
    pub table: String,
    /// `table` is a path.
    pub is_file: bool,
    /// The column's name there.
    pub column: String,
}

/// A step, as far as it says which columns it made.
pub(crate) struct Step {
    /// Ids from here on are those of later steps.
    pub(crate) ids_end: usize,
    /// Ids and names of its columns.
    pub(crate) names: Vec<(Arc<str>, Arc<str>)>,
}

/// What a column of the plan is computed from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Parent {
    Column(String),
    /// The name of a scan, and a column of what it reads.
    Scanned(String, String),
}

/// The lineage of every column of a query with these steps.
pub(crate) fn lineage(query: &BoundQuery, steps: &[Step]) -> Result<Vec<ColumnLineage>> {
    let mut ways = Ways {
        sources: &query.sources,
        parents: HashMap::new(),
    };
    ways.follow(&query.plan)?;
    let fields = query.plan.schema().fields().iter().zip(&query.columns);
    let lineages = fields.map(|(field, column)| {
        let (sources, ids) = ways.of(field.name());
        ColumnLineage {
            column: column.name.clone(),
            data_type: field.data_type().clone(),
            sources,
            steps: steps_of(&ids, steps),
        }
    });
    Ok(lineages.collect())
}

/// The steps that made one of these columns or gave one another name.
fn steps_of(ids: &HashSet<String>, steps: &[Step]) -> Vec<usize> {
    let mut found = BTreeSet::new();
    for number in ids.iter().filter_map(|id| number_of(id)) {
        let step = steps.iter().position(|step| number < step.ids_end);
        found.extend(step.map(|step| step + 1));
    }
    for (index, pair) in steps.windows(2).enumerate() {
        let before: HashMap<&str, &str> = pair[0]
            .names
            .iter()
            .map(|(id, name)| (id.as_ref(), name.as_ref()))
            .collect();
        let renamed = pair[1].names.iter().any(|(id, name)| {
            let older = before.get(id.as_ref());
            ids.contains(id.as_ref()) && older.is_some_and(|older| *older != name.as_ref())
        });
        if renamed {
            found.insert(index + 2);
        }
    }
    found.into_iter().collect()
}

/// `7` of `price#7`. What a view made has no number of this query.
fn number_of(id: &str) -> Option<usize> {
    let (word, number) = id.rsplit_once('#')?;
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    number.parse().ok().filter(|_| plain)
}

struct Ways<'q> {
    sources: &'q Sources,
    parents: HashMap<String, Vec<Parent>>,
}

impl Ways<'_> {
    /// Notes what every node below computes, in subqueries too.
    fn follow(&mut self, plan: &LogicalPlan) -> Result<()> {
        plan.apply_with_subqueries(|node| {
            self.node(node)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }

    fn node(&mut self, node: &LogicalPlan) -> datafusion::error::Result<()> {
        let names = || node.schema().fields().iter().map(|field| field.name());
        match node {
            LogicalPlan::Projection(projection) => self.computed(names(), &projection.expr),
            LogicalPlan::Aggregate(aggregate) => {
                let groups = aggregate.group_expr.as_slice();
                let calls = aggregate.aggr_expr.as_slice();
                let first_call = node.schema().fields().len() - calls.len();
                self.computed(names().skip(first_call), calls)?;
                // Grouping sets are made of plain columns, which keep their names.
                if groups.len() <= first_call {
                    self.computed(names().take(groups.len()), groups)?;
                }
                Ok(())
            }
            LogicalPlan::Window(window) => {
                let calls = window.window_expr.as_slice();
                let kept = node.schema().fields().len() - calls.len();
                self.computed(names().skip(kept), calls)
            }
            LogicalPlan::Union(union) => {
                for input in &union.inputs {
                    self.by_position(node, input);
                }
                Ok(())
            }
            LogicalPlan::RecursiveQuery(recursion) => {
                self.by_position(node, &recursion.static_term);
                self.by_position(node, &recursion.recursive_term);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn computed<'n>(
        &mut self,
        names: impl Iterator<Item = &'n String>,
        exprs: &[Expr],
    ) -> datafusion::error::Result<()> {
        for (name, expr) in names.zip(exprs) {
            let mut read = Vec::new();
            self.read_by(expr, &mut read)?;
            self.add(name, read);
        }
        Ok(())
    }

    fn by_position(&mut self, output: &LogicalPlan, input: &LogicalPlan) {
        let fields = output.schema().fields().iter();
        let inputs = input.schema().fields().iter();
        for (field, input) in fields.zip(inputs) {
            self.add(field.name(), vec![Parent::Column(input.name().clone())]);
        }
    }

    fn add(&mut self, name: &str, read: Vec<Parent>) {
        let parents = self.parents.entry(name.to_string()).or_default();
        for parent in read {
            let itself = matches!(&parent, Parent::Column(column) if column == name);
            if !itself && !parents.contains(&parent) {
                parents.push(parent);
            }
        }
    }

    /// The columns that an expression reads, and those that a subquery in it gives.
    fn read_by(&self, expr: &Expr, read: &mut Vec<Parent>) -> datafusion::error::Result<()> {
        expr.apply(|part| {
            match part {
                Expr::Column(column) => read.push(self.parent(column)),
                Expr::OuterReferenceColumn(_, column) => read.push(self.parent(column)),
                Expr::ScalarSubquery(subquery) => given_by(&subquery.subquery, read),
                Expr::InSubquery(membership) => given_by(&membership.subquery.subquery, read),
                Expr::SetComparison(comparison) => given_by(&comparison.subquery.subquery, read),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }

    fn parent(&self, column: &Column) -> Parent {
        match &column.relation {
            Some(scan) if self.sources.contains_key(scan.table()) => {
                Parent::Scanned(scan.table().to_string(), column.name.clone())
            }
            _ => Parent::Column(column.name.clone()),
        }
    }

    /// What a column is computed from in the end, and every column of the plan on the way.
    fn of(&self, id: &str) -> (Vec<SourceColumn>, HashSet<String>) {
        let (mut sources, mut seen) = (BTreeSet::new(), HashSet::new());
        let mut open = vec![id.to_string()];
        while let Some(id) = open.pop() {
            if seen.contains(&id) {
                continue;
            }
            for parent in self.parents.get(&id).into_iter().flatten() {
                match parent {
                    Parent::Column(column) => open.push(column.clone()),
                    Parent::Scanned(scan, column) => {
                        let source = self.sources.get(scan);
                        sources.extend(source.map(|source| source_column(source, column)));
                    }
                }
            }
            seen.insert(id);
        }
        (sources.into_iter().collect(), seen)
    }
}

fn source_column(source: &ScanSource, column: &str) -> SourceColumn {
    let (table, is_file) = match source {
        ScanSource::Table(name) => (name.clone(), false),
        ScanSource::File(path) => (path.clone(), true),
    };
    SourceColumn {
        table,
        is_file,
        column: column.to_string(),
    }
}

fn given_by(plan: &LogicalPlan, read: &mut Vec<Parent>) {
    let fields = plan.schema().fields().iter();
    read.extend(fields.map(|field| Parent::Column(field.name().clone())));
}
