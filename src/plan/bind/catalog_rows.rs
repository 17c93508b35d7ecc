//! SHOW and DESCRIBE: rows about what there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Documentation, Signature};

use super::Binder;
use super::relation::Relation;
use super::rewrites::REWRITTEN;
use super::scope::ScopeColumn;
use super::signature::usage;
use super::stage::Env;
use super::types::type_name;
use super::units::shards;
use crate::catalog::{Entry, SETTINGS};
use crate::error::Result;
use crate::lang::ast::{CatalogQuery, FunctionParam, ParamKind, Path};

/// Lines of text under the names of columns.
type Texts = Vec<(&'static str, Vec<String>)>;

impl Binder<'_> {
    pub(super) fn catalog_query(&self, query: &CatalogQuery, env: &Env) -> Result<Relation> {
        let columns = match query {
            CatalogQuery::Describe(path) => self.described(path, env)?,
            CatalogQuery::Shards(path) => shards(&self.durable(path)?),
            CatalogQuery::Show(what) => match what.text.to_ascii_uppercase().as_str() {
                "TABLES" => self.tables()?,
                "VIEWS" => self.views()?,
                "SETTINGS" => self.settings(),
                "VARIABLES" => self.variables(),
                _ => self.functions(),
            },
        };
        let batch = RecordBatch::try_from_iter(columns)?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        self.scan("catalog", Arc::new(table))
    }

    fn described(&self, path: &Path, env: &Env) -> Result<Vec<(&'static str, ArrayRef)>> {
        let relation = self.table(path, env)?;
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
                Some(Entry::Table(table)) => ("table", table.schema().fields().len()),
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

    /// Name, kind, signature and a sentence of every function.
    fn functions(&self) -> Vec<(&'static str, ArrayRef)> {
        let mut rows: BTreeMap<String, [String; 3]> = BTreeMap::new();
        let functions = self.catalog.functions();
        let described =
            |kind: &str, name: &str, signature: &Signature, about: Option<&Documentation>| {
                let shown = name.to_uppercase();
                let forms = usage(&shown, signature, about);
                let form = forms.first().cloned().unwrap_or(format!("{shown}(…)"));
                [kind.to_string(), form, sentence(about)]
            };
        for name in functions.names() {
            let row = if let Some(function) = functions.aggregate(&name) {
                described(
                    "aggregate",
                    &name,
                    function.signature(),
                    function.documentation(),
                )
            } else if let Some(function) = functions.scalar(&name) {
                described(
                    "scalar",
                    &name,
                    function.signature(),
                    function.documentation(),
                )
            } else if let Some(function) = functions.window(&name) {
                described(
                    "window",
                    &name,
                    function.signature(),
                    function.documentation(),
                )
            } else {
                let form = format!("{}(array, x -> …)", name.to_uppercase());
                let about = functions.higher_order(&name);
                let about = about.as_ref().and_then(|function| function.documentation());
                ["scalar".to_string(), form, sentence(about)]
            };
            rows.insert(name, row);
        }
        for (name, form, about) in REWRITTEN {
            let kind = if matches!(
                *name,
                "countif" | "logical_and" | "logical_or" | "any_value" | "approx_count_distinct"
            ) {
                "aggregate"
            } else {
                "scalar"
            };
            let row = [kind, form, about].map(str::to_string);
            rows.insert((*name).to_string(), row);
        }
        for function in self.session.functions() {
            let row = written("scalar", &function.name, &function.params);
            rows.insert(function.name.clone(), row);
        }
        for function in self.session.table_functions() {
            let row = written("table", &function.name, &function.params);
            rows.insert(function.name.clone(), row);
        }
        let column = |index: usize| rows.values().map(|row| row[index].clone()).collect();
        texts(vec![
            (
                "name",
                rows.keys().map(|name| name.to_uppercase()).collect(),
            ),
            ("kind", column(0)),
            ("signature", column(1)),
            ("about", column(2)),
        ])
    }
}

fn texts(columns: Texts) -> Vec<(&'static str, ArrayRef)> {
    columns
        .into_iter()
        .map(|(name, values)| (name, Arc::new(StringArray::from(values)) as ArrayRef))
        .collect()
}

/// The first sentence of what is said about a function.
fn sentence(about: Option<&Documentation>) -> String {
    let Some(about) = about else {
        return String::new();
    };
    let text = about
        .description
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    match text.find(". ") {
        Some(end) => text[..=end].to_string(),
        None => text,
    }
}

/// A function that the session created.
fn written(kind: &str, name: &str, params: &[FunctionParam]) -> [String; 3] {
    let params: Vec<String> = params
        .iter()
        .map(|param| {
            let kind = match &param.kind {
                ParamKind::Typed(written) => super::types::data_type(written)
                    .map_or_else(|_| "value".to_string(), |data_type| type_name(&data_type)),
                ParamKind::AnyType => "ANY TYPE".to_string(),
                ParamKind::AnyTable => "ANY TABLE".to_string(),
            };
            format!("{} {kind}", param.name.text)
        })
        .collect();
    let form = format!("{name}({})", params.join(", "));
    [
        kind.to_string(),
        form,
        "Created in this session.".to_string(),
    ]
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
