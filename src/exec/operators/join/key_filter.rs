//! What a finished build side knows of the probe side's keys: its scan leaves out rows that cannot find a partner.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::NullEquality;

use super::build::encoder;
use super::encode::KeyEncoder;
use super::keys::Keys;
use super::{JoinSpec, TableSlot};
use crate::error::{Error, Result};
use crate::file::{Bounds, RuntimeFilter};

/// The keys of a build side, once it is complete.
#[derive(Debug)]
pub(crate) struct KeyFilter {
    slot: TableSlot,
    encoder: KeyEncoder,
    /// Encoded keys are in the order of the values.
    ordered: bool,
}

impl KeyFilter {
    /// None where probe rows without partner are of use. `probe` are the columns of the probe side.
    pub(crate) fn new(spec: &JoinSpec, probe: &SchemaRef, slot: TableSlot) -> Result<Option<Self>> {
        if !spec.needs_build_rows() || spec.null_aware {
            return Ok(None);
        }
        let Some(encoder) = encoder(&spec.probe_keys, probe, spec)? else {
            return Ok(None);
        };
        let ordered = match spec.probe_keys.as_slice() {
            [only] => {
                spec.null_equality == NullEquality::NullEqualsNothing
                    && keeps_order(&only.data_type(probe)?)
            }
            _ => false,
        };
        Ok(Some(KeyFilter {
            slot,
            encoder,
            ordered,
        }))
    }
}

impl RuntimeFilter for KeyFilter {
    fn is_ready(&self) -> bool {
        self.slot.get().is_some()
    }

    fn keep(&self, keys: &[ArrayRef]) -> Result<BooleanArray> {
        let table = self.slot.get();
        let table = table.ok_or_else(|| Error::bug("a join's keys are asked for too early"))?;
        let keys = self.encoder.encode(keys)?;
        Ok(BooleanArray::new(table.index.may_contain(&keys)?, None))
    }

    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>> {
        let table = self.slot.get()?;
        if table.rows.len() == 0 {
            return Some(vec![false; bounds.containers()]);
        }
        if !self.ordered {
            return None;
        }
        let (min, max) = (bounds.min(0)?, bounds.max(0)?);
        let lows = self.encoder.encode(&[Arc::clone(&min)]).ok()?;
        let highs = self.encoder.encode(&[Arc::clone(&max)]).ok()?;
        let (Keys::Narrow(lows), Keys::Narrow(highs)) = (&lows.keys, &highs.keys) else {
            return None;
        };
        // Where a bound is unknown, anything may be there.
        let unknown = |place: usize| min.is_null(place) || max.is_null(place);
        let places = 0..bounds.containers().min(lows.len()).min(highs.len());
        let may = |place| unknown(place) || table.index.any_between(lows[place], highs[place]);
        Some(places.map(may).collect())
    }
}

/// Signed numbers with their highest bit flipped are ordered as bits are.
fn keeps_order(data_type: &DataType) -> bool {
    use DataType::{
        Date32, Date64, Decimal32, Decimal64, Int8, Int16, Int32, Int64, Time32, Time64, Timestamp,
    };
    matches!(
        data_type,
        Int8 | Int16
            | Int32
            | Int64
            | Date32
            | Date64
            | Time32(_)
            | Time64(_)
            | Timestamp(..)
            | Decimal32(..)
            | Decimal64(..)
    )
}
