//! README's commands do what they say: each command of a block marked `sh` is run, in order, against the built binary.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of the blocks marked `sh`: without prompt, comments and output, lines joined where one goes on.
fn commands(readme: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut inside = false;
    let mut open = false;
    for line in readme.lines() {
        if let Some(mark) = line.trim_start().strip_prefix("```") {
            inside = !inside && matches!(mark.trim(), "sh" | "bash");
            open = false;
            continue;
        }
        if !inside {
            continue;
        }
        match commands.last_mut().filter(|_| open) {
            Some(command) => {
                command.push('\n');
                command.push_str(line);
            }
            None if line.trim().is_empty() || line.starts_with('#') => continue,
            None => commands.push(line.trim_start_matches("$ ").to_string()),
        }
        open = commands.last().is_some_and(|command| goes_on(command));
    }
    commands
}

/// A quote is open, or the line ends in a backslash.
fn goes_on(command: &str) -> bool {
    let mut open: Option<char> = None;
    for c in command.chars() {
        match open {
            Some(quote) if c == quote => open = None,
            None if c == '\'' || c == '"' => open = Some(c),
            _ => {}
        }
    }
    open.is_some() || command.ends_with('\\')
}

#[test]
fn commands_of_the_readme_run() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let gate = std::fs::read_to_string(root().join(".ci/run")).unwrap_or_default();
    let place = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(root().join("examples"), place.path().join("examples"))
        .expect("a link");
    std::fs::create_dir(place.path().join("target")).expect("a folder for what commands write");
    let commands = commands(&readme);
    assert!(!commands.is_empty(), "README.md has no block marked `sh`");
    for command in commands {
        if let Some(at) = command.find("cargo run") {
            let args = command[at..]
                .split_once(" -- ")
                .map_or("", |(_, args)| args);
            run(&format!("{}tidemill {args}", &command[..at]), place.path());
        } else if command.starts_with("cargo test") {
            assert!(
                gate.contains(command.trim()),
                "`{command}` is not what .ci/run runs"
            );
        } else if command.contains("tidemill")
            && !command.starts_with("cargo ")
            && !command.starts_with("git ")
        {
            run(&command, place.path());
        }
    }
}

fn run(command: &str, place: &Path) {
    let binary = Path::new(env!("CARGO_BIN_EXE_tidemill"));
    let folder = binary.parent().expect("a folder").to_string_lossy();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let command = command.replace("./target/release/tidemill", "tidemill");
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(place)
        .env("PATH", path)
        .output()
        .expect("a shell");
    assert!(
        output.status.success(),
        "`{command}`: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn commands_are_found() {
    let readme = "```sh\n# a comment\n$ tidemill 'FROM t\n|> LIMIT 1'\ntidemill --help\n```\n```text\nno\n```\n";
    assert_eq!(
        commands(readme),
        ["tidemill 'FROM t\n|> LIMIT 1'", "tidemill --help"]
    );
}
