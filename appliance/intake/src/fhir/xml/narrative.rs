//! The narrative: XHTML that JSON keeps as one text, tags and all.

use quick_xml::events::BytesStart;

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Elements inside one another.
const DEEPEST: usize = 256;

/// See the module.
pub(super) struct Narrative {
    text: String,
    line: u64,
    depth: usize,
    /// The last tag was `<br/>` or its like: it has been written whole.
    empty: bool,
    fault: Option<&'static str>,
}

impl Narrative {
    pub(super) fn new(line: u64) -> Narrative {
        Narrative { text: String::new(), line, depth: 0, empty: false, fault: None }
    }

    /// Forgets the text: it is too long to be kept.
    pub(super) fn clear(&mut self) {
        self.text = String::new();
    }

    /// Takes a start tag.
    ///
    /// # Errors
    /// It is nested too deep to be read on.
    pub(super) fn start(&mut self, tag: &BytesStart<'_>, empty: bool) -> Result<(), &'static str> {
        if self.depth >= DEEPEST {
            return Err("a narrative is nested deeper than pages are");
        }
        self.text.push('<');
        self.text.push_str(tag.local_name().as_ref());
        let prefixed = tag.name().prefix().is_some();
        // Whether one stands twice is not checked: that takes the square of their number.
        let attributes = || tag.attributes().with_checks(false).clone().flatten();
        if self.depth == 0 && (prefixed || !attributes().any(|one| one.key.as_ref() == "xmlns")) {
            self.text.push_str(" xmlns=\"");
            self.text.push_str(XHTML);
            self.text.push('"');
        }
        if prefixed {
            // The prefix may have been declared outside of what is kept: names are written without it.
            for attribute in attributes() {
                if attribute.key.as_ref().starts_with("xmlns") {
                    continue;
                }
                let quote = if attribute.value.contains('"') { '\'' } else { '"' };
                self.text.push(' ');
                self.text.push_str(attribute.key.as_ref());
                self.text.push('=');
                self.text.push(quote);
                self.text.push_str(&attribute.value);
                self.text.push(quote);
            }
        } else {
            self.text.push_str(tag.attributes_raw().trim_ascii_end());
        }
        self.text.push_str(if empty { "/>" } else { ">" });
        self.depth += 1;
        self.empty = empty;
        Ok(())
    }

    /// Takes an end tag. Whether the narrative ends with it.
    pub(super) fn end(&mut self, name: &str) -> bool {
        if !std::mem::take(&mut self.empty) {
            self.text.push_str("</");
            self.text.push_str(name);
            self.text.push('>');
        }
        self.depth = self.depth.saturating_sub(1);
        self.depth == 0
    }

    /// Takes text, escaped as it stands, or a reference such as `&amp;`.
    pub(super) fn text(&mut self, escaped: &str) {
        self.text.push_str(escaped);
    }

    /// Notes what is wrong with it.
    pub(super) fn wrong(&mut self, reason: &'static str) {
        self.fault.get_or_insert(reason);
    }

    /// The text, its line, and what was wrong.
    pub(super) fn finish(self) -> (String, u64, Option<&'static str>) {
        (self.text, self.line, self.fault)
    }
}
