//! Drugs by ingredient and strength: a number in the form of the Korean drug code with the Korean name, ATC with the
//! English one.

use crate::codes::{Code, Concept, System, code};

/// A product as the pharmacy stocks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drug {
    pub(crate) name: Concept,
    /// What a dose is counted in: the unit as shown and its UCUM code.
    pub(crate) unit: (&'static str, &'static str),
    pub(crate) route: Code,
}

const TABLET: (&str, &str) = ("정", "{tbl}");
const CAPSULE: (&str, &str) = ("캡슐", "{cap}");
const PUFF: (&str, &str) = ("puff", "{puff}");
const BY_MOUTH: Code = code(System::Table("0162"), "PO", "Oral");
const IN_VEIN: Code = code(System::Table("0162"), "IV", "Intravenous");
const UNDER_SKIN: Code = code(System::Table("0162"), "SC", "Subcutaneous");
const INHALED: Code = code(System::Table("0162"), "IH", "Inhalation");

const fn drug(
    number: &'static str,
    korean: &'static str,
    atc: &'static str,
    english: &'static str,
    unit: (&'static str, &'static str),
    route: Code,
) -> Drug {
    let name = Concept::two(code(System::Drug, number, korean), code(System::Atc, atc, english));
    Drug { name, unit, route }
}

const fn tablet(number: &'static str, korean: &'static str, atc: &'static str, english: &'static str) -> Drug {
    drug(number, korean, atc, english, TABLET, BY_MOUTH)
}

const fn capsule(number: &'static str, korean: &'static str, atc: &'static str, english: &'static str) -> Drug {
    drug(number, korean, atc, english, CAPSULE, BY_MOUTH)
}

const fn infusion(number: &'static str, korean: &'static str, atc: &'static str, english: &'static str) -> Drug {
    drug(number, korean, atc, english, ("g", "g"), IN_VEIN)
}

const fn chemotherapy(number: &'static str, korean: &'static str, atc: &'static str, english: &'static str) -> Drug {
    drug(number, korean, atc, english, ("mg", "mg"), IN_VEIN)
}

pub(crate) const METFORMIN: Drug = tablet("980000101", "메트포르민염산염정 500mg", "A10BA02", "metformin 500 mg");
pub(crate) const GLIMEPIRIDE: Drug = tablet("980000102", "글리메피리드정 2mg", "A10BB12", "glimepiride 2 mg");
pub(crate) const SITAGLIPTIN: Drug = tablet("980000103", "시타글립틴정 100mg", "A10BH01", "sitagliptin 100 mg");
pub(crate) const LINAGLIPTIN: Drug = tablet("980000104", "리나글립틴정 5mg", "A10BH05", "linagliptin 5 mg");
pub(crate) const EMPAGLIFLOZIN: Drug = tablet("980000105", "엠파글리플로진정 10mg", "A10BK03", "empagliflozin 10 mg");
pub(crate) const GLARGINE: Drug = drug(
    "980000106",
    "인슐린글라진주 100단위/mL",
    "A10AE04",
    "insulin glargine 100 units/mL",
    ("단위", "[IU]"),
    UNDER_SKIN,
);
pub(crate) const AMLODIPINE: Drug = tablet("980000201", "암로디핀베실산염정 5mg", "C08CA01", "amlodipine 5 mg");
pub(crate) const LOSARTAN: Drug = tablet("980000202", "로사르탄칼륨정 50mg", "C09CA01", "losartan 50 mg");
pub(crate) const TELMISARTAN: Drug = tablet("980000203", "텔미사르탄정 40mg", "C09CA07", "telmisartan 40 mg");
pub(crate) const HYDROCHLOROTHIAZIDE: Drug =
    tablet("980000204", "히드로클로로티아지드정 25mg", "C03AA03", "hydrochlorothiazide 25 mg");
