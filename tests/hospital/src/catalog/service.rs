//! What the hospital does: procedures, imaging and other studies, vaccines, documents.

use crate::codes::{Code, Concept, System, code};

const fn procedure(edi: &'static str, korean: &'static str, sct: &'static str, english: &'static str) -> Concept {
    Concept::two(code(System::Edi, edi, korean), code(System::Snomed, sct, english))
}

/// A procedure whose English name is the hospital's own.
const fn known_here(edi: &'static str, korean: &'static str, local: &'static str, english: &'static str) -> Concept {
    Concept::two(code(System::Edi, edi, korean), code(System::Local, local, english))
}

pub(crate) const GASTROSCOPY: Concept =
    procedure("ZE7611", "상부소화관 내시경검사", "76009000", "Esophagogastroduodenoscopy");
pub(crate) const COLONOSCOPY: Concept = procedure("ZE7660", "대장내시경검사", "73761001", "Colonoscopy");
pub(crate) const GASTRECTOMY: Concept = procedure("ZQ2533", "복강경하 위아전절제술", "53442002", "Gastrectomy");
pub(crate) const HEMICOLECTOMY: Concept =
    procedure("ZQ2671", "복강경하 우측결장절제술", "43075005", "Partial resection of colon");
pub(crate) const LUMPECTOMY: Concept = procedure("ZN7136", "유방보존수술", "392021009", "Lumpectomy of breast");
pub(crate) const CORONARY_INTERVENTION: Concept =
    procedure("ZM6561", "경피적 관상동맥중재술", "415070008", "Percutaneous coronary intervention");
pub(crate) const HEMIARTHROPLASTY: Concept =
    known_here("ZN2710", "인공관절치환술-반치환[고관절]", "Q02", "Hemiarthroplasty of hip");
pub(crate) const NORMAL_DELIVERY: Concept = procedure("ZR4351", "정상분만", "177184002", "Normal delivery procedure");
pub(crate) const CHEMOTHERAPY: Concept = procedure("ZKK155", "항암화학요법", "367336001", "Chemotherapy");
pub(crate) const THROMBOLYSIS: Concept = known_here("ZM6633", "정맥내 혈전용해술", "Q03", "Intravenous thrombolysis");
pub(crate) const TRANSFUSION: Concept =
    procedure("ZX2022", "농축적혈구 수혈", "116863004", "Transfusion of red blood cells");
pub(crate) const SPIROMETRY: Concept = procedure("ZF6002", "폐활량검사", "127783003", "Spirometry");

/// A study that ends in a written report, by its place in the hospital's catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Study {
    pub(crate) what: Concept,
    /// Diagnostic section, table 0074.
    pub(crate) section: &'static str,
}

const fn study(section: &'static str, local: &'static str, korean: &'static str, first: Option<Code>) -> Study {
    let own = code(System::Local, local, korean);
    let what = match first {
        Some(first) => Concept::two(first, own),
        None => Concept::one(own),
    };
    Study { what, section }
}

const fn loinc(number: &'static str, display: &'static str) -> Option<Code> {
    Some(code(System::Loinc, number, display))
}

pub(crate) const CHEST_FILM: Study = study("RX", "G2101", "흉부 X선 PA/Lat", loinc("36643-5", "XR Chest 2 Views"));
pub(crate) const CHEST_CT: Study = study("CT", "G3105", "흉부 CT(조영)", loinc("24628-0", "CT Chest W contrast IV"));
pub(crate) const ABDOMEN_CT: Study =
    study("CT", "G3112", "복부·골반 CT(조영)", loinc("36813-4", "CT Abdomen and Pelvis W contrast IV"));
