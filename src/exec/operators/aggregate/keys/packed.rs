//! Keys packed into one integer: the codes of the key columns side by side, each as wide as the values seen ask for.

use std::iter::zip;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

use super::column::KeyColumn;
use super::slots::{Key, Lookup};
use crate::error::Result;

/// Groups whose keys have codes.
#[derive(Debug)]
pub(super) struct PackedKeys {
    schema: SchemaRef,
    columns: Vec<KeyColumn>,
    /// How wide the code of each column is in the keys of `groups`.
    widths: Vec<u32>,
    groups: Groups,
    /// The codes of the batch at hand, and its keys.
    codes: Vec<Vec<u64>>,
    narrow: Vec<u64>,
    wide: Vec<u128>,
}

#[derive(Debug)]
enum Groups {
    /// One column of text: the strings' numbers are the groups'.
    Text,
    Narrow(Lookup<u64>),
    Wide(Lookup<u128>),
}

impl PackedKeys {
    /// None if a column's values have no codes.
    pub(super) fn new(schema: &SchemaRef) -> Option<Self> {
        let columns = schema
            .fields()
            .iter()
            .map(|field| KeyColumn::new(field.data_type()))
            .collect::<Option<Vec<_>>>()?;
        let groups = match columns.as_slice() {
            [] => return None,
            [KeyColumn::Text(_)] => Groups::Text,
            _ => Groups::Narrow(Lookup::default()),
        };
        Some(PackedKeys {
            schema: SchemaRef::clone(schema),
            widths: vec![0; columns.len()],
            codes: vec![Vec::new(); columns.len()],
            columns,
            groups,
            narrow: Vec::new(),
            wide: Vec::new(),
        })
    }

    pub(super) fn len(&self) -> usize {
        match (&self.groups, self.columns.as_slice()) {
            (Groups::Text, [KeyColumn::Text(text)]) => text.len(),
            (Groups::Text, _) => 0,
            (Groups::Narrow(groups), _) => groups.keys().len(),
            (Groups::Wide(groups), _) => groups.keys().len(),
        }
    }

    pub(super) fn size(&self) -> usize {
        let groups = match &self.groups {
            Groups::Text => 0,
            Groups::Narrow(groups) => groups.size(),
            Groups::Wide(groups) => groups.size(),
        };
        groups + self.columns.iter().map(KeyColumn::size).sum::<usize>()
    }

    /// Whether a group is found without hashing anything.
    pub(super) fn is_dense(&self) -> bool {
        let no_text = || {
            let text = |column: &KeyColumn| matches!(column, KeyColumn::Text(_));
            !self.columns.iter().any(text)
        };
        matches!(&self.groups, Groups::Narrow(groups) if groups.is_direct()) && no_text()
    }

    /// Writes the group of each row; false if these keys have to go elsewhere, and then nothing is grouped.
    pub(super) fn intern(
        &mut self,
        keys: &[ArrayRef],
        row_groups: &mut Vec<usize>,
    ) -> Result<bool> {
        for ((column, values), codes) in zip(zip(&mut self.columns, keys), &mut self.codes) {
            if !column.encode(values, codes)? {
                return Ok(false);
            }
        }
        row_groups.clear();
        if let (Groups::Text, [codes]) = (&self.groups, self.codes.as_slice()) {
            row_groups.extend(codes.iter().map(|code| *code as usize));
            return Ok(true);
        }
        let rows = keys.first().map_or(0, |key| key.len());
        if self.len() + rows >= u32::MAX as usize || !self.widen() {
            return Ok(false);
        }
        let bits = self.widths.iter().sum();
        match &mut self.groups {
            Groups::Text => {}
            Groups::Narrow(groups) => match self.codes.as_slice() {
                [codes] => groups.intern(codes, bits, row_groups),
                codes => {
                    pack(codes, &self.widths, &mut self.narrow);
                    groups.intern(&self.narrow, bits, row_groups);
                }
            },
            Groups::Wide(groups) => {
                pack(&self.codes, &self.widths, &mut self.wide);
                groups.intern(&self.wide, bits, row_groups);
            }
        }
        Ok(true)
    }

