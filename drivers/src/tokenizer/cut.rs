//! How text is cut into words before merging (`tokenizer.ggml.pre`). Nothing is merged across a cut.
//!
//! The expressions are llama.cpp's (`src/llama-vocab.cpp`, `llm_tokenizer_bpe`, and `src/unicode.cpp`, 2026-10), which are the
//! models' own. They are written out by hand: an expression engine that can look ahead is one that can be led astray, and
//! these look at each character a fixed number of times, whatever the text.

use super::classes::{LETTER, MARK, NUMBER, PUNCTUATION, SPACE, SYMBOL, class};

/// How text is cut before merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// llama.cpp's, for files that name none: punctuation apart, then as GPT-2, then numbers by three digits.
    Default,
    /// GPT-2 (also EXAONE 4): words with the space before them, numbers, punctuation.
    Gpt2,
    /// SmolLM, EXAONE 3: each digit alone, then as GPT-2.
    SmolLm,
    /// Llama 3: numbers up to three digits; a word that is a token is not merged.
    Llama3,
    /// GLM-4: as Llama 3, but every word is merged.
    ChatGlm,
    /// GLM-4.5: as Llama 3, and no token begins a prompt.
    Glm4,
    /// Qwen 2 and 3: each digit alone.
    Qwen2,
    /// Qwen 3.5: as Qwen 2, with marks as parts of words.
    Qwen35,
    /// EXAONE MoE: words that single spaces join are one.
    ExaoneMoe,
    /// DeepSeek LLM: newlines, Latin words, punctuation, East Asian words and numbers apart.
    DeepSeekLlm,
    /// DeepSeek V3: numbers up to three digits, Han and Kana apart.
    DeepSeek3,
}

/// What a step finds at the beginning of a text.
enum Found {
    /// A word of so many bytes.
    Word(usize),
    /// No word begins in the next so many bytes.
    Nothing(usize),
}

/// One expression, asked at a place in a text.
type Step = fn(&str) -> Found;

impl Cut {
    /// The cut that a model file names; `None` if it is not known here.
    pub(super) fn named(name: Option<&str>) -> Option<Self> {
        Some(match name {
            None | Some("default") => Self::Default,
            Some(
                "gpt-2" | "gpt2" | "phi-2" | "gigachat" | "a.x-4.0" | "mellum" | "exaone4" | "mpt" | "olmo" | "jais"
                | "trillion" | "granite-docling",
            ) => Self::Gpt2,
            Some(
                "smollm" | "exaone" | "starcoder" | "refact" | "command-r" | "codeshell" | "minerva-7b" | "mellum2",
            ) => Self::SmolLm,
            Some("llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2") => {
                Self::Llama3
            }
            Some("chatglm-bpe" | "dbrx" | "smaug-bpe") => Self::ChatGlm,
            Some("glm4" | "glm5") => Self::Glm4,
            Some("qwen2" | "deepseek-r1-qwen" | "kormo" | "megrez" | "stablelm2" | "hunyuan" | "solar-open") => {
                Self::Qwen2
            }
            Some("qwen35") => Self::Qwen35,
            Some("exaone-moe") => Self::ExaoneMoe,
            Some("deepseek-llm") => Self::DeepSeekLlm,
            Some("deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4") => Self::DeepSeek3,
            Some(_) => return None,
        })
    }

    /// True if a whole word that is a token is taken as it is (`ignore_merges`).
    pub(super) fn takes_whole_words(self) -> bool {
        matches!(self, Self::Llama3 | Self::Glm4)
    }

    /// True if a prompt begins with the begin token unless the file says otherwise.
    pub(super) fn adds_begin(self) -> bool {
        self == Self::Llama3
    }

