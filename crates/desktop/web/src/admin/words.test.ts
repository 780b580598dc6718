import { expect, test } from 'vitest'
import type { AdminPhone } from './api'
import { detailWords, filterOf, humanised, wentWell, wordsIn } from './audit'
import { daysWords, dayWords, urgency } from './licence'
import { groupsOf, rolesOf, settingWords } from './settings'
import { seatWords, standingOf, whereWords } from './words'

const phone: AdminPhone = { name: 'desk-17', label: 'Desk 17', site: 'Milan', floor: '3', enabled: true, state: 'registered', since: 1, login: null }
const DAY = 86_400_000

test('a day of the filter begins and ends at midnight of the reader', () => {
  const filter = filterOf({ who: ' ann ', what: '', outcome: '', from: '2026-11-23', to: '2026-11-23' })
  expect(filter.who).toBe('ann')
  expect(filter.from).toBe(new Date(2026, 10, 23).getTime())
  expect(filter.to).toBe(new Date(2026, 10, 24).getTime())
  expect(filterOf({ who: '', what: '', outcome: '', from: 'yesterday', to: '' })).toMatchObject({ from: null, to: null })
})

test('words of the log as a person reads them', () => {
  expect(humanised('site_logout')).toBe('Site logout')
  expect(detailWords({ phone: 'desk-17', in_call: true, role: null })).toBe('phone desk-17, in call true, role none')
  expect(detailWords(null)).toBe('')
  expect(detailWords('x')).toBe('x')
  expect([wentWell('done'), wentWell('wrong_credentials'), wentWell('blocked'), wentWell('right_missing')]).toEqual([true, false, false, false])
})

test('a chosen word stays choosable when no line has it', () => {
  expect(wordsIn([], 'what', ['login'], 'logout')).toEqual(['login', 'logout'])
})

test('settings in words, and none is left out', () => {
  expect(settingWords('attempts', 0)).toBe('No limit')
  expect(settingWords('minutes', 0)).toBe('Until somebody unlocks it')
  expect(settingWords('minutes', 30)).toBe('30 minutes')
  expect(settingWords('valid_days', 90)).toBe('90 days')
  expect(settingWords('required_for', ['administrator'])).toBe('Administrator')
  expect(settingWords('profile', 'suite')).toBe('Security Suite')
  expect(settingWords('x', null)).toBe('Not set')
  const groups = groupsOf({ contact: 'desk 100', lockout: { attempts: 5 }, passwords: { profile: 'suite' }, brand_new: { a: 1 }, roles: {} })
  expect(groups.map((each) => each.id)).toEqual(['passwords', 'lockout', 'brand_new', 'general'])
  expect(groups[2]?.rows).toEqual([['A', '1']])
})

test('a part that is not set up has its place, and hours that nobody set end nothing', () => {
  const groups = groupsOf({ oidc: null, session: { hours: 12, idle_minutes: 0 } })
  expect(groups.map(({ id, rows }) => [id, rows.length])).toEqual([['session', 2], ['oidc', 0]])
  expect([settingWords('hours', 12), settingWords('idle_minutes', 0), settingWords('longest_hours', 0)]).toEqual(['12 hours', 'Never', 'Never'])
})

test('rules that hold for nobody are not told', () => {
  const rows = (profile: string) => groupsOf({ passwords: { profile, valid_days: 90, history: 5 } })[0]?.rows.length
  expect([rows('suite'), rows('off'), rows('modern')]).toEqual([3, 1, 1])
  // However the server sorts them: first which rules, then their measures.
  const shown = groupsOf({ passwords: { history: 5, profile: 'suite', valid_days: 90 } })[0]?.rows.map(([label]) => label)
  expect(shown).toEqual(['Profile', 'Valid for', 'Not one of the last'])
})

test('roles from the one that may most', () => {
  expect(rolesOf({ agent: [], supervisor: ['see_logins'], administrator: ['see_logins', 'manage_agents'] }).map((each) => each.role))
    .toEqual(['Administrator', 'Supervisor', 'Agent'])
  expect(rolesOf(null)).toEqual([])
})

test('how a phone stands', () => {
  const login = { id: 1, agent: 'ann', display_name: 'Ann', since: 1, activity: 'idle' as const }
  expect(standingOf(phone)).toBe('free')
  expect(standingOf({ ...phone, login })).toBe('in_use')
  expect(standingOf({ ...phone, login, state: 'unreachable' })).toBe('in_use_away')
  expect(standingOf({ ...phone, enabled: false })).toBe('disabled')
  expect(standingOf({ ...phone, state: 'expired' })).toBe('expired')
})

test('where somebody sits', () => {
  expect(seatWords({ phone: null })).toBe('Browser')
  expect(seatWords({ phone: 'desk-17', label: '' })).toBe('desk-17')
  expect(whereWords({ phone: 'desk-17', label: 'Desk 17' })).toBe('at Desk 17 (desk-17)')
})

test('days until a certificate ends', () => {
  expect(daysWords(10.5 * DAY, 0)).toBe('ends in 10 days')
  expect(daysWords(0.5 * DAY, 0)).toBe('ends within a day')
  expect(daysWords(0, 2.5 * DAY)).toBe('ended 2 days ago')
  expect([urgency(29 * DAY, 0), urgency(31 * DAY, 0), urgency(0, 1)]).toEqual(['soon', 'fine', 'over'])
  expect(dayWords('2027-01-31', 'en-GB')).toBe('31 January 2027')
})
