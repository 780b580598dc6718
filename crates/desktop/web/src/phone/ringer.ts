// The tones a person hears before a voice does: ringing, a knock during a call, the sound of ringing at the other end.
// Made by oscillators, so that nothing is loaded and nothing is missing when it matters.

import type { Sound } from './sound'

export type Tone = 'ring' | 'knock' | 'there'

interface Shape {
  hz: readonly number[]
  /** Seconds of sound and of silence, again and again. */
  pattern: readonly [number, number][]
  gain: number
  role: 'ringer' | 'speaker'
}

const SHAPES: Record<Tone, Shape> = {
  ring: { hz: [523.25, 659.25], pattern: [[0.4, 0.2], [0.4, 2]], gain: 0.22, role: 'ringer' },
  knock: { hz: [425], pattern: [[0.2, 0.2], [0.2, 5]], gain: 0.06, role: 'speaker' },
  // ITU-T E.180: the European ringing tone.
  there: { hz: [425], pattern: [[1, 4]], gain: 0.08, role: 'speaker' },
}

export class Ringer {
  private playing: { tone: Tone; stop: () => void } | null = null

  constructor(private readonly sound: Sound) {}

  /** Plays this tone, or none; the same one again changes nothing. */
  play(tone: Tone | null): void {
    if (this.playing?.tone === tone) return
    this.playing?.stop()
    this.playing = tone === null ? null : { tone, stop: this.begin(SHAPES[tone]) }
  }

  private begin(shape: Shape): () => void {
    const context = this.sound.audio()
    const gain = context.createGain()
    gain.gain.value = 0
    const voices = shape.hz.map((hz) => {
      const voice = context.createOscillator()
      voice.frequency.value = hz
      voice.connect(gain)
      voice.start()
      return voice
    })
    // Through an element, because only elements can be sent to a device everywhere.
    const out = context.createMediaStreamDestination()
    gain.connect(out)
    const element = new Audio()
    element.srcObject = out.stream
    this.sound.direct(element, shape.role)
    void element.play().catch(() => {})

    let timer: ReturnType<typeof setTimeout> | undefined
    const round = () => {
      let t = context.currentTime + 0.02
      let length = 0
      for (const [on, off] of shape.pattern) {
        // A soft edge: a hard one clicks.
        gain.gain.setTargetAtTime(shape.gain, t, 0.01)
        gain.gain.setTargetAtTime(0, t + on, 0.02)
        t += on + off
        length += on + off
      }
      timer = setTimeout(round, length * 1_000)
    }
    round()
    return () => {
      clearTimeout(timer)
      for (const voice of voices) voice.stop()
      gain.disconnect()
      element.pause()
      element.srcObject = null
    }
  }
}