pub(crate) const BISOPROLOL: Drug = tablet("980000205", "비소프롤롤푸마르산염정 2.5mg", "C07AB07", "bisoprolol 2.5 mg");
pub(crate) const FUROSEMIDE: Drug = tablet("980000206", "푸로세미드정 40mg", "C03CA01", "furosemide 40 mg");
pub(crate) const SPIRONOLACTONE: Drug = tablet("980000207", "스피로노락톤정 25mg", "C03DA01", "spironolactone 25 mg");
pub(crate) const SACUBITRIL: Drug =
    tablet("980000208", "사쿠비트릴·발사르탄정 50mg", "C09DX04", "sacubitril/valsartan 50 mg");
pub(crate) const ATORVASTATIN: Drug = tablet("980000209", "아토르바스타틴칼슘정 20mg", "C10AA05", "atorvastatin 20 mg");
pub(crate) const ROSUVASTATIN: Drug = tablet("980000210", "로수바스타틴칼슘정 10mg", "C10AA07", "rosuvastatin 10 mg");
pub(crate) const ASPIRIN: Drug = tablet("980000211", "아스피린장용정 100mg", "B01AC06", "aspirin 100 mg");
pub(crate) const CLOPIDOGREL: Drug = tablet("980000212", "클로피도그렐정 75mg", "B01AC04", "clopidogrel 75 mg");
pub(crate) const WARFARIN: Drug = tablet("980000213", "와파린나트륨정 2mg", "B01AA03", "warfarin 2 mg");
pub(crate) const APIXABAN: Drug = tablet("980000214", "아픽사반정 5mg", "B01AF02", "apixaban 5 mg");
pub(crate) const DIGOXIN: Drug = tablet("980000215", "디곡신정 0.25mg", "C01AA05", "digoxin 0.25 mg");
pub(crate) const LEVOTHYROXINE: Drug =
    tablet("980000301", "레보티록신나트륨정 50μg", "H03AA01", "levothyroxine 50 mcg");
pub(crate) const TIOTROPIUM: Drug =
    drug("980000401", "티오트로퓸흡입제 2.5μg", "R03BB04", "tiotropium 2.5 mcg", PUFF, INHALED);
pub(crate) const SALBUTAMOL: Drug =
    drug("980000402", "살부타몰흡입제 100μg", "R03AC02", "salbutamol 100 mcg", PUFF, INHALED);
pub(crate) const BUDESONIDE: Drug = drug(
    "980000403",
    "부데소니드·포르모테롤흡입제 160/4.5μg",
    "R03AK07",
    "budesonide/formoterol 160/4.5 mcg",
    PUFF,
    INHALED,
);
pub(crate) const MONTELUKAST: Drug = tablet("980000404", "몬테루카스트츄정 5mg", "R03DC03", "montelukast 5 mg");
pub(crate) const PREDNISOLONE: Drug = tablet("980000405", "프레드니솔론정 5mg", "H02AB06", "prednisolone 5 mg");
pub(crate) const CETIRIZINE: Drug = tablet("980000406", "세티리진염산염정 10mg", "R06AE07", "cetirizine 10 mg");
pub(crate) const CEFTRIAXONE: Drug = infusion("980000501", "세프트리악손나트륨주 2g", "J01DD04", "ceftriaxone 2 g");
pub(crate) const TAZOBACTAM: Drug =
    infusion("980000502", "피페라실린·타조박탐주 4.5g", "J01CR05", "piperacillin/tazobactam 4.5 g");
pub(crate) const AZITHROMYCIN: Drug = tablet("980000503", "아지트로마이신정 250mg", "J01FA10", "azithromycin 250 mg");
pub(crate) const LEVOFLOXACIN: Drug = tablet("980000504", "레보플록사신정 750mg", "J01MA12", "levofloxacin 750 mg");
pub(crate) const AMOXICILLIN: Drug =
    drug("980000505", "아목시실린·클라불란산시럽", "J01CR02", "amoxicillin/clavulanate syrup", ("mL", "mL"), BY_MOUTH);
