//! Interop: the shipped program among real peers. Phones are baresip, the trunk is SIPp, the page is Chromium or Firefox.

mod audio;
mod baresip;
mod browser;
mod calls;
mod colleagues;
mod dead_phone;
mod desk;
mod directory;
mod encrypted;
mod forgot;
#[path = "../lab/mod.rs"]
mod lab;
mod networks;
mod oidc;
mod page;
mod rtp;
mod samba;
#[path = "../edge/client.rs"]
mod sip_client;
mod sipp;
mod softphones;
mod takeover;
