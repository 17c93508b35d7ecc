//! Which tables run once, and the plan in which they do.
//!
//! Running a table twice can be seen where its rows come at random (RANDOM(), TABLESAMPLE, LIMIT without an order, sums of
//! floating-point numbers whose order is that of the threads), and costs where it joins, groups or sorts. A table that only
//! picks and computes columns gives way to its query, so that each reader reads no more than it needs.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNodeRecursion};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection};

use super::node::{SharedKey, SharedNode};
use super::table::SharedTable;
use crate::error::{Error, Result};
use crate::plan::decorrelate::{correlated_names, outer_references};

/// A plan without shared nodes, and the tables it reads through scans, each after those that it reads itself.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: LogicalPlan,
    pub(crate) tables: Vec<SharedTable>,
}

/// Decides for one query.
pub(crate) fn share(plan: &LogicalPlan) -> Result<Shared> {
    let mut uses = Uses::of(plan)?;
    // Correlated subqueries become joins with copies of the rows around them: what is random must not be made for each.
    uses.copies = uses.has_correlation;
    let mut scans = Scans {
        uses: &uses,
        tables: Vec::new(),
        scans: 0,
    };
    let plan = scans.plan(plan.clone())?;
    Ok(Shared {
        plan,
        tables: scans.tables,
    })
}

/// For the steps of one statement: `keep` is called for each table that several of the plans read and that must run once, with
/// those first that others read, and gives the plan, of the same columns, that takes its place.
pub(crate) fn share_between(
    plans: &mut [&mut LogicalPlan],
    keep: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan>,
) -> Result<()> {
    let mut readers: HashMap<SharedKey, usize> = HashMap::new();
    for plan in plans.iter() {
        for (key, found) in Uses::of(plan)?.tables {
            let apart = key.within.is_none() && !key.is_view && !found.correlated;
            if apart && found.nature != Nature::Plain {
                *readers.entry(key).or_default() += 1;
            }
        }
    }
    readers.retain(|_, steps| *steps > 1);
    if readers.is_empty() {
        return Ok(());
    }
    let mut steps = Steps {
        readers,
        keep,
        kept: HashMap::new(),
    };
    for plan in plans.iter_mut() {
        **plan = steps.plan(std::mem::take(*plan))?;
    }
    Ok(())
}

/// How a table's rows come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nature {
    /// Picked and computed: cheap, and always the same.
    Plain,
    /// Joined, grouped, sorted or limited.
    Costly,
    /// Of functions that give something else each time.
    Random,
}

#[derive(Debug)]
struct Use {
    nature: Nature,
    /// It depends on the rows of a query around it.
    correlated: bool,
    /// Places that read it, once all tables that run once have their rows.
    count: usize,
    /// It is read in every round of a recursion that it is not a part of.
    in_rounds: bool,
}

#[derive(Debug, Default)]
struct Uses {
    tables: HashMap<SharedKey, Use>,
    natures: HashMap<SharedKey, Nature>,
    /// Some part of the plan reads columns of a query around it.
    has_correlation: bool,
    copies: bool,
}

impl Uses {
    /// The readers of each table of a plan.
    fn of(plan: &LogicalPlan) -> Result<Self> {
        let mut uses = Uses {
            has_correlation: !correlated_names(plan)?.is_empty(),
            ..Uses::default()
        };
        uses.count(plan, &mut Vec::new())?;
        Ok(uses)
    }

    /// Counts the readers below a plan; `rounds` are the recursions in whose rounds it runs.
    fn count(&mut self, plan: &LogicalPlan, rounds: &mut Vec<Arc<str>>) -> Result<()> {
        if let Some(node) = SharedNode::of(plan) {
            if !self.tables.contains_key(&node.key) {
                let found = Use {
                    nature: self.nature(node)?,
                    correlated: self.has_correlation && !outer_references(&node.input)?.is_empty(),
                    count: 0,
                    in_rounds: false,
                };
                self.tables.insert(node.key.clone(), found);
            }
            let Some(found) = self.tables.get_mut(&node.key) else {
                return Err(Error::bug("a shared table that was just seen is gone"));
            };
            found.count += 1;
            found.in_rounds |= rounds.last().is_some_and(|round| {
                node.key.within.as_ref() != Some(round) && found.nature != Nature::Plain
            });
            if found.count > 1 && self.is_shared(&node.key) {
                return Ok(());
            }
            return self.count(&node.input, rounds);
        }
        let mut subqueries = Vec::new();
        plan.apply_subqueries(|subquery| {
            subqueries.push(subquery.clone());
            Ok(TreeNodeRecursion::Continue)
        })?;
        for subquery in &subqueries {
            self.count(subquery, rounds)?;
        }
        if let LogicalPlan::RecursiveQuery(query) = plan {
            self.count(&query.static_term, rounds)?;
            rounds.push(query.name.as_str().into());
            self.count(&query.recursive_term, rounds)?;
            rounds.pop();
            return Ok(());
        }
        for input in plan.inputs() {
            self.count(input, rounds)?;
        }
        Ok(())
    }

