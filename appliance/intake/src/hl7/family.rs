//! A relative's diseases, sent as LOINC's family health history panel (54114-4): OBX for the relation, the disease and the
//! age at onset, to FamilyMemberHistory. HL7 v2 has no segment of its own for them.

use super::context::{Context, Draft, Meet, id_of};
use super::json::{Json, Object};
use super::message::Seg;
use super::observe::{self, Result};
use super::patient::Subject;
use super::{terms, types};

/// The panel.
pub(super) const PANEL: &str = "54114-4";
const RELATION: &str = "54136-6";
const DISEASE: &str = "54116-9";
const ONSET: &str = "54115-1";

/// OBR of the panel with its results. `number` names it, `key` is the number as part of an id.
pub(super) fn history(
    ctx: &mut Context<'_>,
    subject: &Subject,
    obr: &Seg<'_>,
    number: Option<&types::Number>,
    key: &str,
    results: &[Result<'_>],
) {
    let mut draft = Draft::new("FamilyMemberHistory", id_of("FamilyMemberHistory", &[&subject.id, key]));
    draft.list("identifier", number.iter().map(|n| types::identifier(n, None).into()).collect(), obr, 3);
    let status = match obr.text(25).as_deref().map(terms::report_status) {
        Some("cancelled") => "entered-in-error",
        Some("preliminary" | "partial" | "registered") => "partial",
        _ => "completed",
    };
    draft.put("status", status, obr, 25);
    draft.body.put("patient", subject.reference());
    let date = ctx.when(obr, 7);
    draft.maybe("date", date, obr, 7);
    let mut conditions: Vec<Object> = Vec::new();
    let mut related = false;
    for result in results {
        let Some(obx) = result.lines.first().copied() else { continue };
        match obx.rep(3).part(1).as_deref() {
            Some(RELATION) => {
                related = obx.filled(5);
                draft.maybe("relationship", types::concept(obx.rep(5)), obx, 5);
            }
            Some(DISEASE) => {
                if let Some(disease) = types::concept(obx.rep(5)) {
                    draft.came(&format!("condition[{}].code", conditions.len()), obx, 5);
                    conditions.push(Object::default().with("code", disease));
                }
            }
            Some(ONSET) => {
                let at = conditions.len().saturating_sub(1);
                let Some(condition) = conditions.last_mut() else { continue };
                let years =
                    obx.text(5).and_then(|text| types::measured(&text)).filter(|_| observe::value_type(obx) == "NM");
                match (years, types::concept(obx.rep(5)).as_ref().and_then(super::order::shown)) {
                    (Some((comparator, years)), _) => {
                        let age = types::quantity(years, comparator, types::unit(obx.rep(6)).as_ref());
                        condition.put("onsetAge", age);
                        draft.came(&format!("condition[{at}].onsetAge"), obx, 5);
                    }
                    (None, Some(words)) => {
                        condition.put("onsetString", words);
                        draft.came(&format!("condition[{at}].onsetString"), obx, 5);
                    }
                    (None, None) => {}
                }
            }
            _ => ctx.reject(obx, Some(3), "is no part of the family history panel that is read; it is left out"),
        }
    }
    if !related {
        return ctx.reject(obr, None, "a family history without the relation to the patient is left out");
    }
    draft.body.list("condition", conditions.into_iter().map(Json::Object).collect());
    ctx.emit(draft, Meet::Amend);
}
