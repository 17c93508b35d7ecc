//! A walk over Thrift's compact encoding that believes no length: what Parquet's footer, page index and page headers are made of.
//!
//! The decoder allocates what a list says its length is, and a list of two billion row groups ends the process. The walk runs
//! before it and finds every length that goes beyond the bytes at hand.

/// How deep structures may nest; Parquet's own go to about ten.
const DEPTH: usize = 32;

/// A structure is broken, or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// More bytes may help.
    Short,
    /// No bytes help.
    Invalid,
}

/// Walks one structure at the start of `bytes` and gives its length. `visit` sees every integer and truth value: the fields that lead
/// to it from the top, its own last, and its value.
pub(super) fn walk(
    bytes: &[u8],
    visit: &mut dyn FnMut(&[i64], i64),
) -> std::result::Result<usize, Broken> {
    let mut walker = Walker {
        bytes,
        position: 0,
        path: Vec::new(),
        visit,
    };
    walker.structure()?;
    Ok(walker.position)
}

struct Walker<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Fields from the top to here.
    path: Vec<i64>,
    visit: &'a mut dyn FnMut(&[i64], i64),
}

impl Walker<'_> {
    fn structure(&mut self) -> Result<(), Broken> {
        if self.path.len() > DEPTH {
            return Err(Broken::Invalid);
        }
        let mut field = 0;
        self.path.push(field);
        loop {
            let header = self.byte()?;
            if header == 0 {
                self.path.pop();
                return Ok(());
            }
            field = match header >> 4 {
                0 => self.signed()?,
                delta => field + i64::from(delta),
            };
            if let Some(last) = self.path.last_mut() {
                *last = field;
            }
            match header & 0x0f {
                // The value of a boolean field is its type.
                kind @ (1 | 2) => (self.visit)(&self.path, i64::from(kind == 1)),
                kind => self.value(kind, 0)?,
            }
        }
    }

    /// A value that lies in so many lists.
    fn value(&mut self, kind: u8, lists: usize) -> Result<(), Broken> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => {
                let value = self.signed()?;
                (self.visit)(&self.path, value);
                Ok(())
            }
            7 => self.skip(8),
            8 => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            9 | 10 => self.list(lists),
            12 => self.structure(),
            // Maps: Parquet has none.
            _ => Err(Broken::Invalid),
        }
    }

    fn list(&mut self, lists: usize) -> Result<(), Broken> {
        if lists >= DEPTH {
            return Err(Broken::Invalid);
        }
        let header = self.byte()?;
        let length = match header >> 4 {
            15 => self.unsigned()?,
            length => u64::from(length),
        };
        // Every element takes a byte at least.
        if length > (self.bytes.len() - self.position) as u64 {
            return Err(Broken::Short);
        }
        for _ in 0..length {
            self.value(header & 0x0f, lists + 1)?;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        let byte = *self.bytes.get(self.position).ok_or(Broken::Short)?;
        self.position += 1;
        Ok(byte)
    }

    fn skip(&mut self, length: u64) -> Result<(), Broken> {
        if length > (self.bytes.len() - self.position) as u64 {
            return Err(Broken::Short);
        }
        self.position += length as usize;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken::Invalid)
    }

    fn signed(&mut self) -> Result<i64, Broken> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_seen_and_lengths_checked() {
        // Field 1: i32 = 7 (zigzag 14); field 2: list of one struct that holds field 1 = -1 and field 2 = false; field 3 = true; stop.
        let bytes = [0x15, 14, 0x19, 0x1c, 0x15, 1, 0x12, 0, 0x11, 0];
        let mut seen = Vec::new();
        let length = walk(&bytes, &mut |path, value| seen.push((path.to_vec(), value)));
        assert_eq!(length, Ok(10));
        assert_eq!(
            seen,
            [
                (vec![1], 7),
                (vec![2, 1], -1),
                (vec![2, 2], 0),
                (vec![3], 1)
            ]
        );
        // A list of 2^31 structs in two bytes.
        let bomb = [0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08, 0];
        assert_eq!(walk(&bomb, &mut |_, _| {}), Err(Broken::Short));
        assert_eq!(walk(&[0x1b, 0], &mut |_, _| {}), Err(Broken::Invalid));
        // Structs in structs without end.
        assert_eq!(walk(&[0x1c; 1000], &mut |_, _| {}), Err(Broken::Invalid));
    }
}
