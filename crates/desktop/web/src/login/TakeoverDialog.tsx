// «User already logged. Do you want to continue?» It says where, and what would be interrupted.

import type { Agent, Held } from '../api'
import { at } from '../clock'
import { AppLink } from '../parts/AppLink'
import { Lasting } from '../parts/Lasting'
import { Question } from '../parts/Question'
import { words } from '../words'
import { mayAdminister } from './StepFoot'
import { whatAYesDoes } from './takeover'

export function TakeoverDialog(props: { held: Held; agent: Agent | null; onCancel: () => void; onContinue: () => void }) {
  const { held, onCancel, onContinue } = props
  return (
    <Question title={words.alreadyLogged} no="Cancel" yes="Continue" onNo={onCancel} onYes={onContinue}>
      <dl className="facts">
        <div>
          <dt>Where</dt>
          <dd>{held.device ? deviceWords(held.device) : 'In a browser'}</dd>
        </div>
        <div>
          <dt>Now</dt>
          <dd><ActivityWords held={held} /></dd>
        </div>
        <div>
          <dt>Since</dt>
          <dd>{at(held.since)}</dd>
        </div>
        {held.from ? (
          <div>
            <dt>From</dt>
            <dd>{held.from}</dd>
          </div>
        ) : null}
      </dl>
      <p>{whatAYesDoes(held)}</p>
      {/* Administering needs no phone, and nobody has to leave theirs for it. */}
      {mayAdminister(props.agent) ? <p><AppLink to="/admin">Administration, without ending it</AppLink></p> : null}
    </Question>
  )
}

function deviceWords(device: { name: string; label: string | null }): string {
  return device.label && device.label !== device.name ? `${device.label} (${device.name})` : device.name
}

function ActivityWords({ held }: { held: Held }) {
  const since = held.activity_since
  switch (held.activity) {
    case 'idle': return <>Idle</>
    case 'ringing': return <>Ringing {since !== null ? <Lasting since={since} /> : null}</>
    case 'in_call': return <>In a call {since !== null ? <Lasting since={since} /> : null}</>
  }
}
