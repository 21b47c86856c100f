//! Korean particles: which form follows depends on the sound that the word before ends in, also when that word is a
//! number, a unit, an abbreviation or a Latin drug name.

/// How a word ends, as far as particles care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// A vowel: 는, 가, 를, 로.
    Vowel,
    /// ㄹ: 은, 이, 을, but 로.
    Rieul,
    /// Any other consonant: 은, 이, 을, 으로.
    Consonant,
}

/// A particle in its two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Particle {
    /// 은/는
    Topic,
    /// 이/가
    Subject,
    /// 을/를
    Object,
    /// 으로/로
    Toward,
    /// 과/와
    And,
}

/// `word` with the right form of `particle` attached: `폐렴` → `폐렴은`, `HbA1c` → `HbA1c는`, `7.1%` → `7.1%로`.
#[must_use]
pub fn with(word: &str, particle: Particle) -> String {
    format!("{word}{}", form(word, particle))
}

/// The form of `particle` that follows `word`.
#[must_use]
pub fn form(word: &str, particle: Particle) -> &'static str {
    let ending = ending(word);
    match (particle, ending) {
        (Particle::Topic, Ending::Vowel) => "는",
        (Particle::Topic, _) => "은",
        (Particle::Subject, Ending::Vowel) => "가",
        (Particle::Subject, _) => "이",
        (Particle::Object, Ending::Vowel) => "를",
        (Particle::Object, _) => "을",
        (Particle::Toward, Ending::Consonant) => "으로",
        (Particle::Toward, _) => "로",
        (Particle::And, Ending::Vowel) => "와",
        (Particle::And, _) => "과",
    }
}

/// The ending of what is read aloud: a remark in parentheses at the end is not, so `당화혈색소(HbA1c)` ends in a vowel.
fn ending(word: &str) -> Ending {
    let spoken = without_closing_remark(word);
    let spoken =
        spoken.trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '%' | '℃' | '°' | '㎎' | 'µ' | 'μ'));
    let Some(last) = spoken.chars().last() else { return Ending::Vowel };
    match last {
        '가'..='힣' => syllable(last),
        '0'..='9' => digit(last),
        'a'..='z' | 'A'..='Z' => latin(spoken),
        // 퍼센트, 도, ...: what remains is read with a vowel at the end.
        _ => Ending::Vowel,
    }
}

fn without_closing_remark(word: &str) -> &str {
    let trimmed = word.trim_end();
    if !trimmed.ends_with([')', ']']) {
        return trimmed;
    }
    let mut depth = 0_usize;
    for (at, c) in trimmed.char_indices().rev() {
        match c {
            ')' | ']' => depth += 1,
            '(' | '[' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let before = trimmed.get(..at).unwrap_or("").trim_end();
                    return if before.is_empty() { trimmed } else { before };
                }
            }
            _ => {}
        }
    }
    trimmed
}

/// Hangul syllables are laid out so that the final consonant is the remainder by 28; 8 is ㄹ, 0 is none.
fn syllable(c: char) -> Ending {
    match (u32::from(c).wrapping_sub(0xAC00)) % 28 {
        0 => Ending::Vowel,
        8 => Ending::Rieul,
        _ => Ending::Consonant,
    }
}

/// 영/십/백/천/만, 일, 이, 삼, 사, 오, 육, 칠, 팔, 구.
fn digit(c: char) -> Ending {
    match c {
        '1' | '7' | '8' => Ending::Rieul,
        '0' | '3' | '6' => Ending::Consonant,
        _ => Ending::Vowel,
    }
}

/// A single letter or an abbreviation is read letter by letter; a unit as its name; anything else as a word.
fn latin(spoken: &str) -> Ending {
    let run: String =
        spoken.chars().rev().take_while(|c| c.is_ascii_alphabetic()).collect::<Vec<_>>().into_iter().rev().collect();
    match run.as_str() {
        // 밀리그램, 그램, 킬로그램, 마이크로그램
        "mg" | "g" | "kg" | "mcg" | "ug" if spoken.len() > run.len() => return Ending::Consonant,
        // 리터, 데시리터, 밀리리터, 센티미터, 밀리미터에이치지
        "L" | "dL" | "mL" | "ml" | "dl" | "cm" | "mm" | "mmHg" | "Hg" if spoken.len() > run.len() => {
            return Ending::Vowel;
        }
        _ => {}
    }
    let letters = run.chars().count();
    // `eGFR`, `HbA1c`, `pO2`: what ends in a capital, or in a single letter behind a digit, is an abbreviation.
    let spelled = letters == 1 || run.ends_with(|c: char| c.is_ascii_uppercase());
    if spelled {
        return match run.chars().last() {
            Some('L' | 'R' | 'l' | 'r') => Ending::Rieul,
            Some('M' | 'N' | 'm' | 'n') => Ending::Consonant,
            _ => Ending::Vowel,
        };
    }
    word(&run.to_ascii_lowercase())
}

