// What is going on now, large, with everything that can be done about it.

import { useEffect, useLayoutEffect, useRef, type ReactNode } from 'react'
import type { Me } from '../api'
import type { Desk } from '../desk/state'
import { Lasting } from '../parts/Lasting'
import { endWords, people, talking, type CallView, type Peer } from '../phone/phone'
import type { Quality } from '../phone/quality'
import { notReady, type Softphone, type SoftphoneView } from '../phone/softphone'
import { micWords } from '../phone/sound'
import { DeedButton } from './DeedButton'
import { Dialer } from './Dialer'
import { Keypad } from './Keypad'

/** The call that the card is about, and the others. */
export function mainCall(calls: readonly CallView[]): { main: CallView | null; others: readonly CallView[] } {
  const shown = people(calls)
  const main = talking(shown) ?? shown.find((c) => c.phase === 'ringing') ?? shown[0] ?? null
  return { main, others: shown.filter((c) => c !== main) }
}

export function CallCard(props: {
  me: Me
  desk: Desk
  softphone: Softphone
  view: SoftphoneView
  keypad: boolean
  numberRef: React.Ref<HTMLInputElement>
  onKeypad: (open: boolean) => void
  onTransfer: () => void
}) {
  const { softphone, view } = props
  const { main, others } = mainCall(view.phone.calls)
  const card = useRef<HTMLElement>(null)
  const look = lookOf(view, main)
  useKeptFocus(card, `${main?.id ?? ''} ${main?.phase ?? ''} ${view.stage} ${others.length}`)

  return (
    <section ref={card} className={`now call now-${look}`} aria-label="Now">
      {main ? <Call {...props} call={main} /> : view.resuming.length > 0 ? <Mending peer={view.resuming[0]!.view.peer} /> : <Idle {...props} />}
      {others.map((call) => <OtherCall key={call.id} call={call} busy={main !== null && main.phase !== 'ringing'} softphone={softphone} />)}
    </section>
  )
}

function lookOf(view: SoftphoneView, main: CallView | null): string {
  if (main) return main.phase === 'ringing' ? 'ringing' : main.held ? 'held' : 'in_call'
  if (view.resuming.length > 0) return 'in_call'
  return notReady(view) === null ? 'ready' : notReady(view) === 'starting' ? 'starting' : 'not_ready'
}

/**
 * A button that did its work is often gone afterwards, and the focus with it. Then the heading takes it: it says what
 * is true now, and the next Tab is the first thing to do about it.
 */
function useKeptFocus(card: React.RefObject<HTMLElement | null>, state: string): void {
  const inside = useRef(false)
  useEffect(() => {
    const element = card.current
    if (!element) return
    const enter = () => { inside.current = true }
    const leave = (event: FocusEvent) => {
      // Removal fires no event in some browsers and one without a goal in others; going elsewhere has a goal.
      if (event.relatedTarget !== null) inside.current = false
    }
    element.addEventListener('focusin', enter)
    element.addEventListener('focusout', leave)
    return () => {
      element.removeEventListener('focusin', enter)
      element.removeEventListener('focusout', leave)
    }
  }, [card])
  useLayoutEffect(() => {
    const nowhere = document.activeElement === null || document.activeElement === document.body
    if (nowhere && inside.current) card.current?.querySelector<HTMLElement>('h1')?.focus()
  }, [card, state])
}

function Head(props: { word: string; children: ReactNode; sub?: ReactNode; alert?: boolean }) {
  return (
    <div role={props.alert ? 'alert' : 'status'}>
      <p className="now-word">{props.word}</p>
      <h1 className="now-main" tabIndex={-1}>{props.children}</h1>
      <p className="now-sub">{props.sub}</p>
    </div>
  )
}

function Idle(props: { me: Me; softphone: Softphone; view: SoftphoneView; numberRef: React.Ref<HTMLInputElement> }) {
  const { view, softphone } = props
  const why = notReady(view)
  return (
    <>
      <IdleHead {...props} why={why} />
      <div role="status" className="last">
        {view.last ? (
          <p className={view.last.missed ? 'last-missed' : undefined}>
            <b>{view.last.peer.name ?? view.last.peer.number}</b> {view.last.missed ? 'Missed call.' : endWords(view.last.why)}
          </p>
        ) : null}
      </div>
      {view.stage === 'here' ? (
        <Dialer fieldRef={props.numberRef} recent={view.recent} disabled={why !== null} onCall={(number) => softphone.call(number)} />
      ) : null}
    </>
  )
}

