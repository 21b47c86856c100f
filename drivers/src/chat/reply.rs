//! What a model says, as it comes: the answer, what it thinks before it (`<think>…</think>`), and calls of tools.
//!
//! A tag may arrive in pieces. Nothing that could still become a tag is handed out, so nobody sees half of one; what turns
//! out to be no tag, or a call that cannot be read, is text. Blanks around thoughts and between calls are left out.

use super::calls::{Call, Calls, Parsed, Texts, texts_of};

const THINK: &str = "<think>";
const THOUGHT: &str = "</think>";
const CALL: &str = "<tool_call>";
const CALLED: &str = "</tool_call>";
/// Longest call, in bytes: what is longer is text.
const MAX_CALL_BYTES: usize = 64 << 10;
/// A closing tag may stand inside an argument. So often it is taken for a part of one.
const MAX_CLOSINGS: u32 = 8;
/// Blanks that are held back, in bytes.
const MAX_BLANKS: usize = 1 << 10;

/// A part of a reply, in the order in which the model said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The answer goes on.
    Text(String),
    /// The model thinks aloud.
    Thought(String),
    /// The model asks for a tool.
    Call(Call),
}

/// Where in a reply we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before an answer, a thought or a call. `quiet`: something was said before, and blanks are only between the two.
    Start {
        quiet: bool,
    },
    /// Inside a thought. `begun`: it has had a word.
    Thought {
        begun: bool,
    },
    Text,
    /// After `<tool_call>`. Closing tags are looked for from byte `from` on; `closings` were none.
    Call {
        from: usize,
        closings: u32,
    },
    /// In a JSON object that may be a call. Read up to byte `at`, in so many braces, perhaps in a text.
    Json {
        at: usize,
        depth: u32,
        quoted: bool,
        escaped: bool,
    },
}

/// Takes a reply apart while it arrives.
#[derive(Debug, Clone)]
pub struct Reply {
    calls: Calls,
    texts: Texts,
    state: State,
    /// Not handed out yet.
    held: String,
}

impl Reply {
    /// The beginning of a reply. `thinking` says that the prompt itself opened the thought ([`super::Prompt::opens_thought`]).
    #[must_use]
    pub fn new(calls: Calls, thinking: bool) -> Self {
        let state = if thinking { State::Thought { begun: false } } else { State::Start { quiet: false } };
        Self { calls, texts: Texts::new(), state, held: String::new() }
    }

    /// Tells what tools there are, as the template was told: which arguments are text.
    #[must_use]
    pub fn with_tools(mut self, tools: &[serde_json::Value]) -> Self {
        self.texts = texts_of(tools);
        self
    }

    /// Takes the next piece of text; returns what is certain now.
    pub fn push(&mut self, piece: &str) -> Vec<Event> {
        self.held.push_str(piece);
        let mut events = Vec::new();
        while self.step(&mut events) {}
        events
    }

