//! Statements of scripts: variables, parameters, functions, constants, IF blocks.

use super::statement::replace_and_keep;
use super::{Node, Reader, Rule, has, mismatch, only, parts};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    CatalogQuery, CreateConstant, CreateFunction, CreateTableFunction, Declare, DeclareParameter,
    Drop, DropKind, Expr, ExprKind, FunctionParam, Ident, Insert, ParamKind, Path, Query,
    QueryBody, StatementKind, TypeName,
};

/// What the statements that create functions and constants have in common.
#[derive(Default)]
struct Created<'t> {
    or_replace: bool,
    if_not_exists: bool,
    name: Option<Path>,
    params: Vec<FunctionParam>,
    returns: Option<TypeName>,
    body: Option<Node<'t>>,
}

impl<'t> Reader<'_, 't> {
    pub(super) fn script_statement(&mut self, node: Node<'t>) -> Result<StatementKind> {
        Ok(match node.as_rule() {
            Rule::declare => self.declare(node)?,
            Rule::declare_parameter => self.declare_parameter(node)?,
            Rule::set_statement => self.set_statement(node)?,
            Rule::drop => self.drop_statement(node)?,
            Rule::assert_statement => {
                let mut inner = parts(node);
                let condition = self.expr(inner.next().ok_or_else(mismatch)?)?;
                let message = inner.next().map(|text| self.text(text)).transpose()?;
                StatementKind::Assert { condition, message }
            }
            Rule::import => {
                let mut inner = parts(node);
                let path = self.text(inner.next().ok_or_else(mismatch)?)?;
                let name = inner.next().map(|name| self.ident(&name));
                StatementKind::Import { path, name }
            }
            Rule::insert => {
                let (target, query) = self.insert_target(node)?;
                let query = query.ok_or_else(mismatch)?;
                StatementKind::Insert(Insert { target, query })
            }
            Rule::catalog_query => StatementKind::Query(self.catalog_query(node)?),
            Rule::create_constant => self.create_constant(node)?,
            Rule::create_function => self.create_function(node)?,
            Rule::create_table_function => self.create_table_function(node)?,
            _ => return Err(mismatch()),
        })
    }

    fn declare(&mut self, node: Node<'t>) -> Result<StatementKind> {
        let (mut names, mut data_type, mut default) = (Vec::new(), None, None);
        let span = self.span(&node);
        for part in parts(node) {
            match part.as_rule() {
                Rule::ident => names.push(self.ident(&part)),
                Rule::type_name => data_type = Some(self.type_name(part)?),
                Rule::default_value => default = Some(self.expr(only(part)?)?),
                _ => return Err(mismatch()),
            }
        }
        if data_type.is_none() && default.is_none() {
            let message = "DECLARE needs a type or a DEFAULT";
            return Err(Error::input("TM0102", message, span)
                .hint("write DECLARE x INT64, or DECLARE x DEFAULT 1"));
        }
        Ok(StatementKind::Declare(Declare {
            names,
            data_type,
            default,
        }))
    }

    fn declare_parameter(&mut self, node: Node<'t>) -> Result<StatementKind> {
        let (mut name, mut data_type, mut default) = (None, None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::parameter => name = Some(self.parameter_name(&part)?),
                Rule::type_name => data_type = Some(self.type_name(part)?),
                Rule::default_value => default = Some(self.expr(only(part)?)?),
                _ => return Err(mismatch()),
            }
        }
        Ok(StatementKind::DeclareParameter(DeclareParameter {
            name: name.ok_or_else(mismatch)?,
            data_type: data_type.ok_or_else(mismatch)?,
            default,
        }))
    }

    fn parameter_name(&self, node: &Node) -> Result<Ident> {
        let span = self.span(node);
        match self.written(node).trim_end().strip_prefix('@') {
            Some(name) => Ok(Ident {
                text: name.to_string(),
                quoted: false,
                span,
            }),
            None => Err(
                Error::input("TM0102", "a declared parameter has a name", span)
                    .label("write @name"),
            ),
        }
    }

    fn set_statement(&mut self, node: Node<'t>) -> Result<StatementKind> {
        let mut inner = parts(node).filter(|part| part.as_rule() != Rule::assign);
        let target = inner.next().ok_or_else(mismatch)?;
        let value = self.expr(inner.next().ok_or_else(mismatch)?)?;
        match target.as_rule() {
            Rule::setting => {
                let name = self.setting(&target);
                Ok(StatementKind::SetSetting { name, value })
            }
            Rule::ident => Ok(StatementKind::SetVariables {
                names: vec![self.ident(&target)],
                values: vec![value],
            }),
            _ => {
                let names = self.names(target)?;
                let values = tuple_items(value, &names)?;
                Ok(StatementKind::SetVariables { names, values })
            }
        }
    }

    /// `@@name` without its marks.
    pub(super) fn setting(&self, node: &Node) -> Ident {
        Ident {
            text: self
                .written(node)
                .trim()
                .trim_start_matches('@')
                .to_string(),
            quoted: false,
            span: self.span(node),
        }
    }

    fn drop_statement(&mut self, node: Node<'t>) -> Result<StatementKind> {
        let (mut kind, mut if_exists, mut name) = (None, false, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::drop_kind => {
                    kind = Some(
                        match (has(&part, Rule::kw_table), has(&part, Rule::kw_function)) {
                            (true, true) => DropKind::TableFunction,
                            (true, false) => DropKind::Table,
                            (false, true) => DropKind::Function,
                            (false, false) if has(&part, Rule::kw_view) => DropKind::View,
                            (false, false) => DropKind::Constant,
                        },
                    );
                }
                Rule::if_exists => if_exists = true,
                Rule::path => name = Some(self.path(part)?),
                _ => return Err(mismatch()),
            }
        }
        Ok(StatementKind::Drop(Drop {
            kind: kind.ok_or_else(mismatch)?,
            if_exists,
            name: name.ok_or_else(mismatch)?,
        }))
    }

    fn catalog_query(&mut self, node: Node<'t>) -> Result<Query> {
        let span = self.span(&node);
        let (mut body, mut pipes) = (None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::show => body = Some(self.shown(part)?),
                Rule::describe => {
                    let table = self.table_factor(only(part)?)?;
                    body = Some(CatalogQuery::Describe(Box::new(table)));
                }
                Rule::summarize => {
                    let table = self.table_factor(only(part)?)?;
                    body = Some(CatalogQuery::Summarize(Box::new(table)));
                }
                Rule::pipe => pipes.push(self.pipe(part)?),
                _ => return Err(mismatch()),
            }
        }
        super::query::bounded_pipes(&pipes, span)?;
        Ok(Query {
            with: None,
            body: QueryBody::Catalog(body.ok_or_else(mismatch)?),
            pipes,
            span,
        })
    }

    fn shown(&self, node: Node<'t>) -> Result<CatalogQuery> {
        let replicas = has(&node, Rule::kt_replica);
        let shown = only(node)?;
        if shown.as_rule() == Rule::path {
            let path = self.path(shown)?;
            return Ok(match replicas {
                true => CatalogQuery::Replicas(path),
                false => CatalogQuery::Shards(path),
            });
        }
        let name = self.word(&shown);
        match name.text.as_str() {
            "TABLES" | "VIEWS" | "SETTINGS" | "FUNCTIONS" | "VARIABLES" => {
                Ok(CatalogQuery::Show(name))
            }
            word @ ("SHARDS" | "REPLICAS") => {
                let message = format!("SHOW {word} needs a table");
                Err(Error::input("TM0102", message, name.span).hint(format!("write SHOW {word} t")))
            }
            "STREAMS" => Err(Error::not_implemented("SHOW STREAMS", name.span)
                .hint("there are no streams yet; SHOW TABLES lists what can be read")),
            "JOBS" => Err(Error::not_implemented("SHOW JOBS", name.span).hint(
                "a script runs as a job with `tidemill run job.tide`, which reports its steps",
            )),
            _ => Err(Error::input(
                "TM0102",
                format!("there is nothing called `{}` to show", name.text),
                name.span,
            )
            .available("SHOW TABLES, VIEWS, FUNCTIONS, SETTINGS, VARIABLES, SHARDS t, REPLICAS t")),
        }
    }

    fn create_constant(&mut self, node: Node<'t>) -> Result<StatementKind> {
        let created = self.created(node)?;
        Ok(StatementKind::CreateConstant(CreateConstant {
            or_replace: created.or_replace,
            if_not_exists: created.if_not_exists,
            name: created.name.ok_or_else(mismatch)?,
            value: self.expr(created.body.ok_or_else(mismatch)?)?,
        }))
    }

    fn create_function(&mut self, node: Node<'t>) -> Result<StatementKind> {
        let created = self.created(node)?;
        for param in &created.params {
            if param.kind == ParamKind::AnyTable {
                let message = "only a table function takes tables";
                return Err(Error::input("TM0102", message, param.name.span)
                    .hint("write CREATE TEMP TABLE FUNCTION"));
            }
        }
        Ok(StatementKind::CreateFunction(CreateFunction {
            or_replace: created.or_replace,
            if_not_exists: created.if_not_exists,
            name: created.name.ok_or_else(mismatch)?,
            params: created.params,
            returns: created.returns,
            body: self.primary(created.body.ok_or_else(mismatch)?)?,
        }))
    }

    fn create_table_function(&mut self, node: Node<'t>) -> Result<StatementKind> {
        let created = self.created(node)?;
        Ok(StatementKind::CreateTableFunction(CreateTableFunction {
            or_replace: created.or_replace,
            if_not_exists: created.if_not_exists,
            name: created.name.ok_or_else(mismatch)?,
            params: created.params,
            body: self.query(created.body.ok_or_else(mismatch)?)?,
        }))
    }

    fn created(&mut self, node: Node<'t>) -> Result<Created<'t>> {
        let mut created = Created::default();
        for part in parts(node) {
            match part.as_rule() {
                Rule::create_head => created.or_replace = has(&part, Rule::kw_replace),
                Rule::if_not_exists => created.if_not_exists = true,
                Rule::path => created.name = Some(self.path(part)?),
                Rule::function_params => created.params = self.function_params(part)?,
                Rule::type_name => created.returns = Some(self.type_name(part)?),
                Rule::paren | Rule::expr | Rule::query => created.body = Some(part),
                _ => return Err(mismatch()),
            }
        }
        match &created.name {
            Some(name) if created.or_replace && created.if_not_exists => {
                Err(replace_and_keep(name))
            }
            _ => Ok(created),
        }
    }

    fn function_params(&mut self, node: Node<'t>) -> Result<Vec<FunctionParam>> {
        let mut params: Vec<FunctionParam> = Vec::new();
        for param in parts(node) {
            let (mut name, mut kind, mut default) = (None, None, None);
            for part in parts(param) {
                match part.as_rule() {
                    Rule::ident => name = Some(self.ident(&part)),
                    Rule::any_table => kind = Some(ParamKind::AnyTable),
                    Rule::any_type => kind = Some(ParamKind::AnyType),
                    Rule::type_name => kind = Some(ParamKind::Typed(self.type_name(part)?)),
                    Rule::default_value => default = Some(self.expr(only(part)?)?),
                    _ => return Err(mismatch()),
                }
            }
            let name = name.ok_or_else(mismatch)?;
            check_param(&params, &name, default.is_some())?;
            params.push(FunctionParam {
                name,
                kind: kind.ok_or_else(mismatch)?,
                default,
            });
        }
        Ok(params)
    }
}

