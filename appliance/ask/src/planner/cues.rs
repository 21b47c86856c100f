//! The words by which a question says what it wants, in both languages. Tables only; [`super`] decides.

use haechi_record::chart::Kind;

use crate::plan::Attribute;

/// What no chart of one patient holds. English and Korean reasons are worded by the caller.
pub(super) const OUTSIDE: &[&str] = &[
    "cost*", "price*", "how much does it", "how much is the bill", "bill", "billing", "charge*", "insurance cover*", "copay", "prognosis", "life expectancy", "survive", "survival", "how long will",
    "will the patient", "will he", "will she", "will they", "going to die", "chance of", "chances of", "likelihood", "probability", "should i", "should we", "should the", "should he", "should she",
    "should be", "recommend*", "what dose should", "best treatment", "treatment of choice", "first line", "first-line", "guideline*", "other patients", "another patient", "other patient", "all patients", "which patients",
    "average patient", "compared to other", "compared with other", "population", "side effects of", "side effect of", "mechanism of", "how does it work", "what causes", "differential diagnosis for", "next step",
    "is it safe", "safe to", "can i give", "can we give", "can she take", "can he take", "contraindicat*", "interact*", "predict*", "readmi* risk", "risk of readmission", "what is the normal dose", "maximum dose", "max dose",
    "favorite", "favourite", "hobby", "hobbies", "weather", "capital of", "password", "roommate", "neighbor", "neighbour", "horoscope", "joke", "poem", "stock",
    "비용", "가격", "진료비", "병원비", "약값", "보험", "수가", "예후", "생존", "기대수명", "완치될", "완치 될", "나을까", "좋아질까", "가능성", "확률", 
    "해야 할까", "해야할까", "해야 하나", "해야하나", "해야 되", "해야되", "할까요", "될까요", "일까요", "줘도 되", "줘도 될", "써도 되", "써도 될", "먹어도 되", "먹어도 될", "투여해도", "처방해도", "괜찮을까", "괜찮나", "안전한가", "추천", "권장", "권고", "가이드라인", "지침",
    "다른 환자", "옆 환자", "환자들", "다른환자", "평균적", "부작용이 뭐", "부작용은 뭐", "부작용은 무엇", "기전", "치료법", "치료 방법", "어떻게 치료", "상호작용", "금기", "최대 용량", "예측",
    "날씨", "취미", "좋아하는", "비밀번호", "점심", "메뉴", "연봉", "주식",
];