/// A Latin word as Korean reads it: `metformin` 메트포르민, `amlodipine` 암로디핀, `lisinopril` 리시노프릴, `furosemide` 푸로세미드.
fn word(run: &str) -> Ending {
    // A silent e leaves the sound before it.
    let heard = match run.strip_suffix('e') {
        Some(stem) if stem.ends_with(['n', 'm', 'l']) => stem,
        _ => run,
    };
    if heard.ends_with("ng") || heard.ends_with(['n', 'm']) {
        Ending::Consonant
    } else if heard.ends_with('l') {
        Ending::Rieul
    } else if heard.ends_with(['p', 'k', 'b'])
        || heard.ends_with("et")
        || heard.ends_with("it")
        || heard.ends_with("ic")
        || heard.ends_with("ac")
    {
        Ending::Consonant
    } else {
        Ending::Vowel
    }
}

#[cfg(test)]
mod tests {
    use super::{Particle, with};

    #[test]
    fn hangul_follows_its_final_consonant() {
        for (word, particle, expected) in [
            ("폐렴", Particle::Topic, "폐렴은"),
            ("혈압", Particle::Subject, "혈압이"),
            ("크레아티닌", Particle::Object, "크레아티닌을"),
            ("당화혈색소", Particle::Topic, "당화혈색소는"),
            ("당뇨", Particle::Object, "당뇨를"),
            ("칼륨", Particle::And, "칼륨과"),
            ("나트륨", Particle::Toward, "나트륨으로"),
            ("콜레스테롤", Particle::Toward, "콜레스테롤로"),
            ("콜레스테롤", Particle::Topic, "콜레스테롤은"),
            ("맥박수", Particle::And, "맥박수와"),
        ] {
            assert_eq!(with(word, particle), expected);
        }
    }

    #[test]
    fn digits_and_units_are_read_aloud() {
        for (word, particle, expected) in [
            ("7.1", Particle::Toward, "7.1로"),
            ("7.3", Particle::Toward, "7.3으로"),
            ("120", Particle::Subject, "120이"),
            ("2", Particle::Topic, "2는"),
            ("6", Particle::Toward, "6으로"),
            ("8", Particle::Toward, "8로"),
            ("9", Particle::Object, "9를"),
            ("7.1%", Particle::Toward, "7.1%로"),
            ("1.2 mg/dL", Particle::Toward, "1.2 mg/dL로"),
            ("500 mg", Particle::Object, "500 mg을"),
            ("36.5 ℃", Particle::Toward, "36.5 ℃로"),
            ("120/80 mmHg", Particle::Toward, "120/80 mmHg로"),
        ] {
            assert_eq!(with(word, particle), expected);
        }
    }

    #[test]
    fn abbreviations_by_letter_and_names_by_sound() {
        for (word, particle, expected) in [
            ("HbA1c", Particle::Topic, "HbA1c는"),
            ("INR", Particle::Topic, "INR은"),
            ("INR", Particle::Toward, "INR로"),
            ("BUN", Particle::Subject, "BUN이"),
            ("eGFR", Particle::Subject, "eGFR이"),
            ("AST", Particle::Topic, "AST는"),
            ("LDL", Particle::Toward, "LDL로"),
            ("metformin", Particle::Object, "metformin을"),
            ("amlodipine", Particle::Topic, "amlodipine은"),
            ("lisinopril", Particle::Toward, "lisinopril로"),
            ("furosemide", Particle::Object, "furosemide를"),
            ("Warfarin", Particle::Subject, "Warfarin이"),
            ("Tablet", Particle::Topic, "Tablet은"),
            ("Influenza", Particle::Topic, "Influenza는"),
        ] {
            assert_eq!(with(word, particle), expected);
        }
    }

    #[test]
    fn a_closing_remark_is_not_read() {
        assert_eq!(with("당화혈색소(HbA1c)", Particle::Topic), "당화혈색소(HbA1c)는");
        assert_eq!(with("칼륨 (Potassium [Moles/volume])", Particle::Topic), "칼륨 (Potassium [Moles/volume])은");
        assert_eq!(with("(unknown)", Particle::Topic), "(unknown)은");
        assert_eq!(with("", Particle::Topic), "는");
    }
}
