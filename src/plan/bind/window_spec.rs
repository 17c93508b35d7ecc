//! OVER: partitions, order and frame of a window.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{Expr, WindowFrame, WindowFrameBound, WindowFrameUnits};

use super::Binder;
use super::order::alike;
use super::stage::Stage;
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, FrameBound, FrameUnit, Over, WindowSpec};

/// The parts of an OVER clause.
pub(super) struct Specification {
    pub(super) partition_by: Vec<Expr>,
    pub(super) order_by: Vec<SortKey>,
    pub(super) frame: WindowFrame,
}

impl Specification {
    /// The aggregate takes its rows in an order of its own: that of the window, or of all rows of a partition at once.
    pub(super) fn order_arguments(
        &mut self,
        own: Vec<SortKey>,
        shown: &str,
        span: Span,
    ) -> Result<()> {
        if self.order_by == own {
            return Ok(());
        }
        let unbounded = ScalarValue::UInt64(None);
        let whole = WindowFrame::new_bounds(
            WindowFrameUnits::Rows,
            WindowFrameBound::Preceding(unbounded.clone()),
            WindowFrameBound::Following(unbounded),
        );
        if !self.order_by.is_empty()
            || (self.frame != WindowFrame::new(None) && self.frame != whole)
        {
            return Err(Error::not_implemented(
                format!("{shown} in another order than that of its OVER"),
                span,
            )
            .hint("write the ORDER BY in OVER (…) alone"));
        }
        self.order_by = own;
        self.frame = whole;
        Ok(())
    }
}

impl Binder<'_> {
    pub(super) fn specification(&self, over: &Over, stage: &mut Stage) -> Result<Specification> {
        let written = match over {
            Over::Name(name) => self.named_window(name, stage, 0)?,
            Over::Spec(spec) => self.with_base(spec, stage, 0)?,
        };
        let mut partition_by = Vec::with_capacity(written.partition_by.len());
        for expr in &written.partition_by {
            partition_by.push(alike(self.expr(expr, stage)?).expr);
        }
        let mut order_by = self.sort_keys(&written.order_by, stage)?;
        let frame = match &written.frame {
            None => WindowFrame::new((!order_by.is_empty()).then_some(false)),
            Some(frame) => self.frame(frame)?,
        };
        let place = written
            .frame
            .as_ref()
            .map_or(written.span, |frame| frame.span);
        if let [key] = written.order_by.as_slice()
            && frame.units == WindowFrameUnits::Range
            && (is_distance(&frame.start_bound) || is_distance(&frame.end_bound))
        {
            let bounds = [&frame.start_bound, &frame.end_bound];
            check_distance(&self.expr(&key.expr, stage)?, bounds, place)?;
        }
        frame.regularize_order_bys(&mut order_by).map_err(|_| {
            let message = match frame.units {
                WindowFrameUnits::Groups => "a GROUPS frame needs ORDER BY",
                _ => "a RANGE frame with a distance needs exactly one ORDER BY expression",
            };
            Error::input("TM0320", message, place)
        })?;
        Ok(Specification {
            partition_by,
            order_by,
            frame,
        })
    }

    fn named_window(&self, name: &ast::Ident, stage: &Stage, depth: usize) -> Result<WindowSpec> {
        let found = stage
            .named_windows
            .iter()
            .find(|window| window.name.text.eq_ignore_ascii_case(&name.text));
        match found {
            Some(window) => self.with_base(&window.spec, stage, depth),
            None => Err(Error::input(
                "TM0208",
                format!("no window named `{}`", name.text),
                name.span,
            )
            .hint("a WINDOW list belongs to one operator; name the window there")),
        }
    }

    /// The specification with what it takes from the window it names.
    fn with_base(&self, spec: &WindowSpec, stage: &Stage, depth: usize) -> Result<WindowSpec> {
        let Some(base) = &spec.base else {
            return Ok(spec.clone());
        };
        if depth > stage.named_windows.len() {
            return Err(Error::input(
                "TM0208",
                format!("the window `{}` names itself", base.text),
                base.span,
            ));
        }
        let base_spec = self.named_window(base, stage, depth + 1)?;
        if !spec.partition_by.is_empty() {
            return Err(Error::input(
                "TM0320",
                "a window that names another cannot have its own PARTITION BY",
                spec.span,
            ));
        }
        Ok(WindowSpec {
            base: None,
            partition_by: base_spec.partition_by,
            order_by: if spec.order_by.is_empty() {
                base_spec.order_by
            } else {
                spec.order_by.clone()
            },
            frame: spec.frame.clone().or(base_spec.frame),
            span: spec.span,
        })
    }

    fn frame(&self, frame: &ast::Frame) -> Result<WindowFrame> {
        let units = match frame.unit {
            FrameUnit::Rows => WindowFrameUnits::Rows,
            FrameUnit::Range => WindowFrameUnits::Range,
            FrameUnit::Groups => WindowFrameUnits::Groups,
        };
        let start = self.frame_bound(&frame.start, units)?;
        let end = match &frame.end {
            Some(end) => self.frame_bound(end, units)?,
            None => WindowFrameBound::CurrentRow,
        };
        let backwards = matches!(frame.start, FrameBound::UnboundedFollowing)
            || matches!(frame.end, Some(FrameBound::UnboundedPreceding))
            || matches!(
                (&start, &end),
                (
                    WindowFrameBound::CurrentRow | WindowFrameBound::Following(_),
                    WindowFrameBound::Preceding(_)
                ) | (WindowFrameBound::Following(_), WindowFrameBound::CurrentRow)
            )
            || match (&start, &end) {
                (WindowFrameBound::Preceding(start), WindowFrameBound::Preceding(end)) => {
                    is_less(start, end)
                }
                (WindowFrameBound::Following(start), WindowFrameBound::Following(end)) => {
                    is_less(end, start)
                }
                _ => false,
            };
        if backwards {
            return Err(Error::input(
                "TM0320",
                "this frame ends before it starts",
                frame.span,
            ));
        }
        Ok(WindowFrame::new_bounds(units, start, end))
    }

    fn frame_bound(&self, bound: &FrameBound, units: WindowFrameUnits) -> Result<WindowFrameBound> {
        Ok(match bound {
            FrameBound::UnboundedPreceding => {
                WindowFrameBound::Preceding(ScalarValue::UInt64(None))
            }
            FrameBound::UnboundedFollowing => {
                WindowFrameBound::Following(ScalarValue::UInt64(None))
            }
            FrameBound::CurrentRow => WindowFrameBound::CurrentRow,
            FrameBound::Preceding(distance) => {
                WindowFrameBound::Preceding(self.distance(distance, units)?)
            }
            FrameBound::Following(distance) => {
                WindowFrameBound::Following(self.distance(distance, units)?)
            }
        })
    }

    /// Rows and groups are counted; a range's distance takes the type of what it is sorted by, which text can become.
    fn distance(&self, distance: &ast::Expr, units: WindowFrameUnits) -> Result<ScalarValue> {
        let value = self.constant_value(distance, "a window frame")?;
        let invalid = || {
            Error::input(
                "TM0404",
                "a frame's distance is a number that is not negative",
                distance.span,
            )
        };
        if units == WindowFrameUnits::Range {
            return match &value {
                ScalarValue::IntervalMonthDayNano(Some(_)) => Ok(value),
                value if value.data_type().is_numeric() && !value.is_null() => {
                    let text = value.to_string();
                    if text.starts_with('-') {
                        return Err(invalid());
                    }
                    Ok(ScalarValue::from(text))
                }
                _ => Err(invalid()),
            };
        }
        match value {
            ScalarValue::Int64(Some(count)) => u64::try_from(count)
                .map(|count| ScalarValue::UInt64(Some(count)))
                .map_err(|_| invalid()),
            _ => Err(invalid()),
        }
    }
}