pub(crate) const HEAD_CT: Study = study("CT", "G3101", "뇌 CT(비조영)", loinc("30799-1", "CT Head WO contrast"));
pub(crate) const BRAIN_MRI: Study = study("NMR", "G4101", "뇌 MRI(확산강조 포함)", loinc("24590-2", "MR Brain"));
pub(crate) const ABDOMEN_ULTRASOUND: Study = study("RUS", "G5101", "복부 초음파", loinc("24558-9", "US Abdomen"));
pub(crate) const MAMMOGRAPHY: Study = study("RAD", "G2201", "유방촬영술", loinc("24606-6", "MG Breast Screening"));
pub(crate) const HIP_FILM: Study = study("RX", "G2305", "고관절 X선", loinc("24762-7", "XR Hip Views"));
pub(crate) const ECHO: Study = study("CUS", "E6541", "경흉부 심초음파", loinc("34552-0", "Cardiac 2D echo panel"));
pub(crate) const ECG: Study = study("EC", "E6541A", "12유도 심전도", loinc("11524-6", "EKG study"));
pub(crate) const BONE_DENSITY: Study =
    study("RAD", "G2401", "골밀도검사(DXA)", loinc("38269-7", "DXA Skeletal system Views for bone density"));
pub(crate) const OBSTETRIC_ULTRASOUND: Study =
    study("OUS", "G5201", "산전 초음파", loinc("11525-3", "US Pelvis and Fetus for pregnancy"));
pub(crate) const ENDOSCOPY: Study = study(
    "GI",
    "E7611R",
    "상부소화관 내시경 판독",
    Some(code(System::Local, "E7611RE", "Upper gastrointestinal endoscopy report")),
);
pub(crate) const COLON_ENDOSCOPY: Study =
    study("GI", "E7660R", "대장내시경 판독", Some(code(System::Local, "E7660RE", "Colonoscopy report")));
pub(crate) const SURGICAL_PATHOLOGY: Study = study("SP", "C5911", "조직병리검사", loinc("11526-1", "Pathology study"));
pub(crate) const LUNG_FUNCTION: Study =
    study("PF", "F6002R", "폐기능검사 판독", Some(code(System::Local, "F6002RE", "Pulmonary function test report")));

/// A vaccine: CVX and the Korean name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vaccine {
    pub(crate) what: Concept,
    pub(crate) maker: &'static str,
}

const fn vaccine(cvx: &'static str, english: &'static str, local: &'static str, korean: &'static str) -> Vaccine {
    let what = Concept::two(code(System::Cvx, cvx, english), code(System::Local, local, korean));
    Vaccine { what, maker: "가온백신" }
}

pub(crate) const INFLUENZA: Vaccine =
    vaccine("150", "influenza, injectable, quadrivalent, preservative free", "V01", "인플루엔자 백신");
pub(crate) const PNEUMOCOCCAL_23: Vaccine =
    vaccine("33", "pneumococcal polysaccharide PPV23", "V02", "폐렴구균 23가 다당질 백신");
pub(crate) const PNEUMOCOCCAL_13: Vaccine =
    vaccine("133", "Pneumococcal conjugate PCV 13", "V03", "폐렴구균 13가 단백결합 백신");
pub(crate) const ZOSTER: Vaccine = vaccine("187", "zoster recombinant", "V04", "대상포진 백신");
pub(crate) const COVID: Vaccine =
    vaccine("208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose", "V05", "코로나19 백신");
pub(crate) const TDAP: Vaccine = vaccine("115", "Tdap", "V06", "파상풍·디프테리아·백일해 백신(Tdap)");
pub(crate) const HEPATITIS_B_ADULT: Vaccine = vaccine("43", "Hep B, adult", "V07", "B형간염 백신(성인)");
pub(crate) const HEPATITIS_B_CHILD: Vaccine =
    vaccine("08", "Hep B, adolescent or pediatric", "V08", "B형간염 백신(소아)");
