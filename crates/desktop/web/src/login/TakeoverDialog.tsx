// «User already logged. Do you want to continue?» It says where, and what would be interrupted.

import type { Held } from '../api'
import { at } from '../clock'
import { Lasting } from '../parts/Lasting'
import { Question } from '../parts/Question'
import { words } from '../words'

export function TakeoverDialog({ held, onCancel, onContinue }: { held: Held; onCancel: () => void; onContinue: () => void }) {
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
      <p>
        If you continue, that login ends at once
        {held.activity === 'idle' ? '.' : ' and its call may be cut off.'}
      </p>
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
