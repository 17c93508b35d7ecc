//! What a finished build side knows of the probe side's keys: its scan leaves out rows that cannot find a partner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::NullEquality;

use super::build::encoder;
use super::encode::KeyEncoder;
use super::keys::{EncodedKeys, Keys};
use super::{JoinSpec, JoinTable, TableSlot};
use crate::error::{Error, Result};
use crate::file::{Bounds, RuntimeFilter};

/// What scans ask of a build side. Settled before the run.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// For all keys together.
    whole: Arc<AtomicBool>,
    /// For one of several keys, by number.
    parts: Vec<Arc<AtomicBool>>,
}

impl Asked {
    pub(crate) fn new(keys: usize) -> Self {
        Asked {
            whole: Arc::default(),
            parts: (0..keys).map(|_| Arc::default()).collect(),
        }
    }

    /// To be set by who asks a [`KeyFilter`], for all keys or one.
    pub(crate) fn flag(&self, part: Option<usize>) -> Arc<AtomicBool> {
        Arc::clone(part.map_or(&self.whole, |key| &self.parts[key]))
    }

    pub(super) fn whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = usize> + '_ {
        let asked = |(_, asked): &(usize, &Arc<AtomicBool>)| asked.load(Ordering::Relaxed);
        let parts = self.parts.iter().enumerate();
        parts.filter(asked).map(|(key, _)| key)
    }
}

/// The keys of a build side, once it is complete.
#[derive(Debug)]
pub(crate) struct KeyFilter {
    slot: TableSlot,
    encoder: KeyEncoder,
    /// Encoded keys are in the order of the values.
    ordered: bool,
    /// The only one of several keys that is looked at.
    part: Option<usize>,
    /// The bits of the only key that is looked at, where it is a whole number.
    signed_bits: Option<u32>,
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
            part: None,
            signed_bits: match (ordered, spec.probe_keys.as_slice()) {
                (true, [only]) => signed_bits(&only.data_type(probe)?),
                _ => None,
            },
        }))
    }

    /// Less than that, of one key among several; none where it is no number.
    pub(crate) fn of_part(
        spec: &JoinSpec,
        key: usize,
        probe: &SchemaRef,
        slot: TableSlot,
    ) -> Result<Option<Self>> {
        let only = std::slice::from_ref(&spec.probe_keys[key]);
        let can_be_asked = spec.needs_build_rows()
            && !spec.null_aware
            && spec.probe_keys.len() > 1
            && spec.null_equality == NullEquality::NullEqualsNothing
            && keeps_order(&only[0].data_type(probe)?);
        if !can_be_asked {
            return Ok(None);
        }
        let encoder = encoder(only, probe, spec)?;
        let signed_bits = signed_bits(&only[0].data_type(probe)?);
        Ok(encoder.map(|encoder| KeyFilter {
            signed_bits,
            slot,
            encoder,
            ordered: true,
            part: Some(key),
        }))
    }

    fn may_contain(&self, table: &JoinTable, keys: &EncodedKeys) -> Result<BooleanBuffer> {
        let Some(part) = self.part else {
            return table.index.may_contain(keys);
        };
        let (Some(values), Keys::Narrow(numbers)) = (table.part(part), &keys.keys) else {
            return Err(Error::bug(
                "a join's key is asked for that it does not keep",
            ));
        };
        let may = values.contains(numbers);
        Ok(match &keys.valid {
            Some(valid) => &may & valid.inner(),
            None => may,
        })
    }

    fn any_between(&self, table: &JoinTable, low: u64, high: u64) -> bool {
        match self.part {
            None => table.index.any_between(low, high),
            Some(part) => table
                .part(part)
                .is_none_or(|values| values.any_between(low, high)),
        }
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
        Ok(BooleanArray::new(self.may_contain(table, &keys)?, None))
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
        let may = |place| unknown(place) || self.any_between(table, lows[place], highs[place]);
        Some(places.map(may).collect())
    }

    fn numbers(&self, most: usize) -> Option<Vec<i64>> {
        let table = self.slot.get()?;
        if table.rows.len() == 0 {
            return Some(Vec::new());
        }
        let bits = self.signed_bits?;
        let keys = match self.part {
            None => table.index.few_keys(most),
            Some(part) => table.part(part)?.few(most),
        };
        // As they were before they were encoded, the sign spread over all bits.
        let number = |key: u64| {
            let unflipped = key ^ 1 << (bits - 1);
            (unflipped << (64 - bits)).cast_signed() >> (64 - bits)
        };
        Some(keys?.into_iter().map(number).collect())
    }
}

/// How many bits a whole number of the type has.
fn signed_bits(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::Int8 => Some(8),
        DataType::Int16 => Some(16),
        DataType::Int32 => Some(32),
        DataType::Int64 => Some(64),
        _ => None,
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
