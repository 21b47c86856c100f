//! The patients' stories. Each profile says who may live it and what happens; the order of [`PROFILES`] is the order of
//! patients, so that the first dozen shows the whole house.

mod cancer;
mod children;
mod heart;
mod liver_blood;
mod lungs;
mod metabolic;
mod mothers;
mod situations;
mod wellness;

use jiff::civil::{Date, DateTime};

use crate::catalog::disease;
use crate::catalog::service::{self, ALCOHOL, SMOKING};
use crate::codes::Concept;
use crate::course::Life;
use crate::dice::Dice;
use crate::moment::{age, days_after, minutes_after};
use crate::notes::relative;
use crate::people::{Department, Sex, person};
use crate::record::{Kept, Record, Told, Value};

/// A kind of life.
struct Profile {
    sex: Option<Sex>,
    /// Age today, years, from and to.
    ages: (i64, i64),
    /// When the hospital first heard of the patient, days before today.
    known: (i64, i64),
    story: fn(&mut Life),
}

const fn profile(sex: Option<Sex>, ages: (i64, i64), known: (i64, i64), story: fn(&mut Life)) -> Profile {
    Profile { sex, ages, known, story }
}

const PROFILES: [Profile; 20] = [
    profile(Some(Sex::Male), (64, 72), (1900, 2200), metabolic::diabetes_with_kidney_disease),
    profile(Some(Sex::Female), (71, 80), (1700, 2100), heart::fibrillation_on_warfarin),
    profile(Some(Sex::Male), (66, 76), (1300, 1700), lungs::copd_with_pneumonia),
    profile(Some(Sex::Female), (46, 58), (900, 1200), cancer::breast),
    profile(Some(Sex::Male), (68, 82), (1300, 1600), heart::failure),
    profile(None, (5, 8), (1700, 1800), children::asthma),
    profile(Some(Sex::Female), (29, 36), (700, 900), mothers::pregnancy),
    profile(Some(Sex::Male), (55, 68), (800, 1100), cancer::stomach),
    profile(Some(Sex::Male), (43, 56), (1600, 2000), liver_blood::hepatitis),
    profile(Some(Sex::Female), (34, 45), (700, 1000), liver_blood::iron_deficiency),
    profile(Some(Sex::Female), (79, 88), (900, 1300), wellness::hip_fracture),
    profile(Some(Sex::Male), (26, 38), (1000, 1500), wellness::healthy),
    profile(None, (60, 74), (800, 1100), cancer::colon),
    profile(Some(Sex::Male), (63, 76), (900, 1400), heart::stroke),
    profile(Some(Sex::Female), (38, 56), (1300, 1900), metabolic::hypothyroidism),
    profile(None, (48, 62), (1100, 1500), metabolic::new_diabetes),
    profile(None, (45, 63), (1300, 1900), metabolic::pressure_and_lipids),
    profile(Some(Sex::Female), (25, 44), (900, 1400), lungs::asthma),
    profile(None, (2, 4), (600, 900), children::small_infections),
    profile(Some(Sex::Female), (50, 62), (900, 1400), wellness::checkups),
];

/// Places in [`PROFILES`] whose story has contrast media and beta-lactams in it.
const WITH_CANCER: [usize; 3] = [3, 7, 12];

/// Writes the life of patient `number` (from 1) of the hospital with this seed.
pub(crate) fn life(seed: u64, number: usize, today: Date) -> Record {
    let mut dice = Dice::new(seed, number as u64);
    let profile = &PROFILES[(number - 1) % PROFILES.len()];
    let sex = profile.sex.unwrap_or(if dice.chance(0.5) { Sex::Female } else { Sex::Male });
    let years = dice.between(profile.ages.0, profile.ages.1);
    let birth = days_after(today, -(years * 365 + years / 4 + dice.between(20, 340)));
    let mrn = format!("{:08}", 10_000_000 + number as u64 * 37 + dice.between(0, 36) as u64);
    let mut known = days_after(today, -dice.between(profile.known.0, profile.known.1));
    if known <= birth {
        known = days_after(birth, 1);
    }
    let person = person(&mut dice, mrn, sex, birth, today);
    let registered = crate::course::weekday(known).at(8, 10, 0, 0);
    let mut life = Life::new(number, person, registered, today, dice);
    background(&mut life);
    (profile.story)(&mut life);
    situations::add(&mut life);
    life.record
}

