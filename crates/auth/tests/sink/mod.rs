//! A mail server of a few lines, for letters whose content matters. What a real one asks for is tried with a real one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy, PartialEq)]
#[allow(dead_code)]
pub enum Manner {
    Takes,
    Refuses,
    /// Greets and then says nothing any more.
    Hangs,
}

#[derive(Clone)]
pub struct Sink {
    pub port: u16,
    letters: Arc<Mutex<Vec<String>>>,
    pub talks: Arc<AtomicUsize>,
}

impl Sink {
    pub async fn open(manner: Manner) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sink = Sink { port, letters: Arc::default(), talks: Arc::default() };
        let own = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                own.talks.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(talk(stream, manner, own.letters.clone()));
            }
        });
        sink
    }

    pub fn settings(&self) -> auth::mail::MailSettings {
        auth::mail::MailSettings {
            host: "127.0.0.1".into(),
            port: self.port,
            tls: auth::mail::MailTls::None,
            credentials: None,
            from: "hotseat@example.com".parse().unwrap(),
            hello: "desk.example".into(),
            roots: Vec::new(),
            timeout: Duration::from_secs(1),
        }
    }

    pub fn letters(&self) -> Vec<String> {
        self.letters.lock().unwrap().clone()
    }

    /// The letters, once there are so many.
    pub async fn wait_for(&self, count: usize) -> Vec<String> {
        for _ in 0..1000 {
            if self.letters().len() >= count {
                return self.letters();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} letters instead of {count}", self.letters().len());
    }
}

async fn talk(stream: TcpStream, manner: Manner, letters: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 sink\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        if manner == Manner::Hangs {
            std::future::pending::<()>().await;
        }
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match word.as_str() {
            "EHLO" => b"250-sink\r\n250 8BITMIME\r\n",
            "RCPT" if manner == Manner::Refuses => b"550 5.1.1 nobody\x07 here\r\n",
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut letter = String::new();
                loop {
                    let line = lines.next_line().await.ok()??;
                    if line == "." {
                        break;
                    }
                    letter.push_str(line.strip_prefix('.').unwrap_or(&line));
                    letter.push('\n');
                }
                letters.lock().unwrap().push(letter);
                b"250 2.0.0 kept\r\n"
            }
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await.ok()?;
        if word == "QUIT" {
            return None;
        }
    }
    None
}
