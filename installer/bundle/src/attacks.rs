//! A whole life of a repository and a site, and the attacks that TUF is there for. Each is refused with a sentence that says
//! what it is and what to do, and leaves the site as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::{Span, Timestamp};
use serde_json::Value;

use crate::keys::SigningKey;
use crate::manifest::Kind;
use crate::publish::{Publisher, Signers};
use crate::store::{State, Store};
use crate::trust::fingerprint;

fn day(number: i64) -> Timestamp {
    let first: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
    first.checked_add(Span::new().hours(24 * number)).unwrap()
}

/// A center with its people.
struct Center {
    dir: tempfile::TempDir,
    publisher: Publisher,
    root: Vec<SigningKey>,
    model: SigningKey,
    evidence: SigningKey,
    software: SigningKey,
    stamp: SigningKey,
}

impl Center {
    fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = || SigningKey::generate().unwrap();
        let center = Self {
            publisher: Publisher::at(dir.path().join("repo")),
            dir,
            root: vec![key(), key(), key()],
            model: key(),
            evidence: key(),
            software: key(),
            stamp: key(),
        };
        let signers = Signers {
            root: center.root.iter().map(SigningKey::public).collect(),
            threshold: 2,
            kinds: BTreeMap::from([
                (Kind::Model, vec![center.model.public()]),
                (Kind::Evidence, vec![center.evidence.public()]),
                (Kind::Software, vec![center.software.public()]),
            ]),
            stamp: vec![center.stamp.public()],
        };
        center.publisher.begin(&signers, day(0)).unwrap();
        center
    }

    /// One after another, each with his own key.
    fn all_sign(&self) {
        let waiting = |key: &SigningKey| self.publisher.sign(std::slice::from_ref(key)).unwrap();
        assert!(waiting(&self.root[0]).iter().any(|one| one.role == "root" && (one.have, one.need) == (1, 2)));
        waiting(&self.root[2]);
        waiting(&self.model);
        waiting(&self.evidence);
        waiting(&self.software);
        assert_eq!(waiting(&self.stamp), []);
    }

    fn pack(&self, version: &str, content: &[u8], now: Timestamp) -> String {
        let file = self.dir.path().join("clinic.gguf");
        fs::write(&file, content).unwrap();
        self.publisher.pack(Kind::Model, "clinic", version, &[file], now).unwrap().1
    }

    fn release(&self, version: &str, content: &[u8], now: Timestamp) -> String {
        let digest = self.pack(version, content, now);
        assert_eq!(self.publisher.sign(std::slice::from_ref(&self.model)).unwrap().len(), 2);
        assert_eq!(self.publisher.sign(std::slice::from_ref(&self.stamp)).unwrap(), []);
        digest
    }

    /// A stick with what is published now.
    fn stick(&self, name: &str) -> PathBuf {
        let to = self.dir.path().join(name);
        for folder in ["metadata", "targets"] {
            fs::create_dir_all(to.join(folder)).unwrap();
            for entry in fs::read_dir(self.dir.path().join("repo").join(folder)).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, to.join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
        to
    }

    fn site(&self) -> Store {
        let store = Store::at(tempfile::tempdir().unwrap().keep().join("bundles"));
        let root = fs::read(self.dir.path().join("repo/metadata/1.root.json")).unwrap();
        store.trust().begin(&root, &fingerprint(&root)).unwrap();
        store
    }
}

/// A center with one model, and a site that trusts it.
fn ready() -> (Center, Store, String, PathBuf) {
    let center = Center::begin();
    center.all_sign();
    let digest = center.release("1.0", b"GGUF one", day(0));
    let (site, stick) = (center.site(), center.stick("first"));
    (center, site, digest, stick)
}

fn install(site: &Store, stick: &Path, which: &str, now: Timestamp) -> Result<String, String> {
    let verified = site.trust().verify(stick, now).map_err(|error| error.to_string())?;
    let bundle = verified.bundle(which).map_err(|error| error.to_string())?;
    site.stage(&verified, &bundle).map_err(|error| error.to_string())?;
    verified.remember(now).map_err(|error| error.to_string())?;
    site.apply(&bundle.digest, now).map(|installed| installed.digest).map_err(|error| error.to_string())
}

