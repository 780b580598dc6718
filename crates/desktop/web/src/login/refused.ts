// Why another place (Google, or whoever is set up) sent the person back, as the address tells it: `/login?refused=…`.

import { words } from '../words'
import type { Message } from './flow'

const sentences: Record<string, string> = {
  oidc_unknown_account: 'Nobody here has the e-mail address of that account. Please ask your administrator.',
  oidc_unverified_email: 'The e-mail address of that account is not verified there, so it cannot be used here.',
  oidc_denied: 'The other side did not let you in, or you cancelled. Nothing was changed.',
  oidc_expired: words.loginExpired,
  oidc_unavailable: 'The other side cannot be reached at the moment. Please try again, or log in with your password.',
}

/** A sentence for every reason; unknown ones are named, so that an administrator can look for them. */
export function refusedMessage(search: string): Message | null {
  const reason = new URLSearchParams(search).get('refused')
  if (reason === null) return null
  const word = /^[a-z0-9_]{1,40}$/.test(reason) ? reason : 'unknown'
  return { tone: 'error', text: sentences[word] ?? `Logging in there did not work (${word}). Please try again, or ask your administrator.` }
}
