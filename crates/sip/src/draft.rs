//! A message in the making. Whoever writes it names what matters to them; the `Ua` adds what belongs to the
//! transaction and the dialog (Via, From, To, Call-ID, CSeq, Route, Contact, Max-Forwards) and the length.

use crate::Method;
use bytes::Bytes;

/// A request or response without its transaction headers.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub start: Start,
    /// Further headers, in order, as they will stand on the wire.
    pub headers: Vec<(String, String)>,
    pub content_type: Option<String>,
    pub body: Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    Request { method: Method },
    Response { status: u16, phrase: Option<String> },
}

impl Draft {
    pub fn request(method: Method) -> Draft {
        Draft {
            start: Start::Request { method },
            headers: Vec::new(),
            content_type: None,
            body: Bytes::new(),
        }
    }
    /// The phrase is the RFC's own unless `phrase` sets another.
    pub fn response(status: u16) -> Draft {
        Draft {
            start: Start::Response { status, phrase: None },
            headers: Vec::new(),
            content_type: None,
            body: Bytes::new(),
        }
    }
    pub fn phrase(mut self, text: &str) -> Draft {
        if let Start::Response { phrase, .. } = &mut self.start {
            *phrase = Some(text.to_owned());
        }
        self
    }
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Draft {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
    pub fn body(mut self, content_type: &str, body: Bytes) -> Draft {
        self.content_type = Some(content_type.to_owned());
        self.body = body;
        self
    }
    pub fn sdp(self, body: Bytes) -> Draft {
        self.body("application/sdp", body)
    }
}
