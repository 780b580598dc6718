//! A browser of octets: one TLS connection, its cookies, its CSRF word.

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// An answer later than this is none.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The development certificate is nobody's.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

pub struct Browser {
    stream: StreamOwned<ClientConnection, TcpStream>,
    cookies: Vec<(String, String)>,
    csrf: String,
}

pub struct Answer {
    pub status: u16,
    pub json: serde_json::Value,
    /// From the first octet written to the last one read.
    pub took: Duration,
}

impl Browser {
    /// From an address of its own, so that it shares no count of attempts with another.
    pub fn open(to: SocketAddr) -> anyhow::Result<Browser> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let from = Ipv4Addr::from(0x7F01_0001 + NEXT.fetch_add(1, Ordering::Relaxed));
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&to.into())?;
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_no_client_auth();
        let tls = ClientConnection::new(Arc::new(config), ServerName::IpAddress(to.ip().into()))?;
        let mut stream = StreamOwned::new(tls, socket);
        // The handshake is no part of what is measured.
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Browser { stream, cookies: Vec::new(), csrf: String::new() })
    }

    pub fn post(&mut self, path: &str, body: &serde_json::Value) -> anyhow::Result<Answer> {
        let body = body.to_string();
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nCookie: {}\r\nX-Hotseat-Csrf: {}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            cookies.join("; "),
            self.csrf,
            body.len()
        );
        let began = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        self.stream.flush()?;
        let (head, body) = self.answer()?;
        let took = began.elapsed();
        for line in head.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = value.split(';').next().unwrap_or("").trim().split_once('=')
            {
                self.cookies.retain(|(other, _)| other != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(csrf) = json["csrf"].as_str() {
            self.csrf = csrf.to_owned();
        }
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status line")?;
        Ok(Answer { status, json, took })
    }

    fn answer(&mut self) -> anyhow::Result<(String, Vec<u8>)> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 16_384]);
        loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let length = head.lines().filter_map(|line| line.split_once(':'));
                let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
                let length: usize = length.next_back().and_then(|(_, n)| n.trim().parse().ok()).unwrap_or(0);
                if bytes.len() >= end + 4 + length {
                    return Ok((head, bytes[end + 4..end + 4 + length].to_vec()));
                }
            }
            let len = self.stream.read(&mut buffer)?;
            anyhow::ensure!(len > 0, "the connection closed before the answer");
            bytes.extend_from_slice(&buffer[..len]);
        }
    }

    pub fn login(&mut self, name: &str, password: &str) -> anyhow::Result<Answer> {
        self.post("/api/login", &serde_json::json!({ "username": name, "password": password }))
    }
}
