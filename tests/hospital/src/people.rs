//! Who lives and works here. Names are common Korean ones put together by chance; streets, the city of 가온 and all
//! telephone numbers (010-0000-xxxx) exist nowhere.

use jiff::civil::Date;

use crate::codes::{Code, System, code};
use crate::dice::Dice;

/// Administrative sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sex {
    Female,
    Male,
}

impl Sex {
    pub(crate) fn fhir(self) -> &'static str {
        match self {
            Sex::Female => "female",
            Sex::Male => "male",
        }
    }

    pub(crate) fn v2(self) -> &'static str {
        match self {
            Sex::Female => "F",
            Sex::Male => "M",
        }
    }

    pub(crate) fn korean(self) -> &'static str {
        match self {
            Sex::Female => "여자",
            Sex::Male => "남자",
        }
    }
}

/// A name in Hangul and in Latin letters, family name first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) family: &'static str,
    pub(crate) given: &'static str,
    pub(crate) family_latin: &'static str,
    pub(crate) given_latin: &'static str,
}

impl Name {
    /// `김민수`
    pub(crate) fn hangul(&self) -> String {
        format!("{}{}", self.family, self.given)
    }
}

const FAMILIES: [(&str, &str); 24] = [
    ("김", "Kim"),
    ("이", "Lee"),
    ("박", "Park"),
    ("최", "Choi"),
    ("정", "Jung"),
    ("강", "Kang"),
    ("조", "Cho"),
    ("윤", "Yoon"),
    ("장", "Jang"),
    ("임", "Lim"),
    ("한", "Han"),
    ("오", "Oh"),
    ("서", "Seo"),
    ("신", "Shin"),
    ("권", "Kwon"),
    ("황", "Hwang"),
    ("안", "Ahn"),
    ("송", "Song"),
    ("류", "Ryu"),
    ("홍", "Hong"),
    ("전", "Jeon"),
    ("문", "Moon"),
    ("손", "Son"),
    ("남", "Nam"),
];

/// Given names in three generations: born before 1960, before 1990, and since.
const MEN: [&[(&str, &str)]; 3] = [
    &[
        ("영수", "Youngsoo"),
        ("영호", "Youngho"),
        ("정식", "Jungsik"),
        ("병철", "Byungchul"),
        ("상호", "Sangho"),
        ("종수", "Jongsoo"),
        ("기태", "Gitae"),
        ("광식", "Kwangsik"),
        ("덕수", "Deoksoo"),
        ("만호", "Manho"),
    ],
    &[
        ("민수", "Minsoo"),
        ("성진", "Sungjin"),
        ("재훈", "Jaehoon"),
        ("동현", "Donghyun"),
        ("상우", "Sangwoo"),
        ("진호", "Jinho"),
        ("태영", "Taeyoung"),
        ("승환", "Seunghwan"),
        ("경민", "Kyungmin"),
        ("준석", "Junseok"),
    ],
    &[
        ("민준", "Minjun"),
        ("서준", "Seojun"),
        ("도윤", "Doyun"),
        ("지호", "Jiho"),
        ("하준", "Hajun"),
        ("은우", "Eunwoo"),
        ("시우", "Siwoo"),
        ("건우", "Gunwoo"),
        ("유찬", "Yuchan"),
        ("현서", "Hyunseo"),
    ],
];

const WOMEN: [&[(&str, &str)]; 3] = [
    &[
        ("영자", "Youngja"),
        ("순자", "Soonja"),
        ("정숙", "Jungsook"),
        ("옥순", "Oksoon"),
        ("말순", "Malsoon"),
        ("경자", "Kyungja"),
        ("명희", "Myunghee"),
        ("춘자", "Chunja"),
        ("복례", "Bokrye"),
        ("금옥", "Geumok"),
    ],
    &[
        ("미경", "Mikyung"),
        ("은정", "Eunjung"),
        ("지영", "Jiyoung"),
        ("수진", "Soojin"),
        ("현주", "Hyunju"),
        ("혜진", "Hyejin"),
        ("선영", "Sunyoung"),
        ("정아", "Junga"),
        ("유진", "Yujin"),
        ("보람", "Boram"),
    ],
    &[
        ("서연", "Seoyeon"),
        ("지우", "Jiwoo"),
        ("하은", "Haeun"),
        ("민서", "Minseo"),
        ("채원", "Chaewon"),
        ("수아", "Sua"),
        ("다은", "Daeun"),
        ("예린", "Yerin"),
        ("소율", "Soyul"),
        ("나윤", "Nayun"),
    ],
];

