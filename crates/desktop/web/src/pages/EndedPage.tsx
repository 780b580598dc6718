// Thrown out: the whole page says that this login is over, why, when and from where (SPEC C2).

import { Button } from 'react-aria-components'
import type { LoginEnded } from '../api'
import { at } from '../clock'
import { Frame, PageTitle } from '../parts/Frame'
import { words } from '../words'

export function EndedPage({ ended, onAgain }: { ended: LoginEnded; onAgain: () => void }) {
  const taken = ended.why === 'taken_over'
  return (
    <Frame>
      <div className="ended" role="alert">
        <span className={taken ? 'ended-sign ended-sign-bad' : 'ended-sign'} aria-hidden="true">
          <svg viewBox="0 0 24 24"><path d="M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4M4 12h11m-4-4 4 4-4 4" /></svg>
        </span>
        <PageTitle title="Logged out">{taken ? words.takenOver : ended.sentence}</PageTitle>
      </div>
      <dl className="facts">
        {ended.at !== null ? (
          <div>
            <dt>When</dt>
            <dd>{at(ended.at)}</dd>
          </div>
        ) : null}
        {ended.from ? (
          <div>
            <dt>From</dt>
            <dd>{ended.from}</dd>
          </div>
        ) : null}
      </dl>
      {taken ? <p className="quiet">Your calls now go to the new login. If that was not you, tell your administrator.</p> : null}
      <Button className="button button-main button-wide" onPress={onAgain}>Log in again</Button>
    </Frame>
  )
}