pub(crate) const CEFAZOLIN: Drug = infusion("980000506", "세파졸린나트륨주 1g", "J01DB04", "cefazolin 1 g");
pub(crate) const CIPROFLOXACIN: Drug = tablet("980000507", "시프로플록사신정 500mg", "J01MA02", "ciprofloxacin 500 mg");
pub(crate) const ACETAMINOPHEN: Drug = tablet("980000601", "아세트아미노펜정 500mg", "N02BE01", "acetaminophen 500 mg");
pub(crate) const ACETAMINOPHEN_SYRUP: Drug =
    drug("980000602", "아세트아미노펜시럽 32mg/mL", "N02BE01", "acetaminophen syrup 32 mg/mL", ("mL", "mL"), BY_MOUTH);
pub(crate) const CELECOXIB: Drug = capsule("980000603", "세레콕시브캡슐 200mg", "M01AH01", "celecoxib 200 mg");
pub(crate) const TRAMADOL: Drug = capsule("980000604", "트라마돌염산염캡슐 50mg", "N02AX02", "tramadol 50 mg");
pub(crate) const ESOMEPRAZOLE: Drug = tablet("980000701", "에스오메프라졸정 20mg", "A02BC05", "esomeprazole 20 mg");
pub(crate) const FERROUS: Drug = tablet("980000702", "황산제일철서방정 256mg", "B03AA07", "ferrous sulfate 256 mg");
pub(crate) const FOLIC_ACID: Drug = tablet("980000703", "엽산정 1mg", "B03BB01", "folic acid 1 mg");
pub(crate) const TENOFOVIR: Drug =
    tablet("980000704", "테노포비르알라페나미드정 25mg", "J05AF13", "tenofovir alafenamide 25 mg");
pub(crate) const ALLOPURINOL: Drug = tablet("980000705", "알로푸리놀정 100mg", "M04AA01", "allopurinol 100 mg");
pub(crate) const ALENDRONATE: Drug = tablet("980000706", "알렌드론산나트륨정 70mg", "M05BA04", "alendronate 70 mg");
pub(crate) const CALCIUM: Drug =
    tablet("980000707", "탄산칼슘·콜레칼시페롤정", "A12AX", "calcium carbonate/cholecalciferol");
pub(crate) const DARBEPOETIN: Drug =
    drug("980000708", "다베포에틴알파주 30μg", "B03XA02", "darbepoetin alfa 30 mcg", ("μg", "ug"), UNDER_SKIN);
pub(crate) const ENOXAPARIN: Drug =
    drug("980000709", "에녹사파린나트륨주 40mg", "B01AB05", "enoxaparin 40 mg", ("mg", "mg"), UNDER_SKIN);
pub(crate) const ZOLPIDEM: Drug = tablet("980000710", "졸피뎀타르타르산염정 10mg", "N05CF02", "zolpidem 10 mg");
pub(crate) const QUETIAPINE: Drug = tablet("980000711", "쿠에티아핀정 25mg", "N05AH04", "quetiapine 25 mg");
pub(crate) const LETROZOLE: Drug = tablet("980000801", "레트로졸정 2.5mg", "L02BG04", "letrozole 2.5 mg");
pub(crate) const DOXORUBICIN: Drug = chemotherapy("980000802", "독소루비신염산염주", "L01DB01", "doxorubicin");
pub(crate) const CYCLOPHOSPHAMIDE: Drug =
    chemotherapy("980000803", "시클로포스파미드주", "L01AA01", "cyclophosphamide");
pub(crate) const CAPECITABINE: Drug = tablet("980000804", "카페시타빈정 500mg", "L01BC06", "capecitabine 500 mg");
pub(crate) const OXALIPLATIN: Drug = chemotherapy("980000805", "옥살리플라틴주", "L01XA03", "oxaliplatin");
pub(crate) const ONDANSETRON: Drug = tablet("980000806", "온단세트론정 8mg", "A04AA01", "ondansetron 8 mg");