    fn steps(self) -> &'static [Step] {
        match self {
            Self::Default => &[default_punctuation, gpt2, numbers, three_digits],
            Self::Gpt2 => &[gpt2],
            Self::SmolLm => &[one_number, gpt2],
            Self::Llama3 | Self::ChatGlm | Self::Glm4 => &[|text| words(text, LETTER, 3)],
            Self::Qwen2 => &[|text| words(text, LETTER, 1)],
            Self::Qwen35 => &[|text| words(text, LETTER | MARK, 1)],
            Self::ExaoneMoe => &[exaone_moe],
            Self::DeepSeekLlm => &[newline, latin, wide_punctuation, last_blanks, east_asian, numbers],
            Self::DeepSeek3 => &[three_numbers, han_and_kana, deepseek3],
        }
    }

    /// Hands out the words of a text in order; together they are the text.
    pub(super) fn words<'text>(self, text: &'text str, word: &mut dyn FnMut(&'text str)) {
        apply(self.steps(), text, word);
    }
}

/// Each step cuts further what the steps before it left, both what they found and what lay between.
fn apply<'text>(steps: &[Step], text: &'text str, word: &mut dyn FnMut(&'text str)) {
    let Some((step, later)) = steps.split_first() else {
        if !text.is_empty() {
            word(text);
        }
        return;
    };
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let (mut from, mut at) = (0, 0);
    while at < text.len() {
        match step(part(at..text.len())) {
            Found::Word(length) if length > 0 => {
                apply(later, part(from..at), word);
                apply(later, part(at..at + length), word);
                at += length;
                from = at;
            }
            Found::Word(_) => at += first(part(at..text.len())).map_or(1, char::len_utf8), // no step does
            Found::Nothing(length) => at += length.max(1),
        }
    }
    apply(later, part(from..text.len()), word);
}

fn first(text: &str) -> Option<char> {
    text.chars().next()
}

/// Bytes of the characters at the beginning that are such.
fn run(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|character| !is(character)).unwrap_or(text.len())
}

fn is(character: char, classes: u8) -> bool {
    class(character) & classes != 0
}

fn run_of(text: &str, classes: u8) -> usize {
    run(text, |character| is(character, classes))
}

