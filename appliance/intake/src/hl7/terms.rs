//! Code tables: HL7 v2 names of coding systems to URIs, and the concept maps of the published v2-to-FHIR mapping
//! (HL7/v2-to-fhir at 8c9b414b, folder `codesystems`; each table below names its CSV). A code that has no row stays as
//! it came.

/// `http://terminology.hl7.org/CodeSystem/` prefix of HL7's own systems.
const HL7: &str = "http://terminology.hl7.org/CodeSystem/";

/// One of HL7's own systems by its last name, as `v2-0203` or `v3-ActCode`.
pub(super) fn hl7(name: &str) -> String {
    format!("{HL7}{name}")
}

/// The URI for a v2 coding system name (table 0396), an OID or a URI. A local name becomes `urn:id:NAME`.
pub(super) fn system(name: &str) -> String {
    let name = name.trim();
    let upper = name.to_ascii_uppercase();
    let known = match upper.as_str() {
        "LN" | "LOINC" | "2.16.840.1.113883.6.1" => "http://loinc.org",
        "SCT" | "SNOMED" | "SNOMED-CT" | "SNOMEDCT" | "SCT2" | "2.16.840.1.113883.6.96" => "http://snomed.info/sct",
        "RXNORM" | "RXN" | "2.16.840.1.113883.6.88" => "http://www.nlm.nih.gov/research/umls/rxnorm",
        "I10" | "ICD10" | "ICD-10" | "2.16.840.1.113883.6.3" => "http://hl7.org/fhir/sid/icd-10",
        "I10C" | "I10P" | "ICD10CM" | "ICD-10-CM" | "2.16.840.1.113883.6.90" => "http://hl7.org/fhir/sid/icd-10-cm",
        "I9" | "I9C" | "I9CDX" | "ICD9" | "2.16.840.1.113883.6.103" => "http://hl7.org/fhir/sid/icd-9-cm",
        "KCD" | "KCD7" | "KCD8" | "KCD9" | "KCD-7" | "KCD-8" | "KCD-9" | "2.16.840.1.113883.6.3.7" => {
            "http://www.hira.or.kr/CodeSystem/kcd-9"
        }
        "KD" | "EDI-DRUG" => "http://www.hira.or.kr/CodeSystem/edi-medication",
        "EDI" => "http://www.hira.or.kr/CodeSystem/edi-procedure",
        "ATC" | "WC" | "2.16.840.1.113883.6.73" => "http://www.whocc.no/atc",
        "CVX" | "2.16.840.1.113883.12.292" => "http://hl7.org/fhir/sid/cvx",
        "MVX" | "2.16.840.1.113883.12.227" => "http://terminology.hl7.org/CodeSystem/MVX",
        "NDC" | "2.16.840.1.113883.6.69" => "http://hl7.org/fhir/sid/ndc",
        "UCUM" | "2.16.840.1.113883.6.8" => "http://unitsofmeasure.org",
        "C4" | "CPT" | "CPTM" | "2.16.840.1.113883.6.12" => "http://www.ama-assn.org/go/cpt",
        "CDCREC" | "2.16.840.1.113883.6.238" => "urn:oid:2.16.840.1.113883.6.238",
        "NCIT" => "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
        "NIP001" => "urn:oid:2.16.840.1.114222.4.5.274",
        "DCM" => "http://dicom.nema.org/resources/ontology/DCM",
        "ICDO" | "ICD-O" | "ICDO3" => "http://terminology.hl7.org/CodeSystem/icd-o-3",
        "ISO3166_1" => "urn:iso:std:iso:3166",
        "ISO639" => "urn:ietf:bcp:47",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    if let Some(table) = upper.strip_prefix("HL7") {
        let table = table.trim_start_matches(['-', '_']);
        if (1..=4).contains(&table.len()) && table.bytes().all(|byte| byte.is_ascii_digit()) {
            return hl7(&format!("v2-{table:0>4}"));
        }
    }
    uri(name)
}

/// A URI for an identifier or system that is an OID, a UUID, a URI already, or a local name.
pub(super) fn uri(name: &str) -> String {
    let name = name.trim();
    if name.contains("://") || name.starts_with("urn:") {
        return name.to_owned();
    }
    if is_oid(name) {
        return format!("urn:oid:{name}");
    }
    if uuid::Uuid::try_parse(name).is_ok() {
        return format!("urn:uuid:{}", name.to_ascii_lowercase());
    }
    let mut out = String::from("urn:id:");
    for c in name.chars() {
        match c {
            ' ' => out.push_str("%20"),
            '<' | '>' | '"' | '{' | '}' | '|' | '\\' | '^' | '`' | '%' => out.push('_'),
            c => out.push(c),
        }
    }
    out
}

fn is_oid(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Finds `code` in a table of (v2 code, FHIR code, display).
fn row(table: &'static [(&str, &str, &str)], code: &str) -> Option<(&'static str, &'static str)> {
    table.iter().find(|(v2, _, _)| v2.eq_ignore_ascii_case(code)).map(|(_, fhir, display)| (*fhir, *display))
}

/// AdministrativeSex. Korean systems also write the word or the digit of the resident number.
pub(super) fn gender(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "F" | "FEMALE" | "여" => "female",
        "M" | "MALE" | "남" => "male",
        "O" | "A" | "N" | "OTHER" => "other",
        "U" | "UNKNOWN" => "unknown",
        _ => return None,
    })
}

