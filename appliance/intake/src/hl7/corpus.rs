//! dump
use super::*;
#[test]
fn dump() {
    let Ok(dir) = std::env::var("HL7_DUMP") else { return };
    let mut out = String::from("[");
    for folder in ["microsoft", "cdc-ti", "linuxforhealth"] {
        for entry in std::fs::read_dir(format!("/work/shared/data/hl7v2/{folder}")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "hl7") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let settings = Hl7Settings {
                charset_override: None,
                assume_charset: "cp949".into(),
                zone: jiff::tz::TimeZone::get("Asia/Seoul").unwrap(),
                assigning_authority: String::new(),
            };
            for piece in split(&bytes) {
                let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
                let mapped = map(piece.bytes, &settings, &|_, _| None);
                if out.len() > 1 {
                    out.push(',');
                }
                match mapped {
                    Ok(m) => {
                        let r: Vec<serde_json::Value> =
                            m.resources.iter().map(|r| serde_json::from_slice(&r.json).unwrap()).collect();
                        let o: Vec<serde_json::Value> =
                            m.resources.iter().map(|r| serde_json::json!(r.origin.fields)).collect();
                        out.push_str(&serde_json::json!({"name": name, "event": m.event, "resources": r, "origins": o, "merges": m.merges, "rejected": m.rejected}).to_string());
                    }
                    Err(e) => out.push_str(&serde_json::json!({"name": name, "refused": e}).to_string()),
                }
            }
        }
    }
    out.push(']');
    std::fs::write(dir, out).unwrap();
}
