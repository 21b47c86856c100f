//! Certificates as other people's tools see them: OpenSSL asks and signs, sslscan looks at a running listener, and a sender
//! whose certificate is revoked is refused at once.

use std::process::{Command, Output, Stdio};

use haechi_e2e::{Site, eventually};
use serde_json::Value;

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: {tool} is not here (Debian: apt-get install {tool})");
    }
    found
}

fn openssl(arguments: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that ended already needs no input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn made(arguments: &[&str]) {
    let output = openssl(arguments, "");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A site with HTTPS, and a feed that asks senders for a certificate; both also speak TLS 1.2.
fn site(more: &str) -> (Site, u16, u16) {
    let site = Site::new();
    let (https, feed) = (free_port(), free_port());
    std::fs::create_dir_all(site.home()).unwrap();
    let text = format!(
        "[tls]\nallow-tls12 = true\n{more}\n[serve]\nlisten = \"127.0.0.1:{https}\"\n[[feed]]\nname = \"lab\"\nlisten = \"127.0.0.1:{feed}\"\ntls = \"mutual\"\n"
    );
    std::fs::write(site.home().join("haechi.toml"), text).unwrap();
    let hospital = site.hospital(1, 3);
    let _ = site.json(&["import", hospital.join("fhir").to_str().unwrap()]);
    (site, https, feed)
}

#[test]
fn no_weak_suite_and_no_old_version_is_spoken() {
    if !has("sslscan") {
        return;
    }
    let (site, https, _) = site("");
    let _appliance = site.up();
    eventually("the listener to open", || std::net::TcpStream::connect(("127.0.0.1", https)).is_ok());
    let output = Command::new("sslscan").args(["--xml=-", &format!("127.0.0.1:{https}")]).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let with = |start: &str| report.lines().map(str::trim).filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    let protocols = with("<protocol ");
    for old in ["type=\"ssl\" version=\"2\"", "type=\"ssl\" version=\"3\"", "version=\"1.0\"", "version=\"1.1\""] {
        let line =
            protocols.iter().find(|line| line.contains(old)).unwrap_or_else(|| panic!("{old} was not tried: {report}"));
        assert!(line.contains("enabled=\"0\""), "{line}");
    }
    for new in ["version=\"1.2\"", "version=\"1.3\""] {
        assert!(protocols.iter().any(|line| line.contains(new) && line.contains("enabled=\"1\"")), "{protocols:?}");
    }
    let suites = with("<cipher ");
    assert!(suites.len() >= 5, "{report}");
    for suite in suites {
        assert!(suite.contains("strength=\"strong\"") || suite.contains("strength=\"acceptable\""), "{suite}");
        let authenticated = suite.contains("GCM") || suite.contains("CHACHA20");
        let secret_forward = suite.contains("ECDHE") || suite.contains("sslversion=\"TLSv1.3\"");
        assert!(authenticated && secret_forward, "{suite}");
    }
    assert!(!report.contains("vulnerable=\"1\""), "{report}");
}

#[test]
fn a_revoked_sender_is_refused_while_the_appliance_runs() {
    if !has("openssl") {
        return;
    }
    let (site, _, feed) = site("");
    let lab = site.json(&["cert", "client", "lab"])[0]["file"].as_str().unwrap().to_owned();
    let pacs = site.json(&["cert", "client", "pacs"])[0]["file"].as_str().unwrap().to_owned();
    let _appliance = site.up();
    eventually("the listener to open", || std::net::TcpStream::connect(("127.0.0.1", feed)).is_ok());
    let root = site.home().join("certs/root.crt");
    // `-ign_eof` would wait for ever on a good connection: what is looked at is whether the handshake came to its end.
    let refused = |client: &str| {
        let address = format!("127.0.0.1:{feed}");
        let output = Command::new("timeout")
            .args(["3", "openssl", "s_client", "-connect", &address, "-tls1_2", "-CAfile", root.to_str().unwrap()])
            .args(["-cert", client, "-key", client, "-ign_eof"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        said.to_lowercase().contains("alert")
    };
    assert!(!refused(&lab) && !refused(&pacs));
    let done = site.json(&["cert", "revoke", "lab", "--reason", "key-compromise"]);
    assert_eq!(done["revoked"].as_array().unwrap().len(), 1);
    assert!(refused(&lab) && !refused(&pacs));
    let lines = site.json(&["cert", "list"]);
    let state = |name: &str| {
        let line =
            lines.as_array().unwrap().iter().find(|line| line["subject"] == format!("CN={name}")).unwrap().clone();
        line["state"].as_str().unwrap().to_owned()
    };
    assert_eq!((state("lab").as_str(), state("pacs").as_str()), ("revoked", "valid"));
    // OpenSSL reads the list as the standard says, and finds the sender in it.
    let crl = site.beside("list.crl");
    std::fs::copy(site.home().join("certs/revoked.crl"), &crl).unwrap();
    let output = openssl(
        &["verify", "-crl_check", "-CAfile", root.to_str().unwrap(), "-CRLfile", crl.to_str().unwrap(), &lab],
        "",
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("certificate revoked"));
    let output = openssl(
        &["verify", "-crl_check", "-CAfile", root.to_str().unwrap(), "-CRLfile", crl.to_str().unwrap(), &pacs],
        "",
    );
    assert!(output.status.success());
    assert!(!site.run(&["cert", "revoke", "nobody"]).status.success());
}

#[test]
fn a_certificate_of_the_hospitals_own_authority_is_taken_and_shown() {
    if !has("openssl") {
        return;
    }
    let (site, https, _) = site("names = [\"haechi.hospital.example\", \"localhost\"]");
    let path = |name: &str| site.beside(name).to_str().unwrap().to_owned();
    let (key, root) = (path("ca.key"), path("ca.crt"));
    made(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        &key,
        "-out",
        &root,
        "-subj",
        "/CN=Hospital CA",
        "-days",
        "30",
    ]);
    let asked = site.json(&["cert", "csr"])["request"].as_str().unwrap().to_owned();
    std::fs::write(path("request.pem"), asked).unwrap();
    made(&["req", "-in", &path("request.pem"), "-verify", "-noout"]);
    // What the hospital's authority makes of a request.
    let signed = |request: &str, days: &str, out: &str| {
        let (request, out) = (path(request), path(out));
        let by = ["x509", "-req", "-in", &request, "-CA", &root, "-CAkey", &key];
        made(&[&by[..], &["-copy_extensions", "copy", "-days", days, "-out", &out]].concat());
    };
    signed("request.pem", "20", "answer.pem");
    let refused = site.run(&["cert", "import", &path("answer.pem")]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("issuer's certificate is missing"));
    let taken = site.json(&["cert", "import", &path("answer.pem"), &root]);
    // 20 within the second of its making, 19 after it.
    let note = taken["notes"][0].as_str().unwrap();
    assert!(note.contains("it ends in 19 days") || note.contains("it ends in 20 days"), "{taken}");
    let appliance = site.up();
    eventually("the listener to open", || std::net::TcpStream::connect(("127.0.0.1", https)).is_ok());
    let shown = |root: &str| {
        let output = openssl(
            &[
                "s_client",
                "-connect",
                &format!("127.0.0.1:{https}"),
                "-CAfile",
                root,
                "-verify_hostname",
                "haechi.hospital.example",
                "-verify_return_error",
            ],
            "",
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = shown(&root);
    assert!(
        said.contains("Verification: OK")
            && (said.contains("issuer=CN = Hospital CA") || said.contains("issuer=CN=Hospital CA")),
        "{said}"
    );
    drop(appliance);

    // PKCS#12 as OpenSSL 3 and as old tools write it.
    made(&[
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        &path("own.key"),
        "-out",
        &path("own.csr"),
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=DNS:haechi.hospital.example",
    ]);
    signed("own.csr", "25", "own.crt");
    std::fs::write(path("password"), "s3cret\n").unwrap();
    std::fs::write(path("wrong"), "other\n").unwrap();
    for more in [&[][..], &["-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"]] {
        let (out, from, inkey) = (path("own.p12"), path("own.crt"), path("own.key"));
        let mut arguments = vec![
            "pkcs12",
            "-export",
            "-inkey",
            &inkey,
            "-in",
            &from,
            "-certfile",
            &root,
            "-out",
            &out,
            "-passout",
            "pass:s3cret",
        ];
        arguments.extend(more);
        made(&arguments);
        let wrong = site.run(&["cert", "import", &out, "--password-file", &path("wrong")]);
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("HAECHI-0912"));
        let taken: Value = site.json(&["cert", "import", &out, "--password-file", &path("password")]);
        assert_eq!(taken["certificate"]["names"][0], "haechi.hospital.example");
    }
    assert_eq!(site.json(&["cert", "import", "--remove"])["removed"], true);
}
