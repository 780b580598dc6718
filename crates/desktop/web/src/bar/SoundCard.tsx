// Microphone and sound: how they are, what to do, which devices, and the self test.

import { useState } from 'react'
import { Glyph, type Shape } from '../parts/Glyph'
import { PASSED, SPEAK_MS, type Test } from '../phone/selftest'
import { notReady, type Softphone, type SoftphoneView } from '../phone/softphone'
import { canSpeak, micWords, soundWords, type Device, type MicState, type Role, type SoundState } from '../phone/sound'
import { LevelMeter } from './LevelMeter'
import { Notifications } from './Notifications'

export function SoundCard({ softphone, view }: { softphone: Softphone; view: SoftphoneView }) {
  const { sound } = view
  const [open, setOpen] = useState(false)
  const mic = micWords(sound.microphone)
  // The large card says it already, unless there is a call in it.
  const told = notReady(view) === 'microphone' && view.phone.calls.length === 0
  const ears = soundWords(sound.sound)
  return (
    <section className="panel sound" id="sound" aria-labelledby="sound-title">
      <h2 id="sound-title" tabIndex={-1}>Microphone and sound</h2>
      <Health what="Microphone" shape={micShape(sound.microphone)} word={mic.word} todo={told ? null : mic.todo}>
        {sound.microphone === 'denied' || sound.microphone === 'busy' || sound.microphone === 'no_device' ? (
          <button type="button" className="button" onClick={() => void softphone.allowMicrophone()}>Check again</button>
        ) : null}
      </Health>
      <Health what="Sound" shape={soundShape(sound.sound)} word={ears.word} todo={ears.todo} />
      <Notifications />
      {view.stage === 'here' && canSpeak(sound) ? <SelfTest softphone={softphone} view={view} /> : null}
      <button type="button" className="link-button sound-more" aria-expanded={open} aria-controls="devices" onClick={() => setOpen(!open)}>
        {open ? 'Hide devices and level' : 'Devices and level'}
      </button>
      <div id="devices" className="devices" hidden={!open}>
        {open ? (
          <>
            <Picker role="microphone" label="Microphone" view={view} softphone={softphone} />
            {canSpeak(sound) ? <LevelMeter softphone={softphone} device={sound.chosen.microphone} /> : null}
            {sound.canChooseSpeaker ? (
              <>
                <Picker role="speaker" label="Voices come from" view={view} softphone={softphone} />
                <Picker role="ringer" label="Ringing comes from" view={view} softphone={softphone} />
              </>
            ) : <p className="quiet">This browser lets the computer choose where sound comes out.</p>}
            <div className="field">
              <label htmlFor="volume">Volume of voices</label>
              <input
                id="volume" type="range" min="0" max="1" step="0.05" value={sound.volume} className="range"
                aria-valuetext={`${Math.round(sound.volume * 100)} %`} onChange={(event) => softphone.setVolume(Number(event.target.value))}
              />
            </div>
            <RingTry softphone={softphone} busy={view.phone.calls.length > 0} />
          </>
        ) : null}
      </div>
    </section>
  )
}

function Health(props: { what: string; shape: Shape; word: string; todo: string | null; children?: React.ReactNode }) {
  return (
    <div className="health">
      <div role="status" className="health-line">
        <Glyph shape={props.shape} />
        <span className="health-what">{props.what}</span>
        <span className={props.shape === 'warn' ? 'health-word health-warn' : 'health-word'}>{props.word}</span>
      </div>
      {props.todo ? <p className="health-todo">{props.todo}</p> : null}
      {props.children}
    </div>
  )
}

function Picker({ role, label, view, softphone }: { role: Role; label: string; view: SoftphoneView; softphone: Softphone }) {
  const { sound } = view
  const devices: readonly Device[] = (role === 'microphone' ? sound.microphones : sound.speakers).filter((d) => d.id !== '')
  const missing = sound.missing[role]
  return (
    <div className="field">
      <label htmlFor={`device-${role}`}>{label}</label>
      <select id={`device-${role}`} className="input select" value={sound.chosen[role]} onChange={(event) => softphone.choose(role, event.target.value)}>
        <option value="">What the computer uses</option>
        {devices.map((d) => <option key={d.id} value={d.id}>{d.label}</option>)}
      </select>
      {missing ? <p className="health-todo">“{missing}” is not plugged in; another one is used meanwhile.</p> : null}
    </div>
  )
}

function RingTry({ softphone, busy }: { softphone: Softphone; busy: boolean }) {
  const [on, setOn] = useState(false)
  if (busy) return null
  const toggle = () => {
    softphone.tryRing(!on)
    setOn(!on)
  }
  return <button type="button" className="button" aria-pressed={on} onClick={toggle}>{on ? 'Stop ringing' : 'Try the ring tone'}</button>
}

function SelfTest({ softphone, view }: { softphone: Softphone; view: SoftphoneView }) {
  const { test } = view
  const running = test.at === 'calling' || test.at === 'speaking' || test.at === 'listening'
  const busy = view.phone.calls.some((c) => !c.test)
  return (
    <div className={`test test-${test.at}`}>
      <div role="status" className="test-says">{testWords(test)}</div>
      {test.at === 'speaking' || test.at === 'listening' ? <TestBar key={test.at} /> : null}
      {running ? (
        <button type="button" className="button" onClick={() => softphone.forgetTest()}>Stop the test</button>
      ) : (
        <button type="button" className="button" aria-disabled={busy || !view.phone.registered} onClick={() => { if (!busy) softphone.selfTest() }}>
          {test.at === 'none' ? 'Start the self test' : 'Test again'}
        </button>
      )}
    </div>
  )
}

/** A bar that fills while one speaks or listens; the words say the same. */
function TestBar() {
  return <div className="test-track" aria-hidden="true"><div className="test-fill" style={{ animationDuration: `${SPEAK_MS}ms` }} /></div>
}

function testWords(test: Test) {
  switch (test.at) {
    case 'none': return <p className="quiet">Speak for three seconds and hear yourself three seconds later.</p>
    case 'calling': return <p>Calling…</p>
    case 'speaking': return <p><b>Say something,</b> for three seconds.</p>
    case 'listening': return <p><b>Listen:</b> now you should hear yourself.</p>
    case 'passed': return <p className="test-good"><Glyph shape="full" />{PASSED}</p>
    case 'failed': return <p className="message message-error">{test.words}</p>
  }
}

function micShape(state: MicState): Shape {
  return state === 'allowed' ? 'full' : state === 'checking' ? 'ring' : 'warn'
}
function soundShape(state: SoundState): Shape {
  return state === 'allowed' ? 'full' : 'warn'
}