/// Kinds by the words that name them. The order is that of looking; a longer word stands before its beginning.
pub(super) const KINDS: &[(Kind, &[&str])] = &[
    (Kind::FamilyHistory, &["family history", "fhx", "family hx", "mother*", "father*", "sibling*", "parent*", "brother*", "sister*", "relatives", "family member*", "runs in the family", "in the family", "family", "가족력", "가족 중", "가족중", "어머니", "아버지", "부모", "형제", "자매", "가족"]),
    (Kind::Allergy, &["allerg*", "nkda", "nka", "adverse reaction*", "intoleran*", "알레르기", "알러지", "앨러지"]),
    (Kind::Appointment, &["appointment*", "scheduled", "upcoming", "next visit", "booking*", "booked", "다음 예약", "예약", "다음 진료", "다음 외래", "다음 내원"]),
    (Kind::Immunization, &["immuniz*", "immunis*", "vaccin*", "shots", "shot", "jab*", "예방접종", "예방 접종", "접종", "백신", "예방주사"]),
    (Kind::Note, &["discharge summar*", "discharge note*", "progress note*", "admission note*", "clinical note*", "notes", "note", "document*", "h&p", "letter*", "narrative", "퇴원요약지", "퇴원요약", "퇴원 요약", "경과기록지", "경과기록", "경과 기록", "입원기록", "입원 기록지", "초진기록", "의무기록", "기록지", "노트", "진료기록", "진료 기록", "소견서"]),
    (Kind::Report, &["radiology report*", "imaging report*", "imaging stud*", "imaging", "reports", "report", "radiolog*", "scan*", "x-ray*", "xray*", "panel*", "판독문", "판독 결과", "판독결과", "판독", "영상검사", "영상 검사", "영상", "보고서", "검사지"]),
    (Kind::Procedure, &["procedure*", "surger*", "operation*", "operated", "surgical", "수술", "시술", "처치", "검사 시술"]),
    (Kind::Medication, &["medication*", "medicine*", "meds", "med list", "drug*", "prescri*", "rx", "taking", "takes", "taken", "pills", "pill", "tablets", "dosing", "복용약", "투약", "약물", "약제", "처방약", "처방", "복용", "투여", "먹는 약", "드시는 약", "먹고", "드시고", "먹는", "드시는", "쓰는 약", "약"]),
    (Kind::Encounter, &["encounter*", "visit*", "admission*", "admitted", "admit", "hospitali*", "hospital stay*", "in hospital", "in-hospital", "inpatient*", "discharge*", "emergency room", "emergency department", "emergency*", "er visit*", "er", "ed visit*", "ed", "clinic", "outpatient*", "seen", "office visit*", "stay", "icu", "입원", "퇴원", "내원", "방문", "외래", "응급실", "응급", "진료", "재원", "병원"]),
    (Kind::Planned, &["care plan*", "goal*", "referral*", "referred", "orders", "order", "planned", "pending", "의뢰", "오더", "계획", "예정"]),
    (Kind::Device, &["device*", "implant*", "의료기기", "삽입물"]),
    (Kind::SocialHistory, &["social history", "사회력"]),
    (Kind::Vital, &["vital signs", "vitals", "vital", "활력징후", "활력 징후", "바이탈"]),
    (Kind::Problem, &["problem list", "problem*", "diagnos*", "dx", "conditions", "condition", "comorbid*", "disease*", "illness*", "medical history", "past medical history", "pmh", "pmhx", "disorders", "chronic", "suffer*", "진단명", "진단", "병명", "기저질환", "기저 질환", "질환", "질병", "병력", "과거력", "상병", "지병", "문제 목록", "문제목록", "앓고", "앓은", "앓"]),
    (Kind::Lab, &["laboratory", "lab results", "lab result", "labs", "lab", "blood work", "bloodwork", "blood test*", "tests", "test", "results", "검사 결과", "검사결과", "검사 수치", "혈액검사", "혈액 검사", "피검사", "피 검사", "검사", "수치"]),
];

