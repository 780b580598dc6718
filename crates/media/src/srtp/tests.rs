//! The figures of the RFCs, and what must hold whatever comes.

use super::*;
use crate::chance::Chance;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

const SUITES: [Suite; 3] = [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm];

fn keys(suite: Suite) -> Keys {
    let bytes: Vec<u8> = (7..37).collect();
    Keys::of_bytes(suite, &bytes[..KEY_LEN + suite.salt_len()]).unwrap()
}

fn rtp(ssrc: u32, seq: u16, payload: usize) -> Vec<u8> {
    let mut p = vec![0x80, 8];
    p.extend(seq.to_be_bytes());
    p.extend(u32::from(seq).wrapping_mul(160).to_be_bytes());
    p.extend(ssrc.to_be_bytes());
    p.extend((0..payload).map(|i| i as u8 ^ seq as u8));
    p
}

fn sealed(sealer: &mut Sealer, packet: &[u8]) -> Vec<u8> {
    let mut buf = packet.to_vec();
    buf.resize(packet.len() + GROWTH_MAX, 0xee);
    let len = sealer.seal_rtp(&mut buf, packet.len()).unwrap();
    buf.truncate(len);
    buf
}

fn opened(opener: &mut Opener, packet: &[u8]) -> Result<Vec<u8>, Why> {
    let mut buf = packet.to_vec();
    let len = opener.open_rtp(&mut buf, packet.len())?;
    buf.truncate(len);
    Ok(buf)
}

/// RFC 3711 appendix B.3.
fn b3() -> Keys {
    let bytes = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    Keys::of_bytes(Suite::AesCm128HmacSha1_80, &bytes).unwrap()
}

