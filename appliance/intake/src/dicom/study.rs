//! What the record says of a study: its ImagingStudy, and a DiagnosticReport for each structured report in it.
//!
//! Written from the instances' rows whenever they changed, whole, so that it never drifts from them. Each element remembers
//! the attribute it came from, as `0008,1030`, for citations.

use std::collections::BTreeMap;

use haechi_record::RecordError;
use haechi_record::chart::Origin;
use haechi_record::prepare::{Source, prepare};
use haechi_record::store::{InstanceRow, Put, StudyRow, Writer};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::archive::{Archive, id_of};
use super::header::Header;
use super::report::Report;

/// Instances listed in one ImagingStudy; the numbers count all of them. A resource has a largest size.
const LISTED: usize = 20_000;
/// Studies brought up to date in one transaction.
const STUDIES: usize = 8;

/// What [`Archive::refresh`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Studies looked at.
    pub studies: u64,
    /// Resources written that were new or different.
    pub resources: u64,
    /// Patients they are about.
    pub patients: Vec<String>,
}

impl Archive {
    /// Writes the resources of all studies that last changed before `before`.
    ///
    /// # Errors
    /// Those of the disk. What was written before stays.
    pub fn refresh(&self, before: Timestamp) -> Result<Refreshed, RecordError> {
        let mut done = Refreshed::default();
        if !self.store.has_changed_studies()? {
            return Ok(done);
        }
        loop {
            let count = self.store.write(|writer| {
                let studies = writer.changed_studies(before, STUDIES)?;
                for study in &studies {
                    self.say(writer, study, &mut done)?;
                }
                Ok(studies.len())
            })?;
            done.studies += count as u64;
            if count < STUDIES {
                return Ok(done);
            }
        }
    }

    fn say(&self, writer: &mut Writer<'_>, study: &StudyRow, done: &mut Refreshed) -> Result<(), RecordError> {
        let rows = writer.instances(study)?;
        let instances: Vec<(InstanceRow, Header)> = rows
            .into_iter()
            .filter_map(|row| serde_json::from_str(&row.header).ok().map(|header| (row, header)))
            .collect();
        let whose = self.whose(writer, study)?;
        let (patient, why) = match &whose {
            Ok(patient) => (Some(patient.as_str()), None),
            Err(why) => (None, Some(*why)),
        };
        let mut made = vec![self.imaging_study(study, patient, &instances)];
        for (row, header) in &instances {
            if let Some(report) = &header.report {
                made.push(self.report(study, patient, row, header, report));
            }
        }
        for (json, origin, received, source) in made {
            let source = Source { file: source, received, origin: Some(origin) };
            match prepare(json.to_string().into_bytes(), None, &|_| None, &source) {
                Ok(prepared) => {
                    let put = writer.put(&prepared)?;
                    done.resources += u64::from(put != Put::Unchanged);
                }
                Err(error) => log::error!(
                    "HAECHI-0377: a study's entry could not be written: {error}\n  effect  its images are kept; the chart does not list them\n  to do   report this text"
                ),
            }
        }
        if let Some(patient) = patient
            && !done.patients.iter().any(|known| known == patient)
        {
            done.patients.push(patient.to_owned());
        }
        writer.study_said(study, patient, why)
    }

