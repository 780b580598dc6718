//! SIP over TCP: one framing fault is answered once and ends the connection; nothing behind it is executed.

use crate::client::{DOMAIN, unique};
use crate::lab::Hotseat;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn connect(hotseat: &Hotseat) -> TcpStream {
    let stream = TcpStream::connect(hotseat.sip).expect("a TCP listener");
    stream.set_read_timeout(Some(Duration::from_millis(1500))).expect("a read timeout");
    stream
}

fn options(length: &str) -> String {
    format!(
        "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{b}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{DOMAIN}>;tag=f{b}\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: c{b}\r\nCSeq: 1 OPTIONS\r\n{length}\r\n",
        b = unique()
    )
}

/// Everything that comes until the peer closes or falls silent, and whether it closed.
fn drain(stream: &mut TcpStream) -> (String, bool) {
    let mut text = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (String::from_utf8_lossy(&text).into_owned(), true),
            Ok(n) => text.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {
                return (String::from_utf8_lossy(&text).into_owned(), true);
            }
            Err(_) => return (String::from_utf8_lossy(&text).into_owned(), false),
        }
    }
}

#[test]
fn messages_are_told_apart_however_they_are_cut() {
    let hotseat = Hotseat::start();
    let mut stream = connect(&hotseat);
    let two = options("Content-Length: 0\r\n") + &options("l: 0\r\n");
    for piece in two.as_bytes().chunks(37) {
        stream.write_all(piece).unwrap();
        stream.flush().unwrap();
    }
    let (text, closed) = drain(&mut stream);
    assert_eq!(text.matches("SIP/2.0 200").count(), 2, "{text}");
    assert!(!closed);
}

#[test]
fn keep_alives_are_answered() {
    let hotseat = Hotseat::start();
    let mut stream = connect(&hotseat);
    stream.write_all(b"\r\n\r\n").unwrap();
    assert_eq!(drain(&mut stream), ("\r\n".to_owned(), false));
}

#[test]
fn a_broken_length_is_answered_once_and_ends_the_connection() {
    let hotseat = Hotseat::start();
    for length in [
        "Content-Length: -1\r\n",
        "Content-Length: 4294967296\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 0x10\r\n",
        "Content-Length: 1 2\r\n",
        "Content-Length: \r\n",
        "Content-Length: 0\r\nContent-Length: 900\r\n",
        "Content-Length: 0\r\nl: 5\r\n",
        "Content-Length: ten\r\n",
        "Content-Length: +0\r\n",
        "",
    ] {
        let mut stream = connect(&hotseat);
        let smuggled = options("Content-Length: 0\r\n");
        stream.write_all((options(length) + &smuggled).as_bytes()).unwrap();
        let (text, closed) = drain(&mut stream);
        assert!(closed, "{length:?} leaves the connection open: {text}");
        assert!(text.starts_with("SIP/2.0 400"), "{length:?}: {text:?}");
        assert_eq!(text.matches("SIP/2.0 ").count(), 1, "{length:?}: what followed was executed: {text}");
    }
}

#[test]
fn a_message_without_end_is_ended_for_it() {
    let hotseat = Hotseat::start();
    let mut stream = connect(&hotseat);
    let head = options("").trim_end().to_owned() + "\r\nSubject: ";
    stream.write_all(head.as_bytes()).unwrap();
    let filler = [b'x'; 4096];
    // 64 KiB of header are too many; the connection goes before we have sent ten times that.
    let mut sent = 0;
    while sent < 700_000 && stream.write_all(&filler).is_ok() {
        sent += filler.len();
    }
    let (_, closed) = drain(&mut stream);
    assert!(closed, "{sent} octets of one header were taken");
}
