//! Interop: the shipped program among real peers. Phones are baresip, the trunk is SIPp, the page is Chromium.

mod audio;
mod baresip;
mod rtp;
mod sipp;

#[test]
fn harness_probe() {
    use std::time::Duration;
    let dir = std::env::temp_dir().join(format!("hotseat-interop-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let phone_plays = audio::melody(1, 60);
    let trunk_plays = audio::melody(2, 60);
    let port = baresip::free_port_pair();
    let mut phone = baresip::Baresip::start(&dir, &baresip::Account { name: "desk", secret: "x", domain: "127.0.0.1", server: &format!("127.0.0.1:{port}"), transport: "udp", answer: "auto" }, &phone_plays);
    phone.command("reginfo", "");
    phone.look();
    eprintln!("{:?}", phone.said);
    let conf = std::fs::read_to_string(phone.folder.join("config")).unwrap();
    let sipport = conf.lines().next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let ep = rtp::Endpoint::open(trunk_plays.clone());
    let tport = baresip::free_port_pair();
    let mut trunk = sipp::Sipp::start(&dir, &sipp::Run { scenario: &sipp::caller("4969", 6000, true), port: tport, remote: &sipport, service: "desk", keys: &[("media", ep.address.port().to_string())], calls: 1 });
    let ok = trunk.succeeded(Duration::from_secs(20));
    eprintln!("{}", phone.log());
    if !ok { eprintln!("{}", trunk.log()); }
    phone.look();
    let heard = ep.finish();
    eprintln!("trunk heard {} ms, share {}", audio::speaking_ms(&heard), audio::share_heard(&phone_plays, &heard));
    let ph = phone.heard();
    eprintln!("phone heard {} ms, share {}", audio::speaking_ms(&ph), audio::share_heard(&trunk_plays, &ph));
    assert!(ok);
}
