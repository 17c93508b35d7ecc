//! Queries, set operations, SELECT and GROUP BY.

use super::words::Words;
use crate::lang::ast::{
    CatalogQuery, ColumnMatch, Expr, ExprKind, GroupBy, GroupItem, GroupKind, NameMatch,
    NamedWindow, Query, QueryBody, Select, SelectItem, SelectShape, SetExpr, SetKind, SetOperator,
    With,
};

impl Words {
    pub fn query(&mut self, query: &Query) {
        if let Some(with) = &query.with {
            self.with(with);
        }
        match &query.body {
            QueryBody::Catalog(CatalogQuery::Show(what)) => {
                self.put("SHOW");
                self.free_name(what);
            }
            QueryBody::Catalog(CatalogQuery::Shards(path)) => {
                self.put("SHOW SHARDS");
                self.path(path);
            }
            QueryBody::Catalog(CatalogQuery::Replicas(path)) => {
                self.put("SHOW REPLICAS");
                self.path(path);
            }
            QueryBody::Catalog(CatalogQuery::Describe(table)) => {
                self.put("DESCRIBE");
                self.table(table);
            }
            QueryBody::Catalog(CatalogQuery::Summarize(table)) => {
                self.put("SUMMARIZE");
                self.table(table);
            }
            QueryBody::From(items) => {
                self.put("FROM");
                self.tables_and_joins(items);
            }
            QueryBody::Standard {
                set,
                order_by,
                limit,
            } => {
                self.set(set);
                self.order_by(order_by);
                if let Some(limit) = limit {
                    self.limit(limit);
                }
            }
        }
        self.pipes(&query.pipes);
    }

    pub fn with(&mut self, with: &With) {
        self.put("WITH");
        self.put_if(with.recursive, "RECURSIVE");
        self.list(&with.tables, |words, table| {
            words.name(&table.name);
            words.name_list(&table.columns);
            words.put("AS");
            words.parenthesised(|words| words.query(&table.query));
        });
    }

    fn set(&mut self, set: &SetExpr) {
        match set {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Values { rows, .. } => {
                self.put("VALUES");
                self.list(rows, |words, row| {
                    words.parenthesised(|words| words.exprs(row))
                });
            }
            SetExpr::Table(path) => {
                self.put("TABLE");
                self.path(path);
            }
            SetExpr::Query { query, alias } => {
                self.parenthesised(|words| words.query(query));
                self.alias(alias.as_ref());
            }
            SetExpr::Operation {
                operator, inputs, ..
            } => {
                for (index, input) in inputs.iter().enumerate() {
                    if index > 0 {
                        self.set_operator(operator);
                    }
                    self.set(input);
                }
            }
        }
    }

    pub fn set_operator(&mut self, operator: &SetOperator) {
        let by_name = match &operator.columns {
            ColumnMatch::Position => None,
            ColumnMatch::Name { mode, on } => Some((mode, on)),
        };
        match by_name {
            Some((NameMatch::Inner, _)) => self.put("INNER"),
            Some((NameMatch::Left, _)) => self.put("LEFT"),
            Some((NameMatch::Full, _)) => self.put("FULL"),
            Some((NameMatch::Strict, _)) | None => {}
        }
        self.put(match operator.kind {
            SetKind::Union => "UNION",
            SetKind::Intersect => "INTERSECT",
            SetKind::Except => "EXCEPT",
        });
        self.put(if operator.all { "ALL" } else { "DISTINCT" });
        if let Some((_, on)) = by_name {
            self.put("BY NAME");
            if let Some(names) = on {
                self.put("ON");
                self.name_list(names);
            }
        }
    }

    fn select(&mut self, select: &Select) {
        self.put("SELECT");
        self.select_list(select.distinct, select.shape, &select.items);
        if !select.from.is_empty() {
            self.put("FROM");
            self.tables_and_joins(&select.from);
        }
        self.clause("WHERE", select.filter.as_ref());
        if let Some(group_by) = &select.group_by {
            self.group_by(group_by);
        }
        self.clause("HAVING", select.having.as_ref());
        self.clause("QUALIFY", select.qualify.as_ref());
        self.windows(&select.windows);
    }

    fn clause(&mut self, word: &str, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.put(word);
            self.expr(expr);
        }
    }

    pub fn select_list(&mut self, distinct: bool, shape: SelectShape, items: &[SelectItem]) {
        self.put_if(distinct, "DISTINCT");
        match shape {
            SelectShape::Plain => {}
            SelectShape::Struct => self.put("AS STRUCT"),
            SelectShape::Value => self.put("AS VALUE"),
        }
        self.list(items, Self::select_item);
    }

    pub fn select_item(&mut self, item: &SelectItem) {
        match item {
            SelectItem::Expr { expr, alias } => {
                self.expr(expr);
                self.alias(alias.as_ref());
            }
            SelectItem::Star {
                of,
                except,
                replace,
                ..
            } => {
                if let Some(of) = of {
                    self.expr(of);
                    self.put(".");
                }
                self.put("*");
                if !except.is_empty() {
                    self.put("EXCEPT");
                    self.name_list(except);
                }
                if !replace.is_empty() {
                    self.put("REPLACE");
                    self.parenthesised(|words| {
                        words.list(replace, |words, (expr, name)| {
                            words.expr(expr);
                            words.alias(Some(name));
                        });
                    });
                }
            }
        }
    }

    /// `WINDOW w AS (…)`, or nothing.
    pub fn windows(&mut self, windows: &[NamedWindow]) {
        if windows.is_empty() {
            return;
        }
        self.put("WINDOW");
        self.list(windows, |words, window| {
            words.name(&window.name);
            words.put("AS");
            let spec = &window.spec;
            let only_base =
                spec.partition_by.is_empty() && spec.order_by.is_empty() && spec.frame.is_none();
            match &spec.base {
                Some(base) if only_base => words.name(base),
                _ => words.window(spec),
            }
        });
    }

    pub fn group_by(&mut self, group_by: &GroupBy) {
        self.put("GROUP");
        self.hints(&group_by.hints);
        self.put_if(group_by.ordered, "AND ORDER");
        self.put("BY");
        self.list(&group_by.items, Self::group_item);
    }

    fn group_item(&mut self, item: &GroupItem) {
        match &item.kind {
            GroupKind::Expr { expr, alias, sort } => {
                self.expr(expr);
                self.alias(alias.as_ref());
                self.sort(sort.as_ref());
            }
            GroupKind::Empty => self.put("( )"),
            GroupKind::Rollup(parts) => {
                self.put("ROLLUP");
                self.parenthesised(|words| words.list(parts, |words, part| words.together(part)));
            }
            GroupKind::Cube(parts) => {
                self.put("CUBE");
                self.parenthesised(|words| words.list(parts, |words, part| words.together(part)));
            }
            GroupKind::Sets(sets) => {
                self.put("GROUPING SETS");
                self.parenthesised(|words| words.list(sets, Self::group_item));
            }
            GroupKind::Set(exprs) => self.together(exprs),
        }
    }

    /// `(a, b)`, or one expression: a tuple there would be its items.
    fn together(&mut self, exprs: &Vec<Expr>) {
        match exprs.as_slice() {
            [] => self.put("( STRUCT ( ) )"),
            [expr] => match expr.kind.as_ref() {
                ExprKind::Struct { fields, types } => self.worded_structure(fields, types),
                _ => self.expr(expr),
            },
            exprs => self.parenthesised(|words| words.exprs(exprs)),
        }
    }
}
