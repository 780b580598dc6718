import { expect, test } from 'vitest'
import { askingFor, offered, signedOut, type AgentDeed } from './agentdeeds'
import { allAgents, shownAgents } from './agentlist'
import type { AdminAgent, DryRun, Right } from './api'
import { deedStep, type DeedState } from './deed'
import { runWords, siteStep, type SiteState } from './sitelogout'

const ann: AdminAgent = {
  name: 'ann', display_name: 'Ann Bianchi', extension: '2001', typology: 'external', role: 'agent', email: null, enabled: true, way: 'local',
  blocked: null, password_at: 1, must_change: false, factors: [], login: null, last_login: null,
}
const inCall: AdminAgent = { ...ann, login: { id: 7, phone: 'desk-17', label: null, since: 1, activity: 'in_call' } }
const all = new Set<Right>(['see_logins', 'end_logins', 'free_phones', 'unlock_agents', 'manage_agents', 'site_logout', 'see_audit'])
const asking = { title: 'Sure?', effects: [], yes: 'Yes' }

test('the victim and the effect are named', () => {
  expect(signedOut(inCall)).toBe('Ann Bianchi will be signed out at desk-17; the call ends.')
  expect(signedOut({ ...inCall, login: { ...inCall.login!, phone: null, activity: 'idle' } })).toBe('Ann Bianchi will be signed out in a browser.')
  expect(signedOut(ann)).toBe(null)
  expect(askingFor({ type: 'end' }, inCall)?.effects).toEqual(['Ann Bianchi will be signed out at desk-17; the call ends.'])
  for (const type of ['disable', 'password', 'factors', 'end'] as const) {
    const question = askingFor({ type }, { ...inCall, factors: ['totp'] })
    expect(question?.title).toMatch(/Ann Bianchi/)
    expect(question?.effects.join(' ')).toMatch(/Ann Bianchi/)
  }
})

test('what takes nothing away is not asked', () => {
  for (const deed of [{ type: 'unlock' }, { type: 'enable' }, { type: 'email', email: 'a@b.c' }] as AgentDeed[]) {
    expect(askingFor(deed, inCall)).toBe(null)
  }
})

test('buttons without a right, or without a use, are absent', () => {
  expect(offered('unlock', ann, all, 'maria')).toBe(false)
  expect(offered('unlock', { ...ann, blocked: { since: 1, until: null, why: 'x' } }, all, 'maria')).toBe(true)
  expect(offered('unlock', { ...ann, blocked: { since: 1, until: null, why: 'x' } }, new Set(), 'maria')).toBe(false)
  expect(offered('password', { ...ann, way: 'directory' }, all, 'maria')).toBe(false)
  expect(offered('end', ann, all, 'maria')).toBe(false)
  expect(offered('end', inCall, new Set<Right>(['manage_agents']), 'maria')).toBe(false)
  expect([offered('enable', ann, all, 'maria'), offered('disable', ann, all, 'maria')]).toEqual([false, true])
})

test('nobody decides about their own account', () => {
  const me = { ...ann, name: 'maria', factors: ['totp'] }
  expect((['disable', 'role', 'email', 'password', 'factors'] as const).filter((type) => offered(type, me, all, 'maria'))).toEqual([])
  expect(offered('role', me, all, 'other')).toBe(true)
})

test('a deed is asked once, sent once, and tells what came of it', () => {
  let state: DeedState<string> = { at: 'idle' }
  state = deedStep(state, { type: 'ask', deed: 'end', asking })
  expect(deedStep(state, { type: 'no' })).toEqual({ at: 'idle' })
  state = deedStep(state, { type: 'send', deed: 'end' })
  expect(deedStep(state, { type: 'send', deed: 'other' })).toBe(state)
  expect(deedStep(state, { type: 'ask', deed: 'other', asking })).toBe(state)
  expect(deedStep(state, { type: 'refused', refusal: { reason: 'x', sentence: 'Not now.' } })).toEqual({ at: 'refused', deed: 'end', sentence: 'Not now.' })
  state = deedStep(state, { type: 'done', sentence: 'Ended.' })
  expect(state).toEqual({ at: 'done', deed: 'end', sentence: 'Ended.' })
  // A late answer to nothing.
  expect(deedStep({ at: 'idle' }, { type: 'done', sentence: 'x' })).toEqual({ at: 'idle' })
})

