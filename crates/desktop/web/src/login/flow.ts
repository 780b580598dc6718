// The way in as a plain machine: credentials, what the account demands beyond them, the question of an earlier login, the
// phone, in. Each answer of the
// server is one event here; what to send next is read off the state by `useLogin`.

import type { Agent, Enrolled, FactorKind, Frame, Held, LoginAnswer, Me, Notice, Phone, Refusal } from '../api'
import { words } from '../words'
import { emptyPicker, pick, type Picker, type PickerEvent } from './picker'

export type Tone = 'error' | 'info'
export interface Message {
  tone: Tone
  text: string
}

/**
 * `codes`: recovery codes that are shown once, before going on. `no_choice`: this agent's calls do not come to a desk
 * phone, so there is nothing to choose; asked of the server.
 */
export type Step = 'credentials' | 'factor' | 'password' | 'enrol' | 'codes' | 'phone' | 'no_choice' | 'in'

/** The question that is open, and what a yes would do. */
export interface Question {
  held: Held
  /** Asked before the phone was chosen, or after the choice was sent. */
  then: 'choose' | 'sit_down'
}

export interface Flow {
  step: Step
  busy: boolean
  message: Message | null
  agent: Agent | null
  question: Question | null
  /** The earlier login that the person agreed to end. */
  take_over_epoch: number | null
  cookiesBlocked: boolean
  picker: Picker
  /** Wrong too often: whom to ask is shown beside the sentence. */
  blocked: boolean
  kinds: readonly FactorKind[]
  why: LoginAnswer['why']
  rules: LoginAnswer['rules']
  notices: readonly Notice[]
  /** Codes to be kept, and where it goes on afterwards. */
  codes: { list: readonly string[]; after: LoginAnswer } | null
}

export type FlowEvent =
  | { type: 'sent' }
  | { type: 'message'; message: Message | null }
  | { type: 'resumed'; me: Me }
  | { type: 'logged_in'; answer: LoginAnswer }
  | { type: 'enrolled'; answer: Enrolled }
  | { type: 'codes_kept' }
  | { type: 'listed'; phones: readonly Phone[]; last: string | null; now: number }
  | { type: 'frame'; frame: Frame; now: number }
  | { type: 'picker'; event: PickerEvent }
  | { type: 'agreed' }
  | { type: 'declined' }
  | { type: 'seated' }
  | { type: 'refused'; refusal: Refusal; status: number }
  | { type: 'cookies'; blocked: boolean }

export const start: Flow = {
  step: 'credentials',
  busy: false,
  message: null,
  agent: null,
  question: null,
  take_over_epoch: null,
  cookiesBlocked: false,
  picker: emptyPicker,
  blocked: false,
  kinds: [],
  why: undefined,
  rules: undefined,
  notices: [],
  codes: null,
}

export function step(flow: Flow, event: FlowEvent): Flow {
  switch (event.type) {
    case 'sent': return { ...flow, busy: true, message: null, blocked: false }
    case 'message': return { ...flow, busy: false, message: event.message }
    case 'resumed': return resumed(flow, event.me)
    case 'logged_in': return loggedIn(flow, event.answer)
    case 'enrolled': return enrolled(flow, event.answer)
    case 'codes_kept': return flow.codes ? loggedIn({ ...flow, codes: null }, flow.codes.after) : flow
    case 'listed': return listed(flow, event.phones, event.last, event.now)
    case 'frame': return frameCame(flow, event.frame, event.now)
    case 'picker': return { ...flow, picker: pick(flow.picker, event.event), message: null }
    case 'agreed': return agreed(flow)
    case 'declined': return declined(flow)
    case 'seated': return { ...flow, step: 'in', busy: false, message: null, question: null }
    case 'refused': return refused(flow, event.refusal, event.status)
    case 'cookies': return { ...flow, busy: false, cookiesBlocked: event.blocked }
  }
}

/** Whether the choice should be sent again by itself: the person said yes to the question that stopped it. */
export function sendsAgain(question: Question | null): boolean {
  return question?.then === 'sit_down'
}

/** Reloaded in the middle: the server knows how far it was. */
function resumed(flow: Flow, me: Me): Flow {
  return loggedIn(flow, me)
}

