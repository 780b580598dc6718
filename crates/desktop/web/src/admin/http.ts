// Asking the administrators' API. What is refused comes back as the server's own sentence.

import { ask } from '../http'
import type {
  AdminMe, AgentsAnswer, AuditAnswer, Done, DryRun, LoginsAnswer, PasswordMade, PhonesAnswer, Role, SitesAnswer,
} from './api'
import { AGENTS_PER_PAGE } from './agentlist'
import type { LicenceAnswer } from './licence'
import type { SecurityAnswer } from './security'

const to = encodeURIComponent

function query(parts: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parts)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

export interface AuditFilter {
  who: string
  what: string
  outcome: string
  from: number | null
  to: number | null
}

export const adminApi = {
  me: () => ask<AdminMe>('GET', '/api/admin/me'),
  agents: (find: string, after: string | null) => ask<AgentsAnswer>('GET', `/api/admin/agents${query({ find, after, limit: AGENTS_PER_PAGE })}`),
  unlock: (name: string) => ask<Done | null>('POST', `/api/admin/agents/${to(name)}/unlock`, {}),
  disable: (name: string) => ask<Done | null>('POST', `/api/admin/agents/${to(name)}/disable`, {}),
  enable: (name: string) => ask<Done | null>('POST', `/api/admin/agents/${to(name)}/enable`, {}),
  role: (name: string, role: Role) => ask<Done | null>('POST', `/api/admin/agents/${to(name)}/role`, { role }),
  email: (name: string, email: string | null) => ask<Done | null>('POST', `/api/admin/agents/${to(name)}/email`, { email }),
  /** One is made by the server and told this once. */
  newPassword: (name: string) => ask<PasswordMade>('POST', `/api/admin/agents/${to(name)}/password`, {}),
  resetFactors: (name: string) => ask<Done | null>('POST', `/api/admin/agents/${to(name)}/factors/reset`, {}),
  logins: () => ask<LoginsAnswer>('GET', '/api/admin/logins'),
  endLogin: (id: number | string) => ask<Done | null>('POST', `/api/admin/logins/${to(String(id))}/end`, {}),
  phones: () => ask<PhonesAnswer>('GET', '/api/admin/phones'),
  freePhone: (name: string) => ask<Done | null>('POST', `/api/admin/phones/${to(name)}/free`, {}),
  sites: () => ask<SitesAnswer>('GET', '/api/admin/sites'),
  dryRun: (site: string) => ask<DryRun>('POST', `/api/admin/sites/${to(site)}/logout`, { dry_run: true }),
  siteLogout: (site: string, confirm: string) => ask<Done | null>('POST', `/api/admin/sites/${to(site)}/logout`, { confirm }),
  audit: (filter: AuditFilter, before: string | number | null) =>
    ask<AuditAnswer>('GET', `/api/admin/audit${query({ ...filter, before })}`),
  security: () => ask<SecurityAnswer>('GET', '/api/admin/security'),
  testMail: (address: string) => ask<Done | null>('POST', '/api/admin/mail/test', { to: address }),
  licence: () => ask<LicenceAnswer>('GET', '/api/admin/licence'),
}

/** Where the same lines come as a file for a spreadsheet. */
export function auditCsvPath(filter: AuditFilter): string {
  return `/api/admin/audit.csv${query({ ...filter })}`
}
