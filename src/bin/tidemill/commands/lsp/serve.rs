//! The server: texts come in as they are edited, answers go out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, Notification as _,
    PublishDiagnostics,
};
use lsp_types::request::{Completion, Formatting, GotoDefinition, HoverRequest, Request as _};
use lsp_types::{
    CompletionOptions, CompletionParams, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DocumentFormattingParams, GotoDefinitionParams, HoverParams,
    HoverProviderCapability, InitializeParams, Location, OneOf, PublishDiagnosticsParams,
    ServerCapabilities, TextDocumentPositionParams, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextEdit, Uri,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidemill::{Engine, Syntax};

use super::answers;
use super::places::Lines;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Answers until the client says goodbye.
pub(super) fn serve(
    connection: &Connection,
    engine: Engine,
    syntax: Syntax,
) -> Result<(), Failure> {
    let (id, params) = connection.initialize_start()?;
    let answer = json!({
        "capabilities": capabilities(),
        "serverInfo": {"name": "tidemill", "version": env!("CARGO_PKG_VERSION")},
    });
    connection.initialize_finish(id, answer)?;
    enter_workspace(params);
    let mut server = Server {
        connection,
        engine,
        syntax,
        documents: BTreeMap::new(),
        changed: BTreeSet::new(),
    };
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    return Ok(());
                }
                server.request(request)?;
            }
            Message::Notification(notification) => server.notification(notification),
            Message::Response(_) => {}
        }
        // While the author types faster than texts are checked, only the last state is.
        if connection.receiver.is_empty() {
            server.publish()?;
        }
    }
    Ok(())
}