function loggedIn(flow: Flow, answer: LoginAnswer): Flow {
  const picker = pick(emptyPicker, { type: 'last_used', name: answer.last_phone ?? null })
  const next: Flow = {
    ...flow, busy: false, message: null, blocked: false, agent: answer.agent, take_over_epoch: null, picker,
    notices: answer.notices ?? flow.notices, kinds: answer.kinds ?? [], why: answer.why, rules: answer.rules,
  }
  switch (answer.state) {
    case 'second_factor': return { ...next, step: 'factor' }
    case 'change_password': return { ...next, step: 'password' }
    case 'enrol_factor': return { ...next, step: 'enrol' }
    case 'ready': return { ...next, step: 'in' }
    case 'choose_phone': return seek(next)
    case 'held':
      // A held answer without a holder cannot be shown as a question; the phone choice asks again (409).
      return answer.held
        ? { ...next, question: { held: answer.held, then: 'choose' } }
        : seek(next)
  }
}

/** The codes first: the next page would take them away for good. */
function enrolled(flow: Flow, answer: Enrolled): Flow {
  const { recovery_codes: list = [], ...after } = answer
  return list.length > 0 ? { ...flow, step: 'codes', busy: false, message: null, codes: { list, after } } : loggedIn(flow, after)
}

/** On to the place where this agent's calls go. */
function seek(flow: Flow): Flow {
  return flow.agent?.typology === 'external' ? { ...flow, step: 'phone' } : { ...flow, step: 'no_choice', busy: true }
}

function agreed(flow: Flow): Flow {
  if (!flow.question) return flow
  const { held, then } = flow.question
  const next: Flow = { ...flow, question: null, take_over_epoch: held.epoch }
  return then === 'choose' ? seek(next) : { ...next, busy: true }
}

/** SPEC C2, no: nothing at all changes for the first login; here everything starts afresh. */
function declined(flow: Flow): Flow {
  return { ...start, message: flow.question ? { tone: 'info', text: 'Nothing was changed. The other login goes on.' } : null }
}

function listed(flow: Flow, phones: readonly Phone[], last: string | null, now: number): Flow {
  const known = pick(flow.picker, { type: 'last_used', name: last })
  return { ...flow, picker: pick(known, { type: 'listed', phones, now }) }
}

function frameCame(flow: Flow, frame: Frame, now: number): Flow {
  switch (frame.type) {
    case 'snapshot':
      return { ...flow, picker: pick(flow.picker, { type: 'listed', phones: frame.phones, now }) }
    case 'phone':
      return { ...flow, picker: pick(flow.picker, { type: 'phone', frame, now }) }
    default:
      return flow
  }
}

function refused(flow: Flow, refusal: Refusal, status: number): Flow {
  const back = flow.step === 'no_choice' ? start : flow
  const next: Flow = { ...back, busy: false, message: { tone: 'error', text: refusal.sentence } }
  switch (refusal.reason) {
    case 'already_logged_in':
      // Someone logged in meanwhile, or the yes came for an epoch that is over: asked (again) with what is true now.
      return refusal.held
        ? { ...next, message: null, question: { held: refusal.held, then: flow.step === 'phone' ? 'sit_down' : 'choose' }, agent: flow.agent }
        : next
    case 'phone_in_use':
    case 'phone_unreachable':
    case 'phone_unknown':
      return { ...next, picker: pick(flow.picker, { type: 'refused', name: flow.picker.selected }) }
    case 'login_expired':
    case 'no_session':
      return flow.step !== 'credentials' && flow.step !== 'no_choice' ? { ...start, message: { tone: 'info', text: refusal.sentence || words.loginExpired } } : next
    case 'browser_calls_unavailable':
      // Not the person's mistake: said calmly.
      return { ...next, message: { tone: 'info', text: refusal.sentence } }
    case 'factor_tries_spent':
      return { ...start, message: { tone: 'error', text: refusal.sentence } }
    case 'blocked':
      // Behind a wrong code the way in is over; the sentence and whom to ask stand above the first step.
      return flow.step === 'factor' ? { ...start, message: next.message, blocked: true } : { ...next, blocked: true }
    case 'too_many_attempts':
      return { ...next, message: { tone: 'error', text: withWait(refusal) } }
    default:
      return status === 0 ? { ...next, message: { tone: 'error', text: words.noConnection } } : next
  }
}

/** The server's sentence, with the time to wait when the sentence does not tell it. */
function withWait(refusal: Refusal): string {
  const s = refusal.retry_after_s
  if (!s || /\d/.test(refusal.sentence)) return refusal.sentence
  const wait = s < 90 ? `${s} seconds` : `${Math.ceil(s / 60)} minutes`
  return `${refusal.sentence} Please wait ${wait}.`
}
