// What is going on now, large: ready, ringing, in a call, or the phone that cannot be reached.

import type { Me } from '../api'
import { at } from '../clock'
import { Lasting } from '../parts/Lasting'
import type { Desk } from './state'

/** SPEC I5: one direction without sound is named. */
function Silence({ desk }: { desk: Desk }) {
  const { agent, peer } = desk.silent
  const text = agent && peer ? 'No sound in either direction.'
    : agent ? 'No sound comes from your phone.' : peer ? 'No sound comes from the other side.' : null
  return text ? <strong className="now-silence">{text}</strong> : null
}

/** A line that is not good, in words; the gateway measures it, a desk phone tells nobody. */
function Line({ desk }: { desk: Desk }) {
  const words = [desk.line.agent, desk.line.peer].filter((one) => one !== null).join(' ')
  return words ? <span>{words}</span> : null
}

export function NowCard({ me, desk }: { me: Me; desk: Desk }) {
  const phone = me.phone ? me.phone.label || me.phone.name : null
  const { activity, peer, since } = desk.now
  const state = activity !== 'idle' ? activity : desk.reachable ? 'ready' : 'not_ready'
  return (
    <section className={`now now-${state}`} aria-label="Now">
      <div role={activity === 'ringing' ? 'alert' : 'status'}>
        {activity === 'ringing' ? (
          <>
            <p className="now-word">Ringing</p>
            <h1 className="now-main">{peer ?? 'Unknown number'}</h1>
            <p className="now-sub">{phone ? `Answer on ${phone}.` : 'Answer on your phone.'}</p>
          </>
        ) : activity === 'in_call' ? (
          <>
            <p className="now-word">In a call with</p>
            <h1 className="now-main">{peer ?? 'Unknown number'}</h1>
            <p className="now-sub">{phone ? `On ${phone}.` : ''} <Silence desk={desk} /> <Line desk={desk} /></p>
          </>
        ) : desk.reachable ? (
          <>
            <p className="now-word">Ready</p>
            <h1 className="now-main">Waiting for calls</h1>
            <p className="now-sub">
              Calls to <b>{me.agent.extension}</b> {phone ? <>ring at <b>{phone}</b>.</> : 'ring here.'}
            </p>
          </>
        ) : (
          <>
            <p className="now-word">Not ready</p>
            <h1 className="now-main">{phone ?? 'Your phone'} cannot be reached</h1>
            <p className="now-sub">
              {desk.notReadySince !== null ? <>Since {at(desk.notReadySince)}. </> : null}
              Calls do not ring until it is back. Check its cable and power; this page notices by itself.
            </p>
          </>
        )}
      </div>
      <p className="now-time">{activity !== 'idle' && since !== null ? <Lasting since={since} /> : null}</p>
    </section>
  )
}
