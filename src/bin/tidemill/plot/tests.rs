use std::sync::Arc;

use tidemill::arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};

use super::*;

fn drawn(spec: &str, batch: &RecordBatch, canvas: Canvas) -> Result<String, String> {
    let spec = parse(spec).unwrap();
    let mut plot = Plot::new(&spec, &batch.schema())?;
    plot.batch(batch)?;
    let drawn = plot.draw(canvas)?;
    Ok(String::from_utf8(drawn).unwrap())
}

fn text(spec: &str, batch: &RecordBatch) -> String {
    let text = drawn(spec, batch, Canvas::Text(40)).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 40, "{line:?} is too wide");
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
    text
}

fn regions() -> RecordBatch {
    let region: ArrayRef = Arc::new(StringArray::from(vec![
        Some("north"),
        Some("south"),
        None,
        Some("east"),
    ]));
    let total: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(40.0),
        Some(-10.0),
        Some(5.5),
        None,
    ]));
    RecordBatch::try_from_iter([("region", region), ("total", total)]).unwrap()
}

#[test]
fn bars_start_at_zero_on_both_sides() {
    let drawn = text("bar", &regions());
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines[0], "total by region");
    assert!(
        lines[1].starts_with("north ") && lines[1].ends_with(" 40"),
        "{drawn}"
    );
    assert!(
        lines[3].starts_with("NULL ") && lines[3].ends_with(" 5.5"),
        "{drawn}"
    );
    assert!(
        lines[4].starts_with("east ") && lines[4].ends_with(" -"),
        "{drawn}"
    );
    let bars: Vec<usize> = drawn
        .lines()
        .map(|line| line.matches('█').count())
        .collect();
    let ratio = bars[1] as f64 / bars[2] as f64;
    assert!(
        (3.5..=4.5).contains(&ratio),
        "40 is four times -10:\n{drawn}"
    );
    let zero = |line: usize| {
        let line = drawn.lines().nth(line).unwrap();
        let blocks = line.chars().position(|c| c == '█').unwrap();
        let end = line.chars().filter(|c| *c == '█').count() + blocks;
        (blocks, end)
    };
    assert_eq!(zero(1).0, zero(2).1, "both begin where zero is:\n{drawn}");
    assert!(
        drawn.contains("1 point without a number is left out"),
        "{drawn}"
    );
}

#[test]
fn a_line_goes_from_corner_to_corner() {
    let day: ArrayRef = Arc::new(Date32Array::from_iter_values(20_000..20_010));
    let sales: ArrayRef = Arc::new(Int64Array::from_iter_values((0..10).map(|n| n * 10)));
    let batch = RecordBatch::try_from_iter([("day", day), ("sales", sales)]).unwrap();
    let drawn = text("line", &batch);
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines[0], "sales");
    assert!(
        lines[1].starts_with("90 ┤") && lines[16].starts_with(" 0 ┤"),
        "{drawn}"
    );
    assert!(
        lines[1].chars().count() == 40,
        "the last point is at the right edge:\n{drawn}"
    );
    assert!(
        lines[16].chars().nth(4).is_some_and(|c| c != ' '),
        "{drawn}"
    );
    assert!(
        lines[18].contains("day: 2024-10-04") && lines[18].ends_with("2024-10-13"),
        "{drawn}"
    );
}

#[test]
fn gaps_are_not_bridged_and_infinities_left_out() {
    let x: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5));
    let y: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(1.0),
        None,
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(1.0),
    ]));
    let batch = RecordBatch::try_from_iter([("x", x), ("y", y)]).unwrap();
    let drawn = text("line:x=x", &batch);
    let dots = drawn
        .chars()
        .filter(|c| ('\u{2801}'..='\u{28ff}').contains(c))
        .count();
    assert_eq!(dots, 2, "two points alone:\n{drawn}");
    assert!(
        drawn.contains("3 points without a number are left out"),
        "{drawn}"
    );
}

#[test]
fn values_at_the_ends_of_their_range_are_drawn() {
    for values in [
        vec![f64::MIN, f64::MAX],
        vec![0.0, 0.0],
        vec![5e-324],
        vec![1e300, 1e300],
        vec![],
    ] {
        let y: ArrayRef = Arc::new(Float64Array::from(values));
        let batch = RecordBatch::try_from_iter([("y", y)]).unwrap();
        for spec in ["bar", "line"] {
            text(spec, &batch);
            let svg = drawn(spec, &batch, Canvas::Svg).unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}

#[test]
fn times_that_are_close_are_told_apart() {
    let start = 1_790_000_000_000_000;
    let times = (0..3).map(|step| start + step);
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
    let y: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch = RecordBatch::try_from_iter([("time", time), ("y", y)]).unwrap();
    let svg = drawn("line", &batch, Canvas::Svg).unwrap();
    assert!(svg.contains("14:13:20.000001"), "{svg}");
    assert!(text("line", &batch).contains("time: 2026-09-21"));
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let error = |spec: &str| drawn(spec, &regions(), Canvas::Svg).unwrap_err();
    assert!(error("bar:y=totl").contains("did you mean `total`?"));
    assert!(error("bar:x=nothing").contains("there are: region (STRING), total (FLOAT64)"));
    assert!(error("bar:y=region").contains("`region` is STRING"));
    let names = regions().project(&[0]).unwrap();
    let error = drawn("bar", &names, Canvas::Svg).unwrap_err();
    assert!(error.contains("no column of numbers to draw: region (STRING)"));
    let many: ArrayRef = Arc::new(Int64Array::from_iter_values(0..201));
    let many = RecordBatch::try_from_iter([("n", many)]).unwrap();
    let error = drawn("bar", &many, Canvas::Svg).unwrap_err();
    assert!(error.contains("at most 200 rows") && error.contains("LIMIT 200"));
    for spec in ["pie", "bar:z=a", "bar:x", "line:x=a,x=b"] {
        assert!(parse(spec).is_err(), "{spec}");
    }
}

#[test]
fn svg_holds_the_points_and_escapes_names() {
    let svg = drawn("bar", &regions(), Canvas::Svg).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    // The background, the bars.
    assert!(svg.matches("<rect").count() >= 4, "{svg}");
    let name: ArrayRef = Arc::new(StringArray::from(vec!["<b>&"]));
    let y: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("<x>", name), ("y", y)]).unwrap();
    let svg = drawn("bar", &batch, Canvas::Svg).unwrap();
    assert!(
        !svg.contains("<b>") && !svg.contains("<x>") && svg.contains("&lt;b&gt;&amp;"),
        "{svg}"
    );
}

#[test]
fn by_draws_a_series_for_each_value() {
    let day: ArrayRef = Arc::new(StringArray::from(vec!["mo", "mo", "tu", "tu"]));
    let region: ArrayRef = Arc::new(StringArray::from(vec!["n", "s", "n", "s"]));
    let y: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let batch = RecordBatch::try_from_iter([("day", day), ("region", region), ("y", y)]).unwrap();
    let drawn = text("bar:x=day,by=region", &batch);
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines[0], "y by day and region");
    assert!(
        lines[1].starts_with("mo n") && lines[2].starts_with("   s"),
        "{drawn}"
    );
    assert!(lines[3].starts_with("tu n") && lines.len() == 5, "{drawn}");
}