/// PatientClass\[EncounterClass\]: code, display and whether the system is v3-ActCode. Classes without an ActCode stay in
/// table 0004.
pub(super) fn encounter_class(code: &str) -> Option<(&'static str, &'static str, bool)> {
    Some(match code.to_ascii_uppercase().as_str() {
        "E" => ("EMER", "emergency", true),
        "I" => ("IMP", "inpatient encounter", true),
        "O" => ("AMB", "ambulatory", true),
        "P" => ("PRENC", "pre-admission", true),
        "R" => ("R", "Recurring patient", false),
        "B" => ("B", "Obstetrics", false),
        "C" => ("C", "Commercial Account", false),
        "N" => ("N", "Not Applicable", false),
        "U" => ("U", "Unknown", false),
        _ => return None,
    })
}

/// ObservationResultStatusCodesInterpretation. Rows that the published map leaves open are filled by the meaning table
/// 0085 gives them: verified and status-changed results are final, appended ones amended, unverified ones preliminary.
pub(super) fn observation_status(code: &str) -> &'static str {
    match code.to_ascii_uppercase().as_str() {
        "F" | "U" | "V" => "final",
        "C" => "corrected",
        "A" | "B" => "amended",
        "P" | "R" | "S" => "preliminary",
        "I" | "O" => "registered",
        "X" | "N" => "cancelled",
        "D" | "W" => "entered-in-error",
        _ => "unknown",
    }
}

/// ResultStatus\[Non-Queries\] for `DiagnosticReport.status`.
pub(super) fn report_status(code: &str) -> &'static str {
    match code.to_ascii_uppercase().as_str() {
        "F" => "final",
        "C" => "corrected",
        "P" => "preliminary",
        "A" | "R" | "M" => "partial",
        "O" | "I" | "S" | "N" => "registered",
        "X" => "cancelled",
        _ => "unknown",
    }
}

