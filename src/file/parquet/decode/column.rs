//! One column of a row group, page by page.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use bytes::Bytes;
use parquet::basic::Encoding;

use super::super::pages::PageKind;
use super::answers::{Answers, Held};
use super::hybrid::Hybrid;
use super::levels::{Levels, Present, Validity};
use super::pages::Pages;
use super::values::{Broken, Values};

/// Reads a column forwards, batch by batch; what is between the batches is skipped.
pub(super) struct Column {
    pages: Pages,
    is_optional: bool,
    /// Truth values may be stored as runs.
    is_bool: bool,
    values: Box<dyn Values>,
    page: Option<OpenPage>,
    /// Rows of the row group before this one are passed.
    row: u64,
    /// The batch at hand, where its indices were asked for before its values.
    held: Option<Held>,
    /// What a filter answers for each value of the dictionary, and for NULL: by the filter's address.
    answers: Vec<(usize, Arc<Answers>)>,
    scratch: Scratch,
}

/// Memory that is used again for every batch.
#[derive(Default)]
struct Scratch {
    indices: Vec<u32>,
    numbers: Vec<u32>,
}

/// A page of which rows are left.
struct OpenPage {
    rows: usize,
    levels: Levels,
    data: Data,
}

enum Data {
    /// Numbers into the dictionary.
    Indices(Hybrid),
    /// Plain values, with the number of the next one.
    Plain(usize),
}

/// Rows of the row group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch<'a> {
    pub(super) first: u64,
    pub(super) rows: usize,
    /// Of these rows only some: ascending, counted from `first`.
    pub(super) picks: Option<&'a [u32]>,
}

