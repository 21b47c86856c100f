//! Diagnoses: KCD with Korean words, SNOMED CT with English ones.

use crate::codes::{Concept, System, code};

const fn disease(kcd: &'static str, korean: &'static str, sct: &'static str, english: &'static str) -> Concept {
    Concept::two(code(System::Kcd, kcd, korean), code(System::Snomed, sct, english))
}

pub(crate) const TYPE_2_DIABETES: Concept =
    disease("E11.9", "합병증을 동반하지 않은 2형 당뇨병", "44054006", "Type 2 diabetes mellitus");
pub(crate) const DIABETIC_KIDNEY: Concept =
    disease("E11.2", "신장합병증을 동반한 2형 당뇨병", "127013003", "Disorder of kidney due to diabetes mellitus");
pub(crate) const HYPERTENSION: Concept =
    disease("I10.9", "기타 및 상세불명의 원발성 고혈압", "59621000", "Essential hypertension");
pub(crate) const DYSLIPIDAEMIA: Concept = disease("E78.5", "상세불명의 고지질혈증", "55822004", "Hyperlipidemia");
pub(crate) const CKD_3: Concept = disease("N18.3", "만성 콩팥병(3기)", "433144002", "Chronic kidney disease stage 3");
pub(crate) const CKD_4: Concept = disease("N18.4", "만성 콩팥병(4기)", "431857002", "Chronic kidney disease stage 4");
pub(crate) const RENAL_ANAEMIA: Concept =
    disease("D63.8", "달리 분류된 기타 만성 질환에서의 빈혈", "271737000", "Anemia");
pub(crate) const GOUT: Concept = disease("M10.9", "상세불명의 통풍", "90560007", "Gout");
pub(crate) const ATRIAL_FIBRILLATION: Concept =
    disease("I48.9", "상세불명의 심방세동 및 심방조동", "49436004", "Atrial fibrillation");
pub(crate) const HEART_FAILURE: Concept = disease("I50.9", "상세불명의 심부전", "84114007", "Heart failure");
pub(crate) const OLD_INFARCTION: Concept =
    disease("I25.2", "오래된 심근경색증", "1755008", "Old myocardial infarction");
pub(crate) const STROKE: Concept = disease("I63.9", "상세불명의 뇌경색증", "422504002", "Ischemic stroke");
pub(crate) const COPD: Concept =
    disease("J44.9", "상세불명의 만성 폐쇄성 폐질환", "13645005", "Chronic obstructive lung disease");
pub(crate) const COPD_EXACERBATION: Concept = disease(
    "J44.1",
    "급성 악화를 동반한 상세불명의 만성 폐쇄성 폐질환",
    "195951007",
    "Acute exacerbation of chronic obstructive airways disease",
);
pub(crate) const ASTHMA: Concept = disease("J45.9", "상세불명의 천식", "195967001", "Asthma");
pub(crate) const PNEUMONIA: Concept = disease("J18.9", "상세불명의 폐렴", "233604007", "Pneumonia");
pub(crate) const PULMONARY_EMBOLISM: Concept =
    disease("I26.9", "급성 폐성심에 대한 언급이 없는 폐색전증", "59282003", "Pulmonary embolism");
pub(crate) const TUBERCULOSIS: Concept =
    disease("A16.2", "세균학적 또는 조직학적 확인에 대한 언급이 없는 폐결핵", "154283005", "Pulmonary tuberculosis");
pub(crate) const ALLERGIC_RHINITIS: Concept =
    disease("J30.4", "상세불명의 알레르기비염", "61582004", "Allergic rhinitis");
pub(crate) const ATOPIC_DERMATITIS: Concept =
    disease("L20.9", "상세불명의 아토피피부염", "24079001", "Atopic dermatitis");
pub(crate) const HYPOTHYROIDISM: Concept =
    disease("E03.9", "상세불명의 갑상선기능저하증", "40930008", "Hypothyroidism");
pub(crate) const BREAST_CANCER: Concept =
    disease("C50.9", "상세불명의 유방의 악성 신생물", "254837009", "Malignant neoplasm of breast");