/// Displays of v3-ObservationInterpretation for the codes of InterpretationCodes.
pub(super) fn interpretation(code: &str) -> Option<&'static str> {
    const TABLE: &[(&str, &str, &str)] = &[
        ("<", "<", "Off scale low"),
        (">", ">", "Off scale high"),
        ("A", "A", "Abnormal"),
        ("AA", "AA", "Critical abnormal"),
        ("B", "B", "Better"),
        ("CAR", "CAR", "Carrier"),
        ("D", "D", "Significant change down"),
        ("DET", "DET", "Detected"),
        ("E", "E", "Equivocal"),
        ("EX", "EX", "outside threshold"),
        ("EXP", "EXP", "Expected"),
        ("H", "H", "High"),
        ("HH", "HH", "Critical high"),
        ("HU", "HU", "Significantly high"),
        ("I", "I", "Intermediate"),
        ("IE", "IE", "Insufficient evidence"),
        ("IND", "IND", "Indeterminate"),
        ("L", "L", "Low"),
        ("LL", "LL", "Critical low"),
        ("LU", "LU", "Significantly low"),
        ("MS", "MS", "moderately susceptible"),
        ("N", "N", "Normal"),
        ("NCL", "NCL", "No CLSI defined breakpoint"),
        ("ND", "ND", "Not detected"),
        ("NEG", "NEG", "Negative"),
        ("NR", "NR", "Non-reactive"),
        ("NS", "NS", "Non-susceptible"),
        ("POS", "POS", "Positive"),
        ("R", "R", "Resistant"),
        ("RR", "RR", "Reactive"),
        ("S", "S", "Susceptible"),
        ("SDD", "SDD", "Susceptible-dose dependent"),
        ("SYN-R", "SYN-R", "Synergy - resistant"),
        ("SYN-S", "SYN-S", "Synergy - susceptible"),
        ("U", "U", "Significant change up"),
        ("UNE", "UNE", "Unexpected"),
        ("VS", "VS", "very susceptible"),
        ("W", "W", "Worse"),
        ("WR", "WR", "Weakly reactive"),
    ];
    TABLE.iter().find(|(v2, _, _)| *v2 == code).map(|(_, _, display)| *display)
}

/// How an order stands, from ORC-1 (OrderControlCode) and ORC-5 (OrderStatus).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// It is to be carried out.
    Active,
    /// It waits.
    OnHold,
    /// It was taken back before it began.
    Cancelled,
    /// It was stopped.
    Stopped,
    /// It was carried out.
    Completed,
    /// It should not be there.
    Wrong,
}

impl Order {
    /// `ServiceRequest.status`.
    pub(super) fn request(self) -> &'static str {
        match self {
            Order::Active => "active",
            Order::OnHold => "on-hold",
            Order::Cancelled | Order::Stopped => "revoked",
            Order::Completed => "completed",
            Order::Wrong => "entered-in-error",
        }
    }

    /// `MedicationRequest.status`, which tells taking back from stopping.
    pub(super) fn medication(self) -> &'static str {
        match self {
            Order::Active => "active",
            Order::OnHold => "on-hold",
            Order::Cancelled => "cancelled",
            Order::Stopped => "stopped",
            Order::Completed => "completed",
            Order::Wrong => "entered-in-error",
        }
    }
}

/// What ORC-1 says. `CA` and `HD` follow the sender's wish (cancelled, on hold): the published map leaves them active
/// until the filler agrees, but a chart fed by one-way messages often never hears the answer, and an order that the
/// prescriber took back must not read as active. `None` where the code does not change the order.
pub(super) fn order_control(code: &str) -> Option<Order> {
    Some(match code.to_ascii_uppercase().as_str() {
        "NW" | "AF" | "OK" | "PR" | "PY" | "RL" | "RO" | "RQ" | "OE" | "OR" | "XO" | "XR" | "XX" | "CH" | "PA"
        | "RF" => Order::Active,
        "HD" | "HR" | "OH" => Order::OnHold,
        "CA" | "OC" | "CR" | "UA" | "DF" | "RP" | "RU" => Order::Cancelled,
        "DC" | "OD" | "DR" => Order::Stopped,
        "FU" => Order::Completed,
        "DE" => Order::Wrong,
        _ => return None,
    })
}

/// What ORC-5 says (OrderStatus; `A` some results, `IP` in process and `SC` scheduled are all active).
pub(super) fn order_status(code: &str) -> Option<Order> {
    Some(match code.to_ascii_uppercase().as_str() {
        "A" | "IP" | "SC" => Order::Active,
        "HD" => Order::OnHold,
        "CA" | "RP" => Order::Cancelled,
        "DC" => Order::Stopped,
        "CM" => Order::Completed,
        "ER" => Order::Wrong,
        _ => return None,
    })
}

/// ExtendedPriorityCodes.
pub(super) fn priority(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "S" | "STAT" => "stat",
        "A" | "ASAP" => "asap",
        "R" | "ROUTINE" => "routine",
        "U" | "URGENT" => "urgent",
        _ => return None,
    })
}