    /// The patient of a study, or why it is nobody's.
    fn whose(&self, writer: &Writer<'_>, study: &StudyRow) -> Result<Result<String, &'static str>, RecordError> {
        if study.number.is_empty() {
            return Ok(Err("the images name no patient number (0010,0020)"));
        }
        let stated = !study.system.is_empty();
        let system = if stated { study.system.as_str() } else { self.own_system.as_str() };
        let mut found = writer.candidates(system, &study.number)?;
        // A number without an issuer that is not one of this site's own may be anybody's: then the birth date must say the same.
        let mut by_birth_date = !stated && system.is_empty();
        if found.is_empty() && !stated && !system.is_empty() {
            found = writer.candidates("", &study.number)?;
            by_birth_date = true;
        }
        let candidate = match found.as_slice() {
            [] if stated => return Ok(Err("no patient has this number from this issuer (0010,0020), (0010,0021)")),
            [] => return Ok(Err("no patient has this number (0010,0020)")),
            [one] => one,
            _ => return Ok(Err("several patients have this number (0010,0020)")),
        };
        let agrees = match (&study.birth_date, &candidate.birth_date) {
            // A birth date may be known to the year or month only.
            (Some(images), Some(record)) => Some(images.starts_with(record.as_str())),
            _ => None,
        };
        Ok(match agrees {
            Some(false) => Err("the patient with this number has another birth date (0010,0030)"),
            None if by_birth_date => {
                Err("the images name no issuer (0010,0021), and no birth date (0010,0030) confirms the number")
            }
            Some(true) | None => Ok(candidate.id.clone()),
        })
    }

    fn subject(&self, study: &StudyRow, patient: Option<&str>, name: Option<&str>) -> Value {
        let mut subject = Map::new();
        if let Some(patient) = patient {
            subject.insert("reference".to_owned(), json!(format!("Patient/{patient}")));
        } else if !study.number.is_empty() {
            let mut identifier = Map::new();
            if !study.system.is_empty() {
                identifier.insert("system".to_owned(), json!(study.system));
            }
            identifier.insert("value".to_owned(), json!(study.number));
            subject.insert("identifier".to_owned(), Value::Object(identifier));
        }
        subject.insert("display".to_owned(), json!(name.unwrap_or("unknown")));
        Value::Object(subject)
    }

    fn imaging_study(&self, study: &StudyRow, patient: Option<&str>, instances: &[(InstanceRow, Header)]) -> Made {
        let first = |f: fn(&Header) -> Option<&String>| instances.iter().find_map(|(_, header)| f(header));
        let mut series: BTreeMap<(u32, &str), Vec<&(InstanceRow, Header)>> = BTreeMap::new();
        let number = |uid: &str| {
            let mut of_series = instances.iter().filter(|(_, header)| header.series == uid);
            of_series.find_map(|(_, header)| header.series_number).unwrap_or(u32::MAX)
        };
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for one in instances {
            let uid = one.1.series.as_str();
            let number = *numbers.entry(uid).or_insert_with(|| number(uid));
            series.entry((number, uid)).or_default().push(one);
        }
        let mut modalities: Vec<&String> =
            instances.iter().filter_map(|(_, header)| header.modality.as_ref()).collect();
        modalities.sort();
        modalities.dedup();
        let mut fields = Fields::default();
        let mut json = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                json.insert(key.to_owned(), value);
            }
        };
        put("resourceType", Some(json!("ImagingStudy")));
        put("id", Some(json!(study.id)));
        let mut identifiers = vec![json!({"system": "urn:dicom:uid", "value": format!("urn:oid:{}", study.uid)})];
        fields.add("identifier[0].value", "0020,000d");
        if let Some(accession) = first(|header| header.accession.as_ref()) {
            let kind = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]});
            identifiers.push(json!({"type": kind, "value": accession}));
            fields.add("identifier[1].value", "0008,0050");
        }
        put("identifier", Some(Value::Array(identifiers)));
        // A study whose instances were all moved to another patient or study by a later version of them.
        put("status", Some(json!(if instances.is_empty() { "entered-in-error" } else { "available" })));
        if !modalities.is_empty() {
            put("modality", Some(modalities.iter().map(|code| modality(code)).collect()));
            fields.add("modality", "0008,0060");
        }
        put(
            "subject",
            Some(self.subject(study, patient, first(|header| header.patient_name.as_ref()).map(String::as_str))),
        );
        fields.add("subject", "0010,0020");
        let started =
            first(|header| header.study_started.as_ref()).or_else(|| first(|header| header.series_started.as_ref()));
        put("started", started.map(|at| json!(at)));
        fields.add("started", "0008,0020");
        put("referrer", first(|header| header.referrer.as_ref()).map(|name| json!({"display": name})));
        fields.add("referrer", "0008,0090");
        put("numberOfSeries", Some(json!(series.len())));
        put("numberOfInstances", Some(json!(instances.len())));
        if let Some(procedure) = first(|header| header.procedure.as_ref()) {
            put("procedureCode", Some(json!([{"text": procedure}])));
            fields.add("procedureCode[0].text", "0008,1032");
        }
        put("description", first(|header| header.study_description.as_ref()).map(|text| json!(text)));
        fields.add("description", "0008,1030");
        let unread = instances.iter().filter(|(_, header)| header.problem.is_some()).count();
        if unread > 0 {
            let text = format!(
                "{unread} of {} instances could not be read to their end; they are kept as they came",
                instances.len()
            );
            put("note", Some(json!([{"text": text}])));
        }
        let mut listed = LISTED;
        let mut all = Vec::new();
        for (at, ((number, uid), of_series)) in series.iter().enumerate() {
            all.push(one_series(uid, *number, of_series, &mut listed));
            for (element, tag) in [
                ("uid", "0020,000e"),
                ("number", "0020,0011"),
                ("modality", "0008,0060"),
                ("description", "0008,103e"),
                ("bodySite", "0018,0015"),
                ("started", "0008,0021"),
                ("performer", "0008,1050"),
            ] {
                fields.add(&format!("series[{at}].{element}"), tag);
            }
        }
        if !all.is_empty() {
            put("series", Some(Value::Array(all)));
        }
        let received = instances.iter().map(|(row, _)| row.received).max().unwrap_or(Timestamp::UNIX_EPOCH);
        let source = instances.first().map(|(row, _)| row.source.clone()).unwrap_or_default();
        (Value::Object(json), fields.origin(study), received, source)
    }

    fn report(
        &self,
        study: &StudyRow,
        patient: Option<&str>,
        row: &InstanceRow,
        header: &Header,
        report: &Report,
    ) -> Made {
        use base64::Engine as _;
        let status = match (report.completion.as_deref(), report.verification.as_deref()) {
            (Some("PARTIAL"), _) => "partial",
            (_, Some("VERIFIED")) => "final",
            (_, Some("UNVERIFIED")) => "preliminary",
            _ => "unknown",
        };
        let title = report.title.clone().or_else(|| header.series_description.clone());
        let mut json = json!({
            "resourceType": "DiagnosticReport",
            "id": id_of(&format!("report\n{}", row.sop)),
            "text": {"status": "generated", "div": narrative(&report.text)},
            "identifier": [{"system": "urn:dicom:uid", "value": format!("urn:oid:{}", row.sop)}],
            "status": status,
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}]}],
            "code": {"text": title.unwrap_or_else(|| "Structured report".to_owned())},
            "subject": self.subject(study, patient, header.patient_name.as_deref()),
        });
        if let Some(json) = json.as_object_mut() {
            let at = header.series_started.as_ref().or(header.study_started.as_ref());
            if let Some(at) = at {
                json.insert("effectiveDateTime".to_owned(), json!(at));
            }
            json.insert("imagingStudy".to_owned(), json!([{"reference": format!("ImagingStudy/{}", study.id)}]));
            if !report.text.is_empty() {
                let data = base64::engine::general_purpose::STANDARD.encode(&report.text);
                json.insert(
                    "presentedForm".to_owned(),
                    json!([{"contentType": "text/plain; charset=utf-8", "data": data}]),
                );
            }
        }
        let mut fields = Fields::default();
        fields.add("code", "0040,a043");
        fields.add("status", "0040,a493");
        fields.add("effectiveDateTime", "0008,0021");
        fields.add("presentedForm[0].data", "0040,a730");
        (json, fields.origin(study), row.received, row.source.clone())
    }
}

