//! A wrong password, and a name nobody has: the same challenge, the same refusal, no binding.

use sim::{World, expect_ladder};
use terms::Secret;

#[test]
fn wrong_and_unknown_look_the_same() {
    let mut answers = Vec::new();
    for unknown in [false, true] {
        let mut w = World::new(5);
        let desk = w.phone_with("desk-17", |c| c.peer.password = Secret::new("right"));
        let thief = w.phone_with("thief", |c| {
            c.peer.password = Secret::new("guessed");
            c.peer.user = if unknown { "desk-99".into() } else { "desk-17".into() };
            c.instance = None;
        });
        thief.registers();
        w.run_s(2);
        assert!(!thief.is_registered() && w.bindings().is_empty());
        answers.push(w.ladder().replace("desk-99", "desk-17"));
        if !unknown {
            expect_ladder!(w, "wrong_password");
        }
        // The rightful phone is not locked out by it.
        desk.registers();
        w.run_s(1);
        assert!(desk.is_registered());
        w.comes_to_rest();
    }
    assert_eq!(answers[0], answers[1]);
}
