// Why another place (Google, or whoever is set up) sent the person back, as the address tells it: `/login?refused=…`.

import { words } from '../words'
import type { Message } from './flow'

const sentences: Record<string, string> = {
  oidc_unavailable: 'The login service does not answer. Please try again in a moment.',
  oidc_expired: 'This login took too long, or was begun in another browser. Please try again.',
  oidc_denied: 'The login was cancelled.',
  oidc_refused: 'The answer of the login service could not be trusted, so you were not logged in. Please try again.',
  oidc_unverified: 'Your mail address is not verified at the login service, so you cannot log in with it.',
  oidc_other_domain: 'This account does not belong to your organisation. Please choose your work account.',
  oidc_unknown: 'There is no agent for this account here. Please contact an administrator.',
  blocked: 'Your account is blocked. Please contact an administrator.',
  too_many_attempts: 'There were too many attempts. Please wait a moment and try again.',
  busy: words.serverBusy,
  store_unavailable: words.serverBusy,
}

/** A sentence for every reason; unknown ones are named, so that an administrator can look for them. */
export function refusedMessage(search: string): Message | null {
  const reason = new URLSearchParams(search).get('refused')
  if (reason === null) return null
  const word = /^[a-z0-9_]{1,40}$/.test(reason) ? reason : 'unknown'
  return { tone: 'error', text: sentences[word] ?? `Logging in there did not work (${word}). Please try again, or ask your administrator.` }
}
