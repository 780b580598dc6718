//! An authenticator app and a security key made for the tests: what a phone shows and what a browser sends.

// The crate's own tests and those over HTTP use their own share of this.
#![allow(dead_code)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The six digits an app shows for the secret it was given as text, at this time (RFC 6238).
pub fn app_code(secret: &str, unix_s: u64) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = secret.chars().map(|c| format!("{:05b}", alphabet.find(c).unwrap())).collect();
    let byte = |at: usize| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap();
    let key: Vec<u8> = (0..bits.len() / 8).map(byte).collect();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
    mac.update(&(unix_s / 30).to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let four: [u8; 4] = hash[at..at + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

pub struct Toy {
    pair: EcdsaKeyPair,
    pub credential: Vec<u8>,
    pub counter: u32,
    /// Authenticator data's flags; bit 0: somebody touched it.
    pub flags: u8,
}

impl Toy {
    pub fn new(credential: &[u8]) -> Toy {
        let chance = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &chance).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &chance).unwrap();
        Toy { pair, credential: credential.to_vec(), counter: 1, flags: 1 }
    }

    pub fn client_data(kind: &str, challenge: &[u8], origin: &str) -> Vec<u8> {
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        let data = json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false });
        data.to_string().into_bytes()
    }

    fn head(&self, party: &str, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(party.as_bytes()).to_vec();
        data.push(flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }

    /// {1: 2, 3: -7, -1: 1, -2: x, -3: y}
    fn cose(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        key.extend_from_slice(&point[1..33]);
        key.extend_from_slice(&[0x22, 0x58, 0x20]);
        key.extend_from_slice(&point[33..65]);
        key
    }

    /// {"fmt": "none", "attStmt": {}, "authData": …}
    pub fn attestation(&self, party: &str) -> Vec<u8> {
        let mut data = self.head(party, self.flags | 0x40);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&u16::try_from(self.credential.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&self.credential);
        data.extend_from_slice(&self.cose());
        let mut object = vec![0xa3, 0x63];
        object.extend_from_slice(b"fmt");
        object.extend_from_slice(b"\x64none\x67attStmt\xa0\x68authData\x59");
        object.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend_from_slice(&data);
        object
    }

    /// Authenticator data and signature; the counter goes on.
    pub fn assertion(&mut self, party: &str, client_data: &[u8]) -> (Vec<u8>, Vec<u8>) {
        self.counter += 1;
        let data = self.head(party, self.flags);
        let mut signed = data.clone();
        signed.extend_from_slice(&Sha256::digest(client_data));
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        (data, signature.as_ref().to_vec())
    }

    /// `navigator.credentials.create()` as a browser at this page would answer these options.
    pub fn creates(&self, options: &Value, origin: &str) -> Value {
        let options = &options["publicKey"];
        let challenge = URL_SAFE_NO_PAD.decode(options["challenge"].as_str().unwrap()).unwrap();
        let client = Toy::client_data("webauthn.create", &challenge, origin);
        let object = self.attestation(options["rp"]["id"].as_str().unwrap());
        json!({
            "id": URL_SAFE_NO_PAD.encode(&self.credential),
            "rawId": URL_SAFE_NO_PAD.encode(&self.credential),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
                "transports": ["usb"],
            },
        })
    }

    /// `navigator.credentials.get()`, likewise.
    pub fn gets(&mut self, options: &Value, origin: &str) -> Value {
        let options = &options["publicKey"];
        let challenge = URL_SAFE_NO_PAD.decode(options["challenge"].as_str().unwrap()).unwrap();
        let client = Toy::client_data("webauthn.get", &challenge, origin);
        let (data, signature) = self.assertion(options["rpId"].as_str().unwrap(), &client);
        json!({
            "id": URL_SAFE_NO_PAD.encode(&self.credential),
            "rawId": URL_SAFE_NO_PAD.encode(&self.credential),
            "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
                "userHandle": null,
            },
        })
    }
}
