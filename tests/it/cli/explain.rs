//! `--explain`, `--plot` and `tidemill errors`: looking at plans, answers and errors.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::*;

const SALES: &str =
    "region,day,qty\nnorth,2026-01-05,12\nsouth,2026-01-06,1\nnorth,2026-01-07,30\n";

/// A query with a name that no page may take for its own markup.
const QUERY: &str = "FROM 'sales.csv' |> EXTEND '<img src=x onerror=alert(1)>' AS `<b>\"&'` \
     |> JOIN (FROM 'sales.csv' |> AGGREGATE SUM(qty) AS total GROUP BY region) AS t USING (region) |> ORDER BY qty";

fn place() -> Place {
    let place = Place::new();
    place.file("sales.csv", SALES);
    place
}

#[test]
fn a_plan_is_a_tree_with_figures() {
    let place = place();
    let tree = place.run(["--explain", "tree", QUERY]);
    assert_eq!(tree.code, Some(0), "{}", tree.err);
    let tree = String::from_utf8(tree.out).expect("text");
    let lines: Vec<&str> = tree.lines().collect();
    assert!(
        lines[0].contains("time") && lines[0].contains("rows"),
        "{tree}"
    );
    assert!(lines[1].trim_end().ends_with("output"), "{tree}");
    for part in [
        "pipeline 1",
        "└ scan sales.csv",
        "├ hash join",
        "build side",
        "query: 3 rows in",
    ] {
        assert!(tree.contains(part), "no `{part}` in\n{tree}");
    }
    let shares = tree.matches('%').count();
    let steps = lines.iter().filter(|line| line.contains('%')).count();
    assert!(steps > 5 && shares == steps, "{tree}");
    // The same as the statement, whose rows are lines.
    let said = place.run(["--format", "table", &format!("EXPLAIN ANALYZE {QUERY}")]);
    let said = String::from_utf8(said.out).expect("text");
    assert_eq!(said.lines().count(), lines.len(), "{said}\n{tree}");
}

#[test]
fn a_plan_is_json_for_programs() {
    let place = place();
    let json = place.run(["--explain", "json", QUERY]);
    let json: Value = serde_json::from_slice(&json.out).expect("valid JSON");
    let pipelines = json["pipelines"].as_array().expect("pipelines");
    assert!(pipelines.len() >= 3, "{json}");
    for pipeline in pipelines {
        let workers = pipeline["workers"].as_array().expect("workers");
        let rows: u64 = workers
            .iter()
            .filter_map(|worker| worker["rows"].as_u64())
            .sum();
        assert_eq!(
            Some(rows),
            pipeline["source"]["rows"].as_u64(),
            "{pipeline}"
        );
    }
    assert_eq!(json["rows"], 3);
}

#[test]
fn what_is_left_out_is_told() {
    let place = place();
    for text in [
        "CREATE TABLE sales PARTITION BY region AS FROM 'sales.csv'",
        "INSERT INTO sales FROM 'sales.csv'",
    ] {
        assert_eq!(place.run(["--db", "db", text]).code, Some(0));
    }
    let json = place.run([
        "--db",
        "db",
        "--explain",
        "json",
        "FROM sales |> WHERE region = 'south'",
    ]);
    let json: Value = serde_json::from_slice(&json.out).expect("valid JSON");
    let pruned = json["pipelines"][0]["source"]["pruned"]
        .as_array()
        .expect("what is left out");
    let of = |what: &str| {
        let found = pruned.iter().find(|one| one["what"] == what);
        found.map(|one| (one["read"].as_u64(), one["of"].as_u64()))
    };
    assert_eq!(of("partitions"), Some((Some(1), Some(2))), "{json}");
    assert_eq!(of("segments"), Some((Some(2), Some(4))), "{json}");
    assert_eq!(of("row groups"), Some((Some(2), Some(2))), "{json}");
}

