//! Edge: the shipped program on real sockets, against clients that are odd, hostile or cut off.

mod administration;
mod client;
mod durable;
mod first_login;
mod fraud;
mod guessing;
mod kill_nine;
mod known_at_once;
#[path = "../lab/mod.rs"]
mod lab;
mod leaks;
mod licence;
mod media_attacks;
mod passwords;
mod reload;
mod secure;
mod streams;
mod talk;
mod trunk_tls;
mod web_attacks;
mod web_phone;
mod websocket;
