//! Statements.

use super::words::Words;
use crate::lang::ast::{
    self, CreateFunction, CreateTableFunction, DropKind, Explain, ExplainFormat, ExplainTopic,
    Expr, FunctionParam, Ident, ParamKind, Path, Statement, StatementKind, TypeName,
};

impl Words {
    pub fn statement(&mut self, statement: &Statement) {
        self.hints(&statement.hints);
        match &statement.kind {
            StatementKind::Query(query) => self.query(query),
            StatementKind::Explain(explain) => self.explain(explain),
            StatementKind::CreateTable(create) => {
                self.create_table(&create.target);
                if let Some(query) = &create.query {
                    self.put("AS");
                    self.query(query);
                }
            }
            StatementKind::CreateView(create) => {
                self.create(create.or_replace);
                self.put_if(create.temporary, "TEMP");
                self.created("VIEW", create.if_not_exists, &create.name);
                self.put("AS");
                self.query(&create.query);
            }
            StatementKind::CreateExternalTable(create) => self.create_external(create),
            StatementKind::CreateConstant(create) => {
                self.create(create.or_replace);
                self.created("CONSTANT", create.if_not_exists, &create.name);
                self.put("=");
                self.expr(&create.value);
            }
            StatementKind::CreateFunction(create) => self.create_function(create),
            StatementKind::CreateTableFunction(create) => self.create_table_function(create),
            StatementKind::Insert(insert) => {
                self.insert(&insert.target);
                self.query(&insert.query);
            }
            StatementKind::Table(table) => self.table_statement(table),
            StatementKind::Drop(drop) => self.dropped(drop),
            StatementKind::Declare(declare) => {
                self.put("DECLARE");
                self.names(&declare.names);
                self.declared(declare.data_type.as_ref(), declare.default.as_ref());
            }
            StatementKind::DeclareParameter(declare) => {
                self.put(&format!("DECLARE PARAMETER @{}", declare.name.text));
                self.declared(Some(&declare.data_type), declare.default.as_ref());
            }
            StatementKind::SetVariables { names, values } => self.set_variables(names, values),
            StatementKind::SetSetting { name, value } => {
                self.put(&format!("SET @@{} =", name.text));
                self.expr(value);
            }
            StatementKind::If {
                branches,
                otherwise,
            } => self.choice(branches, otherwise),
            StatementKind::Assert { condition, message } => {
                self.put("ASSERT");
                self.expr(condition);
                if let Some(message) = message {
                    self.put("AS");
                    self.string(message);
                }
            }
            StatementKind::Import { path, name } => {
                self.put("IMPORT MODULE");
                self.string(path);
                self.alias(name.as_ref());
            }
        }
    }

    fn explain(&mut self, explain: &Explain) {
        self.put("EXPLAIN");
        self.put_if(explain.analyze, "ANALYZE");
        match explain.topic {
            ExplainTopic::Pipelines => {}
            ExplainTopic::Steps => self.put("STEPS"),
            ExplainTopic::Lineage => self.put("LINEAGE"),
            ExplainTopic::Route => self.put("ROUTE"),
        }
        self.put_if(explain.format == ExplainFormat::Json, "FORMAT JSON");
        self.statement(&explain.statement);
    }

    fn create_function(&mut self, create: &CreateFunction) {
        self.create(create.or_replace);
        self.created("TEMP FUNCTION", create.if_not_exists, &create.name);
        self.params(&create.params);
        if let Some(data_type) = &create.returns {
            self.put("RETURNS");
            self.type_name(data_type);
        }
        self.put("AS");
        self.function_body(&create.body);
    }

    fn create_table_function(&mut self, create: &CreateTableFunction) {
        self.create(create.or_replace);
        self.created("TEMP TABLE FUNCTION", create.if_not_exists, &create.name);
        self.params(&create.params);
        self.put("AS");
        self.query(&create.body);
    }

    fn dropped(&mut self, drop: &ast::Drop) {
        self.put(match drop.kind {
            DropKind::Table => "DROP TABLE",
            DropKind::View => "DROP VIEW",
            DropKind::Function => "DROP FUNCTION",
            DropKind::TableFunction => "DROP TABLE FUNCTION",
            DropKind::Constant => "DROP CONSTANT",
        });
        self.put_if(drop.if_exists, "IF EXISTS");
        self.path(&drop.name);
    }

    fn declared(&mut self, data_type: Option<&TypeName>, default: Option<&Expr>) {
        if let Some(data_type) = data_type {
            self.type_name(data_type);
        }
        if let Some(default) = default {
            self.put("DEFAULT");
            self.expr(default);
        }
    }

    fn set_variables(&mut self, names: &[Ident], values: &[Expr]) {
        self.put("SET");
        if let ([name], [value]) = (names, values) {
            self.name(name);
            self.put("=");
            self.expr(value);
        } else {
            self.name_list(names);
            self.put("=");
            self.parenthesised(|words| words.exprs(values));
        }
    }

    fn choice(&mut self, branches: &[(Expr, Vec<Statement>)], otherwise: &[Statement]) {
        for (index, (condition, statements)) in branches.iter().enumerate() {
            self.put(if index == 0 { "IF" } else { "ELSEIF" });
            self.expr(condition);
            self.put("THEN");
            self.block(statements);
        }
        if !otherwise.is_empty() {
            self.put("ELSE");
            self.block(otherwise);
        }
        self.put("END IF");
    }

    fn block(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
            self.put(";");
        }
    }

    pub fn create(&mut self, or_replace: bool) {
        self.put("CREATE");
        self.put_if(or_replace, "OR REPLACE");
    }

    pub fn created(&mut self, kind: &str, if_not_exists: bool, name: &Path) {
        self.put(kind);
        self.put_if(if_not_exists, "IF NOT EXISTS");
        self.path(name);
    }

    fn params(&mut self, params: &[FunctionParam]) {
        self.parenthesised(|words| {
            words.list(params, |words, param| {
                words.name(&param.name);
                match &param.kind {
                    ParamKind::Typed(data_type) => words.type_name(data_type),
                    ParamKind::AnyType => words.put("ANY TYPE"),
                    ParamKind::AnyTable => words.put("ANY TABLE"),
                }
                if let Some(default) = &param.default {
                    words.put("DEFAULT");
                    words.expr(default);
                }
            });
        });
    }
}