/// The one file of `folder` whose name ends so.
fn ending(folder: &Path, end: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_str().unwrap().ends_with(end));
    found.sort();
    found.pop().unwrap()
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
}

#[test]
fn a_bundle_goes_from_the_signers_into_use_and_back() {
    let (center, site, first, stick) = ready();
    assert_eq!(install(&site, &stick, "clinic", day(1)).unwrap(), first);
    let bundle = site.bundle("clinic").unwrap();
    assert_eq!(fs::read(bundle.start()).unwrap(), b"GGUF one");
    assert_eq!(bundle.origin.signed_by.len(), 1);
    assert!(site.staged(&first).is_err(), "nothing is left staged");
    assert_eq!(site.switch(&bundle, day(1)).unwrap().state, State::Trial);
    site.confirm(Kind::Model).unwrap();

    let second = center.release("2.0", b"GGUF two", day(2));
    let stick = center.stick("second");
    assert_eq!(install(&site, &stick, "clinic", day(2)).unwrap(), second, "the newest of the name");
    site.switch(&site.bundle(&second).unwrap(), day(2)).unwrap();
    // It does not do: the one before comes back.
    assert_eq!(site.back(Kind::Model, day(2)).unwrap().unwrap().digest, first);
    assert_eq!(site.in_use(Kind::Model).unwrap().unwrap().digest, first);
    assert!(site.back(Kind::Model, day(2)).unwrap_err().to_string().starts_with("HAECHI-0960"));
    // The same one installed again changes nothing.
    assert_eq!(install(&site, &stick, &first, day(3)).unwrap(), first);
    assert_eq!(site.installed().unwrap().len(), 2);
}