/// A resource, its origin, when it came and from where.
type Made = (Value, Origin, Timestamp, String);

/// Elements and the attributes they came from.
#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn add(&mut self, element: &str, tag: &str) {
        self.0.push((element.to_owned(), tag.to_owned()));
    }

    fn origin(self, study: &StudyRow) -> Origin {
        Origin { control_id: study.state.clone(), fields: self.0 }
    }
}

fn modality(code: &str) -> Value {
    let mut coding = json!({"system": "http://dicom.nema.org/resources/ontology/DCM", "code": code});
    // PS3.16 CID 29, the ones that a chart's reader meets.
    let display = match code {
        "CT" => "Computed Tomography",
        "MR" => "Magnetic Resonance",
        "CR" => "Computed Radiography",
        "DX" => "Digital Radiography",
        "MG" => "Mammography",
        "US" => "Ultrasound",
        "XA" => "X-Ray Angiography",
        "RF" => "Radio Fluoroscopy",
        "NM" => "Nuclear Medicine",
        "PT" => "Positron emission tomography",
        "ES" => "Endoscopy",
        "OT" => "Other",
        "SR" => "SR Document",
        "SC" => "Secondary Capture",
        "SEG" => "Segmentation",
        "RTPLAN" => "Radiotherapy Plan",
        "RTDOSE" => "Radiotherapy Dose",
        "RTSTRUCT" => "Radiotherapy Structure Set",
        _ => return coding,
    };
    if let Some(coding) = coding.as_object_mut() {
        coding.insert("display".to_owned(), json!(display));
    }
    coding
}

