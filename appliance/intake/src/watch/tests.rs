use super::*;

/// A watched folder, and an import that remembers what it was given.
struct Site {
    dir: tempfile::TempDir,
    start: Instant,
    taken: Vec<Vec<(String, String)>>,
    /// What the next import says.
    say: fn() -> Result<Summary, IntakeError>,
}

fn good() -> Result<Summary, IntakeError> {
    Ok(Summary { resources: 1, ..Summary::default() })
}

const SETTLE: Duration = Duration::from_secs(10);

impl Site {
    fn new() -> (Site, Watch) {
        let dir = tempfile::tempdir().unwrap();
        let watch = Watch::open(dir.path(), SETTLE).unwrap();
        (Site { dir, start: Instant::now(), taken: Vec::new(), say: good }, watch)
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn look(&mut self, watch: &mut Watch, second: u64) -> Result<Vec<(String, Report)>, WatchError> {
        let (taken, say) = (&mut self.taken, self.say);
        let clock = Timestamp::from_second(1_700_000_000 + i64::try_from(second).unwrap()).unwrap();
        watch.look(self.start + Duration::from_secs(second), clock, &mut |files| {
            let content = |path: &PathBuf| fs::read_to_string(path).unwrap_or("missing".to_owned());
            let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            taken.push(files.iter().map(|path| (name(path), content(path))).collect());
            say()
        })
    }

    fn has(&self, name: &str) -> bool {
        self.dir.path().join(name).exists()
    }
}

fn names(taken: &[(String, String)]) -> Vec<&str> {
    taken.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_file_is_taken_when_it_has_settled_or_its_marker_says_so() {
    let (mut site, mut watch) = Site::new();
    site.put("a.json", "1");
    site.put("b.json", "2");
    site.put("b.json.done", "");
    for aside in [".c.json", "d.json.part", "e.TMP", "deep/f.json"] {
        site.put(aside, "x");
    }
    let reports = site.look(&mut watch, 0).unwrap();
    assert_eq!(reports.len(), 1, "the one with a marker");
    assert_eq!(site.taken[0], [("b.json".to_owned(), "2".to_owned())]);
    assert!(!site.has("b.json") && !site.has("b.json.done"));
    let done = format!("done/{}", reports[0].0);
    assert!(
        site.has(&format!("{done}/b.json"))
            && site.has(&format!("{done}/report.json"))
            && !site.has(&format!("{done}/.attempts"))
    );
    assert_eq!(reports[0].0, "20231114T221320Z-b.json");
    // It grows: the waiting starts again.
    site.look(&mut watch, 9).unwrap();
    site.put("a.json", "12");
    site.look(&mut watch, 10).unwrap();
    site.look(&mut watch, 19).unwrap();
    assert_eq!(site.taken.len(), 1);
    site.look(&mut watch, 20).unwrap();
    assert_eq!(site.taken[1], [("a.json".to_owned(), "12".to_owned())]);
    site.look(&mut watch, 100).unwrap();
    assert_eq!(site.taken.len(), 2, "nothing is taken twice, and what is set aside is not taken");
    let stands = standing(site.dir.path()).unwrap();
    assert_eq!((stands.waiting, stands.failed, stands.last.unwrap().as_second()), (0, 0, 1_700_000_020));
}

#[test]
fn a_manifest_takes_its_files_with_it_in_its_order() {
    let (mut site, mut watch) = Site::new();
    let manifest = r#"{"output":[{"type":"Patient","url":"bulk/Patient.ndjson"},{"type":"Observation","url":"http://ehr/x/Observation.ndjson"}]}"#;
    site.put("Observation.ndjson", "o");
    site.put("export.json", manifest);
    for second in [0, 30] {
        assert!(site.look(&mut watch, second).unwrap().is_empty(), "one of its files is not there");
    }
    let stands = standing(site.dir.path()).unwrap();
    assert_eq!((stands.waiting, stands.missing), (2, 1));
    site.put("bulk/Patient.ndjson", "p");
    assert!(site.look(&mut watch, 31).unwrap().is_empty(), "it has not settled");
    let reports = site.look(&mut watch, 41).unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!(names(&site.taken[0]), ["bulk_Patient.ndjson", "Observation.ndjson"]);
    assert!(!site.has("Observation.ndjson") && !site.has("bulk/Patient.ndjson") && !site.has("export.json"));
    // One that reaches outside is not followed.
    site.put("evil.json", r#"{"output":[{"url":"../../etc/passwd"}]}"#);
    site.put("evil.json.done", "");
    let reports = site.look(&mut watch, 50).unwrap();
    assert!(reports[0].1.failed && reports[0].1.reason.is_some());
    assert_eq!((site.taken.len(), standing(site.dir.path()).unwrap().failed), (1, 1));
}

#[test]
fn what_gives_nothing_has_failed_and_what_the_record_refused_waits() {
    let (mut site, mut watch) = Site::new();
    site.put("x.bin", "x");
    site.put("x.bin.done", "");
    site.say = || Ok(Summary::default());
    let reports = site.look(&mut watch, 0).unwrap();
    assert!(reports[0].1.failed && site.has(&format!("failed/{}/x.bin", reports[0].0)));
    site.put("y.json", "y");
    site.put("y.json.done", "");
    site.say = || Err(IntakeError::Stopped);
    // However long it lasts.
    for _ in 0..=ATTEMPTS {
        let error = site.look(&mut watch, 1).unwrap_err().to_string();
        assert!(error.starts_with("HAECHI-0561"), "{error}");
    }
    assert_eq!(standing(site.dir.path()).unwrap().waiting, 1);
    site.say = good;
    assert!(!site.look(&mut watch, 2).unwrap()[0].1.failed);
}

#[test]
fn a_crash_at_any_moment_loses_nothing_and_takes_nothing_twice() {
    let (mut site, mut watch) = Site::new();
    // Between the folder of a parcel and its file.
    fs::create_dir(site.dir.path().join("work/20231114T221320Z-a.json")).unwrap();
    // After the file was taken, before the import ended.
    site.put("work/20231114T221321Z-b.json/b.json", "b");
    site.put("work/20231114T221321Z-b.json/.attempts", "1");
    // A manifest whose second file was not taken yet.
    let manifest = r#"{"output":[{"url":"one.ndjson"},{"url":"two.ndjson"}]}"#;
    site.put("work/20231114T221322Z-m.json/m.json", manifest);
    site.put("work/20231114T221322Z-m.json/one.ndjson", "1");
    site.put("two.ndjson", "2");
    // After the report, before it moved on.
    let report = Report { failed: false, at: Timestamp::UNIX_EPOCH, reason: None, summary: None };
    site.put("work/20231114T221323Z-c.json/c.json", "c");
    site.put("work/20231114T221323Z-c.json/report.json", &serde_json::to_string(&report).unwrap());
    // In the middle of the report.
    site.put("work/20231114T221324Z-d.json/d.json", "d");
    site.put("work/20231114T221324Z-d.json/.report", "{");
    let reports = site.look(&mut watch, 0).unwrap();
    assert_eq!(reports.len(), 4);
    let taken: Vec<_> = site.taken.iter().map(|taken| names(taken)).collect();
    assert_eq!(taken, [vec!["b.json"], vec!["one.ndjson", "two.ndjson"], vec!["d.json"]]);
    assert_eq!(listed(&site.dir.path().join("work")).unwrap().len(), 0);
    assert_eq!(listed(&site.dir.path().join("done")).unwrap().len(), 4);
    assert!(!site.has("two.ndjson"));
}

#[test]
fn what_ends_the_program_each_time_is_tried_no_more() {
    let (mut site, mut watch) = Site::new();
    site.put("work/20231114T221321Z-b.json/b.json", "b");
    site.put("work/20231114T221321Z-b.json/.attempts", &ATTEMPTS.to_string());
    let reports = site.look(&mut watch, 0).unwrap();
    assert!(reports[0].1.failed && site.taken.is_empty());
}

#[test]
fn links_are_not_followed() {
    let (mut site, mut watch) = Site::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), site.dir.path().join("a.json")).unwrap();
    site.put("m.json", r#"{"output":[{"url":"a.json"}]}"#);
    for second in [0, 60] {
        assert!(site.look(&mut watch, second).unwrap().is_empty());
    }
    assert_eq!(standing(site.dir.path()).unwrap().missing, 1);
}