fn run_without(text: &str, classes: u8) -> usize {
    run(text, |character| !is(character, classes))
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

/// A word of so many bytes, or the next character is none.
fn word_or_nothing(length: usize, text: &str) -> Found {
    if length > 0 { Found::Word(length) } else { Found::Nothing(first(text).map_or(1, char::len_utf8)) }
}

/// `'s|'t|'re|'ve|'m|'ll|'d`
fn contraction(text: &str, any_case: bool) -> usize {
    let mut letters = text.bytes().map(|byte| if any_case { byte.to_ascii_lowercase() } else { byte });
    if letters.next() != Some(b'\'') {
        return 0;
    }
    match (letters.next(), letters.next()) {
        (Some(b's' | b't' | b'm' | b'd'), _) => 2,
        (Some(b'r' | b'v'), Some(b'e')) | (Some(b'l'), Some(b'l')) => 3,
        _ => 0,
    }
}

/// `\s+(?!\S)|\s+`: the last blank of a run stays with what follows.
fn blanks(text: &str) -> usize {
    let length = run_of(text, SPACE);
    let (run, rest) = text.split_at(length);
    match run.chars().next_back() {
        Some(last) if !rest.is_empty() && last.len_utf8() < length => length - last.len_utf8(),
        _ => length,
    }
}

/// `\s*[\r\n]+`: blanks through the last line end of the run.
fn lines(text: &str) -> usize {
    let run = text.get(..run_of(text, SPACE)).unwrap_or_default();
    run.rfind(is_line_end).map_or(0, |at| at + 1)
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
fn gpt2(text: &str) -> Found {
    let length = contraction(text, false);
    if length > 0 {
        return Found::Word(length);
    }
    let space = usize::from(text.starts_with(' '));
    let body = text.get(space..).unwrap_or_default();
    let length = match first(body).map(class) {
        Some(class) if class & LETTER != 0 => run_of(body, LETTER),
        Some(class) if class & NUMBER != 0 => run_of(body, NUMBER),
        Some(class) if class & SPACE == 0 => run_without(body, SPACE | LETTER | NUMBER),
        _ => return Found::Word(blanks(text)),
    };
    Found::Word(space + length)
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`, with
/// `of` for `\p{L}` and as many digits at once as the model learned.
fn words(text: &str, of: u8, digits: usize) -> Found {
    let length = contraction(text, true);
    if length > 0 {
        return Found::Word(length);
    }
    let mut characters = text.chars();
    let Some(character) = characters.next() else { return Found::Nothing(1) };
    if is(character, NUMBER) {
        let number = text.chars().take(digits).take_while(|&character| is(character, NUMBER));
        return Found::Word(number.map(char::len_utf8).sum());
    }
    let before = if is(character, of) { 0 } else { character.len_utf8() };
    let after = text.get(before..).unwrap_or_default();
    if !is_line_end(character) && first(after).is_some_and(|character| is(character, of)) {
        return Found::Word(before + run_of(after, of));
    }
    let length = signs(text, |character| !is(character, SPACE | NUMBER | of), usize::MAX);
    if length > 0 {
        return Found::Word(length);
    }
    let length = lines(text);
    Found::Word(if length > 0 { length } else { blanks(text) })
}

/// ` ?[signs]+[\r\n]*`, with at most so many line ends.
fn signs(text: &str, sign: impl Fn(char) -> bool, line_ends: usize) -> usize {
    let space = usize::from(text.starts_with(' '));
    let body = text.get(space..).unwrap_or_default();
    let length = run(body, sign);
    if length == 0 {
        return 0;
    }
    let rest = body.get(length..).unwrap_or_default();
    space + length + run(rest, is_line_end).min(line_ends)
}

/// `(?i:'s|…)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`
fn exaone_moe(text: &str) -> Found {
    let length = contraction(text, true);
    if length > 0 {
        return Found::Word(length);
    }
    let Some(character) = first(text) else { return Found::Nothing(1) };
    if is(character, NUMBER) {
        return Found::Word(character.len_utf8());
    }
    let before = if is(character, LETTER) { 0 } else { character.len_utf8() };
    let after = text.get(before..).unwrap_or_default();
    if !is_line_end(character) && first(after).is_some_and(|character| is(character, LETTER)) {
        return Found::Word(before + words_in_a_row(after));
    }
    let length = signs(text, |character| !is(character, SPACE | LETTER | NUMBER), 1);
    if length > 0 {
        return Found::Word(length);
    }
    let length = lines(text);
    Found::Word(if length > 0 { length } else { blanks(text) })
}

/// `(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`: letters with their marks, single spaces between.
fn words_in_a_row(text: &str) -> usize {
    let mut length = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let space = usize::from(length > 0 && rest.starts_with(' '));
        let letters = rest.get(space..).unwrap_or_default();
        if !first(letters).is_some_and(|character| is(character, LETTER)) {
            return length;
        }
        // After its first letter, marks and letters follow in any order.
        length += space + run_of(letters, LETTER | MARK);
    }
}

/// `[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
fn deepseek3(text: &str) -> Found {
    let Some(character) = first(text) else { return Found::Nothing(1) };
    let rest = text.get(character.len_utf8()..).unwrap_or_default();
    if character.is_ascii_punctuation() {
        let letters = run(rest, |character| character.is_ascii_alphabetic());
        if letters > 0 {
            return Found::Word(1 + letters);
        }
    }
    if is(character, LETTER | MARK) {
        return Found::Word(run_of(text, LETTER | MARK));
    }
    if !is_line_end(character) && !is(character, PUNCTUATION | SYMBOL) {
        let letters = run_of(rest, LETTER | MARK);
        if letters > 0 {
            return Found::Word(character.len_utf8() + letters);
        }
    }
    let length = signs(text, |character| is(character, PUNCTUATION | SYMBOL), usize::MAX);
    if length > 0 {
        return Found::Word(length);
    }
    let length = lines(text);
    word_or_nothing(if length > 0 { length } else { blanks(text) }, text)
}

/// `[\p{P}\$\+<=>\^~\|]+`
fn default_punctuation(text: &str) -> Found {
    let sign =
        |character| is(character, PUNCTUATION) || matches!(character, '$' | '+' | '<' | '=' | '>' | '^' | '~' | '|');
    word_or_nothing(run(text, sign), text)
}

/// `\p{N}`
fn one_number(text: &str) -> Found {
    up_to(1, text, |character| is(character, NUMBER))
}

/// `\p{N}{1,3}`
fn three_numbers(text: &str) -> Found {
    up_to(3, text, |character| is(character, NUMBER))
}

fn up_to(count: usize, text: &str, is: impl Fn(char) -> bool) -> Found {
    word_or_nothing(text.chars().take(count).take_while(|&character| is(character)).map(char::len_utf8).sum(), text)
}

/// `\p{N}+`
fn numbers(text: &str) -> Found {
    word_or_nothing(run_of(text, NUMBER), text)
}

/// `[0-9][0-9][0-9]`
fn three_digits(text: &str) -> Found {
    let digits = text.bytes().take(3).take_while(u8::is_ascii_digit).count();
    word_or_nothing(if digits == 3 { 3 } else { 0 }, text)
}

/// `[\r\n]`
fn newline(text: &str) -> Found {
    word_or_nothing(usize::from(text.starts_with(is_line_end)), text)
}

/// `[一-龥぀-ゟ゠-ヿ]+`
fn han_and_kana(text: &str) -> Found {
    word_or_nothing(run(text, |character| matches!(character, '\u{4e00}'..='\u{9fa5}' | '\u{3040}'..='\u{30ff}')), text)
}

/// `\s?[LATIN]+`
fn latin(text: &str) -> Found {
    let is_latin = |character: char| {
        let after = LATIN.partition_point(|&(from, _)| from <= character);
        after.checked_sub(1).and_then(|at| LATIN.get(at)).is_some_and(|&(_, to)| character <= to)
    };
    after_a_blank(text, is_latin)
}

/// `\s?[!-/:-~！-／：-～‘-‟　-。]+`; the wide space is a blank before it is a sign.
fn wide_punctuation(text: &str) -> Found {
    let is_sign = |character| matches!(character, '!'..='/' | ':'..='~' | '！'..='／' | '：'..='～' | '\u{2018}'..='\u{201f}' | '\u{3001}'..='\u{3002}');
    after_a_blank(text, is_sign)
}

fn after_a_blank(text: &str, sign: impl Fn(char) -> bool) -> Found {
    let blank = first(text).filter(|&character| is(character, SPACE)).map_or(0, char::len_utf8);
    let length = run(text.get(blank..).unwrap_or_default(), sign);
    word_or_nothing(if length > 0 { blank + length } else { 0 }, text)
}

/// `\s+$`
fn last_blanks(text: &str) -> Found {
    let length = run_of(text, SPACE);
    if length > 0 && length < text.len() { Found::Nothing(length) } else { word_or_nothing(length, text) }
}

/// `[一-龥ࠀ-一가-퟿]+`; blanks among them are none.
fn east_asian(text: &str) -> Found {
    let is_east_asian =
        |character| matches!(character, '\u{800}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7ff}') && !is(character, SPACE);
    word_or_nothing(run(text, is_east_asian), text)
}

/// The letters with case that DeepSeek LLM's tokenizer lists, in order (llama.cpp `src/llama-vocab.cpp`,
/// `LLAMA_VOCAB_PRE_TYPE_DEEPSEEK_LLM`, 2026-10).
#[rustfmt::skip]
const LATIN: [(char, char); 84] = [
    ('\u{41}', '\u{5a}'), ('\u{61}', '\u{7a}'), ('\u{b5}', '\u{b5}'), ('\u{c0}', '\u{d6}'), ('\u{d8}', '\u{f6}'),
    ('\u{f8}', '\u{1ba}'), ('\u{1bc}', '\u{1bf}'), ('\u{1c4}', '\u{293}'), ('\u{295}', '\u{2af}'),
    ('\u{370}', '\u{373}'), ('\u{376}', '\u{377}'), ('\u{37b}', '\u{37d}'), ('\u{37f}', '\u{37f}'),
    ('\u{386}', '\u{386}'), ('\u{388}', '\u{38a}'), ('\u{38c}', '\u{38c}'), ('\u{38e}', '\u{3a1}'),
    ('\u{3a3}', '\u{3f5}'), ('\u{3f7}', '\u{481}'), ('\u{48a}', '\u{52f}'), ('\u{531}', '\u{556}'),
    ('\u{10a0}', '\u{10c5}'), ('\u{13a0}', '\u{13f5}'), ('\u{13f8}', '\u{13fd}'), ('\u{1c90}', '\u{1cba}'),
    ('\u{1cbd}', '\u{1cbf}'), ('\u{1d00}', '\u{1d2b}'), ('\u{1d6b}', '\u{1d77}'), ('\u{1d79}', '\u{1d9a}'),
    ('\u{1e00}', '\u{1f15}'), ('\u{1f18}', '\u{1f1d}'), ('\u{1f20}', '\u{1f45}'), ('\u{1f48}', '\u{1f4d}'),
    ('\u{1f50}', '\u{1f57}'), ('\u{1f59}', '\u{1f59}'), ('\u{1f5b}', '\u{1f5b}'), ('\u{1f5d}', '\u{1f5d}'),
    ('\u{1f5f}', '\u{1f7d}'), ('\u{1f80}', '\u{1fb4}'), ('\u{1fb6}', '\u{1fbc}'), ('\u{1fbe}', '\u{1fbe}'),
    ('\u{1fc2}', '\u{1fc4}'), ('\u{1fc6}', '\u{1fcc}'), ('\u{1fd0}', '\u{1fd3}'), ('\u{1fd6}', '\u{1fdb}'),
    ('\u{1fe0}', '\u{1fec}'), ('\u{1ff2}', '\u{1ff4}'), ('\u{1ff6}', '\u{1ffc}'), ('\u{2102}', '\u{2102}'),
    ('\u{2107}', '\u{2107}'), ('\u{210a}', '\u{2113}'), ('\u{2115}', '\u{2115}'), ('\u{2119}', '\u{211d}'),
    ('\u{2124}', '\u{2124}'), ('\u{2126}', '\u{2126}'), ('\u{2128}', '\u{2128}'), ('\u{212a}', '\u{212d}'),
    ('\u{212f}', '\u{2134}'), ('\u{2139}', '\u{2139}'), ('\u{213c}', '\u{213f}'), ('\u{2145}', '\u{2149}'),
    ('\u{214e}', '\u{214e}'), ('\u{2183}', '\u{2184}'), ('\u{2c00}', '\u{2c7b}'), ('\u{2c7e}', '\u{2ce4}'),
    ('\u{2ceb}', '\u{2cee}'), ('\u{2cf2}', '\u{2cf3}'), ('\u{a640}', '\u{a66d}'), ('\u{a680}', '\u{a69b}'),
    ('\u{a722}', '\u{a76f}'), ('\u{a771}', '\u{a787}'), ('\u{a78b}', '\u{a78e}'), ('\u{ab70}', '\u{abbf}'),
    ('\u{fb00}', '\u{fb06}'), ('\u{fb13}', '\u{fb17}'), ('\u{ff21}', '\u{ff3a}'), ('\u{ff41}', '\u{ff5a}'),
    ('\u{10400}', '\u{1044f}'), ('\u{104b0}', '\u{104d3}'), ('\u{104d8}', '\u{104fb}'), ('\u{10c80}', '\u{10cb2}'),
    ('\u{10cc0}', '\u{10cf2}'), ('\u{118a0}', '\u{118df}'), ('\u{1e900}', '\u{1e943}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(cut: Cut, text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        cut.words(text, &mut |word| words.push(word));
        assert_eq!(words.concat(), text);
        words
    }

    /// Each expected row is what llama.cpp's expression for that cut says, worked out by hand.
    #[test]
    fn each_cut_follows_its_expression() {
        for (cut, text, expected) in [
            (Cut::Gpt2, "it's 12 mg", "it|'s| 12| mg"),
            (Cut::Gpt2, "IT'S", "IT|'|S"),
            (Cut::Gpt2, "a  b \t", "a| | b| \t"),
            (Cut::Gpt2, "a\n\nb", "a|\n|\n|b"),
            (Cut::Gpt2, "e\u{301}x", "e|\u{301}|x"), // a mark is no letter
            (Cut::Gpt2, "혈당 108mg/dL.", "혈당| 108|mg|/|dL|."),
            (Cut::SmolLm, "a 12 b", "a| |1|2| b"),
            (Cut::Llama3, "a1234567", "a|123|456|7"),
            (Cut::Llama3, "IT'S \"no\"\n\n x", "IT|'S| \"|no|\"\n\n| x"),
            (Cut::Llama3, "  \n \n  x", "  \n \n| | x"),
            (Cut::Glm4, "(가나) 1234", "(가나|)| |123|4"),
            (Cut::ChatGlm, "\tx  ", "\tx|  "),
            (Cut::Qwen2, "a12 e\u{301}x", "a|1|2| e|\u{301}x"),
            (Cut::Qwen35, "a12 e\u{301}x", "a|1|2| e\u{301}x"),
            (Cut::Qwen35, "!\u{301}\u{301}?", "!\u{301}\u{301}|?"),
            (Cut::ExaoneMoe, "the  red fox, 12", "the| | red fox|,| |1|2"),
            (Cut::ExaoneMoe, "a\u{301} b!\n\nc", "a\u{301} b|!\n|\n|c"),
            (Cut::ExaoneMoe, "가 나 \u{301}다", "가 나| \u{301}|다"),
            (Cut::DeepSeek3, "v1234漢字가나 .end", "v|123|4|漢字|가나| .|end"),
            (Cut::DeepSeek3, ".end", ".end"),
            (Cut::DeepSeek3, "。end e\u{301}x", "。|end| e\u{301}x"),
            (Cut::DeepSeek3, "\0\0\0a", "\0\0|\0a"), // what is no word stays together
            (Cut::DeepSeek3, "a \n\n b", "a| \n\n| b"),
            (Cut::DeepSeekLlm, "one two, 漢字\n12 ", "one| two|,| |漢字|\n|12| "),
            (Cut::DeepSeekLlm, "a\u{3000}b\u{3000}。", "a|\u{3000}b|\u{3000}|。"),
            (Cut::DeepSeekLlm, "가\u{1100} x  ", "가\u{1100}| x|  "),
            (Cut::Default, "a, <b>123456 12", "a|,| |<|b|>|123|456| |12"),
        ] {
            assert_eq!(words_of(cut, text).join("|"), expected, "{cut:?} {text:?}");
        }
    }

    #[test]
    fn only_known_cuts_are_taken() {
        for (name, cut) in [
            (None, Some(Cut::Default)),
            (Some("glm4"), Some(Cut::Glm4)),
            (Some("chatglm-bpe"), Some(Cut::ChatGlm)),
            (Some("exaone"), Some(Cut::SmolLm)),
            (Some("exaone4"), Some(Cut::Gpt2)),
            (Some("exaone-moe"), Some(Cut::ExaoneMoe)),
            (Some("qwen35"), Some(Cut::Qwen35)),
            (Some("deepseek-v3"), Some(Cut::DeepSeek3)),
            (Some("made-up"), None),
        ] {
            assert_eq!(Cut::named(name), cut, "{name:?}");
        }
    }
}
