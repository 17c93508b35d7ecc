//! Where an expression stands: what it may refer to, what may stand in it, and what is taken out of it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::logical_expr::Expr;

use super::Binder;
use super::group::GroupKey;
use super::macros::Arguments;
use super::matched::{MatchClause, Matched, MatchedRange};
use super::scope::{Scope, ScopeColumn};
use super::typed::Typed;
use super::with::Cte;
use crate::error::Span;
use crate::lang::ast::NamedWindow;

/// What surrounds a query.
#[derive(Clone, Default)]
pub(super) struct Env<'e> {
    /// The last common table expression in scope, which knows the one before it.
    pub(super) ctes: Option<Rc<Cte>>,
    /// The enclosing query, if this is a subquery.
    pub(super) outer: Option<&'e Outer<'e>>,
    /// Those of the function whose body this is.
    pub(super) arguments: Option<Rc<Arguments>>,
    /// The recursion whose rounds run this.
    pub(super) recursion: Option<Arc<str>>,
}

/// An enclosing query's names.
pub(super) struct Outer<'e> {
    pub(super) scope: &'e Scope,
    pub(super) outer: Option<&'e Outer<'e>>,
}

/// A call that is computed by a plan node of its own; the expression refers to its result.
#[derive(Debug, Clone)]
pub(super) struct Extracted {
    pub(super) expr: Expr,
    pub(super) column: ScopeColumn,
}

/// A column that an expression reads outside of aggregate functions.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) id: Arc<str>,
    pub(super) span: Span,
}

/// Whether a kind of call may stand in an expression.
pub(super) enum Calls {
    Refused,
    /// Collected here.
    Taken(Taken),
}

/// Calls in the order in which they were met.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken {
    calls: Vec<Extracted>,
    /// Those of each hash: a text may have thousands.
    known: HashMap<u64, Vec<usize>>,
}

impl Taken {
    pub(super) fn calls(&self) -> &[Extracted] {
        &self.calls
    }

    pub(super) fn into_calls(self) -> Vec<Extracted> {
        self.calls
    }

    /// The column of a call that was met before and gives the same again.
    fn column_of(&self, call: &Expr) -> Option<&ScopeColumn> {
        let alike = self.known.get(&hash_of(call))?;
        let mut alike = alike.iter().map(|index| &self.calls[*index]);
        let same = alike.find(|known| known.expr == *call && !known.expr.is_volatile());
        same.map(|known| &known.column)
    }

    fn add(&mut self, call: Extracted) {
        let alike = self.known.entry(hash_of(&call.expr)).or_default();
        alike.push(self.calls.len());
        self.calls.push(call);
    }
}

fn hash_of(expr: &Expr) -> u64 {
    let mut hasher = DefaultHasher::new();
    expr.hash(&mut hasher);
    hasher.finish()
}

pub(super) struct Stage<'s> {
    pub(super) scope: &'s Scope,
    pub(super) env: &'s Env<'s>,
    /// The clause or operator, for messages.
    pub(super) clause: &'s str,
    pub(super) aggregates: Calls,
    pub(super) windows: Calls,
    pub(super) named_windows: &'s [NamedWindow],
    /// A predicate of a filter, where EXISTS may become a join.
    pub(super) is_filter: bool,
    /// The next expression is a whole conjunct of a filter, where IN may become a join.
    pub(super) is_conjunct: bool,
    /// Grouping items, for GROUPING().
    pub(super) group_keys: &'s [GroupKey],
    /// Calls of aggregate functions so far.
    pub(super) aggregate_calls: usize,
    /// Columns may be read only inside aggregate functions (pipe AGGREGATE).
    pub(super) only_aggregates: bool,
    /// Aliases of the same list: visible to nobody, but good for a hint.
    pub(super) siblings: Vec<String>,
    /// The aggregate or window function whose arguments are being bound.
    pub(super) inside_aggregate: Option<String>,
    pub(super) inside_window: bool,
    pub(super) lambda: Vec<(String, FieldRef)>,
    pub(super) uses: Vec<Use>,
    /// What DEFINE and MEASURES of MATCH_RECOGNIZE have beside others.
    pub(super) matched: Option<&'s Matched>,
    /// Whose rows the aggregate that is being bound reads.
    pub(super) match_range: Option<MatchedRange>,
}

impl<'s> Stage<'s> {
    /// Whether this is a condition of MATCH_RECOGNIZE.
    pub(super) fn in_define(&self) -> bool {
        let clause = self.matched.map(|matched| &matched.clause);
        matches!(clause, Some(MatchClause::Define { .. }))
    }

    /// Neither aggregate nor window functions.
    pub(super) fn plain(scope: &'s Scope, env: &'s Env<'s>, clause: &'s str) -> Self {
        Stage {
            scope,
            env,
            clause,
            aggregates: Calls::Refused,
            windows: Calls::Refused,
            named_windows: &[],
            is_filter: false,
            is_conjunct: false,
            group_keys: &[],
            aggregate_calls: 0,
            only_aggregates: false,
            siblings: Vec::new(),
            inside_aggregate: None,
            inside_window: false,
            lambda: Vec::new(),
            uses: Vec::new(),
            matched: None,
            match_range: None,
        }
    }

    pub(super) fn with_windows(mut self, named: &'s [NamedWindow]) -> Self {
        self.windows = Calls::Taken(Taken::default());
        self.named_windows = named;
        self
    }

    pub(super) fn with_aggregates(mut self) -> Self {
        self.aggregates = Calls::Taken(Taken::default());
        self
    }

    /// The names that a subquery at this place sees around it.
    pub(super) fn around(&self) -> Outer<'_> {
        Outer {
            scope: self.scope,
            outer: self.env.outer,
        }
    }

    pub(super) fn take_windows(&mut self) -> Vec<Extracted> {
        match &mut self.windows {
            Calls::Refused => Vec::new(),
            Calls::Taken(taken) => std::mem::take(taken).into_calls(),
        }
    }

    pub(super) fn take_aggregates(&mut self) -> Vec<Extracted> {
        match &mut self.aggregates {
            Calls::Refused => Vec::new(),
            Calls::Taken(taken) => std::mem::take(taken).into_calls(),
        }
    }

    /// The columns of calls that were taken out of expressions here.
    pub(super) fn extracted(&self) -> impl Iterator<Item = &ScopeColumn> {
        [&self.aggregates, &self.windows]
            .into_iter()
            .flat_map(|calls| match calls {
                Calls::Refused => &[],
                Calls::Taken(taken) => taken.calls(),
            })
            .map(|extracted| &extracted.column)
    }

    pub(super) fn has_aggregates(&self) -> bool {
        matches!(&self.aggregates, Calls::Taken(taken) if !taken.calls().is_empty())
    }
}

impl Binder<'_> {
    /// Puts a call among the extracted ones, once if it is written twice, and gives the column of its result.
    pub(super) fn extract(&self, taken: &mut Taken, name: &str, value: Typed) -> Typed {
        if let Some(column) = taken.column_of(&value.expr) {
            return Typed::column(column, value.span);
        }
        let column = ScopeColumn {
            name: None,
            id: self.fresh(name),
            data_type: value.data_type.clone(),
            nullable: value.nullable,
            text: name.into(),
            constant: None,
            unknown: value.unknown,
        };
        let typed = Typed::column(&column, value.span);
        taken.add(Extracted {
            expr: value.expr,
            column,
        });
        typed
    }
}
