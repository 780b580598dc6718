//! Calls between two `Ua`s: set up, refused, cancelled, forked, modified, ended.

mod ua_world;

use ua_world::*;

#[test]
fn a_call_goes_up_and_comes_down() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    assert!(w.uas[0].dialog(ours).unwrap().confirmed && w.uas[1].dialog(theirs).unwrap().confirmed);
    assert_eq!(w.uas[0].dialog(ours).unwrap().remote_tag, w.uas[1].dialog(theirs).unwrap().local_tag);
    w.hang_up(ours);
    assert!(w.uas[1].dialog(theirs).is_none());
    let lines: Vec<&str> = w.log.iter().map(|(_, _, l)| l.split(" sip:").next().unwrap()).collect();
    assert_eq!(lines, ["INVITE", "SIP/2.0 200 OK", "ACK", "BYE", "SIP/2.0 200 OK"]);
}