/// Whether one distance is less than another; none is, that is unbounded.
fn is_less(one: &ScalarValue, other: &ScalarValue) -> bool {
    if one.is_null() || other.is_null() {
        return false;
    }
    // A number stands as text until it is known what the rows are sorted by.
    let number = |value: &ScalarValue| match value {
        ScalarValue::Utf8(Some(text)) => text.parse::<f64>().ok(),
        _ => None,
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one < other,
        _ => one < other,
    }
}

fn is_distance(bound: &WindowFrameBound) -> bool {
    match bound {
        WindowFrameBound::CurrentRow => false,
        WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) => !value.is_null(),
    }
}

/// A RANGE frame adds to what it is sorted by: numbers to numbers, intervals to times.
fn check_distance(key: &Typed, bounds: [&WindowFrameBound; 2], place: Span) -> Result<()> {
    let is_interval = |bound: &&WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => false,
        WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) => {
            matches!(value, ScalarValue::IntervalMonthDayNano(Some(_)))
        }
    };
    let is_number = |bound: &&WindowFrameBound| is_distance(bound) && !is_interval(bound);
    let (message, hint) = if key.data_type.is_numeric() && bounds.iter().any(is_interval) {
        (
            "this RANGE frame adds an INTERVAL to numbers".to_string(),
            "give the distance as a number",
        )
    } else if key.data_type.is_temporal() && bounds.iter().any(is_number) {
        (
            "this RANGE frame adds a number to times".to_string(),
            "give the distance as an INTERVAL: INTERVAL 1 DAY",
        )
    } else if key.data_type.is_numeric() || key.data_type.is_temporal() || key.is_null() {
        return Ok(());
    } else {
        (
            format!(
                "a RANGE frame with a distance needs numbers or times, this is {}",
                key.type_name()
            ),
            "count rows with ROWS, or equal values with GROUPS",
        )
    };
    Err(Error::input("TM0320", message, place).hint(hint))
}
