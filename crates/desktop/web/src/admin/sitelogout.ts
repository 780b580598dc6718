// Logging out a whole site: choose it, see who that is, then do exactly that. Plain, so that a test can play it.

import type { Refusal } from '../api'
import type { DryRun } from './api'

export type SiteState =
  | { at: 'choosing'; site: string; message: string | null }
  | { at: 'counting'; site: string }
  | { at: 'counted'; site: string; run: DryRun }
  | { at: 'sending'; site: string; run: DryRun }
  | { at: 'done'; site: string; run: DryRun; sentence: string | null }

export type SiteEvent =
  | { type: 'chosen'; site: string }
  | { type: 'count' }
  | { type: 'counted'; run: DryRun }
  | { type: 'send' }
  | { type: 'sent'; sentence: string | null }
  | { type: 'refused'; refusal: Refusal }
  | { type: 'back' }

export function siteStep(state: SiteState, event: SiteEvent): SiteState {
  switch (event.type) {
    case 'chosen': return { at: 'choosing', site: event.site, message: null }
    case 'count': return state.site === '' ? state : { at: 'counting', site: state.site }
    case 'counted': return state.at === 'counting' ? { at: 'counted', site: state.site, run: event.run } : state
    // Nobody there: nothing to send.
    case 'send': return state.at === 'counted' && goes(state.run) > 0 ? { at: 'sending', site: state.site, run: state.run } : state
    case 'sent': return state.at === 'sending' ? { at: 'done', site: state.site, run: state.run, sentence: event.sentence } : state
    // Somebody sat down meanwhile, or the confirmation is too old: counted anew, not sent anyway.
    case 'refused': return { at: 'choosing', site: state.site, message: event.refusal.sentence }
    case 'back': return state.at === 'sending' ? state : { at: 'choosing', site: state.site, message: null }
  }
}

/** How many would really go. */
export function goes(run: DryRun): number {
  return Math.max(0, run.logins - run.stay)
}

/** «12 people will be signed out; 3 of them are in a call, which ends.» */
export function runWords(run: DryRun): string {
  const go = goes(run)
  if (run.logins === 0) return 'Nobody is logged in there.'
  const stay = run.stay === 0 ? '' : run.stay === 1 ? ' One is in a call and stays.' : ` ${run.stay} are in a call and stay.`
  if (go === 0) return `Nobody would be signed out.${stay}`
  const who = go === 1 ? 'One person will be signed out' : `${go} people will be signed out`
  const calls = Math.max(0, run.in_call - run.stay)
  if (calls === 0) return stay === '' ? `${who}; nobody is in a call.` : `${who}.${stay}`
  if (go === 1) return `${who} and is in a call, which ends.${stay}`
  return calls === 1 ? `${who}; one of them is in a call, which ends.${stay}` : `${who}; ${calls} of them are in a call, which ends.${stay}`
}

/** What a site is called; phones without one are a site too. */
export function siteWords(name: string): string {
  return name === '-' ? 'phones without a site' : name
}