/// AllergenType\[AllergyIntoleranceCategory\].
pub(super) fn allergy_category(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "DA" => "medication",
        "FA" => "food",
        "EA" | "PA" | "LA" => "environment",
        "AA" => "biologic",
        _ => return None,
    })
}

/// AllergySeverity: reaction severity and criticality.
pub(super) fn allergy_severity(code: &str) -> (Option<&'static str>, Option<&'static str>) {
    match code.to_ascii_uppercase().as_str() {
        "SV" => (Some("severe"), Some("high")),
        "MO" => (Some("moderate"), None),
        "MI" => (Some("mild"), Some("low")),
        _ => (None, None),
    }
}

/// NameType.
pub(super) fn name_use(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "L" | "R" => "official",
        "D" => "usual",
        "M" => "maiden",
        "N" => "nickname",
        "BAD" => "old",
        "MSK" => "anonymous",
        "NAV" | "TEMP" => "temp",
        _ => return None,
    })
}

/// AddressType\[Use\].
pub(super) fn address_use(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "H" | "HOME" | "P" => "home",
        "B" | "O" => "work",
        "BI" => "billing",
        "BA" => "old",
        "C" => "temp",
        _ => return None,
    })
}

/// TelecommunicationUseCode.
pub(super) fn telecom_use(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "PRN" => "home",
        "WPN" => "work",
        "PRS" => "mobile",
        _ => return None,
    })
}

/// TelecommunicationEquipmentType; mobile telephones are phones in FHIR.
pub(super) fn telecom_system(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "PH" | "CP" => "phone",
        "FX" => "fax",
        "BP" => "pager",
        "INTERNET" | "X.400" => "email",
        "MD" | "SAT" | "TDD" | "TTY" => "other",
        _ => return None,
    })
}

/// MaritalStatus: code and display in v3-MaritalStatus (the last two: v3-NullFlavor).
pub(super) fn marital(code: &str) -> Option<(&'static str, &'static str)> {
    const TABLE: &[(&str, &str, &str)] = &[
        ("A", "L", "Legally Separated"),
        ("B", "U", "unmarried"),
        ("C", "C", "Common Law"),
        ("D", "D", "Divorced"),
        ("E", "L", "Legally Separated"),
        ("G", "T", "Domestic partner"),
        ("I", "I", "Interlocutory"),
        ("M", "M", "Married"),
        ("N", "A", "Annulled"),
        ("P", "T", "Domestic partner"),
        ("R", "T", "Domestic partner"),
        ("S", "S", "Never Married"),
        ("W", "W", "Widowed"),
        ("O", "OTH", "Other"),
        ("U", "UNK", "Unknown"),
    ];
    row(TABLE, code)
}

/// Relationship: code and display in v3-RoleCode.
pub(super) fn relationship(code: &str) -> Option<(&'static str, &'static str)> {
    const TABLE: &[(&str, &str, &str)] = &[
        ("SEL", "ONESELF", "self"),
        ("SPO", "SPS", "spouse"),
        ("DOM", "SIGOTHR", "significant other"),
        ("CHD", "CHILD", "child"),
        ("GCH", "GRNDCHILD", "grandchild"),
        ("NCH", "NCHILD", "natural child"),
        ("SCH", "STPCHLD", "step child"),
        ("FCH", "CHLDFOST", "foster child"),
        ("PAR", "PRN", "parent"),
        ("MTH", "MTH", "mother"),
        ("FTH", "FTH", "father"),
        ("GRP", "GRPRN", "grandparent"),
        ("EXF", "EXT", "extended family member"),
        ("SIB", "SIB", "sibling"),
        ("BRO", "BRO", "brother"),
        ("SIS", "SIS", "sister"),
        ("FND", "FRND", "unrelated friend"),
        ("GRD", "GUARD", "guardian"),
    ];
    row(TABLE, code)
}

/// FillerStatusCodes\[Appointment\]; overbooked slots are booked.
pub(super) fn appointment_status(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "PENDING" => "pending",
        "WAITLIST" => "waitlist",
        "BOOKED" | "OVERBOOK" => "booked",
        "STARTED" => "checked-in",
        "COMPLETE" => "fulfilled",
        "CANCELLED" | "CANCELED" | "DISCONTINUED" => "cancelled",
        "DELETED" => "entered-in-error",
        "NOSHOW" => "noshow",
        _ => return None,
    })
}

