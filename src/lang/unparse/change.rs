//! What changes durable tables.

use super::words::Words;
use crate::lang::ast::{
    Change, InsertTarget, Merge, MergeAction, MergeClause, MergeRows, TableStatement,
    TableStatementKind, Update,
};

impl Words {
    pub fn insert(&mut self, target: &InsertTarget) {
        let overwrite = target.overwrite.as_ref();
        self.put(match overwrite {
            None => "INSERT INTO",
            Some(_) => "INSERT OVERWRITE",
        });
        self.path(&target.name);
        if let Some(overwrite) = overwrite.filter(|overwrite| !overwrite.partition.is_empty()) {
            self.put("PARTITION");
            self.parenthesised(|words| {
                words.list(&overwrite.partition, |words, (name, value)| {
                    words.name(name);
                    if let Some(value) = value {
                        words.put("=");
                        words.expr(value);
                    }
                });
            });
        }
        self.name_list(&target.columns);
    }

    pub fn table_statement(&mut self, statement: &TableStatement) {
        self.put(match &statement.kind {
            TableStatementKind::Delete(_) => "DELETE FROM",
            TableStatementKind::Update(_) => "UPDATE",
            TableStatementKind::Merge(_) => "MERGE INTO",
            TableStatementKind::Truncate => "TRUNCATE TABLE",
            TableStatementKind::Optimize => "OPTIMIZE TABLE",
            TableStatementKind::Vacuum { .. } => "VACUUM TABLE",
            TableStatementKind::Restore(_) => "RESTORE TABLE",
            TableStatementKind::Verify => "VERIFY TABLE",
            TableStatementKind::SetOptions(_)
            | TableStatementKind::Reshard(_)
            | TableStatementKind::AddColumn(_)
            | TableStatementKind::AddReplica(_)
            | TableStatementKind::DropReplica(_)
            | TableStatementKind::Promote { .. }
            | TableStatementKind::Repair(_) => "ALTER TABLE",
        });
        self.path(&statement.table);
        match &statement.kind {
            TableStatementKind::Delete(condition) => {
                self.put("WHERE");
                self.expr(condition);
            }
            TableStatementKind::Update(update) => self.update(update),
            TableStatementKind::Merge(merge) => self.merge(merge),
            TableStatementKind::Vacuum {
                retain_hours: Some(hours),
            } => self.put(&format!("RETAIN {hours} HOURS")),
            TableStatementKind::Restore(as_of) => {
                self.put("TO");
                self.as_of(as_of);
            }
            TableStatementKind::Reshard(shards) => self.put(&format!("SHARDS {shards}")),
            TableStatementKind::SetOptions(options) => {
                self.put("SET");
                self.options(options);
            }
            TableStatementKind::AddColumn(column) => {
                self.put("ADD COLUMN");
                self.column(column);
            }
            TableStatementKind::AddReplica(added) => {
                self.put("ADD REPLICA");
                self.string(&added.path);
                if let Some(weight) = added.weight {
                    self.put(&format!("WEIGHT {weight}"));
                }
                if let Some(is_sync) = added.is_sync {
                    self.put(if is_sync { "SYNC" } else { "ASYNC" });
                }
                if !added.columns.is_empty() {
                    self.put("COLUMNS");
                    self.name_list(&added.columns);
                }
                if !added.sort_by.is_empty() {
                    self.put("SORT BY");
                    self.names(&added.sort_by);
                }
            }
            TableStatementKind::DropReplica(path) => {
                self.put("DROP REPLICA");
                self.string(path);
            }
            TableStatementKind::Promote { path, force } => {
                self.put("PROMOTE REPLICA");
                self.string(path);
                if *force {
                    self.put("FORCE");
                }
            }
            TableStatementKind::Repair(path) => {
                self.put("REPAIR");
                if let Some(path) = path {
                    self.put("REPLICA");
                    self.string(path);
                }
            }
            TableStatementKind::Truncate
            | TableStatementKind::Optimize
            | TableStatementKind::Vacuum { retain_hours: None }
            | TableStatementKind::Verify => {}
        }
    }

    fn update(&mut self, update: &Update) {
        self.alias(update.alias.as_ref());
        self.changes(&update.changes);
        self.put("WHERE");
        self.expr(&update.condition);
    }

    fn changes(&mut self, changes: &[Change]) {
        self.put("SET");
        self.list(changes, |words, change| {
            words.path(&change.column);
            words.put("=");
            words.expr(&change.value);
        });
    }

    fn merge(&mut self, merge: &Merge) {
        self.alias(merge.alias.as_ref());
        self.put("USING");
        self.table(&merge.source);
        self.put("ON");
        self.expr(&merge.on);
        for clause in &merge.clauses {
            self.merge_clause(clause);
        }
    }

    fn merge_clause(&mut self, clause: &MergeClause) {
        self.put(match clause.rows {
            MergeRows::Matched => "WHEN MATCHED",
            MergeRows::NotMatched => "WHEN NOT MATCHED",
            MergeRows::NotMatchedBySource => "WHEN NOT MATCHED BY SOURCE",
        });
        if let Some(condition) = &clause.condition {
            self.put("AND");
            self.expr(condition);
        }
        self.put("THEN");
        match &clause.action {
            MergeAction::Update(changes) => {
                self.put("UPDATE");
                self.changes(changes);
            }
            MergeAction::UpdateAll => self.put("UPDATE SET *"),
            MergeAction::Delete => self.put("DELETE"),
            MergeAction::Insert {
                columns, values, ..
            } => {
                self.put("INSERT");
                self.name_list(columns);
                self.put("VALUES");
                self.parenthesised(|words| words.exprs(values));
            }
            MergeAction::InsertAll => self.put("INSERT *"),
        }
    }
}
