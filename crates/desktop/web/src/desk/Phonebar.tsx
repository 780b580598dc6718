// The strip at the top: the state in one word, the phone with its health, who is here, and the way out.

import { Button } from 'react-aria-components'
import type { Me, PhoneState } from '../api'
import { Mark } from '../parts/Frame'
import { Glyph } from '../parts/Glyph'
import { Lasting } from '../parts/Lasting'
import { GlobeButton } from './Windows'
import type { Desk } from './state'

export function Phonebar({ me, desk, compact, onLogOut }: { me: Me; desk: Desk; compact: boolean; onLogOut: () => void }) {
  return (
    <header className="phonebar">
      <Mark />
      <StatePill desk={desk} />
      <span className="phonebar-who">
        <b>{me.agent.extension}</b> {me.agent.display_name}
      </span>
      {me.phone ? <PhoneChip name={me.phone.label || me.phone.name} desk={desk} /> : null}
      {compact ? <GlobeButton /> : null}
      <Button className="button phonebar-out" onPress={onLogOut}>Log out</Button>
    </header>
  )
}

function StatePill({ desk }: { desk: Desk }) {
  const { activity, since } = desk.now
  const state = activity !== 'idle' ? activity : desk.reachable ? 'ready' : 'not_ready'
  const word = { ready: 'Ready', not_ready: 'Not ready', ringing: 'Ringing', in_call: 'In call' }[state]
  return (
    <span className={`pill pill-${state}`}>
      <span role="status">{word}</span>
      {activity !== 'idle' && since !== null ? <Lasting since={since} /> : null}
    </span>
  )
}

function PhoneChip({ name, desk }: { name: string; desk: Desk }) {
  const well = desk.reachable && desk.phone !== 'unreachable' && desk.phone !== 'never_registered'
  return (
    <span className={well ? 'chip' : 'chip chip-warn'}>
      <Glyph shape={well ? 'full' : 'warn'} />
      <span className="chip-name" title={name}>{name}</span>
      <span className="chip-state">{well ? 'connected' : phoneWords(desk.phone)}</span>
    </span>
  )
}

function phoneWords(state: PhoneState | null): string {
  return state === 'never_registered' ? 'never connected' : 'not answering'
}