pub(crate) const GASTRIC_CANCER: Concept =
    disease("C16.9", "상세불명의 위의 악성 신생물", "363349007", "Malignant tumor of stomach");
pub(crate) const COLON_CANCER: Concept =
    disease("C18.9", "상세불명의 결장의 악성 신생물", "363406005", "Malignant tumor of colon");
pub(crate) const NEUTROPENIA: Concept = disease("D70", "무과립구증", "165517008", "Neutropenia");
pub(crate) const HEPATITIS_B: Concept =
    disease("B18.1", "델타-병원체가 없는 만성 바이러스B형간염", "61977001", "Chronic type B viral hepatitis");
pub(crate) const CIRRHOSIS: Concept = disease("K74.6", "기타 및 상세불명의 간경변증", "19943007", "Cirrhosis of liver");
pub(crate) const IRON_DEFICIENCY: Concept =
    disease("D50.9", "상세불명의 철결핍빈혈", "87522002", "Iron deficiency anemia");
pub(crate) const MYOMA: Concept = disease("D25.9", "상세불명의 자궁의 평활근종", "95315005", "Uterine leiomyoma");
pub(crate) const PREGNANCY: Concept = disease("Z34.9", "상세불명의 정상임신의 관리", "77386006", "Pregnancy");
pub(crate) const DELIVERY: Concept = disease("O80.9", "상세불명의 단일 자연분만", "48782003", "Delivery normal");
pub(crate) const GESTATIONAL_DIABETES: Concept =
    disease("O24.4", "임신중 생긴 당뇨병", "11687002", "Gestational diabetes mellitus");
pub(crate) const HIP_FRACTURE: Concept =
    disease("S72.00", "대퇴골 경부의 골절, 폐쇄성", "5913000", "Fracture of neck of femur");
pub(crate) const OSTEOPOROSIS: Concept = disease("M81.9", "상세불명의 골다공증", "64859006", "Osteoporosis");
pub(crate) const DELIRIUM: Concept = disease("F05.9", "상세불명의 섬망", "2776000", "Delirium");
pub(crate) const KNEE_ARTHRITIS: Concept =
    disease("M17.9", "상세불명의 무릎관절증", "239873007", "Osteoarthritis of knee");
pub(crate) const REFLUX: Concept =
    disease("K21.9", "식도염을 동반하지 않은 위-식도역류병", "235595009", "Gastroesophageal reflux disease");
pub(crate) const OTITIS: Concept = disease("H66.9", "상세불명의 중이염", "65363002", "Otitis media");
pub(crate) const BRONCHIOLITIS: Concept =
    disease("J21.9", "상세불명의 급성 세기관지염", "5505005", "Acute bronchiolitis");
pub(crate) const GASTROENTERITIS: Concept =
    disease("A09.9", "상세불명 기원의 위장염 및 결장염", "25374005", "Gastroenteritis");
pub(crate) const URINARY_INFECTION: Concept =
    disease("N39.0", "부위가 명시되지 않은 요로감염", "68566005", "Urinary tract infectious disease");
pub(crate) const UPPER_RESPIRATORY: Concept =
    disease("J06.9", "상세불명의 급성 상기도감염", "54150009", "Upper respiratory infection");
pub(crate) const INSOMNIA: Concept = disease("G47.0", "수면 개시 및 유지 장애[불면증]", "193462001", "Insomnia");
pub(crate) const ACUTE_KIDNEY_INJURY: Concept =
    disease("N17.9", "상세불명의 급성 신부전", "14669001", "Acute renal failure syndrome");
pub(crate) const BLEEDING: Concept = disease("K92.2", "상세불명의 위장출혈", "74474003", "Gastrointestinal hemorrhage");
pub(crate) const CHECKUP: Concept = Concept::two(
    code(System::Kcd, "Z00.0", "일반적 의학검사"),
    code(System::Local, "D01", "General medical examination"),
);
pub(crate) const SLEEP_APNOEA: Concept = disease("G47.3", "수면무호흡", "73430006", "Sleep apnea");