fn one_series(uid: &str, number: u32, instances: &[&(InstanceRow, Header)], listed: &mut usize) -> Value {
    let first = |f: fn(&Header) -> Option<&String>| instances.iter().find_map(|(_, header)| f(header));
    let mut json = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            json.insert(key.to_owned(), value);
        }
    };
    put("uid", Some(json!(uid)));
    put("number", (number != u32::MAX).then(|| json!(number)));
    let unknown = "OT".to_owned();
    put("modality", Some(modality(first(|header| header.modality.as_ref()).unwrap_or(&unknown))));
    put("description", first(|header| header.series_description.as_ref()).map(|text| json!(text)));
    put("numberOfInstances", Some(json!(instances.len())));
    put("bodySite", first(|header| header.body_part.as_ref()).map(|text| json!({"display": text})));
    put("laterality", first(|header| header.laterality.as_ref()).map(|code| json!({"code": code})));
    put("started", first(|header| header.series_started.as_ref()).map(|at| json!(at)));
    let performer = first(|header| header.performer.as_ref());
    put("performer", performer.map(|name| json!([{"actor": {"display": name}}])));
    let mut ordered: Vec<_> = instances.to_vec();
    ordered.sort_by(|(row, header), (other, than)| {
        let key = |header: &Header| header.number.unwrap_or(u32::MAX);
        key(header).cmp(&key(than)).then_with(|| row.sop.cmp(&other.sop))
    });
    let shown = ordered.len().min(*listed);
    *listed -= shown;
    let list: Vec<Value> = ordered
        .iter()
        .take(shown)
        .map(|(row, header)| {
            let class = json!({"system": "urn:ietf:rfc:3986", "code": format!("urn:oid:{}", header.class)});
            match header.number {
                Some(number) => json!({"uid": row.sop, "sopClass": class, "number": number}),
                None => json!({"uid": row.sop, "sopClass": class}),
            }
        })
        .collect();
    put("instance", (!list.is_empty()).then_some(Value::Array(list)));
    Value::Object(json)
}

/// Text as XHTML.
fn narrative(text: &str) -> String {
    let mut out = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><pre>");
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\t' => out.push(c),
            // XML 1.0 has no other control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push_str("</pre></div>");
    out
}
