// How a call sounds, from the browser's own counters: in numbers for the engineer, in words for the person.

import type { Measured } from '../api'

/** What is counted at one moment; differences between two moments are what matters. */
export interface Count {
  at: number
  received: number
  lost: number
  jitterMs: number | null
  rttMs: number | null
  /** Of what we send, as the other side reports it (RTCP, RFC 3550 §6.4). */
  lostThere: number | null
}

export type Grade = 'good' | 'fair' | 'weak' | 'bad'

export interface Quality {
  grade: Grade
  /** «Good», «Weak: 6 % of the sound towards you is lost». */
  words: string
  lossPercent: number
  jitterMs: number
  rttMs: number | null
  mos: number
}

/** How much a new reading counts: what was heard in the last ten seconds matters, a single hiccup does not. */
const NEW_WEIGHT = 0.35

export function countOf(report: Iterable<Record<string, unknown>>, at: number): Count {
  const count: Count = { at, received: 0, lost: 0, jitterMs: null, rttMs: null, lostThere: null }
  const number = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : null)
  for (const entry of report) {
    if (entry.type === 'inbound-rtp' && entry.kind === 'audio') {
      count.received += number(entry.packetsReceived) ?? 0
      count.lost += Math.max(0, number(entry.packetsLost) ?? 0)
      const jitter = number(entry.jitter)
      if (jitter !== null) count.jitterMs = jitter * 1_000
    } else if (entry.type === 'remote-inbound-rtp' && entry.kind === 'audio') {
      const rtt = number(entry.roundTripTime)
      if (rtt !== null) count.rttMs = rtt * 1_000
      const fraction = number(entry.fractionLost)
      if (fraction !== null) count.lostThere = fraction * 100
    } else if (entry.type === 'candidate-pair' && entry.nominated === true && count.rttMs === null) {
      const rtt = number(entry.currentRoundTripTime)
      if (rtt !== null) count.rttMs = rtt * 1_000
    }
  }
  return count
}

/** A simplified E-model (ITU-T G.107): delay and loss to R, R to MOS. */
export function mosOf(lossPercent: number, jitterMs: number, rttMs: number | null): number {
  const delay = (rttMs ?? 40) / 2 + 2 * jitterMs + 10
  const base = delay < 160 ? 93.2 - delay / 40 : 93.2 - (delay - 120) / 10
  const r = Math.max(0, Math.min(100, base - 2.5 * lossPercent))
  return Math.max(1, Math.min(4.5, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r)))
}

/** What the gateway measured, in the same words; null while it is good enough to say nothing. */
export function toldWords(told: Measured, fromAgent: boolean): string | null {
  const grade = gradeOf(told.mos_x100 / 100)
  if (grade === 'good') return null
  const q = {
    lossPercent: told.loss_x100 / 100, jitterMs: told.jitter_us / 1_000,
    rttMs: told.round_trip_us === null ? null : told.round_trip_us / 1_000,
  }
  return `${fromAgent ? 'Your line' : 'The other line'}: ${wordsOf(grade, { ...q, towardsYou: !fromAgent }).toLowerCase()}.`
}

function gradeOf(mos: number): Grade {
  return mos >= 4 ? 'good' : mos >= 3.6 ? 'fair' : mos >= 3.1 ? 'weak' : 'bad'
}

/** The quality after another reading; null while there is nothing to compare. */
export function judge(before: Quality | null, last: Count, now: Count): Quality | null {
  const received = now.received - last.received
  const lost = Math.max(0, now.lost - last.lost)
  if (received + lost <= 0) return before
  const here = (100 * lost) / (received + lost)
  const there = now.lostThere ?? 0
  const fresh = Math.max(here, there)
  const smooth = (old: number | undefined, value: number) => (old === undefined ? value : old + NEW_WEIGHT * (value - old))
  const lossPercent = smooth(before?.lossPercent, fresh)
  const jitterMs = smooth(before?.jitterMs, now.jitterMs ?? 0)
  const rttMs = now.rttMs === null ? (before?.rttMs ?? null) : smooth(before?.rttMs ?? undefined, now.rttMs)
  const mos = mosOf(lossPercent, jitterMs, rttMs)
  const grade = gradeOf(mos)
  return { grade, mos, lossPercent, jitterMs, rttMs, words: wordsOf(grade, { lossPercent, jitterMs, rttMs, towardsYou: here >= there }) }
}

function wordsOf(grade: Grade, q: { lossPercent: number; jitterMs: number; rttMs: number | null; towardsYou: boolean }): string {
  const word = { good: 'Good', fair: 'Fair', weak: 'Weak', bad: 'Bad' }[grade]
  if (grade === 'good') return word
  // The cause that costs most is the one to name.
  const byLoss = 2.5 * q.lossPercent
  const delay = (q.rttMs ?? 0) / 2
  if (byLoss >= 4 && byLoss >= q.jitterMs / 4) {
    return `${word}: ${Math.round(q.lossPercent)} % of the sound ${q.towardsYou ? 'towards you' : 'from you'} is lost`
  }
  if (q.jitterMs > 30 && q.jitterMs * 2 >= delay) return `${word}: the sound arrives unevenly`
  return `${word}: the sound arrives late`
}
