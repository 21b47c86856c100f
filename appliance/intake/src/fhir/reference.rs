//! What a reference means: `urn:uuid:`, a server's address, a version, a search by identifier, all become `Type/id`.

use std::collections::HashMap;

use super::types;

/// The names that resources have inside one bundle.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// `fullUrl` to `Type/id`, where the address itself does not say it.
    by_url: HashMap<String, String>,
    /// `Type?identifier=system|value` to `Type/id`.
    by_identifier: HashMap<String, String>,
}

/// What [`References::resolve`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// `Type/id`.
    Is(String),
    /// A search by identifier that nothing in the bundle answers; normalised.
    Search(String),
    /// Nothing that can be told here; it stays as written.
    AsWritten,
}

impl Meaning {
    /// The id of the patient that it is.
    pub(crate) fn patient(&self) -> Option<String> {
        match self {
            Meaning::Is(target) => target.strip_prefix("Patient/").map(str::to_owned),
            _ => None,
        }
    }
}

impl References {
    /// Notes that `full_url` is `target` (`Type/id`).
    pub(crate) fn add_url(&mut self, full_url: &str, target: &str) {
        if typed(full_url).as_deref() != Some(target) {
            self.by_url.insert(full_url.to_owned(), target.to_owned());
        }
    }

    /// Notes the identifiers of `target`.
    pub(crate) fn add_identifiers(&mut self, resource_type: &str, identifiers: &[String], target: &str) {
        for identifier in identifiers {
            self.by_identifier.entry(search_key(resource_type, identifier)).or_insert_with(|| target.to_owned());
        }
    }

    /// What `reference`, as written in a resource of this bundle, means.
    pub(crate) fn resolve(&self, reference: &str) -> Meaning {
        let unversioned = reference.split("/_history/").next().unwrap_or(reference);
        if let Some(target) = self.by_url.get(reference).or_else(|| self.by_url.get(unversioned)) {
            return Meaning::Is(target.clone());
        }
        if let Some((resource_type, query)) = unversioned.split_once('?') {
            // Exactly one parameter: with more, the match is the server's to make.
            let identifier = query.strip_prefix("identifier=").filter(|value| !value.contains('&'));
            let (Some(identifier), true) = (identifier, types::is_known(resource_type)) else {
                return Meaning::AsWritten;
            };
            let key = search_key(resource_type, &percent_decoded(identifier));
            return self.by_identifier.get(&key).cloned().map_or(Meaning::Search(key), Meaning::Is);
        }
        typed(unversioned).map_or(Meaning::AsWritten, Meaning::Is)
    }
}

/// `Type?identifier=system|value`, the form under which identifiers are kept.
pub(crate) fn search_key(resource_type: &str, identifier: &str) -> String {
    let identifier = if identifier.contains('|') { identifier.to_owned() } else { format!("|{identifier}") };
    format!("{resource_type}?identifier={identifier}")
}

/// `Type/id` at the end of a relative or absolute address.
fn typed(address: &str) -> Option<String> {
    let mut parts = address.rsplit('/');
    let (id, resource_type) = (parts.next()?, parts.next()?);
    let absolute = address.starts_with("http://") || address.starts_with("https://");
    let plain = parts.next().is_none();
    let fits = (absolute || plain) && types::is_known(resource_type) && super::head::is_id(id);
    fits.then(|| format!("{resource_type}/{id}"))
}

/// `%7C` and its like; what is no valid escape stays.
fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match (byte == b'%').then(|| escaped(bytes.clone())).flatten() {
            Some(value) => {
                out.push(value);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// The byte that two hexadecimal digits mean.
fn escaped(mut digits: std::str::Bytes<'_>) -> Option<u8> {
    let mut digit = || char::from(digits.next()?).to_digit(16);
    u8::try_from(digit()? * 16 + digit()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_mean_type_and_id() {
        let mut references = References::default();
        references.add_url("urn:uuid:11", "Patient/p");
        references.add_url("http://a/Patient/9", "Patient/nine");
        references.add_identifiers("Patient", &["urn:oid:1.2|M1".to_owned()], "Patient/p");
        let is = |target: &str| Meaning::Is(target.to_owned());
        for (written, meaning) in [
            ("urn:uuid:11", is("Patient/p")),
            ("urn:uuid:12", Meaning::AsWritten),
            ("http://a/Patient/9", is("Patient/nine")),
            ("http://a/Patient/9/_history/2", is("Patient/nine")),
            ("https://b/fhir/Observation/o", is("Observation/o")),
            ("Observation/o/_history/3", is("Observation/o")),
            ("Patient/p", is("Patient/p")),
            ("Patient?identifier=urn:oid:1.2|M1", is("Patient/p")),
            ("Patient?identifier=urn%3Aoid%3A1.2%7CM1", is("Patient/p")),
            ("Patient?identifier=s|M2", Meaning::Search("Patient?identifier=s|M2".to_owned())),
            ("Patient?identifier=M2", Meaning::Search("Patient?identifier=|M2".to_owned())),
            ("Patient?name=Kim", Meaning::AsWritten),
            ("Patient?identifier=s|M2&name=Kim", Meaning::AsWritten),
            ("#contained", Meaning::AsWritten),
            ("a/b/Patient/p", Meaning::AsWritten),
            ("Nonsense/p", Meaning::AsWritten),
            ("", Meaning::AsWritten),
        ] {
            assert_eq!(references.resolve(written), meaning, "{written}");
        }
    }
}
