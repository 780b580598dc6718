// Who sits here, where, since when, and what is theirs to change.

import { lazy, Suspense, useState } from 'react'
import type { Me } from '../api'
import { at } from '../clock'
import { mayAdminister } from '../login/StepFoot'

/** Opened a few times a year: they come when they are needed. */
const ChangePasswordDialog = lazy(() => import('../password/ChangePasswordDialog').then((m) => ({ default: m.ChangePasswordDialog })))
const FactorsDialog = lazy(() => import('../factors/FactorsDialog').then((m) => ({ default: m.FactorsDialog })))

export type YourThing = 'password' | 'factors'

export function YouCard({ me, onOpen }: { me: Me; onOpen: (thing: YourThing) => void }) {
  return (
    <section className="panel you" aria-labelledby="you">
      <h2 id="you">You</h2>
      <dl className="facts">
        <div><dt>Name</dt><dd>{me.agent.display_name}</dd></div>
        <div><dt>Extension</dt><dd>{me.agent.extension}</dd></div>
        {me.phone ? (
          <div><dt>Telephone</dt><dd>{me.phone.label || me.phone.name}</dd></div>
        ) : null}
        {me.login ? <div><dt>Here since</dt><dd>{at(me.login.since)}</dd></div> : null}
      </dl>
      <p className="you-links">
        <button type="button" className="link-button" onClick={() => onOpen('password')}>Change password</button>
        <button type="button" className="link-button" onClick={() => onOpen('factors')}>Second factor</button>
        {/* In a window of its own: the phone of this page goes on ringing. */}
        {mayAdminister(me.agent) ? <a href="/admin" target="_blank" rel="noreferrer">Administration</a> : null}
      </p>
    </section>
  )
}

/** What of the card is open: kept beside the desk, so that a notice can open it too. */
export function useYourThings(me: Me, onChanged: () => void) {
  const [open, setOpen] = useState<YourThing | null>(null)
  const close = () => setOpen(null)
  return {
    open: setOpen,
    dialog: (
      <Suspense fallback={null}>
        {open === 'password' ? <ChangePasswordDialog username={me.agent.name} onClose={close} onChanged={onChanged} /> : null}
        {open === 'factors' ? <FactorsDialog onClose={close} /> : null}
      </Suspense>
    ),
  }
}

