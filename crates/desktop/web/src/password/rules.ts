// The rules for a new password, checked while it is typed. The server is the judge; what only the server can know
// (earlier passwords, lists of stolen ones) is marked as checked when saved.

import type { PasswordRule, PasswordRules } from '../api'

/** `later`: only the server can say. `failed`: the server said no to exactly this password. */
export type Tick = 'met' | 'open' | 'failed' | 'later'

export interface Known {
  /** The password of before, where the page knows it. */
  old?: string | undefined
  /** What the server refused last, and the password it was about. */
  refused?: { failed: readonly string[]; typed: string } | null
}

export function rulesOf(rules: PasswordRules | readonly PasswordRule[] | undefined | null): readonly PasswordRule[] {
  if (!rules) return []
  return 'rules' in rules ? rules.rules : rules
}

export function tickOf(rule: PasswordRule, typed: string, known: Known = {}): Tick {
  if (known.refused && known.refused.typed === typed && known.refused.failed.includes(rule.id)) return 'failed'
  const met = locally(rule, typed, known)
  return met === null ? 'later' : met ? 'met' : 'open'
}

function locally(rule: PasswordRule, typed: string, known: Known): boolean | null {
  switch (rule.id) {
    // Characters as people count them, not UTF-16 halves.
    case 'length': return [...typed].length >= (rule.min ?? 8)
    // Letters of every alphabet that has cases, as the server reads them.
    case 'lower': return /\p{Lowercase}/u.test(typed)
    case 'upper': return /\p{Uppercase}/u.test(typed)
    case 'digit': return /[0-9]/.test(typed)
    case 'special': return [...(rule.chars ?? '')].some((c) => typed.includes(c))
    case 'not_old': return known.old === undefined ? null : typed !== '' && typed !== known.old
    default: return null
  }
}

/** Whether it is worth asking the server. */
export function mayBeSent(rules: readonly PasswordRule[], typed: string, known: Known): boolean {
  return rules.every((rule) => ['met', 'later'].includes(tickOf(rule, typed, known)))
}
