// Thrown out: the whole page says that this login is over, why, when and from where (SPEC C2).

import { useState } from 'react'
import { Button } from 'react-aria-components'
import type { LoginEnded } from '../api'
import { at } from '../clock'
import { api } from '../http'
import { Frame, PageTitle } from '../parts/Frame'
import { Question } from '../parts/Question'
import { words } from '../words'

type NotMe = 'no' | 'asked' | 'sent' | { done: string } | { failed: string }

export function EndedPage({ ended, onAgain }: { ended: LoginEnded; onAgain: () => void }) {
  const taken = ended.why === 'taken_over'
  const [notMe, setNotMe] = useState<NotMe>('no')
  const send = async () => {
    setNotMe('sent')
    const answer = await api.notMe()
    setNotMe(answer.ok ? { done: answer.value.sentence } : { failed: answer.refusal.sentence })
  }
  const done = typeof notMe === 'object' && 'done' in notMe ? notMe.done : null
  const failed = typeof notMe === 'object' && 'failed' in notMe ? notMe.failed : null
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
      {taken && !done ? <p className="quiet">Your calls now go to the new login.</p> : null}
      <div role="status">{done ? <p className="message message-good">{done}</p> : null}</div>
      <div role="alert">{failed ? <p className="message message-error">{failed}</p> : null}</div>
      <Button className="button button-main button-wide" onPress={onAgain}>Log in again</Button>
      {taken && !done ? (
        <Button className="button button-wide" aria-busy={notMe === 'sent'} onPress={() => { if (notMe !== 'sent') setNotMe('asked') }}>That wasn’t me</Button>
      ) : null}
      {notMe === 'asked' ? (
        <Question title="Was it somebody else?" no="Cancel" yes="That wasn’t me" onNo={() => setNotMe('no')} onYes={() => void send()}>
          <p>The new login ends at once, your account is locked, and the administrators are told.</p>
          <p>To work again you then need an administrator, who unlocks your account.</p>
        </Question>
      ) : null}
    </Frame>
  )
}
