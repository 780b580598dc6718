// The desktop of an agent at a desk phone: the bar with state and phone, the call that is on, and what happened.

import { ConnectionBanner } from '../parts/ConnectionBanner'
import { useTitle } from '../parts/Frame'
import { Question } from '../parts/Question'
import { NowCard } from './NowCard'
import { Phonebar } from './Phonebar'
import type { Desk } from './state'
import { Story } from './Story'
import { useDesk, type DeskProps } from './useDesk'
import { YouCard } from './YouCard'

export function DeskPage(props: DeskProps) {
  const { me } = props
  const { desk, link, leaving, failure, askToLeave, stay, leave } = useDesk(props)
  useTitle(titleOf(desk))
  return (
    <div className="desk">
      <Phonebar me={me} desk={desk} onLogOut={() => askToLeave(desk.now.activity !== 'idle')} />
      <ConnectionBanner lost={link === 'lost'} />
      <main className="desk-main">
        <div role="alert">{failure ? <p className="message message-error">{failure}</p> : null}</div>
        <div className="desk-grid">
          <NowCard me={me} desk={desk} />
          <Story story={desk.story} />
          <YouCard me={me} />
        </div>
      </main>
      {leaving === 'asked' ? (
        <Question
          title={desk.now.activity === 'in_call' ? 'You are in a call.' : 'Your phone is ringing.'}
          no="Stay"
          yes="Log out"
          onNo={stay}
          onYes={leave}
        >
          <p>Logging out now ends {desk.now.activity === 'in_call' ? 'the call' : 'the ringing'}.</p>
        </Question>
      ) : null}
    </div>
  )
}

function titleOf(desk: Desk): string {
  switch (desk.now.activity) {
    case 'ringing': return `Ringing ${desk.now.peer ?? ''}`.trim()
    case 'in_call': return 'In a call'
    case 'idle': return desk.reachable ? 'Ready' : 'Phone unreachable'
  }
}