/// TQ1-3 repeat patterns (RepeatPattern) as frequency, period and its unit.
pub(super) fn repeat(code: &str) -> Option<(u64, u64, &'static str)> {
    let code = code.trim().to_ascii_uppercase();
    let fixed = match code.as_str() {
        "QD" | "QAM" | "QPM" | "QHS" | "DAILY" | "HS" => Some((1, 1, "d")),
        "BID" => Some((2, 1, "d")),
        "TID" => Some((3, 1, "d")),
        "QID" => Some((4, 1, "d")),
        "QOD" => Some((1, 2, "d")),
        "QW" | "WEEKLY" => Some((1, 1, "wk")),
        _ => None,
    };
    if fixed.is_some() {
        return fixed;
    }
    let body = code.strip_prefix('Q')?;
    let split = body.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = body.split_at_checked(split)?;
    let count: u64 = count.parse().ok().filter(|count| (1..=999).contains(count))?;
    let unit = match unit {
        "S" => "s",
        "M" => "min",
        "H" => "h",
        "D" => "d",
        "W" => "wk",
        "L" => "mo",
        _ => return None,
    };
    Some((1, count, unit))
}

/// Which observation category a diagnostic section (table 0074, OBR-24) belongs to.
pub(super) fn section(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code.to_ascii_uppercase().as_str() {
        "LAB" | "CH" | "HM" | "MB" | "MCB" | "MYC" | "SR" | "IMM" | "BG" | "BLB" | "CG" | "CP" | "GE" | "SP" | "TX"
        | "URN" | "VR" | "OSL" | "PAR" => ("laboratory", "Laboratory"),
        "RAD" | "RX" | "CT" | "NMR" | "NMS" | "RUS" | "OUS" | "VUS" | "CUS" | "XRC" | "CTH" | "RT" => {
            ("imaging", "Imaging")
        }
        "EC" | "EN" | "PF" | "AU" | "GI" => ("procedure", "Procedure"),
        "ICU" | "NRS" => ("vital-signs", "Vital Signs"),
        _ => return None,
    })
}

/// Display of a diagnostic section (DiagnosticServiceSectionID), the ones in daily use.
pub(super) fn section_display(code: &str) -> Option<&'static str> {
    const TABLE: &[(&str, &str, &str)] = &[
        ("LAB", "LAB", "Laboratory"),
        ("CH", "CH", "Chemistry"),
        ("HM", "HM", "Hematology"),
        ("MB", "MB", "Microbiology"),
        ("SR", "SR", "Serology"),
        ("IMM", "IMM", "Immunology"),
        ("BG", "BG", "Blood Gases"),
        ("BLB", "BLB", "Blood Bank"),
        ("SP", "SP", "Surgical Pathology"),
        ("CP", "CP", "Cytopathology"),
        ("RAD", "RAD", "Radiology"),
        ("RX", "RX", "Radiograph"),
        ("CT", "CT", "CAT Scan"),
        ("NMR", "NMR", "Nuclear Magnetic Resonance"),
        ("NMS", "NMS", "Nuclear Medicine Scan"),
        ("RUS", "RUS", "Radiology Ultrasound"),
        ("CUS", "CUS", "Cardiac Ultrasound"),
        ("EC", "EC", "Electrocardiac (e.g., EKG, EEC, Holter)"),
        ("PF", "PF", "Pulmonary Function"),
    ];
    row(TABLE, code).map(|(_, display)| display)
}

/// LOINC codes of the FHIR vital signs profile (R4, 2019) and the ones wards send beside them.
pub(super) fn is_vital(loinc: &str) -> bool {
    const CODES: &[&str] = &[
        "85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8331-1", "8302-2", "8306-3", "9843-4", "8287-5",
        "29463-7", "3141-9", "3142-7", "39156-5", "85354-9", "8480-6", "8462-4", "8478-0", "8289-1", "38208-5",
        "72514-3", "9269-2", "8716-3", "3150-6", "55284-4",
    ];
    CODES.contains(&loinc)
}