#[test]
fn session_keys_are_those_of_rfc_3711_b3() {
    assert_eq!(b3().derive::<16>(0).to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(b3().derive::<14>(2).to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(
        b3().derive::<94>(1).to_vec(),
        hex(
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF7227098
             6371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
        )
    );
}

#[test]
fn the_keystream_is_that_of_rfc_3711_b2() {
    use aes::cipher::KeyInit;
    let key: [u8; 16] = hex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap();
    let iv: [u8; 16] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
    let mut stream = vec![0; 0xff02 * 16];
    keys::keystream(&aes::Aes128Enc::new(&key.into()), &iv, &mut stream);
    for (block, want) in [
        (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
        (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
        (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
        (0xfeff, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
        (0xff00, "362B7C3C6773516318A077D7FC5073AE"),
        (0xff01, "6A2CC3787889374FBEB4C81B17BA6C44"),
    ] {
        assert_eq!(stream[block * 16..][..16], hex(want)[..], "block {block:x}");
    }
}

#[test]
fn whole_packets_are_those_that_libsrtp_checks_itself_with() {
    // Under the keys of RFC 3711 B.3; the packets that libsrtp's own validation uses.
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let want = hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
    assert_eq!(sealed(&mut Sealer::new(&b3()), &plain), want);
    assert_eq!(opened(&mut Opener::new(&b3()), &want).unwrap(), plain);

    let plain = hex("81c8000bcafebabe abababababababababababababababab");
    let want = hex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798");
    let mut sealer = Sealer::new(&b3());
    sealer.rtcp_next = 1;
    let mut buf = plain.clone();
    buf.resize(plain.len() + GROWTH_MAX, 0);
    let len = sealer.seal_rtcp(&mut buf, plain.len()).unwrap();
    assert_eq!(buf[..len], want[..]);
    let len = Opener::new(&b3()).open_rtcp(&mut buf, len).unwrap();
    assert_eq!(buf[..len], plain[..]);
}

#[test]
fn gcm_packets_are_those_of_rfc_7714_16() {
    let key: [u8; 16] = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
    let cipher = Cipher::gcm(&aws_lc_rs::aead::AES_128_GCM, &key, *b"Quid pro quo");
    let plain =
        hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
         61727465 73207472 6573");
    let want = hex(
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b
         36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
    );
    let (head, seq, ssrc) = rtp_head(&plain).unwrap();
    let mut buf = plain.clone();
    buf.resize(want.len(), 0);
    assert_eq!(cipher.seal_rtp(&mut buf, head, plain.len(), ssrc, u64::from(seq)), Some(want.len()));
    assert_eq!(buf, want);
    assert_eq!(cipher.open_rtp(&mut buf, head, ssrc, u64::from(seq)), Ok(plain.len()));
    assert_eq!(buf[..plain.len()], plain[..]);

    let plain = hex(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
         deadbeef deadbeef",
    );
    let want = hex(
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46
         86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
    );
    let mut buf = plain.clone();
    buf.resize(want.len(), 0);
    assert_eq!(cipher.seal_rtcp(&mut buf, plain.len(), 0x4d61_7273, 0x5d4), Some(want.len()));
    assert_eq!(buf, want);
    assert_eq!(cipher.index_word(&buf), Some(0x8000_05d4));
    assert_eq!(cipher.open_rtcp(&mut buf, 0x4d61_7273, 0x5d4), Ok(plain.len()));
    assert_eq!(buf[..plain.len()], plain[..]);
}

#[test]
fn what_dtls_exports_is_cut_in_the_order_of_rfc_5764() {
    for suite in SUITES {
        let salt = suite.salt_len();
        let exported: Vec<u8> =
            [vec![1; 16], vec![2; 16], vec![3; salt], vec![4; salt]].into_iter().flatten().collect();
        let (client, server) = Keys::of_dtls(suite, &exported).unwrap();
        assert_eq!(client.expose(), [vec![1; 16], vec![3; salt]].concat());
        assert_eq!(server.expose(), [vec![2; 16], vec![4; salt]].concat());
        assert_eq!(Keys::of_dtls(suite, &exported[1..]), None);
        assert_eq!(Keys::of_bytes(suite, &client.expose()), Some(client));
        assert_eq!(Keys::of_bytes(suite, &exported), None);
        assert!(!format!("{server:?}").contains('2') || format!("{server:?}").contains("128"));
    }
}

#[test]
fn what_was_sealed_opens_again_over_two_rollovers() {
    for suite in SUITES {
        let (mut sealer, mut opener) = (Sealer::new(&keys(suite)), Opener::new(&keys(suite)));
        let mut seq = 65_000u16;
        for i in 0..70_000u32 {
            let plain = rtp(9, seq, if i % 97 == 0 { 0 } else { 20 });
            let there = sealed(&mut sealer, &plain);
            assert!(plain.len() == 12 || there[..plain.len()] != plain[..], "{suite:?}");
            // One in seven is lost; the counter is kept all the same.
            if i % 7 != 3 {
                assert_eq!(opened(&mut opener, &there), Ok(plain), "{suite:?} packet {i}");
            }
            seq = seq.wrapping_add(1);
        }
        assert_eq!(opener.sources.get(0).unwrap().index_of(seq).unwrap() >> 16, 2);
    }
}

#[test]
fn the_fields_around_the_payload_are_kept_whatever_they_are() {
    // CSRCs, an extension and padding.
    let mut plain = vec![0xb2, 0x88, 0, 5, 0, 0, 0, 1, 0, 0, 0, 9, 1, 1, 1, 1, 2, 2, 2, 2];
    plain.extend([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    plain.extend([7; 24]);
    plain.extend([0, 0, 0, 4]);
    for suite in SUITES {
        let there = sealed(&mut Sealer::new(&keys(suite)), &plain);
        assert_eq!(there[..28], plain[..28], "the header is in the clear");
        assert_eq!(opened(&mut Opener::new(&keys(suite)), &there), Ok(plain.clone()));
    }
}

#[test]
fn nothing_opens_twice_and_disorder_is_forgiven() {
    for suite in SUITES {
        let (mut sealer, mut opener) = (Sealer::new(&keys(suite)), Opener::new(&keys(suite)));
        let there: Vec<Vec<u8>> =
            (0..400u16).map(|i| sealed(&mut sealer, &rtp(9, 65_400u16.wrapping_add(i), 20))).collect();
        for pair in there[..200].chunks(2) {
            assert!(opened(&mut opener, &pair[1]).is_ok());
            assert!(opened(&mut opener, &pair[0]).is_ok());
        }
        for packet in &there[..200] {
            assert_eq!(opened(&mut opener, packet), Err(Why::Replayed));
        }
        // 199 is the highest; a jump to 330 leaves 203 in the window and 202 before it.
        assert!(opened(&mut opener, &there[330]).is_ok());
        assert!(opened(&mut opener, &there[203]).is_ok());
        assert_eq!(opened(&mut opener, &there[202]), Err(Why::Replayed));
        assert_eq!(opened(&mut opener, &there[203]), Err(Why::Replayed));
    }
}

#[test]
fn a_packet_that_does_not_prove_itself_leaves_no_trace() {
    for suite in SUITES {
        let (mut sealer, mut opener) = (Sealer::new(&keys(suite)), Opener::new(&keys(suite)));
        let first = sealed(&mut sealer, &rtp(9, 1000, 20));
        for bit in 0..first.len() * 8 {
            let mut bent = first.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(opened(&mut opener, &bent).is_err(), "{suite:?} bit {bit}");
        }
        assert_eq!(opener.sources.len(), 0, "a forger cannot fill the table");
        for len in 0..first.len() {
            assert!(opened(&mut opener, &first[..len]).is_err(), "{suite:?} {len} bytes");
        }
        assert!(opened(&mut opener, &first).is_ok());
        // A forged packet far ahead would push the window on if it were believed.
        let mut far = sealed(&mut Sealer::new(&b3()), &rtp(9, 20_000, 20));
        assert!(matches!(opened(&mut opener, &far), Err(Why::Forged)));
        far.truncate(11);
        assert_eq!(opened(&mut opener, &far), Err(Why::Malformed));
        for seq in 1001..1010 {
            assert!(opened(&mut opener, &sealed(&mut sealer, &rtp(9, seq, 20))).is_ok());
        }
        assert_eq!(opener.sources.len(), 1);
    }
}

#[test]
fn sources_are_counted_and_each_has_its_own_rollover() {
    let suite = Suite::AesCm128HmacSha1_80;
    let (mut sealer, mut opener) = (Sealer::new(&keys(suite)), Opener::new(&keys(suite)));
    for seq in [65_530u16, 65_535, 3] {
        for ssrc in [1, 2] {
            assert!(opened(&mut opener, &sealed(&mut sealer, &rtp(ssrc, seq, 20))).is_ok());
        }
    }
    let max = source::SOURCES_MAX as u32;
    for ssrc in 3..=max {
        assert!(opened(&mut opener, &sealed(&mut sealer, &rtp(ssrc, 1, 20))).is_ok());
    }
    let mut buf = rtp(max + 1, 1, 20);
    buf.resize(100, 0);
    assert_eq!(sealer.seal_rtp(&mut buf, 32), None);
    let other = sealed(&mut Sealer::new(&keys(suite)), &rtp(max + 1, 1, 20));
    assert_eq!(opened(&mut opener, &other), Err(Why::TooManySources));
}

#[test]
fn control_packets_open_once_and_only_encrypted() {
    for suite in SUITES {
        let (mut sealer, mut opener) = (Sealer::new(&keys(suite)), Opener::new(&keys(suite)));
        let plain = hex("80c90007 00000009 01020304 05060708 090a0b0c 0d0e0f10 11121314 15161718");
        for i in 0..300u32 {
            let mut buf = plain.clone();
            buf.resize(plain.len() + GROWTH_MAX, 0);
            let len = sealer.seal_rtcp(&mut buf, plain.len()).unwrap();
            let there = buf[..len].to_vec();
            for bit in (0..there.len() * 8).filter(|bit| i < 2 || bit % 41 == 0) {
                let mut bent = there.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                assert!(opener.open_rtcp(&mut bent, len).is_err(), "{suite:?} bit {bit}");
            }
            for short in 0..len {
                assert!(opener.open_rtcp(&mut there.clone(), short).is_err());
            }
            assert_eq!(opener.open_rtcp(&mut buf, len), Ok(plain.len()));
            assert_eq!(buf[..plain.len()], plain[..]);
            assert_eq!(opener.open_rtcp(&mut there.clone(), len), Err(Why::Replayed));
        }
        sealer.rtcp_next = ENCRYPTED;
        let mut buf = plain.clone();
        buf.resize(plain.len() + GROWTH_MAX, 0);
        assert_eq!(sealer.seal_rtcp(&mut buf, plain.len()), None, "the key is used up");
        assert_eq!(buf[..plain.len()], plain[..]);
    }
    let mut open = hex("80c90001 00000009 00000001 00000000000000000000");
    let len = open.len();
    assert_eq!(Opener::new(&b3()).open_rtcp(&mut open, len), Err(Why::Unencrypted));
}

#[test]
fn no_bytes_panic() {
    let mut chance = Chance::new([11; 32]);
    for suite in SUITES {
        let (mut sealer, mut opener) = (Sealer::new(&keys(suite)), Opener::new(&keys(suite)));
        for _ in 0..20_000 {
            let len = chance.below(70);
            let mut buf: Vec<u8> = (0..len).map(|_| chance.next_u32() as u8).collect();
            if let Some(first) = buf.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            let mut copy = buf.clone();
            assert!(opener.open_rtp(&mut copy, len + 1).is_err());
            assert!(opener.open_rtp(&mut buf.clone(), len).is_err());
            assert!(opener.open_rtcp(&mut buf.clone(), len).is_err());
            assert_eq!(sealer.seal_rtp(&mut buf.clone(), len), None, "no room for the tag");
            assert_eq!(sealer.seal_rtcp(&mut buf, len), None);
        }
    }
}