const SMOKERS: [Concept; 3] = [service::NEVER_SMOKER, service::FORMER_SMOKER, service::CURRENT_SMOKER];

/// What registration asks everyone: habits, relatives, allergies, vaccinations.
fn background(life: &mut Life) {
    let registered = life.record.registered;
    let years = age(life.record.person.birth, registered.date());
    if years >= 19 {
        let smoking = match (life.sex(), life.dice.between(0, 9)) {
            (Sex::Female, 0..=8) | (Sex::Male, 0..=3) => SMOKERS[0],
            (Sex::Female, _) | (Sex::Male, 4..=6) => SMOKERS[1],
            _ => SMOKERS[2],
        };
        life.habit(SMOKING, Value::Coded(smoking), minutes_after(registered, 10), None);
        let drinks = *life.dice.pick(&["음주 안 함", "월 1~2회, 소주 반 병", "주 1회, 맥주 2잔", "주 2회, 소주 1병"]);
        life.habit(ALCOHOL, Value::Text(drinks.to_owned()), minutes_after(registered, 11), None);
    }
    relatives(life, years);
    allergies(life, years);
    vaccinations(life);
}

fn relatives(life: &mut Life, years: i64) {
    let own = [
        (disease::HYPERTENSION, 45, 62),
        (disease::TYPE_2_DIABETES, 44, 60),
        (disease::GASTRIC_CANCER, 52, 70),
        (disease::STROKE, 60, 75),
        (disease::COLON_CANCER, 55, 72),
        (disease::HYPOTHYROIDISM, 35, 50),
    ];
    let who =
        [relative("FTH", "father"), relative("MTH", "mother"), relative("BRO", "brother"), relative("SIS", "sister")];
    let count = if years < 19 { life.dice.between(0, 1) } else { life.dice.between(0, 2) };
    let mut told = Vec::new();
    for _ in 0..count {
        let relation = who[usize::try_from(life.dice.between(0, if years < 19 { 1 } else { 3 })).unwrap_or(0)];
        let (what, low, high) = *life.dice.pick(&own);
        if told.contains(&(relation.code, what.key())) {
            continue;
        }
        told.push((relation.code, what.key()));
        // Parents of small children are young.
        let onset = if years < 19 { life.dice.between(26, 36) } else { life.dice.between(low, high) };
        let onset = if life.dice.chance(0.75) { u32::try_from(onset).ok() } else { None };
        life.relative(relation, what, onset);
    }
}

