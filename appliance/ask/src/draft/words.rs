//! The words that templates use for kinds, states, flags and attributes, in both languages. The gate reads the same
//! tables: a word for a state stands in a sentence only if the cited entry has that state.

use haechi_record::chart::{Entry, Kind, Standing};

use crate::plan::{Attribute, Language};

/// `text` in the asked language.
#[must_use]
pub fn pick<'t>(language: Language, english: &'t str, korean: &'t str) -> &'t str {
    match language {
        Language::En => english,
        Language::Ko => korean,
    }
}

/// Kind, English singular, English plural, Korean.
const KINDS: &[(Kind, &str, &str, &str)] = &[
    (Kind::Lab, "lab result", "lab results", "검사 결과"),
    (Kind::Vital, "vital sign", "vital signs", "활력징후"),
    (Kind::SocialHistory, "social history entry", "social history entries", "사회력"),
    (Kind::OtherObservation, "observation", "observations", "관찰 기록"),
    (Kind::Problem, "problem", "problems", "진단"),
    (Kind::Medication, "medication entry", "medication entries", "약물"),
    (Kind::Allergy, "allergy entry", "allergy entries", "알레르기"),
    (Kind::Immunization, "immunization", "immunizations", "예방접종"),
    (Kind::Procedure, "procedure", "procedures", "시술·수술"),
    (Kind::Encounter, "encounter", "encounters", "내원"),
    (Kind::Report, "report", "reports", "판독·보고서"),
    (Kind::Note, "note", "notes", "진료 기록지"),
    (Kind::Planned, "planned item", "planned items", "계획·의뢰"),
    (Kind::Appointment, "appointment", "appointments", "예약"),
    (Kind::FamilyHistory, "family history entry", "family history entries", "가족력"),
    (Kind::Imaging, "imaging study", "imaging studies", "영상검사"),
    (Kind::Device, "device", "devices", "의료기기"),
    (Kind::Other, "other entry", "other entries", "기타 기록"),
];

/// The word for one entry of the kind.
#[must_use]
pub fn kind(kind: Kind, language: Language) -> &'static str {
    KINDS.iter().find(|row| row.0 == kind).map_or("", |row| if language == Language::En { row.1 } else { row.3 })
}

/// The word for `count` entries of the kinds: their own word if they are of one kind, `entries` otherwise.
#[must_use]
pub fn kinds(kinds: &[Kind], count: usize, language: Language) -> String {
    match (kinds, language) {
        ([one], Language::En) => KINDS
            .iter()
            .find(|row| row.0 == *one)
            .map_or("entries", |row| if count == 1 { row.1 } else { row.2 })
            .to_owned(),
        ([one], Language::Ko) => kind(*one, language).to_owned(),
        (_, Language::En) => if count == 1 { "entry" } else { "entries" }.to_owned(),
        (_, Language::Ko) => "기록".to_owned(),
    }
}

