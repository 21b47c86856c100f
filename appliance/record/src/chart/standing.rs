//! How far a resource may support a statement, from its own status elements. Strict on purpose: a status that this
//! table does not know is said aloud, never taken for "it stands".

use super::Standing;
use super::Standing::{SaidAs, Stands, Void};
use super::json::Json;
use super::words::first_code;

/// A resource's life-cycle elements, read.
pub(super) struct Status {
    /// `status`, `clinicalStatus` or `lifecycleStatus`, as recorded.
    pub(super) status: Option<String>,
    /// `verificationStatus`, as recorded.
    pub(super) verification: Option<String>,
    /// What they mean.
    pub(super) standing: Standing,
}

/// Types whose status FHIR R4 requires: one that came without says so.
const STATUS_REQUIRED: [&str; 17] = [
    "Appointment",
    "CarePlan",
    "Composition",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Goal",
    "ImagingStudy",
    "Immunization",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Procedure",
    "QuestionnaireResponse",
    "ServiceRequest",
];

/// Reads the status elements of a resource. The strictest of them wins: void before said-as before stands.
pub(super) fn read(root: &Json<'_>, resource_type: &str) -> Status {
    let code = |name: &str| root.get(name).and_then(first_code).map(str::to_owned);
    let status = match resource_type {
        "Condition" | "AllergyIntolerance" => code("clinicalStatus"),
        "Goal" => code("lifecycleStatus"),
        _ => code("status"),
    };
    let verification = code("verificationStatus");

    let mut standing = match status.as_deref() {
        Some(status) => of_status(resource_type, status),
        None if STATUS_REQUIRED.contains(&resource_type) => SaidAs("status-unknown"),
        None => Stands,
    };
    let mut stricter = |other: Standing| {
        if rank(&other) > rank(&standing) {
            standing = other;
        }
    };
    if let Some(code) = verification.as_deref() {
        stricter(of_verification(code));
    }
    // A document reference may be current while the document it points at is not final.
    if let Some(code) = code("docStatus") {
        stricter(of_status("Composition", &code));
    }
    if root.is_true("doNotPerform") {
        stricter(Void("do-not-perform"));
    }
    if let Some(intent) = code("intent") {
        stricter(of_intent(resource_type, &intent));
    }
    if resource_type == "FamilyMemberHistory" {
        stricter(SaidAs("family-history"));
    }
    if is_patient_reported(root, resource_type) {
        stricter(SaidAs("patient-reported"));
    }
    Status { status, verification, standing }
}

fn rank(standing: &Standing) -> u8 {
    match standing {
        Stands => 0,
        SaidAs(_) => 1,
        Void(_) => 2,
    }
}

/// Codes of the R4 value sets for `status`, by resource type where one word means different things.
fn of_status(resource_type: &str, code: &str) -> Standing {
    match (resource_type, code) {
        (_, "entered-in-error") => Void("entered-in-error"),
        (_, "cancelled" | "canceled") => Void("cancelled"),
        (_, "nullified") => Void("nullified"),
        (_, "not-done") => Void("not-done"),
        (_, "not-taken") => Void("not-taken"),
        (_, "refuted") => Void("refuted"),
        (_, "revoked") => Void("revoked"),
        (_, "rejected") => Void("rejected"),
        (_, "declined") => Void("declined"),
        (_, "aborted") => Void("aborted"),

        (_, "preliminary") => SaidAs("preliminary"),
        (_, "partial") => SaidAs("partial"),
        (_, "registered") => SaidAs("registered"),
        (_, "corrected") => SaidAs("corrected"),
        (_, "amended") => SaidAs("amended"),
        (_, "appended") => SaidAs("appended"),
        (_, "on-hold") => SaidAs("on-hold"),
        (_, "suspended") => SaidAs("on-hold"),
        (_, "draft") => SaidAs("draft"),
        (_, "proposed" | "proposal") => SaidAs("proposal"),
        (_, "planned" | "intended") => SaidAs("planned"),
        (_, "preparation") => SaidAs("planned"),
        (_, "superseded") => SaidAs("superseded"),
        (_, "unknown") => SaidAs("status-unknown"),
        ("Appointment" | "AppointmentResponse", "noshow") => SaidAs("no-show"),
        ("Appointment" | "AppointmentResponse", "pending" | "waitlist") => SaidAs("planned"),
        // Begun and not carried through.
        ("Procedure" | "MedicationAdministration" | "Communication" | "QuestionnaireResponse", "stopped") => {
            SaidAs("stopped")
        }
        ("ServiceRequest" | "DeviceRequest" | "NutritionOrder" | "Task", "active") => SaidAs("planned"),

        (
            _,
            "active" | "inactive" | "resolved" | "recurrence" | "relapse" | "remission" | "well-controlled"
            | "poorly-controlled" | "final" | "current" | "completed" | "complete" | "stopped" | "ended" | "finished"
            | "in-progress" | "arrived" | "triaged" | "onleave" | "on-leave" | "booked" | "fulfilled" | "checked-in"
            | "accepted" | "available" | "unavailable" | "unsatisfactory" | "health-unknown" | "retired" | "expired"
            | "confirmed" | "received" | "ready" | "requested" | "waiting" | "discharged" | "balanced" | "issued",
        ) => Stands,
        _ => SaidAs("status-unknown"),
    }
}

