//! A terminal without a person: keys go in, a screen comes out.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

const PROMPT: &str = "tidemill>";

/// The program on a terminal, in a directory of its own.
pub(super) struct Terminal {
    seen: Arc<Seen>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    place: Arc<TempDir>,
}

/// What the program wrote.
struct Seen {
    screen: Mutex<Written>,
    changed: Condvar,
}

struct Written {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    is_over: bool,
}

/// What is to be started, and where.
pub(super) struct Start {
    place: Arc<TempDir>,
    command: CommandBuilder,
    size: (u16, u16),
}

/// The shell in a terminal of 40 lines and 100 columns.
pub(super) fn started() -> Terminal {
    Start::new().shell()
}

impl Start {
    pub(super) fn new() -> Self {
        Start::at(&Arc::new(tempfile::tempdir().expect("a directory")))
    }

    /// Where another terminal was.
    pub(super) fn at(place: &Arc<TempDir>) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_tidemill"));
        command.cwd(place.path());
        command.env("TERM", "xterm-256color");
        command.env("HOME", place.path());
        command.env("XDG_STATE_HOME", place.path().join("state"));
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PAGER", "LESS"] {
            command.env_remove(name);
        }
        Start {
            place: Arc::clone(place),
            command,
            size: (40, 100),
        }
    }

    pub(super) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.place.path().join(name), text).expect("a file");
        self
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(super) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Lines and columns.
    pub(super) fn size(mut self, lines: u16, columns: u16) -> Self {
        self.size = (lines, columns);
        self
    }

    /// Runs it.
    pub(super) fn run(self) -> Terminal {
        let (rows, cols) = self.size;
        let size = PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let child = pair.slave.spawn_command(self.command);
        let child = child.expect("the program starts");
        drop(pair.slave);
        let seen = Arc::new(Seen {
            screen: Mutex::new(Written {
                parser: vt100::Parser::new(rows, cols, 1000),
                bytes: Vec::new(),
                is_over: false,
            }),
            changed: Condvar::new(),
        });
        let reader = pair.master.try_clone_reader().expect("its output");
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || shared.read(reader));
        Terminal {
            seen,
            keys: pair.master.take_writer().expect("its input"),
            child,
            _master: pair.master,
            place: self.place,
        }
    }

    /// Runs it up to its prompt.
    pub(super) fn shell(self) -> Terminal {
        let terminal = self.run();
        terminal.until("the prompt", Shown::is_at_prompt);
        terminal
    }
}

impl Seen {
    fn read(&self, mut reader: impl Read) {
        let mut bytes = [0; 4096];
        loop {
            let count = reader.read(&mut bytes).unwrap_or(0);
            let mut written = self.lock();
            written.parser.process(&bytes[..count]);
            written.bytes.extend_from_slice(&bytes[..count]);
            written.is_over = count == 0;
            drop(written);
            self.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The screen at one moment.
pub(super) struct Shown {
    pub(super) text: String,
    /// The line that the cursor is in, up to it.
    line: String,
    is_over: bool,
}

impl Shown {
    fn of(written: &Written) -> Self {
        let screen = written.parser.screen();
        let (row, column) = screen.cursor_position();
        let line = screen.contents_between(row, 0, row, column);
        Shown {
            text: screen.contents(),
            line,
            is_over: written.is_over,
        }
    }

    pub(super) fn has(&self, part: &str) -> bool {
        self.text.contains(part)
    }

    pub(super) fn is_at_prompt(&self) -> bool {
        self.line.trim_end() == PROMPT
    }

    /// What stands between the prompt and the cursor.
    pub(super) fn typed(&self) -> &str {
        self.line
            .strip_prefix(PROMPT)
            .unwrap_or(&self.line)
            .trim_start()
    }
}

impl Terminal {
    /// Presses keys.
    pub(super) fn keys(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("keys are taken");
        self.keys.flush().expect("keys are taken");
    }

    /// Waits until the screen is as wanted.
    pub(super) fn until(&self, what: &str, wanted: impl Fn(&Shown) -> bool) -> Shown {
        let end = Instant::now() + PATIENCE;
        let mut written = self.seen.lock();
        loop {
            let shown = Shown::of(&written);
            if wanted(&shown) {
                return shown;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !shown.is_over,
                "{what} never came; on the screen is\n{}",
                shown.text
            );
            let waited = self.seen.changed.wait_timeout(written, left);
            written = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Types a line and waits until all `parts` and then the prompt are there.
    pub(super) fn line(&mut self, line: &str, parts: &[&str]) -> Shown {
        self.clear();
        self.keys(&format!("{line}\r"));
        self.until(line, |shown| {
            shown.is_at_prompt() && parts.iter().all(|part| shown.has(part))
        })
    }

    /// An empty screen with the prompt at its top.
    pub(super) fn clear(&mut self) {
        // Ctrl-L
        self.keys("\u{c}");
        self.until("an empty screen", |shown| {
            shown.is_at_prompt() && shown.text.trim_end() == PROMPT
        });
    }

    /// Every byte that was written so far.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().bytes.clone()
    }

    /// Whether anything was written in colours or otherwise set off.
    pub(super) fn has_colours(&self) -> bool {
        let bytes = self.bytes();
        let text = String::from_utf8_lossy(&bytes);
        text.split("\u{1b}[").skip(1).any(|rest| {
            let code = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
            code.starts_with('m')
        })
    }

    /// Waits until the program ends.
    pub(super) fn end(mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        let mut written = self.seen.lock();
        while !written.is_over {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the program does not end");
            let waited = self.seen.changed.wait_timeout(written, left);
            written = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(written);
        self.child.wait().expect("the program ends")
    }

    /// Ctrl-D, after which the shell must be gone.
    pub(super) fn leave(mut self) {
        self.keys("\u{4}");
        assert!(self.end().success());
    }

    pub(super) fn place(&self) -> Arc<TempDir> {
        Arc::clone(&self.place)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that ended already cannot be ended.
        let _ = self.child.kill();
    }
}