/// All searched kinds by name, for "not found" sentences.
#[must_use]
pub fn searched(kinds: &[Kind], language: Language) -> String {
    let mut names: Vec<&str> = Vec::new();
    for kind in kinds {
        let name = KINDS
            .iter()
            .find(|row| row.0 == *kind)
            .map_or("", |row| if language == Language::En { row.2 } else { row.3 });
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// Code as recorded or as [`Standing`] says it, English, Korean.
pub(crate) const STATES: &[(&str, &str, &str)] = &[
    ("active", "active", "활성"),
    ("inactive", "inactive", "비활성"),
    ("resolved", "resolved", "해소됨"),
    ("recurrence", "recurrence", "재발"),
    ("relapse", "relapse", "재발"),
    ("remission", "in remission", "관해"),
    ("completed", "completed", "완료"),
    ("stopped", "stopped", "중단"),
    ("ended", "ended", "종료"),
    ("on-hold", "on hold", "보류"),
    ("suspended", "suspended", "보류"),
    ("draft", "draft", "초안"),
    ("intended", "intended", "예정"),
    ("planned", "planned", "계획"),
    ("not-taken", "not taken", "복용하지 않음"),
    ("finished", "finished", "종료"),
    ("in-progress", "in progress", "진행 중"),
    ("preparation", "in preparation", "준비 중"),
    ("arrived", "arrived", "도착"),
    ("triaged", "triaged", "중증도 분류됨"),
    ("onleave", "on leave", "외출 중"),
    ("cancelled", "cancelled", "취소됨"),
    ("revoked", "revoked", "철회됨"),
    ("aborted", "aborted", "중도 중단"),
    ("entered-in-error", "entered in error", "오입력"),
    ("nullified", "nullified", "무효 처리됨"),
    ("refuted", "refuted", "배제됨"),
    ("not-done", "not done", "시행하지 않음"),
    ("not done", "not done", "시행하지 않음"),
    ("rejected", "rejected", "거부됨"),
    ("declined", "declined", "거절됨"),
    ("unknown", "status unknown", "상태 미상"),
    ("final", "final", "최종"),
    ("preliminary", "preliminary", "예비 결과"),
    ("partial", "partial", "부분 결과"),
    ("registered", "registered", "접수됨"),
    ("amended", "amended", "수정됨"),
    ("corrected", "corrected", "정정됨"),
    ("appended", "appended", "추가됨"),
    ("provisional", "provisional", "잠정"),
    ("differential", "differential", "감별 중"),
    ("unconfirmed", "unconfirmed", "미확진"),
    ("confirmed", "confirmed", "확인됨"),
    ("patient-reported", "patient-reported", "환자 보고"),
    ("reported", "reported", "타인 보고"),
    ("family-history", "family history", "가족력"),
    ("family history", "family history", "가족력"),
    ("proposed", "proposed", "제안됨"),
    ("pending", "pending", "대기"),
    ("booked", "booked", "예약됨"),
    ("fulfilled", "fulfilled", "이행됨"),
    ("noshow", "no show", "미내원"),
    ("checked-in", "checked in", "접수됨"),
    ("waitlist", "on the waiting list", "대기"),
    ("current", "current", "현행"),
    ("superseded", "superseded", "대체됨"),
    ("accepted", "accepted", "수락됨"),
    ("status-unknown", "status unknown", "상태 미상"),
    ("do-not-perform", "ordered not to be given", "투여 금지 지시"),
    ("proposal", "proposed", "제안됨"),
    ("no-show", "no show", "미내원"),
    ("well-controlled", "well controlled", "잘 조절됨"),
    ("poorly-controlled", "poorly controlled", "조절 불량"),
    ("available", "available", "사용 가능"),
];

/// A status or standing in words; a code that the table lacks is shown as recorded.
#[must_use]
pub fn state(code: &str, language: Language) -> String {
    STATES
        .iter()
        .find(|row| row.0 == code)
        .map_or_else(|| code.to_owned(), |row| if language == Language::En { row.1 } else { row.2 }.to_owned())
}

/// The status to show with an entry: its standing where that must be said, and its own status where that tells something
/// (a `final` result or a `current` document says nothing new).
#[must_use]
pub fn states(entry: &Entry, language: Language) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let telling = !matches!(
        entry.kind,
        Kind::Lab
            | Kind::Vital
            | Kind::SocialHistory
            | Kind::OtherObservation
            | Kind::Report
            | Kind::Note
            | Kind::Imaging
    );
    if telling && let Some(status) = entry.status.as_deref() {
        said.push(state(status, language));
    }
    if let Standing::SaidAs(word) | Standing::Void(word) = &entry.standing {
        let word = state(word, language);
        if !said.contains(&word) {
            said.push(word);
        }
    }
    said
}

/// What an interpretation code says: English, Korean. Codes that say nothing about high, low or abnormal are left out.
pub(crate) const FLAGS: &[(&str, &str, &str)] = &[
    ("HH", "critically high", "위험 수준으로 높음"),
    ("LL", "critically low", "위험 수준으로 낮음"),
    ("HU", "significantly high", "현저히 높음"),
    ("LU", "significantly low", "현저히 낮음"),
    ("H", "high", "높음"),
    ("L", "low", "낮음"),
    ("AA", "critically abnormal", "위험 수준의 이상"),
    ("A", "abnormal", "이상"),
    ("N", "normal", "정상"),
    (">", "above the measurable range", "측정 범위 초과"),
    ("<", "below the measurable range", "측정 범위 미만"),
];

/// The word for an interpretation code as recorded.
#[must_use]
pub fn flag(code: &str, language: Language) -> Option<&'static str> {
    FLAGS
        .iter()
        .find(|row| row.0.eq_ignore_ascii_case(code))
        .map(|row| if language == Language::En { row.1 } else { row.2 })
}

