//! Stop texts in a stream: what may still become one is held back.

/// Watches for stop texts.
#[derive(Debug)]
pub(super) struct StopWatch {
    stops: Vec<String>,
    held: String,
}

impl StopWatch {
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Takes the next piece; returns what can be shown now, and true if a stop text came (nothing after it is shown).
    pub(super) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        let first = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = first {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back, when no more comes.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Length in bytes of the longest end of `text` that begins `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let beginnings = stop.char_indices().map(|(at, _)| at).filter(|&at| at > 0 && at <= text.len());
    beginnings
        .filter(|&length| stop.get(..length).is_some_and(|beginning| text.ends_with(beginning)))
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let mut watch = StopWatch::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut shown = Vec::new();
        for piece in pieces {
            let (text, stopped) = watch.push(piece);
            shown.push(text);
            if stopped {
                return (shown, true);
            }
        }
        shown.push(watch.finish());
        (shown, false)
    }

    #[test]
    fn a_stop_text_is_found_across_pieces() {
        assert_eq!(
            run(&["끝."], &["이제 ", "끝", ".", "x"]),
            (vec!["이제 ".to_owned(), String::new(), String::new()], true)
        );
        assert_eq!(run(&["ab", "b"], &["xab"]).0, ["x"]);
        assert_eq!(run(&["b", "ab"], &["xa", "b"]).0, ["x", ""], "what might become a longer one is held back");
    }

    #[test]
    fn what_did_not_become_one_is_shown() {
        let (shown, stopped) = run(&["stop"], &["s", "st", "o"]);
        assert_eq!((shown.concat().as_str(), stopped), ("ssto", false));
        assert_eq!(run(&[], &["a", "b"]).0, ["a", "b", ""]);
    }
}
