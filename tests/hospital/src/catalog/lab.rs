//! What the laboratory and the wards measure: names, units, reference ranges, decimals.
//!
//! Reference ranges are the usual ones of Korean university hospitals for adults; they only have to be plausible and the
//! same everywhere.

use crate::codes::{Concept, System, code};
use crate::people::Sex;

/// A unit as shown and its UCUM code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) shown: &'static str,
    pub(crate) ucum: &'static str,
}

const fn unit(shown: &'static str, ucum: &'static str) -> Unit {
    Unit { shown, ucum }
}

/// Everything with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Analyte {
    Hba1c,
    FastingGlucose,
    Glucose,
    Urea,
    Creatinine,
    Egfr,
    Sodium,
    Potassium,
    Chloride,
    Bicarbonate,
    Calcium,
    Phosphate,
    UricAcid,
    Protein,
    Albumin,
    Ast,
    Alt,
    AlkalinePhosphatase,
    Ggt,
    Bilirubin,
    Cholesterol,
    Hdl,
    Ldl,
    Triglyceride,
    Crp,
    Bnp,
    TroponinI,
    Tsh,
    FreeT4,
    Ferritin,
    Iron,
    Tibc,
    Cea,
    Ca153,
    Ca199,
    Afp,
    Inr,
    ProthrombinTime,
    AlbuminCreatinine,
    HbvDna,
    Leukocytes,
    Erythrocytes,
    Haemoglobin,
    Haematocrit,
    Mcv,
    Mch,
    Mchc,
    Platelets,
    Neutrophils,
    Lymphocytes,
    // Vital signs.
    Systolic,
    Diastolic,
    HeartRate,
    RespiratoryRate,
    Temperature,
    Saturation,
    Height,
    Weight,
    Bmi,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) what: Concept,
    pub(crate) unit: Unit,
    pub(crate) decimals: usize,
    /// Bounds of the reference range: low and high, women's then men's.
    women: (Option<f64>, Option<f64>),
    men: (Option<f64>, Option<f64>),
}

impl Row {
    /// The reference range for this sex.
    pub(crate) fn range(&self, sex: Sex) -> (Option<f64>, Option<f64>) {
        match sex {
            Sex::Female => self.women,
            Sex::Male => self.men,
        }
    }
}

type Names = (&'static str, &'static str, &'static str, &'static str);

const fn row((loinc, english, local, korean): Names, unit: Unit, decimals: usize, low: f64, high: f64) -> Row {
    let both = (Some(low), Some(high));
    Row { what: named((loinc, english, local, korean)), unit, decimals, women: both, men: both }
}

const fn by_sex(names: Names, unit: Unit, decimals: usize, women: (f64, f64), men: (f64, f64)) -> Row {
    let women = (Some(women.0), Some(women.1));
    Row { what: named(names), unit, decimals, women, men: (Some(men.0), Some(men.1)) }
}

const fn below(names: Names, unit: Unit, decimals: usize, high: f64) -> Row {
    Row { what: named(names), unit, decimals, women: (None, Some(high)), men: (None, Some(high)) }
}

const fn above(names: Names, unit: Unit, decimals: usize, low: f64) -> Row {
    Row { what: named(names), unit, decimals, women: (Some(low), None), men: (Some(low), None) }
}

const fn plain(names: Names, unit: Unit, decimals: usize) -> Row {
    Row { what: named(names), unit, decimals, women: (None, None), men: (None, None) }
}

const fn named((loinc, english, local, korean): Names) -> Concept {
    Concept::two(code(System::Loinc, loinc, english), code(System::Local, local, korean))
}

const PERCENT: Unit = unit("%", "%");
const MG_DL: Unit = unit("mg/dL", "mg/dL");
const G_DL: Unit = unit("g/dL", "g/dL");
const MMOL: Unit = unit("mmol/L", "mmol/L");
const U_L: Unit = unit("U/L", "U/L");
const NG_ML: Unit = unit("ng/mL", "ng/mL");
const U_ML: Unit = unit("U/mL", "U/mL");
const THOUSANDS: Unit = unit("10^3/μL", "10*3/uL");

