//! Statements: queries, EXPLAIN and what puts a name into the session.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;

use super::relation::{Finished, Relation};
use super::scope::ScopeColumn;
use super::stage::Env;
use super::table_function::{declared_types, of_option};
use super::types::data_type;
use super::{Binder, Bound};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    ColumnDefinition, CreateExternalTable, Explain, ExplainTopic, ExprKind, OptionSetting, Path,
    Query, Statement, StatementKind, TableTarget,
};
use crate::plan::{BoundQuery, OutputColumn};

impl Binder<'_> {
    pub(super) fn statement(&self, statement: &Statement) -> Result<Bound> {
        self.statement_hints(&statement.hints)?;
        match &statement.kind {
            StatementKind::Query(query) => self.outermost(query),
            StatementKind::Explain(explain) => self.explain(explain),
            StatementKind::CreateTable(create) => {
                let (relation, place) = match &create.query {
                    Some(query) => (self.query(query, &Env::default())?, query.span),
                    None => (self.no_rows(&create.target)?, create.target.name.span),
                };
                let step = self.create_table(relation, &create.target, place)?;
                Ok(Bound::Steps(vec![step]))
            }
            StatementKind::Table(statement) => self.table_statement(statement),
            StatementKind::Insert(insert) => {
                let relation = self.inserted_rows(insert)?;
                let step = self.insert(relation, &insert.target)?;
                Ok(Bound::Steps(vec![step]))
            }
            StatementKind::CreateView(create) => {
                let mut name = session_name(&create.name)?;
                if let Some(module) = &self.parameters.module {
                    name = format!("{module}.{name}");
                }
                // The plan will stand in those of other statements: its ids must not be theirs.
                let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
                *self.realm.borrow_mut() = format!("{}_", word.to_ascii_lowercase());
                Ok(Bound::CreateView {
                    name,
                    or_replace: create.or_replace,
                    if_not_exists: create.if_not_exists,
                    query: self.stored(&create.query)?,
                })
            }
            StatementKind::CreateExternalTable(create) => self.external_table(create),
            _ => Err(Error::input(
                "TM0315",
                "only queries and statements that store rows have a plan",
                statement.span,
            )),
        }
    }

    fn explain(&self, explain: &Explain) -> Result<Bound> {
        let (analyze, format) = (explain.analyze, explain.format);
        let statement = &explain.statement;
        Ok(match explain.topic {
            ExplainTopic::Pipelines => Bound::Explain {
                analyze,
                format,
                statement: Box::new(self.statement(statement)?),
            },
            ExplainTopic::Steps => Bound::ExplainSteps {
                steps: self.steps(statement, analyze)?,
                format,
            },
            ExplainTopic::Route if analyze => {
                let message = "EXPLAIN ROUTE runs nothing";
                return Err(Error::input("TM0315", message, statement.span)
                    .hint("leave ANALYZE out; SHOW REPLICAS counts what was read"));
            }
            ExplainTopic::Route => match self.statement(statement)? {
                Bound::Query(query) => Bound::ExplainRoute { query, format },
                _ => {
                    let message = "EXPLAIN ROUTE takes a query";
                    return Err(Error::input("TM0315", message, statement.span));
                }
            },
            ExplainTopic::Lineage => Bound::ExplainLineage {
                columns: self.lineage(statement)?,
                format,
            },
        })
    }

    /// The table of a CREATE TABLE without a query.
    fn no_rows(&self, target: &TableTarget) -> Result<Relation> {
        let schema = declared(&target.columns)?;
        let fields = schema.fields().iter();
        let nullable = fields.map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        let empty = MemTable::try_new(schema, vec![Vec::new()])?;
        self.scan("empty", None, Arc::new(empty))
    }

    pub(super) fn output(&self, relation: Relation) -> Result<BoundQuery> {
        let Finished { plan, columns, .. } = self.finish(relation, true)?;
        let columns = columns
            .iter()
            .map(|column| OutputColumn {
                name: column.display().to_string(),
                anonymous: column.name.is_none(),
            })
            .collect();
        Ok(BoundQuery {
            plan,
            columns,
            places: self.places.borrow().clone(),
            sources: self.sources.borrow().clone(),
            chart: None,
        })
    }

    /// A query whose rows are kept under the names of its columns.
    fn stored(&self, query: &Query) -> Result<BoundQuery> {
        let relation = self.query(query, &Env::default())?;
        check_names(&relation.scope.columns, query.span)?;
        self.output(relation)
    }

    fn external_table(&self, create: &CreateExternalTable) -> Result<Bound> {
        let name = session_name(&create.name)?;
        let mut options = Vec::new();
        let mut path = None;
        let mut format = create
            .stored_as
            .as_ref()
            .map(|word| word.text.to_ascii_lowercase());
        for option in &create.options {
            if option.name.text.eq_ignore_ascii_case("types") {
                options.push(("types".to_string(), declared_types(&option.value)?));
                continue;
            }
            let value = self.option(option)?;
            let text = value.try_as_str().flatten().map(str::to_string);
            match (option.name.text.to_ascii_lowercase().as_str(), text) {
                ("path" | "location", Some(text)) => path = Some(text),
                ("format", Some(text)) => format = Some(text.to_ascii_lowercase()),
                // Every record may hold quoted line breaks: there is nothing to switch on.
                ("format.newlines_in_values", _) => {}
                (other, _) => options.push((our_option(other).to_string(), value)),
            }
        }
        let location = create.location.as_ref();
        let Some(path) = location.map(|location| location.value.clone()).or(path) else {
            return Err(Error::input(
                "TM0301",
                "CREATE EXTERNAL TABLE needs LOCATION",
                create.name.span,
            )
            .hint("write LOCATION 'data.csv'"));
        };
        let columns = match create.columns.as_slice() {
            [] => None,
            columns => Some(declared(columns)?),
        };
        let provider = self
            .files
            .open(&path, format.as_deref(), &options, columns)
            .map_err(|error| {
                let named = create.options.iter().map(|option| &option.name);
                let place = location.map_or(create.name.span, |place| place.span);
                of_option(error, named).at(place)
            })?;
        Ok(Bound::CreateExternalTable {
            name,
            or_replace: create.or_replace,
            if_not_exists: create.if_not_exists,
            provider,
        })
    }

    /// An option's value: a literal, or a bare word as text.
    pub(super) fn option(&self, option: &OptionSetting) -> Result<ScalarValue> {
        if let ExprKind::Path(path) = option.value.kind.as_ref()
            && let [word] = path.parts.as_slice()
        {
            return Ok(ScalarValue::from(word.text.as_str()));
        }
        self.constant_value(&option.value, "an option")
    }
}