/// Where a value without a flag stands to the recorded range.
#[must_use]
pub fn by_range(order: std::cmp::Ordering, language: Language) -> &'static str {
    match order {
        std::cmp::Ordering::Greater => pick(language, "above the recorded range", "기록된 참고치 초과"),
        std::cmp::Ordering::Less => pick(language, "below the recorded range", "기록된 참고치 미만"),
        std::cmp::Ordering::Equal => pick(language, "within the recorded range", "기록된 참고치 이내"),
    }
}

/// Administrative gender.
#[must_use]
pub fn sex(code: &str, language: Language) -> &str {
    match (code, language) {
        ("male", Language::Ko) => "남성",
        ("female", Language::Ko) => "여성",
        ("other", Language::Ko) => "기타",
        ("unknown", Language::Ko) => "미상",
        (code, _) => code,
    }
}

/// The attribute's own name, for labels and for "not recorded" sentences.
#[must_use]
pub fn attribute(attribute: Attribute, language: Language) -> String {
    let (english, korean) = match attribute {
        Attribute::Who => ("responsible person", "담당자"),
        Attribute::Where => ("place", "장소"),
        Attribute::Dose => ("dosage", "용법·용량"),
        Attribute::Route => ("route", "투여 경로"),
        Attribute::Why => ("reason", "사유"),
        Attribute::Reaction => ("reaction", "반응"),
        Attribute::Severity => ("severity", "중증도"),
        Attribute::Status => ("status", "상태"),
        Attribute::ReferenceRange => ("reference range", "참고치"),
        Attribute::Unit => ("unit", "단위"),
        Attribute::Named(name) => return fact(name, language),
        Attribute::Conclusion => ("conclusion", "결론"),
        Attribute::Age => ("age", "나이"),
        Attribute::BirthDate => ("birth date", "생년월일"),
        Attribute::Sex => ("sex", "성별"),
        Attribute::Name => ("name", "이름"),
        Attribute::Address => ("address", "주소"),
        Attribute::Phone => ("phone", "전화번호"),
        Attribute::Identifier => ("identifier", "등록번호"),
        Attribute::MaritalStatus => ("marital status", "결혼 상태"),
        Attribute::SpokenLanguage => ("language", "언어"),
        Attribute::Death => ("death", "사망"),
        Attribute::Contact => ("emergency contact", "비상 연락처"),
    };
    pick(language, english, korean).to_owned()
}

