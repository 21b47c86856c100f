//! A search: the query read into what the record looks for, and the page given back as a Bundle.

use std::collections::HashSet;

use haechi_intake::fhir::types;
use haechi_record::index::params::{self, Kind, TypeParams};
use haechi_record::index::query::Condition;
use haechi_record::index::references;
use haechi_record::index::time::{Prefix, Range};
use haechi_record::store::{Found, Page, Position, Search, Sort, SortBy};
use hyper::StatusCode;

use crate::bundle::{Entry, Mode, searchset};
use crate::http::Api;
use crate::outcome::Fail;
use crate::route::{Asked, Reply, is_plain};

/// Resources on a page if nobody says otherwise, and at most.
pub(crate) const PAGE: usize = 50;
pub(crate) const MAX_PAGE: usize = 1000;
/// Resources that includes may add to a page, and targets that a chain may have.
pub(crate) const MAX_MORE: usize = 1000;
/// Resources that a reverse chain (`_has`) may look at.
const MAX_HAS: usize = 10_000;
/// Parameters in one query.
const MAX_PARAMETERS: usize = 64;

/// Where a search inside a transaction or outside of one looks.
pub(crate) type Find<'f> = &'f dyn Fn(&Search) -> Result<Page, Fail>;

/// A query, read.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) search: Search,
    includes: Vec<Include>,
    elements: Vec<String>,
    /// Parameters that were not understood and, the caller being lenient, left out.
    ignored: Vec<String>,
    /// The query without its place, for links.
    own: Vec<(String, String)>,
}

#[derive(Debug)]
struct Include {
    reverse: bool,
    of: String,
    param: String,
    target: Option<String>,
}

pub(crate) fn search(api: &Api, asked: &Asked, kind: &str, patient: Option<&str>, text: &str) -> Result<Reply, Fail> {
    let strict = asked.prefer.split([',', ';']).any(|one| one.trim() == "handling=strict");
    let find = |search: &Search| api.store.find(search).map_err(Fail::from);
    let mut query = read(kind, text, strict, (api.settings.now)().as_millisecond(), &find)?;
    query.search.patient = patient.map(str::to_owned);
    let page = affordable(api.store.find(&query.search)?)?;
    let mut entries: Vec<Entry<'_>> = page.found.iter().map(|found| Entry { found, mode: Mode::Match }).collect();
    let more = included(api, &page.found, &query.includes)?;
    entries.extend(more.iter().map(|found| Entry { found, mode: Mode::Include }));
    let address = match patient {
        Some(id) => format!("{}/Patient/{id}/{kind}", asked.base),
        None => format!("{}/{kind}", asked.base),
    };
    let mut links = vec![("self", link(&address, &query.own, query.search.after.as_ref()))];
    if let Some(next) = &page.next {
        links.push(("next", link(&address, &query.own, Some(next))));
    }
    let body = searchset(&asked.base, page.total, &links, &entries, &query.elements, &query.ignored);
    Ok(Reply::json(StatusCode::OK, body))
}

fn link(address: &str, own: &[(String, String)], after: Option<&Position>) -> String {
    let mut pairs: Vec<String> =
        own.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    if let Some(position) = after {
        // A list of numbers always has a JSON form.
        pairs.push(format!("_cursor={}", escaped(&serde_json::to_string(position).unwrap_or_default())));
    }
    if pairs.is_empty() { address.to_owned() } else { format!("{address}?{}", pairs.join("&")) }
}

