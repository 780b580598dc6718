// Where in the administrators' pages an address points: which page, which filters, what is open beside the list.

import type { Right, Rights } from './api'

export type Page = 'agents' | 'logins' | 'phones' | 'audit' | 'security' | 'licence'

interface PageFacts {
  page: Page
  title: string
  /** Any of these opens it. */
  rights: readonly Right[]
  /** Said calmly to whoever has none of them. */
  forbidden: string
}

export const PAGES: readonly PageFacts[] = [
  { page: 'agents', title: 'Agents', rights: ['manage_agents', 'unlock_agents'], forbidden: 'The agents are looked after by somebody else.' },
  { page: 'logins', title: 'Logins', rights: ['see_logins', 'end_logins', 'site_logout'], forbidden: 'Who sits where is shown to supervisors and administrators.' },
  { page: 'phones', title: 'Phones', rights: ['see_logins', 'free_phones'], forbidden: 'The telephones are looked after by somebody else.' },
  { page: 'audit', title: 'Audit log', rights: ['see_audit'], forbidden: 'The audit log is shown to administrators.' },
  { page: 'security', title: 'Security', rights: ['see_security', 'send_test_mail'], forbidden: 'The security settings are shown to administrators.' },
  { page: 'licence', title: 'Licence and certificates', rights: ['see_security'], forbidden: 'Licence and certificates are shown to administrators.' },
]

/** `home` is /admin itself, `unknown` anything below it that is no page. */
export function pageOf(path: string): Page | 'home' | 'unknown' {
  const [, , name = '', ...more] = path.replace(/\/+$/, '').split('/')
  if (name === '') return 'home'
  if (more.length > 0) return 'unknown'
  return PAGES.find((each) => each.page === name)?.page ?? 'unknown'
}

export function factsOf(page: Page): PageFacts {
  // Every page is in the table; the first stands for what cannot happen.
  return PAGES.find((each) => each.page === page) ?? PAGES[0]!
}

export function maySee(page: Page, rights: Rights): boolean {
  return factsOf(page).rights.some((right) => rights.has(right))
}

/** Where /admin leads: the first page this person may see. */
export function firstPage(rights: Rights): Page | null {
  return PAGES.find((each) => maySee(each.page, rights))?.page ?? null
}

export function pathOf(page: Page): string {
  return `/admin/${page}`
}

/** The address with some of its parts changed; empty ones leave it, so that equal views have equal addresses. */
export function withParts(path: string, search: string, parts: Record<string, string | null>): string {
  const query = new URLSearchParams(search)
  for (const [name, value] of Object.entries(parts)) {
    if (value === null || value === '') query.delete(name)
    else query.set(name, value)
  }
  query.sort()
  const text = query.toString()
  return text === '' ? path : `${path}?${text}`
}
