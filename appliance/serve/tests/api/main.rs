//! The API as its callers see it: over TCP, and search by search against a plain reading of the same resources.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod import;
mod negative;
mod round_trip;
mod search;
mod support;
mod write;

use std::sync::Arc;

use support::{api, call, hash, with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One request over a real connection: status line and body.
async fn over_tcp(head: &str, body: &str) -> (u16, String) {
    let (api, _folder) = api();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        Arc::new(api).serve(stream, peer).await;
    });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("{head}Host: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server may close while we still read.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[tokio::test]
async fn nobody_comes_in_without_the_token_and_every_refusal_is_an_outcome() {
    let good = "Authorization: Bearer secret\r\n";
    for (head, status) in [
        ("GET /health HTTP/1.1\r\n".to_owned(), 200),
        ("GET /fhir/metadata HTTP/1.1\r\n".to_owned(), 200),
        ("GET /fhir/Patient HTTP/1.1\r\n".to_owned(), 401),
        ("GET /fhir/Patient HTTP/1.1\r\nAuthorization: Bearer wrong\r\n".to_owned(), 401),
        ("GET /fhir/Patient HTTP/1.1\r\nAuthorization: Basic secret\r\n".to_owned(), 401),
        (format!("GET /fhir/Patient HTTP/1.1\r\n{good}"), 200),
        (format!("GET /fhir/../etc/passwd HTTP/1.1\r\n{good}"), 404),
        (format!("GET /fhir/Patient/..%2fx HTTP/1.1\r\n{good}"), 404),
        (format!("GET /fhir/Pateint HTTP/1.1\r\n{good}"), 404),
        (format!("GET /elsewhere HTTP/1.1\r\n{good}"), 404),
        (format!("GET /fhir/Patient/none HTTP/1.1\r\n{good}"), 404),
        (format!("TRACE /fhir/Patient/p HTTP/1.1\r\n{good}"), 405),
        (format!("GET /fhir HTTP/1.1\r\n{good}"), 405),
        (format!("POST /fhir/Patient HTTP/1.1\r\n{good}Content-Type: text/plain\r\n"), 415),
    ] {
        let (found, answer) = over_tcp(&head, "").await;
        assert_eq!(found, status, "{head}");
        if status >= 400 {
            assert!(
                answer.contains("\"resourceType\":\"OperationOutcome\"") && answer.contains("HAECHI-07"),
                "{answer}"
            );
        }
    }
    let (status, answer) = over_tcp(
        &format!("POST /fhir/Patient HTTP/1.1\r\n{good}Content-Type: application/json\r\n"),
        &"x".repeat(70_000),
    )
    .await;
    assert_eq!(status, 413, "{answer}");
    assert!(answer.contains("HAECHI-0702"));
}

#[test]
fn the_capability_statement_names_what_can_be_asked() {
    let (api, _folder) = api();
    let statement = support::json(&call(&api, "GET", "/fhir/metadata", "", &[]));
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    for resource in resources {
        let kind = resource["type"].as_str().unwrap();
        for param in resource["searchParam"].as_array().unwrap() {
            let value = match param["type"].as_str().unwrap() {
                "date" => "2024",
                "quantity" => "1",
                "composite" => "x$1",
                _ => "x",
            };
            let name = param["name"].as_str().unwrap();
            let reply =
                call(&api, "GET", &format!("/fhir/{kind}?{name}={value}"), "", &[("prefer", "handling=strict")]);
            assert_eq!(reply.status, 200, "{kind} {name}");
        }
    }
    assert!(resources.len() > 100);
    assert_eq!(hash("secret").len(), 32);
    let _ = with;
}
