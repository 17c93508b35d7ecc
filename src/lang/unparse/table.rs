//! Definitions of tables: columns, layout, options.

use super::words::Words;
use crate::lang::ast::{
    ColumnDefinition, CreateExternalTable, Ident, OptionSetting, PartitionItem, PartitionTransform,
    TableLayout, TableTarget,
};

impl Words {
    pub fn create_table(&mut self, target: &TableTarget) {
        self.create(target.or_replace);
        self.put_if(target.temporary, "TEMP");
        self.created("TABLE", target.if_not_exists, &target.name);
        self.columns(&target.columns, &target.key);
        self.layout(&target.layout);
    }

    fn layout(&mut self, layout: &TableLayout) {
        if !layout.partition_by.is_empty() {
            self.put("PARTITION BY");
            self.list(&layout.partition_by, Self::partition_item);
        }
        if !layout.cluster_by.is_empty() {
            self.put("CLUSTER BY");
            self.names(&layout.cluster_by);
        }
        if !layout.shard_key.is_empty() {
            self.put("DISTRIBUTE BY HASH");
            self.name_list(&layout.shard_key);
            match &layout.colocate_with {
                None => self.put(&format!("INTO {} SHARDS", layout.shards)),
                Some(table) => {
                    self.put("COLOCATE WITH");
                    self.path(table);
                }
            }
        }
        self.options(&layout.options);
    }

    fn partition_item(&mut self, item: &PartitionItem) {
        match &item.transform {
            None => self.name(&item.column),
            Some(PartitionTransform::Truncate(unit)) => {
                self.put("DATE_TRUNC");
                self.parenthesised(|words| {
                    words.name(&item.column);
                    words.put(",");
                    words.name(unit);
                });
            }
            Some(PartitionTransform::Bucket(count)) => {
                self.put(&format!("BUCKET ( {count} ,"));
                self.name(&item.column);
                self.put(")");
            }
        }
    }

    pub fn create_external(&mut self, create: &CreateExternalTable) {
        self.create(create.or_replace);
        self.created("EXTERNAL TABLE", create.if_not_exists, &create.name);
        self.columns(&create.columns, &[]);
        if let Some(format) = &create.stored_as {
            self.put("STORED AS");
            self.free_name(format);
        }
        if let Some(location) = &create.location {
            self.put("LOCATION");
            self.string(location);
        }
        self.options(&create.options);
    }

    /// `(a INT64 NOT NULL)`, or nothing.
    fn columns(&mut self, columns: &[ColumnDefinition], key: &[Ident]) {
        if columns.is_empty() {
            return;
        }
        self.parenthesised(|words| {
            words.list(columns, Self::column);
            if !key.is_empty() {
                words.put(", PRIMARY KEY");
                words.name_list(key);
                words.put("NOT ENFORCED");
            }
        });
    }

    pub fn column(&mut self, column: &ColumnDefinition) {
        self.name(&column.name);
        self.type_name(&column.data_type);
        self.put_if(column.not_null, "NOT NULL");
        if let Some(default) = &column.default {
            self.put("DEFAULT");
            self.expr(default);
        }
    }

    /// `OPTIONS(…)`, or nothing.
    pub fn options(&mut self, options: &[OptionSetting]) {
        if options.is_empty() {
            return;
        }
        self.put("OPTIONS");
        self.parenthesised(|words| {
            words.list(options, |words, option| {
                // A text may be empty, a quoted name may not.
                if option.name.quoted {
                    words.text(&option.name.text);
                } else {
                    words.free_name(&option.name);
                }
                words.put("=");
                words.expr(&option.value);
            });
        });
    }
}