impl Column {
    pub(super) fn new(
        pages: Pages,
        is_optional: bool,
        is_bool: bool,
        values: Box<dyn Values>,
    ) -> Self {
        Column {
            pages,
            is_optional,
            is_bool,
            values,
            page: None,
            row: 0,
            held: None,
            answers: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// The values of some rows, which are not before those of the last call.
    pub(super) fn read(&mut self, stretch: Stretch<'_>) -> Result<ArrayRef, Broken> {
        if let Some(held) = self.held.take()
            && held.first == stretch.first
            && held.rows == stretch.rows
        {
            return self.read_held(held, stretch.picks);
        }
        self.skip_to(stretch.first)?;
        self.values
            .expect(stretch.picks.map_or(stretch.rows, <[u32]>::len));
        let mut present = Validity::default();
        let mut done = 0;
        let mut picks = stretch.picks;
        while done < stretch.rows {
            let rows = self.rows_of_page(stretch.rows - done)?;
            match &mut picks {
                None => self.read_all(rows, &mut present)?,
                Some(picks) => {
                    let here = picks.partition_point(|pick| (*pick as usize) < done + rows);
                    let (here, rest) = picks.split_at(here);
                    *picks = rest;
                    match here.is_empty() {
                        true => self.skip_in_page(rows)?,
                        false => self.read_picked(rows, done, here, &mut present)?,
                    }
                }
            }
            done += rows;
        }
        self.values.finish(present.finish())
    }

    fn read_all(&mut self, rows: usize, valid: &mut Validity) -> Result<(), Broken> {
        let page = self.page.as_mut().ok_or("a page is missing")?;
        let present = page.levels.next(rows)?;
        let count = match &present {
            Present::All => rows,
            Present::Some { count, .. } => *count,
        };
        present.append_to(rows, valid);
        match &mut page.data {
            Data::Plain(next) => {
                self.values.push(*next, count)?;
                *next += count;
            }
            Data::Indices(indices) => {
                self.scratch.indices.clear();
                indices.read(count, &mut self.scratch.indices)?;
                self.values.push_indices(&self.scratch.indices)?;
            }
        }
        page.rows -= rows;
        self.row += rows as u64;
        Ok(())
    }

    /// `picks` are in these rows, of which the first has the number `base`.
    fn read_picked(
        &mut self,
        rows: usize,
        base: usize,
        picks: &[u32],
        valid: &mut Validity,
    ) -> Result<(), Broken> {
        let page = self.page.as_mut().ok_or("a page is missing")?;
        let Scratch { indices, numbers } = &mut self.scratch;
        let present = page.levels.next(rows)?;
        let count = match &present {
            Present::All => rows,
            Present::Some { count, .. } => *count,
        };
        present.picked(picks, base, valid, numbers);
        match &mut page.data {
            Data::Plain(next) => {
                self.values.push_picked(*next, numbers)?;
                *next += count;
            }
            Data::Indices(stored) => {
                indices.clear();
                stored.read(count, indices)?;
                for number in numbers.iter_mut() {
                    *number = indices[*number as usize];
                }
                self.values.push_indices(numbers)?;
            }
        }
        page.rows -= rows;
        self.row += rows as u64;
        Ok(())
    }

    fn read_held(&mut self, held: Held, picks: Option<&[u32]>) -> Result<ArrayRef, Broken> {
        let Some(picks) = picks else {
            self.values.push_indices(&held.indices)?;
            return self.values.finish(held.present);
        };
        let present = match held.present {
            None => Present::All,
            Some(rows) => Present::Some {
                count: held.indices.len(),
                rows,
            },
        };
        let mut valid = Validity::default();
        let numbers = &mut self.scratch.numbers;
        present.picked(picks, 0, &mut valid, numbers);
        for number in numbers.iter_mut() {
            *number = held.indices[*number as usize];
        }
        self.values.push_indices(numbers)?;
        self.values.finish(valid.finish())
    }

    /// Rows of the open page, at most `most`; opens the next page if there is none.
    fn rows_of_page(&mut self, most: usize) -> Result<usize, Broken> {
        loop {
            match &self.page {
                Some(page) if page.rows > 0 => return Ok(page.rows.min(most)),
                _ => self.open_page()?,
            }
        }
    }

    fn skip_in_page(&mut self, rows: usize) -> Result<(), Broken> {
        let page = self.page.as_mut().ok_or("a page is missing")?;
        let present = page.levels.skip(rows)?;
        match &mut page.data {
            Data::Plain(next) => *next += present,
            Data::Indices(indices) => indices.skip(present)?,
        }
        page.rows -= rows;
        self.row += rows as u64;
        Ok(())
    }

    /// Passes over rows; pages that hold only such are not decompressed.
    fn skip_to(&mut self, first: u64) -> Result<(), Broken> {
        self.held = None;
        while self.row < first {
            let missing = usize::try_from(first - self.row).unwrap_or(usize::MAX);
            let open = self.page.as_ref().map_or(0, |page| page.rows);
            if open == 0 && self.skip_page(missing)? {
                continue;
            }
            let rows = self.rows_of_page(missing)?;
            self.skip_in_page(rows)?;
        }
        Ok(())
    }

    /// Passes over the next page if it has at most `most` rows.
    fn skip_page(&mut self, most: usize) -> Result<bool, Broken> {
        let Some(next) = self.pages.peek() else {
            return Ok(false);
        };
        if next.kind == PageKind::Dictionary {
            self.open_page()?;
            return Ok(true);
        }
        if next.values > most {
            return Ok(false);
        }
        self.row += next.values as u64;
        self.pages.skip();
        Ok(true)
    }

    /// Reads the next page, and the dictionary if that comes first.
    fn open_page(&mut self) -> Result<(), Broken> {
        // The memory of the last page serves the next.
        self.page = None;
        let page = self.pages.next()?.ok_or("rows are missing")?;
        let (rows, bytes) = (page.values, page.bytes);
        let (encoding, levels, bytes) = match page.kind {
            PageKind::Dictionary => return self.values.set_dictionary(&bytes, rows),
            PageKind::First {
                encoding,
                levels: in_encoding,
            } => {
                let (levels, bytes) = match self.is_optional {
                    true => Levels::of_first_version(&bytes, in_encoding, rows)?,
                    false => (Levels::Required, bytes),
                };
                (encoding, levels, bytes)
            }
            PageKind::Second {
                encoding,
                repetition,
                definition,
                ..
            } => {
                let end = repetition.saturating_add(definition);
                if end > bytes.len() {
                    return Err("its levels are cut off".to_string());
                }
                let levels = match self.is_optional {
                    true => Levels::Optional(Hybrid::new(bytes.slice(repetition..end), 1)?),
                    false => Levels::Required,
                };
                (encoding, levels, bytes.slice(end..))
            }
        };
        let data = self.data(rows, encoding, bytes)?;
        self.page = Some(OpenPage { rows, levels, data });
        Ok(())
    }

    fn data(&mut self, rows: usize, encoding: Encoding, bytes: Bytes) -> Result<Data, Broken> {
        match encoding {
            Encoding::PLAIN => {
                self.values.set_page(bytes, rows)?;
                Ok(Data::Plain(0))
            }
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                // A page of NULLs may have nothing at all.
                let width = bytes.first().copied().unwrap_or_default();
                let numbers = bytes.slice(bytes.len().min(1)..);
                Ok(Data::Indices(Hybrid::new(numbers, width)?))
            }
            Encoding::RLE if self.is_bool => {
                // Behind the length of what follows.
                let runs = bytes.slice(bytes.len().min(4)..);
                Ok(Data::Indices(Hybrid::new(runs, 1)?))
            }
            other => Err(format!("it has a page in {other}, which it does not name")),
        }
    }

    /// What `filter` answers for some rows, where it has to be asked for the values of a dictionary only. `Ok(None)` otherwise,
    /// and then nothing is read. `ask` is given the values, or None for NULL.
    pub(super) fn answers<E: From<Broken>>(
        &mut self,
        filter: usize,
        stretch: Stretch<'_>,
        ask: impl Fn(Option<&ArrayRef>) -> Result<BooleanArray, E>,
    ) -> Result<Option<BooleanArray>, E> {
        let known = self.answers.iter().find(|(other, _)| *other == filter);
        let answers = match known {
            Some((_, answers)) => Arc::clone(answers),
            None => {
                if self.page.is_none() {
                    self.skip_to(stretch.first)?;
                    self.rows_of_page(1)?;
                }
                let wanted = stretch.picks.map_or(stretch.rows, <[u32]>::len);
                // A large dictionary pays only where it serves many rows.
                if self.values.dictionary_len() > wanted * WORTH {
                    return Ok(None);
                }
                let Some(values) = self.values.dictionary()? else {
                    return Ok(None);
                };
                let null = self.is_optional && ask(None)?.value(0);
                let answers = Arc::new(Answers::new(ask(Some(&values))?.values(), null));
                self.answers.push((filter, Arc::clone(&answers)));
                answers
            }
        };
        self.hold(stretch)?;
        let Some(held) = &self.held else {
            return Ok(None);
        };
        Ok(Some(answers.of(held, stretch.picks)?))
    }

    /// Reads the indices of some rows, all of which must be in pages that use the dictionary: otherwise nothing is held.
    fn hold(&mut self, stretch: Stretch<'_>) -> Result<(), Broken> {
        let is_held = |held: &Held| held.first == stretch.first && held.rows == stretch.rows;
        if self.held.as_ref().is_some_and(is_held) {
            return Ok(());
        }
        self.skip_to(stretch.first)?;
        let mut valid = Validity::default();
        let mut indices = Vec::with_capacity(stretch.rows);
        let mut done = 0;
        while done < stretch.rows {
            let rows = self.rows_of_page(stretch.rows - done)?;
            let page = self.page.as_mut().ok_or("a page is missing")?;
            let Data::Indices(stored) = &mut page.data else {
                return Err(
                    "a page does without the dictionary that all pages are said to use".to_string(),
                );
            };
            let present = page.levels.next(rows)?;
            let count = match &present {
                Present::All => rows,
                Present::Some { count, .. } => *count,
            };
            present.append_to(rows, &mut valid);
            stored.read(count, &mut indices)?;
            page.rows -= rows;
            self.row += rows as u64;
            done += rows;
        }
        self.held = Some(Held {
            first: stretch.first,
            rows: stretch.rows,
            indices,
            present: valid.finish(),
        });
        Ok(())
    }
}

/// A filter is asked for a dictionary of up to so many times the values that one batch needs: it serves the others, too.
const WORTH: usize = 2;
