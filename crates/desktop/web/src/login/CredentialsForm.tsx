// Who are you? Name and password, and everything that commonly goes wrong while typing them.

import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react'
import { Button, Input, Label, TextField } from 'react-aria-components'
import type { Site } from '../api'
import { AppLink } from '../parts/AppLink'
import { words } from '../words'
import type { Message } from './flow'
import { MessageArea } from './MessageArea'

export function CredentialsForm(props: {
  site: Site | null
  username: string
  onUsername: (name: string) => void
  busy: boolean
  blocked: boolean
  message: Message | null
  onSubmit: (username: string, password: string, way?: 'directory') => void
}) {
  const [password, setPassword] = useState('')
  const [shown, setShown] = useState(false)
  const [capsLock, setCapsLock] = useState(false)
  const nameInput = useRef<HTMLInputElement>(null)
  const passwordInput = useRef<HTMLInputElement>(null)
  const { message, busy, site } = props
  const methods = site?.login_methods ?? ['password']
  // Where there are no passwords of our own, the one button is the directory's.
  const ours = methods.includes('password') || !methods.includes('directory')

  // The first empty field, once; after a refusal the password, ready to be typed over.
  useEffect(() => (nameInput.current?.value ? passwordInput : nameInput).current?.focus(), [])
  useEffect(() => {
    if (message?.tone !== 'error' || busy) return
    if (nameInput.current?.value === '') nameInput.current.focus()
    else passwordInput.current?.select()
  }, [message, busy])

  const send = (way?: 'directory') => props.onSubmit(props.username, password, way)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    send(ours ? undefined : 'directory')
  }
  const watchCapsLock = (event: KeyboardEvent) => setCapsLock(event.getModifierState?.('CapsLock') ?? false)

  return (
    <form className="form" onSubmit={submit} noValidate onKeyDown={watchCapsLock} onKeyUp={watchCapsLock}>
      <h1 className="card-title">Log in</h1>
      {window.isSecureContext ? null : <NotSecure />}
      <TextField className="field" value={props.username} onChange={props.onUsername} isInvalid={message?.text === words.nameMissing}>
        <Label>Agent Username</Label>
        <Input ref={nameInput} name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} className="input" />
      </TextField>
      <TextField
        className="field"
        type={shown ? 'text' : 'password'}
        value={password}
        onChange={setPassword}
        aria-describedby="caps-lock"
      >
        <div className="label-line">
          <Label>Password</Label>
          <span id="caps-lock" className="hint" aria-live="polite">
            {capsLock ? 'Caps Lock is on' : ''}
          </span>
        </div>
        <div className="input-group">
          <Input ref={passwordInput} name="password" autoComplete="current-password" spellCheck={false} autoCapitalize="none" className="input" />
          <Button className="input-button" onPress={() => setShown(!shown)}>
            {shown ? 'Hide' : 'Show'}
            <span className="unseen"> password</span>
          </Button>
        </div>
      </TextField>
      <MessageArea message={message} />
      {props.blocked && site?.contact ? <p className="note note-warn contact">{site.contact}</p> : null}
      <div className="ways">
        <Button type="submit" className="button button-main button-wide" aria-busy={busy}>
          {busy ? 'Logging in…' : ours ? 'Login' : 'Log in with Active Directory'}
        </Button>
        {ours && methods.includes('directory') ? (
          <Button className="button button-wide" onPress={() => send('directory')}>Log in with Active Directory</Button>
        ) : null}
        {methods.includes('oidc') ? <a className="button button-wide" href={oidcPath()}>Log in with {site?.oidc_label || 'Google'}</a> : null}
      </div>
      <p className="card-links">
        <AppLink to="/forgot">Forgot Password?</AppLink>
        <AppLink to="/help">Help with sign-in</AppLink>
      </p>
    </form>
  )
}

/** Where the other side is asked; it brings back to where the person wanted to go. */
function oidcPath(): string {
  const next = new URLSearchParams(location.search).get('next')
  return next ? `/api/login/oidc?next=${encodeURIComponent(next)}` : '/api/login/oidc'
}

/** SPEC A3: no riddle, but what is wrong and what to do. */
function NotSecure() {
  return (
    <p className="note note-warn">
      This page came over an insecure connection, where neither the login nor the microphone work.{' '}
      <a href={location.href.replace(/^http:/, 'https:')}>Open it with https://</a>
    </p>
  )
}
