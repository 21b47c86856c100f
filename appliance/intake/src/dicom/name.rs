//! Person names, PS3.5 6.2.1: up to three groups (`=`), each of up to five components (`^`).

/// A name in its three writings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PersonName {
    /// Alphabetic; a Korean sender may write Hangul here.
    pub(crate) alphabetic: String,
    /// Ideographic: Hanja, Kanji, or Hangul.
    pub(crate) ideographic: String,
    /// Phonetic: Hangul, Kana.
    pub(crate) phonetic: String,
}

impl PersonName {
    /// Reads a name that is decoded already.
    pub(crate) fn read(written: &str) -> PersonName {
        // Of several names the first.
        let mut groups = written.split('\\').next().unwrap_or_default().split('=').map(group);
        let mut next = || groups.next().unwrap_or_default();
        PersonName { alphabetic: next(), ideographic: next(), phonetic: next() }
    }

    /// As a person reads it: the patient's own script first, the others behind it.
    pub(crate) fn shown(&self) -> String {
        let hangul = |text: &&String| text.chars().any(|c| matches!(c, '가'..='힣'));
        let groups = [&self.alphabetic, &self.ideographic, &self.phonetic];
        let first = groups.into_iter().find(hangul).or_else(|| {
            [&self.ideographic, &self.alphabetic, &self.phonetic].into_iter().find(|text| !text.is_empty())
        });
        let Some(first) = first else { return String::new() };
        let mut others: Vec<&str> = Vec::new();
        for other in groups {
            if !other.is_empty() && other != first && !others.contains(&other.as_str()) {
                others.push(other);
            }
        }
        if others.is_empty() { first.clone() } else { format!("{first} ({})", others.join(", ")) }
    }
}

/// `Family^Given^Middle^Prefix^Suffix` in the order in which it is said.
fn group(written: &str) -> String {
    let parts: Vec<&str> = written.split('^').map(str::trim).collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let (family, given) = (part(0), part(1));
    let east_asian = |text: &str| {
        text.chars()
            .any(|c| matches!(u32::from(c), 0xac00..=0xd7a3 | 0x4e00..=0x9fff | 0x3040..=0x30ff | 0xff61..=0xff9f))
    };
    let core = match east_asian(family) || family.is_empty() && east_asian(given) {
        true => format!("{family}{given}"),
        false => [given, part(2), family].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
    };
    [part(3), core.as_str(), part(4)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_are_said() {
        for (written, shown) in [
            ("Hong^Gildong=洪^吉洞=홍^길동", "홍길동 (Gildong Hong, 洪吉洞)"),
            ("김^민수", "김민수"),
            ("김민수", "김민수"),
            ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田太郎 (Tarou Yamada, やまだたろう)"),
            ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "Rev. John Robert Quincy Adams B.A. M.Div."),
            ("Doe^Jane\\Other^Name", "Jane Doe"),
            ("=^^=", ""),
            ("", ""),
        ] {
            assert_eq!(PersonName::read(written).shown(), shown, "{written}");
        }
    }
}