/// LOINC codes of social history: smoking, packs, alcohol, occupation.
pub(super) fn is_social(loinc: &str) -> bool {
    ["72166-2", "11367-0", "8663-7", "8664-5", "74013-4", "11331-6", "11341-5", "76690-7"].contains(&loinc)
}

/// A MIME type from what ED-2/ED-3 or TXA-3 say. `None` if they say nothing we know.
pub(super) fn mime(kind: &str, subtype: &str) -> Option<String> {
    let (kind, subtype) = (kind.trim().to_ascii_lowercase(), subtype.trim().to_ascii_lowercase());
    if kind.contains('/') {
        return Some(kind);
    }
    let by_subtype = match subtype.as_str() {
        "pdf" => Some("application/pdf"),
        "rtf" => Some("application/rtf"),
        "html" | "htm" => Some("text/html"),
        "xml" | "x-hl7-cda-level-one" | "hl7-cda-level-one" => Some("text/xml"),
        "jpeg" | "jpg" | "jpe" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "gif" => Some("image/gif"),
        "tiff" | "tif" => Some("image/tiff"),
        "bmp" => Some("image/bmp"),
        "pict" => Some("image/x-pict"),
        "dicom" => Some("application/dicom"),
        "basic" => Some("audio/basic"),
        "octet-stream" => Some("application/octet-stream"),
        "plain" | "txt" | "text" => Some("text/plain"),
        "msword" | "doc" => Some("application/msword"),
        _ => None,
    };
    if let Some(mime) = by_subtype {
        return Some(mime.to_owned());
    }
    Some(
        match kind.as_str() {
            "text" | "tx" | "ft" | "formatted text" => "text/plain",
            "pdf" | "pd" => "application/pdf",
            "rtf" => "application/rtf",
            "html" => "text/html",
            "application" | "ap" | "octet-stream" => "application/octet-stream",
            _ => return None,
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_uris_that_the_fhir_road_uses() {
        for (name, uri) in [
            ("LN", "http://loinc.org"),
            ("SCT", "http://snomed.info/sct"),
            ("KCD", "http://www.hira.or.kr/CodeSystem/kcd-9"),
            ("2.16.840.1.113883.6.3.7", "http://www.hira.or.kr/CodeSystem/kcd-9"),
            ("KD", "http://www.hira.or.kr/CodeSystem/edi-medication"),
            ("ATC", "http://www.whocc.no/atc"),
            ("HL70078", "http://terminology.hl7.org/CodeSystem/v2-0078"),
            ("HL7203", "http://terminology.hl7.org/CodeSystem/v2-0203"),
            ("1.2.410.100000.1.1", "urn:oid:1.2.410.100000.1.1"),
            ("http://example.org/x", "http://example.org/x"),
            ("99LAB", "urn:id:99LAB"),
            ("HL7nnnn", "urn:id:HL7nnnn"),
            ("우리 병원", "urn:id:우리%20병원"),
        ] {
            assert_eq!(system(name), uri, "{name}");
        }
        assert_eq!(uri("426d2726-51fc-00fe-a946-8596e80a80eb"), "urn:uuid:426d2726-51fc-00fe-a946-8596e80a80eb");
    }

    #[test]
    fn repeat_patterns_are_counted() {
        assert_eq!(repeat("TID"), Some((3, 1, "d")));
        assert_eq!(repeat("Q6H"), Some((1, 6, "h")));
        assert_eq!(repeat("q12h"), Some((1, 12, "h")));
        assert_eq!(repeat("Q0H"), None);
        assert_eq!(repeat("Q99999999999999999999H"), None);
        assert_eq!(repeat("PRN"), None);
        assert_eq!(repeat("Q한"), None);
    }

    #[test]
    fn an_order_that_was_taken_back_is_not_active() {
        assert_eq!(order_control("CA").map(Order::request), Some("revoked"));
        assert_eq!(order_control("DC").map(Order::medication), Some("stopped"));
        assert_eq!(order_control("RE"), None);
        assert_eq!(order_status("CM").map(Order::medication), Some("completed"));
    }
}
