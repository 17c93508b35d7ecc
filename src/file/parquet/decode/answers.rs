//! A filter's answers for rows, from its answers for the values of their dictionary.

use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;

use super::values::Broken;

/// The indices of a batch.
pub(super) struct Held {
    pub(super) first: u64,
    pub(super) rows: usize,
    pub(super) indices: Vec<u32>,
    pub(super) present: Option<BooleanBuffer>,
}

/// A filter's answers for the values of a dictionary.
pub(super) struct Answers {
    pub(super) values: Vec<bool>,
    pub(super) null: bool,
}

impl Answers {
    pub(super) fn of(&self, held: &Held, picks: Option<&[u32]>) -> Result<BooleanArray, Broken> {
        let mut missing = false;
        let mut answer = |index: u32| {
            let answer = self.values.get(index as usize);
            missing |= answer.is_none();
            answer.copied().unwrap_or_default()
        };
        let answers = match (&held.present, picks) {
            (None, None) => {
                BooleanBuffer::collect_bool(held.indices.len(), |row| answer(held.indices[row]))
            }
            (None, Some(picks)) => BooleanBuffer::collect_bool(picks.len(), |place| {
                answer(held.indices[picks[place] as usize])
            }),
            (Some(present), picks) => {
                let mut all = vec![self.null; present.len()];
                for (row, index) in present.set_indices().zip(&held.indices) {
                    all[row] = answer(*index);
                }
                match picks {
                    None => BooleanBuffer::from(all),
                    Some(picks) => picks.iter().map(|pick| all[*pick as usize]).collect(),
                }
            }
        };
        match missing {
            true => Err("a value is not in the dictionary".to_string()),
            false => Ok(BooleanArray::new(answers, None)),
        }
    }
}
