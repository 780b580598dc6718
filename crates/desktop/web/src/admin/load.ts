// What a page knows of a list that the server keeps: nothing yet, the list, the list of a while ago, or why not.

import type { Refusal } from '../api'
import type { Answer } from '../http'

export type Loaded<T> =
  | { at: 'loading' }
  /** `stale`: the last question failed; what is shown is from `asOf`. */
  | { at: 'there'; value: T; asOf: number; stale: Refusal | null }
  | { at: 'refused'; status: number; refusal: Refusal }

/** After an answer. A list that is on screen stays there through a bad minute, but not through a lost right. */
export function answered<T>(before: Loaded<T>, answer: Answer<T>, now: number): Loaded<T> {
  if (answer.ok) return { at: 'there', value: answer.value, asOf: now, stale: null }
  const final = answer.status === 401 || answer.status === 403 || answer.status === 404
  if (before.at === 'there' && !final) return { ...before, stale: answer.refusal }
  return { at: 'refused', status: answer.status, refusal: answer.refusal }
}

/** Whether the right to see it is missing, as opposed to anything that may pass. */
export function isForbidden(loaded: Loaded<unknown>): boolean {
  return loaded.at === 'refused' && loaded.status === 403
}

/** Steps of the way in that may come back in the middle: a password set by somebody else, a factor the role now asks for. */
const STEPS = ['second_factor_required', 'password_change_required', 'factor_enrolment_required']

/** Whether the person must go through the login again, or through a part of it, before anything else. */
export function leadsToLogin(answer: Answer<unknown>): boolean {
  return !answer.ok && (answer.status === 401 || STEPS.includes(answer.refusal.reason))
}
