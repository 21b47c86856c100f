//! Sentences of free text, as slices of it, so that a quote is found where it was copied.

/// Longest sentence quoted, in characters: longer ones are cut at a word. A screen line holds about 120.
const LONGEST: usize = 300;

/// Abbreviations after which a full stop does not end a sentence.
const ABBREVIATIONS: &[&str] =
    &["dr", "mr", "mrs", "ms", "prof", "vs", "approx", "no", "st", "e.g", "i.e", "etc", "hx", "dx", "tx", "pt"];

/// Sentences, each within one line of the text; fragments without a word are left out.
#[must_use]
pub fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut from = 0;
        for (at, c) in line.char_indices() {
            let after = line.get(at + c.len_utf8()..).unwrap_or_default();
            if ends_here(line.get(from..at).unwrap_or_default(), c, after) {
                let end = at + c.len_utf8();
                push(line.get(from..end).unwrap_or_default(), &mut found);
                from = end;
            }
        }
        push(line.get(from..).unwrap_or_default(), &mut found);
    }
    found
}

fn ends_here(before: &str, c: char, after: &str) -> bool {
    match c {
        '!' | '?' | '。' => true,
        '.' => {
            let next = after.chars().next();
            let parted = next.is_none_or(char::is_whitespace) || next.is_some_and(|next| matches!(next, '가'..='힣'));
            let word = before.rsplit(char::is_whitespace).next().unwrap_or_default().trim_start_matches(['(', '"']);
            let numbering = before.trim().chars().all(|c| c.is_ascii_digit());
            parted && !numbering && !ABBREVIATIONS.contains(&word.to_lowercase().as_str())
        }
        _ => false,
    }
}

fn push<'t>(piece: &'t str, found: &mut Vec<&'t str>) {
    let piece = piece.trim();
    if piece.chars().filter(|c| c.is_alphanumeric()).count() < 2 || !piece.chars().any(char::is_alphabetic) {
        return;
    }
    // A long one goes on in the next piece: nothing is lost.
    let head = cut(piece);
    found.push(head);
    if let Some(rest) = piece.get(head.len()..).map(str::trim).filter(|rest| !rest.is_empty() && !head.is_empty()) {
        push(rest, found);
    }
}

/// The beginning of a long text, ended at a word; a slice of it.
#[must_use]
pub fn cut(text: &str) -> &str {
    let text = text.trim();
    let Some((end, _)) = text.char_indices().nth(LONGEST) else { return text };
    let head = text.get(..end).unwrap_or(text);
    head.rfind(char::is_whitespace).and_then(|at| head.get(..at)).unwrap_or(head).trim_end()
}

#[cfg(test)]
mod tests {
    use super::{cut, sentences};

    #[test]
    fn sentences_end_at_stops_and_lines_not_in_numbers_or_abbreviations() {
        assert_eq!(
            sentences("Hb 7.1 g/dL today. Plan: transfuse.\n- 경과 관찰\n--"),
            ["Hb 7.1 g/dL today.", "Plan: transfuse.", "- 경과 관찰"]
        );
        assert_eq!(sentences("Seen by Dr. Kim. Stable."), ["Seen by Dr. Kim.", "Stable."]);
        assert_eq!(sentences("1. 폐렴\n2. 당뇨병"), ["1. 폐렴", "2. 당뇨병"]);
        assert_eq!(sentences("입원함.항생제 투여함."), ["입원함.", "항생제 투여함."]);
    }

    #[test]
    fn a_long_sentence_loses_nothing() {
        let text = "word ".repeat(200);
        let pieces = sentences(&text);
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces.join(" "), text.trim());
    }

    #[test]
    fn long_text_is_cut_at_a_word_and_stays_a_slice() {
        let text = "단어 ".repeat(200);
        let head = cut(&text);
        assert!(text.starts_with(head) && head.ends_with("단어") && head.chars().count() <= 300);
    }
}
