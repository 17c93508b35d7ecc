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
    /// For each value [`YES`] or not; [`MISSING`] behind them, up to a power of two.
    table: Vec<u8>,
    null: bool,
}

const YES: u8 = 1;
const MISSING: u8 = 2;

impl Answers {
    pub(super) fn new(values: &BooleanBuffer, null: bool) -> Self {
        let mut table: Vec<u8> = values.iter().map(u8::from).collect();
        // One at least that is missing: every number beyond the table becomes its last.
        table.resize((values.len() + 1).next_power_of_two(), MISSING);
        Answers { table, null }
    }

    pub(super) fn of(&self, held: &Held, picks: Option<&[u32]>) -> Result<BooleanArray, Broken> {
        let mut seen = 0;
        let answers = match (&held.present, picks) {
            (None, None) => self.each(held.indices.iter().copied(), &mut seen),
            (None, Some(picks)) => {
                let picked = picks.iter().map(|pick| held.indices[*pick as usize]);
                self.each(picked, &mut seen)
            }
            (Some(present), picks) => {
                let mut all = vec![self.null; present.len()];
                for (row, index) in present.set_indices().zip(&held.indices) {
                    let answer = self.answer(*index);
                    seen |= answer;
                    all[row] = answer == YES;
                }
                match picks {
                    None => BooleanBuffer::from(all),
                    Some(picks) => picks.iter().map(|pick| all[*pick as usize]).collect(),
                }
            }
        };
        match seen & MISSING != 0 {
            true => Err("a value is not in the dictionary".to_string()),
            false => Ok(BooleanArray::new(answers, None)),
        }
    }

    #[inline(always)]
    fn answer(&self, index: u32) -> u8 {
        let last = self.table.len() - 1;
        self.table[last.min(index as usize)]
    }

    /// The answers for rows with these numbers, eight to a byte; what they were goes into `seen`.
    fn each(&self, indices: impl ExactSizeIterator<Item = u32>, seen: &mut u8) -> BooleanBuffer {
        let rows = indices.len();
        let mut bits = Vec::with_capacity(rows.div_ceil(8));
        let mut all = 0;
        let mut indices = indices;
        for _ in 0..rows / 8 {
            let mut eight = [0_u8; 8];
            for (answer, index) in eight.iter_mut().zip(&mut indices) {
                *answer = self.answer(index);
            }
            let eight = u64::from_le_bytes(eight);
            all |= eight;
            // Each byte's lowest bit goes to its place in the highest byte of the product.
            let lowest = eight & 0x0101_0101_0101_0101;
            bits.push((lowest.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8);
        }
        let mut last = 0;
        for (place, index) in indices.enumerate() {
            let answer = self.answer(index);
            all |= u64::from(answer);
            last |= (answer & YES) << place;
        }
        if !rows.is_multiple_of(8) {
            bits.push(last);
        }
        *seen |= all
            .to_le_bytes()
            .into_iter()
            .fold(0, |seen, byte| seen | byte);
        BooleanBuffer::new(bits.into(), 0, rows)
    }
}
