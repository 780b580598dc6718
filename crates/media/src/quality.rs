//! How good a call sounds, estimated from what the network did to it: the E-model of ITU-T G.107 reduced to delay and
//! loss, with the codecs' constants of G.113 appendix I where there are any. For people a word is made of it elsewhere.

use crate::figures::Inbound;
use crate::sdp::Codec;
use terms::Quality;

/// G.107 §7.7: everything else at its default.
const R_BEST: f64 = 93.2;
/// Milliseconds a voice takes besides the network: a packet, its coding, and sound cards on both sides.
const FIXED_MS: f64 = 40.0;
/// Below this many packets nothing can be said.
const PACKETS_LEAST: u64 = 50;
/// Differences below this are not heard: a fifth of a point.
const NOTICED_X100: u16 = 20;

/// Impairment of the codec itself, and how well it bears losses (G.113: Ie and Bpl).
///
/// G.711 with concealment is tabled there (0 and 25.1). G.722 and Opus are compared on the same narrow-band scale, where
/// neither impairs anything; their robustness is our own estimate.
fn constants(codec: Codec) -> (f64, f64) {
    match codec {
        Codec::G722 => (0.0, 15.0),
        _ => (0.0, 25.1),
    }
}

/// The estimate for a share lost (0 to 1), jitter and round trip in microseconds.
pub fn mos_x100(codec: Codec, loss: f64, jitter_us: u32, round_trip_us: Option<u32>) -> u16 {
    let (impairment, robustness) = constants(codec);
    // A listener's buffer holds about twice the jitter.
    let delay = FIXED_MS + f64::from(round_trip_us.unwrap_or(0)) / 2000.0 + f64::from(jitter_us) / 500.0;
    // G.107 §7.4 in the usual straight-line form.
    let late = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    // G.107 §7.5 for losses without bursts.
    let lost = impairment + (95.0 - impairment) * percent / (percent + robustness);
    let r = (R_BEST - late - lost).clamp(0.0, 100.0);
    // G.107 annex B.
    let mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    (mos.clamp(1.0, 4.5) * 100.0).round() as u16
}

/// For the record: the whole call, as it arrived here.
pub fn of_call(inbound: &Inbound, codec: Option<Codec>) -> Option<u16> {
    let expected = inbound.packets + inbound.lost();
    if inbound.packets < PACKETS_LEAST {
        return None;
    }
    let loss = inbound.lost() as f64 / expected as f64;
    Some(mos_x100(codec?, loss, inbound.jitter_us(), inbound.round_trip_us))
}

/// For the agent's page: since this was asked last. The peer's own report counts if it is worse.
pub fn since_last(inbound: &mut Inbound, codec: Option<Codec>) -> Option<Quality> {
    let (here, expected, now) = inbound.lost_since(inbound.quality_from);
    inbound.quality_from = now;
    if expected < PACKETS_LEAST {
        return None;
    }
    let there = inbound.reported.map_or(0, |(lost, _)| lost);
    let loss = f64::from(here.max(there)) / 256.0;
    let (jitter_us, round_trip_us) = (inbound.jitter_us(), inbound.round_trip_us);
    Some(Quality {
        mos_x100: mos_x100(codec?, loss, jitter_us, round_trip_us),
        loss_x100: (loss * 10_000.0) as u16,
        jitter_us,
        round_trip_us,
    })
}

/// Whether somebody would notice.
pub fn differs(told: Option<Quality>, now: Quality) -> bool {
    told.is_none_or(|told| told.mos_x100.abs_diff(now.mos_x100) >= NOTICED_X100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::Instant;

    #[test]
    fn a_clean_call_is_excellent_and_losses_and_delay_cost() {
        let clean = mos_x100(Codec::Pcma, 0.0, 500, Some(20_000));
        assert!((430..=445).contains(&clean), "{clean}");
        let mut before = clean;
        for loss in [0.01, 0.03, 0.1, 0.3] {
            let mos = mos_x100(Codec::Pcma, loss, 500, Some(20_000));
            assert!(mos < before);
            before = mos;
        }
        assert!(before < 220, "a third lost is bad: {before}");
        let far = mos_x100(Codec::Pcma, 0.0, 500, Some(600_000));
        assert!((330..400).contains(&far), "{far}");
        assert_eq!(mos_x100(Codec::Pcma, 1.0, u32::MAX, Some(u32::MAX)), 100);
    }

    #[test]
    fn what_is_told_is_about_the_last_seconds() {
        let mut i = Inbound::default();
        let mut seq = 0u16;
        let mut hear = |i: &mut Inbound, every: u16| {
            for _ in 0..250u16 {
                seq = seq.wrapping_add(1);
                if every == 0 || !seq.is_multiple_of(every) {
                    let at = u64::from(seq) * 20_000_000;
                    i.heard(Instant(at), 1, seq, u32::from(seq) * 160, 160, true);
                }
            }
        };
        assert_eq!(since_last(&mut i, Some(Codec::Pcmu)), None, "nothing was heard");
        hear(&mut i, 0);
        let good = since_last(&mut i, Some(Codec::Pcmu)).unwrap();
        assert_eq!(good.loss_x100, 0);
        hear(&mut i, 10);
        let bad = since_last(&mut i, Some(Codec::Pcmu)).unwrap();
        assert!((900..=1050).contains(&bad.loss_x100), "{bad:?}");
        assert!(differs(Some(good), bad) && differs(None, good) && !differs(Some(good), good));
        hear(&mut i, 0);
        let again = since_last(&mut i, Some(Codec::Pcmu)).unwrap();
        assert!(again.loss_x100 < 100, "{again:?}");
        i.reported = Some((128, 0));
        hear(&mut i, 0);
        assert_eq!(
            since_last(&mut i, Some(Codec::Pcmu)).unwrap().loss_x100,
            5000,
            "the peer hears half of it"
        );
        assert!(of_call(&i, Some(Codec::Pcmu)).unwrap() > 300);
    }
}