pub(super) const COUNT: &[&str] = &["how many times", "how many", "number of times", "number of", "how often", "count of", "count", "total number", "몇 번이나", "몇 번", "몇번", "몇 회", "몇회", "몇 건", "몇건", "몇 개", "몇개", "몇 가지", "몇가지", "몇 차례", "횟수", "총 몇", "몇 종", "몇 차까지", "몇 차", "몇차"];
pub(super) const SINCE: &[&str] = &["how long ago", "how long since", "how long has it been", "time since", "days since", "얼마나 됐", "얼마나 되었", "얼마나 지났", "얼마나 전", "며칠 전", "몇 년 전", "몇 개월 전", "얼마 전"];
pub(super) const DURATION: &[&str] = &["며칠 있", "며칠이었", "며칠 입원", "며칠 걸", "how long", "duration", "length of stay", "how many days", "los", "얼마나 오래", "얼마 동안", "얼마동안", "며칠 동안", "며칠동안", "며칠간", "몇 일", "며칠이나", "기간", "재원일수", "재원 일수", "재원기간"];
pub(super) const AGE_AT: &[&str] = &["how old was", "how old were", "age at", "at what age", "what age was", "age when", "age of onset", "몇 살 때", "몇살 때", "몇 살에", "몇살에", "몇 세 때", "몇 세에", "몇세에", "나이에", "당시 나이", "몇 살이었", "몇 살에"];
pub(super) const WHEN: &[&str] = &["give dates", "dates", "언젠지", "언젠가", "언제로", "며칠날", "몇 월", "when", "what date", "which date", "date of", "what day", "which day", "what year", "onset date", "start date", "since when", "언제부터", "언제", "날짜", "며칠에", "몇 년도", "몇년도", "일자", "시점"];
pub(super) const HIGHEST: &[&str] = &["제일 높았던", "가장 높았던", "제일 높은", "피크", "highest", "maximum", "max", "peak", "greatest", "worst", "최고치", "최고값", "최고", "가장 높은", "가장 높았", "제일 높", "가장 높", "최대", "최댓값"];
pub(super) const LOWEST: &[&str] = &["제일 낮았던", "가장 낮았던", "제일 낮은", "lowest", "minimum", "min", "nadir", "smallest", "최저치", "최저값", "최저", "가장 낮은", "가장 낮았", "제일 낮", "가장 낮", "최소"];
pub(super) const AVERAGE: &[&str] = &["average", "mean", "avg", "평균값", "평균"];
pub(super) const TREND: &[&str] = &["trending", "trend*", "over time", "trajectory", "how has", "how have", "progress*", "improv*", "worsen*", "going up", "going down", "rising", "falling", "course of", "evol*", "추이", "변화 추이", "추세", "경향", "변화", "어떻게 변", "흐름", "좋아졌", "나빠졌", "올랐", "떨어졌"];
pub(super) const CHANGE: &[&str] = &["compared to previous", "compared with previous", "compared to last", "difference", "changed since", "change since", "change from", "delta", "how much did", "이전과 비교", "지난번과 비교", "지난 번과 비교", "전과 비교", "차이", "얼마나 올", "얼마나 떨", "얼마나 변", "비교"];
pub(super) const SERIES: &[&str] = &["all values", "all the values", "all results", "all measurements", "all readings", "every", "readings", "values", "measurements", "history of results", "serial", "series", "모든 수치", "모든 값", "전체 수치", "모든 결과", "수치들", "기록 전부", "측정값"];
pub(super) const FIRST: &[&str] = &["first time", "first", "earliest", "initially", "initial", "oldest", "baseline", "최초", "처음으로", "처음", "첫 번째", "첫번째", "첫", "제일 먼저", "맨 처음"];
pub(super) const LATEST: &[&str] = &["most recently", "most recent", "latest", "last time", "last", "newest", "recent", "recently", "right now", "now", "today's", "current value", "가장 최근에", "가장 최근", "제일 최근", "최신", "최근에", "최근", "마지막으로", "마지막", "직전", "이번"];
pub(super) const NEXT: &[&str] = &["next", "upcoming", "다음"];
pub(super) const SUMMARY: &[&str] = &["summari*", "summary of", "overview", "in brief", "brief", "recap", "tell me about", "what does the note say", "what do the notes say", "gist", "요약해", "요약", "정리해", "간단히", "개요", "훑어"];
pub(super) const LIST: &[&str] = &["정리", "list", "what are", "which", "what all", "show me all", "show all", "all of", "all", "any", "full", "complete list", "목록", "리스트", "모두", "전부", "전체", "다", "모든", "각각", "있는지", "무슨", "어떤", "뭐 뭐", "뭐가", "종류"];
pub(super) const EVER: &[&str] = &["ever", "at any time", "any time", "previously", "history of", "hx of", "h/o", "had", "적이 있", "적 있", "적이", "적은", "한 번이라도", "한번이라도", "이력", "여부", "과거에", "예전에"];
pub(super) const ACTIVE: &[&str] = &["currently", "current", "active", "ongoing", "at present", "presently", "is on", "are on", "still", "these days", "now taking", "taking now", "on any", "been on", "is taking", "taking", "takes", "on", "현재", "지금", "요즘", "복용 중", "복용중", "복용하는", "복용하고", "드시는", "드시고", "먹는", "먹고", "맞고 있", "쓰고 있", "투약 중", "투약중", "활성", "진행 중", "진행중", "아직"];
pub(super) const ENDED: &[&str] = &["비활성", "stopped", "discontinued", "discontinue", "resolved", "former", "past medications", "previous medications", "inactive", "no longer", "ended", "quit", "중단", "끊은", "끊었", "종료", "해결된", "해소", "완치", "과거 약", "이전 약", "예전 약", "지난 약"];
pub(super) const ABNORMAL: &[&str] = &["정상범위를 벗어난", "정상 범위를 벗어난", "정상범위 벗어난", "정상 범위 벗어난", "정상범위 밖", "abnormal*", "out of range", "outside the normal range", "flagged", "not normal", "deranged", "비정상", "이상 소견", "이상 수치", "이상소견", "이상수치", "이상한", "정상이 아닌", "정상범위를 벗어", "정상 범위를 벗어", "벗어난", "벗어나"];
pub(super) const NORMAL: &[&str] = &["normal range of", "within normal", "normal", "정상인", "정상이"];
pub(super) const HIGH: &[&str] = &["elevated", "too high", "high", "raised", "높은 적", "높았던", "높은", "높았", "상승한", "상승"];
pub(super) const LOW: &[&str] = &["too low", "low", "decreased", "낮은 적", "낮았던", "낮은", "낮았", "감소한", "저하"];
pub(super) const POSITIVE: &[&str] = &["positive", "reactive", "양성"];
pub(super) const NEGATIVE: &[&str] = &["negative", "음성"];

