//! Records of CSV and JSON that are not as the others: what becomes of them, how many there were, where they go.
//!
//! [`BadRows`] is what the user chose. Under every choice but `fail` a record is looked at whole, whatever columns a query needs, so
//! that the same records are bad for every query, with any number of workers and batches of any size ([`checked`]). [`ReadTally`]
//! counts them for one query, [`rejects`] writes those that are to be kept.

mod checked;
mod policy;
mod rejects;
mod tally;

pub(super) use checked::{Checked, column_without_misfits, masked_text};
pub use policy::BadRows;
use rejects::RejectFiles;
pub use tally::ReadCounts;
pub(crate) use tally::{BadRow, ReadTally, ReadTotal};
