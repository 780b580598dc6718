//! Requests other than INVITE that we answered over UDP, until timer J ends (RFC 3261 §17.2.2): the state «completed» of
//! figure 8. A busy registrar has half a minute's worth of them, so each is kept small: of a response only what the request
//! does not say itself is remembered, for a retransmission says it again.

use super::chance::Word;
use super::echo::{Echo, Parts};
use super::state::Server;
use crate::transaction::key::MatchKey;
use crate::{Message, Writer};
use ahash::RandomState;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use terms::{Flow, Instant};

#[derive(Debug)]
pub(super) struct Answer {
    flow: Flow,
    flow_open: bool,
    tag: Word,
    /// What stands in the index of merged requests because of it.
    pub merged: Option<u128>,
    /// The response without what it repeats of the request, which belongs at `echo_at`.
    text: Box<[u8]>,
    echo_at: usize,
}

impl Answer {
    /// `echo` is where in the response the lines of the request stand.
    pub fn new(server: &Server, merged: Option<u128>, response: &[u8], echo: Range<usize>) -> Answer {
        let head = response.get(..echo.start).unwrap_or_default();
        let rest = response.get(echo.end..).unwrap_or_default();
        let text = [head, rest].concat().into_boxed_slice();
        Answer {
            flow: server.flow,
            flow_open: server.flow_open,
            tag: server.tag,
            merged,
            text,
            echo_at: head.len(),
        }
    }

    /// The same response once more, to where the first one went; nowhere if that connection is gone.
    pub fn again(&self, request: &Message<'_>) -> Option<(Flow, Vec<u8>)> {
        let (head, rest) = self.text.split_at_checked(self.echo_at).filter(|_| self.flow_open)?;
        let echo = Echo::of(request, self.flow);
        let mut out = Writer::resume(head, echo.len() + rest.len() + 32);
        echo.write(&mut out, Some(&self.tag), Parts::default());
        out.lines(rest);
        Some((self.flow, out.into_bytes()))
    }
}

/// All of them. They wait equally long, so the oldest is the first to go.
pub(super) struct Answers {
    by_match: HashMap<MatchKey, Answer, RandomState>,
    due: VecDeque<(Instant, MatchKey)>,
}

impl Answers {
    pub fn new(hash: RandomState) -> Answers {
        Answers { by_match: HashMap::with_hasher(hash), due: VecDeque::new() }
    }
    pub fn len(&self) -> usize {
        self.by_match.len()
    }
    pub fn get(&self, matched: &MatchKey) -> Option<&Answer> {
        self.by_match.get(matched)
    }
    pub fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(until, _)| *until)
    }

    pub fn insert(&mut self, until: Instant, matched: MatchKey, answer: Answer) {
        self.by_match.insert(matched, answer);
        self.due.push_back((until, matched));
    }

    /// The next one whose timer J is over.
    pub fn take_due(&mut self, now: Instant) -> Option<Answer> {
        let (_, matched) = self.due.pop_front_if(|(until, _)| *until <= now)?;
        let gone = self.by_match.remove(&matched);
        self.give_back();
        gone
    }

    /// After a morning on which everybody registered at once the room goes back.
    fn give_back(&mut self) {
        const SMALL: usize = 4_096;
        if self.due.capacity() > SMALL && self.due.len() < self.due.capacity() / 8 {
            self.due.shrink_to(self.due.len() * 2);
            self.by_match.shrink_to(self.due.len() * 2);
        }
    }

    pub fn flow_closed(&mut self, same: impl Fn(Flow) -> bool) {
        for answer in self.by_match.values_mut().filter(|answer| same(answer.flow)) {
            answer.flow_open = false;
        }
    }
}
