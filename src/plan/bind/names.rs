//! Names in messages.

pub(super) use crate::lang::nearest;

/// A list with commas, cut after twelve items.
pub(super) fn shorten(mut items: Vec<String>) -> String {
    const SHOWN: usize = 12;
    if items.len() > SHOWN {
        let more = items.len() - SHOWN;
        items.truncate(SHOWN);
        return format!("{} and {more} more", items.join(", "));
    }
    items.join(", ")
}
