//! Two simulated peers wired to each other, without a gateway: what they do alone must be right before they judge others.

use sim::audio::{Sound, Voice};
use sim::peer::{Manner, Peer, PeerCallId, PeerConfig, PeerOutput, Phase};
use std::net::SocketAddr;
use std::time::Duration;
use terms::{Now, Secret, Transport};

const MS: Duration = Duration::from_millis(1);

struct Pair {
    now: Now,
    a: Peer,
    b: Peer,
    lose_next_sip: u32,
}

fn peer(user: &str, me: &str, other: &str, voice: u16) -> Peer {
    let sip: SocketAddr = format!("{me}:5060").parse().unwrap();
    Peer::new(PeerConfig {
        user: user.into(),
        password: Secret::new("x"),
        domain: other.into(),
        server: format!("{other}:5060").parse().unwrap(),
        sip,
        rtp: format!("{me}:16384").parse().unwrap(),
        transport: Transport::Udp,
        product: "sim".into(),
        sound: Sound::Tone(Voice(voice)),
        pace: Duration::from_millis(20),
        timers: Default::default(),
        seed: u64::from(voice),
        calls_max: 1,
    })
}

impl Pair {
    fn new() -> Pair {
        Pair {
            now: Now::default(),
            a: peer("a", "10.0.0.1", "10.0.0.2", 400),
            b: peer("b", "10.0.0.2", "10.0.0.1", 900),
            lose_next_sip: 0,
        }
    }
    fn exchange(&mut self) {
        loop {
            let (from, out) = match self.a.poll_output() {
                Some(out) => (true, out),
                None => match self.b.poll_output() {
                    Some(out) => (false, out),
                    None => return,
                },
            };
            let (sender, receiver) = if from { (&self.a, &mut self.b) } else { (&self.b, &mut self.a) };
            match out {
                PeerOutput::Sip(_, bytes) if self.lose_next_sip == 0 => {
                    receiver.handle(self.now, sender.config.sip, &bytes);
                }
                PeerOutput::Sip(..) => self.lose_next_sip -= 1,
                PeerOutput::Rtp { to, bytes } => {
                    assert_eq!(to, receiver.config.rtp);
                    receiver.handle_rtp(self.now, sender.config.rtp, &bytes);
                }
            }
        }
    }
    fn run_ms(&mut self, ms: u64) {
        let end = self.now.plus(MS * ms as u32);
        self.exchange();
        while let Some(next) = [self.a.deadline(), self.b.deadline()].into_iter().flatten().min() {
            if next > end.instant {
                break;
            }
            let step = next.since(self.now.instant);
            self.now = self.now.plus(step);
            self.a.timeout(self.now);
            self.b.timeout(self.now);
            self.exchange();
        }
        self.now = end;
    }
    fn phases(&self, id: PeerCallId) -> (Option<Phase>, Option<Phase>) {
        (self.a.call(id).map(|c| c.phase), self.b.calls().last().map(|c| c.phase))
    }
    fn voices(&self, id: PeerCallId) -> (Option<Voice>, Option<Voice>) {
        let heard = |p: &Peer, c: Option<&sim::peer::PeerCall>| {
            let _ = p;
            c.and_then(|c| c.stream.as_ref()).and_then(|s| s.heard.voice())
        };
        (heard(&self.a, self.a.call(id)), heard(&self.b, self.b.calls().last()))
    }
}

#[test]
fn a_call_goes_up_both_hear_each_other_and_it_ends() {
    for lost in 0..4 {
        let mut p = Pair::new();
        p.lose_next_sip = lost;
        p.b.behaves(None, Manner::answers(MS * 300));
        let call = p.a.dial(p.now, "b");
        p.run_ms(9_000);
        assert_eq!(p.phases(call), (Some(Phase::Up), Some(Phase::Up)), "{lost} lost");
        assert_eq!(p.voices(call), (Some(Voice(900)), Some(Voice(400))));
        p.a.press(call, '5');
        p.a.hold(p.now, call, true);
        p.run_ms(2_000);
        let at_b = p.b.calls().last().unwrap();
        assert!(at_b.held && at_b.stream.as_ref().unwrap().heard.digits == "5");
        p.a.hold(p.now, call, false);
        p.run_ms(1_000);
        assert_eq!(p.voices(call), (Some(Voice(900)), Some(Voice(400))));
        let b_call = p.b.calls().last().unwrap().id;
        p.b.hang_up(p.now, b_call);
        p.run_ms(1_000);
        assert_eq!(p.phases(call), (Some(Phase::Ended), Some(Phase::Ended)));
        p.run_ms(40_000);
        assert_eq!((p.a.deadline(), p.b.deadline()), (None, None), "at rest");
    }
}

#[test]
fn refusals_cancels_and_silence() {
    let mut p = Pair::new();
    p.b.behaves(Some("busy"), Manner::refuses(486));
    p.b.behaves(Some("*00"), Manner::silent());
    let call = p.a.dial(p.now, "busy");
    p.run_ms(1_000);
    assert_eq!(p.a.call(call).unwrap().status, 486);

    let call = p.a.dial(p.now, "b");
    p.run_ms(1_000);
    assert_eq!(p.phases(call), (Some(Phase::Ringing), Some(Phase::Ringing)));
    p.a.hang_up(p.now, call);
    p.run_ms(1_000);
    assert_eq!(p.phases(call), (Some(Phase::Ended), Some(Phase::Ended)));
    assert_eq!(p.a.call(call).unwrap().status, 487);

    let call = p.a.dial(p.now, "4900");
    p.run_ms(31_000);
    assert_eq!(p.a.call(call).unwrap().phase, Phase::Calling);
    p.run_ms(2_000);
    assert_eq!(p.a.call(call).unwrap().status, 408);
    p.run_ms(40_000);
    assert_eq!((p.a.deadline(), p.b.deadline()), (None, None), "at rest");
}

#[test]
fn a_cancel_that_crosses_the_answer_ends_in_ack_and_bye() {
    let mut p = Pair::new();
    let call = p.a.dial(p.now, "b");
    p.run_ms(500);
    // Both decide at the same moment; the wire is read after that.
    let ringing = p.b.calls().last().unwrap().id;
    p.b.answer(p.now, ringing);
    p.a.hang_up(p.now, call);
    p.run_ms(40_000);
    assert_eq!(p.phases(call), (Some(Phase::Ended), Some(Phase::Ended)));
    assert_eq!((p.a.deadline(), p.b.deadline()), (None, None), "at rest");
}
