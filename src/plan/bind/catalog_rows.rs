//! SHOW and DESCRIBE: rows about what there is.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;

use super::Binder;
use super::relation::Relation;
use super::replicas::replicas;
use super::scope::ScopeColumn;
use super::stage::Env;
use super::types::type_name;
use super::units::shards;
use crate::catalog::durable::SnapshotTable;
use crate::catalog::{Entry, SETTINGS};
use crate::error::Result;
use crate::lang::ast::{CatalogQuery, TableFactor};

/// Lines of text under the names of columns.
pub(super) type Texts = Vec<(&'static str, Vec<String>)>;

impl Binder<'_> {
    pub(super) fn catalog_query(&self, query: &CatalogQuery, env: &Env) -> Result<Relation> {
        let columns = match query {
            CatalogQuery::Summarize(table) => return self.summarized(table, env),
            CatalogQuery::Describe(table) => self.described(table, env)?,
            CatalogQuery::Shards(path) => shards(&self.durable(path)?),
            CatalogQuery::Replicas(path) => replicas(&self.durable(path)?)?,
            CatalogQuery::Show(what) => match what.text.to_ascii_uppercase().as_str() {
                "TABLES" => self.tables()?,
                "VIEWS" => self.views()?,
                "SETTINGS" => self.settings(),
                "VARIABLES" => self.variables(),
                _ => texts(self.functions()),
            },
        };
        let batch = RecordBatch::try_from_iter(columns)?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        self.scan("catalog", None, Arc::new(table))
    }

    fn described(&self, table: &TableFactor, env: &Env) -> Result<Vec<(&'static str, ArrayRef)>> {
        let relation = self.factor(table, env)?;
        let columns = &relation.scope.columns;
        let names = columns.iter().map(|column| column.display().to_string());
        let types = columns.iter().map(|column| type_name(&column.data_type));
        let mut described = texts(vec![("name", names.collect()), ("type", types.collect())]);
        let nullable: Vec<bool> = columns.iter().map(|column| column.nullable).collect();
        described.push(("nullable", Arc::new(BooleanArray::from(nullable))));
        Ok(described)
    }

    fn tables(&self) -> Result<Vec<(&'static str, ArrayRef)>> {
        let (mut names, mut kinds, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for name in self.catalog.names() {
            let (kind, count) = match self.catalog.find(&name)? {
                Some(Entry::Table(table)) => {
                    let columns = match table.downcast_ref::<SnapshotTable>() {
                        // Beside its own it has some that no query sees.
                        Some(durable) => Arc::clone(&durable.table.snapshot.columns.seen),
                        None => table.schema(),
                    };
                    ("table", columns.fields().len())
                }
                Some(Entry::View(view)) => ("view", view.names.len()),
                None => continue,
            };
            names.push(name);
            kinds.push(kind.to_string());
            counts.push(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut columns = texts(vec![("name", names), ("kind", kinds)]);
        columns.push(("columns", Arc::new(Int64Array::from(counts))));
        Ok(columns)
    }

    fn views(&self) -> Result<Vec<(&'static str, ArrayRef)>> {
        let (mut names, mut columns) = (Vec::new(), Vec::new());
        for name in self.catalog.names() {
            if let Some(Entry::View(view)) = self.catalog.find(&name)? {
                names.push(name);
                columns.push(view.names.join(", "));
            }
        }
        Ok(texts(vec![("name", names), ("columns", columns)]))
    }

    fn settings(&self) -> Vec<(&'static str, ArrayRef)> {
        let settings = SETTINGS.iter();
        let value = |setting: &crate::catalog::Setting| {
            let value = (setting.get)(&self.session.settings);
            value.to_string()
        };
        texts(vec![
            ("name", settings.clone().map(|s| s.name.into()).collect()),
            ("value", settings.clone().map(value).collect()),
            (
                "values",
                settings.clone().map(|s| s.values.into()).collect(),
            ),
            ("about", settings.map(|s| s.about.into()).collect()),
        ])
    }

    fn variables(&self) -> Vec<(&'static str, ArrayRef)> {
        let values = self.session.values().iter();
        let kind = |is_constant: bool| if is_constant { "constant" } else { "variable" };
        texts(vec![
            ("name", values.clone().map(|v| v.name.clone()).collect()),
            (
                "kind",
                values.clone().map(|v| kind(v.is_constant).into()).collect(),
            ),
            (
                "type",
                values
                    .clone()
                    .map(|v| type_name(&v.value.data_type()))
                    .collect(),
            ),
            ("value", values.map(|v| v.value.to_string()).collect()),
        ])
    }
}

pub(super) fn texts(columns: Texts) -> Vec<(&'static str, ArrayRef)> {
    columns
        .into_iter()
        .map(|(name, values)| (name, Arc::new(StringArray::from(values)) as ArrayRef))
        .collect()
}

/// The lines of DESCRIBE for a table on its way through a pipe.
pub(super) fn description(relation: &Relation, tables: &[String]) -> String {
    let column = |column: &ScopeColumn| {
        let name = match &column.name {
            Some(name) => name.to_string(),
            None => format!("({})", column.text),
        };
        format!("  {name} {}", type_name(&column.data_type))
    };
    let mut lines = vec!["Columns:".to_string()];
    lines.extend(relation.scope.columns.iter().map(column));
    if !relation.scope.pseudo.is_empty() {
        lines.push("Readable by name, absent from *:".to_string());
        lines.extend(relation.scope.pseudo.iter().map(column));
    }
    if !relation.scope.ranges.is_empty() {
        let names: Vec<&str> = relation
            .scope
            .ranges
            .iter()
            .map(|range| range.name.as_ref())
            .collect();
        lines.push(format!("Table aliases: {}", names.join(", ")));
    }
    if !tables.is_empty() {
        lines.push(format!("Common tables: {}", tables.join(", ")));
    }
    if !relation.order.is_empty() || !relation.sorted.is_empty() {
        lines.push("Result is ordered.".to_string());
    }
    lines.join("\n")
}
