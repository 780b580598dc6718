// The desktop of an agent whose phone is this very page.

import { useEffect, useRef, useState } from 'react'
import { changeNow } from '../desk/changeNow'
import { EndsSoonBanner } from '../desk/EndsSoon'
import { useDesk, type DeskProps } from '../desk/useDesk'
import { PopOutButton } from '../desk/Windows'
import { useYourThings, YouCard } from '../desk/YouCard'
import { ConnectionBanner } from '../parts/ConnectionBanner'
import { useTitle } from '../parts/Frame'
import { Notices } from '../parts/Notices'
import { Question } from '../parts/Question'
import { people } from '../phone/phone'
import { notReady } from '../phone/softphone'
import { CallCard, mainCall } from './CallCard'
import { RecentCalls } from './RecentCalls'
import { deedOf, type Deed } from './shortcuts'
import { ShortcutsDialog } from './ShortcutsDialog'
import { SoftBar, stateOf } from './SoftBar'
import { SoundCard } from './SoundCard'
import { TransferDialog } from './TransferDialog'
import { useSoftphone } from './useSoftphone'

export default function BrowserDesk(props: DeskProps) {
  const { me, compact } = props
  const { softphone, view } = useSoftphone(me.agent.name)
  const yours = useYourThings(me, () => void props.refresh())
  const { desk, link, leaving, failure, askToLeave, stay, leave, stayed } = useDesk(props, {
    onFrame: (frame) => { if (frame.type === 'tab_lost') softphone.tabLost(frame.tab) },
    onBack: () => softphone.lookAgain(),
  })
  const [keypadFor, setKeypadFor] = useState<string | null>(null)
  const [transferFor, setTransferFor] = useState<string | null>(null)
  const [help, setHelp] = useState(false)
  // In the small window the sound is shown when it needs somebody, or is asked for.
  const [sound, setSound] = useState(false)
  const number = useRef<HTMLInputElement>(null)

  const { calls } = view.phone
  const { main } = mainCall(calls)
  const up = main?.phase === 'up' ? main : null
  const keypad = up !== null && keypadFor === up.id
  const transferring = calls.find((c) => c.id === transferFor && c.phase === 'up') ?? null

  const act = (deed: Deed): boolean => {
    const ringing = people(calls).find((c) => c.phase === 'ringing')
    const inDialog = document.querySelector('[role=dialog], [role=alertdialog]') !== null
    switch (deed) {
      case 'answer': if (ringing) softphone.answer(ringing.id); return ringing !== undefined
      case 'end':
        if (!main) return false
        if (main.phase === 'ringing' || main.phase === 'answering') softphone.reject(main.id)
        else softphone.hangUp(main.id)
        return true
      case 'mute': if (up) softphone.mute(up.id, !up.muted); return up !== null
      case 'hold': if (up) softphone.hold(up.id, !up.held); return up !== null
      case 'keypad': if (up && !inDialog) setKeypadFor(keypad ? null : up.id); return up !== null
      case 'transfer': if (up && !inDialog) setTransferFor(up.id); return up !== null
      case 'number': if (!inDialog) number.current?.focus(); return true
    }
  }
  const latest = useRef(act)
  latest.current = act
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const deed = deedOf(event)
      if (deed && latest.current(deed)) event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])

  // The window was opened to be the phone: it takes the sound over from the page that opened it.
  const { stage } = view
  useEffect(() => {
    if (!compact || stage !== 'elsewhere' || !new URLSearchParams(location.search).has('take')) return
    history.replaceState(null, '', location.pathname)
    void softphone.takeOver()
  }, [compact, stage, softphone])

  const showSound = () => {
    if (compact) return setSound(!sound)
    const title = document.getElementById('sound-title')
    title?.scrollIntoView({ block: 'center' })
    title?.focus({ preventScroll: true })
  }
  const call = (to: string) => softphone.call(to)
  const busy = people(calls).length > 0
  useTitle(titleOf(stateOf(view).word, main?.peer.name ?? main?.peer.number ?? ''))
  return (
    <div className={compact ? 'desk desk-compact' : 'desk'}>
      <SoftBar me={me} view={view} compact={compact} onSound={showSound} onLogOut={() => askToLeave(busy)} />
      <ConnectionBanner lost={link === 'lost' || (view.stage === 'here' && view.phone.line === 'lost')} />
      {desk.soon ? <EndsSoonBanner soon={desk.soon} onStayed={stayed} /> : null}
      <main className="desk-main">
        <div role="alert">{failure ? <p className="message message-error">{failure}</p> : null}</div>
        <Notices notices={me.notices ?? []} deed={changeNow(yours.open)} />
        <div className="desk-grid desk-soft">
          <CallCard
            me={me} desk={desk} softphone={softphone} view={view} keypad={keypad} numberRef={number}
            onKeypad={(open) => setKeypadFor(open && up ? up.id : null)}
            onTransfer={() => setTransferFor(up?.id ?? null)}
          />
          <RecentCalls recent={view.recent} disabled={busy || notReady(view) !== null} onCall={call} />
          <div className="desk-side">
            {compact && !sound ? null : <SoundCard softphone={softphone} view={view} />}
            {compact ? null : (
              <>
                <YouCard me={me} onOpen={yours.open} />
                <PopOutButton />
                <button type="button" className="link-button side-link" onClick={() => setHelp(true)}>Keyboard shortcuts</button>
              </>
            )}
          </div>
        </div>
      </main>
      {yours.dialog}
      {help ? <ShortcutsDialog onClose={() => setHelp(false)} /> : null}
      {transferring ? (
        <TransferDialog
          peer={transferring.peer}
          onClose={() => setTransferFor(null)}
          onTransfer={(to) => { softphone.transfer(transferring.id, to); setTransferFor(null) }}
        />
      ) : null}
      {leaving === 'asked' ? (
        <Question title={main?.phase === 'ringing' ? 'Your phone is ringing.' : 'You are in a call.'} no="Stay" yes="Log out" onNo={stay} onYes={leave}>
          <p>Logging out now ends {main?.phase === 'ringing' ? 'the ringing' : 'the call'}.</p>
        </Question>
      ) : null}
    </div>
  )
}

function titleOf(word: string, peer: string): string {
  return word === 'Ringing' ? `Ringing ${peer}`.trim() : word === 'In call' ? 'In a call' : word
}
