//! Tables, joins and what follows a table.

use super::words::Words;
use crate::lang::ast::{
    AsOf, FromItem, Join, JoinConstraint, JoinKind, NamedExpr, OptionSetting, Pivot, PivotKind,
    TableFactor, TableKind, TableSample,
};

impl Words {
    pub fn tables_and_joins(&mut self, items: &[FromItem]) {
        self.list(items, Self::table_and_joins);
    }

    fn table_and_joins(&mut self, item: &FromItem) {
        self.table(&item.table);
        for join in &item.joins {
            self.join(join);
        }
    }

    pub fn join(&mut self, join: &Join) {
        self.put(match join.kind {
            JoinKind::Cross => "CROSS JOIN",
            JoinKind::Inner => "JOIN",
            JoinKind::Left => "LEFT JOIN",
            JoinKind::Right => "RIGHT JOIN",
            JoinKind::Full => "FULL JOIN",
            JoinKind::LeftSemi => "LEFT SEMI JOIN",
            JoinKind::LeftAnti => "LEFT ANTI JOIN",
        });
        self.hints(&join.hints);
        self.table(&join.right);
        match &join.constraint {
            JoinConstraint::None => {}
            JoinConstraint::On(condition) => {
                self.put("ON");
                self.expr(condition);
            }
            JoinConstraint::Using(names) => {
                self.put("USING");
                self.name_list(names);
            }
        }
    }

    /// `@{…}`, or nothing.
    pub fn hints(&mut self, hints: &[OptionSetting]) {
        if hints.is_empty() {
            return;
        }
        self.put("@{");
        self.list(hints, |words, hint| {
            words.free_name(&hint.name);
            words.put("=");
            words.expr(&hint.value);
        });
        self.put("}");
    }

    pub fn table(&mut self, table: &TableFactor) {
        self.table_kind(&table.kind);
        self.hints(&table.hints);
        if let Some(alias) = &table.alias {
            self.alias(Some(&alias.name));
            self.name_list(&alias.columns);
        }
        if let Some(name) = &table.with_offset {
            self.put("WITH OFFSET");
            self.alias(name.as_ref());
        }
        if let Some(sample) = &table.sample {
            self.sample(sample);
        }
        if let Some(pivot) = &table.pivot {
            self.pivot(pivot);
        }
        if let Some(matched) = &table.matching {
            self.match_recognize(matched);
        }
    }

    fn table_kind(&mut self, kind: &TableKind) {
        match kind {
            TableKind::Table(path) => self.path(path),
            TableKind::TableAt { path, as_of } => {
                self.path(path);
                self.put("FOR");
                self.as_of(as_of);
            }
            TableKind::File(path) => self.string(path),
            TableKind::Function {
                path,
                args,
                lateral,
            } => {
                self.put_if(*lateral, "LATERAL");
                self.function(path);
                self.arguments(args);
            }
            TableKind::Unnest(expr) => {
                self.put("UNNEST (");
                self.expr(expr);
                self.put(")");
            }
            TableKind::Subquery { query, lateral } => {
                self.put_if(*lateral, "LATERAL");
                self.parenthesised(|words| words.query(query));
            }
            TableKind::Nested(item) => self.parenthesised(|words| words.table_and_joins(item)),
        }
    }

    pub fn as_of(&mut self, as_of: &AsOf) {
        let (word, value) = match as_of {
            AsOf::Version(value) => ("VERSION AS OF", value),
            AsOf::Time(value) => ("SYSTEM_TIME AS OF", value),
        };
        self.put(word);
        self.expr(value);
    }

    pub fn sample(&mut self, sample: &TableSample) {
        self.put("TABLESAMPLE");
        self.free_name(&sample.method);
        self.put("(");
        self.expr(&sample.size);
        self.put(if sample.percent {
            "PERCENT )"
        } else {
            "ROWS )"
        });
        if let Some(seed) = &sample.seed {
            self.put("REPEATABLE (");
            self.expr(seed);
            self.put(")");
        }
    }

    pub fn pivot(&mut self, pivot: &Pivot) {
        match &pivot.kind {
            PivotKind::Columns {
                aggregates,
                key,
                values,
            } => {
                self.put("PIVOT (");
                self.list(aggregates, Self::named_expr);
                self.put("FOR");
                self.arithmetic(key);
                self.put("IN");
                self.parenthesised(|words| words.list(values, Self::named_expr));
                self.put(")");
            }
            PivotKind::Rows {
                include_nulls,
                values,
                name,
                sources,
            } => {
                self.put("UNPIVOT");
                self.put_if(*include_nulls, "INCLUDE NULLS");
                self.put("(");
                self.one_or_more(values);
                self.put("FOR");
                self.name(name);
                self.put("IN");
                self.parenthesised(|words| {
                    words.list(sources, |words, source| {
                        words.one_or_more(&source.columns);
                        if let Some(label) = &source.label {
                            words.put("AS");
                            words.label(label);
                        }
                    });
                });
                self.put(")");
            }
        }
        self.alias(pivot.alias.as_ref());
    }

    fn one_or_more(&mut self, names: &[crate::lang::ast::Ident]) {
        match names {
            [name] => self.name(name),
            names => self.name_list(names),
        }
    }

    fn named_expr(&mut self, named: &NamedExpr) {
        self.expr(&named.expr);
        self.alias(named.alias.as_ref());
    }
}
