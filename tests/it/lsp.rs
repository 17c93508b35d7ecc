//! The language server from outside: the program is started and spoken to as an editor does, frames of JSON over pipes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const URI: &str = "file:///script.tide";

struct Editor {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: i64,
    version: i64,
    folder: TempDir,
}

impl Editor {
    /// A server that knows the folder, and has said what it can do.
    fn start() -> (Self, Value) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("sales.csv"), "region,qty\nnorth,3\n").expect("a file");
        let mut server = Command::new(env!("CARGO_BIN_EXE_tidemill"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let input = server.stdin.take().expect("its input");
        let output = BufReader::new(server.stdout.take().expect("its output"));
        let mut editor = Editor {
            server,
            input,
            output,
            next: 0,
            version: 0,
            folder,
        };
        let root = uri_of(editor.folder.path());
        let params = json!({
            "processId": null,
            "capabilities": {},
            "workspaceFolders": [{"uri": root, "name": "work"}],
        });
        let answer = editor.ask("initialize", params);
        editor.tell("initialized", json!({}));
        (editor, answer)
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("it reads");
        self.input.flush().expect("it reads");
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("a header");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(digits) = line.strip_prefix("Content-Length: ") {
                length = digits.parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).expect("a body");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// The answer to a request, whether it is a result or an error.
    fn ask_any(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.receive();
            if message["id"] == json!(id) {
                return message;
            }
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask_any(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Gives the server a text; its diagnostics.
    fn write(&mut self, text: &str) -> Vec<Value> {
        self.version += 1;
        let version = self.version;
        match version {
            1 => self.tell(
                "textDocument/didOpen",
                json!({"textDocument": {"uri": URI, "languageId": "tidemill", "version": version, "text": text}}),
            ),
            _ => self.tell(
                "textDocument/didChange",
                json!({"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": text}]}),
            ),
        }
        self.diagnostics(Some(version))
    }

    fn diagnostics(&mut self, version: Option<i64>) -> Vec<Value> {
        let message = self.receive();
        assert_eq!(
            message["method"], "textDocument/publishDiagnostics",
            "{message}"
        );
        let params = &message["params"];
        assert_eq!(params["uri"], URI);
        assert_eq!(params["version"].as_i64(), version);
        params["diagnostics"].as_array().expect("a list").clone()
    }

    /// A request about the place of `¦` in a text, which is given to the server first.
    fn at(&mut self, method: &str, marked: &str) -> Value {
        let at = marked.find('¦').expect("a cursor");
        self.write(&marked.replace('¦', ""));
        let before = &marked[..at];
        let line = before.matches('\n').count();
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or("")
            .encode_utf16()
            .count();
        let params =
            json!({"textDocument": {"uri": URI}, "position": {"line": line, "character": column}});
        self.ask(method, params)
    }

    fn labels(&mut self, marked: &str) -> Vec<String> {
        let list = self.at("textDocument/completion", marked);
        let items = list["items"].as_array().expect("a list");
        items
            .iter()
            .map(|item| item["label"].as_str().expect("a label").to_string())
            .collect()
    }

    fn stop(mut self) {
        assert_eq!(self.ask("shutdown", Value::Null), Value::Null);
        self.tell("exit", Value::Null);
        drop(self.input);
        assert!(self.server.wait().expect("it ends").success());
    }
}

fn uri_of(path: &Path) -> String {
    let path = path.display().to_string();
    format!("file://{}", path.replace('%', "%25").replace(' ', "%20"))
}

fn range(line: u32, from: u32, to: u32) -> Value {
    json!({"start": {"line": line, "character": from}, "end": {"line": line, "character": to}})
}

#[test]
fn an_editor_is_served_from_hello_to_goodbye() {
    let (mut editor, hello) = Editor::start();
    let can = &hello["capabilities"];
    for what in [
        "hoverProvider",
        "definitionProvider",
        "documentFormattingProvider",
    ] {
        assert_eq!(can[what], true, "{what}");
    }
    assert!(can["completionProvider"].is_object());
    assert_eq!(hello["serverInfo"]["name"], "tidemill");
    assert_eq!(
        editor.write("FROM 'sales.csv' |> LIMIT 1"),
        Vec::<Value>::new()
    );
    editor.tell(
        "textDocument/didClose",
        json!({"textDocument": {"uri": URI}}),
    );
    assert!(editor.diagnostics(None).is_empty());
    let closed = json!({"textDocument": {"uri": URI}, "position": {"line": 0, "character": 0}});
    assert_eq!(
        editor.ask_any("textDocument/hover", closed)["error"]["code"],
        -32602
    );
    assert_eq!(
        editor.ask_any("no/such", json!({}))["error"]["code"],
        -32601
    );
    editor.stop();
}

#[test]
fn diagnostics_follow_every_change() {
    let (mut editor, _) = Editor::start();
    let text = "SELECT '𝄞', regoin FROM 'sales.csv';\nFROM 'sales.csv' |> EXTEND 1 AS qty";
    let found = editor.write(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0]["code"], "TM0201");
    assert_eq!(found[0]["severity"], 1);
    // The clef is two UTF-16 units and one character.
    assert_eq!(found[0]["range"], range(0, 13, 19));
    let message = found[0]["message"].as_str().expect("a message");
    assert!(message.contains("did you mean `region`?"), "{message}");
    assert_eq!(found[1]["code"], "TW03");
    assert_eq!(found[1]["severity"], 2);
    let lost = "FROM 'sales.csv'\n|> AGGREGATE SUM(qty) AS total GROUP BY region\n|> WHERE qty > 1";
    let found = editor.write(lost);
    let related = &found[0]["relatedInformation"][0];
    assert_eq!(related["location"]["range"], range(1, 3, 12));
    assert!(editor.write("FROM 'sales.csv' |> WHERE qty > 1").is_empty());
    assert_eq!(editor.write("FROM 'missing.csv'")[0]["code"], "TM0703");
    editor.stop();
}