/// Text as part of an address: everything but letters and digits as `%XX`.
#[must_use]
pub fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// `a=b&c=d`, decoded.
///
/// # Errors
/// Too many parameters, or text that is not UTF-8.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, Fail> {
    let decoded = |part: &str| {
        let spaced = part.replace('+', " ");
        let text = percent_encoding::percent_decode_str(&spaced).decode_utf8().map(std::borrow::Cow::into_owned);
        text.map_err(|_| Fail::invalid("the query is not UTF-8 text"))
    };
    let parts: Vec<&str> = text.split('&').filter(|part| !part.is_empty()).collect();
    if parts.len() > MAX_PARAMETERS {
        return Err(Fail::new(
            StatusCode::BAD_REQUEST,
            "too-costly",
            "HAECHI-0708",
            "the query has more than 64 parameters",
        ));
    }
    parts
        .into_iter()
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// Reads a query. `strict`: what is not understood is refused and not left out.
///
/// # Errors
/// What is wrong, and with which parameter.
pub(crate) fn read(kind: &str, text: &str, strict: bool, now: i64, find: Find<'_>) -> Result<Query, Fail> {
    let table = params::of(kind);
    let search = Search { resource_type: kind.to_owned(), limit: PAGE, now, ..Search::default() };
    let mut query = Query { search, ..Query::default() };
    for (name, value) in pairs(text)? {
        if name != "_cursor" {
            query.own.push((name.clone(), value.clone()));
        }
        let wrong = |what: &str| {
            Fail::new(StatusCode::BAD_REQUEST, "invalid", "HAECHI-0708", format!("the value of `{name}` is no {what}"))
                .at(&name)
        };
        match name.as_str() {
            "_count" => {
                let count: usize = value.parse().map_err(|_| wrong("number"))?;
                query.search.limit = count.min(MAX_PAGE);
                query.search.count |= count == 0;
            }
            "_cursor" => {
                query.search.after = Some(serde_json::from_str(&value).map_err(|_| wrong("place of this search"))?)
            }
            "_id" => query.search.ids.push(value.split(',').map(str::to_owned).collect()),
            "_lastUpdated" => {
                let read = |one: &str| {
                    let (prefix, rest) = Prefix::split(one);
                    // Arrival is an instant: a day without an offset is one of UTC.
                    let range = Range::read(rest)?;
                    Some((prefix, Range { offset: range.offset.or(Some(0)), ..range }))
                };
                let any = value.split(',').map(read).collect::<Option<Vec<_>>>().ok_or_else(|| wrong("date"))?;
                query.search.received.push(any);
            }
            "_sort" => query.search.sort = sort(table, &value, &name, strict, &mut query.ignored)?,
            "_summary" if value == "count" => {
                query.search.limit = 0;
                query.search.count = true;
            }
            "_summary" if value == "false" => {}
            "_total" => match value.as_str() {
                "accurate" => query.search.count = true,
                "none" | "estimate" => {}
                _ => return Err(wrong("kind of total (none, estimate, accurate)")),
            },
            "_elements" => query.elements = value.split(',').map(str::to_owned).collect(),
            "_format" if value.contains("json") => {}
            "_include" | "_revinclude" => match include(&name, &value) {
                Some(include) => query.includes.push(include),
                None => unknown(&name, strict, &mut query.ignored)?,
            },
            _ if name.starts_with("_has:") => match has(kind, &name, &value, now, find) {
                Ok(ids) => query.search.ids.push(ids),
                Err(fail) if fail.issue == "not-supported" && !strict => query.ignored.push(name),
                Err(fail) => return Err(fail.at(&name)),
            },
            _ => match condition(table, &name, &value, now, find) {
                Ok(condition) => query.search.conditions.push(condition),
                Err(fail) if fail.issue == "not-supported" && !strict => query.ignored.push(name),
                Err(fail) => return Err(fail.at(&name)),
            },
        }
    }
    Ok(query)
}

fn unknown(name: &str, strict: bool, ignored: &mut Vec<String>) -> Result<(), Fail> {
    if strict {
        let text = format!("`{name}` cannot be used like this");
        return Err(Fail::new(StatusCode::BAD_REQUEST, "not-supported", "HAECHI-0708", text).at(name));
    }
    ignored.push(name.to_owned());
    Ok(())
}

