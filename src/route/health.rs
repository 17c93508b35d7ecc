//! What the next process should know of copies: breakers that are open or on their way to it, as text. A command may read only a
//! few units, so that failures must count from one to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Breaker, Node, Router, State};

/// Copies that the text tells of.
const KEPT: usize = 256;

/// So long after it failed or could be asked again, nothing is known of a copy any more.
const FORGOTTEN_MS: u64 = 24 * 60 * 60 * 1000;

/// The text is none of ours, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

#[derive(Serialize, Deserialize)]
struct Text {
    /// By name.
    breakers: BTreeMap<String, Breaker>,
}

impl Router {
    /// Breakers of copies that have failed. What `older` says of other copies stays in it.
    pub(crate) fn health(&self, older: Option<&str>, now: u64) -> String {
        let state = self.state();
        let mut breakers = older.and_then(|text| read(text).ok()).unwrap_or_default();
        // A copy that this process never asked is for others to judge.
        let heard = state.nodes.iter().filter(|(_, node)| node.heard > 0);
        for (name, node) in heard {
            breakers.remove(name);
            breakers.insert(name.clone(), node.breaker.clone());
        }
        breakers.retain(|_, breaker| {
            let until = breaker.bad_until();
            until.is_some_and(|until| until.saturating_add(FORGOTTEN_MS) > now)
        });
        while breakers.len() > KEPT {
            breakers.pop_first();
        }
        let text = serde_json::to_string(&Text { breakers });
        text.unwrap_or_else(|_| String::from("{\"breakers\":{}}"))
    }

    /// Takes over what another process knew. Of copies that this one has asked it knows better.
    pub(crate) fn learn(&self, text: &str, now: u64) -> Result<(), Unreadable> {
        let breakers = read(text)?;
        let mut state = self.state();
        for (name, breaker) in breakers {
            let State { nodes, .. } = &mut *state;
            let node = nodes.entry(name).or_insert_with(Node::default);
            if node.heard == 0 {
                node.breaker = breaker.within_reach(now);
            }
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<BTreeMap<String, Breaker>, Unreadable> {
    let text: Text = serde_json::from_str(text).map_err(|_| Unreadable)?;
    match text.breakers.len() <= KEPT {
        true => Ok(text.breakers),
        false => Err(Unreadable),
    }
}