/// A name that fits sex and generation.
pub(crate) fn name(dice: &mut Dice, sex: Sex, birth: Date) -> Name {
    let (family, family_latin) = *dice.pick(&FAMILIES);
    let generation = match birth.year() {
        ..1960 => 0,
        1960..1990 => 1,
        _ => 2,
    };
    let table = match sex {
        Sex::Female => &WOMEN,
        Sex::Male => &MEN,
    };
    let (given, given_latin) = *dice.pick(table[generation]);
    Name { family, given, family_latin, given_latin }
}

const STREETS: [&str; 10] =
    ["누리길", "해치로", "은하수길", "솔빛로", "물안개길", "느티나무로", "달맞이길", "참새미로", "바람골길", "새터로"];
const DISTRICTS: [&str; 5] = ["해치구", "물빛구", "솔내구", "한별구", "너른구"];

/// An address in a city that is on no map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) line: String,
    pub(crate) district: &'static str,
    pub(crate) city: &'static str,
    pub(crate) postal: String,
}

impl Address {
    pub(crate) fn new(dice: &mut Dice) -> Address {
        let street = *dice.pick(&STREETS);
        let house = dice.between(1, 280);
        let line = if dice.chance(0.6) {
            format!(
                "{street} {house}, {}동 {}호",
                dice.between(101, 118),
                dice.between(1, 22) * 100 + dice.between(1, 6)
            )
        } else {
            format!("{street} {house}")
        };
        Address {
            line,
            district: dice.pick::<&str>(&DISTRICTS),
            city: "가온광역시",
            postal: format!("99{:03}", dice.between(0, 999)),
        }
    }
}

/// A number that nobody has.
pub(crate) fn phone(dice: &mut Dice) -> String {
    format!("010-0000-{:04}", dice.between(0, 9999))
}

/// A department of the hospital.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Department {
    pub(crate) code: Code,
    pub(crate) english: &'static str,
    /// Where its outpatients sit.
    pub(crate) clinic: &'static str,
    /// Where its inpatients lie.
    pub(crate) ward: &'static str,
}

impl Department {
    pub(crate) fn korean(&self) -> &'static str {
        self.code.display
    }
}

const fn department(
    number: &'static str,
    korean: &'static str,
    english: &'static str,
    clinic: &'static str,
    ward: &'static str,
) -> Department {
    Department { code: code(System::Department, number, korean), english, clinic, ward }
}

pub(crate) const MEDICINE: Department = department("01", "내과", "Internal Medicine", "내과 외래", "51병동");
pub(crate) const NEUROLOGY: Department = department("02", "신경과", "Neurology", "신경과 외래", "62병동");
pub(crate) const SURGERY: Department = department("04", "외과", "General Surgery", "외과 외래", "71병동");
pub(crate) const ORTHOPAEDICS: Department =
    department("05", "정형외과", "Orthopaedic Surgery", "정형외과 외래", "72병동");
pub(crate) const OBSTETRICS: Department =
    department("10", "산부인과", "Obstetrics and Gynaecology", "산부인과 외래", "41병동");
pub(crate) const PAEDIATRICS: Department =
    department("11", "소아청소년과", "Paediatrics", "소아청소년과 외래", "42병동");
pub(crate) const RADIOLOGY: Department = department("16", "영상의학과", "Radiology", "영상의학과", "영상의학과");
pub(crate) const PATHOLOGY: Department = department("18", "병리과", "Pathology", "병리과", "병리과");
pub(crate) const LABORATORY: Department =
    department("19", "진단검사의학과", "Laboratory Medicine", "진단검사의학과", "진단검사의학과");
pub(crate) const FAMILY_MEDICINE: Department =
    department("23", "가정의학과", "Family Medicine", "건강증진센터", "52병동");
pub(crate) const EMERGENCY: Department = department("24", "응급의학과", "Emergency Medicine", "응급실", "응급실");

/// Somebody who treats patients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doctor {
    pub(crate) number: &'static str,
    pub(crate) family: &'static str,
    pub(crate) given: &'static str,
    pub(crate) latin: &'static str,
    pub(crate) department: Department,
}

impl Doctor {
    pub(crate) fn hangul(&self) -> String {
        format!("{}{}", self.family, self.given)
    }
}

const fn doctor(
    number: &'static str,
    family: &'static str,
    given: &'static str,
    latin: &'static str,
    department: Department,
) -> Doctor {
    Doctor { number, family, given, latin, department }
}