    /// How the rows of a table come about, which is looked at once, however many others are made of it.
    fn nature(&mut self, table: &SharedNode) -> Result<Nature> {
        if let Some(known) = self.natures.get(&table.key) {
            return Ok(*known);
        }
        let mut nature = Nature::Plain;
        table.input.apply_with_subqueries(|part| {
            let own = match SharedNode::of(part) {
                Some(inside) => self.nature(inside).map_err(outside)?,
                None => own_nature(part)?,
            };
            nature = nature.max(own);
            Ok(match SharedNode::of(part) {
                _ if nature == Nature::Random => TreeNodeRecursion::Stop,
                Some(_) => TreeNodeRecursion::Jump,
                None => TreeNodeRecursion::Continue,
            })
        })?;
        self.natures.insert(table.key.clone(), nature);
        Ok(nature)
    }

    fn is_shared(&self, key: &SharedKey) -> bool {
        let Some(found) = self.tables.get(key) else {
            return false;
        };
        if found.correlated {
            return false;
        }
        let several = found.count > 1 || found.in_rounds;
        match found.nature {
            Nature::Plain => false,
            Nature::Costly => several,
            Nature::Random => !key.is_view && (several || self.copies),
        }
    }
}

/// What a node of a plan adds.
fn own_nature(node: &LogicalPlan) -> datafusion::error::Result<Nature> {
    let mut random = false;
    node.apply_expressions(|expr| {
        random |= expr.is_volatile();
        Ok(TreeNodeRecursion::Continue)
    })?;
    if random {
        return Ok(Nature::Random);
    }
    Ok(match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::Unnest(_) => Nature::Plain,
        _ => Nature::Costly,
    })
}

fn outside(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What becomes of a shared node.
enum Fate {
    Replaced(LogicalPlan),
    /// It gives way to its input.
    Opened,
    Left,
}

trait Rewrite {
    fn fate(&mut self, node: &SharedNode) -> Result<Fate>;

    fn plan(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.transform_down_with_subqueries(|mut part| {
            let mut changed = false;
            while let Some(node) = SharedNode::of(&part) {
                match self.fate(node).map_err(outside)? {
                    Fate::Left => break,
                    Fate::Opened => part = node.input.clone(),
                    Fate::Replaced(by) => {
                        return Ok(Transformed::new(by, true, TreeNodeRecursion::Jump));
                    }
                }
                changed = true;
            }
            Ok(Transformed::new(part, changed, TreeNodeRecursion::Continue))
        });
        Ok(plan.data()?)
    }
}

/// Nodes become scans, or give way.
struct Scans<'u> {
    uses: &'u Uses,
    tables: Vec<SharedTable>,
    scans: usize,
}

impl Rewrite for Scans<'_> {
    fn fate(&mut self, node: &SharedNode) -> Result<Fate> {
        if !self.uses.is_shared(&node.key) {
            return Ok(Fate::Opened);
        }
        let known = self.tables.iter().find(|table| *table.key() == node.key);
        let table = match known {
            Some(table) => table.clone(),
            None => {
                let plan = self.plan(node.input.clone())?;
                let table = SharedTable::new(node.key.clone(), plan);
                self.tables.push(table.clone());
                table
            }
        };
        self.scan_of(table).map(Fate::Replaced)
    }
}

impl Scans<'_> {
    /// A scan under the table's own column names.
    fn scan_of(&mut self, table: SharedTable) -> Result<LogicalPlan> {
        self.scans += 1;
        let reference = TableReference::bare(format!("{}.{}", table.key().id, self.scans));
        let fields = Arc::clone(table.plan().schema());
        let source = provider_as_source(Arc::new(table));
        let scan = LogicalPlanBuilder::scan(reference.clone(), source, None)?.build()?;
        let exprs = fields.fields().iter().map(|field| {
            let column = Column::new(Some(reference.clone()), field.name());
            Expr::Column(column).alias(field.name())
        });
        let projection = Projection::try_new(exprs.collect(), Arc::new(scan))?;
        Ok(LogicalPlan::Projection(projection))
    }
}

/// Nodes that several steps read become what keeps their rows.
struct Steps<'k> {
    readers: HashMap<SharedKey, usize>,
    keep: &'k mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan>,
    kept: HashMap<SharedKey, LogicalPlan>,
}

impl Rewrite for Steps<'_> {
    fn fate(&mut self, node: &SharedNode) -> Result<Fate> {
        if !self.readers.contains_key(&node.key) {
            return Ok(Fate::Left);
        }
        if let Some(kept) = self.kept.get(&node.key) {
            return Ok(Fate::Replaced(kept.clone()));
        }
        let plan = self.plan(node.input.clone())?;
        let kept = (self.keep)(plan)?;
        self.kept.insert(node.key.clone(), kept.clone());
        Ok(Fate::Replaced(kept))
    }
}

/// The plan in which every table gives way to its query: what DataFusion can plan by itself.
#[cfg(test)]
pub(crate) fn inlined(plan: LogicalPlan) -> Result<LogicalPlan> {
    struct All;
    impl Rewrite for All {
        fn fate(&mut self, _node: &SharedNode) -> Result<Fate> {
            Ok(Fate::Opened)
        }
    }
    All.plan(plan)
}
