//! Scenes: who is there, what happens, what everyone saw. One story a file, in simulated time, each with its ladder in
//! `ladders/`. `BLESS=1 cargo test -p rings --test scenarios` writes the ladders anew; read the difference.

mod busy;
mod bye_lost;
mod call_in;
mod call_out;
mod cancel_crosses_answer;
mod expire;
mod forced_logout;
mod hold;
mod login;
mod no_answer;
mod phone_dies_in_call;
mod phone_unreachable;
mod reboot;
mod register;
mod restart;
mod self_test;
mod store_busy;
mod takeover;
mod tcp;
mod transfer;
mod trunk_failover;
mod vacant_phone;
mod wrong_password;