fn sort(
    table: &TypeParams,
    value: &str,
    name: &str,
    strict: bool,
    ignored: &mut Vec<String>,
) -> Result<Vec<Sort>, Fail> {
    let mut sorts = Vec::new();
    for key in value.split(',') {
        let (descending, key) = key.strip_prefix('-').map_or((false, key), |key| (true, key));
        let by = match table.find(key) {
            _ if key == "_lastUpdated" => Some(SortBy::Received),
            Some((at, param)) if param.kind.is_ordered() => Some(SortBy::Param(at)),
            _ => None,
        };
        match by {
            Some(by) => sorts.push(Sort { by, descending }),
            None => unknown(name, strict, ignored)?,
        }
    }
    Ok(sorts)
}

/// `Type:param` or `Type:param:Target`.
fn include(name: &str, value: &str) -> Option<Include> {
    let mut parts = value.split(':');
    let (of, param) = (parts.next()?, parts.next()?);
    let target = parts.next().map(str::to_owned);
    let known = params::of(of).find(param).is_some_and(|(_, param)| param.kind == Kind::Reference);
    (types::is_known(of) && known && parts.next().is_none()).then(|| Include {
        reverse: name == "_revinclude",
        of: of.to_owned(),
        param: param.to_owned(),
        target,
    })
}

/// One condition, or a chain of two.
fn condition(table: &TypeParams, asked: &str, value: &str, now: i64, find: Find<'_>) -> Result<Condition, Fail> {
    let unsupported = |text: String| Fail::new(StatusCode::BAD_REQUEST, "not-supported", "HAECHI-0708", text);
    let Some((first, rest)) = asked.split_once('.') else {
        let (name, modifier) = asked.split_once(':').map_or((asked, None), |(name, modifier)| (name, Some(modifier)));
        return Ok(Condition::read(table, name, modifier, value)?);
    };
    let (name, typed) = first.split_once(':').map_or((first, None), |(name, typed)| (name, Some(typed)));
    let (_, param) =
        table.find(name).ok_or_else(|| unsupported(format!("there is no search parameter `{name}` to chain")))?;
    let target = typed.or(param.target).filter(|kind| types::is_known(kind));
    let target = target.ok_or_else(|| unsupported(format!("say which type `{name}` names: `{name}:Type.{rest}`")))?;
    if rest.contains('.') {
        return Err(unsupported("a chain may have one step".to_owned()));
    }
    let mut search = Search { resource_type: target.to_owned(), limit: MAX_MORE, now, ..Search::default() };
    match rest {
        "_id" => search.ids.push(value.split(',').map(str::to_owned).collect()),
        _ => search.conditions.push(condition(params::of(target), rest, value, now, find)?),
    }
    let page = find(&search)?;
    if page.next.is_some() {
        let text = format!("more than {MAX_MORE} resources answer the chain `{asked}`; ask for less");
        return Err(Fail::new(StatusCode::BAD_REQUEST, "too-costly", "HAECHI-0708", text));
    }
    let targets: Vec<String> = page.found.iter().map(|found| format!("{target}/{}", found.id)).collect();
    Condition::references(table, name, &targets).ok_or_else(|| unsupported(format!("`{name}` names no resource")))
}

/// `_has:Type:reference:parameter`: the ids of what resources of `Type` that answer name by `reference`.
fn has(kind: &str, asked: &str, value: &str, now: i64, find: Find<'_>) -> Result<Vec<String>, Fail> {
    let refused = |issue, text: String| Fail::new(StatusCode::BAD_REQUEST, issue, "HAECHI-0708", text);
    let mut parts = asked.splitn(4, ':').skip(1);
    let (Some(of), Some(by), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(refused("invalid", format!("`{asked}` is not `_has:Type:reference:parameter`")));
    };
    let table = params::of(of);
    let reference = table.find(by).map(|(_, param)| param).filter(|param| param.kind == Kind::Reference);
    let Some(reference) = reference.filter(|_| types::is_known(of)) else {
        return Err(refused("not-supported", format!("{of} has no reference `{by}`")));
    };
    let inner = condition(table, rest, value, now, find)?;
    let search =
        Search { resource_type: of.to_owned(), conditions: vec![inner], limit: MAX_HAS, now, ..Search::default() };
    let page = find(&search)?;
    if page.next.is_some() {
        let text = format!("more than {MAX_HAS} resources answer `{asked}`; ask for less");
        return Err(refused("too-costly", text));
    }
    let written = page.found.iter().flat_map(|found| references(&found.stored.raw, reference));
    let named: HashSet<String> = written
        .filter_map(|written| {
            let plain = written.split("/_history/").next().unwrap_or_default();
            let (rest, id) = plain.rsplit_once('/')?;
            (rest.rsplit('/').next() == Some(kind)).then(|| id.to_owned())
        })
        .collect();
    Ok(named.into_iter().collect())
}

