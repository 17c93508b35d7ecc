//! Any text can be read, or there are errors whose places lie in it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tidemill::Engine;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::in_memory().expect("an engine"));

fuzz_target!(|text: &str| {
    let Err(errors) = ENGINE.statements(text) else {
        return;
    };
    assert!(!errors.is_empty());
    for error in errors {
        assert_ne!(error.code(), "TM0999", "{error}");
        if let Some(span) = error.span() {
            assert!(text.get(span.start..span.end).is_some(), "{error}");
        }
    }
});