pub(crate) const BCG: Vaccine = vaccine("19", "BCG", "V09", "BCG 백신");
pub(crate) const DTAP: Vaccine = vaccine("20", "DTaP", "V10", "디프테리아·파상풍·백일해 백신(DTaP)");
pub(crate) const POLIO: Vaccine = vaccine("10", "IPV", "V11", "폴리오 백신");
pub(crate) const MMR: Vaccine = vaccine("03", "MMR", "V12", "홍역·유행성이하선염·풍진 백신");
pub(crate) const VARICELLA: Vaccine = vaccine("21", "varicella", "V13", "수두 백신");
pub(crate) const ENCEPHALITIS: Vaccine = vaccine("134", "Japanese Encephalitis IM", "V14", "일본뇌염 불활성화 백신");

/// A kind of document: LOINC and the Korean name.
const fn document(number: &'static str, english: &'static str, local: &'static str, korean: &'static str) -> Concept {
    Concept::two(code(System::Loinc, number, english), code(System::Local, local, korean))
}

pub(crate) const ADMISSION_NOTE: Concept = document("34117-2", "History and physical note", "T01", "입원초진기록");
pub(crate) const PROGRESS_NOTE: Concept = document("11506-3", "Progress note", "T02", "경과기록");
pub(crate) const DISCHARGE_SUMMARY: Concept = document("18842-5", "Discharge summary", "T03", "퇴원요약");
pub(crate) const CLINIC_NOTE: Concept = document("34108-1", "Outpatient Note", "T04", "외래경과기록");
pub(crate) const EMERGENCY_NOTE: Concept = document("34878-9", "Emergency medicine Note", "T05", "응급실기록");
pub(crate) const OPERATION_NOTE: Concept = document("11504-8", "Surgical operation note", "T06", "수술기록");
pub(crate) const NURSING_NOTE: Concept = document("34746-8", "Nurse Note", "T07", "간호기록");

/// Social history, asked at registration and check-ups.
pub(crate) const SMOKING: Concept =
    Concept::two(code(System::Loinc, "72166-2", "Tobacco smoking status"), code(System::Local, "S01", "흡연 상태"));
pub(crate) const ALCOHOL: Concept =
    Concept::two(code(System::Loinc, "11331-6", "History of Alcohol use"), code(System::Local, "S02", "음주력"));
pub(crate) const NEVER_SMOKER: Concept =
    Concept::two(code(System::Snomed, "266919005", "Never smoked tobacco"), code(System::Local, "S11", "비흡연"));
pub(crate) const FORMER_SMOKER: Concept =
    Concept::two(code(System::Snomed, "8517006", "Ex-smoker"), code(System::Local, "S12", "과거 흡연"));
pub(crate) const CURRENT_SMOKER: Concept =
    Concept::two(code(System::Snomed, "77176002", "Smoker"), code(System::Local, "S13", "현재 흡연"));

const fn allergen(sct: &'static str, english: &'static str, local: &'static str, korean: &'static str) -> Concept {
    Concept::two(code(System::Snomed, sct, english), code(System::Local, local, korean))
}

pub(crate) const PENICILLIN: Concept = allergen("764146007", "Penicillin", "X01", "페니실린");
pub(crate) const VANCOMYCIN: Concept = allergen("372735009", "Vancomycin", "X02", "반코마이신");
pub(crate) const CONTRAST: Concept = allergen("426722004", "Iodinated contrast media", "X03", "요오드 조영제");
pub(crate) const ASPIRIN_ALLERGEN: Concept = allergen("387458008", "Aspirin", "X04", "아스피린");
pub(crate) const SULFONAMIDE: Concept =
    Concept::two(code(System::Local, "X05", "설폰아미드"), code(System::Local, "X05E", "Sulfonamide"));
pub(crate) const SHRIMP: Concept = allergen("735029006", "Shellfish", "X06", "갑각류");
pub(crate) const PEANUT: Concept = allergen("762952008", "Peanut", "X07", "땅콩");
pub(crate) const EGG: Concept = allergen("102263004", "Eggs", "X08", "달걀");
pub(crate) const MITE: Concept = allergen("260147004", "House dust mite", "X09", "집먼지진드기");
pub(crate) const NO_KNOWN_ALLERGY: Concept = allergen("716186003", "No known allergy", "X00", "알려진 알레르기 없음");
