// «Forgot Password?»: an address goes in, and the same answer comes out for everybody (SPEC D5).

import { useRef, useState, type FormEvent } from 'react'
import { Button, Input, Label, TextField } from 'react-aria-components'
import type { Site } from '../api'
import { api } from '../http'
import type { Message } from '../login/flow'
import { MessageArea } from '../login/MessageArea'
import { AppLink } from '../parts/AppLink'
import { Frame, PageTitle } from '../parts/Frame'
import { words } from '../words'

export function ForgotPage({ site }: { site: Site | null }) {
  const [email, setEmail] = useState('')
  const [busy, setBusy] = useState(false)
  const [message, setMessage] = useState<Message | null>(null)
  const [sent, setSent] = useState<string | null>(null)
  const [noMail, setNoMail] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    const complain = (text: string) => {
      setMessage({ tone: 'error', text })
      input.current?.focus()
    }
    if (!/.@./.test(email.trim())) return complain(words.emailMissing)
    setBusy(true)
    setMessage(null)
    const answer = await api.forgot(email.trim())
    setBusy(false)
    if (answer.ok) setSent(answer.value.sentence)
    else if (answer.refusal.reason === 'mail_not_set') setNoMail(true)
    else complain(answer.refusal.sentence)
  }
  // Without an answer of the site the form is shown: the server says it again if mail is not set.
  if (noMail || site?.forgot_password === 'ask_administrator') return <AskAdministrator site={site} />
  return (
    <Frame site={site}>
      <PageTitle title="Forgot Password?">{sent ? 'Look into your mail' : 'Forgot Password?'}</PageTitle>
      {sent ? (
        <>
          <p role="status">{sent}</p>
          <p className="quiet">The link in it works once, and for one hour. Nothing there? Look among the spam, or ask your administrator.</p>
        </>
      ) : (
        <form className="form" onSubmit={(event) => void submit(event)} noValidate>
          <p className="quiet">Enter your e-mail address, and you get a link to choose a new password.</p>
          <TextField className="field" type="email" value={email} onChange={(text) => { setEmail(text); setMessage(null) }} isInvalid={message?.tone === 'error'} autoFocus maxLength={254}>
            <Label>Your e-mail address</Label>
            <Input ref={input} name="email" autoComplete="email" autoCapitalize="none" spellCheck={false} className="input" />
          </TextField>
          <MessageArea message={message} />
          <Button type="submit" className="button button-main button-wide" aria-busy={busy}>{busy ? 'Sending…' : 'Send the link'}</Button>
        </form>
      )}
      <p className="card-links"><AppLink to="/login">Back to the login</AppLink></p>
    </Frame>
  )
}

function AskAdministrator({ site }: { site: Site | null }) {
  return (
    <Frame site={site}>
      <PageTitle title="Forgot Password?">Please ask your administrator</PageTitle>
      <p className="quiet">Hotseat cannot send mail here, so an administrator gives you a new password.</p>
      {site?.contact ? <p className="note contact">{site.contact}</p> : null}
      <AppLink to="/login" className="button button-main button-wide">Back to the login</AppLink>
    </Frame>
  )
}