#[test]
fn completion_knows_the_columns_of_the_stage() {
    let (mut editor, _) = Editor::start();
    let after = editor.at(
        "textDocument/completion",
        "FROM 'sales.csv' -- 𝄞\n|> AGGREGATE SUM(qty) AS total GROUP BY region |> WHERE to¦",
    );
    let first = &after["items"][0];
    assert_eq!(first["label"], "total");
    assert_eq!(first["detail"], "INT64");
    assert_eq!(first["textEdit"]["range"], range(1, 56, 58));
    assert_eq!(editor.labels("FROM 'sales.csv' |> AGG¦"), ["AGGREGATE"]);
    assert_eq!(editor.labels("FROM 'sa¦"), ["'sales.csv'"]);
    assert_eq!(
        editor.labels("CREATE VIEW late AS SELECT 1 AS x; FROM la¦"),
        ["late", "LATERAL"]
    );
    editor.stop();
}

#[test]
fn hover_shows_the_schema_of_the_stage_and_signatures() {
    let (mut editor, _) = Editor::start();
    let hover = editor.at(
        "textDocument/hover",
        "FROM 'sales.csv' |> SEL¦ECT qty, UPPER(region) AS r",
    );
    assert_eq!(
        hover["contents"]["value"],
        "after SELECT:\n  qty INT64\n  r STRING"
    );
    assert_eq!(hover["range"], range(0, 20, 26));
    let hover = editor.at(
        "textDocument/hover",
        "FROM 'sales.csv' |> SELECT UPP¦ER(region) AS r",
    );
    let shown = hover["contents"]["value"].as_str().expect("a text");
    assert!(shown.starts_with("UPPER(STRING)"), "{shown}");
    assert_eq!(editor.at("textDocument/hover", "SELECT 1¦2"), Value::Null);
    editor.stop();
}

#[test]
fn definitions_of_ctes_views_macros_and_variables_are_found() {
    let (mut editor, _) = Editor::start();
    let text = "CREATE TEMP FUNCTION twice(x INT64) AS (x * 2);\nDECLARE least INT64 DEFAULT 1;\nCREATE VIEW v AS FROM 'sales.csv';\n";
    let cases = [
        ("WITH w AS (FROM v) FROM w¦", range(3, 5, 6)),
        ("FROM v¦ |> WHERE qty > least", range(2, 12, 13)),
        ("FROM v |> SELECT twi¦ce(qty)", range(0, 21, 26)),
        ("FROM v |> WHERE qty > le¦ast", range(1, 8, 13)),
    ];
    for (query, expected) in cases {
        let found = editor.at("textDocument/definition", &format!("{text}{query}"));
        assert_eq!(found, json!({"uri": URI, "range": expected}), "{query}");
    }
    assert_eq!(
        editor.at("textDocument/definition", "FROM 'sales.csv' |> SELECT qt¦y"),
        Value::Null
    );
    editor.stop();
}

#[test]
fn formatting_replaces_the_text_where_it_parses() {
    let (mut editor, _) = Editor::start();
    let format = |editor: &mut Editor, text: &str| {
        editor.write(text);
        let options = json!({"tabSize": 4, "insertSpaces": true});
        let params = json!({"textDocument": {"uri": URI}, "options": options});
        editor.ask("textDocument/formatting", params)
    };
    let edits = format(&mut editor, "from 'sales.csv' -- 𝄞\n |> where qty>1");
    assert_eq!(
        edits[0]["newText"],
        "FROM 'sales.csv' -- 𝄞\n|> WHERE qty > 1\n"
    );
    let whole = json!({"start": {"line": 0, "character": 0}, "end": {"line": 1, "character": 15}});
    assert_eq!(edits[0]["range"], whole);
    assert_eq!(
        format(&mut editor, "FROM 'sales.csv'\n|> LIMIT 1\n"),
        json!([])
    );
    assert_eq!(
        format(&mut editor, "FROM 'sales.csv' |> WHERE"),
        Value::Null
    );
    editor.stop();
}
