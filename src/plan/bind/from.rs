//! FROM: tables, views, files, table functions and subqueries.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, Values};

use super::list::name_values;
use super::recover::Moment;
use super::relation::{PlanTypes, Relation, project};
use super::scope::{Scope, ScopeColumn};
use super::stage::{Env, Outer};
use super::table_function::is_series;
use super::{Binder, names};
use crate::catalog::{Entry, ScanSource, View};
use crate::error::{Error, Result, Span};
use crate::file::standard_input;
use crate::lang::ast::{self, FromItem, StringLiteral, TableAlias, TableFactor, TableKind};
use crate::plan::shared::{SharedKey, SharedNode, renewed};

/// A field with this metadata can be read by name and is not in `*`.
const PSEUDO: &str = "tidemill.pseudo";

impl Binder<'_> {
    /// `FROM a, b`: every item beside every other.
    pub(super) fn bind_from(&self, items: &[FromItem], env: &Env) -> Result<Relation> {
        let mut joined: Option<Relation> = None;
        for item in items {
            joined = Some(match joined {
                None => self.joined_tables(item, env)?,
                Some(left) => {
                    let left = self.cross(left, &item.table, env)?;
                    self.joins(left, item, env)?
                }
            });
        }
        joined.ok_or_else(|| Error::bug("FROM without a table"))
    }

    /// A table and its joins.
    pub(super) fn joined_tables(&self, item: &FromItem, env: &Env) -> Result<Relation> {
        let first = self.factor(&item.table, env)?;
        self.joins(first, item, env)
    }

    fn joins(&self, mut left: Relation, item: &FromItem, env: &Env) -> Result<Relation> {
        for join in &item.joins {
            left = self.join(left, join, env)?;
        }
        Ok(left)
    }

    fn cross(&self, left: Relation, right: &TableFactor, env: &Env) -> Result<Relation> {
        if let TableKind::Unnest(array) = &right.kind {
            return self.unnest(left, array, right, false, env);
        }
        let lateral = is_lateral(right);
        let bound = self.right_side(&left, right, lateral, env)?;
        self.join_plans(left, bound, JoinType::Inner, None, lateral, right.span)
    }

    /// The right input of a join, which sees the left one if it is LATERAL.
    pub(super) fn right_side(
        &self,
        left: &Relation,
        right: &TableFactor,
        lateral: bool,
        env: &Env,
    ) -> Result<Relation> {
        if !lateral {
            return self.factor(right, env);
        }
        let around = Outer {
            scope: &left.scope,
            outer: env.outer,
        };
        let inner = Env {
            outer: Some(&around),
            ..env.clone()
        };
        self.factor(right, &inner)
    }

    /// One table with its alias.
    pub(super) fn factor(&self, factor: &TableFactor, env: &Env) -> Result<Relation> {
        self.hints(&factor.hints)?;
        let moment = self.moment();
        let bound = self.unsampled(factor, env);
        let relation = self.named_or_unknown(bound, moment, factor)?;
        let relation = match &factor.sample {
            None => relation,
            Some(sample) => self.sample(relation, sample, env)?,
        };
        match (&factor.pivot, &factor.matching) {
            (Some(pivot), _) => self.pivot(relation, pivot, env),
            (None, Some(matching)) => self.match_recognize(relation, matching, factor.span, env),
            (None, None) => Ok(relation),
        }
    }

    /// The table, or an unknown one of its name.
    fn named_or_unknown(
        &self,
        bound: Result<Relation>,
        moment: Moment,
        factor: &TableFactor,
    ) -> Result<Relation> {
        let failed = bound.is_err();
        let mut relation = self.table_or_unknown(moment, bound)?;
        let name = match (&factor.alias, &factor.kind) {
            (Some(alias), _) => Some(alias.name.text.clone()),
            (None, TableKind::Table(path) | TableKind::TableAt { path, .. }) => {
                path.parts.last().map(|part| part.text.clone())
            }
            (None, TableKind::File(path)) => Some(file_stem(&path.value)),
            _ => None,
        };
        if let (true, Some(name)) = (failed, name) {
            relation.scope = relation.scope.under(&name);
        }
        Ok(relation)
    }

    fn unsampled(&self, factor: &TableFactor, env: &Env) -> Result<Relation> {
        let relation = match &factor.kind {
            TableKind::Table(path) => self.table(path, env)?,
            TableKind::TableAt { path, as_of } => self.table_at(path, as_of)?,
            TableKind::File(path) => self.file(path)?,
            TableKind::Function { path, args, .. } => match is_series(path) {
                true => return self.series(path, args, factor, env),
                false => self.table_function(path, args, factor.span, env)?,
            },
            TableKind::Unnest(array) => {
                return self.unnest(super::query::one_row(), array, factor, false, env);
            }
            TableKind::Subquery { query, .. } => {
                let mut relation = self.query(query, env)?;
                relation.forget_order();
                relation
            }
            TableKind::Nested(item) => self.joined_tables(item, env)?,
        };
        match &factor.alias {
            None => Ok(relation),
            Some(alias) => with_alias(self, relation, alias),
        }
    }

    /// A name: a common table expression, a table or view of the session, or a file in double quotes.
    pub(super) fn table(&self, path: &ast::Path, env: &Env) -> Result<Relation> {
        let name = path
            .parts
            .iter()
            .map(|part| part.text.as_str())
            .collect::<Vec<_>>()
            .join(".");
        let mut relation = if let Some(relation) = self.common_table(path, env)? {
            relation
        } else {
            let in_module = match self.in_module(&name, env) {
                Some(name) => self.entry(&name)?,
                None => None,
            };
            let found = match in_module {
                Some(found) => Some(found),
                None => self.entry(&name).map_err(|error| error.at(path.span))?,
            };
            match found {
                Some(Entry::Table(provider)) => {
                    self.scan(&name, Some(ScanSource::Table(name.clone())), provider)?
                }
                Some(Entry::View(view)) => {
                    let facts = self.named_facts(&view.plan, &name, path.span)?;
                    self.expand(facts.relations, &name, path.span)?;
                    self.view(&name, &view, env)?
                }
                None if name.eq_ignore_ascii_case("system.units") => self.units()?,
                None if name.eq_ignore_ascii_case(standard_input::NAME) => {
                    let text = StringLiteral {
                        value: "-".to_string(),
                        span: path.span,
                    };
                    return self.file(&text);
                }
                None => {
                    let quoted = path.parts.len() == 1 && path.parts[0].quoted;
                    if quoted && looks_like_path(&name) {
                        let text = StringLiteral {
                            value: name,
                            span: path.span,
                        };
                        return self.file(&text);
                    }
                    return Err(self.unknown_table(&name, path.span, env));
                }
            }
        };
        if relation.scope.columns.iter().any(|column| column.unknown) {
            self.meet_unknown();
        }
        let alias = path.parts.last().map_or(name.as_str(), |part| &part.text);
        relation.scope = relation.scope.under(alias);
        Ok(relation)
    }

    pub(super) fn unknown_table(&self, name: &str, span: Span, env: &Env) -> Error {
        let mut known = self.catalog.names();
        let mut cte = env.ctes.as_ref();
        while let Some(table) = cte {
            known.push(table.name.clone());
            cte = table.before.as_ref();
        }
        let error = Error::input("TM0203", format!("no table named `{name}`"), span);
        if looks_like_path(name) {
            return error.hint(format!("to read a file write FROM '{name}'"));
        }
        if let Some(near) = names::nearest(name, known.iter().map(String::as_str)) {
            return error.did_you_mean(near);
        }
        let error = error.hint("to read a file write its path as text: FROM 'data.csv'");
        if known.is_empty() {
            return error;
        }
        error.available(names::shorten(known))
    }

    fn view(&self, name: &str, view: &Arc<View>, env: &Env) -> Result<Relation> {
        let columns: Vec<ScopeColumn> = view
            .plan
            .schema()
            .fields()
            .iter()
            .zip(&view.names)
            .map(|(field, name)| ScopeColumn {
                name: Some(name.as_str().into()),
                id: field.name().as_str().into(),
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                text: name.as_str().into(),
                constant: None,
                unknown: false,
            })
            .collect();
        let sources = view.sources.iter();
        let sources = sources.map(|(name, source)| (name.clone(), source.clone()));
        self.sources.borrow_mut().extend(sources);
        let plan = self.with_newest_versions(view.plan.clone())?;
        let plan = renewed(plan, env.recursion.as_ref(), |id| self.fresh(id))?;
        let key = SharedKey {
            id: self.view_id(name, view),
            within: None,
            is_view: true,
        };
        let plan = SharedNode::over(plan, key);
        let (plan, columns) = self.renew(plan, &columns)?;
        Ok(Relation::new(plan, Scope::new(columns)))
    }

    /// The same wherever the statement mentions the view.
    fn view_id(&self, name: &str, view: &Arc<View>) -> Arc<str> {
        let mut views = self.views.borrow_mut();
        let known = views.iter().find(|(known, _)| Arc::ptr_eq(known, view));
        if let Some((_, id)) = known {
            return Arc::clone(id);
        }
        let id = self.fresh(name);
        views.push((Arc::clone(view), Arc::clone(&id)));
        id
    }

    fn file(&self, path: &StringLiteral) -> Result<Relation> {
        let provider = self.files.open(&path.value, None, &[], None);
        let provider = provider.map_err(|error| error.at(path.span))?;
        let name = file_stem(&path.value);
        let source = ScanSource::File(path.value.clone());
        let mut relation = self.scan(&name, Some(source), provider)?;
        relation.scope = relation.scope.under(&name);
        Ok(relation)
    }

    /// A scan whose columns get ids. `source`: what the user knows it by.
    pub(super) fn scan(
        &self,
        name: &str,
        source: Option<ScanSource>,
        provider: Arc<dyn TableProvider>,
    ) -> Result<Relation> {
        let reference = TableReference::bare(self.fresh(name));
        if let Some(source) = source {
            let mut sources = self.sources.borrow_mut();
            sources.insert(reference.table().to_string(), source);
        }
        let schema = provider.schema();
        let source = provider_as_source(provider);
        let scan = LogicalPlanBuilder::scan(reference.clone(), source, None)?.build()?;
        let mut exprs = Vec::with_capacity(schema.fields().len());
        let mut scope = Scope::default();
        for field in schema.fields() {
            let id = self.fresh(field.name());
            let column = Column::new(Some(reference.clone()), field.name());
            exprs.push(Expr::Column(column).alias(id.as_ref()));
            let column = ScopeColumn {
                name: Some(field.name().as_str().into()),
                id,
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                text: field.name().as_str().into(),
                constant: None,
                unknown: false,
            };
            if field
                .metadata()
                .get(PSEUDO)
                .is_some_and(|value| value == "1")
            {
                scope.pseudo.push(column);
            } else {
                scope.columns.push(column);
            }
        }
        if exprs.is_empty() {
            return Ok(Relation::new(scan, scope));
        }
        let plan = project(scan, exprs)?;
        let types = PlanTypes::of(&plan);
        for column in scope.columns.iter_mut().chain(&mut scope.pseudo) {
            *column = types.give(column.clone());
        }
        Ok(Relation::new(plan, scope))
    }
}