/// Names of facts as the chart reader calls them: English, Korean.
pub(crate) const FACTS: &[(&str, &str, &str)] = &[
    ("performer", "performed by", "시행자"),
    ("requester", "requested by", "처방자"),
    ("author", "author", "작성자"),
    ("participant", "participant", "담당자"),
    ("attending", "attending", "담당의"),
    ("recorder", "recorded by", "기록자"),
    ("asserter", "asserted by", "진술자"),
    ("location", "location", "장소"),
    ("serviceProvider", "hospital", "병원"),
    ("serviceType", "department", "진료과"),
    ("department", "department", "진료과"),
    ("ward", "ward", "병동"),
    ("dosage", "dosage", "용법·용량"),
    ("dose", "dose", "용량"),
    ("route", "route", "투여 경로"),
    ("reason", "reason", "사유"),
    ("reasonCode", "reason", "사유"),
    ("indication", "indication", "적응증"),
    ("reaction", "reaction", "반응"),
    ("manifestation", "reaction", "반응"),
    ("severity", "severity", "중증도"),
    ("criticality", "criticality", "위험도"),
    ("site", "site", "부위"),
    ("bodySite", "body site", "부위"),
    ("lot", "lot number", "로트 번호"),
    ("lotNumber", "lot number", "로트 번호"),
    ("doseNumber", "dose number", "접종 차수"),
    ("manufacturer", "manufacturer", "제조사"),
    ("dischargeDisposition", "discharge disposition", "퇴원 형태"),
    ("admitSource", "admitted from", "입원 경로"),
    ("conclusion", "conclusion", "결론"),
    ("outcome", "outcome", "결과"),
    ("note", "note", "비고"),
    ("specimen", "specimen", "검체"),
    ("method", "method", "방법"),
    ("device", "device", "기기"),
    ("relationship", "relationship", "관계"),
    ("class", "class", "구분"),
    ("stage", "stage", "병기"),
];

/// What a fact is called when it is shown; the reader's own name where the table lacks it.
#[must_use]
pub fn fact(name: &str, language: Language) -> String {
    FACTS
        .iter()
        .find(|row| row.0.eq_ignore_ascii_case(name))
        .map_or_else(|| name.to_owned(), |row| if language == Language::En { row.1 } else { row.2 }.to_owned())
}

/// Fact names that answer an attribute, best first. The chart reader and both intake roads use these names.
#[must_use]
pub fn facts_of(attribute: Attribute) -> Vec<&'static str> {
    match attribute {
        Attribute::Who => {
            vec!["performer", "requester", "attending", "participant", "author", "recorder", "asserter", "practitioner"]
        }
        Attribute::Where => vec!["ward", "location", "department", "serviceType", "serviceProvider", "facility"],
        Attribute::Dose => vec!["dosage", "dose", "doseQuantity", "frequency", "strength"],
        Attribute::Route => vec!["route"],
        Attribute::Why => vec!["reason", "reasonCode", "reasonReference", "indication", "diagnosis"],
        Attribute::Reaction => vec!["reaction", "manifestation"],
        Attribute::Severity => vec!["severity", "criticality", "reactionSeverity"],
        Attribute::Named(name) => vec![name],
        Attribute::Conclusion => vec!["conclusion", "conclusionCode", "outcome", "impression"],
        Attribute::Address => vec!["address"],
        Attribute::Phone => vec!["phone", "telecom"],
        Attribute::MaritalStatus => vec!["maritalStatus"],
        Attribute::SpokenLanguage => vec!["language", "communication"],
        Attribute::Contact => vec!["contact"],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words() {
        for row in KINDS {
            for language in [Language::En, Language::Ko] {
                assert!(!kind(row.0, language).is_empty());
            }
        }
        assert_eq!(kinds(&[Kind::Problem], 1, Language::En), "problem");
        assert_eq!(kinds(&[Kind::Problem], 2, Language::En), "problems");
        assert_eq!(kinds(&[Kind::Problem, Kind::Note], 2, Language::En), "entries");
        assert_eq!(searched(&[Kind::Problem, Kind::Note], Language::Ko), "진단, 진료 기록지");
    }

    #[test]
    fn flags_and_states_are_worded_and_unknown_codes_stay() {
        assert_eq!(flag("HH", Language::En), Some("critically high"));
        assert_eq!(flag("h", Language::Ko), Some("높음"));
        assert_eq!(flag("POS", Language::En), None);
        assert_eq!(state("on-hold", Language::En), "on hold");
        assert_eq!(state("refuted", Language::Ko), "배제됨");
        assert_eq!(state("house-made", Language::Ko), "house-made");
    }
}
