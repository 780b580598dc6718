//! The world for tests and for `hotseat dev`: phones, trunk, lossy network, store, clock, ladders, checkers.
//!
//! Phones and trunks are real SIP peers without a socket: bytes and time go in, bytes and deadlines come out. In a
//! [`World`] they meet the real gateway over a simulated wire; in `hotseat dev` the same phones run over UDP.

pub mod audio;
pub mod chance;
pub mod peer;
pub mod phone;
pub mod sdp;
pub mod swarm;
pub mod trunk;
pub mod world;

pub use world::{Options, World};

/// Compares the world's ladder with the file of this name beside the story; `BLESS=1` writes it.
#[macro_export]
macro_rules! expect_ladder {
    ($world:expr, $name:literal) => {
        $crate::compare_ladder(&$world, env!("CARGO_MANIFEST_DIR"), $name)
    };
}

/// What `expect_ladder!` does. Panics with the first line that differs.
pub fn compare_ladder(world: &World, tests: &str, name: &str) {
    // The stories are also built beside this crate alone, which takes seconds where the whole house takes minutes.
    let tests = if tests.ends_with("sim") { format!("{tests}/../../tests") } else { tests.to_owned() };
    let path = &format!("{tests}/scenarios/ladders/{name}.txt");
    let is = world.ladder();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &is).expect("the ladder can be written");
        return;
    }
    let should = std::fs::read_to_string(path).unwrap_or_default();
    if is == should {
        return;
    }
    let (mut a, mut b) = (is.lines(), should.lines());
    let differs = loop {
        match (a.next(), b.next()) {
            (None, None) => break ("(the same)", "(the same)"),
            (x, y) if x == y => continue,
            (x, y) => break (x.unwrap_or("(the end)"), y.unwrap_or("(the end)")),
        }
    };
    panic!("{path}\n  is:     {}\n  should: {}\nthe whole ladder is\n{is}", differs.0, differs.1);
}
