//! Views into pages, and how those of several pages become one array.
//!
//! A view is checked once, when its page is read; what is gathered later needs no second look.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, GenericByteViewArray, make_view};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::ByteViewType;
use bytes::Bytes;

use super::{Broken, CUT_OFF, spread};

/// Bytes of a string that lies in its view.
const SHORT: u32 = 12;

/// The strings of one page: each view is for buffer zero, inside of it, and UTF-8 where `K` is text.
pub(super) struct Strings<K> {
    views: ScalarBuffer<u128>,
    /// Absent where every string lies in its view.
    text: Option<Buffer>,
    kind: PhantomData<fn() -> K>,
}

impl<K: ByteViewType> Strings<K> {
    /// At most `count` strings, each behind its length, up to the end of `bytes`.
    pub(super) fn read(bytes: &Bytes, count: usize) -> Result<Self, Broken> {
        if u32::try_from(bytes.len()).is_err() {
            return Err("a page has more than 4 GiB".to_string());
        }
        // Lengths below 128 are ASCII, too.
        let must_check = K::IS_UTF8 && !bytes.is_ascii();
        let mut views = Vec::with_capacity(count.min(bytes.len() / 4 + 1));
        let mut longest = 0;
        let mut at = 0;
        while views.len() < count && at < bytes.len() {
            let length = bytes[at..].first_chunk::<4>().ok_or(CUT_OFF)?;
            let length = u32::from_le_bytes(*length);
            let start = at + 4;
            at = start + length as usize;
            let string = bytes.get(start..at).ok_or(CUT_OFF)?;
            if must_check && str::from_utf8(string).is_err() {
                return Err("a text is not UTF-8".to_string());
            }
            longest = longest.max(length);
            views.push(view(bytes, start, string));
        }
        Ok(Strings {
            views: views.into(),
            text: (longest > SHORT).then(|| Buffer::from(bytes.clone())),
            kind: PhantomData,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.views.len()
    }

    /// All of them.
    pub(super) fn array(&self) -> ArrayRef {
        let buffers = self.text.iter().cloned().collect();
        array::<K>(self.views.clone(), buffers, None)
    }
}

/// The view of `string`, which starts there in `bytes`.
#[inline]
fn view(bytes: &[u8], start: usize, string: &[u8]) -> u128 {
    // The callers checked that a page is smaller than 4 GiB.
    let length = string.len() as u128;
    match bytes[start..].first_chunk::<16>() {
        Some(chunk) if length <= u128::from(SHORT) => {
            let own = (1 << (8 * string.len())) - 1;
            (u128::from_le_bytes(*chunk) & own) << 32 | length
        }
        Some([a, b, c, d, ..]) => {
            let prefix = u128::from(u32::from_le_bytes([*a, *b, *c, *d]));
            (start as u128) << 96 | prefix << 32 | length
        }
        None => make_view(string, 0, start as u32),
    }
}

/// Strings of several pages, in order.
pub(super) struct Gathered<K> {
    views: Vec<u128>,
    buffers: Vec<Buffer>,
    kind: PhantomData<fn() -> K>,
}

impl<K: ByteViewType> Default for Gathered<K> {
    fn default() -> Self {
        Gathered {
            views: Vec::new(),
            buffers: Vec::new(),
            kind: PhantomData,
        }
    }
}

impl<K: ByteViewType> Gathered<K> {
    pub(super) fn reserve(&mut self, strings: usize) {
        self.views.reserve(strings);
    }

    /// Those of a range; false if there are fewer.
    pub(super) fn push(&mut self, strings: &Strings<K>, range: Range<usize>) -> bool {
        let Some(views) = strings.views.get(range) else {
            return false;
        };
        match self.buffer_of(strings) {
            0 => self.views.extend_from_slice(views),
            buffer => self
                .views
                .extend(views.iter().map(|view| in_buffer(*view, buffer))),
        }
        true
    }

    /// Those of some numbers; false if one has none.
    pub(super) fn push_each(
        &mut self,
        strings: &Strings<K>,
        numbers: impl ExactSizeIterator<Item = usize>,
    ) -> bool {
        let buffer = self.buffer_of(strings);
        let mut missing = false;
        self.views.extend(numbers.map(|number| {
            let view = strings.views.get(number);
            missing |= view.is_none();
            in_buffer(view.copied().unwrap_or_default(), buffer)
        }));
        !missing
    }

    /// What was gathered, with NULL where a row is not `present`; nothing is gathered then.
    pub(super) fn finish(&mut self, present: Option<BooleanBuffer>) -> ArrayRef {
        let Gathered { views, buffers, .. } = std::mem::take(self);
        match present {
            None => array::<K>(views.into(), buffers, None),
            Some(present) => {
                let views = spread(&views, &present);
                array::<K>(views.into(), buffers, Some(NullBuffer::new(present)))
            }
        }
    }

    /// The number of the buffer of `strings` among those gathered.
    fn buffer_of(&mut self, strings: &Strings<K>) -> u32 {
        let Some(text) = &strings.text else { return 0 };
        let known = self.buffers.iter().rposition(|known| known.ptr_eq(text));
        let number = known.unwrap_or_else(|| {
            self.buffers.push(text.clone());
            self.buffers.len() - 1
        });
        // A batch has fewer rows than 32 bits can count, and not more pages.
        number as u32
    }
}

/// A view for buffer zero, for another one.
#[inline]
fn in_buffer(view: u128, buffer: u32) -> u128 {
    match view as u32 <= SHORT {
        true => view,
        false => view | u128::from(buffer) << 64,
    }
}

#[expect(
    unsafe_code,
    reason = "measured: checking every view again is a twelfth of the time of scans of text"
)]
fn array<K: ByteViewType>(
    views: ScalarBuffer<u128>,
    buffers: Vec<Buffer>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    // SAFETY: `Strings::read` makes views of strings that lie inside its page and are UTF-8 where `K` is text; `Gathered` keeps that page as
    // the buffer that `in_buffer` names; `spread` adds views of nothing. Nobody else makes either.
    let array = unsafe { GenericByteViewArray::<K>::new_unchecked(views, buffers, nulls) };
    Arc::new(array)
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, StringViewArray};
    use arrow::datatypes::{BinaryViewType, StringViewType};
    use proptest::prelude::*;

    use super::*;

    fn page(strings: &[&[u8]]) -> Bytes {
        let mut bytes = Vec::new();
        for string in strings {
            bytes.extend_from_slice(&(string.len() as u32).to_le_bytes());
            bytes.extend_from_slice(string);
        }
        bytes.into()
    }

    proptest! {
        #[test]
        fn strings_of_several_pages_are_one_array(
            pages in prop::collection::vec(prop::collection::vec("[a-zäß€]{0,9}|[a-zä]{10,200}", 0..9), 1..4),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            present in prop::option::of(prop::collection::vec(any::<bool>(), 0..9)),
        ) {
            let mut gathered = Gathered::<StringViewType>::default();
            let mut expected: Vec<Option<&str>> = Vec::new();
            for strings in &pages {
                let bytes: Vec<&[u8]> = strings.iter().map(|string| string.as_bytes()).collect();
                let read = Strings::<StringViewType>::read(&page(&bytes), strings.len()).unwrap();
                let all = read.array();
                prop_assert_eq!(all.as_string_view(), &StringViewArray::from_iter_values(strings));
                prop_assert!(gathered.push(&read, 0..strings.len()));
                expected.extend(strings.iter().map(|string| Some(string.as_str())));
                if !strings.is_empty() {
                    let picks: Vec<usize> = picks.iter().map(|pick| pick.index(strings.len())).collect();
                    prop_assert!(gathered.push_each(&read, picks.iter().copied()));
                    expected.extend(picks.iter().map(|pick| Some(strings[*pick].as_str())));
                }
            }
            let present = present.map(|mut present| {
                // As many rows are present as strings were gathered.
                present.retain(|present| !present);
                let mut rows = vec![true; expected.len()];
                rows.splice(expected.len() / 2..expected.len() / 2, present.iter().copied());
                let absent = std::iter::repeat_n(None, present.len());
                expected.splice(expected.len() / 2..expected.len() / 2, absent);
                BooleanBuffer::from(rows)
            });
            let array = gathered.finish(present);
            // With every check that arrow has.
            array.to_data().validate_full().unwrap();
            prop_assert_eq!(array.as_string_view(), &StringViewArray::from_iter(expected));
        }
    }

    #[test]
    fn what_is_no_text_or_cut_off_is_refused() {
        let read = |bytes: &Bytes| Strings::<StringViewType>::read(bytes, 9).map(|read| read.len());
        let short: &[u8] = b"a\xff";
        let long = [b"0123456789abcdef".as_slice(), b"\xc3"].concat();
        for wrong in [short, long.as_slice()] {
            let bytes = page(&[b"a", wrong, b"b"]);
            assert!(read(&bytes).is_err());
            let binary = Strings::<BinaryViewType>::read(&bytes, 9).unwrap();
            assert_eq!(binary.array().as_binary_view().value(1), wrong);
        }
        let bytes = page(&[b"one", b"two"]);
        assert_eq!(read(&bytes), Ok(2));
        assert!(read(&bytes.slice(..bytes.len() - 1)).is_err());
        assert!(read(&bytes.slice(..bytes.len() - 5)).is_err());
        let strings = Strings::<StringViewType>::read(&bytes, 1).unwrap();
        let mut gathered = Gathered::default();
        assert!(!gathered.push(&strings, 0..2));
        assert!(!gathered.push_each(&strings, std::iter::once(1)));
    }
}