/// The row of an analyte.
pub(crate) fn row_of(analyte: Analyte) -> &'static Row {
    use Analyte as A;
    match analyte {
        A::Hba1c => {
            const ROW: Row = row(
                ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "L3201", "당화혈색소(HbA1c)"),
                PERCENT,
                1,
                4.0,
                5.6,
            );
            &ROW
        }
        A::FastingGlucose => {
            const ROW: Row = row(
                ("1558-6", "Fasting glucose [Mass/volume] in Serum or Plasma", "L3011", "공복혈당"),
                MG_DL,
                0,
                70.0,
                99.0,
            );
            &ROW
        }
        A::Glucose => {
            const ROW: Row =
                row(("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "L3012", "혈당"), MG_DL, 0, 70.0, 140.0);
            &ROW
        }
        A::Urea => {
            const ROW: Row = row(
                ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "L3013", "혈액요소질소(BUN)"),
                MG_DL,
                1,
                8.0,
                20.0,
            );
            &ROW
        }
        A::Creatinine => {
            const ROW: Row = by_sex(
                ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "L3014", "크레아티닌"),
                MG_DL,
                2,
                (0.5, 0.9),
                (0.7, 1.2),
            );
            &ROW
        }
        A::Egfr => {
            const ROW: Row = above(
                (
                    "98979-8",
                    "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI 2021)",
                    "L3015",
                    "추정사구체여과율(eGFR)",
                ),
                unit("mL/min/1.73m²", "mL/min/{1.73_m2}"),
                0,
                60.0,
            );
            &ROW
        }
        A::Sodium => {
            const ROW: Row =
                row(("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "L3021", "나트륨"), MMOL, 0, 136.0, 145.0);
            &ROW
        }
        A::Potassium => {
            const ROW: Row =
                row(("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "L3022", "칼륨"), MMOL, 1, 3.5, 5.1);
            &ROW
        }
        A::Chloride => {
            const ROW: Row =
                row(("2075-0", "Chloride [Moles/volume] in Serum or Plasma", "L3023", "염소"), MMOL, 0, 98.0, 107.0);
            &ROW
        }
        A::Bicarbonate => {
            const ROW: Row = row(
                ("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma", "L3024", "총이산화탄소"),
                MMOL,
                0,
                22.0,
                29.0,
            );
            &ROW
        }
        A::Calcium => {
            const ROW: Row =
                row(("17861-6", "Calcium [Mass/volume] in Serum or Plasma", "L3025", "칼슘"), MG_DL, 1, 8.6, 10.2);
            &ROW
        }
        A::Phosphate => {
            const ROW: Row =
                row(("2777-1", "Phosphate [Mass/volume] in Serum or Plasma", "L3026", "인"), MG_DL, 1, 2.5, 4.5);
            &ROW
        }
        A::UricAcid => {
            const ROW: Row = by_sex(
                ("3084-1", "Urate [Mass/volume] in Serum or Plasma", "L3027", "요산"),
                MG_DL,
                1,
                (2.6, 6.0),
                (3.4, 7.0),
            );
            &ROW
        }
        A::Protein => {
            const ROW: Row =
                row(("2885-2", "Protein [Mass/volume] in Serum or Plasma", "L3031", "총단백"), G_DL, 1, 6.4, 8.3);
            &ROW
        }
        A::Albumin => {
            const ROW: Row =
                row(("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "L3032", "알부민"), G_DL, 1, 3.5, 5.2);
            &ROW
        }
        A::Ast => {
            const ROW: Row = below(
                (
                    "1920-8",
                    "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
                    "L3033",
                    "AST(GOT)",
                ),
                U_L,
                0,
                40.0,
            );
            &ROW
        }
        A::Alt => {
            const ROW: Row = below(
                (
                    "1742-6",
                    "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
                    "L3034",
                    "ALT(GPT)",
                ),
                U_L,
                0,
                41.0,
            );
            &ROW
        }
        A::AlkalinePhosphatase => {
            const ROW: Row = row(
                (
                    "6768-6",
                    "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma",
                    "L3035",
                    "알칼리인산분해효소(ALP)",
                ),
                U_L,
                0,
                40.0,
                129.0,
            );
            &ROW
        }
        A::Ggt => {
            const ROW: Row = below(
                (
                    "2324-2",
                    "Gamma glutamyl transferase [Enzymatic activity/volume] in Serum or Plasma",
                    "L3036",
                    "감마GTP",
                ),
                U_L,
                0,
                60.0,
            );
            &ROW
        }
        A::Bilirubin => {
            const ROW: Row = row(
                ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "L3037", "총빌리루빈"),
                MG_DL,
                1,
                0.2,
                1.2,
            );
            &ROW
        }
        A::Cholesterol => {
            const ROW: Row = below(
                ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "L3041", "총콜레스테롤"),
                MG_DL,
                0,
                200.0,
            );
            &ROW
        }
        A::Hdl => {
            const ROW: Row = above(
                ("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "L3042", "HDL 콜레스테롤"),
                MG_DL,
                0,
                40.0,
            );
            &ROW
        }
        A::Ldl => {
            const ROW: Row = below(
                (
                    "13457-7",
                    "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation",
                    "L3043",
                    "LDL 콜레스테롤",
                ),
                MG_DL,
                0,
                130.0,
            );
            &ROW
        }
        A::Triglyceride => {
            const ROW: Row = below(
                ("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "L3044", "중성지방"),
                MG_DL,
                0,
                150.0,
            );
            &ROW
        }
        A::Crp => {
            const ROW: Row = below(
                ("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "L3051", "C-반응단백(CRP)"),
                MG_DL,
                2,
                0.5,
            );
            &ROW
        }
        A::Bnp => {
            const ROW: Row = below(
                ("30934-4", "Natriuretic peptide B [Mass/volume] in Serum or Plasma", "L3052", "BNP"),
                unit("pg/mL", "pg/mL"),
                0,
                100.0,
            );
            &ROW
        }
        A::TroponinI => {
            const ROW: Row = below(
                (
                    "89579-7",
                    "Troponin I.cardiac [Mass/volume] in Serum or Plasma by High sensitivity method",
                    "L3053",
                    "고감도 트로포닌 I",
                ),
                unit("ng/L", "ng/L"),
                0,
                26.0,
            );
            &ROW
        }
        A::Tsh => {
            const ROW: Row = row(
                ("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "L3061", "갑상선자극호르몬(TSH)"),
                unit("μIU/mL", "u[IU]/mL"),
                2,
                0.27,
                4.2,
            );
            &ROW
        }
        A::FreeT4 => {
            const ROW: Row = row(
                ("3024-7", "Thyroxine (T4) free [Mass/volume] in Serum or Plasma", "L3062", "유리 T4"),
                unit("ng/dL", "ng/dL"),
                2,
                0.93,
                1.7,
            );
            &ROW
        }
        A::Ferritin => {
            const ROW: Row = by_sex(
                ("2276-4", "Ferritin [Mass/volume] in Serum or Plasma", "L3071", "페리틴"),
                NG_ML,
                1,
                (13.0, 150.0),
                (30.0, 400.0),
            );
            &ROW
        }
        A::Iron => {
            const ROW: Row = row(
                ("2498-4", "Iron [Mass/volume] in Serum or Plasma", "L3072", "혈청철"),
                unit("μg/dL", "ug/dL"),
                0,
                50.0,
                170.0,
            );
            &ROW
        }
        A::Tibc => {
            const ROW: Row = row(
                ("2500-7", "Iron binding capacity [Mass/volume] in Serum or Plasma", "L3073", "총철결합능(TIBC)"),
                unit("μg/dL", "ug/dL"),
                0,
                250.0,
                450.0,
            );
            &ROW
        }
        A::Cea => {
            const ROW: Row = below(
                ("2039-6", "Carcinoembryonic Ag [Mass/volume] in Serum or Plasma", "L3081", "CEA"),
                NG_ML,
                1,
                5.0,
            );
            &ROW
        }
        A::Ca153 => {
            const ROW: Row = below(
                ("6875-9", "Cancer Ag 15-3 [Units/volume] in Serum or Plasma", "L3082", "CA 15-3"),
                U_ML,
                1,
                25.0,
            );
            &ROW
        }
        A::Ca199 => {
            const ROW: Row = below(
                ("24108-3", "Cancer Ag 19-9 [Units/volume] in Serum or Plasma", "L3083", "CA 19-9"),
                U_ML,
                1,
                37.0,
            );
            &ROW
        }
        A::Afp => {
            const ROW: Row = below(
                ("1834-1", "Alpha-1-Fetoprotein [Mass/volume] in Serum or Plasma", "L3084", "알파태아단백(AFP)"),
                NG_ML,
                1,
                8.0,
            );
            &ROW
        }
        A::Inr => {
            const ROW: Row = row(
                ("6301-6", "INR in Platelet poor plasma by Coagulation assay", "L2101", "INR"),
                unit("INR", "{INR}"),
                2,
                0.88,
                1.12,
            );
            &ROW
        }
        A::ProthrombinTime => {
            const ROW: Row = row(
                ("5902-2", "Prothrombin time (PT)", "L2102", "프로트롬빈시간(PT)"),
                unit("sec", "s"),
                1,
                10.5,
                13.5,
            );
            &ROW
        }
        A::AlbuminCreatinine => {
            const ROW: Row = below(
                ("9318-7", "Albumin/Creatinine [Mass Ratio] in Urine", "L4101", "소변 알부민/크레아티닌비(UACR)"),
                unit("mg/g", "mg/g"),
                0,
                30.0,
            );
            &ROW
        }
        A::HbvDna => {
            const ROW: Row = plain(
                (
                    "42595-9",
                    "Hepatitis B virus DNA [Units/volume] (viral load) in Serum or Plasma by NAA with probe detection",
                    "L5101",
                    "HBV DNA 정량",
                ),
                unit("IU/mL", "[IU]/mL"),
                0,
            );
            &ROW
        }
        A::Leukocytes => {
            const ROW: Row = row(
                ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "L2001", "백혈구(WBC)"),
                THOUSANDS,
                1,
                4.0,
                10.0,
            );
            &ROW
        }
        A::Erythrocytes => {
            const ROW: Row = by_sex(
                ("789-8", "Erythrocytes [#/volume] in Blood by Automated count", "L2002", "적혈구(RBC)"),
                unit("10^6/μL", "10*6/uL"),
                2,
                (3.8, 5.2),
                (4.2, 6.1),
            );
            &ROW
        }
        A::Haemoglobin => {
            const ROW: Row = by_sex(
                ("718-7", "Hemoglobin [Mass/volume] in Blood", "L2003", "혈색소(Hb)"),
                G_DL,
                1,
                (12.0, 16.0),
                (13.0, 17.0),
            );
            &ROW
        }
        A::Haematocrit => {
            const ROW: Row = by_sex(
                ("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", "L2004", "적혈구용적률(Hct)"),
                PERCENT,
                1,
                (36.0, 48.0),
                (39.0, 52.0),
            );
            &ROW
        }
        A::Mcv => {
            const ROW: Row = row(
                (
                    "787-2",
                    "MCV [Entitic mean volume] in Red Blood Cells by Automated count",
                    "L2005",
                    "평균적혈구용적(MCV)",
                ),
                unit("fL", "fL"),
                1,
                80.0,
                100.0,
            );
            &ROW
        }
        A::Mch => {
            const ROW: Row = row(
                ("785-6", "MCH [Entitic mass] by Automated count", "L2006", "평균적혈구혈색소량(MCH)"),
                unit("pg", "pg"),
                1,
                26.0,
                34.0,
            );
            &ROW
        }
        A::Mchc => {
            const ROW: Row = row(
                (
                    "786-4",
                    "MCHC [Entitic Mass/volume] in Red Blood Cells by Automated count",
                    "L2007",
                    "평균적혈구혈색소농도(MCHC)",
                ),
                G_DL,
                1,
                31.0,
                36.0,
            );
            &ROW
        }
        A::Platelets => {
            const ROW: Row = row(
                ("777-3", "Platelets [#/volume] in Blood by Automated count", "L2008", "혈소판"),
                THOUSANDS,
                0,
                150.0,
                400.0,
            );
            &ROW
        }
        A::Neutrophils => {
            const ROW: Row = row(
                ("770-8", "Neutrophils/Leukocytes in Blood by Automated count", "L2009", "호중구"),
                PERCENT,
                1,
                40.0,
                75.0,
            );
            &ROW
        }
        A::Lymphocytes => {
            const ROW: Row = row(
                ("736-9", "Lymphocytes/Leukocytes in Blood by Automated count", "L2010", "림프구"),
                PERCENT,
                1,
                20.0,
                50.0,
            );
            &ROW
        }
        A::Systolic => {
            const ROW: Row =
                plain(("8480-6", "Systolic blood pressure", "P01", "수축기혈압"), unit("mmHg", "mm[Hg]"), 0);
            &ROW
        }
        A::Diastolic => {
            const ROW: Row =
                plain(("8462-4", "Diastolic blood pressure", "P02", "이완기혈압"), unit("mmHg", "mm[Hg]"), 0);
            &ROW
        }
        A::HeartRate => {
            const ROW: Row = plain(("8867-4", "Heart rate", "P03", "맥박"), unit("/min", "/min"), 0);
            &ROW
        }
        A::RespiratoryRate => {
            const ROW: Row = plain(("9279-1", "Respiratory rate", "P04", "호흡수"), unit("/min", "/min"), 0);
            &ROW
        }
        A::Temperature => {
            const ROW: Row = plain(("8310-5", "Body temperature", "P05", "체온"), unit("℃", "Cel"), 1);
            &ROW
        }
        A::Saturation => {
            const ROW: Row = plain(
                ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "P06", "산소포화도(SpO2)"),
                PERCENT,
                0,
            );
            &ROW
        }
        A::Height => {
            const ROW: Row = plain(("8302-2", "Body height", "P07", "키"), unit("cm", "cm"), 1);
            &ROW
        }
        A::Weight => {
            const ROW: Row = plain(("29463-7", "Body weight", "P08", "체중"), unit("kg", "kg"), 1);
            &ROW
        }
        A::Bmi => {
            const ROW: Row = plain(
                ("39156-5", "Body mass index (BMI) [Ratio]", "P09", "체질량지수(BMI)"),
                unit("kg/m²", "kg/m2"),
                1,
            );
            &ROW
        }
    }
}

/// Blood pressure as a panel, of which systolic and diastolic are the components.
pub(crate) const BLOOD_PRESSURE: Concept = Concept::two(
    code(System::Loinc, "85354-9", "Blood pressure panel with all children optional"),
    code(System::Local, "P00", "혈압"),
);
/// The set of vital signs that is measured together.
pub(crate) const VITAL_SIGNS: Concept = Concept::two(
    code(System::Loinc, "85353-1", "Vital signs, weight, height, head circumference, oxygen saturation and BMI panel"),
    code(System::Local, "P99", "활력징후"),
);

/// A group of tests ordered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panel {
    Diabetes,
    Renal,
    Electrolytes,
    Liver,
    Lipid,
    Blood,
    Crp,
    Bnp,
    Troponin,
    Thyroid,
    Iron,
    Coagulation,
    UrineAlbumin,
    TumourBreast,
    TumourGut,
    Afp,
    HbvDna,
    Uric,
    Glucose,
}

impl Panel {
    /// Order code, diagnostic section (table 0074), and the tests.
    pub(crate) fn content(self) -> (Concept, &'static str, &'static [Analyte]) {
        use Analyte as A;
        const fn own(local: &'static str, korean: &'static str, english: &'static str) -> Concept {
            Concept::two(code(System::Local, local, korean), code(System::Local, local, english))
        }
        const fn known(
            number: &'static str,
            english: &'static str,
            local: &'static str,
            korean: &'static str,
        ) -> Concept {
            Concept::two(code(System::Loinc, number, english), code(System::Local, local, korean))
        }
        match self {
            Panel::Diabetes => (own("LP01", "당뇨 검사", "Diabetes panel"), "CH", &[A::Hba1c, A::FastingGlucose]),
            Panel::Renal => {
                (own("LP02", "신장기능 검사", "Renal function panel"), "CH", &[A::Urea, A::Creatinine, A::Egfr])
            }
            Panel::Electrolytes => (
                known("24326-1", "Electrolytes 1998 panel - Serum or Plasma", "LP03", "전해질 검사"),
                "CH",
                &[A::Sodium, A::Potassium, A::Chloride, A::Bicarbonate, A::Calcium, A::Phosphate],
            ),
            Panel::Liver => (
                known("24325-3", "Hepatic function 2000 panel - Serum or Plasma", "LP04", "간기능 검사"),
                "CH",
                &[A::Protein, A::Albumin, A::Ast, A::Alt, A::AlkalinePhosphatase, A::Ggt, A::Bilirubin],
            ),
            Panel::Lipid => (
                known("24331-1", "Lipid 1996 panel - Serum or Plasma", "LP05", "지질 검사"),
                "CH",
                &[A::Cholesterol, A::Hdl, A::Triglyceride, A::Ldl],
            ),
            Panel::Blood => (
                known("58410-2", "CBC panel - Blood by Automated count", "LP06", "일반혈액검사(CBC)"),
                "HM",
                &[
                    A::Leukocytes,
                    A::Haemoglobin,
                    A::Haematocrit,
                    A::Mcv,
                    A::Erythrocytes,
                    A::Mch,
                    A::Mchc,
                    A::Platelets,
                    A::Neutrophils,
                    A::Lymphocytes,
                ],
            ),
            Panel::Crp => (own("LP07", "염증 검사", "Inflammation marker"), "CH", &[A::Crp]),
            Panel::Bnp => (own("LP08", "심부전 검사", "Heart failure marker"), "CH", &[A::Bnp]),
            Panel::Troponin => (own("LP09", "심근효소 검사", "Cardiac marker"), "CH", &[A::TroponinI]),
            Panel::Thyroid => (own("LP10", "갑상선기능 검사", "Thyroid function panel"), "CH", &[A::Tsh, A::FreeT4]),
            Panel::Iron => (own("LP11", "철분 검사", "Iron panel"), "CH", &[A::Iron, A::Tibc, A::Ferritin]),
            Panel::Coagulation => {
                (own("LP12", "혈액응고 검사", "Coagulation panel"), "HM", &[A::ProthrombinTime, A::Inr])
            }
            Panel::UrineAlbumin => (own("LP13", "소변 알부민 검사", "Urine albumin"), "CH", &[A::AlbuminCreatinine]),
            Panel::TumourBreast => (own("LP14", "유방 종양표지자", "Breast tumor markers"), "CH", &[A::Cea, A::Ca153]),
            Panel::TumourGut => {
                (own("LP15", "소화기 종양표지자", "Gastrointestinal tumor markers"), "CH", &[A::Cea, A::Ca199])
            }
            Panel::Afp => (own("LP16", "간 종양표지자", "Liver tumor marker"), "CH", &[A::Afp]),
            Panel::HbvDna => {
                (own("LP17", "B형간염 바이러스 정량", "Hepatitis B virus quantitation"), "MB", &[A::HbvDna])
            }
            Panel::Uric => (own("LP18", "요산 검사", "Uric acid"), "CH", &[A::UricAcid]),
            Panel::Glucose => (own("LP19", "혈당 검사", "Glucose"), "CH", &[A::Glucose]),
        }
    }
}

/// Tests whose results are words.
pub(crate) const HBS_ANTIGEN: Concept = Concept::two(
    code(System::Loinc, "5196-1", "Hepatitis B virus surface Ag [Presence] in Serum or Plasma by Immunoassay"),
    code(System::Local, "L5001", "B형간염 표면항원(HBsAg)"),
);
pub(crate) const HBE_ANTIGEN: Concept = Concept::two(
    code(System::Loinc, "13954-3", "Hepatitis B virus e Ag [Presence] in Serum or Plasma by Immunoassay"),
    code(System::Local, "L5002", "B형간염 e항원(HBeAg)"),
);
pub(crate) const HEPATITIS_SEROLOGY: Concept =
    Concept::two(code(System::Local, "LP21", "간염 혈청검사"), code(System::Local, "LP21", "Hepatitis serology"));
pub(crate) const BLOOD_CULTURE: Concept = Concept::two(
    code(System::Loinc, "600-7", "Bacteria identified in Blood by Culture"),
    code(System::Local, "L6001", "혈액배양"),
);
pub(crate) const SPUTUM_CULTURE: Concept = Concept::two(
    code(System::Loinc, "6460-0", "Bacteria identified in Sputum by Culture"),
    code(System::Local, "L6002", "객담배양"),
);
pub(crate) const URINE_CULTURE: Concept = Concept::two(
    code(System::Loinc, "630-4", "Bacteria identified in Urine by Culture"),
    code(System::Local, "L6003", "소변배양"),
);
pub(crate) const URINALYSIS: Concept =
    Concept::two(code(System::Local, "LP20", "요검사"), code(System::Local, "LP20", "Urinalysis"));
pub(crate) const URINE_PROTEIN: Concept = Concept::two(
    code(System::Loinc, "20454-5", "Protein [Presence] in Urine by Test strip"),
    code(System::Local, "L4001", "요단백"),
);
pub(crate) const URINE_GLUCOSE: Concept = Concept::two(
    code(System::Loinc, "25428-4", "Glucose [Presence] in Urine by Test strip"),
    code(System::Local, "L4002", "요당"),
);
