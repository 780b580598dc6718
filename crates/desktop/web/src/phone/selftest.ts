// The three-second self test: we speak, the gateway sends it back three seconds later, and both are measured.

import type { EndWhy } from './phone'
import { endWords } from './phone'

/** How long is spoken, and how much later it comes back. */
export const SPEAK_MS = 3_000
/** Finding the way and the first sound may take this long on top. */
export const SLACK_MS = 1_500

export type Failure = 'not_reached' | 'microphone_silent' | 'nothing_back' | 'quiet_back'

export type Test =
  | { at: 'none' }
  | { at: 'calling' }
  | { at: 'speaking'; since: number }
  | { at: 'listening'; since: number }
  | { at: 'passed'; when: number }
  | { at: 'failed'; what: Failure; words: string }

/** One look at both levels, root mean square of 0…1, in milliseconds since the test was answered. */
export interface Sample {
  t: number
  spoken: number
  heard: number
}

/** Below −52 dB of full scale there is nothing but hiss. */
const SILENCE = 0.0025
/** What comes back may be this much quieter: codecs and gain control change a level, not by more than 20 dB. */
const QUIETER = 0.1

/** What was loud, without being fooled by a single click: the level that a tenth of the time exceeds. */
export function loudness(levels: readonly number[]): number {
  if (levels.length === 0) return 0
  const sorted = [...levels].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.9))] ?? 0
}

export function verdict(samples: readonly Sample[]): Failure | null {
  const spoken = loudness(samples.filter((s) => s.t <= SPEAK_MS).map((s) => s.spoken))
  const heard = loudness(samples.filter((s) => s.t > SPEAK_MS).map((s) => s.heard))
  if (spoken < SILENCE) return 'microphone_silent'
  if (heard < SILENCE / 4) return 'nothing_back'
  return heard < spoken * QUIETER ? 'quiet_back' : null
}

export const PASSED = 'You can hear and be heard'

export function failureWords(what: Failure, why: EndWhy | null = null): string {
  switch (what) {
    case 'not_reached':
      return `The test call did not get through${why ? `: ${endWords(why).replace(/\.$/, '').toLowerCase()}` : ''}. Try again; if it stays so, tell your administrator.`
    case 'microphone_silent':
      return 'Your microphone gives no sound. Check that it is not muted, come closer, or choose another one.'
    case 'nothing_back':
      return 'Your microphone works, but nothing came back: the sound does not get through to Hotseat and back. A firewall may block it; tell your administrator.'
    case 'quiet_back':
      return 'Your voice came back much too quiet. Others may hardly hear you; raise the level of your microphone.'
  }
}