/// Everyone who signs something in this hospital.
pub(crate) const STAFF: [Doctor; 26] = [
    doctor("D1001", "이", "정훈", "Lee Junghoon", MEDICINE),
    doctor("D1002", "박", "소영", "Park Soyoung", MEDICINE),
    doctor("D1003", "최", "원석", "Choi Wonseok", MEDICINE),
    doctor("D1004", "한", "지민", "Han Jimin", MEDICINE),
    doctor("D1005", "윤", "태준", "Yoon Taejun", MEDICINE),
    doctor("D2001", "강", "민아", "Kang Mina", NEUROLOGY),
    doctor("D2002", "조", "현우", "Cho Hyunwoo", NEUROLOGY),
    doctor("D4001", "정", "수빈", "Jung Subin", SURGERY),
    doctor("D4002", "오", "재석", "Oh Jaeseok", SURGERY),
    doctor("D4003", "임", "가영", "Lim Gayoung", SURGERY),
    doctor("D5001", "서", "동욱", "Seo Dongwook", ORTHOPAEDICS),
    doctor("D5002", "권", "나래", "Kwon Narae", ORTHOPAEDICS),
    doctor("D6001", "신", "혜원", "Shin Hyewon", OBSTETRICS),
    doctor("D6002", "장", "유리", "Jang Yuri", OBSTETRICS),
    doctor("D7001", "문", "성호", "Moon Sungho", PAEDIATRICS),
    doctor("D7002", "안", "지원", "Ahn Jiwon", PAEDIATRICS),
    doctor("D8001", "황", "인철", "Hwang Incheol", RADIOLOGY),
    doctor("D8002", "홍", "서윤", "Hong Seoyun", RADIOLOGY),
    doctor("D8101", "송", "기범", "Song Gibeom", PATHOLOGY),
    doctor("D8102", "류", "아름", "Ryu Areum", PATHOLOGY),
    doctor("D8201", "전", "혜림", "Jeon Hyerim", LABORATORY),
    doctor("D9001", "남", "도현", "Nam Dohyun", FAMILY_MEDICINE),
    doctor("D9002", "손", "예지", "Son Yeji", FAMILY_MEDICINE),
    doctor("D9101", "김", "태오", "Kim Taeo", EMERGENCY),
    doctor("D9102", "백", "승아", "Baek Seunga", EMERGENCY),
    doctor("D9103", "노", "은결", "Noh Eungyeol", EMERGENCY),
];

/// One of a department's doctors.
pub(crate) fn doctor_of(dice: &mut Dice, department: &Department) -> Doctor {
    let own: Vec<&Doctor> = STAFF.iter().filter(|doctor| doctor.department.code == department.code).collect();
    **dice.pick(&own)
}

/// A patient's person, as registration knows it.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) mrn: String,
    pub(crate) name: Name,
    pub(crate) sex: Sex,
    pub(crate) birth: Date,
    pub(crate) phone: String,
    pub(crate) address: Address,
    /// `M` married, `S` never married, `W` widowed, `D` divorced.
    pub(crate) marital: &'static str,
    pub(crate) kin: Option<Kin>,
}

/// Whom to call.
#[derive(Debug, Clone)]
pub(crate) struct Kin {
    pub(crate) name: Name,
    /// Table 0063, and v3-RoleCode with its display.
    pub(crate) relation: (&'static str, &'static str, &'static str),
    pub(crate) phone: String,
}

/// Makes up a person.
pub(crate) fn person(dice: &mut Dice, mrn: String, sex: Sex, birth: Date, today: Date) -> Person {
    let name = name(dice, sex, birth);
    let years = crate::moment::age(birth, today);
    let marital = match years {
        ..25 => "S",
        25..35 => dice.pick(&["S", "M"]),
        35..75 => dice.pick(&["M", "M", "M", "M", "D", "S"]),
        _ => dice.pick(&["M", "W", "M"]),
    };
    let kin_sex = if dice.chance(0.5) { Sex::Female } else { Sex::Male };
    let (relation, kin_sex, kin_birth) = if years < 20 {
        let relation = match kin_sex {
            Sex::Female => ("MTH", "MTH", "mother"),
            Sex::Male => ("FTH", "FTH", "father"),
        };
        (relation, kin_sex, birth.year() - 30)
    } else if marital == "M" {
        let other = if sex == Sex::Female { Sex::Male } else { Sex::Female };
        (("SPO", "SPS", "spouse"), other, birth.year() + 1)
    } else if years > 60 {
        (("CHD", "CHILD", "child"), kin_sex, birth.year() + 28)
    } else {
        (("SIB", "SIB", "sibling"), kin_sex, birth.year() + 2)
    };
    let kin_birth = Date::new(kin_birth, 6, 1).unwrap_or(birth);
    let mut kin_name = self::name(dice, kin_sex, kin_birth);
    if !matches!(relation.0, "SPO" | "MTH") {
        (kin_name.family, kin_name.family_latin) = (name.family, name.family_latin);
    }
    let kin = Some(Kin { name: kin_name, relation, phone: phone(dice) });
    Person { mrn, name, sex, birth, phone: phone(dice), address: Address::new(dice), marital, kin }
}
