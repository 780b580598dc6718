// Asking the server: JSON over our own origin, the CSRF word on everything that changes something, and every failure
// turned into a Refusal with a sentence, also when there was no answer at all.

import type { LoginAnswer, Me, PhonesAnswer, Refusal, SeatedAnswer, SipAnswer, Site } from './api'
import { noteServerDate } from './clock'
import { words } from './words'

export type Answer<T> = { ok: true; value: T } | { ok: false; status: number; refusal: Refusal }

/** Longer than any answer takes, argon2 in a login storm included. */
const TIMEOUT_MS = 20_000

let csrf = ''

async function ask<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Answer<T>> {
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
  if (response.ok) {
    if (isRecord(value) && typeof value.csrf === 'string') csrf = value.csrf
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
  login: (username: string, password: string) => ask<LoginAnswer>('POST', '/api/login', { username, password }),
  phones: () => ask<PhonesAnswer>('GET', '/api/phones'),
  sitDown: (phone: string | null, take_over_epoch: number | null) =>
    ask<SeatedAnswer>('POST', '/api/login/device', { phone, take_over_epoch }),
  sip: (tab: string) => ask<SipAnswer>('GET', `/api/sip?tab=${encodeURIComponent(tab)}`),
  takeSip: (tab: string) => ask<null>('POST', '/api/sip/take', { tab }),
  logout: () => ask<null>('DELETE', '/api/login'),
}

export type Api = typeof api