#[test]
fn wrong_and_too_few_signatures_are_refused() {
    let center = Center::begin();
    // One of three for the root, and everybody else.
    center.publisher.sign(std::slice::from_ref(&center.root[0])).unwrap();
    for key in [&center.model, &center.evidence, &center.software, &center.stamp] {
        let left = center.publisher.sign(std::slice::from_ref(key)).unwrap();
        assert!(left.iter().any(|one| one.role == "root"));
    }
    assert!(center.publisher.root_file().is_err(), "not published");
    // The same person again is still one.
    center.publisher.sign(std::slice::from_ref(&center.root[0])).unwrap();
    assert!(center.publisher.root_file().is_err());
    // A stranger signs nothing.
    let stranger = SigningKey::generate().unwrap();
    assert!(center.publisher.sign(&[stranger]).unwrap_err().to_string().contains("may sign none"));

    let (_center, site, _, stick) = ready();
    let said = |change: &dyn Fn(&Path)| {
        let medium = tempfile::tempdir().unwrap();
        for folder in ["metadata", "targets"] {
            fs::create_dir(medium.path().join(folder)).unwrap();
            for entry in fs::read_dir(stick.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, medium.path().join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
        change(&medium.path().join("metadata"));
        site.trust().verify(medium.path(), day(1)).unwrap_err().to_string()
    };
    let error = said(&|metadata| {
        edit(&ending(metadata, ".model.json"), |value| value["signed"]["version"] = 7.into());
    });
    assert!(error.starts_with("HAECHI-0952"), "{error}");
    let error = said(&|metadata| {
        edit(&ending(metadata, "2.model.json"), |value| {
            value["signed"]["expires"] = "2036-01-01T00:00:00Z".into();
        })
    });
    assert!(error.starts_with("HAECHI-0952"), "{error}");
    let error = said(&|metadata| {
        edit(&ending(metadata, "1.targets.json"), |value| {
            value["signatures"].as_array_mut().unwrap().pop();
        })
    });
    assert!(error.starts_with("HAECHI-0952") && error.contains("threshold of 2"), "{error}");
    // One signature counted twice.
    let error = said(&|metadata| {
        edit(&ending(metadata, "1.targets.json"), |value| {
            let signatures = value["signatures"].as_array_mut().unwrap();
            signatures[1] = signatures[0].clone();
        })
    });
    assert!(error.starts_with("HAECHI-0952"), "{error}");
    // A signer of one kind names a file of another.
    let other = Center::begin();
    other.all_sign();
    let file = other.dir.path().join("x.deb");
    fs::write(&file, b"x").unwrap();
    other.publisher.pack(Kind::Evidence, "x", "1", &[file], day(0)).unwrap();
    edit(&other.dir.path().join("repo/draft/evidence.json"), |value| {
        let text = value["signed"]["targets"].to_string().replace("evidence_x", "software_x");
        value["signed"]["targets"] = serde_json::from_str(&text).unwrap();
    });
    other.publisher.sign(&[other.evidence, other.stamp]).unwrap();
    let root = fs::read(other.dir.path().join("repo/metadata/1.root.json")).unwrap();
    let victim = Store::at(other.dir.path().join("bundles"));
    victim.trust().begin(&root, &fingerprint(&root)).unwrap();
    let error = victim.trust().verify(&other.dir.path().join("repo"), day(1)).unwrap_err().to_string();
    assert!(error.starts_with("HAECHI-0952") && error.contains("not of his kind"), "{error}");
}

#[test]
fn old_frozen_and_rolled_back_media_are_refused() {
    let (center, site, first, stick) = ready();
    // Before and after the end of what says what is newest: 30 days.
    assert!(site.trust().verify(&stick, day(29)).is_ok());
    let error = site.trust().verify(&stick, day(31)).unwrap_err().to_string();
    assert!(error.starts_with("HAECHI-0953") && error.contains("timestamp") && error.contains("2026-12-25"), "{error}");
    // Ends that are far away do not help one that is near: a year later with a fresh stamp the kinds are over.
    center.publisher.stamp(day(200)).unwrap();
    center.publisher.sign(std::slice::from_ref(&center.stamp)).unwrap();
    let error = site.trust().verify(&center.stick("late"), day(200)).unwrap_err().to_string();
    assert!(error.starts_with("HAECHI-0953") && error.contains("model"), "{error}");

    let (center, site, _, stick) = {
        drop((center, site, first, stick));
        ready()
    };
    center.release("2.0", b"GGUF two", day(1));
    let newer = center.stick("newer");
    install(&site, &newer, "clinic", day(2)).unwrap();
    let error = install(&site, &stick, "clinic", day(2)).unwrap_err();
    assert!(error.starts_with("HAECHI-0954") && error.contains("haechi bundle rollback"), "{error}");
    // A fresh stamp over an old model list: signed by who may, and still a step back.
    let error = {
        let mixed = center.stick("mixed");
        fs::copy(ending(&stick.join("metadata"), "2.model.json"), mixed.join("metadata/3.model.json")).unwrap();
        site.trust().verify(&mixed, day(2)).unwrap_err().to_string()
    };
    assert!(error.starts_with("HAECHI-0955"), "{error}");
    // A clock that went back cannot tell what is old.
    let error = install(&site, &newer, "clinic", day(-5)).unwrap_err();
    assert!(error.starts_with("HAECHI-0958"), "{error}");
    // What was refused left no trace.
    install(&site, &newer, "clinic", day(2)).unwrap();
}

#[test]
fn swapped_and_cut_files_are_refused_wherever_they_lie() {
    let (_center, site, digest, stick) = ready();
    let file = ending(&stick.join("targets"), "_clinic.gguf");
    let verify = || {
        let verified = site.trust().verify(&stick, day(1)).unwrap();
        let bundle = verified.bundle("clinic").map_err(|error| error.to_string())?;
        verified.check_files(&bundle).map_err(|error| error.to_string())
    };
    verify().unwrap();
    for (content, said) in
        [(&b"GGUF own"[..], "expected"), (&b"GGUF"[..], "cut off"), (&b"GGUF one and more"[..], "more than")]
    {
        fs::write(&file, content).unwrap();
        for error in [verify().unwrap_err(), install(&site, &stick, "clinic", day(1)).unwrap_err()] {
            assert!(error.starts_with("HAECHI-0955") && error.contains(said), "{error}");
        }
        assert!(site.staged(&digest).is_err() && site.installed().unwrap().is_empty());
    }
    // A link to elsewhere, a device, a pipe.
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    assert!(install(&site, &stick, "clinic", day(1)).unwrap_err().starts_with("HAECHI-0950"));
    fs::remove_file(&file).unwrap();
    fs::write(&file, b"GGUF one").unwrap();
    let manifest = ending(&stick.join("targets"), "_manifest.json");
    let good = fs::read(&manifest).unwrap();
    fs::write(&manifest, b"{}").unwrap();
    assert!(install(&site, &stick, "clinic", day(1)).unwrap_err().starts_with("HAECHI-0955"));
    fs::write(&manifest, good).unwrap();
    // Between staging and installing: the second check is a whole one.
    let verified = site.trust().verify(&stick, day(1)).unwrap();
    let staged = site.stage(&verified, &verified.bundle("clinic").unwrap()).unwrap();
    fs::write(ending(&staged.join("targets"), "_clinic.gguf"), b"GGUF own").unwrap();
    assert!(site.apply(&digest, day(1)).unwrap_err().to_string().starts_with("HAECHI-0955"));
    assert!(site.installed().unwrap().is_empty());
    // After installing: the manifest tells.
    assert_eq!(install(&site, &stick, "clinic", day(1)).unwrap(), digest);
    let place = site.bundle("clinic").unwrap().folder;
    fs::write(place.join("manifest.json"), b"{}").unwrap();
    assert!(site.bundle("clinic").unwrap_err().to_string().starts_with("HAECHI-0955"));
}

#[test]
fn names_that_reach_elsewhere_are_refused_though_they_are_signed() {
    for name in
        ["../../../etc/passwd", "model_../../x_1_a", "/model_x_1_a", "model_x_1_a/b", "..", "model_x_1_a b", ".model_x"]
    {
        let center = Center::begin();
        center.all_sign();
        center.pack("1.0", b"GGUF", day(0));
        let draft = center.dir.path().join("repo/draft/model.json");
        edit(&draft, |value| {
            let targets = value["signed"]["targets"].as_object_mut().unwrap();
            let any = targets.values().next().unwrap().clone();
            targets.insert(name.to_owned(), any);
        });
        // Our own tools may refuse to sign it; a hostile signer has others.
        if center.publisher.sign(std::slice::from_ref(&center.model)).is_err() {
            continue;
        }
        center.publisher.sign(std::slice::from_ref(&center.stamp)).unwrap();
        let site = center.site();
        let error = site.trust().verify(&center.stick("stick"), day(1)).unwrap_err().to_string();
        let refused = ["HAECHI-0956", "HAECHI-0952", "HAECHI-0957"].iter().any(|code| error.starts_with(code));
        assert!(refused, "{name}: {error}");
    }
}

#[test]
fn trust_begins_with_a_compared_fingerprint_and_follows_the_publishers_new_roots() {
    let (center, site, _, stick) = ready();
    let root = fs::read(stick.join("metadata/1.root.json")).unwrap();
    let other = Store::at(center.dir.path().join("other"));
    assert!(other.trust().verify(&stick, day(1)).unwrap_err().to_string().starts_with("HAECHI-0951"));
    assert!(other.trust().begin(&root, &"0".repeat(64)).unwrap_err().to_string().starts_with("HAECHI-0955"));
    assert!(site.trust().begin(&root, &fingerprint(&root)).is_err(), "trusted once");
    // Unsigned.
    let bare = br#"{"signed":{"_type":"root"},"signatures":[]}"#;
    assert!(other.trust().begin(bare, &fingerprint(bare)).unwrap_err().to_string().starts_with("HAECHI-0957"));
    // A year later everything has a new end; the site goes from root 1 to root 2 by itself, and never back.
    center.publisher.renew(day(300)).unwrap();
    center.all_sign();
    let stick = center.stick("renewed");
    let verified = site.trust().verify(&stick, day(400)).map(|_| ()).unwrap_err().to_string();
    assert!(verified.contains("timestamp"), "{verified}");
    let verified = site.trust().verify(&stick, day(310)).unwrap();
    assert_eq!(verified.root_version(), 2);
    verified.remember(day(310)).unwrap();
    fs::remove_file(stick.join("metadata/2.root.json")).unwrap();
    assert_eq!(site.trust().verify(&stick, day(310)).unwrap().root_version(), 2, "from what was remembered");
}