fn of_verification(code: &str) -> Standing {
    match code {
        "confirmed" => Stands,
        "entered-in-error" => Void("entered-in-error"),
        "refuted" => Void("refuted"),
        "provisional" => SaidAs("provisional"),
        "differential" => SaidAs("differential"),
        "presumed" | "unconfirmed" => SaidAs("unconfirmed"),
        _ => SaidAs("status-unknown"),
    }
}

fn of_intent(resource_type: &str, intent: &str) -> Standing {
    match (resource_type, intent) {
        (_, "proposal") => SaidAs("proposal"),
        // A care plan is a plan by its nature; the kind of the entry says so already.
        ("CarePlan", "plan") => Stands,
        (_, "plan" | "option") => SaidAs("planned"),
        _ => Stands,
    }
}

/// Whether the statement came from the patient or a relative and not from a professional.
fn is_patient_reported(root: &Json<'_>, resource_type: &str) -> bool {
    let subject = ["subject", "patient"].iter().find_map(|name| root.get(name)?.string("reference"));
    let lay = |name: &str| {
        root.items(name).iter().any(|who| {
            let reference = who.string("reference").unwrap_or_default();
            let kind = who.string("type").unwrap_or_default();
            // Inside a bundle the patient may be named by `urn:uuid:`, which says no type.
            if subject.is_some_and(|subject| subject == reference) {
                return true;
            }
            ["Patient", "RelatedPerson"].iter().any(|lay| kind == *lay || is_reference_to(reference, lay))
        })
    };
    match resource_type {
        "MedicationRequest" => root.is_true("reportedBoolean") || lay("reportedReference"),
        "MedicationStatement" => lay("informationSource"),
        "Condition" | "AllergyIntolerance" | "Procedure" => lay("asserter"),
        _ => false,
    }
}

fn is_reference_to(reference: &str, resource_type: &str) -> bool {
    let mut parts = reference.split('/').rev();
    parts.next().is_some() && parts.next() == Some(resource_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(json: &str) -> Standing {
        let root = Json::parse(json.as_bytes()).unwrap();
        read(&root, root.string("resourceType").unwrap()).standing
    }

    #[test]
    fn only_what_stands_stands() {
        for (json, expected) in [
            (r#"{"resourceType":"Observation","status":"final"}"#, Stands),
            (r#"{"resourceType":"Observation","status":"preliminary"}"#, SaidAs("preliminary")),
            (r#"{"resourceType":"Observation","status":"cancelled"}"#, Void("cancelled")),
            (r#"{"resourceType":"Observation","status":"somethingNew"}"#, SaidAs("status-unknown")),
            (r#"{"resourceType":"Observation"}"#, SaidAs("status-unknown")),
            (r#"{"resourceType":"AllergyIntolerance"}"#, Stands),
            (
                r#"{"resourceType":"Condition","subject":{"reference":"urn:uuid:1"},"asserter":{"reference":"urn:uuid:1"}}"#,
                SaidAs("patient-reported"),
            ),
            (
                r#"{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"active"}]},
                    "verificationStatus":{"coding":[{"code":"refuted"}]}}"#,
                Void("refuted"),
            ),
            (
                r#"{"resourceType":"Condition","verificationStatus":{"coding":[{"code":"differential"}]}}"#,
                SaidAs("differential"),
            ),
            (
                r#"{"resourceType":"Condition","verificationStatus":{"coding":[{"code":"confirmed"}]},
                    "asserter":{"reference":"Patient/1"}}"#,
                SaidAs("patient-reported"),
            ),
            (r#"{"resourceType":"MedicationRequest","status":"active","intent":"proposal"}"#, SaidAs("proposal")),
            (r#"{"resourceType":"MedicationRequest","status":"active","intent":"order"}"#, Stands),
            (
                r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","reportedBoolean":true}"#,
                SaidAs("patient-reported"),
            ),
            (
                r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","doNotPerform":true}"#,
                Void("do-not-perform"),
            ),
            (r#"{"resourceType":"MedicationStatement","status":"not-taken"}"#, Void("not-taken")),
            (
                r#"{"resourceType":"MedicationStatement","status":"active",
                    "informationSource":{"reference":"urn:x","type":"Patient"}}"#,
                SaidAs("patient-reported"),
            ),
            (r#"{"resourceType":"MedicationRequest","status":"on-hold","intent":"order"}"#, SaidAs("on-hold")),
            (r#"{"resourceType":"Immunization","status":"not-done"}"#, Void("not-done")),
            (r#"{"resourceType":"Appointment","status":"booked"}"#, Stands),
            (
                r#"{"resourceType":"DocumentReference","status":"current","docStatus":"preliminary"}"#,
                SaidAs("preliminary"),
            ),
            (r#"{"resourceType":"FamilyMemberHistory","status":"completed"}"#, SaidAs("family-history")),
            (r#"{"resourceType":"ServiceRequest","status":"active","intent":"order"}"#, SaidAs("planned")),
        ] {
            assert_eq!(standing(json), expected, "{json}");
        }
    }
}
