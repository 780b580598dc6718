//! Licences with the shipped program: what the development key signs counts only in development worlds.

use crate::lab::{Hotseat, eventually, fresh_folder};
use std::time::Duration;

#[test]
fn a_licence_of_the_development_key_is_installed_in_a_development_world_and_refused_elsewhere() {
    let hotseat = Hotseat::start();
    assert_eq!(hotseat.cli(&["licence", "show"], "")["status"], "community");
    let text = signed();
    let file = hotseat.folder.join("licence.txt");
    std::fs::write(&file, &text).expect("a file");
    let path = file.to_str().expect("plain letters");
    let refused = hotseat.cli_refused(&["licence", "install", path]);
    let sentence = refused["error"].as_str().unwrap_or_default();
    assert!(sentence.contains("key \"development\", which this program does not know"), "{refused}");

    // Whoever puts it there by hand has no licence either, and nothing else changes.
    std::fs::copy(&file, hotseat.folder.join("data/licence")).expect("a copy");
    assert!(eventually(Duration::from_secs(10), || hotseat
        .log()
        .contains("the installed licence does not count")));
    assert_eq!(hotseat.cli(&["licence", "show"], "")["status"], "broken");

    let elsewhere = fresh_folder();
    let data = elsewhere.to_str().expect("plain letters");
    let ask = |args: &[&str], input: &str| program(&[args, &["--json", "--data", data]].concat(), input);
    let installed: serde_json::Value =
        serde_json::from_str(&ask(&["licence", "install", "-"], &text)).expect("JSON");
    assert_eq!(installed["licence"]["customer"], "Example GmbH", "{installed}");
    let shown: serde_json::Value = serde_json::from_str(&ask(&["licence", "show"], "")).expect("JSON");
    assert_eq!((&shown["status"], &shown["licence"]["seats"]), (&"ended".into(), &12.into()), "{shown}");
    assert!(shown["sentence"].as_str().is_some_and(|s| s.contains("sales@example.com")), "{shown}");
    let _ = std::fs::remove_dir_all(&elsewhere);
}

fn signed() -> String {
    let until = ["--from", "2020-01-01", "--until", "2020-12-31", "--contact", "sales@example.com"];
    program(
        &[&["licence", "sign", "--customer", "Example GmbH", "--seats", "12"], until.as_slice()].concat(),
        "",
    )
}

/// Runs the program by itself; what it printed.
fn program(args: &[&str], input: &str) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new(crate::lab::binary())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("hotseat starts");
    child.stdin.take().expect("a pipe was asked for").write_all(input.as_bytes()).expect("a reader");
    let out = child.wait_with_output().expect("an end");
    assert!(out.status.success(), "hotseat {args:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}