/// Attributes of entries, more telling ones first.
pub(super) const ATTRIBUTES: &[(Attribute, &[&str])] = &[
    (Attribute::ReferenceRange, &["reference range", "normal range", "reference interval", "ref range", "참고치", "정상 범위", "정상범위", "참고 범위", "정상치", "참고범위"]),
    (Attribute::Unit, &["what unit*", "which unit*", "in what unit*", "unit of", "무슨 단위", "단위는", "단위가"]),
    (Attribute::Reaction, &["what happens", "what reaction", "which reaction", "reaction*", "manifest*", "반응", "증상은", "증상이"]),
    (Attribute::Severity, &["how severe", "how bad", "severity", "critical*", "severe", "심한가", "얼마나 심", "중증도", "심각도", "위험도"]),
    (Attribute::Who, &["who", "whom", "by whom", "which doctor", "which physician", "which provider", "which nurse", "attending", "physician", "doctor", "provider", "ordered by", "performed by", "prescriber", "surgeon", "author", "누가", "누구", "주치의", "담당의", "담당 의사", "담당의사", "의사", "집도의", "처방의", "판독의", "교수"]),
    (Attribute::Where, &["where", "which ward", "what ward", "ward", "which department", "what department", "department", "which hospital", "which unit", "which clinic", "what facility", "facility", "location", "어디", "어느 병동", "병동", "어느 과", "무슨 과", "진료과", "어느 병원", "병실", "과에서", "무슨과", "어느과"]),
    (Attribute::Dose, &["what dose", "what dosage", "dosage*", "dose*", "how much", "how many mg", "strength", "frequency", "how often is", "sig", "instructions", "regimen", "용량", "용법", "몇 mg", "몇 밀리", "얼마나 먹", "얼마나 복용", "하루 몇", "몇 정", "어떻게 복용", "얼마씩"]),
    (Attribute::Route, &["which route", "what route", "route", "given by mouth", "투여 경로", "투여경로", "경로"]),
    (Attribute::Why, &["why", "what for", "reason", "indication", "because of what", "purpose", "왜", "이유", "사유", "때문에", "무엇 때문", "무슨 일로", "목적", "적응증"]),
    (Attribute::Status, &["status", "still active", "final or preliminary", "preliminary or final", "is it final", "confirmed", "상태는", "상태가", "상태", "확정", "최종 결과인", "예비"]),
    (Attribute::Named("site"), &["which side", "what site", "body site", "부위"]),
    (Attribute::Named("lotNumber"), &["lot number", "lot", "로트", "제조번호"]),
    (Attribute::Named("dischargeDisposition"), &["discharged to", "disposition", "퇴원 형태", "퇴원 후 어디"]),
    (Attribute::Conclusion, &["what did", "show", "showed", "shows", "result of", "results of", "findings", "finding", "impression", "conclusion", "outcome", "say about", "says", "reveal*", "소견", "결론", "결과", "판독 내용", "내용"]),
];

