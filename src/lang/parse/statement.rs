//! Statements around queries.

use super::{Node, Reader, Rule, has, mismatch, only, parts};
use crate::error::{Error, Result};
use crate::lang::ast::{
    ColumnDefinition, CreateExternalTable, CreateTable, CreateView, Explain, ExplainFormat,
    ExplainTopic, Ident, InsertTarget, OptionSetting, Overwrite, Path, Query, Statement,
    StatementKind, TableLayout, TableTarget,
};
use crate::lang::literal::{Decoded, decode};

impl<'t> Reader<'_, 't> {
    pub(super) fn statement(&mut self, node: Node<'t>) -> Result<Statement> {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::query => StatementKind::Query(self.query(node)?),
            Rule::explain => StatementKind::Explain(self.explain(node)?),
            Rule::create_table => {
                let (target, query) = self.table_target(node)?;
                StatementKind::CreateTable(CreateTable { target, query })
            }
            Rule::create_view => {
                let (target, query) = self.table_target(node)?;
                StatementKind::CreateView(CreateView {
                    or_replace: target.or_replace,
                    temporary: target.temporary,
                    if_not_exists: target.if_not_exists,
                    name: target.name,
                    query: query.ok_or_else(mismatch)?,
                })
            }
            Rule::create_external => {
                StatementKind::CreateExternalTable(self.create_external(node)?)
            }
            Rule::delete
            | Rule::update
            | Rule::merge
            | Rule::truncate
            | Rule::optimize
            | Rule::vacuum
            | Rule::restore
            | Rule::verify
            | Rule::add_replica
            | Rule::drop_replica
            | Rule::promote
            | Rule::repair
            | Rule::add_column
            | Rule::set_options
            | Rule::reshard => StatementKind::Table(self.table_statement(node)?),
            _ => self.script_statement(node)?,
        };
        Ok(Statement {
            kind,
            hints: Vec::new(),
            span,
        })
    }

    fn explain(&mut self, node: Node<'t>) -> Result<Explain> {
        let analyze = has(&node, Rule::kw_analyze);
        let topic = if has(&node, Rule::kw_steps) {
            ExplainTopic::Steps
        } else if has(&node, Rule::kw_lineage) {
            ExplainTopic::Lineage
        } else if has(&node, Rule::kt_route) {
            ExplainTopic::Route
        } else {
            ExplainTopic::Pipelines
        };
        let mut format = ExplainFormat::Tree;
        let mut statement = None;
        for part in parts(node) {
            match part.as_rule() {
                Rule::explain_format if has(&part, Rule::kw_json) => format = ExplainFormat::Json,
                Rule::explain_format => {}
                _ => statement = Some(self.statement(part)?),
            }
        }
        Ok(Explain {
            analyze,
            topic,
            format,
            statement: Box::new(statement.ok_or_else(mismatch)?),
        })
    }

    /// `[OR REPLACE] [TEMP] TABLE [IF NOT EXISTS] name [(columns)] [AS query]`
    pub(super) fn table_target(&mut self, node: Node<'t>) -> Result<(TableTarget, Option<Query>)> {
        let (mut or_replace, mut temporary, mut if_not_exists) = (false, false, false);
        let (mut name, mut query) = (None, None);
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        let mut layout = TableLayout::default();
        for part in parts(node) {
            match part.as_rule() {
                Rule::create_head => {
                    or_replace = has(&part, Rule::kw_replace);
                    temporary = has(&part, Rule::kw_temp) || has(&part, Rule::kw_temporary);
                }
                Rule::if_not_exists => if_not_exists = true,
                Rule::path => name = Some(self.path(part)?),
                Rule::column_list => (columns, key) = self.column_list(part)?,
                Rule::query => query = Some(self.query(part)?),
                _ => self.table_layout(part, &mut layout)?,
            }
        }
        let name = name.ok_or_else(mismatch)?;
        if or_replace && if_not_exists {
            return Err(replace_and_keep(&name));
        }
        let target = TableTarget {
            or_replace,
            temporary,
            if_not_exists,
            name,
            columns,
            key,
            layout,
        };
        Ok((target, query))
    }

    /// `INSERT [INTO | OVERWRITE] name [PARTITION (…)] [(columns)] [query]`
    pub(super) fn insert_target(
        &mut self,
        node: Node<'t>,
    ) -> Result<(InsertTarget, Option<Query>)> {
        let (mut name, mut columns, mut query) = (None, Vec::new(), None);
        let mut overwrite = None;
        for part in parts(node) {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::overwrite => overwrite = Some(Overwrite::default()),
                Rule::overwritten => match &mut overwrite {
                    Some(overwrite) => overwrite.partition = self.overwritten(part)?,
                    None => {
                        let message = "PARTITION says what INSERT OVERWRITE replaces";
                        return Err(Error::input("TM0102", message, span)
                            .hint("leave it out: rows find their partitions by themselves"));
                    }
                },
                Rule::insert_conflict => {
                    let what = "INSERT OR REPLACE and OR IGNORE, which need a table with a key,";
                    return Err(Error::not_implemented(what, span));
                }
                Rule::path => name = Some(self.path(part)?),
                Rule::name_list => columns = self.names(part)?,
                Rule::query => query = Some(self.query(part)?),
                _ => return Err(mismatch()),
            }
        }
        let name = name.ok_or_else(mismatch)?;
        let target = InsertTarget {
            name,
            columns,
            overwrite,
        };
        Ok((target, query))
    }

    /// The columns, and those of the key.
    fn column_list(&mut self, node: Node<'t>) -> Result<(Vec<ColumnDefinition>, Vec<Ident>)> {
        let span = self.span(&node);
        let (mut columns, mut key) = (Vec::new(), None);
        for part in parts(node) {
            let place = self.span(&part);
            match part.as_rule() {
                Rule::column_definition => columns.push(self.column_definition(part)?),
                _ if key.is_some() => {
                    let message = "a table has one PRIMARY KEY";
                    return Err(Error::input("TM0102", message, place));
                }
                _ => key = Some(self.names(only(part)?)?),
            }
        }
        super::pipe::bounded(columns.len(), "a table has", span)?;
        if columns.is_empty() {
            let message = "a table needs a column beside its key";
            return Err(Error::input("TM0304", message, span));
        }
        Ok((columns, key.unwrap_or_default()))
    }

    fn create_external(&mut self, node: Node<'t>) -> Result<CreateExternalTable> {
        let (mut or_replace, mut if_not_exists, mut name) = (false, false, None);
        let (mut columns, mut options) = (Vec::new(), None);
        let (mut stored_as, mut location) = (None, None);
        for part in parts(node) {
            let span = self.span(&part);
            let twice = match part.as_rule() {
                Rule::create_head => {
                    or_replace = has(&part, Rule::kw_replace);
                    if has(&part, Rule::kw_temp) || has(&part, Rule::kw_temporary) {
                        return Err(Error::not_implemented("a temporary external table", span));
                    }
                    false
                }
                Rule::if_not_exists => std::mem::replace(&mut if_not_exists, true),
                Rule::path => name.replace(self.path(part)?).is_some(),
                Rule::column_list => {
                    let key;
                    (columns, key) = self.column_list(part)?;
                    refuse_stored(&columns, &key)?;
                    false
                }
                Rule::stored_as => stored_as.replace(self.word(&only(part)?)).is_some(),
                Rule::location => location.replace(self.text(only(part)?)?).is_some(),
                Rule::options => options.replace(self.options(part)?).is_some(),
                _ => return Err(mismatch()),
            };
            if twice {
                return Err(Error::input(
                    "TM0102",
                    "this clause stands here twice",
                    span,
                ));
            }
        }
        let name = name.ok_or_else(mismatch)?;
        if or_replace && if_not_exists {
            return Err(replace_and_keep(&name));
        }
        Ok(CreateExternalTable {
            or_replace,
            if_not_exists,
            name,
            columns,
            stored_as,
            location,
            options: options.unwrap_or_default(),
        })
    }

    pub(super) fn column_definition(&mut self, node: Node<'t>) -> Result<ColumnDefinition> {
        let mut inner = parts(node);
        let mut column = ColumnDefinition {
            name: self.ident(&inner.next().ok_or_else(mismatch)?),
            data_type: self.type_name(inner.next().ok_or_else(mismatch)?)?,
            not_null: false,
            default: None,
        };
        for part in inner {
            match part.as_rule() {
                Rule::not_null => column.not_null = true,
                _ => column.default = Some(self.expr(only(part)?)?),
            }
        }
        Ok(column)
    }

    pub(super) fn options(&mut self, node: Node<'t>) -> Result<Vec<OptionSetting>> {
        parts(node)
            .map(|option| {
                let mut inner = parts(option);
                let name = inner.next().ok_or_else(mismatch)?;
                let name = match name.as_rule() {
                    // `'format.has_header' 'true'`, as DataFusion writes options.
                    Rule::string => self.quoted_option(&name)?,
                    _ => self.ident(&name),
                };
                Ok(OptionSetting {
                    name,
                    value: self.expr(inner.next().ok_or_else(mismatch)?)?,
                })
            })
            .collect()
    }
}