    /// Packs the keys of the groups anew where codes have become wider or have moved. False if they do not fit any more.
    fn widen(&mut self) -> bool {
        let widths: Vec<u32> = self.columns.iter().map(KeyColumn::width).collect();
        if widths.iter().sum::<u32>() > u128::BITS {
            return false;
        }
        let moved: Vec<u64> = self.columns.iter_mut().map(KeyColumn::take_moved).collect();
        if widths == self.widths && moved.iter().all(|moved| *moved == 0) {
            return true;
        }
        let fits = widths.iter().sum::<u32>() <= u64::BITS;
        let old = &self.widths;
        self.groups = match &self.groups {
            Groups::Text => Groups::Text,
            Groups::Narrow(groups) if fits => {
                Groups::Narrow(repack(groups.keys(), old, &moved, &widths))
            }
            Groups::Narrow(groups) => Groups::Wide(repack(groups.keys(), old, &moved, &widths)),
            Groups::Wide(groups) => Groups::Wide(repack(groups.keys(), old, &moved, &widths)),
        };
        self.widths = widths;
        true
    }

    /// The keys of all groups; there are none then.
    pub(super) fn take(&mut self) -> Result<Vec<ArrayRef>> {
        let rows = self.len();
        let mut shift = 0;
        let mut keys = Vec::with_capacity(self.columns.len());
        for (column, width) in zip(&mut self.columns, &self.widths) {
            let moved = column.take_moved();
            keys.push(match &self.groups {
                Groups::Text => column.decode(0..rows as u64),
                Groups::Narrow(groups) => column.decode(codes(groups, shift, *width, moved)),
                Groups::Wide(groups) => column.decode(codes(groups, shift, *width, moved)),
            }?);
            shift += width;
        }
        if let Some(empty) = PackedKeys::new(&self.schema) {
            *self = PackedKeys {
                codes: std::mem::take(&mut self.codes),
                narrow: std::mem::take(&mut self.narrow),
                wide: std::mem::take(&mut self.wide),
                ..empty
            };
        }
        Ok(keys)
    }
}

/// The keys of rows whose codes are `codes`, by column.
fn pack<K: Key>(codes: &[Vec<u64>], widths: &[u32], keys: &mut Vec<K>) {
    keys.clear();
    let mut shift = 0;
    for (position, (codes, width)) in zip(codes, widths).enumerate() {
        if position == 0 {
            keys.extend(codes.iter().map(|code| K::from_code(*code, shift)));
        } else {
            for (key, code) in zip(keys.iter_mut(), codes) {
                *key = key.join(K::from_code(*code, shift));
            }
        }
        shift += width;
    }
}

/// The codes of one column in the keys of all groups, `moved` up.
fn codes<K: Key>(
    groups: &Lookup<K>,
    shift: u32,
    width: u32,
    moved: u64,
) -> impl Iterator<Item = u64> {
    let keys = groups.keys().iter();
    keys.map(move |key| moved_code(key.code(shift, width), moved))
}

/// 0 stays: it is NULL.
fn moved_code(code: u64, moved: u64) -> u64 {
    match code {
        0 => 0,
        code => code.wrapping_add(moved),
    }
}

/// The groups of `keys`, where column by column codes of `old` widths get those of `widths`, `moved` up.
fn repack<K: Key, L: Key>(keys: &[K], old: &[u32], moved: &[u64], widths: &[u32]) -> Lookup<L> {
    let repacked = keys
        .iter()
        .map(|key| {
            let (mut from, mut to) = (0, 0);
            let mut repacked = L::default();
            for ((old, moved), width) in zip(zip(old, moved), widths) {
                let code = moved_code(key.code(from, *old), *moved);
                repacked = repacked.join(L::from_code(code, to));
                from += old;
                to += width;
            }
            repacked
        })
        .collect();
    Lookup::new(repacked, widths.iter().sum())
}