fn included(api: &Api, page: &[Found], includes: &[Include]) -> Result<Vec<Found>, Fail> {
    let mut seen: HashSet<(String, String)> =
        page.iter().map(|found| (found.resource_type.clone(), found.id.clone())).collect();
    let mut more: Vec<Found> = Vec::new();
    for include in includes {
        let table = params::of(&include.of);
        let Some((_, param)) = table.find(&include.param) else { continue };
        if include.reverse {
            let targets: Vec<String> =
                page.iter().map(|found| format!("{}/{}", found.resource_type, found.id)).collect();
            let Some(condition) =
                Condition::references(table, &include.param, &targets).filter(|_| !targets.is_empty())
            else {
                continue;
            };
            let search = Search {
                resource_type: include.of.clone(),
                conditions: vec![condition],
                limit: MAX_MORE.saturating_sub(more.len()),
                ..Search::default()
            };
            if search.limit > 0 {
                let found = api.store.find(&search)?.found;
                more.extend(
                    found.into_iter().filter(|found| seen.insert((found.resource_type.clone(), found.id.clone()))),
                );
            }
            continue;
        }
        for found in page.iter().filter(|found| found.resource_type == include.of) {
            for written in references(&found.stored.raw, param) {
                let plain = written.split("/_history/").next().unwrap_or_default();
                let mut parts = plain.rsplit('/');
                let (Some(id), Some(kind)) = (parts.next(), parts.next()) else { continue };
                let wanted = include.target.as_deref().or(param.target).is_none_or(|target| target == kind);
                if !wanted || !is_plain(id) || more.len() >= MAX_MORE || !seen.insert((kind.to_owned(), id.to_owned()))
                {
                    continue;
                }
                if let Some(stored) = api.store.stored(kind, id)?.filter(|stored| !stored.raw.is_empty()) {
                    more.push(Found { resource_type: kind.to_owned(), id: id.to_owned(), stored });
                }
            }
        }
    }
    Ok(more)
}

/// The resources that a conditional request's query names, at most two. A query without a condition names nothing.
///
/// # Errors
/// What is wrong with the query: it is always read strictly.
pub(crate) fn named(kind: &str, text: &str, now: i64, find: Find<'_>) -> Result<Vec<Found>, Fail> {
    let mut query = read(kind, text, true, now, find)?;
    query.search.limit = 2;
    let search = query.search;
    if search.conditions.is_empty() && search.ids.is_empty() {
        return Err(Fail::invalid("a conditional request must name at least one search parameter"));
    }
    let page = affordable(find(&search)?)?;
    if page.found.len() < search.limit && page.next.is_some() {
        return Err(too_costly()); // the rest was not looked at: whether there is another one is not known
    }
    Ok(page.found)
}

/// A page, unless it would have cost too much.
fn affordable(page: Page) -> Result<Page, Fail> {
    if page.is_too_costly { Err(too_costly()) } else { Ok(page) }
}

fn too_costly() -> Fail {
    Fail::new(
        StatusCode::BAD_REQUEST,
        "too-costly",
        "HAECHI-0740",
        "the search would look at too many resources; name a patient, an identifier or a code, or leave out `_sort` and the total and take page after page",
    )
}