fn capabilities() -> ServerCapabilities {
    let triggers = [".", "@", "'", "/", "(", ">"];
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(triggers.map(str::to_string).to_vec()),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

/// Paths in texts count from the folder that the editor has open.
fn enter_workspace(params: Value) {
    let Ok(params) = serde_json::from_value::<InitializeParams>(params) else {
        return;
    };
    let folders = params.workspace_folders.into_iter().flatten();
    let mut folders = folders.map(|folder| folder.uri);
    #[expect(deprecated, reason = "older editors say nothing else")]
    let root = folders.next().or(params.root_uri);
    if let Some(folder) = root.as_ref().and_then(path_of) {
        // Where it cannot be entered, paths count from where the server was started.
        let _ = std::env::set_current_dir(folder);
    }
}

/// The path of a `file:` URI.
fn path_of(uri: &Uri) -> Option<PathBuf> {
    let encoded = uri.as_str().strip_prefix("file://")?;
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

struct Server<'c> {
    connection: &'c Connection,
    engine: Engine,
    syntax: Syntax,
    /// Open texts by URI.
    documents: BTreeMap<String, Document>,
    /// Texts that were changed since they were checked.
    changed: BTreeSet<String>,
}

struct Document {
    uri: Uri,
    version: i32,
    text: String,
}

impl Server<'_> {
    fn request(&self, request: Request) -> Result<(), Failure> {
        let id = request.id.clone();
        let answer = match request.method.as_str() {
            Completion::METHOD => self.at::<CompletionParams>(
                request.params,
                |params| &params.text_document_position,
                |document, offset| {
                    let found = self.engine.complete(&document.text, offset);
                    json!(answers::completions(&found, &Lines::of(&document.text)))
                },
            ),
            HoverRequest::METHOD => self.at::<HoverParams>(
                request.params,
                |params| &params.text_document_position_params,
                |document, offset| {
                    let found = self.engine.hover(&document.text, offset);
                    json!(found.map(|hover| answers::hover(&hover, &Lines::of(&document.text))))
                },
            ),
            GotoDefinition::METHOD => self.at::<GotoDefinitionParams>(
                request.params,
                |params| &params.text_document_position_params,
                |document, offset| {
                    let found = self.engine.definition(&document.text, offset);
                    let lines = Lines::of(&document.text);
                    json!(found.map(|span| Location::new(document.uri.clone(), lines.range(span))))
                },
            ),
            Formatting::METHOD => self.format(request.params),
            method => Err((ErrorCode::MethodNotFound, format!("no method {method}"))),
        };
        let response = match answer {
            Ok(result) => Response::new_ok(id, result),
            Err((code, message)) => Response::new_err(id, code as i32, message),
        };
        self.connection.sender.send(Message::Response(response))?;
        Ok(())
    }

    /// What `answer` says of a place in an open text.
    fn at<P: DeserializeOwned>(
        &self,
        params: Value,
        place: impl Fn(&P) -> &TextDocumentPositionParams,
        answer: impl Fn(&Document, usize) -> Value,
    ) -> Result<Value, (ErrorCode, String)> {
        let params: P = parsed(params)?;
        let place = place(&params);
        let document = self.document(&place.text_document.uri)?;
        let offset = Lines::of(&document.text).byte(place.position);
        Ok(answer(document, offset))
    }

    fn document(&self, uri: &Uri) -> Result<&Document, (ErrorCode, String)> {
        let document = self.documents.get(uri.as_str());
        document.ok_or_else(|| {
            let message = format!("{} is not open", uri.as_str());
            (ErrorCode::InvalidParams, message)
        })
    }

    /// The whole text anew, or nothing where it does not parse: its errors are known as diagnostics.
    fn format(&self, params: Value) -> Result<Value, (ErrorCode, String)> {
        let params: DocumentFormattingParams = parsed(params)?;
        let document = self.document(&params.text_document.uri)?;
        let Ok(formatted) = self.syntax.format(&document.text) else {
            return Ok(Value::Null);
        };
        if formatted == document.text {
            return Ok(json!([]));
        }
        let range = Lines::of(&document.text).whole();
        Ok(json!([TextEdit::new(range, formatted)]))
    }

    fn notification(&mut self, notification: Notification) {
        // A message that is not understood changes nothing.
        let params = notification.params;
        match notification.method.as_str() {
            DidOpenTextDocument::METHOD => {
                if let Ok(params) = parsed::<DidOpenTextDocumentParams>(params) {
                    let document = params.text_document;
                    self.keep(document.uri, document.version, document.text);
                }
            }
            DidChangeTextDocument::METHOD => {
                if let Ok(params) = parsed::<DidChangeTextDocumentParams>(params)
                    && let Some(change) = params.content_changes.into_iter().next_back()
                {
                    let document = params.text_document;
                    self.keep(document.uri, document.version, change.text);
                }
            }
            DidCloseTextDocument::METHOD => {
                if let Ok(params) = parsed::<DidCloseTextDocumentParams>(params) {
                    let uri = params.text_document.uri.as_str();
                    self.documents.remove(uri);
                    self.changed.insert(uri.to_string());
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, uri: Uri, version: i32, text: String) {
        let name = uri.as_str().to_string();
        self.changed.insert(name.clone());
        self.documents.insert(name, Document { uri, version, text });
    }

    /// Says what is wrong with the texts that were changed; with a closed one nothing is any more.
    fn publish(&mut self) -> Result<(), Failure> {
        for name in std::mem::take(&mut self.changed) {
            let params = match self.documents.get(&name) {
                Some(document) => {
                    let checked = self.engine.check(&document.text, ());
                    let lines = Lines::of(&document.text);
                    PublishDiagnosticsParams {
                        diagnostics: answers::diagnostics(&checked, &lines, &document.uri),
                        uri: document.uri.clone(),
                        version: Some(document.version),
                    }
                }
                None => PublishDiagnosticsParams {
                    uri: name.parse()?,
                    diagnostics: Vec::new(),
                    version: None,
                },
            };
            let method = PublishDiagnostics::METHOD.to_string();
            let notification = Notification::new(method, params);
            self.connection
                .sender
                .send(Message::Notification(notification))?;
        }
        Ok(())
    }
}

fn parsed<P: DeserializeOwned>(params: Value) -> Result<P, (ErrorCode, String)> {
    serde_json::from_value(params).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))
}
