// Asking the server: JSON over our own origin, the CSRF word on everything that changes something, and every failure
// turned into a Refusal with a sentence, also when there was no answer at all.

import type {
  Enrolled, FactorsAnswer, LoginAnswer, Me, PasswordRules, PhonesAnswer, Proof, Refusal, ResetLook, SeatedAnswer, SipAnswer, Site, TicketAnswer, TotpBegun,
} from './api'
import { noteServerDate } from './clock'
import { words } from './words'

export type Answer<T> = { ok: true; value: T } | { ok: false; status: number; refusal: Refusal }

/** Longer than any answer takes, argon2 in a login storm included. */
const TIMEOUT_MS = 20_000

/** The word outlives a reload: the page of an ended login needs it to say that somebody else was there. */
const KEY = 'hotseat-word'
let csrf = kept()

function kept(): string {
  try {
    return sessionStorage.getItem(KEY) ?? ''
  } catch {
    return ''
  }
}
function keep(word: string): void {
  csrf = word
  try {
    sessionStorage.setItem(KEY, word)
  } catch {
    // Blocked storage: a reload forgets it.
  }
}

/** The word of now, for who speaks to the server by other means. */
export function csrfWord(): string {
  return csrf
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Asks; when the session went on in another window of this browser, whose word is newer, learns it and asks once more. */
export async function ask<T>(method: Method, path: string, body?: unknown): Promise<Answer<T>> {
  const answer = await send<T>(method, path, body)
  if (answer.ok || method === 'GET' || answer.refusal.reason !== 'csrf_failed') return answer
  const before = csrf
  await send<unknown>('GET', '/api/me')
  return csrf === before ? answer : send<T>(method, path, body)
}

async function send<T>(method: Method, path: string, body?: unknown): Promise<Answer<T>> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (method !== 'GET' && csrf) headers['x-hotseat-csrf'] = csrf
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
  } catch {
    return { ok: false, status: 0, refusal: { reason: 'no_connection', sentence: words.noConnection } }
  }
  noteServerDate(response.headers.get('date'))
  const value = await readJson(response)
  if (isRecord(value) && typeof value.csrf === 'string') keep(value.csrf)
  if (response.ok) {
    return { ok: true, value: value as T }
  }
  return { ok: false, status: response.status, refusal: asRefusal(value, response.status) }
}

async function readJson(response: Response): Promise<unknown> {
  if (response.status === 204) return null
  try {
    return await response.json()
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** What a proxy or a crash answered instead of us still becomes a sentence. */
function asRefusal(value: unknown, status: number): Refusal {
  if (isRecord(value) && typeof value.reason === 'string' && typeof value.sentence === 'string') {
    return value as unknown as Refusal
  }
  return { reason: `http_${status}`, sentence: status >= 500 ? words.serverBusy : words.unexpected(status) }
}

export const api = {
  site: () => ask<Site>('GET', '/api/site'),
  me: () => ask<Me>('GET', '/api/me'),
  login: (username: string, password: string, way?: 'directory') => ask<LoginAnswer>('POST', '/api/login', { username, password, ...(way ? { way } : {}) }),
  factor: (kind: 'totp' | 'recovery', code: string) => ask<LoginAnswer>('POST', '/api/login/factor', { kind, code }),
  passkeyBegin: () => ask<unknown>('POST', '/api/login/passkey/begin', {}),
  passkeyFinish: (credential: unknown) => ask<LoginAnswer>('POST', '/api/login/passkey/finish', { credential }),
  passwordRules: () => ask<PasswordRules>('GET', '/api/password/rules'),
  changePassword: (password: string, old?: string) => ask<LoginAnswer>('POST', '/api/password', { ...(old === undefined ? {} : { old }), new: password }),
  forgot: (email: string) => ask<{ sentence: string }>('POST', '/api/forgot', { email }),
  resetLook: (token: string) => ask<ResetLook>('POST', '/api/reset/look', { token }),
  reset: (token: string, password: string) => ask<null>('POST', '/api/reset', { token, new: password }),
  factors: () => ask<FactorsAnswer>('GET', '/api/factors'),
  totpBegin: (proof: Proof) => ask<TotpBegun>('POST', '/api/factor/totp/begin', proof),
  totpConfirm: (code: string) => ask<Enrolled>('POST', '/api/factor/totp/confirm', { code }),
  addPasskeyBegin: (proof: Proof) => ask<unknown>('POST', '/api/factor/passkey/begin', proof),
  addPasskeyFinish: (credential: unknown) => ask<Enrolled>('POST', '/api/factor/passkey/finish', { credential }),
  newRecoveryCodes: (proof: Proof) => ask<{ recovery_codes: string[] }>('POST', '/api/factor/recovery', proof),
  removeFactor: (id: number | string, proof: Proof) => ask<null>('DELETE', `/api/factors/${encodeURIComponent(String(id))}`, proof),
  notMe: () => ask<{ sentence: string }>('POST', '/api/login/not-me', {}),
  ticket: () => ask<TicketAnswer>('POST', '/api/ticket', {}),
  useTicket: (ticket: string) => ask<LoginAnswer>('POST', '/api/ticket/use', { ticket }),
  active: () => ask<null>('POST', '/api/me/active', {}),
  phones: () => ask<PhonesAnswer>('GET', '/api/phones'),
  sitDown: (phone: string | null, take_over_epoch: number | null) =>
    ask<SeatedAnswer>('POST', '/api/login/device', { phone, take_over_epoch }),
  sip: (tab: string) => ask<SipAnswer>('GET', `/api/sip?tab=${encodeURIComponent(tab)}`),
  takeSip: (tab: string) => ask<null>('POST', '/api/sip/take', { tab }),
  logout: () => ask<null>('DELETE', '/api/login'),
}

export type Api = typeof api