    /// What is left when no more comes.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while self.step(&mut events) {}
        let held = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.state, State::Text) {
            State::Start { quiet: true } => say(&mut events, held.trim_start()),
            State::Start { quiet: false } | State::Text => say(&mut events, &held),
            State::Thought { begun: false } => think(&mut events, held.trim()),
            State::Thought { begun: true } => think(&mut events, held.trim_end()),
            // Some models leave the closing tag out where their answer ends.
            State::Call { .. } => match self.calls.parse(&held, &self.texts) {
                Parsed::Call(call) => events.push(Event::Call(call)),
                _ => {
                    say(&mut events, CALL);
                    say(&mut events, &held);
                }
            },
            State::Json { .. } => say(&mut events, &held),
        }
        events
    }

    /// One step; false if more must come first.
    fn step(&mut self, events: &mut Vec<Event>) -> bool {
        match self.state {
            State::Start { quiet } => self.start(quiet, events),
            State::Thought { begun } => self.thought(begun, events),
            State::Text => self.text(events),
            State::Call { from, closings } => self.call(from, closings, events),
            State::Json { at, depth, quoted, escaped } => self.json(at, depth, quoted, escaped, events),
        }
    }

    fn start(&mut self, quiet: bool, events: &mut Vec<Event>) -> bool {
        // Llama 3 puts a semicolon between several calls.
        let semicolons = quiet && self.calls == Calls::Llama3;
        let is_blank = |character: char| character.is_whitespace() || semicolons && character == ';';
        let trimmed = self.held.trim_start_matches(is_blank);
        if trimmed.is_empty() && self.held.len() <= MAX_BLANKS {
            return false;
        }
        if let Some(thought) = trimmed.strip_prefix(THINK) {
            self.held = thought.to_owned();
            self.state = State::Thought { begun: false };
            return true;
        }
        let may_be_tag = THINK.starts_with(trimmed) || self.calls.between_tags() && CALL.starts_with(trimmed);
        if may_be_tag && !trimmed.is_empty() {
            return false;
        }
        let json = self.calls == Calls::Llama3 && trimmed.starts_with('{');
        if quiet || json || self.calls.between_tags() && trimmed.starts_with(CALL) {
            self.held = trimmed.to_owned();
        }
        self.state = if json { State::Json { at: 0, depth: 0, quoted: false, escaped: false } } else { State::Text };
        if self.held.trim().is_empty() {
            say(events, &std::mem::take(&mut self.held));
        }
        true
    }

    fn thought(&mut self, begun: bool, events: &mut Vec<Event>) -> bool {
        if !begun {
            self.held = self.held.trim_start().to_owned();
        }
        if let Some((thought, after)) = self.held.split_once(THOUGHT) {
            think(events, thought.trim_end());
            self.held = after.to_owned();
            self.state = State::Start { quiet: true };
            return true;
        }
        let tag = beginning_of(THOUGHT, &self.held);
        let certain = self.held.get(..self.held.len() - tag).unwrap_or_default();
        let said = certain.trim_end().len();
        let said = if certain.len() - said > MAX_BLANKS { certain.len() } else { said };
        think(events, &self.held.drain(..said).collect::<String>());
        self.state = State::Thought { begun: begun || said > 0 };
        false
    }

    fn text(&mut self, events: &mut Vec<Event>) -> bool {
        if !self.calls.between_tags() {
            say(events, &std::mem::take(&mut self.held));
            return false;
        }
        if let Some((text, after)) = self.held.split_once(CALL) {
            say(events, text);
            self.held = after.to_owned();
            self.state = State::Call { from: 0, closings: 0 };
            return true;
        }
        let said = self.held.len() - beginning_of(CALL, &self.held);
        say(events, &self.held.drain(..said).collect::<String>());
        false
    }

    fn call(&mut self, from: usize, closings: u32, events: &mut Vec<Event>) -> bool {
        let found = self.held.get(from..).and_then(|text| text.find(CALLED)).map(|at| from + at);
        let Some(at) = found else {
            if self.held.len() > MAX_CALL_BYTES {
                say(events, CALL);
                self.state = State::Text;
                return true;
            }
            let from = self.held.len() - beginning_of(CALLED, &self.held);
            self.state = State::Call { from, closings };
            return false;
        };
        let parsed = self.calls.parse(self.held.get(..at).unwrap_or_default(), &self.texts);
        let end = at + CALLED.len();
        match parsed {
            Parsed::Unfinished if closings < MAX_CLOSINGS => {
                self.state = State::Call { from: end, closings: closings + 1 };
            }
            Parsed::Call(call) => {
                self.held.drain(..end);
                events.push(Event::Call(call));
                self.state = State::Start { quiet: true };
            }
            Parsed::Unfinished | Parsed::Broken => {
                say(events, CALL);
                say(events, &self.held.drain(..end).collect::<String>());
                self.state = State::Text;
            }
        }
        true
    }

    fn json(
        &mut self,
        at: usize,
        mut depth: u32,
        mut quoted: bool,
        mut escaped: bool,
        events: &mut Vec<Event>,
    ) -> bool {
        for (index, byte) in self.held.bytes().enumerate().skip(at) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' if !quoted => depth += 1,
                b'}' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                let object: String = self.held.drain(..=index).collect();
                match self.calls.parse(&object, &self.texts) {
                    Parsed::Call(call) => {
                        events.push(Event::Call(call));
                        self.state = State::Start { quiet: true };
                    }
                    _ => {
                        say(events, &object);
                        self.state = State::Text;
                    }
                }
                return true;
            }
        }
        if self.held.len() > MAX_CALL_BYTES {
            self.state = State::Text;
            return true;
        }
        self.state = State::Json { at: self.held.len(), depth, quoted, escaped };
        false
    }
}

