// My second factors: which there are, another one, new recovery codes, away with one. Each change asks for the password.

import { useCallback, useEffect, useState, type FormEvent } from 'react'
import { Button, Dialog, Heading, Input, Label, Modal, ModalOverlay, TextField } from 'react-aria-components'
import type { Factor, FactorsAnswer, Refusal, TotpBegun } from '../api'
import { at } from '../clock'
import { api } from '../http'
import { MessageArea } from '../login/MessageArea'
import { words } from '../words'
import { makePasskey, passkeysKnown } from './passkey'
import { RecoveryCodes } from './RecoveryCodes'
import { TotpSetup } from './TotpSetup'

type Deed = { do: 'totp' } | { do: 'passkey' } | { do: 'codes' } | { do: 'remove'; factor: Factor }
type At = { at: 'list' } | { at: 'password'; deed: Deed } | { at: 'totp'; begun: TotpBegun } | { at: 'codes'; codes: readonly string[] }

const kindWords: Record<Factor['kind'], string> = { totp: 'Authenticator app', passkey: 'Passkey', recovery: 'Recovery codes' }

export function FactorsDialog({ onClose }: { onClose: () => void }) {
  const [state, setState] = useState<At>({ at: 'list' })
  const [known, setKnown] = useState<FactorsAnswer | null>(null)
  const [said, setSaid] = useState<{ tone: 'error' | 'info'; text: string } | null>(null)
  const load = useCallback(async () => {
    const answer = await api.factors()
    if (answer.ok) setKnown(answer.value)
    else setSaid({ tone: 'error', text: answer.refusal.sentence })
  }, [])
  useEffect(() => void load(), [load])

  const list = (text: string | null) => {
    setState({ at: 'list' })
    setSaid(text ? { tone: 'info', text } : null)
    void load()
  }
  /** Carries out what the password was asked for; a refusal comes back. */
  const act = async (deed: Deed, password: string): Promise<Refusal | null> => {
    switch (deed.do) {
      case 'totp': {
        const answer = await api.totpBegin(password)
        if (!answer.ok) return answer.refusal
        setState({ at: 'totp', begun: answer.value })
        return null
      }
      case 'passkey': {
        const begun = await api.addPasskeyBegin(password)
        if (!begun.ok) return begun.refusal
        let made: unknown
        try {
          made = await makePasskey(begun.value)
        } catch {
          return { reason: 'passkey', sentence: words.passkeyNotMade }
        }
        const answer = await api.addPasskeyFinish(made)
        if (!answer.ok) return answer.refusal
        const codes = answer.value?.recovery_codes ?? []
        if (codes.length > 0) setState({ at: 'codes', codes })
        else list('The passkey is set up.')
        return null
      }
      case 'codes': {
        const answer = await api.newRecoveryCodes(password)
        if (!answer.ok) return answer.refusal
        setState({ at: 'codes', codes: answer.value.recovery_codes })
        return null
      }
      case 'remove': {
        const answer = await api.removeFactor(deed.factor.id, password)
        if (!answer.ok) return answer.refusal
        list('It is taken away.')
        return null
      }
    }
  }
  return (
    <ModalOverlay className="overlay" isOpen onOpenChange={(open) => { if (!open) onClose() }}>
      <Modal className="modal">
        <Dialog className="dialog">
          <Heading slot="title" level={2}>{state.at === 'codes' ? 'Keep your recovery codes' : 'Second factor'}</Heading>
          {state.at === 'list' ? (
            <>
              <FactorList known={known} onRemove={(factor) => setState({ at: 'password', deed: { do: 'remove', factor } })} />
              {said ? <MessageArea message={said} /> : null}
              <div className="factor-deeds">
                <Button className="button" onPress={() => setState({ at: 'password', deed: { do: 'totp' } })}>Add an authenticator app</Button>
                {passkeysKnown() ? <Button className="button" onPress={() => setState({ at: 'password', deed: { do: 'passkey' } })}>Add a passkey</Button> : null}
                {known && known.factors.some((f) => f.kind !== 'recovery') ? (
                  <Button className="button" onPress={() => setState({ at: 'password', deed: { do: 'codes' } })}>New recovery codes</Button>
                ) : null}
              </div>
              <div className="dialog-foot"><Button autoFocus className="button button-main" onPress={onClose}>Close</Button></div>
            </>
          ) : state.at === 'password' ? (
            <AskPassword deed={state.deed} onBack={() => list(null)} onPassword={(password) => act(state.deed, password)} />
          ) : state.at === 'totp' ? (
            <TotpSetup
              begun={state.begun}
              onEnrolled={({ recovery_codes: codes = [] }) => { if (codes.length > 0) setState({ at: 'codes', codes }); else list('The authenticator app is set up.') }}
            />
          ) : (
            <RecoveryCodes codes={state.codes} site="Hotseat" onKept={() => list(null)} done="Done" />
          )}
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

function FactorList({ known, onRemove }: { known: FactorsAnswer | null; onRemove: (factor: Factor) => void }) {
  if (!known) return <p className="quiet" aria-busy="true">Loading…</p>
  const real = known.factors.filter((f) => f.kind !== 'recovery')
  const left = known.recovery_codes_left ?? known.factors.find((f) => f.kind === 'recovery')?.left ?? null
  if (real.length === 0) return <p className="quiet">None yet: your password alone lets you in. With a second factor, a stolen password is not enough.</p>
  return (
    <>
      <ul className="factors">
        {real.map((factor) => (
          <li key={factor.id}>
            <span>
              <b>{factor.label || kindWords[factor.kind]}</b>
              <span className="quiet">{factor.label ? `${kindWords[factor.kind]} · ` : ''}{factor.last_used ? `last used ${at(factor.last_used)}` : factor.created ? `since ${at(factor.created)}` : ''}</span>
            </span>
            {known.required && real.length === 1 ? null : (
              <Button className="button" onPress={() => onRemove(factor)}>Remove<span className="unseen"> {factor.label || kindWords[factor.kind]}</span></Button>
            )}
          </li>
        ))}
      </ul>
      {left !== null ? <p className={left < 3 ? 'message message-warn' : 'quiet'}>{left === 1 ? 'One recovery code is' : `${left} recovery codes are`} left.</p> : null}
    </>
  )
}

const deedWords: Record<Deed['do'], { title: string; yes: string }> = {
  totp: { title: 'To add an authenticator app, please enter your password.', yes: 'Continue' },
  passkey: { title: 'To add a passkey, please enter your password.', yes: 'Continue' },
  codes: { title: 'New recovery codes make the old ones worthless. Please enter your password.', yes: 'Make new codes' },
  remove: { title: 'It will let nobody in any more. Please enter your password.', yes: 'Remove' },
}

function AskPassword({ deed, onPassword, onBack }: { deed: Deed; onPassword: (password: string) => Promise<Refusal | null>; onBack: () => void }) {
  const [password, setPassword] = useState('')
  const [busy, setBusy] = useState(false)
  const [wrong, setWrong] = useState<string | null>(null)
  const { title, yes } = deedWords[deed.do]
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    if (password === '') return setWrong(words.passwordMissing)
    setBusy(true)
    const refusal = await onPassword(password)
    setBusy(false)
    if (refusal) setWrong(refusal.sentence)
  }
  return (
    <form className="form" onSubmit={(event) => void submit(event)} noValidate>
      <p>{deed.do === 'remove' ? <><b>{deed.factor.label || kindWords[deed.factor.kind]}</b>: </> : null}{title}</p>
      <TextField className="field" type="password" value={password} onChange={(text) => { setPassword(text); setWrong(null) }} isInvalid={wrong !== null} autoFocus>
        <Label>Password</Label>
        <Input name="password" autoComplete="current-password" className="input" />
      </TextField>
      <MessageArea message={wrong ? { tone: 'error', text: wrong } : null} />
      <div className="dialog-foot">
        <Button className="button" onPress={onBack}>Back</Button>
        <Button type="submit" className="button button-main" aria-busy={busy}>{busy ? 'One moment…' : yes}</Button>
      </div>
    </form>
  )
}