/// The relation under its alias; what it was called before is hidden.
pub(super) fn with_alias(
    binder: &Binder,
    mut relation: Relation,
    alias: &TableAlias,
) -> Result<Relation> {
    if alias.columns.len() > relation.scope.columns.len() {
        return Err(Error::input(
            "TM0302",
            format!(
                "`{}` has {} columns, {} names are given",
                alias.name.text,
                relation.scope.columns.len(),
                alias.columns.len()
            ),
            alias.name.span,
        ));
    }
    if let LogicalPlan::Values(values) = &relation.plan
        && is_all_of(&relation.scope, values)
    {
        let own = relation.scope.columns.iter().skip(alias.columns.len());
        let own: Vec<String> = own.map(|column| column.display().to_string()).collect();
        let given = alias.columns.iter().map(|name| name.text.clone());
        relation = name_values(binder, values.clone(), given.chain(own))?;
    }
    for (column, name) in relation.scope.columns.iter_mut().zip(&alias.columns) {
        column.name = Some(name.text.as_str().into());
        column.text = name.text.as_str().into();
    }
    relation.scope = relation.scope.under(&alias.name.text);
    Ok(relation)
}

/// Whether the columns are those of the rows, each once and in their order.
fn is_all_of(scope: &Scope, values: &Values) -> bool {
    let fields = values.schema.fields();
    let mut both = scope.columns.iter().zip(fields.iter());
    scope.columns.len() == fields.len()
        && both.all(|(column, field)| column.id.as_ref() == field.name())
}

pub(super) fn is_lateral(factor: &TableFactor) -> bool {
    match &factor.kind {
        TableKind::Function { lateral, .. } | TableKind::Subquery { lateral, .. } => *lateral,
        _ => false,
    }
}

pub(super) fn looks_like_path(name: &str) -> bool {
    let has_ending = name.rsplit_once('.').is_some_and(|(_, ending)| {
        let first = ending.to_ascii_lowercase();
        matches!(
            first.as_str(),
            "csv"
                | "tsv"
                | "parquet"
                | "json"
                | "ndjson"
                | "jsonl"
                | "arrow"
                | "ipc"
                | "feather"
                | "gz"
                | "zst"
                | "txt"
        )
    });
    has_ending || name.contains(['/', '*', '?'])
}

/// `data/orders.csv.gz` is called `orders`.
pub(super) fn file_stem(path: &str) -> String {
    if standard_input::is_meant(path) {
        return standard_input::NAME.to_string();
    }
    let last = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(path);
    last.split('.').next().unwrap_or(last).to_string()
}

/// The value of a type that means nothing: for columns that an input does not have.
pub(super) fn null_of(data_type: &DataType) -> Result<Expr> {
    Ok(Expr::Literal(ScalarValue::try_from(data_type)?, None))
}