/// DataFusion's name of an option in ours, so that its scripts run as they are.
fn our_option(name: &str) -> &str {
    match name.strip_prefix("format.").unwrap_or(name) {
        "has_header" => "header",
        "null_value" => "null",
        "schema_infer_max_rec" => "sample_rows",
        other => other,
    }
}

/// The columns as they were declared.
pub(super) fn declared(columns: &[ColumnDefinition]) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::with_capacity(columns.len());
    for column in columns {
        let name = &column.name.text;
        if fields
            .iter()
            .any(|field| field.name().eq_ignore_ascii_case(name))
        {
            let message = format!("two columns are called `{name}`");
            return Err(Error::input("TM0305", message, column.name.span));
        }
        let written = data_type(&column.data_type)?;
        fields.push(Field::new(name, written, !column.not_null));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Tables of a session have plain names.
pub(super) fn session_name(path: &Path) -> Result<String> {
    match path.parts.as_slice() {
        [name] => Ok(name.text.clone()),
        _ => Err(Error::not_implemented("a name with dots", path.span)
            .hint("tables of a session have one name, without a schema")),
    }
}

/// TM0305: what stores rows needs a name for every column, each once.
pub(super) fn check_names(columns: &[ScopeColumn], span: Span) -> Result<()> {
    let mut offenders: Vec<String> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let repeated = column
            .name
            .as_ref()
            .is_some_and(|name| columns[..index].iter().any(|other| other.is_called(name)));
        if column.name.is_none() {
            offenders.push(format!("`{}` has no name", column.text));
        } else if repeated {
            offenders.push(format!("`{}` stands twice", column.display()));
        }
    }
    if offenders.is_empty() {
        return Ok(());
    }
    Err(Error::input(
        "TM0305",
        format!(
            "stored columns need names, each once: {}",
            offenders.join(", ")
        ),
        span,
    )
    .hint("name columns with AS or RENAME"))
}
