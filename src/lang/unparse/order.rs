//! ORDER BY and LIMIT.

use super::words::Words;
use crate::lang::ast::{Limit, OrderItem, SortOrder};

impl Words {
    /// With its words, or nothing.
    pub fn order_by(&mut self, items: &[OrderItem]) {
        if items.is_empty() {
            return;
        }
        self.put("ORDER BY");
        self.list(items, |words, item| {
            words.expr(&item.expr);
            words.sort(Some(&item.order));
        });
    }

    pub fn sort(&mut self, order: Option<&SortOrder>) {
        let Some(order) = order else {
            return;
        };
        match order.descending {
            Some(true) => self.put("DESC"),
            Some(false) => self.put("ASC"),
            None => {}
        }
        match order.nulls_first {
            Some(true) => self.put("NULLS FIRST"),
            Some(false) => self.put("NULLS LAST"),
            None => {}
        }
    }

    pub fn limit(&mut self, limit: &Limit) {
        match (&limit.limit, &limit.offset) {
            (Some(count), _) => {
                self.put("LIMIT");
                self.expr(count);
            }
            (None, None) => self.put("LIMIT ALL"),
            (None, Some(_)) => {}
        }
        if let Some(offset) = &limit.offset {
            self.put("OFFSET");
            self.expr(offset);
        }
    }
}
