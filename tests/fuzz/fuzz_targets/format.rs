//! Any text that can be read is laid out in a way that reads the same and is laid out already; so is the text of its tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemill::Syntax;

fuzz_target!(|text: &str| {
    for width in [20, 100] {
        let syntax = Syntax::new().width(width);
        match syntax.format(text) {
            Ok(once) => {
                let twice = syntax.format(&once).expect("what was laid out is read");
                assert_eq!(once, twice);
            }
            Err(errors) => {
                for error in errors {
                    assert_ne!(error.code(), "TM0999", "{error}");
                }
            }
        }
    }
    let syntax = Syntax::new();
    if let Ok(written) = syntax.canonical(text) {
        let again = syntax.canonical(&written).expect("what was written is read");
        assert_eq!(written, again);
    }
});