test('all pages of agents are put together, and one that leads to itself ends it', async () => {
  const pages: Record<string, { agents: AdminAgent[]; next: string | null }> = {
    '': { agents: [ann], next: 'ann' },
    ann: { agents: [ann, { ...ann, name: 'bea' }], next: 'bea' },
    bea: { agents: [{ ...ann, name: 'cia' }], next: 'bea' },
  }
  const asked: (string | null)[] = []
  const answer = await allAgents(async (_, after) => { asked.push(after); return { ok: true, value: pages[after ?? '']! } }, '')
  expect(asked).toEqual([null, 'ann', 'bea'])
  expect(answer.ok && answer.value.agents.map((each) => each.name)).toEqual(['ann', 'bea', 'cia'])
  const cut = await allAgents(async (_, after) => ({ ok: true, value: { agents: [{ ...ann, name: `a${after ?? ''}` }], next: `x${after ?? ''}` } }), '', 3)
  expect(cut.ok && [cut.value.agents.length, cut.value.cut]).toEqual([3, true])
  const refused = await allAgents(async () => ({ ok: false, status: 403, refusal: { reason: 'right_missing', sentence: 'No.' } }), '')
  expect(refused.ok).toBe(false)
})

test('filters of the page', () => {
  const list = [ann, inCall, { ...ann, name: 'off', enabled: false }, { ...ann, name: 'bad', blocked: { since: 1, until: null, why: 'x' } }, { ...ann, name: 'sup', role: 'supervisor' as const }]
  expect(shownAgents(list, 'in', '').length).toBe(1)
  expect(shownAgents(list, 'out', '').map((each) => each.name)).toEqual(['ann', 'sup'])
  expect(shownAgents(list, 'blocked', '').map((each) => each.name)).toEqual(['bad'])
  expect(shownAgents(list, '', 'supervisor').map((each) => each.name)).toEqual(['sup'])
  expect(shownAgents(list, 'nonsense', '').length).toBe(5)
})

const run: DryRun = { site: 'Milan', logins: 12, in_call: 3, stay: 0, agents: [], confirm: 'c', expires: 1 }

test('a site is logged out only after it was counted, and a refusal counts anew', () => {
  let state: SiteState = { at: 'choosing', site: '', message: null }
  expect(siteStep(state, { type: 'count' })).toBe(state)
  expect(siteStep(state, { type: 'send' })).toBe(state)
  state = siteStep(state, { type: 'chosen', site: 'Milan' })
  state = siteStep(state, { type: 'count' })
  state = siteStep(state, { type: 'counted', run })
  state = siteStep(state, { type: 'send' })
  expect(state.at).toBe('sending')
  expect(siteStep(state, { type: 'back' })).toBe(state)
  expect(siteStep(state, { type: 'refused', refusal: { reason: 'x', sentence: 'Counted too long ago.' } }))
    .toEqual({ at: 'choosing', site: 'Milan', message: 'Counted too long ago.' })
  expect(siteStep(state, { type: 'sent', sentence: null }).at).toBe('done')
  const empty = siteStep({ at: 'counting', site: 'Milan' }, { type: 'counted', run: { ...run, logins: 0 } })
  expect(siteStep(empty, { type: 'send' })).toBe(empty)
})

test('how many, and how many in a call', () => {
  expect(runWords(run)).toBe('12 people will be signed out; 3 of them are in a call, which ends.')
  expect(runWords({ ...run, in_call: 0 })).toBe('12 people will be signed out; nobody is in a call.')
  expect(runWords({ ...run, logins: 1, in_call: 1 })).toBe('One person will be signed out and is in a call, which ends.')
  expect(runWords({ ...run, in_call: 1 })).toBe('12 people will be signed out; one of them is in a call, which ends.')
  expect(runWords({ ...run, stay: 3 })).toBe('9 people will be signed out. 3 are in a call and stay.')
  expect(runWords({ ...run, logins: 1, in_call: 1, stay: 1 })).toBe('Nobody would be signed out. One is in a call and stays.')
  expect(runWords({ ...run, logins: 0, in_call: 0 })).toBe('Nobody is logged in there.')
})