/// Facts about the person.
pub(super) const PERSON: &[(Attribute, &[&str])] = &[
    (Attribute::BirthDate, &["date of birth", "birth date", "birthdate", "birthday", "dob", "when was the patient born", "born", "생년월일", "생일", "태어난", "출생"]),
    (Attribute::Age, &["how old is", "how old", "current age", "age", "나이", "연령", "몇 살", "몇살", "몇 세", "몇세"]),
    (Attribute::Sex, &["gender", "sex", "male or female", "is the patient male", "is the patient female", "man or woman", "성별", "남자", "여자", "남성", "여성"]),
    (Attribute::Phone, &["phone number", "phone", "telephone", "contact number", "mobile", "cell", "전화번호", "연락처", "휴대폰", "전화"]),
    (Attribute::Address, &["home address", "address", "where does the patient live", "where does he live", "where does she live", "lives", "live", "city", "주소", "거주지", "사는 곳", "어디 사", "어디에 사", "거주"]),
    (Attribute::Identifier, &["mrn", "medical record number", "patient number", "chart number", "patient id", "hospital number", "등록번호", "환자번호", "차트번호", "병록번호", "환자 번호", "등록 번호"]),
    (Attribute::MaritalStatus, &["marital status", "married", "single or married", "결혼", "혼인", "기혼", "미혼"]),
    (Attribute::SpokenLanguage, &["what language", "preferred language", "primary language", "language", "speak", "사용 언어", "언어", "모국어"]),
    (Attribute::Death, &["deceased", "died", "dead", "alive", "date of death", "death", "pass away", "passed away", "사망일", "사망", "돌아가", "생존해"]),
    (Attribute::Contact, &["emergency contact", "next of kin", "보호자", "비상연락", "비상 연락"]),
    (Attribute::Name, &["patient's name", "full name", "name of the patient", "patient name", "영문 이름", "영문이름", "한글 이름", "스펠링", "spelling", "what is his name", "what is her name", "english name", "name", "이름", "성함", "성명"]),
    (Attribute::Named("race"), &["race", "인종"]),
    (Attribute::Named("ethnicity"), &["ethnicity", "민족"]),
    (Attribute::Named("generalPractitioner"), &["primary care", "pcp", "general practitioner", "주치의는 누구"]),
];