/// A third says there is nothing, a third was never asked, the others have one or two.
fn allergies(life: &mut Life, years: i64) {
    let at = minutes_after(life.record.registered, 12);
    let drug = ("DA", "medication");
    let food = ("FA", "food");
    let environment = ("EA", "environment");
    let number = life.record.number;
    // The kind turns with the patient's number, so that every dozen has each of them.
    match number % 6 {
        0 => {
            life.allergy(Told::AtRegistration, at, service::NO_KNOWN_ALLERGY, None, None, &[], None);
        }
        3 => {}
        kind => {
            let known = life.record.registered.date();
            let onset = days_after(known, -life.dice.between(400, 3000)).max(days_after(life.record.person.birth, 200));
            let onset = (onset < known).then_some(onset);
            let choices: [(Concept, _, _, &[&'static str]); 6] = [
                (service::PENICILLIN, drug, "SV", &["아나필락시스", "전신 두드러기"]),
                (service::CONTRAST, drug, "MO", &["두드러기"]),
                (service::SULFONAMIDE, drug, "MI", &["발진"]),
                (service::SHRIMP, food, "MO", &["입술 부종", "가려움"]),
                (service::PEANUT, food, "SV", &["아나필락시스"]),
                (service::MITE, environment, "MI", &["재채기", "코막힘"]),
            ];
            let at_choice = if years < 19 { 3 + life.dice.between(0, 2) } else { life.dice.between(0, 5) };
            let (mut what, kind_of, severity, reactions) = choices[usize::try_from(at_choice).unwrap_or(0)];
            // Nobody is given what the chart forbids: the cancers need contrast, cefazolin and a penicillin.
            if WITH_CANCER.contains(&((number - 1) % PROFILES.len())) && matches!(at_choice, 0 | 1) {
                what = service::SULFONAMIDE;
            }
            let told = if kind % 2 == 1 { Told::AtRegistration } else { Told::Numbered };
            life.allergy(told, at, what, Some(kind_of), Some(severity), reactions, onset);
        }
    }
}

fn vaccinations(life: &mut Life) {
    let birth = life.record.person.birth;
    let years = age(birth, life.today);
    if years < 13 {
        let plan: [(i64, service::Vaccine); 18] = [
            (0, service::HEPATITIS_B_CHILD),
            (20, service::BCG),
            (31, service::HEPATITIS_B_CHILD),
            (61, service::DTAP),
            (61, service::POLIO),
            (62, service::PNEUMOCOCCAL_13),
            (122, service::DTAP),
            (122, service::POLIO),
            (123, service::PNEUMOCOCCAL_13),
            (183, service::DTAP),
            (183, service::POLIO),
            (184, service::HEPATITIS_B_CHILD),
            (370, service::MMR),
            (372, service::VARICELLA),
            (380, service::PNEUMOCOCCAL_13),
            (400, service::ENCEPHALITIS),
            (430, service::ENCEPHALITIS),
            (1500, service::MMR),
        ];
        for (days, vaccine) in plan {
            let late = life.dice.between(0, 5);
            life.vaccinate(days_after(birth, days + late), vaccine);
        }
        return;
    }
    let first = life.record.registered.date().year();
    for year in first..=life.today.year() {
        let comes = (years >= 65 && life.dice.chance(0.8)) || life.dice.chance(0.25);
        let day = i8::try_from(life.dice.between(5, 27)).unwrap_or(12);
        if comes
            && let Ok(day) = Date::new(year, 10, day)
            && day > life.record.registered.date()
        {
            life.vaccinate(day, service::INFLUENZA);
        }
    }
    let registered = life.record.registered.date();
    if years >= 66 {
        let day = days_after(registered, life.dice.between(20, 200));
        life.vaccinate(day, service::PNEUMOCOCCAL_23);
    }
    if years >= 52 && life.dice.chance(0.5) {
        let day = days_after(registered, life.dice.between(220, 500));
        life.vaccinate(day, service::ZOSTER);
        life.vaccinate(days_after(day, 65), service::ZOSTER);
    }
    if years >= 20 && registered.year() < 2025 && life.dice.chance(0.5) {
        let day = days_after(registered, life.dice.between(30, 300));
        life.vaccinate(day, service::COVID);
    }
}

/// Follow-up visits: from a day on, every so many days, with the appointments of the last year.
fn follow(life: &mut Life, from: Date, every: i64, department: Department, reason: Concept) -> Vec<usize> {
    let mut out = Vec::new();
    let mut day = from;
    while let Some(visit) = life.clinic(day, department, reason) {
        out.push(visit);
        day = days_after(day, every + life.dice.between(-9, 12));
    }
    for pair in 1..out.len() {
        let (made, start) = (made_at(life, out[pair - 1]), life.start(out[pair]));
        if crate::moment::days_between(start.date(), life.today) < 370 {
            life.appointment(made, start, department, reason, Kept::Fulfilled);
        }
    }
    if let Some(last) = out.last().copied() {
        let made = made_at(life, last);
        let start = crate::course::weekday(days_after(life.today, life.dice.between(6, every.max(20))));
        let start = start.at(i8::try_from(life.dice.between(9, 15)).unwrap_or(10), 30, 0, 0);
        life.appointment(made, start, department, reason, Kept::Booked);
    }
    out
}

fn made_at(life: &Life, visit: usize) -> DateTime {
    life.record.visits[visit].end().unwrap_or(life.start(visit))
}

/// Reasons for coming, in words.
const fn words(text: &'static str) -> Concept {
    Concept::words(text)
}

/// A regular check of chronic diseases.
const FOLLOW_UP: Concept = words("만성질환 정기 추적");