fn check_param(before: &[FunctionParam], name: &Ident, has_default: bool) -> Result<()> {
    let twice = before
        .iter()
        .any(|other| other.name.text.eq_ignore_ascii_case(&name.text));
    if twice {
        let message = format!("two parameters are called `{}`", name.text);
        return Err(Error::input("TM0301", message, name.span));
    }
    if !has_default && before.iter().any(|other| other.default.is_some()) {
        let message = "parameters with a DEFAULT come last";
        return Err(Error::input("TM0301", message, name.span));
    }
    Ok(())
}

/// `(a, b)` beside as many names.
fn tuple_items(value: Expr, names: &[Ident]) -> Result<Vec<Expr>> {
    let span: Span = value.span;
    let wrong = |found: usize| {
        let message = format!("{} variables are set from {found} values", names.len());
        Err(Error::input("TM0302", message, span).hint("write SET (x, y) = (1, 2)"))
    };
    match *value.kind {
        ExprKind::Struct { fields, types } if types.is_empty() => {
            if fields.len() != names.len() {
                return wrong(fields.len());
            }
            Ok(fields.into_iter().map(|(field, _)| field).collect())
        }
        kind if names.len() == 1 => Ok(vec![Expr {
            kind: Box::new(kind),
            span,
        }]),
        _ => wrong(1),
    }
}
