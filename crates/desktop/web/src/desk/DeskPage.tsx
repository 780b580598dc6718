// The desktop of an agent at a desk phone: the bar with state and phone, the call that is on, and what happened.

import { ConnectionBanner } from '../parts/ConnectionBanner'
import { useTitle } from '../parts/Frame'
import { Question } from '../parts/Question'
import { Notices } from '../parts/Notices'
import { EndsSoonBanner } from './EndsSoon'
import { NowCard } from './NowCard'
import { changeNow } from './changeNow'
import { Phonebar } from './Phonebar'
import type { Desk } from './state'
import { Story } from './Story'
import { useDesk, type DeskProps } from './useDesk'
import { useYourThings, YouCard } from './YouCard'

export function DeskPage(props: DeskProps) {
  const { me, compact } = props
  const { desk, link, leaving, failure, askToLeave, stay, leave, stayed } = useDesk(props)
  const yours = useYourThings(me, () => void props.refresh())
  useTitle(titleOf(desk))
  return (
    <div className={compact ? 'desk desk-compact' : 'desk'}>
      <Phonebar me={me} desk={desk} compact={compact} onLogOut={() => askToLeave(desk.now.activity !== 'idle')} />
      {desk.soon ? <EndsSoonBanner soon={desk.soon} onStayed={stayed} /> : null}
      <ConnectionBanner lost={link === 'lost'} />
      <main className="desk-main">
        <div role="alert">{failure ? <p className="message message-error">{failure}</p> : null}</div>
        <Notices notices={me.notices ?? []} deed={changeNow(yours.open)} />
        <div className="desk-grid">
          <NowCard me={me} desk={desk} />
          <Story story={desk.story} />
          {compact ? null : <YouCard me={me} onOpen={yours.open} />}
        </div>
      </main>
      {yours.dialog}
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