/// Words that carry nothing to look for.
pub(super) const STOP: &[&str] = &[
    "doses", "plan", "insurance", "dose", "episode", "episodes", "baby", "home", "marked", "kid", "child", "saw", "two", "file", "board", "unit", "units", "score", "scores", "full", "conflicting", "observation", "observations", "ve", "ll", "d", "m",
    "entry", "entries", "charted", "exact", "name", "names", "called", "seen", "mention", "mentions", "written", "wrote", "birth", "last", "latest", "first", "bring", "around", "through", "remain", "remains", "every", "pull", "quote", "gave",
    "individual", "gentleman", "lady", "guy", "woman", "man", "boy", "girl", "ever", "looks", "looking", "trend", "running", "run", "runs", "comes", "found", "happening", "doing", "prior", "three", "four", "five", "once", "twice", "half",
    "resolved", "active", "inactive", "final", "us", "our", "let's", "remind", "anything", "something", "everything", "nothing", "sure", "okay", "ok", "correct", "true", "right", "wrong", "compared", "together", "along", "plus", "incl", "including",
    "apart", "except", "besides", "aside", "well", "within", "without", "across", "against", "among", "held", "hold", "kept", "keep", "stay", "stayed", "leave", "left", "turn", "turned", "became", "become", "seem", "seems", "appear", "appears", "e.g", "i.e", "etc", "vs",
    "follow", "follow-up", "followup", "visit", "visits", "session", "sessions", "course", "panel", "lookup", "search", "documentation", "overview", "complete", "completely", "exist", "exists", "existing", "available", "there's", "onset", "end", "ended", "ending",
    "a", "an", "the", "and", "or", "of", "to", "in", "on", "at", "for", "with", "by", "from", "as", "is", "are", "was", "were", "be", "been", "being", "am", "do", "does", "did", "done", "doing", "has", "have", "had",
    "having", "this", "that", "these", "those", "it", "its", "he", "she", "him", "his", "her", "hers", "they", "them", "their", "we", "us", "i", "me", "my", "you", "your", "patient", "patients", "pt", "pts", "person",
    "what", "what's", "whats", "s", "t", "there", "any", "some", "please", "pls", "plz", "show", "tell", "give", "find", "get", "can", "could", "would", "will", "may", "might", "let", "know", "see", "look", "up", "about",
    "so", "far", "then", "than", "also", "just", "only", "not", "no", "yes", "if", "out", "into", "during", "time", "times", "date", "value", "values", "level", "levels", "number", "reading", "readings", "result", "results",
    "record", "records", "recorded", "chart", "file", "documented", "noted", "mentioned", "listed", "known", "reported", "measured", "taken", "given", "received", "receive", "gotten", "got", "get", "performed", "ordered", "order",
    "checked", "check", "tested", "test", "started", "start", "began", "begin", "used", "use", "using", "put", "made", "make", "come", "came", "back", "go", "went", "like", "mr", "mrs", "ms", "dr", "doc", "hey", "hi", "hello",
    "thanks", "thank", "need", "want", "quick", "quickly", "exactly", "currently", "current", "still", "ever", "yet", "now", "old", "many", "much", "more", "most", "least", "other", "another", "each", "per", "how", "when",
    "where", "who", "why", "which", "whether", "been", "before", "after", "since", "until", "between", "over", "under", "above", "below", "all", "list", "one", "ones", "thing", "things", "case", "history", "hx", "past",
    "status", "type", "kind", "kinds", "it's", "he's", "she's", "isn't", "doesn't", "re", "regarding", "concerning", "via", "due", "long", "ago", "day", "days", "week", "weeks", "month", "months", "year", "years", "info",
    "information", "details", "detail", "data", "say", "says", "said", "don", "didn", "wasn", "hasn", "haven", "off", "down", "total", "overall", "both", "either", "same", "different", "new", "side", "kg", "cm", "mg", "dl", "ml", "mmhg", "mmol", "meq", "bpm", "percent",
    "clinical", "medical", "health", "serum", "plasma", "blood", "right", "actual", "actually", "confirmed", "suffer", "suffering", "diagnosed", "undergo", "undergone", "underwent", "happened", "happen", "experience", "experienced", "present",
];

