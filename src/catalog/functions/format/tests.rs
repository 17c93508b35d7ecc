use super::*;

fn one(pattern: &str, value: impl Into<datafusion::scalar::ScalarValue>) -> String {
    let value = value.into().to_array().unwrap();
    let patterns: ArrayRef = Arc::new(StringArray::from(vec![pattern]));
    formatted(&patterns, &[value]).unwrap().value(0).to_string()
}

#[test]
fn whole_numbers() {
    let cases = [
        ("%d", -5, "-5"),
        ("%5d|", 42, "   42|"),
        ("%-5d|", 42, "42   |"),
        ("%05d", -42, "-0042"),
        ("%+d", 7, "+7"),
        ("% d", 7, " 7"),
        ("%.4d", -7, "-0007"),
        ("%6.3d|", 7, "   007|"),
        ("%'d", 1_234_567, "1,234,567"),
        ("%'d", -123, "-123"),
        ("%x", 255, "ff"),
        ("%X", -255, "-FF"),
        ("%#x", 255, "0xff"),
        ("%o", 8, "10"),
        ("%'x", 0x12_3456, "12:3456"),
        ("100%% of %i", 3, "100% of 3"),
        ("%d", i64::MIN, "-9223372036854775808"),
    ];
    for (pattern, value, wanted) in cases {
        assert_eq!(one(pattern, value), wanted, "{pattern} of {value}");
    }
}

#[test]
fn numbers_with_a_point() {
    let cases = [
        ("%f", 1.5, "1.500000"),
        ("%.2f", -0.005, "-0.01"),
        ("%.0f", 2.5, "2"),
        ("%#.0f", 2.5, "2."),
        ("%8.3f|", 3.25659, "   3.257|"),
        ("%08.2f", -3.25659, "-0003.26"),
        ("%'.2f", 1_234_567.891, "1,234,567.89"),
        ("%e", 12345.678, "1.234568e+04"),
        ("%.1E", 0.00012, "1.2E-04"),
        ("%g", 0.0001, "0.0001"),
        ("%g", 0.00001, "1e-05"),
        ("%g", 1_000_000.0, "1e+06"),
        ("%g", 100_000.0, "100000"),
        ("%.3g", 3.25659, "3.26"),
        ("%#g", 1.0, "1.00000"),
        ("%g", 0.0, "0"),
        ("%G", 1e-10, "1E-10"),
        ("%05f", f64::INFINITY, "  inf"),
        ("%F", f64::NAN, "NAN"),
        ("%f", f64::NEG_INFINITY, "-inf"),
    ];
    for (pattern, value, wanted) in cases {
        assert_eq!(one(pattern, value), wanted, "{pattern} of {value}");
    }
}

#[test]
fn decimals_are_written_exactly() {
    use datafusion::scalar::ScalarValue::Decimal128;
    let cases = [
        ("%f", 12_345, 2, "123.450000"),
        ("%.1f", 12_345, 2, "123.5"),
        ("%.0f", 12_350, 2, "124"),
        ("%.1f", -4, 2, "-0.0"),
        ("%.1f", 995, 2, "10.0"),
        ("%.3f", 5, 3, "0.005"),
        (
            "%.2f",
            12_345_678_901_234_567_890_123_456,
            2,
            "123456789012345678901234.56",
        ),
    ];
    for (pattern, digits, scale, wanted) in cases {
        let value = Decimal128(Some(digits), 38, scale);
        assert_eq!(
            one(pattern, value),
            wanted,
            "{pattern} of {digits} / {scale}"
        );
    }
}

#[test]
fn faults_of_patterns() {
    let faults = |pattern, types: &[DataType]| format_fault(pattern, types).unwrap_or_default();
    assert_eq!(
        faults("%d and %5.1f%%", &[DataType::Int64, DataType::Float64]),
        ""
    );
    assert_eq!(
        faults(
            "%*.*f",
            &[DataType::Int64, DataType::Int64, DataType::Float64]
        ),
        ""
    );
    assert!(faults("%d", &[DataType::Utf8]).contains("`%d` takes an integer, not STRING"));
    assert!(faults("%s", &[DataType::Int64]).contains("%t takes any value"));
    assert!(faults("%d", &[]).contains("1 place for 0 values"));
    assert!(faults("x", &[DataType::Int64]).contains("0 places"));
    assert!(faults("%q", &[DataType::Int64]).contains("`%q`"));
    assert!(faults("50%", &[]).contains("%%"));
    assert!(faults("%9999999d", &[DataType::Int64]).contains("at most"));
}