/// Bytes at the end of `text` that `tag` could begin with. Tags are ASCII, so these are whole characters.
fn beginning_of(tag: &str, text: &str) -> usize {
    let is_beginning = |length: &usize| tag.get(..*length).is_some_and(|beginning| text.ends_with(beginning));
    (1..tag.len()).rev().find(is_beginning).unwrap_or(0)
}

fn say(events: &mut Vec<Event>, text: &str) {
    match events.last_mut() {
        _ if text.is_empty() => {}
        Some(Event::Text(before)) => before.push_str(text),
        _ => events.push(Event::Text(text.to_owned())),
    }
}

fn think(events: &mut Vec<Event>, text: &str) {
    match events.last_mut() {
        _ if text.is_empty() => {}
        Some(Event::Thought(before)) => before.push_str(text),
        _ => events.push(Event::Thought(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply in pieces of `size` characters; neighbours of one kind are joined.
    fn read(mut reply: Reply, text: &str, size: usize) -> Vec<Event> {
        let characters: Vec<char> = text.chars().collect();
        let mut events = Vec::new();
        let mut add = |new: Vec<Event>| {
            for event in new {
                match event {
                    Event::Text(text) => say(&mut events, &text),
                    Event::Thought(text) => think(&mut events, &text),
                    call => events.push(call),
                }
            }
        };
        for piece in characters.chunks(size) {
            add(reply.push(&piece.iter().collect::<String>()));
        }
        add(reply.finish());
        events
    }

    fn text(text: &str) -> Event {
        Event::Text(text.to_owned())
    }

    fn thought(text: &str) -> Event {
        Event::Thought(text.to_owned())
    }

    fn call(name: &str, arguments: &str) -> Event {
        Event::Call(Call { name: name.to_owned(), arguments: arguments.to_owned() })
    }

    const FIND: &str = r#"<tool_call>
{"name": "find", "arguments": {"q": "혈당"}}
</tool_call>"#;

    #[test]
    fn a_reply_is_the_same_in_whatever_pieces_it_comes() {
        let found = call("find", r#"{"q": "혈당"}"#);
        let glm = "<tool_call>find\n<arg_key>q</arg_key>\n<arg_value>혈당</arg_value>\n</tool_call>";
        let unclosed = r#"<tool_call>{"name": "find", "arguments": {}}"#;
        let inside = r#"<tool_call>{"name": "say", "arguments": {"t": "</tool_call>"}}</tool_call>."#;
        let llama = r#"{"name": "find", "parameters": {"q": "a}b"}}; {"name": "now", "parameters": {}}"#;
        let (hermes, none, three) = (Calls::Hermes, Calls::None, Calls::Llama3);
        for (calls, thinking, said, expected) in [
            (none, false, "  Hello <b>", vec![text("  Hello <b>")]),
            (none, false, "<think>\nHm.\n\n</think>\n\nYes.", vec![thought("Hm."), text("Yes.")]),
            (
                none,
                true,
                "Hm.\nSo <it>.\n</think>\n\nYes </think>.",
                vec![thought("Hm.\nSo <it>."), text("Yes </think>.")],
            ),
            (none, true, "never done </thin", vec![thought("never done </thin")]),
            (none, false, "<think></think>Yes.", vec![text("Yes.")]),
            (none, false, "a <think>b</think>", vec![text("a <think>b</think>")]), // thoughts come first or not at all
            (none, false, "<thi", vec![text("<thi")]),
            (none, false, "<thinly> <", vec![text("<thinly> <")]),
            (none, false, FIND, vec![text(FIND)]),
            (none, false, "", vec![]),
            (hermes, false, FIND, vec![found.clone()]),
            (hermes, false, &format!("\n{FIND}\n{FIND}\n"), vec![found.clone(), found.clone()]),
            (
                hermes,
                true,
                &format!("Hm.</think>\n\nLet me look.\n{FIND}"),
                vec![thought("Hm."), text("Let me look.\n"), found],
            ),
            (hermes, false, unclosed, vec![call("find", "{}")]),
            (hermes, false, inside, vec![call("say", r#"{"t": "</tool_call>"}"#), text(".")]),
            (hermes, false, "a <tool_call>b</tool_call> c", vec![text("a <tool_call>b</tool_call> c")]),
            (hermes, false, "a <tool_call>{\"name\": ", vec![text("a <tool_call>{\"name\": ")]),
            (hermes, false, "a <tool_", vec![text("a <tool_")]),
            (Calls::Glm, false, glm, vec![call("find", r#"{"q":"혈당"}"#)]),
            (three, false, llama, vec![call("find", r#"{"q": "a}b"}"#), call("now", "{}")]),
            (three, false, "{\"a\": 1} is JSON", vec![text("{\"a\": 1} is JSON")]),
            (three, false, "{ never closed \"}", vec![text("{ never closed \"}")]),
            (three, false, "Yes {\"name\": \"x\"}", vec![text("Yes {\"name\": \"x\"}")]),
        ] {
            for size in [1, 2, 3, 5, 7, 1000] {
                assert_eq!(read(Reply::new(calls, thinking), said, size), expected, "{calls:?} {said:?} by {size}");
            }
        }
    }

    #[test]
    fn text_is_handed_out_as_soon_as_it_is_certain() {
        let mut reply = Reply::new(Calls::Hermes, true);
        for (piece, expected) in [
            ("Hm", vec![thought("Hm")]),
            (" so</", vec![thought(" so")]),
            ("b>\n", vec![thought("</b>")]),
            ("</think>\n", vec![]),
            ("\nYes", vec![text("Yes")]),
            (" <", vec![text(" ")]),
            ("b", vec![text("<b")]),
            ("<tool_call>", vec![]),
            ("x</tool_call>", vec![text("<tool_call>x</tool_call>")]),
        ] {
            assert_eq!(reply.push(piece), expected, "{piece:?}");
        }
        assert_eq!(reply.finish(), []);
    }

    #[test]
    fn what_is_held_back_has_a_bound() {
        for (calls, start) in
            [(Calls::Hermes, "<tool_call>"), (Calls::Glm, "<tool_call>"), (Calls::Llama3, "{\"a\": \"")]
        {
            let mut reply = Reply::new(calls, false);
            let mut said = reply.push(start);
            for _ in 0..200 {
                said.extend(reply.push(&"x".repeat(1 << 10)));
                assert!(reply.held.len() <= MAX_CALL_BYTES + (1 << 10));
            }
            said.extend(reply.finish());
            let said: String = said
                .into_iter()
                .map(|event| if let Event::Text(text) = event { text } else { String::new() })
                .collect();
            assert_eq!(said.len(), start.len() + (200 << 10), "{calls:?}");
        }
        for thinking in [false, true] {
            let mut reply = Reply::new(Calls::None, thinking);
            reply.push("x");
            for _ in 0..100 {
                reply.push(&" ".repeat(100));
            }
            assert!(reply.held.len() <= MAX_BLANKS + 100);
        }
        let mut reply = Reply::new(Calls::Hermes, false);
        let closings = "<tool_call>{\"a\": \"".to_owned() + &CALLED.repeat(10_000);
        assert!(matches!(reply.push(&closings).as_slice(), [Event::Text(_)]));
    }
}
