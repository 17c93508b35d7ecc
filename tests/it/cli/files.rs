//! Files as tables: by name, by pattern, by directory; what they hold says what they are.

use super::Place;

/// `id,name` with two rows, compressed by gzip.
pub(super) const GZIPPED: [u8; 36] = [
    31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 203, 76, 209, 201, 75, 204, 77, 229, 50, 212, 169, 224, 50,
    210, 169, 228, 2, 0, 108, 90, 246, 192, 16, 0, 0, 0,
];

#[test]
fn gzip_is_known_by_its_contents() {
    let place = Place::new();
    for name in ["plain.csv", "honest.csv.gz"] {
        place.file(name, GZIPPED);
        assert_eq!(
            place.answer([format!("FROM '{name}'")]),
            "id,name\n1,x\n2,y\n",
            "{name}"
        );
    }
}

#[test]
fn patterns_and_directories_are_one_table() {
    let place = Place::new();
    place
        .file("flat/a.csv", "id,v\n1,10\n")
        .file("flat/b.csv", "id,v\n2,20\n");
    for from in ["flat/*.csv", "flat/", "flat", "**/*.csv", "flat/[ab].csv"] {
        let query = format!("FROM '{from}' |> ORDER BY id");
        assert_eq!(place.answer([query]), "id,v\n1,10\n2,20\n", "{from}");
    }
    let one = "FROM 'flat/*.csv' |> WHERE id = 2 |> SELECT id, _file_name";
    assert_eq!(place.answer([one]), "id,_file_name\n2,flat/b.csv\n");
}

#[test]
fn directories_with_values_are_columns() {
    let place = Place::new();
    place.file("parts/year=2024/kind=a/x.csv", "id,v\n1,10\n");
    place.file("parts/year=2025/kind=b/x.csv", "id,v\n2,20\n");
    assert_eq!(
        place.answer(["FROM 'parts/' |> ORDER BY id"]),
        "id,v,year,kind\n1,10,2024,a\n2,20,2025,b\n"
    );
    assert_eq!(
        place.answer(["FROM 'parts/**/*.csv' |> WHERE year = 2025 |> SELECT kind, id"]),
        "kind,id\nb,2\n"
    );
    // A file that the filter leaves out is not read: this one could not be.
    place.file("parts/year=2026/kind=c/x.csv", "id,v\n3\n");
    let pruned = "FROM 'parts/' |> WHERE year = 2024 |> AGGREGATE COUNT(*) AS c";
    let ended = place.run([pruned]);
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.err);
}

#[test]
fn columns_that_a_file_lacks_are_null() {
    let place = Place::new();
    place
        .file("some/a.csv", "id\n1\n")
        .file("some/b.csv", "id,w\n2,x\n");
    assert_eq!(
        place.answer(["FROM 'some/*.csv' |> ORDER BY id"]),
        "id,w\n1,\n2,x\n"
    );
}

#[test]
fn a_parameter_does_not_reach_into_a_path() {
    let place = Place::new();
    place.file("@p.csv", "id\n1\n");
    assert_eq!(
        place.answer(["FROM '@p.csv' |> WHERE @p = 'other'", "--param", "p=other"]),
        "id\n1\n"
    );
}

#[test]
fn a_file_of_no_known_kind_says_what_there_is() {
    let place = Place::new();
    place.file("odd.bin", "x\n");
    place
        .run(["FROM 'odd.bin'"])
        .fails(2, &["TM0704", "odd.bin", "parquet", "read_csv"]);
    assert_eq!(
        place
            .answer(["FROM read_csv('odd.bin', header => FALSE)"])
            .lines()
            .last(),
        Some("x")
    );
}

#[test]
fn options_that_do_not_exist_are_refused() {
    let place = Place::new();
    place.file("a.csv", "id;v\n1;2\n");
    assert_eq!(
        place.answer(["FROM read_csv('a.csv', delim => ';')"]),
        "id,v\n1,2\n"
    );
    place
        .run(["FROM read_csv('a.csv', delimm => ';')"])
        .fails(2, &["TM0706", "delimm", "delim"]);
}
