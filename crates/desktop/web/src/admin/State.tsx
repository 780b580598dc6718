// States in rows: a shape, a word, and only then a colour.

import type { ReactNode } from 'react'
import type { Activity } from '../api'
import { at } from '../clock'
import type { AdminAgent, AdminPhone } from './api'
import { ACTIVITY, AGENT_STATE, STANDING, standingOf, stateOf, type AgentState, type PhoneStanding } from './words'

type Shape = 'full' | 'half' | 'ring' | 'warn' | 'cross'

export function Sign({ shape, children }: { shape: Shape; children: ReactNode }) {
  return (
    <span className={`sign sign-${shape}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {shape === 'warn' ? <path d="M6 1 11.5 10.800H.5Z" /> : null}
        {shape === 'cross' ? <path className="sign-line" d="m2 2 8 8M10 2l-8 8" /> : null}
        {shape === 'full' ? <circle cx="6" cy="6" r="4.5" /> : null}
        {shape === 'half' || shape === 'ring' ? <circle className="sign-line" cx="6" cy="6" r="4.5" /> : null}
        {shape === 'half' ? <path d="M6 1.500a4.5 4.5 0 0 1 0 9Z" /> : null}
      </svg>
      <span>{children}</span>
    </span>
  )
}

const AGENT_SHAPE: Record<AgentState, Shape> = {
  blocked: 'warn', disabled: 'cross', in_call: 'half', ringing: 'half', in: 'full', out: 'ring',
}

/** With `until`, also how long a lock lasts. */
export function AgentSign({ agent, until = false }: { agent: AdminAgent; until?: boolean }) {
  const state = stateOf(agent)
  const end = until && state === 'blocked' ? agent.blocked?.until : null
  return <Sign shape={AGENT_SHAPE[state]}>{AGENT_STATE[state]}{end ? ` until ${at(end)}` : ''}</Sign>
}

export function ActivitySign({ activity }: { activity: Activity | null }) {
  if (activity === null) return <Sign shape="ring">Not known</Sign>
  return <Sign shape={activity === 'idle' ? 'full' : 'half'}>{ACTIVITY[activity]}</Sign>
}

const PHONE_SHAPE: Record<PhoneStanding, Shape> = {
  free: 'full', in_use: 'half', in_use_away: 'warn', suspect: 'warn', unreachable: 'warn', expired: 'warn', never_registered: 'ring', disabled: 'cross',
}

export function PhoneSign({ phone }: { phone: AdminPhone }) {
  const standing = standingOf(phone)
  return <Sign shape={PHONE_SHAPE[standing]}>{STANDING[standing]}</Sign>
}
