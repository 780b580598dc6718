// The self test as it runs: calls, measures while one speaks and while one listens, hangs up, says what was found.

import { serverNow } from '../clock'
import type { CallId, EndWhy } from './phone'
import { failureWords, SLACK_MS, SPEAK_MS, verdict, type Failure, type Sample, type Test } from './selftest'

const SAMPLE_MS = 50
/** An echo that does not answer by then is not there. */
const ANSWER_MS = 8_000

/** The level of the microphone and of what comes back. */
export interface Levels {
  read(): { spoken: number; heard: number }
  close(): void
}

export interface TestParts {
  call(): CallId | null
  hangUp(id: CallId): void
  levels(id: CallId): Promise<Levels>
  show(test: Test): void
}

export class TestCall {
  readonly id: CallId | null
  private over = false
  private answered = false
  private levels: Levels | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private looking: ReturnType<typeof setInterval> | undefined

  constructor(private readonly parts: TestParts, private readonly done: () => void) {
    parts.show({ at: 'calling' })
    this.id = parts.call()
    if (this.id === null) this.end('not_reached', 'connection')
    else this.timer = setTimeout(() => this.end('not_reached', 'no_answer'), ANSWER_MS)
  }

  /** The call is up; more than once does not matter. */
  up(): void {
    if (this.answered || this.over || this.id === null) return
    this.answered = true
    clearTimeout(this.timer)
    this.parts.levels(this.id).then((levels) => this.measure(levels), () => this.end('microphone_silent'))
  }

  /** The call ended by itself. */
  ended(why: EndWhy): void {
    this.end('not_reached', why)
  }

  cancel(): void {
    this.close()
    this.parts.show({ at: 'none' })
  }

  private measure(levels: Levels): void {
    if (this.over) return levels.close()
    this.levels = levels
    const began = performance.now()
    const samples: Sample[] = []
    let listening = false
    this.parts.show({ at: 'speaking', since: serverNow() })
    this.looking = setInterval(() => {
      const t = performance.now() - began
      samples.push({ t, ...levels.read() })
      if (t > SPEAK_MS && !listening) {
        listening = true
        this.parts.show({ at: 'listening', since: serverNow() })
      }
      if (t > 2 * SPEAK_MS + SLACK_MS) this.end(verdict(samples))
    }, SAMPLE_MS)
  }

  private end(what: Failure | null, why: EndWhy | null = null): void {
    if (this.over) return
    this.close()
    this.parts.show(what === null ? { at: 'passed', when: serverNow() } : { at: 'failed', what, words: failureWords(what, why) })
  }

  private close(): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    clearInterval(this.looking)
    this.levels?.close()
    this.done()
    if (this.id !== null) this.parts.hangUp(this.id)
  }
}