/// Pieces of which the rest of a Korean word may consist: particles, endings, light verbs, politeness.
pub(super) const PIECES: &[&str] = &[
    "같은데", "같은", "뭐뭐", "뭐뭐로", "서로", "안", "맞는", "혈액", "돼", "돼있",
    "뽑아", "뽑아줘", "불러", "불러줘", "비율", "재", "논", "언젠", "언젠지", "잡혀", "잡힌", "작성", "작성된", "등록", "등록된", "영문", "한글", "스펠링", "유효", "유효한", "안", "걸려", "걸린", "서명", "본인", "거부", "거부하", "거부한", "올라갔", "내려갔", "까지", "얘기", "물어", "참고", "요청", "추가", "변경", "조정", "진행", "발생", "있다", "없다", "한다", "된다", "이다", "거예요", "건데", "싶은데", "느낌", "문의", "급", "빨리", "대신", "쯤",
    "주사", "거리", "중단", "유지", "처리", "남", "두고", "세트",
    "야", "몇", "몇이", "차", "기", "점", "두", "세", "네", "한", "라던데", "던데", "대요", "래요", "라고", "라는", "다고", "뭐라고", "적혀", "적힌", "적어", "적어줘", "정확히", "정확하게", "그대로", "기준", "들", "것들", "항목", "중에", "이랑", "랑", "유지", "말고", "아니면", "아니라", "때문", "때문에",
    "남아", "남아있", "는데", "은데", "데", "나타났", "나타난", "며칠", "몇일", "입소", "들어가", "들어가고", "들어갔", "정리", "올라온", "뜬", "확정", "최종", "첫", "처음", "그", "날", "언제언제", "동안", "총", "합쳐", "각각", "얼마", "만", "나이", "순", "순서", "순으로", "차례", "같이", "함께", "뿐", "밖에", "씩",
    "였", "여", "여요", "이라", "이고", "이며", "이면", "면", "으면", "려", "려고", "고", "고서", "서", "아서", "어서", "느", "니다", "ㄴ", "래", "라", "자", "죠", "구", "군", "네요", "군요", "거든", "잖아", "봤", "본", "보", "보면", "보여", "쪽", "편", "제", "내", "네", "즉", "아직", "계속", "이제", "원래", "의사", "선생님", "담당", "주치의", "간호", "파악", "체크", "리뷰", "설명", "대략", "자세히", "상세", "상세히", "간략", "간략히",
    "도로", "단위", "포함", "포함해서", "포함한", "제외", "제외하고", "빼고", "외에", "외", "까지의", "부터의", "에는", "에도", "에서는", "으로는", "로는", "으로도", "와는", "과는", "하고는", "이라는", "라면", "이었어", "였어", "었어", "았어", "였죠", "었죠", "았죠", "했죠", "하죠", "되죠", "있죠", "없죠", "맞죠", "맞지", "있지", "없지", "했지", "였지", "되지", "하지", "지금", "지금도", "걸로", "거로", "것으로", "나와", "나와요", "나와있", "되어", "돼있", "돼", "찍힌", "남긴", "마지막", "한번", "번째", "째",
    "은", "는", "이", "가", "을", "를", "의", "에", "에서", "에게", "로", "으로", "와", "과", "도", "만", "까지", "부터", "나", "이나", "든지", "라도", "보다", "처럼", "마다", "대로", "께서", "한테", "랑", "이랑", "하고", "인", "인가", "인가요", "인지", "인데", "였", "이었",
    "입니까", "입니다", "이에요", "예요", "이죠", "죠", "지", "지요", "나요", "가요", "까", "까요", "요", "어", "어요", "아", "아요", "해", "해요", "했", "하", "하는", "하셨", "하신", "하나", "하나요", "합니까", "합니다", "했나", "했나요", "했는지", "했던", "했어", "했어요", "했습니까", "한", "할", "함", "하여", "하던",
    "되", "된", "될", "되는", "되었", "됐", "되나", "되나요", "돼", "돼요", "됩니까", "되어", "되셨", "있", "있나", "있나요", "있는", "있는지", "있어", "있어요", "있습니까", "있습니다", "있었", "있었나", "있었나요", "있던", "있음", "있을", "있으", "있으신", "있으신가요", "있고", "없", "없는", "없나", "없나요", "없는지", "없음",
    "받", "받은", "받았", "받는", "받고", "받으", "받을", "받아", "맞", "맞은", "맞았", "맞는", "맞나", "맞나요", "적", "적이", "적은", "번", "건", "회", "개", "명", "때", "중", "간", "동안", "후", "전", "이전", "이후", "당시", "쯤", "정도", "경우", "것", "거", "게", "걸", "건가요", "건지", "뭐", "뭔가요", "뭔지", "뭐야", "뭐예요", "뭐죠", "뭔", "무엇", "무엇인", "무슨", "무언가", "뭘",
    "어떤", "어떻", "어떻게", "어때", "어떠", "어떠한", "어땠", "어느", "얼마", "얼마나", "언제", "누구", "누가", "어디", "왜", "그", "그리고", "및", "또는", "혹은", "혹시", "좀", "더", "다", "또", "만약", "이", "저", "본", "해당", "환자", "환자분", "환자님", "분", "님", "씨", "분이", "이분", "그분", "저희", "우리",
    "알려", "알려줘", "알려주세요", "알려줄래", "보여", "보여줘", "보여주세요", "말해", "말해줘", "말씀해", "주세요", "줘", "줄래", "주실", "주십시오", "달라", "부탁", "부탁해", "부탁드립니다", "확인", "확인해", "조회", "조회해", "찾아", "찾아줘", "궁금", "궁금해", "궁금합니다", "싶", "싶어", "싶습니다", "볼", "봐", "봐줘", "가르쳐",
    "습니까", "습니다", "ㅂ니까", "니까", "니", "냐", "느냐", "는가", "는가요", "는지", "던", "던가", "셨", "셨나", "셨나요", "시", "신", "신가", "신가요", "실", "으시", "으신", "으셨", "았", "었", "았나", "었나", "았는지", "었는지", "았던", "었던", "였나", "였나요", "였던", "였는지", "이었나요", "렸", "린",
    "기록", "기록된", "기록상", "기록에", "차트", "차트상", "내용", "결과", "값", "수치", "검사", "측정", "측정된", "측정한", "시행", "시행된", "시행한", "나온", "나왔", "나오", "찍은", "찍었", "찍", "잰", "쟀", "재", "들어", "들어온", "나간", "온", "오", "왔", "간", "갔", "쓴", "썼", "쓰", "먹", "드시", "복용", "투여", "처방", "진단", "시작", "시작한", "시작했", "시작된", "사용", "치료", "치료한", "관련", "관련된", "대한", "대해", "관해", "위해", "위한", "따른", "통해",
    "피우", "피운", "마시", "마신", "맞", "걸린", "걸렸", "앓", "생긴", "생겼", "나타", "의심", "가장", "제일", "매우", "아주", "총", "전체", "모두", "모든", "전부", "각", "각각", "현재", "지금", "최근", "마지막", "이번", "지난", "다음", "오늘", "어제", "올해", "작년", "과거", "평소", "항상", "보통", "일단", "그럼", "그러면", "그때", "년", "월", "일", "주", "세", "살", "시간", "날", "날짜", "상태", "여부", "종류", "목록", "이름", "정보", "상황", "경과", "시점", "이력", "병원", "본원", "우리병원", "넘", "넘은", "넘었", "넘는", "이상", "이하", "미만", "초과", "보다", "높", "낮", "떨어", "떨어진", "올라", "오른", "밑", "아래", "위", "좋", "나쁘",
];

