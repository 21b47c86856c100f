//! The gate: a sentence passes only if what it cites carries it. Code, not a prompt; it judges templates and models alike.
//!
//! The rule is closed-world. Of every piece of a sentence, first the phrases are taken out that its own citations hold
//! letter for letter ([`phrases`]): names, values with their unit, dates, states, and what was computed, which is computed
//! again here ([`computed`]). Then every word that is left must be a joining word of a short list ([`neutral`]), or stand
//! in the cited text with the same polarity ([`polarity`]); every number that is left must stand there with the same unit
//! ([`figures`]). What is neither drops the sentence: a summary that says less is better than one that says something new.

pub(crate) mod computed;
pub(crate) mod figures;
pub(crate) mod neutral;
pub(crate) mod phrases;
pub(crate) mod polarity;

use haechi_record::chart::{Entry, Standing};

use crate::citation;
use crate::draft::sentence::{Author, Of, Part, Sentence};
use crate::draft::{Context, excerpt, words};

/// Lets a sentence through, or says why not.
///
/// # Errors
/// One reason, for the list of dropped sentences.
pub fn check(sentence: &Sentence<'_>, context: Context<'_>) -> Result<(), String> {
    let text = sentence.text();
    if text.is_empty() {
        return Err("empty".to_owned());
    }
    if sentence.cites().next().is_none() {
        return Err("no evidence".to_owned());
    }
    for cite in sentence.cites() {
        match cite.of {
            Of::Entry(entry) => {
                // The very entry of this chart, not one that looks like it.
                if !context.chart.entries.as_ptr_range().contains(&std::ptr::from_ref(entry)) {
                    return Err("the evidence is not this patient's".to_owned());
                }
                state_is_said(entry, &text, sentence.author, context)?;
            }
            Of::Person(person) => {
                if !std::ptr::eq(person, &context.chart.patient) {
                    return Err("the evidence is not this patient's".to_owned());
                }
            }
        }
        if !citation::holds(cite) {
            return Err(format!("the quote does not stand at {} of {}", cite.path, cite.of.source()));
        }
    }
    sentence.parts.iter().try_for_each(|part| carried(part, sentence, context))
}

/// Void entries are only mentioned as such, and only by templates; preliminary, on hold, patient-reported and the like are
/// said with whatever they qualify.
fn state_is_said(entry: &Entry, text: &str, author: Author, context: Context<'_>) -> Result<(), String> {
    let (Standing::SaidAs(word) | Standing::Void(word)) = entry.standing else { return Ok(()) };
    let void = matches!(entry.standing, Standing::Void(_));
    if (void && author == Author::Model) || !text.contains(&words::state(word, context.language())) {
        return Err(format!("the cited entry is {word} and the sentence does not say so"));
    }
    Ok(())
}

/// One piece against its own citations.
fn carried(part: &Part<'_>, sentence: &Sentence<'_>, context: Context<'_>) -> Result<(), String> {
    for computed in &part.computed {
        if !computed::holds(computed, part, sentence, context) {
            return Err(format!("\"{}\" does not follow from its evidence ({:?})", computed.text, computed.rule));
        }
    }
    // A sentence of the cited text itself, whole: nothing was added, nothing cut off that could turn it round.
    if sentence.author == Author::Model && is_verbatim(part) {
        return Ok(());
    }
    let known = phrases::of(part, sentence, context);
    let dated = phrases::dates(part, context);
    let rest = phrases::without(&part.text, &known);
    let quotes: Vec<&str> = part.cites.iter().map(|cite| cite.quote.as_str()).collect();
    let rest = figures::check(&rest, &quotes, &dated)?;
    words_are_carried(&rest, &quotes, sentence.author)
}

fn is_verbatim(part: &Part<'_>) -> bool {
    let fold =
        |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(['.', '!', '?']).to_owned();
    let said = fold(&part.text);
    !said.is_empty()
        && part
            .cites
            .iter()
            .any(|cite| excerpt::sentences(&cite.quote).into_iter().any(|sentence| fold(sentence) == said))
}

/// Every word is a joining word, or stands in the quotes as affirmed or as denied as here.
fn words_are_carried(text: &str, quotes: &[&str], author: Author) -> Result<(), String> {
    let said = polarity::read(text);
    let evidence: Vec<polarity::Word> = quotes.iter().flat_map(|quote| polarity::read(quote)).collect();
    let mut governed = false;
    let mut cues = 0;
    for word in &said {
        if word.is_cue {
            cues += 1;
            if author == Author::Template {
                return Err(format!("\"{}\" turns the sentence round", word.text));
            }
            // A denial of a denial, or another than the evidence's own, is no paraphrase that can be judged.
            let doubled = word.polarity != polarity::Polarity::Affirmed
                && !evidence.iter().any(|other| other.text == word.text && other.polarity == word.polarity);
            if doubled || !evidence.iter().any(|other| other.is_cue) {
                return Err(format!("\"{}\" is no denial of the evidence", word.text));
            }
            continue;
        }
        if neutral::is_neutral(&word.text, author) {
            continue;
        }
        let mut standing =
            evidence.iter().filter(|other| !other.is_cue && polarity::same(&word.text, &other.text)).peekable();
        if standing.peek().is_none() {
            return Err(format!("the word \"{}\" does not stand in the evidence", word.text));
        }
        if word.polarity == polarity::Polarity::Open || !standing.any(|other| other.polarity == word.polarity) {
            return Err(format!("\"{}\" is not affirmed or denied in the evidence as it is here", word.text));
        }
        governed |= word.polarity == polarity::Polarity::Denied;
    }
    if cues > 0 && !governed {
        return Err("a denial without what it denies".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
