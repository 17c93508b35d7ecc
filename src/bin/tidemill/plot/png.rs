//! A chart as PNG: the same drawing as the SVG, in pixels, with letters out of a font that the program holds.

use std::convert::Infallible;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    text_anchor::{HPos, VPos},
};

use super::data::Chart;
use super::spec::Kind;
use super::svg;

/// Pixels for one unit of the drawing, so that it stays sharp on a fine screen.
const SCALE: i32 = 2;

/// What stands for a letter that the font lacks.
const UNKNOWN: char = '?';

pub(super) fn draw(chart: &Chart, kind: Kind) -> Result<Vec<u8>, String> {
    let mut picture = Picture::new(svg::SIZE);
    svg::draw_on(Scaled(&mut picture), chart, kind)
        .and_then(|()| Ok(picture.encoded()?))
        .map_err(|error| format!("the chart cannot be drawn: {error}"))
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// Pixels, three bytes each.
struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    fn new((width, height): (u32, u32)) -> Self {
        let (width, height) = (width * SCALE as u32, height * SCALE as u32);
        Picture {
            width,
            height,
            pixels: vec![255; width as usize * height as usize * 3],
        }
    }

    /// The bytes of a PNG file: a header, one piece of packed rows, an end; each with its checksum.
    fn encoded(&self) -> std::io::Result<Vec<u8>> {
        let mut rows = ZlibEncoder::new(Vec::new(), Compression::best());
        let mut above: Option<&[u8]> = None;
        for row in self.pixels.chunks(self.width as usize * 3) {
            // Said as the difference to the row above, which mostly is none.
            rows.write_all(&[if above.is_some() { 2 } else { 0 }])?;
            match above {
                Some(above) => {
                    let differences = row.iter().zip(above);
                    let differences: Vec<u8> = differences
                        .map(|(now, before)| now.wrapping_sub(*before))
                        .collect();
                    rows.write_all(&differences)?;
                }
                None => rows.write_all(row)?,
            }
            above = Some(row);
        }
        let mut header = Vec::new();
        header.extend(self.width.to_be_bytes());
        header.extend(self.height.to_be_bytes());
        // Eight bits of red, green and blue; the only packing and filters there are; no interlacing.
        header.extend([8, 2, 0, 0, 0]);
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        piece(&mut file, b"IHDR", &header);
        piece(&mut file, b"IDAT", &rows.finish()?);
        piece(&mut file, b"IEND", &[]);
        Ok(file)
    }
}

fn piece(file: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) {
    file.extend((bytes.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(name);
    file.extend(bytes);
    let checksum = crc32fast::hash(&file[start..]);
    file.extend(checksum.to_be_bytes());
}

impl DrawingBackend for &mut Picture {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        let inside = |place: i32, end: u32| u32::try_from(place).ok().filter(|place| *place < end);
        let Some((x, y)) = inside(x, self.width).zip(inside(y, self.height)) else {
            return Ok(());
        };
        let at = (y as usize * self.width as usize + x as usize) * 3;
        let (red, green, blue) = color.rgb;
        for (under, over) in self.pixels[at..at + 3].iter_mut().zip([red, green, blue]) {
            let mixed = f64::from(*under) * (1.0 - color.alpha) + f64::from(over) * color.alpha;
            *under = mixed.round() as u8;
        }
        Ok(())
    }
}

/// The drawing in its own units.
struct Scaled<'p>(&'p mut Picture);

fn scaled((x, y): BackendCoord) -> BackendCoord {
    (x * SCALE, y * SCALE)
}

/// A stroke that is as wide in the picture as in the drawing.
struct Stroke(BackendColor, u32);

impl Stroke {
    fn of(style: &impl BackendStyle) -> Self {
        Stroke(style.color(), style.stroke_width() * SCALE as u32)
    }
}

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        self.0
    }

    fn stroke_width(&self) -> u32 {
        self.1
    }
}

impl DrawingBackend for Scaled<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let scale = SCALE as u32;
        (self.0.width / scale, self.0.height / scale)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = scaled(point);
        let end = (x + SCALE - 1, y + SCALE - 1);
        self.0.draw_rect((x, y), end, &Stroke(color, 1), true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.0
            .draw_line(scaled(from), scaled(to), &Stroke::of(style))
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.0
            .draw_rect(scaled(from), scaled(to), &Stroke::of(style), fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let path: Vec<BackendCoord> = path.into_iter().map(scaled).collect();
        self.0.draw_path(path, &Stroke::of(style))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let radius = radius * SCALE as u32;
        self.0
            .draw_circle(scaled(center), radius, &Stroke::of(style), fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        let corners: Vec<BackendCoord> = corners.into_iter().map(scaled).collect();
        self.0.fill_polygon(corners, &Stroke::of(style))
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: BackendCoord) -> Drawn {
        let letters = Letters::of(style);
        let (width, height) = letters.size(text);
        let (x, y) = scaled(at);
        let mut left = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - width / 2,
            HPos::Right => x - width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => y,
            VPos::Center => y - height / 2,
            VPos::Bottom => y - height,
        };
        let colour = style.color();
        for letter in text.chars() {
            let Some(raster) = letters.raster(letter) else {
                continue;
            };
            for (row, line) in (0..).zip(raster.rows()) {
                for (column, ink) in (0..).zip(line.iter()).filter(|(_, ink)| **ink > 0) {
                    let alpha = colour.alpha * f64::from(*ink) / 255.0;
                    let colour = BackendColor { alpha, ..colour };
                    self.0.draw_pixel((left + column, top + row), colour)?;
                }
            }
            left += letters.width();
        }
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let (width, height) = Letters::of(style).size(text);
        let unit = |pixels: i32| (pixels / SCALE) as u32;
        Ok((unit(width), unit(height)))
    }
}

/// The font in one of its two sizes.
struct Letters(RasterHeight);

impl Letters {
    fn of(style: &impl BackendTextStyle) -> Self {
        Letters(match style.size() {
            small if small < 16.0 => RasterHeight::Size24,
            _ => RasterHeight::Size32,
        })
    }

    fn width(&self) -> i32 {
        get_raster_width(FontWeight::Regular, self.0) as i32
    }

    /// Pixels of a text, from its left end to its right and from its top to its bottom.
    fn size(&self, text: &str) -> (i32, i32) {
        let letters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
        (letters.saturating_mul(self.width()), self.0.val() as i32)
    }

    fn raster(&self, letter: char) -> Option<noto_sans_mono_bitmap::RasterizedChar> {
        let raster = |letter| get_raster(letter, FontWeight::Regular, self.0);
        raster(letter).or_else(|| raster(UNKNOWN))
    }
}