/// Words by which a number becomes a lower bound (English before it, Korean behind it); `true`: the bound itself counts.
pub(super) const ABOVE: &[(&str, bool)] = &[
    ("greater than or equal to", true), ("at least", true), (">=", true), ("≥", true), ("above", false), ("over", false), ("greater than", false), ("more than", false), ("higher than", false), ("exceed", false), ("exceeded", false), ("exceeding", false), ("exceeds", false), (">", false), ("past", false),
];
pub(super) const BELOW: &[(&str, bool)] = &[
    ("less than or equal to", true), ("at most", true), ("<=", true), ("≤", true), ("below", false), ("under", false), ("less than", false), ("lower than", false), ("beneath", false), ("dropped to", true), ("<", false),
];
pub(super) const ABOVE_KO: &[(&str, bool)] = &[("이상", true), ("초과", false), ("을 넘", false), ("를 넘", false), ("넘", false), ("보다 높", false), ("보다 큰", false), ("보다 컸", false), ("보다 많", false), ("위로", false), ("이 넘", false), ("가 넘", false)];
pub(super) const BELOW_KO: &[(&str, bool)] = &[("이하", true), ("미만", false), ("보다 낮", false), ("보다 작", false), ("보다 적", false), ("밑으로", false), ("밑", false), ("아래로", false), ("아래", false), ("안 되", false), ("안되", false)];

/// States of entries that a question may ask for, by the codes in which entries have them.
pub(super) const STATES: &[(&[&str], &[&str])] = &[
    (&["on-hold", "suspended"], &["on hold", "held", "hold", "보류"]),
    (&["unconfirmed", "provisional", "differential"], &["unconfirmed", "not confirmed", "확인 안 된", "확인 안된", "확인되지 않은", "미확진", "미확인", "unverified", "provisional"]),
    (&["preliminary", "partial", "registered", "draft"], &["preliminary", "예비", "잠정", "서명 안", "서명(확정) 안", "서명 안 된", "미서명", "unsigned", "확정 안 된", "확정 안된", "not final", "not yet final"]),
    (&["corrected", "amended", "appended"], &["corrected", "amended", "정정", "수정된"]),
    (&["planned", "proposed", "intended"], &["planned", "예정"]),
];