#[test]
fn statements_before_the_explained_one_run() {
    let place = place();
    let text = "CREATE TABLE t AS FROM 'sales.csv'; FROM t |> LIMIT 1; FROM t |> WHERE qty > 5";
    let tree = place.run(["--explain", "tree", text]);
    let out = String::from_utf8(tree.out).expect("text");
    assert!(
        out.contains("query: 2 rows") && !out.contains("region,day"),
        "{out}{}",
        tree.err
    );
    let wrong = place.run(["--explain", "tree", "DROP TABLE t"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("TM0315"), "{}", wrong.err);
}

fn page(place: &Place) -> String {
    let ended = place.run(["--explain", "html", "--output", "plan.html", QUERY]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    place.read("plan.html")
}

#[test]
fn a_page_stands_alone_and_escapes() {
    let page = page(&place());
    for absent in [
        "<script", "http://", "https://", "<img", "<b>", "onload", "url(", "@import",
    ] {
        let text = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains(absent), "the page has {absent}");
    }
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(page.contains("&lt;b&gt;") && page.contains("prefers-color-scheme: dark"));
    assert_balanced(&page);
}

/// Every tag is closed, in order.
fn assert_balanced(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in page
        .split('<')
        .skip(1)
        .filter(|part| !part.starts_with('!'))
    {
        let tag = part.split('>').next().expect("a part").trim();
        assert!(part.contains('>'), "a tag is open: {part}");
        let name = tag
            .trim_start_matches('/')
            .split(char::is_whitespace)
            .next()
            .expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closes {name}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// A browser without a window, where one is installed.
fn browser() -> Option<String> {
    let names = [
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
    ];
    let found = names.into_iter().map(String::from).find(|name| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        // Not through println!, which is not seen of a test that passes.
        let said =
            b"NOT TESTED: no browser is installed, so no page of a plan was looked at in one\n";
        std::io::stderr().write_all(said).expect("standard error");
    }
    found
}

/// The page's document as the browser has it at this width, after a script of the test's own.
fn document(browser: &str, folder: &Path, page: &str, width: u32) -> String {
    // A window that is wider than its reader's has a bar to move it.
    let script = "<script>document.title = [innerWidth, document.documentElement.scrollWidth, \
         document.querySelectorAll('g.pipeline').length, document.querySelectorAll('img').length, \
         document.querySelectorAll('details').length].join(' ')</script></body>";
    let path = folder.join(format!("measured-{width}.html"));
    std::fs::write(&path, page.replace("</body>", script)).expect("a page");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--virtual-time-budget=1000",
            "--dump-dom",
        ])
        .arg(format!("--window-size={width},900"))
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("file://{}", path.display()))
        .output()
        .expect("the browser");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_browser_shows_the_page_at_any_width() {
    let Some(browser) = browser() else { return };
    let place = place();
    let page = page(&place);
    for width in [800, 1600] {
        let document = document(&browser, place.0.path(), &page, width);
        let title = document
            .split("<title>")
            .nth(1)
            .and_then(|rest| rest.split("</title>").next());
        let figures: Vec<u32> = title
            .unwrap_or_default()
            .split(' ')
            .filter_map(|figure| figure.parse().ok())
            .collect();
        let [inner, scroll, pipelines, images, details] = figures[..] else {
            panic!("the page told nothing: {document}");
        };
        assert!(
            scroll <= inner,
            "at {width} the page is {scroll} wide in {inner}"
        );
        assert_eq!(images, 0, "text of the query became an element");
        assert!(pipelines >= 3 && details >= pipelines, "{title:?}");
    }
}

#[test]
fn a_chart_is_drawn_as_characters_or_svg() {
    let place = place();
    let query = "FROM 'sales.csv' |> AGGREGATE SUM(qty) AS qty GROUP BY region |> ORDER BY region";
    let bars = place.run(["--plot", "bar", query]);
    let bars = String::from_utf8(bars.out).expect("text");
    let lines: Vec<&str> = bars.lines().collect();
    assert_eq!(lines[0], "qty by region");
    assert!(
        lines[1].starts_with("north █") && lines[1].ends_with(" 42"),
        "{bars}"
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{bars}"
    );
    let ended = place.run([
        "--plot",
        "line:x=day,y=qty",
        "--output",
        "chart.svg",
        "FROM 'sales.csv'",
    ]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let svg = place.read("chart.svg");
    assert!(
        svg.starts_with("<svg") && svg.contains("2026-01-0") && svg.contains("<polyline"),
        "{svg}"
    );
    assert_balanced(&svg);
}

/// The picture of a PNG file, its pixels as red, green, blue: checked and unpacked as its format's description says.
fn pixels(file: &[u8]) -> (usize, usize, Vec<[u8; 3]>) {
    let mut rest = file.strip_prefix(b"\x89PNG\r\n\x1a\n").expect("a PNG");
    let (mut size, mut packed, mut ended) = ((0, 0), Vec::new(), false);
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    while !rest.is_empty() {
        let length = number(&rest[..4]) as usize;
        let (piece, behind) = rest[4..].split_at(length + 8);
        let (named, checksum) = piece.split_at(length + 4);
        assert_eq!(crc32fast::hash(named), number(checksum));
        match &named[..4] {
            b"IHDR" => {
                size = (
                    number(&named[4..8]) as usize,
                    number(&named[8..12]) as usize,
                );
                assert_eq!(&named[12..], [8, 2, 0, 0, 0]);
            }
            b"IDAT" => packed.extend_from_slice(&named[4..]),
            other => ended = other == b"IEND",
        }
        rest = behind;
    }
    assert!(ended);
    let mut rows = Vec::new();
    let mut unpacked = flate2::read::ZlibDecoder::new(packed.as_slice());
    std::io::Read::read_to_end(&mut unpacked, &mut rows).expect("packed rows");
    let mut above = vec![0_u8; size.0 * 3];
    let mut pixels = Vec::new();
    for row in rows.chunks(size.0 * 3 + 1) {
        assert!(matches!(row[0], 0 | 2));
        for (place, byte) in row[1..].iter().enumerate() {
            above[place] = if row[0] == 2 {
                above[place].wrapping_add(*byte)
            } else {
                *byte
            };
        }
        pixels.extend(above.chunks(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]));
    }
    assert_eq!(pixels.len(), size.0 * size.1);
    (size.0, size.1, pixels)
}

#[test]
fn a_chart_is_drawn_as_pixels() {
    let place = place();
    let query = "FROM (VALUES ('north', 42), ('süd', 21)) AS t (region, qty)";
    let asked = format!("{query} |> CALL PLOT('bar', x => region, y => qty)");
    let ways: [&[&str]; 2] = [&["--plot", "bar", query], &[asked.as_str()]];
    let mut pictures = Vec::new();
    for way in ways {
        let args = ["--output", "chart.png"].iter().chain(way);
        let ended = place.run(args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        pictures.push(place.read_bytes("chart.png"));
    }
    assert_eq!(pictures[0], pictures[1]);
    let (width, height, pixels) = pixels(&pictures[0]);
    assert_eq!((width, height), (1920, 1080));
    // The first bar is twice as high as the second: columns of its colour, in the middle of each half.
    let high = |x: usize| {
        (0..height)
            .filter(|y| pixels[y * width + x] == [31, 122, 140])
            .count()
    };
    let (first, second) = (high(width * 3 / 10), high(width * 3 / 4));
    assert!(
        first > height / 2 && first.abs_diff(2 * second) < 8,
        "{first} {second}"
    );
    // The bars' names below the axis.
    let below = &pixels[(height - 100) * width..];
    let dark = below.iter().filter(|pixel| pixel[0] < 100).count();
    assert!(dark > 150, "{dark} pixels");
}

#[test]
fn a_chart_that_cannot_be_drawn_says_why() {
    let place = place();
    for (spec, said) in [
        ("bar:y=qyt", "did you mean `qty`?"),
        ("bar:y=region", "`region` is STRING"),
        ("pie", "`pie` is no chart; use bar or line"),
    ] {
        let ended = place.run(["--plot", spec, "FROM 'sales.csv'"]);
        assert_eq!(ended.code, Some(2), "{spec}");
        assert!(
            ended.out.is_empty() && ended.err.contains(said),
            "{}",
            ended.err
        );
    }
    let gif = place.run(["--plot", "bar", "--output", "chart.gif", "FROM 'sales.csv'"]);
    assert_eq!(gif.code, Some(2));
    assert!(gif.err.contains("not as .gif"), "{}", gif.err);
    assert!(!place.path("chart.gif").exists());
}

#[test]
fn a_query_asks_for_its_chart_itself() {
    let place = place();
    let query = "FROM 'sales.csv' |> AGGREGATE SUM(qty) AS qty GROUP BY region |> ORDER BY region";
    let plotted = format!("{query} |> CALL PLOT('bar', x => region, y => qty)");
    let drawn = place.answer([&plotted]);
    assert_eq!(drawn, place.answer(["--plot", "bar:x=region,y=qty", query]));
    assert_eq!(drawn, place.answer([&plotted, "--format", "table"]));
    // Programs get the rows.
    let rows = place.answer([query, "--format", "ndjson"]);
    assert_eq!(place.answer([&plotted, "--format", "ndjson"]), rows);
    place.answer([&plotted, "--output", "rows.ndjson"]);
    assert_eq!(place.read("rows.ndjson"), rows);
    place.answer([&plotted, "--output", "chart.svg"]);
    assert_balanced(&place.read("chart.svg"));
    place.answer([&plotted, "--output", "chart.txt"]);
    assert_eq!(place.read("chart.txt"), drawn);
    let gif = place.run([plotted.as_str(), "--output", "chart.gif"]);
    let said = "a chart is written as .svg, .png or .txt, not as .gif";
    gif.fails(2, &[said]);
    // The flag wins over the text.
    let other = format!("{query} |> CALL PLOT('line', x => qty)");
    assert_eq!(
        place.answer([&other, "--plot", "bar:x=region,y=qty"]),
        drawn
    );
    // Two charts of one query, and a job.
    let two = format!(
        "{query} |> FORK (|> CALL PLOT('bar', x => region, y => qty)), (|> LIMIT 1 |> SELECT qty)"
    );
    assert!(place.answer([&two]).starts_with(&drawn));
    place.file("job.tide", format!("{plotted};"));
    let job = place.run(["run", "job.tide", "-q", "--no-state"]);
    assert_eq!((job.code, job.text()), (Some(0), drawn));
    let job = place.run(["run", "job.tide", "-q", "--no-state", "--format", "ndjson"]);
    assert_eq!((job.code, job.text()), (Some(0), rows));
}

#[test]
fn codes_are_explained() {
    let place = Place::new();
    let out = |args: &[&str]| String::from_utf8(place.run(args).out).expect("text");
    let one = out(&["errors", "tm0712"]);
    for part in [
        "error[TM0712]",
        "fewer fields",
        "example:",
        "data.csv holds",
        "exit code 3",
    ] {
        assert!(one.contains(part), "no `{part}` in\n{one}");
    }
    let all = out(&["errors"]);
    assert!(
        all.lines().count() > 100 && all.contains("TM0201  "),
        "{all}"
    );
    let none = place.run(["errors", "TM9999"]);
    assert_eq!(none.code, Some(2));
    assert!(none.err.contains("lists all of them"), "{}", none.err);
}
