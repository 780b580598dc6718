// What stands where a list would: it is on its way, there is nothing, it may not be seen, it could not be had.

import type { ReactNode } from 'react'
import { Button } from 'react-aria-components'
import type { Refusal } from '../api'
import type { Loaded } from './load'
import { isForbidden } from './load'

export function ListSays(props: { loaded: Loaded<unknown>; count: number; empty: ReactNode; onAgain: () => void }) {
  const { loaded } = props
  if (loaded.at === 'loading') {
    return (
      <div className="says says-loading" role="status">
        <span className="unseen">Loading…</span>
        <i /><i /><i /><i /><i /><i />
      </div>
    )
  }
  if (loaded.at === 'refused') return <Refused refusal={loaded.refusal} forbidden={isForbidden(loaded)} onAgain={props.onAgain} />
  return props.count === 0 ? <div className="says" role="status">{props.empty}</div> : null
}

/** A refusal as it came. Where the right is missing there is nothing to try again. */
export function Refused(props: { refusal: Refusal; forbidden: boolean; onAgain: () => void }) {
  return (
    <div className="says" role="alert">
      <strong>{props.forbidden ? 'This is not yours to see.' : 'This could not be loaded.'}</strong>
      <p>{props.refusal.sentence}</p>
      {props.forbidden ? null : <Button className="button" onPress={props.onAgain}>Try again</Button>}
    </div>
  )
}