function IdleHead({ me, view, softphone, why }: { me: Me; view: SoftphoneView; softphone: Softphone; why: ReturnType<typeof notReady> }) {
  switch (why) {
    case null:
      return <Head word="Ready" sub={<>Calls to <b>{me.agent.extension}</b> ring here.</>}>Waiting for calls</Head>
    case 'starting':
      return <Head word="One moment" sub="Microphone, sound and line are being checked.">Getting ready</Head>
    case 'microphone': {
      const state = view.sound.microphone
      const title = state === 'not_asked' ? 'Your microphone is needed' : state === 'no_device' ? 'There is no microphone'
        : state === 'busy' ? 'Your microphone is in use elsewhere' : state === 'insecure' ? 'The microphone needs https://' : 'Your microphone is blocked'
      return (
        <>
          <Head word="Not ready" sub={micWords(state).todo}>{title}</Head>
          {state === 'not_asked' ? (
            <div><button type="button" className="button button-main" onClick={() => void softphone.allowMicrophone()}>Allow microphone</button></div>
          ) : null}
        </>
      )
    }
    case 'elsewhere':
      return (
        <>
          <Head word="Not here" sub="Calls ring in the other tab of this browser. If you take over, they ring here; a call that is on moves along.">Another tab has the audio</Head>
          <div role="alert">{view.sentence ? <p className="message message-error">{view.sentence}</p> : null}</div>
          <div><button type="button" className="button button-main" onClick={() => void softphone.takeOver()}>Take over here</button></div>
        </>
      )
    case 'no_account':
      return <Head word="Not ready" sub={view.sentence}>Calls cannot come here yet</Head>
    case 'line':
      return (
        <Head word="Not ready" sub={view.phone.refused === null ? 'This page keeps trying by itself.' : `The server refused the line (${view.phone.refused}). This page keeps trying by itself.`}>
          The line is not connected
        </Head>
      )
  }
}

function Mending({ peer }: { peer: Peer }) {
  return (
    <Head word="Reconnecting your call…" sub="Stay here. The other side is kept on the line for half a minute.">{peer.name ?? peer.number}</Head>
  )
}

function who(peer: Peer): string {
  return peer.name ?? (peer.number || 'Unknown number')
}

function Call(props: {
  desk: Desk
  softphone: Softphone
  view: SoftphoneView
  call: CallView
  keypad: boolean
  onKeypad: (open: boolean) => void
  onTransfer: () => void
}) {
  const { call, softphone, view } = props
  const number = call.peer.name ? call.peer.number : null
  const keypadButton = useRef<HTMLButtonElement>(null)
  if (call.phase === 'ringing' || call.phase === 'answering') {
    return (
      <>
        <div className="call-top">
          <Head word={call.phase === 'ringing' ? 'Incoming call' : 'Answering…'} sub={number} alert>{who(call.peer)}</Head>
          <p className="now-time"><Lasting since={call.began} /></p>
        </div>
        <div className="deeds">
          {call.phase === 'ringing' ? <DeedButton icon="call" word="Answer" deed="answer" look="good" onPress={() => softphone.answer(call.id)} /> : null}
          <DeedButton icon="end" word="Reject" deed="end" look="bad" onPress={() => softphone.reject(call.id)} />
        </div>
      </>
    )
  }
  if (call.phase !== 'up') {
    const word = call.phase === 'mending' ? 'Reconnecting your call…' : call.phase === 'ringing_there' ? 'Ringing there' : 'Calling'
    return (
      <>
        <div className="call-top">
          <Head word={word} sub={call.phase === 'mending' ? 'Stay here. The other side is kept on the line.' : number}>{who(call.peer)}</Head>
          <p className="now-time"><Lasting since={call.began} /></p>
        </div>
        <div className="deeds">
          <DeedButton icon="end" word="Hang up" deed="end" look="bad" onPress={() => softphone.hangUp(call.id)} />
        </div>
      </>
    )
  }
  const closeKeypad = () => {
    props.onKeypad(false)
    keypadButton.current?.focus()
  }
  return (
    <>
      <div className="call-top">
        <Head
          word={call.held ? 'On hold' : call.heldByPeer ? 'The other side put you on hold' : 'In a call with'}
          sub={<CallNotes call={call} number={number} />}
        >
          {who(call.peer)}
        </Head>
        <p className="now-time">{call.answered !== null ? <Lasting since={call.answered} /> : null}</p>
      </div>
      <Signals quality={view.quality.get(call.id) ?? null} desk={props.desk} held={call.held} />
      <div className="tiles">
        <DeedButton icon="mute" word="Mute" deed="mute" look="tile" pressed={call.muted} onPress={() => softphone.mute(call.id, !call.muted)} />
        <DeedButton icon="hold" word="Hold" deed="hold" look="tile" pressed={call.held} onPress={() => softphone.hold(call.id, !call.held)} />
        <DeedButton buttonRef={keypadButton} icon="keypad" word="Keypad" deed="keypad" look="tile" expanded={props.keypad} onPress={() => props.onKeypad(!props.keypad)} />
        <DeedButton icon="transfer" word="Transfer" deed="transfer" look="tile" onPress={props.onTransfer} />
        <DeedButton icon="end" word="Hang up" deed="end" look="bad" onPress={() => softphone.hangUp(call.id)} />
      </div>
      {props.keypad ? <Keypad onDigits={(digits) => softphone.digits(call.id, digits)} onClose={closeKeypad} /> : null}
    </>
  )
}

