//! Statements around queries.

use super::{Node, Reader, Rule, has, mismatch, only, parts};
use crate::error::{Error, Result};
use crate::lang::ast::{
    ColumnDefinition, CreateExternalTable, CreateTable, CreateView, Explain, Ident, OptionSetting,
    Path, Query, Statement, StatementKind, TableLayout,
};
use crate::lang::literal::{Decoded, decode};

/// What CREATE TABLE and CREATE VIEW have in common.
struct Create {
    or_replace: bool,
    temporary: bool,
    if_not_exists: bool,
    name: Path,
    columns: Vec<ColumnDefinition>,
    layout: TableLayout,
    query: Option<Query>,
}

impl<'t> Reader<'_, 't> {
    pub(super) fn statement(&mut self, node: Node<'t>) -> Result<Statement> {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::query => StatementKind::Query(self.query(node)?),
            Rule::explain => StatementKind::Explain(Explain {
                analyze: has(&node, Rule::kw_analyze),
                statement: Box::new(self.statement(only(node)?)?),
            }),
            Rule::create_table => {
                let create = self.create(node)?;
                StatementKind::CreateTable(CreateTable {
                    or_replace: create.or_replace,
                    temporary: create.temporary,
                    if_not_exists: create.if_not_exists,
                    name: create.name,
                    columns: create.columns,
                    layout: create.layout,
                    query: create.query,
                })
            }
            Rule::create_view => {
                let create = self.create(node)?;
                StatementKind::CreateView(CreateView {
                    or_replace: create.or_replace,
                    temporary: create.temporary,
                    if_not_exists: create.if_not_exists,
                    name: create.name,
                    query: create.query.ok_or_else(mismatch)?,
                })
            }
            Rule::create_external => {
                StatementKind::CreateExternalTable(self.create_external(node)?)
            }
            _ => StatementKind::Table(self.table_statement(node)?),
        };
        Ok(Statement { kind, span })
    }

    fn create(&mut self, node: Node<'t>) -> Result<Create> {
        let (mut or_replace, mut temporary, mut if_not_exists) = (false, false, false);
        let (mut name, mut query) = (None, None);
        let (mut columns, mut layout) = (Vec::new(), TableLayout::default());
        for part in parts(node) {
            match part.as_rule() {
                Rule::create_head => {
                    or_replace = has(&part, Rule::kw_replace);
                    temporary = has(&part, Rule::kw_temp) || has(&part, Rule::kw_temporary);
                }
                Rule::if_not_exists => if_not_exists = true,
                Rule::path => name = Some(self.path(part)?),
                Rule::query => query = Some(self.query(part)?),
                Rule::column_list => {
                    let list = parts(part).map(|column| self.column_definition(column));
                    columns = list.collect::<Result<_>>()?;
                }
                _ => self.table_layout(part, &mut layout)?,
            }
        }
        let name = name.ok_or_else(mismatch)?;
        if or_replace && if_not_exists {
            return Err(replace_and_keep(&name));
        }
        Ok(Create {
            or_replace,
            temporary,
            if_not_exists,
            name,
            columns,
            layout,
            query,
        })
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
                    let list = parts(part).map(|column| self.column_definition(column));
                    columns = list.collect::<Result<_>>()?;
                    false
                }
                Rule::stored_as => stored_as.replace(self.ident(&only(part)?)).is_some(),
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
        let not_null = has(&node, Rule::kw_not);
        let mut inner = parts(node);
        Ok(ColumnDefinition {
            name: self.ident(&inner.next().ok_or_else(mismatch)?),
            data_type: self.type_name(inner.next().ok_or_else(mismatch)?)?,
            not_null,
        })
    }

    fn options(&mut self, node: Node<'t>) -> Result<Vec<OptionSetting>> {
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

fn replace_and_keep(name: &Path) -> Error {
    let message = "OR REPLACE and IF NOT EXISTS exclude each other";
    Error::input("TM0102", message, name.span).hint("keep one of the two")
}
