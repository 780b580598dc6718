// Who sits here, where, since when.

import type { Me } from '../api'
import { at } from '../clock'

export function YouCard({ me }: { me: Me }) {
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
    </section>
  )
}
