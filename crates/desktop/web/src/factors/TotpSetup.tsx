// An authenticator app learns the secret, and proves it with its first code.

import { useState, type FormEvent } from 'react'
import { Button } from 'react-aria-components'
import type { Enrolled, Refusal, TotpBegun } from '../api'
import { api } from '../http'
import type { Message } from '../login/flow'
import { MessageArea } from '../login/MessageArea'
import { words } from '../words'
import { CodeField } from './CodeField'
import { codeOf, grouped } from './code'

export function TotpSetup(props: { begun: TotpBegun; onEnrolled: (answer: Enrolled) => void; onRefused?: (refusal: Refusal, status: number) => boolean }) {
  const { begun } = props
  const [code, setCode] = useState('')
  const [busy, setBusy] = useState(false)
  const [message, setMessage] = useState<Message | null>(null)
  const [byHand, setByHand] = useState(false)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    const digits = codeOf(code)
    if (digits === null) return setMessage({ tone: 'error', text: words.codeMissing })
    setBusy(true)
    setMessage(null)
    const answer = await api.totpConfirm(digits)
    setBusy(false)
    if (answer.ok) return props.onEnrolled(answer.value)
    if (props.onRefused?.(answer.refusal, answer.status)) return
    setCode('')
    setMessage({ tone: 'error', text: answer.refusal.sentence })
  }
  return (
    <form className="form" onSubmit={(event) => void submit(event)} noValidate>
      <ol className="steps">
        <li>Open an authenticator app on your mobile phone, for instance Aegis, FreeOTP, Google or Microsoft Authenticator.</li>
        <li>Scan this picture with it.</li>
      </ol>
      <img className="qr" alt="QR code for your authenticator app" width="196" height="196" src={`data:image/svg+xml;charset=utf-8,${encodeURIComponent(begun.qr_svg)}`} />
      <div className="by-hand">
        <button type="button" className="link-button" aria-expanded={byHand} onClick={() => setByHand(!byHand)}>The picture cannot be scanned</button>
        {byHand ? <p>Type this key into the app instead: <code className="secret">{grouped(begun.secret)}</code></p> : null}
      </div>
      <CodeField label="The six digits that the app shows now" value={code} onChange={(text) => { setCode(text); setMessage(null) }} again={message} focus />
      <MessageArea message={message} />
      <Button type="submit" className="button button-main button-wide" aria-busy={busy}>{busy ? 'Checking…' : 'Confirm'}</Button>
    </form>
  )
}
