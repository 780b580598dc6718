//! ITU-T G.711: eight bits a sample, in two laws, and straight from one to the other.

/// µ-law octets as samples.
pub static FROM_U: [i16; 256] = decoded(true);
/// A-law octets as samples.
pub static FROM_A: [i16; 256] = decoded(false);
/// One law's octet as the other's.
pub static U_TO_A: [u8; 256] = crossed(true);
pub static A_TO_U: [u8; 256] = crossed(false);

/// Beyond this the µ-law is full.
const U_CLIP: i32 = 32_635;
const U_BIAS: i32 = 132;

/// A sample as µ-law: sign, three bits of exponent, four of mantissa, all inverted (G.711 table 2a).
#[inline]
pub const fn to_u(sample: i16) -> u8 {
    let sample = sample as i32;
    let (sign, size) = if sample < 0 { (0x80, -sample) } else { (0, sample) };
    let size = if size > U_CLIP { U_CLIP } else { size } + U_BIAS;
    // The highest bit is one of 7 to 14.
    let exponent = 24 - size.leading_zeros() as i32;
    let mantissa = (size >> (exponent + 3)) & 0x0f;
    !(sign | exponent << 4 | mantissa) as u8
}

/// A sample as A-law: the sign is set for positive values, even bits are inverted (G.711 table 1a).
#[inline]
pub const fn to_a(sample: i16) -> u8 {
    let (sign, size) = if sample < 0 { (0, !sample as i32) } else { (0x80, sample as i32) };
    let code = if size < 256 {
        size >> 4
    } else {
        let exponent = 24 - size.leading_zeros() as i32;
        exponent << 4 | (size >> (exponent + 3)) & 0x0f
    };
    ((sign | code) ^ 0x55) as u8
}

const fn from_u(octet: u8) -> i16 {
    let code = !octet as i32;
    let size = ((((code & 0x0f) << 3) + U_BIAS) << (code >> 4 & 7)) - U_BIAS;
    if code & 0x80 != 0 { -size as i16 } else { size as i16 }
}

const fn from_a(octet: u8) -> i16 {
    let code = (octet ^ 0x55) as i32;
    let (exponent, mantissa) = (code >> 4 & 7, (code & 0x0f) << 4);
    let size = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if code & 0x80 != 0 { size as i16 } else { -size as i16 }
}

const fn decoded(micro: bool) -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = if micro { from_u(octet as u8) } else { from_a(octet as u8) };
        octet += 1;
    }
    table
}

const fn crossed(micro: bool) -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = if micro { to_a(from_u(octet as u8)) } else { to_u(from_a(octet as u8)) };
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_recommendation() {
        // G.711 tables 1 and 2: full scale, the smallest steps, and the octets of silence, in 16-bit samples.
        assert_eq!((FROM_U[0x80], FROM_U[0x00], FROM_U[0xff], FROM_U[0x7f]), (32_124, -32_124, 0, 0));
        assert_eq!((FROM_A[0xaa], FROM_A[0x2a], FROM_A[0xd5], FROM_A[0x55]), (32_256, -32_256, 8, -8));
        assert_eq!((to_u(0), to_a(0), to_a(-1)), (0xff, 0xd5, 0x55));
        assert_eq!((to_u(i16::MAX), to_u(i16::MIN)), (0x80, 0x00));
        assert_eq!((to_a(i16::MAX), to_a(i16::MIN)), (0xaa, 0x2a));
    }

    #[test]
    fn what_was_coded_once_stays_itself() {
        for octet in 0..=255u8 {
            assert_eq!(to_a(FROM_A[usize::from(octet)]), octet);
            // µ-law has two zeros.
            let same = to_u(FROM_U[usize::from(octet)]);
            assert!(same == octet || octet == 0x7f && same == 0xff);
        }
    }

    #[test]
    fn every_sample_is_at_most_half_a_step_away() {
        for s in i16::MIN..=i16::MAX {
            let size = i32::from(s).abs();
            for near in [FROM_U[usize::from(to_u(s))], FROM_A[usize::from(to_a(s))]] {
                let off = (i32::from(near) - i32::from(s)).abs();
                assert!(off <= 8.max(size / 30 + 4) || size > 32_000 && off <= 644, "{s} became {near}");
            }
        }
    }

    #[test]
    fn straight_across_is_the_same_as_through_samples_and_stable() {
        for octet in 0..=255usize {
            let a = U_TO_A[octet];
            assert_eq!(a, to_a(FROM_U[octet]));
            let u = A_TO_U[usize::from(a)];
            assert_eq!(U_TO_A[usize::from(u)], a, "a second crossing loses nothing more");
        }
    }
}