/** What must be known beside the name: muted, being transferred. */
function CallNotes({ call, number }: { call: CallView; number: string | null }) {
  return (
    <>
      {number}
      {call.muted ? <strong className="now-silence">You are muted; nobody hears you.</strong> : null}
      {call.transfer?.state === 'asked' ? <strong>Transferring to {call.transfer.to}…</strong> : null}
      {call.transfer?.state === 'failed' ? <strong className="now-silence">The transfer to {call.transfer.to} did not work. The call is still yours.</strong> : null}
    </>
  )
}

/** How it sounds: the browser's own counters, and what the gateway notices (silence in one direction). */
function Signals({ quality, desk, held }: { quality: Quality | null; desk: Desk; held: boolean }) {
  const { agent, peer } = held ? { agent: false, peer: false } : desk.silent
  const silence = agent && peer ? 'No sound in either direction.'
    : agent ? 'No sound arrives from you. Check your microphone.' : peer ? 'No sound comes from the other side.' : null
  const grade = quality?.grade ?? 'none'
  return (
    <p className="signals" role="status">
      <span className={`quality quality-${grade}`}>
        <span className="quality-bars" aria-hidden="true"><i /><i /><i /><i /></span>
        <span><span className="unseen">Sound quality: </span>{quality?.words ?? 'Measuring…'}</span>
      </span>
      {silence ? <strong className="now-silence">{silence}</strong> : null}
    </p>
  )
}

function OtherCall({ call, busy, softphone }: { call: CallView; busy: boolean; softphone: Softphone }) {
  const about = who(call.peer)
  const ringing = call.phase === 'ringing'
  return (
    <div className={ringing ? 'other other-ringing' : 'other'}>
      <div role={ringing ? 'alert' : undefined} className="other-who">
        <span className="other-word">{ringing ? 'Second call' : call.held ? 'On hold' : 'Waiting'}</span>
        <b>{about}</b>
        {!ringing && call.answered !== null ? <Lasting since={call.answered} /> : null}
      </div>
      <div className="other-deeds">
        {ringing ? (
          <>
            <DeedButton icon="call" word={busy ? 'Hold and answer' : 'Answer'} deed="answer" look="good" onPress={() => softphone.answer(call.id)} />
            <DeedButton icon="end" word="Reject" look="soft" about={about} onPress={() => softphone.reject(call.id)} />
          </>
        ) : (
          <>
            <DeedButton icon="resume" word={busy ? 'Switch' : 'Resume'} about={`to ${about}`} onPress={() => softphone.hold(call.id, false)} />
            <DeedButton icon="end" word="Hang up" look="soft" about={about} onPress={() => softphone.hangUp(call.id)} />
          </>
        )}
      </div>
    </div>
  )
}