impl<'t> Reader<'_, 't> {
    fn quoted_option(&self, node: &Node<'t>) -> Result<Ident> {
        let span = self.span(node);
        match decode(
            self.written(node),
            span.start,
            self.source.double_quotes_are_strings,
        )? {
            Decoded::Text(text) => Ok(Ident {
                text,
                quoted: true,
                span,
            }),
            Decoded::Bytes(_) => Err(Error::input("TM0102", "an option's name is a text", span)),
        }
    }
}

pub(super) fn replace_and_keep(name: &Path) -> Error {
    let message = "OR REPLACE and IF NOT EXISTS exclude each other";
    Error::input("TM0102", message, name.span).hint("keep one of the two")
}

/// Columns of named files have what the files have.
fn refuse_stored(columns: &[ColumnDefinition], key: &[Ident]) -> Result<()> {
    let mut defaults = columns.iter().filter_map(|column| column.default.as_ref());
    let place = defaults.next().map(|default| default.span);
    match place.or_else(|| key.first().map(|name| name.span)) {
        None => Ok(()),
        Some(place) => {
            let message = "an external table is read only: it has no DEFAULT and no key";
            Err(Error::input("TM0102", message, place)
                .hint("replace NULL where it is read: COALESCE(column, value)"))
        }
    }
}
